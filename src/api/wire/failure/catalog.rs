//! The codes of problems and their meaning, from the table in `docs/problems.md`, which is compiled into the program.

use std::{collections::BTreeMap, sync::LazyLock};

const DOCUMENT: &str = include_str!("../../../../docs/problems.md");

/// A row of the table. The texts are Markdown with code and links, which `plain` and `html` convert.
pub(crate) struct Entry {
    pub(crate) code: &'static str,
    /// Such as `404`, or `401, below /api/ 403`.
    pub(crate) statuses: &'static str,
    /// What happened.
    pub(crate) meaning: &'static str,
    /// What to do about it.
    pub(crate) remedy: &'static str,
    plain_meaning: String,
}

/// All entries, in the order of the table.
pub(crate) static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| DOCUMENT.lines().filter_map(entry).collect());

static MEANINGS: LazyLock<BTreeMap<&str, &str>> =
    LazyLock::new(|| ENTRIES.iter().map(|entry| (entry.code, entry.plain_meaning.as_str())).collect());

/// The meaning of a code, as plain text.
pub(crate) fn meaning(code: &str) -> Option<&'static str> {
    MEANINGS.get(code).copied()
}

/// Parses a row that has a status in its second cell.
fn entry(line: &'static str) -> Option<Entry> {
    let cells: Vec<&str> = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect();
    let &[code, statuses, meaning, remedy] = cells.as_slice() else { return None };
    let code = code.strip_suffix('`').filter(|_| statuses.starts_with(['4', '5']))?;
    Some(Entry { code, statuses, meaning, remedy, plain_meaning: plain(meaning) })
}

/// Removes Markdown: backticks, and the targets of links.
pub(crate) fn plain(text: &str) -> String {
    pieces(text).map(|(piece, _)| piece).collect()
}

/// Converts Markdown to HTML.
pub(crate) fn html(text: &str) -> String {
    let written = |(piece, is_code): (&str, bool)| {
        let piece = piece.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if is_code { format!("<code>{piece}</code>") } else { piece }
    };
    pieces(text).map(written).collect()
}

/// The text, split into prose and code. The targets of links are dropped, because those files are not served.
fn pieces(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let by_turns = text.split('`').zip([false, true].into_iter().cycle());
    by_turns.flat_map(|(piece, is_code)| {
        let parts = if is_code { vec![piece] } else { without_targets(piece) };
        parts.into_iter().map(move |part| (part, is_code))
    })
}

fn without_targets(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for (number, piece) in text.split("](").enumerate() {
        let piece = if number == 0 { piece } else { piece.split_once(')').map_or("", |(_, rest)| rest) };
        parts.extend(piece.split('['));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_out_of_plain_text_and_written_as_html() {
        let text = "Send `a<b`, see [the page](keys.md#x) (or [this](y.md)).";
        assert_eq!(plain(text), "Send a<b, see the page (or this).");
        assert_eq!(html(text), "Send <code>a&lt;b</code>, see the page (or this).");
    }

    #[test]
    fn the_table_has_sentences() {
        assert!(ENTRIES.len() > 30, "{}", ENTRIES.len());
        for entry in ENTRIES.iter() {
            for text in [entry.meaning, entry.remedy].map(plain) {
                assert!(text.ends_with('.') && !text.contains(['`', '[', ']']), "{}: {text}", entry.code);
            }
        }
    }
}
