use proptest::{collection, prelude::*};

use super::*;

/// `count` members with different names, followed by `last`.
fn members(count: usize, last: &str) -> String {
    let members: String = (0..count).map(|number| format!(r#""m{number}":{number},"#)).collect();
    format!("{{{members}{last}}}")
}

#[test]
fn an_object_is_read_as_it_stands() {
    let text = br#"{"a":[1,-2,0.5,null,true,"x"],"b":{"c":{}}}"#;
    assert_eq!(object(text).map(Value::Object), serde_json::from_slice(text).ok());
}

#[test]
fn a_repeated_member_is_refused_at_any_depth() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"x":{"a":1,"a":2}}"#, r#"{"x":[{"a":1,"a":2}]}"#, r#"{"a":1,"\u0061":2}"#] {
        assert!(object(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn a_repeated_member_is_refused_wherever_it_is_among_few_or_many() {
    for count in [1, 2, FEW - 1, FEW, FEW + 1, 5000] {
        let text = members(count, r#""last":1"#);
        assert!(Object::read(text.as_bytes()).is_some(), "{count}");
        for place in [0, count / 2, count - 1] {
            for last in [format!(r#""m{place}":1"#), format!(r#""\u006d{place}":1"#)] {
                let text = members(count, &last);
                assert!(Object::read(text.as_bytes()).is_none(), "{last} after {count}");
                let within = format!(r#"{{"x":[{text}]}}"#);
                assert!(Object::read(within.as_bytes()).is_none(), "{last} after {count}, deeper");
            }
        }
    }
}

#[test]
fn every_member_is_found_among_few_and_many() {
    for count in [0, 1, FEW - 1, FEW, FEW + 1, 1000] {
        let text = members(count, r#""\u006cast":"x""#);
        let object = Object::read(text.as_bytes()).expect("an object");
        for number in 0..count {
            assert_eq!(object.get(&format!("m{number}")).and_then(Json::as_f64), Some(number as f64));
        }
        assert_eq!(object.get("last").and_then(Json::as_str), Some("x"));
        assert!(object.get("m").is_none() && object.get("").is_none() && object.get("z").is_none());
    }
}

#[test]
fn only_what_is_escaped_is_copied() {
    let object = Object::read(r#"{"plain":"é","escaped":"\u00e9"}"#.as_bytes()).expect("an object");
    assert!(matches!(object.get("plain"), Some(Json::Text(Cow::Borrowed("é")))));
    assert!(matches!(object.get("escaped"), Some(Json::Text(Cow::Owned(text))) if text == "é"));
}

#[test]
fn what_is_no_object_is_refused() {
    let deep = "[".repeat(10_000);
    for text in ["", "[]", "1", "null", r#""x""#, "{", "{}{}", r#"{"a":1e999}"#, deep.as_str()] {
        assert!(object(text.as_bytes()).is_none(), "{text:.40}");
    }
}

#[test]
fn what_is_wrong_with_a_text_is_told() {
    for (text, wrong) in [
        (&b""[..], Fault::Missing),
        (b"\xff", Fault::NotUnicode),
        (b"{\n\"a\":}", Fault::Syntax { line: 2, column: 5, cause: "expected value".into() }),
        (b"{\"a\":1e999}", Fault::Syntax { line: 1, column: 10, cause: "number out of range".into() }),
        (b"{}{}", Fault::Syntax { line: 1, column: 3, cause: "trailing characters".into() }),
        (b"{\"a\":1,\"a\":1}", Fault::Repeated),
        (b"[{\"a\":1,\"a\":1}]", Fault::Repeated),
        (b"[1]", Fault::NotAnObject("array")),
        (b" null ", Fault::NotAnObject("null")),
        (b"true", Fault::NotAnObject("boolean")),
        (b"1", Fault::NotAnObject("number")),
        (b"\"x\"", Fault::NotAnObject("string")),
    ] {
        assert_eq!(fault(text), wrong, "{}", text.escape_ascii());
    }
}

#[test]
fn text_that_is_not_unicode_is_refused() {
    let bad: [&[u8]; 4] = [b"{\"a\":\"\xff\"}", b"{\"\xff\":1}", b"{}\xff", br#"{"a":"\ud800"}"#];
    for text in bad {
        assert!(Object::read(text).is_none(), "{}", text.escape_ascii());
    }
}

#[test]
fn nesting_is_as_deep_as_serde_json_takes_it() {
    for depth in [1, 126, 127, 128, 129] {
        let text = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let taken = serde_json::from_str::<Value>(&text).is_ok();
        assert_eq!(Object::read(text.as_bytes()).is_some(), taken, "{depth}");
    }
}

#[test]
fn numbers_are_those_of_serde_json() {
    for number in ["0", "-0", "-1", "1.5", "1e300", "1e-400", "18446744073709551615", "18446744073709551616", "-1e3"] {
        let text = format!(r#"{{"a":{number}}}"#);
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let object = Object::read(text.as_bytes()).expect("an object");
        let read = object.get("a").and_then(Json::as_f64).map(f64::to_bits);
        assert_eq!(read, value["a"].as_f64().map(f64::to_bits), "{number}");
        assert_eq!(Value::Object(object.into()), value, "{number}");
    }
}

fn number() -> impl Strategy<Value = Number> {
    let float = any::<f64>().prop_filter_map("finite", Number::from_f64);
    prop_oneof![any::<u64>().prop_map(Number::from), any::<i64>().prop_map(Number::from), float]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 64, 40, |inner| {
        let members = collection::btree_map(any::<String>(), inner.clone(), 0..40);
        let object = members.prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![collection::vec(inner, 0..8).prop_map(Value::Array), object]
    })
}

proptest! {
    #[test]
    fn any_text_without_repeats_is_read_as_serde_json_reads_it(value in value(), pretty: bool) {
        let value = serde_json::json!({ "value": value });
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = text.expect("JSON");
        prop_assert_eq!(object(text.as_bytes()).map(Value::Object), serde_json::from_str(&text).ok());
    }

    #[test]
    fn what_is_taken_is_what_serde_json_takes(text in r#"\{("[ab]":([0-9.e-]{1,4}|"\\?[ax]"|\[1,?\]|null),?){0,3}\}"#) {
        let read = object(text.as_bytes()).map(Value::Object);
        let taken = serde_json::from_str::<Value>(&text).ok();
        let repeats = ["\"a\":", "\"b\":"].iter().any(|name| text.matches(name).count() > 1);
        prop_assert_eq!(read, taken.filter(|_| !repeats));
    }
}
