//! `/v1/authorize`, as gateways ask it.

mod grants;
mod refusals;

use reqwest::{Method, RequestBuilder};

use crate::{
    actors::stranger,
    asking::{MadeKey, Reply},
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

impl Reply {
    /// That it is a grant: 200, nothing to read, nothing to keep.
    #[track_caller]
    fn is_grant(&self) {
        assert_eq!((self.status, self.text.as_str()), (200, ""), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert!(identity(self).iter().all(Option::is_some), "{self:?}");
    }
}
