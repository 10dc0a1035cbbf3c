//! What a failed assertion shows: what differs, and not all that there is.

use serde_json::Value;

/// Differences that are shown.
const DIFFERENCES: usize = 20;
/// Characters of a value, or of a line.
const VALUE: usize = 200;
/// Characters of a body.
const BODY: usize = 1500;
/// Lines of a log.
const LINES: usize = 30;

/// Fails unless the two are the same, and shows only where they differ, by JSON pointers (RFC 6901).
#[track_caller]
pub fn same_json(found: &Value, expected: &Value, what: &str) {
    let differences = differences(found, expected);
    let (count, colon) = (differences.len(), if what.is_empty() { "" } else { ": " });
    let shown = differences.into_iter().take(DIFFERENCES).collect::<Vec<_>>().join("\n");
    assert!(count == 0, "{what}{colon}{count} differences\n{shown}");
}

fn differences(found: &Value, expected: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    compare(found, expected, "", &mut differences);
    differences
}

fn compare(found: &Value, expected: &Value, at: &str, differences: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (name, value) in expected {
                compare_member(found.get(name), Some(value), &format!("{at}/{}", escaped(name)), differences);
            }
            for (name, value) in found.iter().filter(|(name, _)| !expected.contains_key(*name)) {
                compare_member(Some(value), None, &format!("{at}/{}", escaped(name)), differences);
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            for number in 0..found.len().max(expected.len()) {
                compare_member(found.get(number), expected.get(number), &format!("{at}/{number}"), differences);
            }
        }
        _ if found == expected => {}
        _ => differences.push(format!("{at}: {} and not {}", short(found), short(expected))),
    }
}

fn compare_member(found: Option<&Value>, expected: Option<&Value>, at: &str, differences: &mut Vec<String>) {
    match (found, expected) {
        (Some(found), Some(expected)) => compare(found, expected, at, differences),
        (Some(found), None) => differences.push(format!("{at}: {} and not absent", short(found))),
        (None, Some(expected)) => differences.push(format!("{at}: absent and not {}", short(expected))),
        (None, None) => {}
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn short(value: &Value) -> String {
    cut(&value.to_string(), VALUE)
}

/// A body, but for the middle of a long one.
pub fn body(text: &str) -> String {
    cut(text, BODY)
}

fn cut(text: &str, length: usize) -> String {
    let count = text.chars().count();
    if count <= length {
        return text.to_owned();
    }
    let (first, last) = (length * 2 / 3, length / 3);
    let start: String = text.chars().take(first).collect();
    let end: String = text.chars().skip(count - last).collect();
    format!("{start}… ({} characters) …{end}", count - first - last)
}

/// The last lines of a log; where it was asked about a test by its author, `KEYWARD_WHOLE_LOGS` shows all of them.
pub fn log(lines: &[String]) -> String {
    if std::env::var_os("KEYWARD_WHOLE_LOGS").is_some() {
        return lines.join("\n");
    }
    let hidden = lines.len().saturating_sub(LINES);
    let head = (hidden > 0).then(|| format!("({hidden} lines before these; KEYWARD_WHOLE_LOGS=1 shows them)"));
    let tail = lines[hidden..].iter().map(|line| cut(line, 2 * VALUE));
    head.into_iter().chain(tail).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_shown_with_its_place() {
        let found = json!({ "a": [1, 2, { "b/c": "x" }], "same": { "d": null }, "more": true });
        let expected = json!({ "a": [1, 3, { "b/c": "y" }, 4], "same": { "d": null }, "e": {} });
        let mut shown = differences(&found, &expected);
        shown.sort();
        assert_eq!(
            shown,
            [
                "/a/1: 2 and not 3",
                "/a/2/b~1c: \"x\" and not \"y\"",
                "/a/3: absent and not 4",
                "/e: absent and not {}",
                "/more: true and not absent",
            ]
        );
        assert!(differences(&found, &found).is_empty());
        assert_eq!(differences(&json!(1), &json!(1.0)), [": 1 and not 1.0"]);
    }

    #[test]
    fn what_is_long_is_cut_in_the_middle() {
        let long = format!("{}é{}", "a".repeat(5000), "z".repeat(5000));
        let shown = body(&long);
        assert!(shown.len() < 1600 && shown.starts_with("aaa") && shown.ends_with("zzz"), "{shown}");
        assert!(shown.contains("(8501 characters)"), "{shown}");
        assert_eq!(body("short"), "short");
        let lines: Vec<_> = (0..100).map(|number| format!("line {number}")).collect();
        let shown = log(&lines);
        assert!(shown.starts_with("(70 lines before these") && shown.ends_with("line 99"), "{shown}");
    }
}
