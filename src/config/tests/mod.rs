//! Properties of the configuration. The environment is an argument here, never the process's.

mod defaults;
mod issuers;
mod layers;
mod policy;
mod scopes;
mod secrets;
mod showing;
mod values;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Config, Problems, Settings, Sources};

pub(super) const SECRET: &str = "Zr0mQ8pKx3vT7nYb2LwE5sHc9JdFgA4u-jwt-signing";
pub(super) const PEPPER: &str = "k7Bq2XvN9tRw4ZyM1sLc8HdJ5fGp3QaE-pepper-one";
pub(super) const OLD_PEPPER: &str = "Wm3Tz8Kx1Vb6Rn4Yq9Lp2Hs7Jd5Fc0Gt-pepper-two";
pub(super) const URL: &str = "postgres://keyward:hunter2@db:5432/keyward";

/// An environment.
pub(super) fn env(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The environment of a valid service, with `more` added.
pub(super) fn good_env_and(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut all = env(&[
        ("KEYWARD__DATABASE__URL", URL),
        ("KEYWARD__JWT__SECRET", SECRET),
        ("KEYWARD__KEYS__PEPPERS", PEPPER),
        ("HOME", "/home/someone"),
    ]);
    all.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    all.extend(env(more));
    all
}

pub(super) fn load(env: Vec<(String, String)>) -> Settings {
    load_with(None, env)
}

pub(super) fn load_with(file: Option<PathBuf>, env: Vec<(String, String)>) -> Settings {
    let sources = Sources { file, env, ..Sources::default() };
    Settings::load(sources).expect("the sources can be read")
}

/// The configuration of the valid environment with `more` added.
pub(super) fn config_with(more: &[(&str, &str)]) -> Config {
    load(good_env_and(more)).validate().expect("valid")
}

/// The problems of the valid environment with `more` added.
pub(super) fn problems_with(more: &[(&str, &str)]) -> Vec<String> {
    problems_of(load(good_env_and(more)).validate())
}

pub(super) fn problems_of<T>(result: Result<T, Problems>) -> Vec<String> {
    result.err().expect("invalid").lines().to_vec()
}

/// A folder for this test, removed at its end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        // `cargo test` runs tests concurrently in one process, and several may use the same name.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("keyward-config-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a temporary file");
        path
    }

    /// The path of a file that does not exist.
    pub(super) fn missing(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
