//! What the conditions of a list are called in queries, on the command line and in forms.

/// The word for keys without an expiry.
pub const NEVER: &str = "never";
/// The words for "with" and "without".
pub const YES_OR_NO: [&str; 2] = ["yes", "no"];

/// Reads `never`.
///
/// # Errors
/// What it must be.
pub fn never(word: &str) -> Result<(), String> {
    if word == NEVER { Ok(()) } else { Err(format!("must be {NEVER}")) }
}

/// Reads `yes` or `no`.
///
/// # Errors
/// What it must be.
pub fn yes_or_no(word: &str) -> Result<bool, String> {
    let [yes, no] = YES_OR_NO;
    match word {
        word if word == yes => Ok(true),
        word if word == no => Ok(false),
        _ => Err(format!("must be {yes} or {no}")),
    }
}
