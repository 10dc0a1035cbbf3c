//! Links to keys, with their names.

use std::collections::HashMap;

use actix_web::HttpRequest;

use crate::{
    console::{fault::Fault, frame::Name, services::Console},
    domain::{api_key::KeyId, ledger::Reach, text::KeyName},
};

/// A key that a page links.
pub(crate) struct KeyLink {
    pub(crate) id: String,
    pub(crate) name: Option<Name>,
}

/// The names of the keys that a page links.
#[derive(Default)]
pub(crate) struct KeyNames(HashMap<KeyId, KeyName>);

impl KeyNames {
    /// Reads the names of these keys. Of those that are gone, there is none.
    pub(crate) async fn of(
        request: &HttpRequest,
        console: &Console,
        keys: impl Iterator<Item = KeyId>,
        reach: &Reach,
    ) -> Result<Self, Fault> {
        let mut keys: Vec<KeyId> = keys.collect();
        keys.sort_unstable();
        keys.dedup();
        let names = console.ledger.names(&keys, reach).await;
        names.map(Self).map_err(|error| Fault::outage(request, &error))
    }

    /// The link to a key.
    pub(crate) fn link(&self, key: KeyId) -> KeyLink {
        KeyLink { id: key.to_string(), name: self.0.get(&key).map(|name| Name::new(name.as_str())) }
    }
}
