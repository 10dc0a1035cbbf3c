//! The files for Kubernetes, which nobody reads here: that they are YAML, close where they fail, and name what there
//! is.

use std::{fs, path::Path};

use serde_json::{Value, json};
use test_support::program::{Folder, bare, run};

const IDENTITY: [&str; 7] = [
    "x-auth-subject",
    "x-auth-tenant",
    "x-auth-owner",
    "x-auth-key-id",
    "x-auth-scopes",
    "x-auth-method",
    "x-auth-environment",
];
const CREDENTIALS: [&str; 2] = ["authorization", "x-api-key"];

/// The documents in a file of `deploy`.
fn documents(path: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The document of that kind and name.
#[track_caller]
fn named<'a>(documents: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |document: &&Value| document["kind"] == kind && document["metadata"]["name"] == name;
    documents.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The texts of a list, in small letters.
fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    list.iter().map(|text| text.as_str().expect("a text").to_ascii_lowercase()).collect()
}

/// The names in a map whose values are all empty: headers that are taken off.
fn emptied(map: &Value) -> Vec<String> {
    let map = map.as_object().expect("a map");
    assert!(map.values().all(|value| value == ""), "{map:?}");
    map.keys().map(|name| name.to_ascii_lowercase()).collect()
}

#[track_caller]
fn assert_same(mut found: Vec<String>, expected: &[&str]) {
    let mut expected = expected.to_vec();
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// A ForwardAuth of Traefik's.
#[track_caller]
fn assert_asks_as_it_should(forward_auth: &Value) {
    let address = forward_auth["address"].as_str().expect("an address");
    assert!(address.contains("/v1/authorize"), "{address}");
    assert_eq!(forward_auth["trustForwardHeader"], false);
    assert_same(texts(&forward_auth["authResponseHeaders"]), &IDENTITY);
    let passed_on = texts(&forward_auth["authRequestHeaders"]);
    assert!(CREDENTIALS.iter().all(|name| passed_on.iter().any(|passed| passed == name)), "{passed_on:?}");
    assert!(forward_auth["maxResponseBodySize"].as_u64().is_some_and(|size| size >= 4096));
}

#[test]
fn the_gateway_of_the_gateway_api_fails_closed_and_hands_on_who_it_is() {
    let all = documents("kubernetes/gateway-api.yml");
    let traffic = &named(&all, "ClientTrafficPolicy", "public")["spec"]["headers"];
    assert_eq!(traffic["withUnderscoresAction"], "DropHeader");
    assert_same(
        texts(&traffic["earlyRequestHeaders"]["remove"]),
        &[&IDENTITY[..], &["http2-settings", "x-forwarded-for"]].concat(),
    );
    let policy = &named(&all, "SecurityPolicy", "keyward")["spec"];
    assert_eq!(
        (&policy["targetRefs"][0]["kind"], &policy["targetRefs"][0]["name"]),
        (&"Gateway".into(), &"public".into())
    );
    let asks = &policy["extAuth"];
    assert_eq!((&asks["failOpen"], &asks["statusOnError"]), (&false.into(), &503.into()));
    assert_eq!(asks["http"]["path"], "/v1/authorize");
    assert_same(texts(&asks["http"]["headersToBackend"]), &IDENTITY);
    for name in ["api", "public"] {
        let filter = &named(&all, "HTTPRoute", name)["spec"]["rules"][0]["filters"][0];
        assert_same(texts(&filter["requestHeaderModifier"]["remove"]), &CREDENTIALS);
    }
    let keyward = documents("kubernetes/keyward.yml");
    let port = &named(&keyward, "Service", "keyward")["spec"]["ports"][0]["port"];
    assert_eq!(&asks["http"]["backendRefs"][0]["port"], port);
}

#[test]
fn the_ingresses_name_what_there_is() {
    let traefik = documents("kubernetes/traefik.yml");
    assert_asks_as_it_should(&named(&traefik, "Middleware", "keyward")["spec"]["forwardAuth"]);
    let headers = |name: &str| emptied(&named(&traefik, "Middleware", name)["spec"]["headers"]["customRequestHeaders"]);
    assert_same(headers("claims-removed"), &[&IDENTITY[..], &["http2-settings"]].concat());
    assert_same(headers("credential-removed"), &CREDENTIALS);
    for (name, chain) in [
        ("api", &["claims-removed", "keyward", "credential-removed"][..]),
        ("api-public", &["claims-removed", "credential-removed"]),
    ] {
        let annotations = &named(&traefik, "Ingress", name)["metadata"]["annotations"];
        let expected: Vec<String> = chain.iter().map(|name| format!("default-{name}@kubernetescrd")).collect();
        assert_eq!(annotations["traefik.ingress.kubernetes.io/router.middlewares"], expected.join(","));
    }

    let nginx = documents("kubernetes/ingress-nginx.yml");
    let annotations = &named(&nginx, "Ingress", "api")["metadata"]["annotations"];
    let annotation = |name: &str| annotations[format!("nginx.ingress.kubernetes.io/{name}")].as_str().expect("a text");
    assert!(annotation("auth-url").ends_with("/v1/authorize"));
    let headers = annotation("auth-response-headers").split(',').map(str::to_ascii_lowercase).collect();
    assert_same(headers, &IDENTITY);
    let (_, map) = annotation("auth-proxy-set-headers").split_once('/').expect("namespace and name");
    assert_eq!(named(&nginx, "ConfigMap", map)["data"]["X-Forwarded-Uri"], "");
}

/// The file for Traefik alone is proven with Traefik.
#[test]
fn what_servers_read_differently_is_refused_by_the_rule_that_is_proven() {
    let alone = documents("traefik/keyward.yml");
    let all = documents("kubernetes/traefik.yml");
    let unclear = &alone[0]["http"]["routers"]["unclear"];
    let refused = &named(&all, "IngressRoute", "refused")["spec"]["routes"];
    assert_eq!((&refused[0]["match"], &refused[0]["priority"]), (&unclear["rule"], &unclear["priority"]));
    for route in refused.as_array().expect("a list") {
        assert_eq!(route["middlewares"][0]["name"], "refused");
    }
    let middleware = &named(&all, "Middleware", "refused")["spec"]["ipAllowList"];
    assert_eq!(*middleware, alone[0]["http"]["middlewares"]["refused"]["ipAllowList"]);
}

/// Keyward believes whoever connects from a trusted network, and a network of pods is one of everybody.
#[test]
fn in_kubernetes_only_its_gateway_can_connect_to_keyward() {
    let keyward = documents("kubernetes/keyward.yml");
    let networks = named(&keyward, "ConfigMap", "keyward")["data"]["KEYWARD__SERVER__TRUSTED_PROXIES"].as_str();
    for network in networks.expect("a text").split(',') {
        let network: ipnet::IpNet = network.parse().expect("a network");
        assert!(network.prefix_len() >= 16, "{network} is more than a cluster's pods");
    }
    let nobody = &named(&keyward, "NetworkPolicy", "keyward")["spec"];
    assert_eq!((&nobody["policyTypes"], &nobody["ingress"]), (&json!(["Ingress"]), &json!([])));
    let labels = &named(&keyward, "Deployment", "keyward")["spec"]["template"]["metadata"]["labels"];
    let of_job = &named(&keyward, "Job", "keyward-migrate")["spec"]["template"]["metadata"]["labels"];
    let selects = &nobody["podSelector"]["matchExpressions"][0];
    let name = selects["key"].as_str().expect("a label");
    assert_eq!(selects["values"], json!([labels[name], of_job[name]]));

    let port = &named(&keyward, "Service", "keyward")["spec"]["ports"][0]["port"];
    for (file, policy) in [
        ("gateway-api.yml", "keyward-from-the-gateway"),
        ("traefik.yml", "keyward-from-traefik"),
        ("ingress-nginx.yml", "keyward-from-ingress-nginx"),
    ] {
        let all = documents(&format!("kubernetes/{file}"));
        let policy = &named(&all, "NetworkPolicy", policy)["spec"];
        assert_eq!(&policy["podSelector"]["matchLabels"], labels);
        let rules = policy["ingress"].as_array().expect("a list");
        let [rule] = rules.as_slice() else { panic!("{file}: {rules:?}") };
        assert_eq!(rule["ports"], json!([{ "protocol": "TCP", "port": port }]));
        let [from] = rule["from"].as_array().expect("a list").as_slice() else { panic!("{file}: {rule}") };
        // Pods with these labels in that namespace; one without the other would be many more.
        for selector in ["namespaceSelector", "podSelector"] {
            assert!(
                from[selector]["matchLabels"].as_object().is_some_and(|labels| !labels.is_empty()),
                "{file}: {from}"
            );
        }
    }
}

#[test]
fn in_kubernetes_prometheus_reads_the_metrics_of_each_replica_and_reaches_nothing_else() {
    let (keyward, monitoring) = (documents("kubernetes/keyward.yml"), documents("kubernetes/monitoring.yml"));
    let template = &named(&keyward, "Deployment", "keyward")["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    let ports = template["spec"]["containers"][0]["ports"].as_array().expect("ports");
    let metrics = ports.iter().find(|port| port["name"] == "metrics").expect("a port for metrics");
    let listen = named(&keyward, "ConfigMap", "keyward")["data"]["KEYWARD__METRICS__LISTEN"].as_str();
    assert!(listen.is_some_and(|listen| listen.ends_with(&format!(":{}", metrics["containerPort"]))));

    let monitor = &named(&monitoring, "PodMonitor", "keyward")["spec"];
    assert_eq!(
        (&monitor["selector"]["matchLabels"], &monitor["podMetricsEndpoints"][0]["port"]),
        (labels, &json!("metrics"))
    );
    let policy = &named(&monitoring, "NetworkPolicy", "keyward-from-prometheus")["spec"];
    assert_eq!(&policy["podSelector"]["matchLabels"], labels);
    let [rule] = policy["ingress"].as_array().expect("a list").as_slice() else { panic!("{policy}") };
    assert_eq!(rule["ports"], json!([{ "protocol": "TCP", "port": metrics["containerPort"] }]));
    let [from] = rule["from"].as_array().expect("a list").as_slice() else { panic!("{rule}") };
    for selector in ["namespaceSelector", "podSelector"] {
        assert!(from[selector]["matchLabels"].as_object().is_some_and(|labels| !labels.is_empty()), "{from}");
    }
}

#[test]
fn in_kubernetes_more_replicas_start_under_load_and_never_fewer_run_than_the_alert_expects() {
    let (keyward, monitoring) = (documents("kubernetes/keyward.yml"), documents("kubernetes/monitoring.yml"));
    let scaler = &named(&monitoring, "HorizontalPodAutoscaler", "keyward")["spec"];
    let deployment = named(&keyward, "Deployment", "keyward");
    for name in ["kind", "apiVersion"] {
        assert_eq!(scaler["scaleTargetRef"][name], deployment[name]);
    }
    assert_eq!(scaler["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
    assert_eq!(scaler["minReplicas"], deployment["spec"]["replicas"]);
    assert!(scaler["maxReplicas"].as_u64() > scaler["minReplicas"].as_u64());
    // A share of the processor is a share of what is requested.
    assert!(deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"].is_string());
    let rules = &documents("prometheus/recording.yml")[0]["groups"][0]["rules"][0];
    assert_eq!(rules["record"], "keyward:replicas:expected");
    assert_eq!(rules["expr"], format!("vector({})", scaler["minReplicas"]));
}

/// What the head of the file tells to type.
#[test]
fn in_kubernetes_the_rules_that_ship_become_prometheus_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("deploy/kubernetes/monitoring.yml")).expect("text");
    let lines = text.lines().map(|line| line.trim_start_matches('#'));
    let lines = lines.skip_while(|line| !line.contains("for name in")).take_while(|line| !line.is_empty());
    let typed: Vec<_> = lines.collect();
    let script = format!("kubectl() {{ cat; echo ---; }}\n{}", typed.join("\n"));
    let mut shell = std::process::Command::new("bash");
    let made = run(shell.args(["-euc", &script]).current_dir(root)).succeeded();
    let made: Vec<Value> = serde_saphyr::from_multiple(&made).expect("YAML");
    for name in ["recording", "alerts"] {
        let rule = named(&made, "PrometheusRule", &format!("keyward-{name}"));
        assert_eq!(rule["spec"], documents(&format!("prometheus/{name}.yml"))[0]);
    }
}

#[test]
fn keyward_runs_without_rights_in_kubernetes_and_leaves_in_time() {
    let all = documents("kubernetes/keyward.yml");
    for (kind, name) in [("Deployment", "keyward"), ("Job", "keyward-migrate")] {
        let pod = &named(&all, kind, name)["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["containers"][0];
        let security = &container["securityContext"];
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["capabilities"]["drop"][0], "ALL");
        assert!(container["resources"]["limits"]["memory"].is_string());
    }
    let deployment = &named(&all, "Deployment", "keyward")["spec"];
    let pod = &deployment["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    let labels = &deployment["template"]["metadata"]["labels"];
    for selector in [
        &deployment["selector"]["matchLabels"],
        &named(&all, "Service", "keyward")["spec"]["selector"],
        &named(&all, "PodDisruptionBudget", "keyward")["spec"]["selector"]["matchLabels"],
        &pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    // Longer than Keyward takes to stop: 8 s of being unready, and 5 s of draining.
    assert!(pod["terminationGracePeriodSeconds"].as_u64().is_some_and(|seconds| seconds > 13));
}

#[test]
fn every_setting_in_kubernetes_is_one_and_every_secret_is_there() {
    let folder = Folder::new();
    let mut secrets = Vec::new();
    for (name, value) in [
        ("database-url", "postgres://keyward@postgres/keyward"),
        ("migrate-url", "postgres://keyward_owner@postgres/keyward"),
        ("jwt-secret", test_support::replica::JWT_SECRET),
        ("pepper", test_support::replica::PEPPER),
    ] {
        folder.file(name, value);
        secrets.push(name);
    }
    let all = documents("kubernetes/keyward.yml");
    let settings = named(&all, "ConfigMap", "keyward")["data"].as_object().expect("settings");
    let further = &named(&all, "Job", "keyward-migrate")["spec"]["template"]["spec"]["containers"][0]["env"];
    let further = further.as_array().expect("a list").iter().map(|variable| (&variable["name"], &variable["value"]));
    let further = further.map(|(name, value)| (name.as_str().expect("a name"), value));
    let mut command = bare();
    command.arg("config");
    for (name, value) in settings.iter().map(|(name, value)| (name.as_str(), value)).chain(further) {
        let value = value.as_str().expect("a text");
        command.env(name, value.replace("/run/keyward", folder.path().to_str().expect("UTF-8")));
    }
    let shown = run(&mut command).succeeded();
    assert!(shown.contains("KEYWARD__SERVER__TRUSTED_PROXIES"), "{shown}");
    // What is mounted is in the Secret that the file's head makes.
    let volumes = &named(&all, "Deployment", "keyward")["spec"]["template"]["spec"]["volumes"];
    for item in volumes[0]["secret"]["items"].as_array().expect("a list") {
        assert!(secrets.contains(&item["key"].as_str().expect("a text")), "{item}");
        assert_eq!(item["key"], item["path"]);
    }
}
