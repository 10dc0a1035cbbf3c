//! CSV (RFC 4180), for spreadsheets.

use super::escape::is_invisible;

/// The media type of RFC 7111.
pub const CSV: &str = "text/csv; charset=utf-8; header=present";

/// A line with these fields.
pub fn line(fields: &[impl AsRef<str>]) -> String {
    let fields: Vec<String> = fields.iter().map(|text| field(text.as_ref())).collect();
    fields.join(",") + "\r\n"
}

/// What a formula may begin with. Spreadsheets of East Asia take the wide forms as well.
const FORMULAS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// What ends a cell besides the comma, in spreadsheets whose language writes the comma in numbers or that were told so.
/// Quotation marks within a cell don't keep it together there.
const ENDS: [char; 4] = [';', '\t', '\r', '\n'];

/// A field, quoted if necessary. What a spreadsheet would take for a formula gets an apostrophe before it, wherever it
/// may begin a cell: issuers choose subjects, and must not be able to run formulas on an administrator's machine.
fn field(text: &str) -> String {
    // Some spreadsheets drop these, and then read on.
    let mut safe = if text.starts_with(['\t', '\r', '\n']) { "'" } else { "" }.to_owned();
    for cell in text.split_inclusive(ENDS) {
        if is_formula(cell) {
            safe.push('\'');
        }
        safe.push_str(cell);
    }
    if safe.contains(['"', ',']) || safe.contains(ENDS) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

/// Whether the first character is that of a formula, apart from those that may vanish.
fn is_formula(cell: &str) -> bool {
    let vanishes =
        |letter: char| letter == '"' || letter.is_whitespace() || letter.is_control() || is_invisible(letter);
    cell.trim_start_matches(vanishes).starts_with(FORMULAS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_of_rfc_4180_and_no_formulas() {
        for (text, written) in [
            ("alice", "alice"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
            ("-1", "'-1"),
            // What looks like one behind white space, or to those who write it wide.
            ("\n=1+1", "\"'\n'=1+1\""),
            ("\t=1+1", "\"'\t'=1+1\""),
            ("\r@x", "\"'\r'@x\""),
            ("\tx", "\"'\tx\""),
            (" \u{a0}\u{feff}+1", "' \u{a0}\u{feff}+1"),
            ("＝1＋1", "'＝1＋1"),
            ("＋1", "'＋1"),
            ("－1", "'－1"),
            ("＠x", "'＠x"),
            ("\"=1", "\"'\"\"=1\""),
            // Where another character ends cells.
            ("a;b", "\"a;b\""),
            ("a;=1+1", "\"a;'=1+1\""),
            ("a; =1;b;-2", "\"a;' =1;b;'-2\""),
            ("a;\"=1", "\"a;'\"\"=1\""),
            ("a\tb", "\"a\tb\""),
            ("a\t=1", "\"a\t'=1\""),
            ("a\n=1", "\"a\n'=1\""),
            ("1=1 - 2", "1=1 - 2"),
        ] {
            assert_eq!(field(text), written);
        }
    }
}
