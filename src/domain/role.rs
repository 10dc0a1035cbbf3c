//! In which role somebody manages a key.

use super::worded_enum::worded_enum;

worded_enum! {
    /// The role of whoever manages a key.
    #[derive(Hash)]
    pub enum Role {
        /// The key's owner.
        Owner => "owner",
        /// An administrator. What they decide about a key, its owner can't undo.
        Administrator => "administrator",
    }
}
