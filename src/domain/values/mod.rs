//! Values that have rules of their own, for any part of the domain.

pub mod build;
pub mod counted;
pub mod csv;
pub mod escape;
pub mod network;
pub mod secret;
pub mod text;
pub mod timestamp;
pub(crate) mod version;
pub(crate) mod worded_enum;
