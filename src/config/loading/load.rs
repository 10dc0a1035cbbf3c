//! Reads the sources, merges the layers, and reads secrets from files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::mem;
use std::path::{Path, PathBuf};

use config::{Config as Merged, Value, ValueKind};
use zeroize::Zeroizing;

use super::exposure::Exposure;
use super::layer::Layer;
use super::list::items;
use super::names::{FILE_VARIABLE, LISTS, SECRETS, file_twin};
use super::other_database::OtherDatabase;
use super::problems::Problems;
use super::secret_file::read_secret;
use super::vault::Vault;
use crate::config::DEFAULTS;

/// The maximum size of the configuration file: many times what all settings and a catalogue of scopes take.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// The sources of the configuration, besides the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// The configuration file. `None`: the one in `KEYWARD_CONFIG`, if any.
    pub file: Option<PathBuf>,
    /// The environment, as names and values.
    pub env: Vec<(String, String)>,
    /// The settings that `keyward dev` generates, by dotted name. They override the defaults, and nothing else.
    pub base: Vec<(&'static str, String)>,
    /// The sections of which `base` decides alone: what the file and the environment say of them is not used.
    pub decided: &'static [&'static str],
}

impl Sources {
    /// The environment of this process, with the file given on the command line.
    pub fn of_this_process(file: Option<PathBuf>) -> Self {
        // Lossy, because an unrelated variable that is not UTF-8 must not stop us. In settings, the replacement
        // character is refused later.
        let env = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        Self { file, env, ..Self::default() }
    }

    /// The configuration file to read, if any.
    fn file_to_read(&self) -> Option<PathBuf> {
        let from_env = || {
            let (_, path) = self.env.iter().find(|(name, _)| name == FILE_VARIABLE)?;
            (!path.is_empty()).then(|| PathBuf::from(path))
        };
        self.file.clone().or_else(from_env)
    }
}

/// The raw value of every setting, with its origin. Not validated yet: see [`validate`](Self::validate).
pub struct Settings {
    merged: Merged,
    /// The names of the settings, in order.
    pub(in crate::config) known: Vec<String>,
    defaults: BTreeMap<String, ValueKind>,
    /// Problems found while loading; reported together with those of the validation.
    pub(in crate::config) problems: Vec<String>,
    /// The texts behind the marks of secrets.
    secrets: Vault,
    /// The configuration file, if one was read.
    file: Option<PathBuf>,
    /// Where settings come from that are not used.
    unused: BTreeSet<String>,
    /// The database that only the less significant of two variables names.
    other_database: Option<OtherDatabase>,
    /// Secrets whose file can't be read, with the reason. Only a problem if the secret is needed: a migration must not
    /// fail because the JWT secret is mounted elsewhere.
    pub(in crate::config) unreadable: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Reads all sources. Unknown names and secrets that are set twice are recorded, and reported by the validation
    /// together with invalid values.
    ///
    /// # Errors
    /// If the configuration file can't be read or is not TOML; then nothing else can be checked.
    pub fn load(sources: Sources) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let defaults = Layer::from_toml(DEFAULTS, "default").map_err(|cause| Problems(vec![cause]))?;
        let known = defaults.names();
        let kinds = defaults.kinds();

        let mut base = Layer::default();
        for (setting, value) in &sources.base {
            base.set_text(setting, "keyward dev", value);
        }
        let path = sources.file_to_read();
        let file = match &path {
            Some(path) => read_layer(path).map_err(|cause| Problems(vec![cause]))?,
            None => Layer::default(),
        };
        let mut layers =
            [base, file, Layer::from_aliases(&sources.env), Layer::from_env(&sources.env, &known, &mut problems)];
        let above_base = layers.iter_mut().skip(1);
        let unused = above_base.flat_map(|layer| layer.take_sections(sources.decided)).collect();
        let [.., usual_names, own_names] = &layers;
        let other_database = OtherDatabase::find(usual_names, own_names);

        let mut secrets = defaults.secrets();
        let mut builder = Merged::builder().add_source(defaults);
        let mut below = BTreeSet::new();
        for mut layer in layers {
            layer.refuse_unknown(&known, &mut problems);
            layer.settle_secrets(&below, &mut problems);
            below.extend(layer.names());
            secrets.extend(layer.secrets());
            builder = builder.add_source(layer);
        }
        let cannot_merge = |error: config::ConfigError| Problems(vec![error.to_string()]);
        let without_files = builder.build_cloned().map_err(cannot_merge)?;
        let (from_files, unreadable) = read_secrets(&without_files);
        secrets.extend(from_files.secrets());
        let merged = builder.add_source(from_files).build().map_err(cannot_merge)?;
        Ok(Self { merged, known, defaults: kinds, problems, secrets, file: path, unused, other_database, unreadable })
    }

    /// What a setting is where nobody sets it, which has its type.
    pub(in crate::config) fn default_of(&self, setting: &str) -> ValueKind {
        self.defaults.get(setting).cloned().unwrap_or(ValueKind::Nil)
    }

    /// Where a setting's value comes from.
    pub fn origin(&self, setting: &str) -> String {
        self.value(setting).origin().unwrap_or_default().to_owned()
    }

    /// Where settings come from that are not used, because something else decides of their sections.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.unused.iter().map(String::as_str)
    }

    /// The database that the environment names under its usual name, if Keyward's own name has another.
    pub fn other_database(&self) -> Option<&OtherDatabase> {
        self.other_database.as_ref()
    }

    /// Whether a database is configured, validly or not; `keyward dev` then starts none of its own.
    pub fn names_a_database(&self) -> bool {
        let is_set = |setting: &str| !self.value(setting).into_string().unwrap_or_default().is_empty();
        is_set("database.url") || is_set("database.url_file")
    }

    /// The texts of a secret, or of a list of secrets. `None` if the value is not text.
    pub(in crate::config) fn secret(&self, setting: &str) -> Option<&[Zeroizing<String>]> {
        self.secrets.texts(setting, &self.value(setting))
    }

    /// Files with secrets that every user of this machine can read, change or replace.
    pub fn exposed_files(&self) -> Vec<Exposure> {
        let twins = SECRETS.iter().map(|secret| file_twin(secret));
        let named = twins.filter_map(|twin| Some((self.value(&twin).into_string().ok()?, twin)));
        let of_issuers = self.value("jwt.issuers").into_array().unwrap_or_default().into_iter().filter_map(|issuer| {
            let path = issuer.into_table().ok()?.remove("secret_file")?.into_string().ok()?;
            Some((path, "secret_file of jwt.issuers".to_owned()))
        });
        let files = named.chain(of_issuers).map(|(path, setting)| (setting, PathBuf::from(path)));
        let itself = self.file.iter().filter(|file| self.holds_secrets(file));
        let itself = itself.map(|file| ("--config".to_owned(), file.clone()));
        files.chain(itself).filter_map(|(setting, file)| Exposure::of(setting, file)).collect()
    }

    /// Whether the configuration file itself contains an effective secret.
    fn holds_secrets(&self, file: &Path) -> bool {
        let origin = origin_of(file);
        let stands_there = |secret: &&str| {
            let texts = self.secret(secret).unwrap_or_default();
            texts.iter().any(|text| !text.is_empty()) && self.value(secret).origin() == Some(&origin)
        };
        SECRETS.iter().any(stands_there)
    }

    /// The raw value of a setting, with its origin.
    pub(in crate::config) fn value(&self, setting: &str) -> Value {
        value_of(&self.merged, setting)
    }
}

/// The value of a setting; nil if the defaults do not have the name.
fn value_of(merged: &Merged, setting: &str) -> Value {
    let found = match (setting.rsplit_once('.'), &merged.cache.kind) {
        (Some((section, name)), _) => merged.get_table(section).ok().and_then(|mut settings| settings.remove(name)),
        (None, ValueKind::Table(settings)) => settings.get(setting).cloned(),
        (None, _) => None,
    };
    found.unwrap_or_default()
}

/// The configuration file as a layer.
fn read_layer(path: &Path) -> Result<Layer, String> {
    let shown = path.display();
    let unreadable =
        |why: String| format!("configuration file {shown} can't be read ({why}): correct --config or {FILE_VARIABLE}");
    let mut text = Zeroizing::new(String::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text))
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(unreadable(format!("it is larger than {MAX_FILE} bytes")));
    }
    Layer::from_toml(&text, &origin_of(path))
        .map_err(|cause| format!("configuration file {shown} is not valid TOML: {cause}"))
}

/// The description of the configuration file as an origin.
fn origin_of(file: &Path) -> String {
    format!("file {}", file.display())
}

/// Reads the secrets whose file is configured. Returns them, and the reasons for those that can't be read.
fn read_secrets(merged: &Merged) -> (Layer, BTreeMap<&'static str, String>) {
    let mut layer = Layer::default();
    let mut unreadable = BTreeMap::new();
    for secret in SECRETS {
        let named = value_of(merged, &file_twin(secret));
        let given_by = named.origin().unwrap_or_default().to_owned();
        let Ok(path) = named.into_string() else {
            continue;
        };
        if path.is_empty() {
            continue;
        }
        match read_secret(Path::new(&path)) {
            Ok(mut text) => {
                let origin = format!("file {path} via {given_by}");
                if LISTS.contains(&secret) {
                    layer.set(secret, &origin, items(&text, '\n'));
                } else {
                    layer.set(secret, &origin, mem::take(&mut *text));
                }
            }
            Err(cause) => {
                unreadable.insert(secret, cause);
            }
        }
    }
    (layer, unreadable)
}
