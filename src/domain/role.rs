//! In which role somebody manages a key.

/// The role of whoever manages a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The key's owner.
    Owner,
    /// An administrator. What they decide about a key, its owner can't undo.
    Administrator,
}

impl Role {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Owner, Self::Administrator];

    /// The word in the database and in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Administrator => "administrator",
        }
    }

    /// The role with this name.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}
