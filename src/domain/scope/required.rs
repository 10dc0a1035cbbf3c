//! Scopes that a program demands, which are known at compile time.

use super::{SCOPE_MAX_BYTES, is_scope};

/// A demanded scope, constructed by [`scope!`](crate::scope).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequiredScope(&'static str);

impl RequiredScope {
    /// Takes a scope with the syntax of RFC 6749 §3.3.
    ///
    /// # Panics
    /// If the text is not a scope. In a constant, as in [`scope!`](crate::scope), the panic is a compile error.
    pub const fn new(text: &'static str) -> Self {
        const { assert!(SCOPE_MAX_BYTES == 128, "the message below says so") };
        assert!(is_scope(text), "a scope is 1 to 128 printable ASCII characters without space, '\"' and '\\'");
        Self(text)
    }

    /// The text of the scope.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// A type that names a scope, for [`Authorized`](crate::Authorized). Declared by [`scope!`](crate::scope).
pub trait NamedScope: 'static {
    /// The scope.
    const SCOPE: RequiredScope;
}

/// A scope, checked at compile time.
///
/// `scope!("orders:read")` is a [`RequiredScope`]; `scope!(pub OrdersRead = "orders:read")` declares a type that names
/// the scope.
///
/// ```
/// use keyward::scope;
///
/// scope!(pub OrdersRead = "orders:read");
/// assert_eq!(scope!("orders:read").as_str(), "orders:read");
/// ```
///
/// A text that is not a scope (RFC 6749 §3.3) does not compile:
///
/// ```compile_fail
/// let two = keyward::scope!("orders:read orders:write");
/// ```
///
/// ```compile_fail
/// keyward::scope!(TwoScopes = "orders:read orders:write");
/// ```
#[macro_export]
macro_rules! scope {
    ($text:literal) => {
        const { $crate::domain::scope::required::RequiredScope::new($text) }
    };
    ($(#[$attribute:meta])* $visibility:vis $name:ident = $text:literal) => {
        #[doc = concat!("The scope `", $text, "`.")]
        $(#[$attribute])*
        $visibility struct $name;

        const _: () = {
            use $crate::domain::scope::required::{NamedScope, RequiredScope};

            // A separate constant, so that it is evaluated even if nobody uses the type.
            const SCOPE: RequiredScope = RequiredScope::new($text);

            impl NamedScope for $name {
                const SCOPE: RequiredScope = SCOPE;
            }
        };
    };
}
