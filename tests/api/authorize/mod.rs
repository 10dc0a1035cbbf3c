//! `/v1/authorize`, as gateways ask it.

mod command;
mod costs;
mod gateways;
mod grants;
mod paths;
mod refusals;
mod reload;
mod rules;

use reqwest::{Method, RequestBuilder};
use test_support::{
    actors::stranger,
    asking::{MadeKey, Reply, replica_with},
    program::Folder,
    replica::Replica,
};

pub(crate) const AUTHORIZE: &str = "/v1/authorize";

/// Whose words on the original request are taken.
const TRUSTED: (&str, &str) = ("KEYWARD__SERVER__TRUSTED_PROXIES", "127.0.0.1");

/// What a gateway is told of its client, in the order of the documentation.
const IDENTITY: [&str; 6] =
    ["x-auth-subject", "x-auth-owner", "x-auth-key-id", "x-auth-scopes", "x-auth-method", "x-auth-environment"];

/// A gateway's question without a credential.
fn question(replica: &Replica) -> RequestBuilder {
    stranger(replica, Method::GET, AUTHORIZE)
}

/// The same with further headers.
fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// Asks at `path` with a key.
async fn asks_at(replica: &Replica, key: &MadeKey, path: &str) -> Reply {
    Reply::to(stranger(replica, Method::GET, path).header("x-api-key", &key.holder.key)).await
}

/// The values of the six headers; `None` for one that is missing.
fn identity(reply: &Reply) -> [Option<&str>; 6] {
    IDENTITY.map(|name| reply.header(name))
}

/// What an answer may be.
trait Grant {
    /// That it is a grant: 200, nothing to read, nothing to keep.
    fn is_grant(&self);
}

impl Grant for Reply {
    #[track_caller]
    fn is_grant(&self) {
        assert_eq!((self.status, self.text.as_str()), (200, ""), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(identity(self).iter().all(Option::is_some), "{self:?}");
    }
}

/// A replica with a policy, which believes what this machine tells of requests.
struct Guarded {
    replica: Replica,
    folder: Folder,
    /// Where the policy is.
    file: String,
}

impl Guarded {
    async fn by(policy: &str) -> Self {
        Self::with(policy, &[TRUSTED]).await
    }

    async fn with(policy: &str, env: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        let file = folder.file("policy.toml", policy);
        let setting = [("KEYWARD__AUTHORIZE__POLICY_FILE", file.as_str())];
        let replica = replica_with(&[&setting[..], env].concat()).await;
        Self { replica, folder, file }
    }

    /// What is answered about such a request, as Traefik and Caddy tell of it.
    async fn asks(&self, credential: Option<&str>, method: &str, host: &str, uri: &str) -> Reply {
        let told = [("x-forwarded-method", method), ("x-forwarded-host", host), ("x-forwarded-uri", uri)];
        let question = with(question(&self.replica), &told);
        Reply::to(credential.into_iter().fold(question, RequestBuilder::bearer_auth)).await
    }
}
