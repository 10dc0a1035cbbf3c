//! Whether the keys of issuers can be fetched, as `keyward doctor` asks.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::join_all;

use super::compose::remote_keys;
use crate::config::Jwt;

/// Fetches each published key set once. Returns the issuer, the first of those that share the set, and what went wrong.
///
/// # Errors
/// If no connection can be made at all, such as without certificates of authorities.
pub async fn examine_issuers(settings: &Jwt) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let remote = remote_keys(settings)?;
    let mut seen = HashSet::new();
    let published = settings.issuers.iter().filter_map(|issuer| {
        let keys = remote.get(&issuer.issuer)?;
        seen.insert(Arc::as_ptr(keys))
            .then_some(async { (issuer.name().to_owned(), keys.try_once().await.err().map(|error| error.to_string())) })
    });
    Ok(join_all(published).await)
}
