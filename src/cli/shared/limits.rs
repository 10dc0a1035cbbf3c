//! Limits as options and in tables.

use keyward::domain::limits::{AskedLimit, AskedLimits, Limit, Limits};

use super::{Misuse, table::or_dash};

/// The value of an option.
pub(in crate::cli) fn read(text: &str) -> Result<AskedLimit, String> {
    text.parse()
}

/// Several options.
pub(in crate::cli) fn asked(limits: &[AskedLimit]) -> anyhow::Result<AskedLimits> {
    AskedLimits::new(limits.to_vec()).map_err(|error| Misuse(format!("--limit: {error}")).into())
}

/// Limits in a table.
pub(in crate::cli) fn written(limits: &Limits) -> String {
    or_dash(&limits.as_slice().iter().map(Limit::to_string).collect::<Vec<_>>().join(" "))
}
