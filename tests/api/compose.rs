//! What `docker-compose.yml` and its files promise, as far as that can be seen without containers.
//! `tests/containers.sh` brings them up.

use std::{collections::BTreeMap, fs, net::IpAddr, path::Path};

use ipnet::IpNet;
use keyward_local_postgres::programs::Programs;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use test_support::{
    PrivateCluster,
    actors::Person,
    asking::SHORT_LEASE,
    program::{Folder, bare, run, run_beside},
    replica::{Replica, command},
};

use crate::service_role::{cannot_rewrite_the_audit, is_forbidden};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The file, with the default of each variable in its place.
fn compose() -> Value {
    let mut text = fs::read_to_string(Path::new(ROOT).join("docker-compose.yml")).expect("the file");
    while let Some(begin) = text.find("${") {
        let end = begin + text[begin..].find('}').expect("its end");
        let (_, default) = text[begin..end].split_once(":-").expect("a default");
        text = [&text[..begin], default, &text[end + 1..]].concat();
    }
    serde_saphyr::from_str(&text).expect("YAML")
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().expect("services").iter()
}

#[test]
fn the_load_balancer_is_believed_and_nobody_else() {
    let compose = compose();
    let trusted = compose["services"]["keyward"]["environment"]["KEYWARD__SERVER__TRUSTED_PROXIES"].as_str();
    let trusted: IpAddr = trusted.expect("a text").parse().expect("a single address");
    let balancer = compose["services"]["lb"]["networks"]["front"]["ipv4_address"].as_str().expect("an address");
    assert_eq!(balancer.parse(), Ok(trusted));
    let network = &compose["networks"]["front"]["ipam"]["config"][0];
    let network = |name: &str| -> IpNet { network[name].as_str().expect("a text").parse().expect("a network") };
    // So that no replica, and nothing else that joins the network, gets that address.
    assert!(network("subnet").contains(&trusted) && !network("ip_range").contains(&trusted));
    assert!(network("subnet").contains(&network("ip_range")));
    // The first one is the engine's own.
    assert_ne!(network("subnet").hosts().next(), Some(trusted));
    for (name, service) in services(&compose) {
        assert!(name == "lb" || service["networks"]["front"]["ipv4_address"].is_null(), "{name} has a fixed address");
    }
}

#[test]
fn the_service_does_not_learn_who_owns_the_tables() {
    let compose = compose();
    let environment = &compose["services"]["keyward"]["environment"];
    let volumes = compose["services"]["keyward"]["volumes"].to_string();
    assert!(!volumes.contains("owner") && !environment.to_string().contains("owner"), "{volumes} {environment}");
    assert_eq!(environment["KEYWARD__DATABASE__MIGRATE_ON_START"], "false");
    let url = environment["KEYWARD__DATABASE__URL"].as_str().expect("a text");
    assert!(url.starts_with("postgres://keyward_service@"), "{url}");
    let superuser = &compose["services"]["postgres"]["environment"]["POSTGRES_USER"];
    assert_ne!(*superuser, "keyward_service");
    let migrate = &compose["services"]["migrate"]["environment"];
    assert_eq!(migrate["KEYWARD__DATABASE__URL"], url);
    assert!(migrate["KEYWARD__DATABASE__MIGRATE_URL"].as_str().is_some_and(|url| url.contains("//keyward_owner@")));
    assert_eq!(compose["services"]["keyward"]["depends_on"]["migrate"]["condition"], "service_completed_successfully");
    for service in ["postgres", "migrate"] {
        assert!(
            compose["services"][service]["volumes"].to_string().contains("owner:/run/keyward-owner:ro"),
            "{service}"
        );
    }
}

#[test]
fn no_container_leaves_a_core_dump_or_gains_rights() {
    let compose = compose();
    for (name, service) in services(&compose) {
        assert_eq!(service["ulimits"]["core"], 0, "{name}");
        assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
    }
    for name in ["secrets", "migrate", "keyward", "lb", "prometheus", "grafana"] {
        let service = &compose["services"][name];
        assert_eq!((&service["read_only"], &service["cap_drop"]), (&json!(true), &json!(["ALL"])), "{name}");
    }
}

/// `17` is another server tomorrow, and `latest` is anything.
#[test]
fn images_are_named_to_the_patch() {
    let mut images = Vec::new();
    let mut folders = vec![Path::new(ROOT).join("deploy")];
    let mut files = vec![Path::new(ROOT).join("docker-compose.yml"), Path::new(ROOT).join("Dockerfile")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() { &mut folders } else { &mut files }.push(entry);
        }
    }
    for file in files {
        let text = fs::read_to_string(&file).expect("text");
        let named = text.lines().filter_map(|line| {
            let line = line.trim().trim_start_matches("- ");
            let words = if file.ends_with("Dockerfile") { &["FROM ", "ARG RUNTIME="][..] } else { &["image: "] };
            let image = words.iter().find_map(|word| line.strip_prefix(word))?;
            image.split_whitespace().next().map(|image| image.trim_matches('"').to_owned())
        });
        images.extend(named);
    }
    assert!(images.len() >= 6, "{images:?}");
    // Made by the file itself; a stage of another one; and Google's, which has no versions.
    let others = ["keyward:local", "${RUNTIME}", "gcr.io/distroless/cc-debian12:nonroot"];
    for image in images.iter().filter(|image| !others.contains(&image.as_str())) {
        let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
        let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
        let numbers = version.split('.').filter(|number| number.parse::<u32>().is_ok()).count();
        // Postgres has no third number.
        assert!(numbers >= if image.starts_with("postgres:") { 2 } else { 3 }, "{image}");
    }
}

#[test]
fn every_setting_of_the_compose_file_is_one() {
    let (folder, compose) = (Folder::new(), compose());
    run(bare().args(["secrets", "init", "--dir"]).arg(folder.path()).arg("--owner-dir").arg(folder.path())).succeeded();
    for service in ["keyward", "migrate"] {
        let environment = &compose["services"][service]["environment"];
        let environment: BTreeMap<String, String> = serde_json::from_value(environment.clone()).expect("texts");
        let mut command = bare();
        command.arg("config");
        let folder = folder.path().to_str().expect("UTF-8");
        for (name, value) in &environment {
            command.env(name, value.replace("/run/keyward-owner", folder).replace("/run/keyward", folder));
        }
        // Whoever migrates needs no more secrets than that.
        command.env("KEYWARD__JWT__SECRET_FILE", format!("{folder}/jwt_secret"));
        command.env("KEYWARD__KEYS__PEPPERS_FILE", format!("{folder}/pepper"));
        run(&mut command).succeeded();
    }
}

/// A server on which the two roles need their passwords, as over the network in the containers.
struct Server {
    cluster: PrivateCluster,
    owner_password: String,
    service_password: String,
}

impl Server {
    async fn start() -> Self {
        let cluster = PrivateCluster::start().await;
        let (owner_password, service_password) = ("o".repeat(43), "s".repeat(43));
        let server = Self { cluster, owner_password, service_password };
        let mut superuser = server.superuser("postgres").await;
        for statement in ["CREATE DATABASE keyward", "CREATE ROLE stranger LOGIN"] {
            sqlx::query(statement).execute(&mut superuser).await.expect("done");
        }
        let file: String = sqlx::query_scalar("SHOW hba_file").fetch_one(&mut superuser).await.expect("a path");
        let rules = "local all keyward_owner,keyward_service scram-sha-256\nlocal all all trust\n";
        fs::write(file, rules).expect("it is written");
        sqlx::query("SELECT pg_reload_conf()").execute(&mut superuser).await.expect("done");
        server
    }

    async fn superuser(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.cluster.url(database)).await.expect("a connection")
    }

    /// Of the database, for a role, perhaps with a password.
    fn url(&self, role: &str) -> String {
        self.cluster.url("keyward").replacen("postgres@", &format!("{role}@"), 1)
    }

    fn service(&self) -> String {
        self.url(&format!("keyward_service:{}", self.service_password))
    }

    /// Runs `deploy/compose/roles.sql` as the container does.
    async fn gets_its_roles(&self) {
        let mut psql = std::process::Command::new(Programs::find().expect("programs").path("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--dbname", &self.cluster.url("keyward"), "--file"]);
        psql.arg(Path::new(ROOT).join("deploy/compose/roles.sql"));
        psql.env("KEYWARD_OWNER_PASSWORD", &self.owner_password)
            .env("KEYWARD_SERVICE_PASSWORD", &self.service_password);
        run_beside(psql).await.succeeded();
    }

    /// `keyward migrate` as the container runs it.
    async fn migrates(&self, owner_password: &str) -> test_support::program::Ended {
        let mut migrate = command();
        migrate.arg("migrate").env("DATABASE_URL", self.url("keyward_service"));
        migrate.env("KEYWARD__DATABASE__PASSWORD", &self.service_password);
        migrate.env("KEYWARD__DATABASE__MIGRATE_URL", self.url("keyward_owner"));
        migrate.env("KEYWARD__DATABASE__MIGRATE_PASSWORD", owner_password);
        run_beside(migrate).await
    }

    async fn serves(&self) -> Replica {
        let env = [
            SHORT_LEASE,
            ("KEYWARD__DATABASE__PASSWORD", self.service_password.as_str()),
            ("KEYWARD__DATABASE__MIGRATE_ON_START", "false"),
        ];
        Replica::start_on(&self.url("keyward_service"), &env).await
    }

    /// The service can do no more than serve.
    async fn holds(&self) {
        let service = self.service();
        cannot_rewrite_the_audit(&service).await;
        for statement in [
            "SET ROLE keyward_owner",
            "SET ROLE postgres",
            "CREATE ROLE another",
            "CREATE DATABASE another",
            "ALTER ROLE keyward_service SUPERUSER",
            "ALTER DATABASE keyward OWNER TO keyward_service",
            "CREATE SCHEMA another",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ] {
            is_forbidden(&service, statement).await;
        }
        let refused = PgConnection::connect(&self.url("stranger")).await;
        let error = refused.expect_err("nobody else connects").to_string();
        assert!(error.contains("permission denied for database"), "{error}");
        let mut superuser = self.superuser("keyward").await;
        let others: Vec<String> = sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
                 AND relowner <> 'keyward_owner'::regrole
             UNION ALL
             SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
                 AND proowner <> 'keyward_owner'::regrole",
        )
        .fetch_all(&mut superuser)
        .await
        .expect("names");
        assert_eq!(others, Vec::<String>::new(), "of another owner");
    }
}

#[tokio::test]
async fn the_service_of_the_compose_file_is_no_superuser_and_cannot_rewrite_its_audit() {
    let server = Server::start().await;
    // To run it again changes nothing.
    for _ in 0..2 {
        server.gets_its_roles().await;
        server.migrates(&server.service_password).await.failed();
        server.migrates(&server.owner_password).await.succeeded();
        let (replica, alice) = (server.serves().await, Person::named("alice"));
        let key = alice.creates(&replica, json!({})).await;
        assert_eq!(key.holder.asks_for_the_resource(&replica).await.status(), 200);
        alice.deletes(&replica, &key.path()).await.is(200);
        assert_eq!(key.holder.asks_for_the_resource(&replica).await.status(), 401);
        server.holds().await;
    }
}

#[tokio::test]
async fn a_database_of_an_older_compose_file_gets_its_roles_and_keeps_its_keys() {
    let server = Server::start().await;
    let alice = Person::named("alice");
    let key = {
        // One role for everything, a superuser.
        let older = Replica::start_on(&server.cluster.url("keyward"), &[SHORT_LEASE]).await;
        alice.creates(&older, json!({})).await
    };
    server.gets_its_roles().await;
    server.migrates(&server.owner_password).await.succeeded();
    let replica = server.serves().await;
    assert_eq!(key.holder.asks_for_the_resource(&replica).await.status(), 200);
    alice.deletes(&replica, &key.path()).await.is(200);
    assert_eq!(key.holder.asks_for_the_resource(&replica).await.status(), 401);
    server.holds().await;
}

#[tokio::test]
async fn without_passwords_no_role_is_made() {
    let server = Server { service_password: String::new(), ..Server::start().await };
    let mut psql = std::process::Command::new(Programs::find().expect("programs").path("psql"));
    psql.args(["--no-psqlrc", "--quiet", "--dbname", &server.cluster.url("keyward"), "--file"]);
    psql.arg(Path::new(ROOT).join("deploy/compose/roles.sql"));
    psql.env("KEYWARD_OWNER_PASSWORD", &server.owner_password).env_remove("KEYWARD_SERVICE_PASSWORD");
    let ended = run_beside(psql).await;
    assert!(ended.code != Some(0) && ended.stderr.contains("a password of Keyward's roles is missing"), "{ended:?}");
    let mut superuser = server.superuser("postgres").await;
    let roles: i64 = sqlx::query_scalar(AssertSqlSafe("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'keyward_%'"))
        .fetch_one(&mut superuser)
        .await
        .expect("a number");
    assert_eq!(roles, 0);
}
