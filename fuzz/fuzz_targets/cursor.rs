//! Cursors of lists. The first byte chooses the list.
//!
//! It never panics. Only what a list has given is a cursor of it: not of another list, nor under another pepper, nor
//! with a byte changed.
#![no_main]

use std::sync::LazyLock;

use keyward::domain::{
    api_key::{Keyring, Pepper},
    listing::{Place, cursor},
};
use libfuzzer_sys::fuzz_target;

const LISTS: [&str; 2] = ["keys", "audit"];

static KEYRINGS: LazyLock<[Keyring; 2]> = LazyLock::new(|| {
    ["8f14e45fceea167a5a36dedd4bea2543", "c9f0f895fb98ab9159f51fd0297e236d"].map(|text| {
        let pepper = Pepper::new(text.to_owned().into()).expect("32 bytes");
        Keyring::new("keyward".parse().expect("a prefix"), &[pepper]).expect("a pepper")
    })
});

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else { return };
    let [ours, others] = &*KEYRINGS;
    let list = LISTS[usize::from(*choice) % 2];
    let other_list = LISTS[(usize::from(*choice) + 1) % 2];
    if let Some(last) = std::str::from_utf8(data).ok().and_then(|text| Some((text, cursor::read(ours, list, text)?))) {
        assert_eq!(cursor::write(ours, list, &last.1), last.0);
    }
    let Some((id, change)) = data.split_first_chunk::<16>() else { return };
    let value = String::from_utf8_lossy(change.get(2..).unwrap_or_default()).into_owned();
    let last = Place { id: uuid::Uuid::from_bytes(*id), value };
    let given = cursor::write(ours, list, &last);
    assert_eq!(cursor::read(ours, list, &given).as_ref(), Some(&last));
    assert_eq!(cursor::read(ours, other_list, &given), None);
    assert_eq!(cursor::read(others, list, &given), None);
    if let [place, byte, ..] = change {
        let mut changed = given.clone().into_bytes();
        let place = usize::from(*place) % changed.len();
        changed[place] = *byte;
        let Ok(changed) = String::from_utf8(changed) else { return };
        assert_eq!(cursor::read(ours, list, &changed), (changed == given).then_some(last));
    }
});
