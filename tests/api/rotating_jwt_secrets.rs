//! A new shared secret of JWTs, in the steps that docs/operations.md tells: beside the old one, then alone.

use jsonwebtoken::{Algorithm, Header};
use serde_json::Value;
use test_support::{
    actors::{Person, claims, sign},
    asking::SHORT_LEASE,
    database,
    program::Folder,
    replica::{JWT_SECRET, Replica},
};

const NEW: &str = "c41d9f02ab7e6835d0127f94e6a8b35c-for-tests";
const ISSUER: &str = "https://id.example";

/// Each a way to configure the secret and the one before it.
#[derive(Clone, Copy, Debug)]
enum Way {
    Settings,
    Table,
}

struct Scene {
    way: Way,
    folder: Folder,
    url: String,
}

impl Scene {
    async fn replica(&self, secret: &str, previous: Option<&str>) -> Replica {
        let file = |name: &str, secret: &str| self.folder.file(&format!("{name}-{}", &secret[..4]), secret);
        let (secret, previous) = (file("secret", secret), previous.map(|secret| file("previous", secret)));
        let mut env = vec![SHORT_LEASE];
        let table;
        match self.way {
            Way::Settings => {
                env.extend([("JWT_SECRET", ""), ("JWT_SECRET_FILE", &secret)]);
                env.extend(previous.as_deref().map(|file| ("KEYWARD__JWT__PREVIOUS_SECRET_FILE", file)));
            }
            Way::Table => {
                let previous = previous.as_ref().map(|file| format!("previous_secret_file = {file:?}\n"));
                let text = format!(
                    "[[jwt.issuers]]\nissuer = {ISSUER:?}\nsecret_file = {secret:?}\n{}",
                    previous.unwrap_or_default()
                );
                table = self.folder.file(&format!("keyward-{}.toml", uuid::Uuid::now_v7()), &text);
                env.push(("KEYWARD_CONFIG", &table));
            }
        }
        Replica::start_on(&self.url, &env).await
    }

    fn person(&self, secret: &str) -> Person {
        let mut claims: Value = claims("alice");
        if matches!(self.way, Way::Table) {
            claims["iss"] = ISSUER.into();
        }
        Person { token: sign(&Header::new(Algorithm::HS256), &claims, secret) }
    }

    async fn status(&self, replica: &Replica, secret: &str) -> u16 {
        self.person(secret).asks_for_a_key(replica).await.status().as_u16()
    }
}

#[tokio::test]
async fn tokens_of_both_secrets_are_accepted_until_the_previous_one_is_removed() {
    for way in [Way::Settings, Way::Table] {
        let database = database().await;
        let scene = Scene { way, folder: Folder::new(), url: database.url().to_owned() };
        let old = scene.replica(JWT_SECRET, None).await;
        let both = scene.replica(NEW, Some(JWT_SECRET)).await;
        // While replicas are replaced, the issuer signs with the old one, which all accept.
        for replica in [&old, &both] {
            assert_eq!(scene.status(replica, JWT_SECRET).await, 201, "{way:?}");
        }
        // Then with the new one; tokens of the old one live on.
        drop(old);
        let other = scene.replica(NEW, Some(JWT_SECRET)).await;
        for replica in [&both, &other] {
            for secret in [JWT_SECRET, NEW] {
                assert_eq!(scene.status(replica, secret).await, 201, "{way:?}");
            }
            assert_eq!(scene.status(replica, "another-secret-another-secret-another").await, 401, "{way:?}");
        }
        let new = scene.replica(NEW, None).await;
        assert_eq!((scene.status(&new, NEW).await, scene.status(&new, JWT_SECRET).await), (201, 401), "{way:?}");
    }
}
