//! The problems of a configuration, all together.

/// At least one problem. Displayed one per line: the setting, the origin of its value, the cause, and how to set it.
/// Never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub(in crate::config) Vec<String>);

impl Problems {
    /// The problems, line by line.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}
