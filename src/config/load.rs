//! Reads the sources, puts the layers over each other, and reads the secrets that stand in files.

use std::collections::BTreeMap;
use std::io::Read;
use std::mem;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::{Config as Merged, Value, ValueKind};
use zeroize::Zeroizing;

use super::DEFAULTS;
use super::layer::Layer;
use super::list::items;
use super::names::{FILE_VARIABLE, LISTS, SECRETS, file_twin};
use super::problems::Problems;
use super::vault::Vault;

/// Largest file a secret is read from, in bytes; ends the reading of what isn't a file at all.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Where the configuration comes from, besides the defaults.
#[derive(Clone, Default)]
pub struct Sources {
    /// The configuration file. `None`: the one that `KEYWARD_CONFIG` names, else none.
    pub file: Option<PathBuf>,
    /// The environment, as name and value.
    pub env: Vec<(String, String)>,
    /// What `keyward dev` generates, by dotted name: over the defaults, under everything else.
    pub base: Vec<(&'static str, String)>,
}

impl Sources {
    /// The environment of this process, and the file given on the command line.
    pub fn of_this_process(file: Option<PathBuf>) -> Self {
        // Lossy: a variable of someone else's that isn't UTF-8 must not stop us. In one of ours the
        // replacement character is refused later.
        let env = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect();
        Self { file, env, base: Vec::new() }
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

/// Every setting's raw value and where it came from. Not yet valid: see [`validate`](Self::validate).
pub struct Settings {
    merged: Merged,
    /// The settings' names, in order.
    pub(super) known: Vec<String>,
    defaults: BTreeMap<String, ValueKind>,
    /// Found while loading; reported together with what validation finds.
    pub(super) problems: Vec<String>,
    /// What the marks of secrets stand for.
    secrets: Vault,
    /// The configuration file, if one was read.
    file: Option<PathBuf>,
    /// Secrets whose file can't be read, and why. A problem only for who needs that secret: a migration
    /// must not fail because the JWT secret is mounted elsewhere.
    pub(super) unreadable: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Reads all sources. Mistyped names and secrets given twice are kept, for validation to report
    /// together with wrong values.
    ///
    /// # Errors
    /// When the configuration file can't be read or isn't TOML: nothing more can be said then.
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
        let aliases = Layer::from_aliases(&sources.env);
        let env = Layer::from_env(&sources.env, &known, &mut problems);

        let mut secrets = defaults.secrets();
        let mut builder = Merged::builder().add_source(defaults);
        for mut layer in [base, file, aliases, env] {
            layer.refuse_unknown(&known, &mut problems);
            layer.settle_secrets(&mut problems);
            secrets.extend(layer.secrets());
            builder = builder.add_source(layer);
        }
        let cannot_merge = |error: config::ConfigError| Problems(vec![error.to_string()]);
        let without_files = builder.build_cloned().map_err(cannot_merge)?;
        let (from_files, unreadable) = read_secrets(&without_files);
        secrets.extend(from_files.secrets());
        let merged = builder.add_source(from_files).build().map_err(cannot_merge)?;
        Ok(Self { merged, known, defaults: kinds, problems, secrets, file: path, unreadable })
    }

    /// What a setting is where nobody sets it, which has its type.
    pub(super) fn default_of(&self, setting: &str) -> ValueKind {
        self.defaults.get(setting).cloned().unwrap_or(ValueKind::Nil)
    }

    /// Where a setting's value comes from.
    pub fn origin(&self, setting: &str) -> String {
        self.value(setting).origin().unwrap_or_default().to_owned()
    }

    /// Whether a database is named, rightly or wrongly; `keyward dev` then starts none of its own.
    pub fn names_a_database(&self) -> bool {
        let is_set = |setting: &str| !self.value(setting).into_string().unwrap_or_default().is_empty();
        is_set("database.url") || is_set("database.url_file")
    }

    /// The texts of a secret: one, or those of a list. `None` where it is set to something that is no text.
    pub(super) fn secret(&self, setting: &str) -> Option<&[Zeroizing<String>]> {
        self.secrets.texts(setting, &self.value(setting))
    }

    /// Files with secrets that everybody on this machine may read or change, with the setting that names each.
    pub fn exposed_files(&self) -> Vec<(String, PathBuf)> {
        let twins = SECRETS.iter().map(|secret| file_twin(secret));
        let named = twins.filter_map(|twin| Some((self.value(&twin).into_string().ok()?, twin)));
        let of_issuers = self.value("jwt.issuers").into_array().unwrap_or_default().into_iter().filter_map(|issuer| {
            let path = issuer.into_table().ok()?.remove("secret_file")?.into_string().ok()?;
            Some((path, "secret_file of jwt.issuers".to_owned()))
        });
        let files = named.chain(of_issuers).map(|(path, setting)| (setting, PathBuf::from(path)));
        let itself = self.file.iter().filter(|file| self.holds_secrets(file));
        let itself = itself.map(|file| ("--config".to_owned(), file.clone()));
        files.chain(itself).filter(|(_, path)| is_exposed(path)).collect()
    }

    /// Whether a secret that counts stands in the configuration file itself.
    fn holds_secrets(&self, file: &Path) -> bool {
        let origin = origin_of(file);
        let stands_there = |secret: &&str| {
            let texts = self.secret(secret).unwrap_or_default();
            texts.iter().any(|text| !text.is_empty()) && self.value(secret).origin() == Some(&origin)
        };
        SECRETS.iter().any(stands_there)
    }

    /// A setting's raw value, with its origin.
    pub(super) fn value(&self, setting: &str) -> Value {
        value_of(&self.merged, setting)
    }
}

/// A setting's value; nil for a name that the defaults don't have.
fn value_of(merged: &Merged, setting: &str) -> Value {
    let (section, name) = setting.split_once('.').unwrap_or_default();
    merged.get_table(section).ok().and_then(|mut settings| settings.remove(name)).unwrap_or_default()
}

/// The configuration file as a layer.
fn read_layer(path: &Path) -> Result<Layer, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        format!("configuration file {shown} can't be read ({error}): correct --config or {FILE_VARIABLE}")
    })?;
    Layer::from_toml(&text, &origin_of(path))
        .map_err(|cause| format!("configuration file {shown} is not valid TOML: {cause}"))
}

/// What is said of where a value of the configuration file comes from.
fn origin_of(file: &Path) -> String {
    format!("file {}", file.display())
}

/// Whether others than its owner and its group may read or change a file. A group is how containers share a secret.
fn is_exposed(file: &Path) -> bool {
    const BY_OTHERS: u32 = 0o006;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & BY_OTHERS != 0)
}

/// Reads each secret of which a file is named. Returns those read, and why others can't be.
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

/// A secret's file without the newline at its end. The error doesn't name the path: a secret may have
/// been put there by mistake.
pub(super) fn read_secret(path: &Path) -> Result<Zeroizing<String>, String> {
    // Room for all of it: a text that grows leaves its beginnings behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_SECRET_FILE as usize + 1));
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_SECRET_FILE + 1).read_to_string(&mut text))
        .map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_SECRET_FILE {
        return Err(format!("it is larger than {MAX_SECRET_FILE} bytes"));
    }
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(text)
}
