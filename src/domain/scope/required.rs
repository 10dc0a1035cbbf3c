//! Scopes that a program asks for, and so are known while it is compiled.

use super::{SCOPE_MAX_BYTES, is_scope};

/// A scope that is asked for. Made by [`scope!`](crate::scope).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequiredScope(&'static str);

impl RequiredScope {
    /// Takes a scope of RFC 6749 §3.3.
    ///
    /// # Panics
    /// When the text is none: in a constant, as [`scope!`](crate::scope) makes it, at compile time.
    pub const fn new(text: &'static str) -> Self {
        const { assert!(SCOPE_MAX_BYTES == 128, "the message below says so") };
        assert!(is_scope(text), "a scope is 1 to 128 printable ASCII characters without space, '\"' and '\\'");
        Self(text)
    }

    /// The scope as text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// A type that stands for a scope, for [`Authorized`](crate::Authorized). Declared by [`scope!`](crate::scope).
pub trait NamedScope: 'static {
    /// The scope.
    const SCOPE: RequiredScope;
}

/// A scope, checked while the program is compiled.
///
/// `scope!("orders:read")` is a [`RequiredScope`]; `scope!(pub OrdersRead = "orders:read")` declares a type that stands
/// for it.
///
/// ```
/// use keyward::scope;
///
/// scope!(pub OrdersRead = "orders:read");
/// assert_eq!(scope!("orders:read").as_str(), "orders:read");
/// ```
///
/// What is no scope (RFC 6749 §3.3) is no program:
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

            // Of its own, so that it is computed also where nobody asks for it.
            const SCOPE: RequiredScope = RequiredScope::new($text);

            impl NamedScope for $name {
                const SCOPE: RequiredScope = SCOPE;
            }
        };
    };
}
