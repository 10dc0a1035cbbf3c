//! What is wrong with a configuration, all of it at once.

/// At least one thing that is wrong. Displayed one a line: which setting, where its value came from,
/// the cause, and how to set it. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub(super) Vec<String>);

impl Problems {
    /// The same, line by line.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}
