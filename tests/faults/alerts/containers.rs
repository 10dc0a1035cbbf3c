//! The Prometheus and the Grafana of the compose file, as far as that can be seen without containers.

use serde_json::Value;
use test_support::program::Folder;

use super::{
    rules::promtool,
    shipped::{dashboards, path, text},
};

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).expect("YAML")
}

/// What the service sees at this place, as a path in the repository.
fn mounted(service: &Value, place: &str) -> String {
    let volumes = service["volumes"].as_array().expect("volumes").iter().filter_map(Value::as_str);
    let mut found = volumes.filter_map(|volume| {
        let (from, to) = volume.strip_suffix(":ro")?.split_once(':')?;
        Some((from.strip_prefix("./")?, place.strip_prefix(to)?))
    });
    let (from, rest) = found.next().unwrap_or_else(|| panic!("nothing is mounted at {place}"));
    format!("{from}{rest}")
}

#[test]
fn the_prometheus_of_the_compose_file_reads_the_rules_that_ship_and_scrapes_each_replica() {
    let compose = yaml("docker-compose.yml");
    let (service, keyward) = (&compose["services"]["prometheus"], &compose["services"]["keyward"]);
    assert_eq!(service["profiles"], serde_json::json!(["observability"]));
    let file = mounted(service, "/etc/prometheus/prometheus.yml");
    let configuration = yaml(&file);
    for rules in configuration["rule_files"].as_array().expect("rules").iter().filter_map(Value::as_str) {
        assert!(path(&mounted(service, rules)).is_file(), "{rules}");
    }
    let replicas = &configuration["scrape_configs"][0]["dns_sd_configs"][0];
    assert_eq!(replicas["names"][0], "keyward");
    let listen = keyward["environment"]["KEYWARD__METRICS__LISTEN"].as_str().expect("an address");
    assert!(listen.ends_with(&format!(":{}", replicas["port"])), "{listen}");
    let networks = |service: &Value| service["networks"].as_array().expect("a list").clone();
    assert!(networks(service).iter().any(|network| networks(keyward).contains(network)), "they don't meet");
    let folder = Folder::new();
    let rules = path("deploy/prometheus");
    let local = text(&file).replace("/etc/prometheus/keyward", rules.to_str().expect("UTF-8"));
    promtool(&["check", "config", &folder.file("prometheus.yml", &local)]);
}

#[test]
fn the_grafana_of_the_compose_file_finds_prometheus_and_the_dashboards_and_can_be_reached_from_this_machine_only() {
    let compose = yaml("docker-compose.yml");
    let service = &compose["services"]["grafana"];
    assert_eq!(service["profiles"], serde_json::json!(["observability"]));
    let provisioned = |name: &str| yaml(&mounted(service, &format!("/etc/grafana/provisioning/{name}/keyward.yml")));
    assert_eq!(provisioned("datasources")["datasources"][0]["url"], "http://prometheus:9090");
    let folder = provisioned("dashboards")["providers"][0]["options"]["path"].as_str().expect("a path").to_owned();
    for dashboard in dashboards() {
        assert!(path(&mounted(service, &format!("{folder}/{}", dashboard.file))).is_file());
    }
    let home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str().expect("a path");
    assert!(path(&mounted(service, home)).is_file(), "{home}");
    for service in ["prometheus", "grafana"] {
        let ports = compose["services"][service]["ports"].as_array().expect("ports");
        assert!(ports.iter().all(|port| port.as_str().is_some_and(|port| port.starts_with("127.0.0.1:"))), "{ports:?}");
    }
    let networks = &service["networks"];
    assert_eq!(networks, &serde_json::json!(["observability"]), "it has no business with Keyward");
    assert!(compose["services"]["prometheus"]["networks"].to_string().contains("observability"));
}
