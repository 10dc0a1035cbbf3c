//! A database that the environment names, and that is not used: `DATABASE_URL=… keyward …` looks as if it led there.

use std::path::Path;

use zeroize::Zeroizing;

use super::layer::Layer;
use super::masked::masked_url;
use super::names::file_twin;
use super::secret_file::read_secret;

const SETTING: &str = "database.url";

/// Two variables that name different databases, without passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherDatabase {
    /// The variable that counts, with its address.
    pub used: String,
    /// The other one, with its address.
    pub unused: String,
}

impl OtherDatabase {
    /// The address under a usual name (`DATABASE_URL`), if the own name of the setting has another. That the environment
    /// has another than the configuration file surprises nobody.
    pub(super) fn find(usual_names: &Layer, own_names: &Layer) -> Option<Self> {
        let (unused, used) = (Named::of(usual_names)?, Named::of(own_names)?);
        (unused.address != used.address).then(|| Self { used: used.shown(), unused: unused.shown() })
    }
}

/// A variable, and the address that it names, if that can be read.
struct Named {
    variable: String,
    address: Option<Zeroizing<String>>,
}

impl Named {
    fn of(layer: &Layer) -> Option<Self> {
        let trimmed = |text: &Zeroizing<String>| Zeroizing::new(text.trim().to_owned());
        if let Some((origin, text)) = layer.secret_given(SETTING) {
            return Some(Self { variable: origin, address: text.map(trimmed) });
        }
        let (origin, path) = layer.text_given(&file_twin(SETTING))?;
        Some(Self { variable: origin, address: read_secret(Path::new(&path)).ok().as_ref().map(trimmed) })
    }

    fn shown(self) -> String {
        let address = self.address.map_or_else(|| "which can't be read".to_owned(), |address| masked_url(&address));
        format!("{} ({address})", self.variable.trim_start_matches("env "))
    }
}
