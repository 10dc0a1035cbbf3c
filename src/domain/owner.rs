//! Who owns keys.

/// The longest issuer and the longest subject that we take, in bytes: an index entry holds both.
pub const IDENTIFIER_MAX_BYTES: usize = 1024;

/// Who owns keys: a subject, as named by an issuer (RFC 7519 §4.1.1, §4.1.2). Neither alone is an identity.
/// Where keys belong to organisations (`jwt.tenant_claim`), the organisation stands for the subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The `iss` of the owner's tokens; empty when the configured issuer sends none.
    pub issuer: Box<str>,
    /// The `sub` of the owner's tokens, or the organisation that they name.
    pub subject: Box<str>,
}

/// What the subject of an [`Owner`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// A person, or whatever else bears tokens.
    Person,
    /// An organisation, whose members bear tokens.
    Organisation,
    /// One or the other: the issuer isn't configured any more.
    Unknown,
}
