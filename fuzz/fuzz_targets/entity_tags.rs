//! Lists of entity tags.
//!
//! It never panics. A list that is read and written again is the same list, and names what a plain reading finds in it.
#![no_main]

use keyward::api::wire::entity_tag::{EntityTag, TagList};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    let read = TagList::read(value);
    assert_eq!(read, plain(value), "{}", value.escape_ascii());
    let Some(list) = read else { return };
    let TagList::These(tags) = &list else { return };
    assert!(!tags.is_empty());
    let written: Vec<_> = tags.iter().map(written).collect();
    assert_eq!(TagList::read(&written.join(&b","[..])).as_ref(), Some(&list));
    assert_eq!(TagList::read(&[b", ,", &written.join(&b" ,\t, "[..])[..], b","].concat()).as_ref(), Some(&list));
    for tag in tags {
        let Ok(opaque) = std::str::from_utf8(&tag.opaque) else { continue };
        assert!(list.names_weakly(opaque));
        let is_strong = tags.iter().any(|other| !other.weak && other.opaque == tag.opaque);
        assert_eq!(list.names(opaque), is_strong);
    }
});

fn written(tag: &EntityTag) -> Vec<u8> {
    let weak: &[u8] = if tag.weak { b"W/" } else { b"" };
    [weak, b"\"", &tag.opaque, b"\""].concat()
}

/// First what stands between commas outside of quotation marks, then each of it.
fn plain(value: &[u8]) -> Option<TagList> {
    let mut elements = vec![Vec::new()];
    let mut quoted = false;
    for byte in value {
        quoted ^= *byte == b'"';
        if *byte == b',' && !quoted {
            elements.push(Vec::new());
        } else {
            elements.last_mut().expect("one at least").push(*byte);
        }
    }
    let elements = elements.iter().map(|element| element.trim_ascii()).filter(|element| !element.is_empty());
    let elements: Vec<&[u8]> = elements.collect();
    if elements == [b"*"] {
        // A star alone, without commas around it.
        return (value.trim_ascii() == b"*").then_some(TagList::Any);
    }
    let mut tags = Vec::new();
    for element in elements {
        let weak = element.starts_with(b"W/");
        let quoted = if weak { &element[2..] } else { element };
        let [b'"', opaque @ .., b'"'] = quoted else { return None };
        if opaque.iter().any(|byte| *byte <= b' ' || *byte == b'"' || *byte == 0x7F) {
            return None;
        }
        tags.push(EntityTag { weak, opaque: opaque.to_vec() });
    }
    (!tags.is_empty()).then_some(TagList::These(tags))
}
