//! CSV (RFC 4180), for spreadsheets.

/// The media type of RFC 7111.
pub const CSV: &str = "text/csv; charset=utf-8; header=present";

/// A line with these fields.
pub fn line(fields: &[impl AsRef<str>]) -> String {
    let fields: Vec<String> = fields.iter().map(|text| field(text.as_ref())).collect();
    fields.join(",") + "\r\n"
}

/// A field, quoted if necessary. A value that a spreadsheet would take for a formula gets a leading apostrophe: issuers
/// choose subjects, and must not be able to run formulas on an administrator's machine.
fn field(text: &str) -> String {
    let apostrophe = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{apostrophe}{text}")
    }
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
        ] {
            assert_eq!(field(text), written);
        }
    }
}
