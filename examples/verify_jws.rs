//! Verifies JSON Web Signatures, one JSON object a line: `{"jwk": …, "jws": "…"}` or `{"jwks": …, "jws": "…"}`.
//! Prints `valid` or `invalid: reason` for each. Signature and header are judged, what was signed is not.
//!
//! ```sh
//! cargo run --example verify_jws < tests/data/jws.jsonl
//! ```
#![allow(clippy::print_stdout, reason = "it prints its answers")]

use std::io::{self, BufRead};

use keyward::auth::{
    jwt::{HeaderPolicy, KeySet, Source, verify},
    strict_json,
};
use serde_json::{Map, Value};

fn main() -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        match judge(&line) {
            Ok(()) => println!("valid"),
            Err(reason) => println!("invalid: {reason}"),
        }
    }
    Ok(())
}

fn judge(line: &str) -> Result<(), String> {
    let question = strict_json::object(line.as_bytes()).ok_or("the line is no JSON object, or repeats a member")?;
    let keys = keys(&question)?;
    let jws = question.get("jws").and_then(Value::as_str).ok_or("jws is no text in the compact form")?;
    verify(jws.as_bytes(), &keys, &HeaderPolicy::default()).map(drop).map_err(|fault| fault.as_str().to_owned())
}

/// The keys are handed in, so a shared secret may be among them.
fn keys(question: &Map<String, Value>) -> Result<KeySet, String> {
    match (question.get("jwk"), question.get("jwks")) {
        (Some(Value::Object(jwk)), None) => KeySet::of_key(jwk, Source::Operator).map_err(|why| why.to_string()),
        (None, Some(Value::Object(set))) => match KeySet::of_set(set, Source::Operator) {
            Ok(read) => Ok(read.keys),
            Err(error) => Err(error.to_string()),
        },
        _ => Err("give one jwk or one jwks".to_owned()),
    }
}
