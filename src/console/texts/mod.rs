//! Every text of the pages, in one folder for translation.
//!
//! - `pages`: what the pages say
//! - `why_not`: why something is not shown or not done

/// Defines texts with their names.
macro_rules! texts {
    ($(#[$about:meta])* $kind:ident, $language:ident, $($name:ident = $text:literal,)+) => {
        $(#[$about])*
        pub(in crate::console) struct $kind {
            $(pub(in crate::console) $name: &'static str,)+
        }

        /// English.
        pub(in crate::console) static $language: $kind = $kind { $($name: $text,)+ };
    };
}

mod pages;
mod why_not;

pub(super) use self::{
    pages::{EN, Texts},
    why_not::WHY_NOT,
};
