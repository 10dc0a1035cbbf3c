//! Which file imports which, by the names that stand in `use` and in paths, and that no two import each other.
//!
//! `cargo test --test imports -- --nocapture` prints the arrows of each folder.

#![allow(clippy::print_stdout, reason = "it prints the arrows for whoever asks")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A file as a module: `["auth", "jwt"]` for `src/auth/jwt/mod.rs`.
type Module = Vec<String>;

struct File {
    module: Module,
    path: PathBuf,
    /// Without comments and unit tests.
    code: String,
}

/// The files of the crate whose sources are in `folder`.
fn files(folder: &str) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).expect("below src").with_extension("");
            let mut module: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            module.retain(|part| part != "mod" && part != "lib");
            let is_test = module.iter().any(|part| part == "tests");
            if is_test || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a readable file");
            let code = text.split("#[cfg(test)]\nmod tests {").next().expect("a first part");
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            files.push(File { module, path, code });
        }
    }
    files.sort_by(|one, other| one.module.cmp(&other.module));
    files
}

/// The paths in `code` that begin with `crate`, `self` or `super`, each spelled out from the crate's root.
fn paths(code: &str, module: &Module) -> Vec<Module> {
    let mut found = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':')) {
                continue;
            }
            let mut rest = &code[at..];
            let mut base = if start == "crate::" { Module::new() } else { module.clone() };
            while let Some(more) = rest.strip_prefix("super::") {
                base.pop();
                rest = more;
            }
            rest = rest.strip_prefix("crate::").or_else(|| rest.strip_prefix("self::")).unwrap_or(rest);
            spell_out(rest, &base, &mut found);
        }
    }
    found
}

/// Adds what `text` names below `base`: `a::b`, or each member of `a::{b, c::d}`. Gives what is left.
fn spell_out<'a>(text: &'a str, base: &Module, found: &mut Vec<Module>) -> &'a str {
    let (mut path, mut rest) = (base.clone(), text.trim_start());
    loop {
        if let Some(mut members) = rest.strip_prefix('{') {
            loop {
                members = spell_out(members, &path, found).trim_start();
                match members.strip_prefix(',') {
                    Some(more) if !more.trim_start().starts_with('}') => members = more,
                    Some(more) => return more.trim_start().strip_prefix('}').unwrap_or(more),
                    None => return members.strip_prefix('}').unwrap_or(members),
                }
            }
        }
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let (name, more) = rest.split_at(end);
        if !name.is_empty() && name != "self" {
            path.push(name.to_owned());
        }
        match more.strip_prefix("::") {
            Some(more) => rest = more,
            None => {
                found.push(path);
                // `a as b`
                let more = more.trim_start();
                return match more.strip_prefix("as ") {
                    Some(renamed) => {
                        renamed.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_')
                    }
                    None => more,
                };
            }
        }
    }
}

/// Names that a file hands on from another one, by `pub use`.
fn handed_on(file: &File) -> BTreeMap<String, Module> {
    let mut names = BTreeMap::new();
    for (at, _) in file.code.match_indices("use ") {
        let line = file.code[..at].rsplit('\n').next().unwrap_or_default();
        if !line.trim_start().starts_with("pub") {
            continue;
        }
        let statement = file.code[at..].split(';').next().unwrap_or_default();
        let statement = statement.trim_start_matches("use ");
        // `pub use child::Name` is from the file's own folder.
        let known = ["crate::", "self::", "super::"].iter().any(|start| statement.starts_with(start));
        let statement = if known { statement.to_owned() } else { format!("self::{statement}") };
        for path in paths(&statement, &file.module) {
            if let Some(name) = path.last() {
                names.insert(name.clone(), path.clone());
            }
        }
    }
    names
}

/// Arrows from file to file. A folder's own file (`mod.rs`) and those in its folder may know each other: it is their
/// face.
fn arrows(files: &[File]) -> BTreeMap<Module, BTreeSet<Module>> {
    let modules: BTreeSet<&Module> = files.iter().map(|file| &file.module).collect();
    let handed_on: BTreeMap<&Module, _> = files.iter().map(|file| (&file.module, handed_on(file))).collect();
    let mut arrows = BTreeMap::new();
    for file in files {
        let mut known = BTreeSet::new();
        for mut path in paths(&file.code, &file.module) {
            // Follows what was handed on to where it stands.
            let owner = loop {
                let Some(owner) = (0..=path.len()).rev().find(|length| modules.contains(&path[..*length].to_vec()))
                else {
                    break None;
                };
                let name = path.get(owner);
                match name.and_then(|name| handed_on[&path[..owner].to_vec()].get(name)) {
                    Some(place) if *place != path => path = place.clone(),
                    _ => break Some(path[..owner].to_vec()),
                }
            };
            known.extend(owner.filter(|owner| !owner.is_empty() && *owner != file.module));
        }
        arrows.insert(file.module.clone(), known);
    }
    arrows
}

fn is_within(inner: &Module, outer: &Module) -> bool {
    inner.len() > outer.len() && inner.starts_with(outer)
}

/// Whether there is a way along the arrows, not through a folder's face and what is in it.
fn leads_to(arrows: &BTreeMap<Module, BTreeSet<Module>>, from: &Module, to: &Module) -> bool {
    let (mut seen, mut open) = (BTreeSet::from([from.clone()]), vec![from.clone()]);
    while let Some(at) = open.pop() {
        for next in arrows.get(&at).into_iter().flatten() {
            if is_within(next, &at) || is_within(&at, next) {
                continue;
            }
            if next == to {
                return true;
            }
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    false
}

#[test]
fn no_two_files_import_each_other_directly_or_by_others() {
    // Each crate, and about how many arrows there are at least.
    for (folder, at_least) in [("src", 300), ("crates/local_postgres/src", 10), ("crates/test_support/src", 20)] {
        let files = files(folder);
        let arrows = arrows(&files);
        let mut circles = Vec::new();
        for file in &files {
            println!("{}", file.path.display());
            for known in &arrows[&file.module] {
                println!("  -> {}", known.join("/"));
                let is_face = is_within(known, &file.module) || is_within(&file.module, known);
                if !is_face && leads_to(&arrows, known, &file.module) {
                    circles.push(format!("{} -> {}", file.module.join("/"), known.join("/")));
                }
            }
        }
        let count = arrows.values().map(BTreeSet::len).sum::<usize>();
        assert!(count > at_least, "the imports of {folder} were not found, or only {count}");
        assert!(circles.is_empty(), "these arrows are part of a circle:\n{}", circles.join("\n"));
    }
}

#[test]
fn paths_are_spelled_out() {
    let module = |text: &str| text.split("::").map(str::to_owned).collect::<Module>();
    let code = "use super::{a::B, c};\nuse crate::{\n    d::{self, E as F},\n    g::H,\n};\nfn f() { self::i::J; }";
    let found: BTreeSet<_> = paths(code, &module("x::y")).into_iter().collect();
    assert_eq!(found, ["x::a::B", "x::c", "d", "d::E", "g::H", "x::y::i::J"].map(module).into());
}
