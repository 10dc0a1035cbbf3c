//! The owners of keys.

/// The maximum length of an issuer and of a subject, in bytes. Limited because an index entry contains both.
pub const IDENTIFIER_MAX_BYTES: usize = 1024;

/// An owner of keys: a subject as named by an issuer (RFC 7519 §4.1.1, §4.1.2). Neither alone identifies anybody. If
/// keys belong to organisations (`jwt.tenant_claim`), the organisation takes the place of the subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The `iss` of the owner's tokens; empty if the configured issuer sends none.
    pub issuer: Box<str>,
    /// The `sub` of the owner's tokens, or the organisation that they name.
    pub subject: Box<str>,
}

/// Checks an issuer or a subject of at least `shortest` bytes.
///
/// # Errors
/// The limits, if the text is outside of them.
pub fn identifier(text: &str, shortest: usize) -> Result<Box<str>, String> {
    if (shortest..=IDENTIFIER_MAX_BYTES).contains(&text.len()) && !text.contains('\0') {
        Ok(text.into())
    } else {
        Err(format!("{shortest} to {IDENTIFIER_MAX_BYTES} bytes without NUL"))
    }
}

/// The meaning of an [`Owner`]'s subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// A person, or anything else that bears tokens.
    Person,
    /// An organisation whose members bear tokens.
    Organisation,
    /// Unknown, because the issuer is no longer configured.
    Unknown,
}
