//! Public keys from the operator: PEM blocks (RFC 7468), or a JSON Web Key Set. A file that contains anything except
//! public keys is refused as a whole, so that the operator learns of a weak or private key.

use serde_json::{Map, Value};

use super::{
    der,
    jwk::{Source, Unusable},
    key_set::{KeySet, NotUsed, ReadKeySet, TRIED_MAX},
    no_key_set::NotAKeySet,
    verification_key::VerificationKey,
};
use crate::auth::strict_json;

const BEGIN: &str = "-----BEGIN ";
const PRIVATE: &str = "is a private key: keep it with the issuer, and give the public half (openssl pkey -pubout)";
const SHARED_SECRET: &str = "is a secret: give it as secret_file";

/// Reads the keys. In a set, keys for other purposes and of unknown kinds are skipped.
pub(in crate::auth::jwt) fn read(text: &str) -> Result<ReadKeySet, String> {
    let text = text.trim_start_matches('\u{feff}');
    let read = if text.contains(BEGIN) && !text.trim_start().starts_with('{') {
        let keys = KeySet::of(blocks(text)?);
        ReadKeySet { keys, unusable: Vec::new(), unread: 0 }
    } else {
        set(text)?
    };
    if read.keys.is_empty() {
        return Err("it holds no key that can be used".to_owned());
    }
    let alike = read.keys.most_alike();
    if alike > TRIED_MAX {
        return Err(format!(
            "it holds {alike} keys that nothing tells apart, and at most {TRIED_MAX} are tried with a token: \
             give a JSON Web Key Set in which each has a name (kid)"
        ));
    }
    Ok(read)
}

fn blocks(text: &str) -> Result<Vec<VerificationKey>, String> {
    // Block by block, so that errors can name the block.
    let blocks = text.split(BEGIN).skip(1).enumerate();
    blocks.map(|(place, rest)| block(rest).map_err(|why| format!("block {} {why}", place + 1))).collect()
}

/// Reads the key of one block, from its label on.
fn block(rest: &str) -> Result<VerificationKey, String> {
    let label = rest.split("-----").next().unwrap_or_default();
    if label.ends_with("PRIVATE KEY") {
        return Err(PRIVATE.to_owned());
    }
    let end = format!("-----END {label}-----");
    let Some((inside, _)) = rest.split_once(&end) else {
        return Err(format!("breaks off: {end} is missing"));
    };
    let parsed = pem::parse(format!("{BEGIN}{inside}{end}")).map_err(|_| "is not written in base64 (RFC 7468)")?;
    let read = match parsed.tag() {
        "PUBLIC KEY" => der::read,
        "RSA PUBLIC KEY" => der::read_rsa,
        "CERTIFICATE" | "X509 CERTIFICATE" => der::read_certificate,
        _ => {
            let label = label.chars().take(40).collect::<String>().escape_debug().to_string();
            return Err(format!("is {label}: PUBLIC KEY, RSA PUBLIC KEY and CERTIFICATE are taken"));
        }
    };
    read(parsed.contents()).map_err(|fault| fault.to_string())
}

fn set(text: &str) -> Result<ReadKeySet, String> {
    let none = |what: NotAKeySet| format!("it is {what}; PEM blocks of public keys and certificates are taken, too");
    if text.trim_start().starts_with("ssh-") || text.trim_start().starts_with("ecdsa-sha2-") {
        return Err("it is an SSH key: make PEM of it with `ssh-keygen -e -m PKCS8 -f FILE`".to_owned());
    }
    let set = strict_json::object(text.as_bytes()).ok_or_else(|| none(NotAKeySet::text(text.as_bytes())))?;
    let read = KeySet::of_set(&set, Source::Remote).map_err(none)?;
    match read.unusable.iter().find(|unused| !unused.why.is_for_others()) {
        Some(unused) => Err(refusal(&set, unused)),
        None => Ok(read),
    }
}

fn refusal(set: &Map<String, Value>, NotUsed { place, kid, why }: &NotUsed) -> String {
    let kty = set.get("keys").and_then(|keys| keys.get(place)?.get("kty")?.as_str());
    let why = match why {
        Unusable::Secret if kty == Some("oct") => SHARED_SECRET.to_owned(),
        Unusable::Secret => PRIVATE.to_owned(),
        why => format!("is {why}"),
    };
    match kid {
        Some(kid) => format!("key {} (kid {kid:?}) {why}", place + 1),
        None => format!("key {} {why}", place + 1),
    }
}
