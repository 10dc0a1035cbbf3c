//! Lists that are written as one text.

/// The parts of a list, without blanks around them; empty ones are left out.
pub(super) fn items(text: &str, separator: char) -> Vec<String> {
    text.split(separator).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
