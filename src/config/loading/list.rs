//! Lists in one string.

/// The items of a list, trimmed; empty ones are dropped.
pub(super) fn items(text: &str, separator: char) -> Vec<String> {
    text.split(separator).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}
