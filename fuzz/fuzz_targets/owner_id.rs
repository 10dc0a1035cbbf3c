//! Owners in addresses.
//!
//! It never panics. A word that is read has the one spelling that its owner has, and an owner that is written is read.
#![no_main]

use keyward::{api::wire::owner_id, domain::owner::Owner};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(owner) = owner_id::read(text) {
        assert_eq!(owner_id::write(&owner), text);
        assert!(!owner.subject.is_empty() && owner.issuer.len() <= 1024 && owner.subject.len() <= 1024);
        assert!(!owner.issuer.contains('\0') && !owner.subject.contains('\0'));
    }
    // The same text as an owner, cut in two at its first line.
    let (issuer, subject) = text.split_once('\n').unwrap_or(("", text));
    let owner = Owner { issuer: issuer.into(), subject: subject.into() };
    let is_one = !subject.is_empty() && !text.contains('\0') && issuer.len() <= 1024 && subject.len() <= 1024;
    assert_eq!(owner_id::read(&owner_id::write(&owner)), is_one.then_some(owner));
});
