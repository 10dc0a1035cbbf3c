//! docs/logging.md lists exactly the lines that the program logs at info and above, with their fields.

use std::{collections::BTreeSet, fs, path::Path};

const DOCS: &str = include_str!("../docs/logging.md");

/// A line of the log: its level, the beginning of its message, and its fields.
type Line = (String, String, BTreeSet<String>);

#[test]
fn the_page_lists_every_line_with_its_level_and_fields_and_no_other() {
    let mut logged = BTreeSet::new();
    collect(Path::new("src"), &mut logged);
    assert!(logged.len() > 50, "{}", logged.len());
    let documented = documented();
    let missing: Vec<&Line> = logged.difference(&documented).collect();
    let gone: Vec<&Line> = documented.difference(&logged).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not on the page: {missing:#?}\nno longer logged: {gone:#?}");
}

/// The rows of the tables: level, message, fields.
fn documented() -> BTreeSet<Line> {
    let rows = DOCS.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.trim_end_matches(" |").split(" | ").collect();
        let level = *cells.first()?;
        let is_row = ["error", "warn", "info"].contains(&level);
        is_row.then(|| {
            let fields = cells[2].split(", ").filter(|field| *field != "–");
            let fields = fields.map(|field| field.trim_matches('`').to_owned()).collect();
            (level.to_owned(), cells[1].trim_matches('`').to_owned(), fields)
        })
    });
    rows.collect()
}

fn collect(folder: &Path, logged: &mut BTreeSet<Line>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, logged);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            collect_from(&fs::read_to_string(&path).expect("a file"), logged);
        }
    }
}

fn collect_from(source: &str, logged: &mut BTreeSet<Line>) {
    for level in ["error", "warn", "info"] {
        let macro_name = format!("tracing::{level}!(");
        for (start, _) in source.match_indices(&macro_name) {
            let arguments = arguments(&source[start + macro_name.len()..]);
            let is_text = |argument: &&String| argument.starts_with('"') || argument.starts_with("concat!");
            let place = arguments.iter().position(|argument| is_text(&argument)).expect("a message");
            let fields = arguments[..place].iter().filter(|argument| !argument.starts_with("target:")).map(|field| {
                let name = field.split('=').next().expect("a name").trim();
                name.trim_start_matches(['%', '?']).to_owned()
            });
            logged.insert((level.to_owned(), beginning(&arguments[place]), fields.collect()));
        }
    }
}

/// The arguments of a macro, up to its closing bracket.
fn arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut current, mut depth, mut in_text, mut escaped) =
        (Vec::new(), String::new(), 0, false, false);
    for character in text.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else {
            match character {
                '"' => in_text = true,
                '(' | '[' | '{' => depth += 1,
                ')' if depth == 0 => break,
                ')' | ']' | '}' => depth -= 1,
                ',' if depth == 0 => {
                    arguments.push(current.trim().to_owned());
                    current.clear();
                    continue;
                }
                _ => {}
            }
        }
        current.push(character);
    }
    arguments.push(current.trim().to_owned());
    arguments
}

/// A message up to its first value, semicolon or colon: what it can be searched by.
fn beginning(literal: &str) -> String {
    let text = literal.trim_matches('"').replace("\\\n", " ");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // A message that begins with a value is searched by what follows.
    let words = words.strip_prefix("{setting} ").unwrap_or(&words).to_owned();
    let ends = ["{", ";", ": ", ". "].iter().filter_map(|end| words.find(end));
    words[..ends.min().unwrap_or(words.len())].trim().to_owned()
}
