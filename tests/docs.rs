//! The documents name only what exists: links, files, Rust names, command lines, problem codes.
//! That the README's session is what happens is proven in `tests/api/readme.rs`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Folders that a named file may be in. What a document names otherwise is not ours.
const FOLDERS: [&str; 8] = ["src/", "tests/", "docs/", "migrations/", "scripts/", "deploy/", ".ci/", ".cargo/"];
/// Ends of names that make a word a file of ours.
const EXTENSIONS: [&str; 8] = [".rs", ".md", ".toml", ".yml", ".sql", ".sh", ".svg", ".cfg"];

/// A document in Markdown.
struct Page {
    path: PathBuf,
    text: String,
}

impl Page {
    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).expect("a readable page");
        Self { path, text }
    }

    fn folder(&self) -> &Path {
        self.path.parent().expect("a file is in a folder")
    }

    fn name(&self) -> String {
        self.path.strip_prefix(root()).expect("below the root").display().to_string()
    }

    /// The lines of blocks of code of these languages, without the prompt.
    fn code(&self, languages: &[&str]) -> Vec<&str> {
        let mut language = None;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            match (line.trim_start().strip_prefix("```"), language) {
                (Some(opened), None) => language = Some(opened),
                (Some(_), Some(_)) => language = None,
                (None, Some(language)) if languages.contains(&language) => {
                    lines.push(line.strip_prefix("$ ").unwrap_or(line));
                }
                _ => {}
            }
        }
        lines
    }

    /// The text outside of blocks of code.
    fn prose(&self) -> String {
        let mut in_code = false;
        let mut lines = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            } else if !in_code {
                lines.push(line);
            }
        }
        lines.join("\n")
    }

    /// What stands between backticks in the prose.
    fn quoted(&self) -> Vec<String> {
        let prose = self.prose();
        prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
    }

    /// Where the links lead, but for those to other sites.
    fn links(&self) -> Vec<String> {
        let prose = self.prose();
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.filter(|target| !target.contains("://")).map(str::to_owned).collect()
    }

    fn has_heading(&self, anchor: &str) -> bool {
        self.prose().lines().filter(|line| line.starts_with('#')).any(|line| anchor_of(line) == anchor)
    }
}

/// What a heading is called in a link.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page in the repository.
fn pages() -> Vec<Page> {
    let mut paths = Vec::new();
    collect(root(), ".md", &mut paths);
    let pages: Vec<Page> = paths.into_iter().map(Page::read).collect();
    assert!(pages.len() > 10, "the pages were not found");
    pages
}

fn collect(folder: &Path, extension: &str, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() && name != "target" && name != ".git" {
            collect(&path, extension, paths);
        } else if name.ends_with(extension) {
            paths.push(path);
        }
    }
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    for page in pages() {
        for link in page.links() {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { page.path.clone() } else { page.folder().join(file) };
            assert!(target.exists(), "{} links to {link}, which is not there", page.name());
            let found = anchor.is_empty() || Page::read(target).has_heading(anchor);
            assert!(found, "{} links to {link}, but there is no such heading", page.name());
        }
    }
}

#[test]
fn every_page_of_the_book_is_in_its_table_of_contents() {
    for (contents, folders) in
        [("docs/README.md", &["docs", "docs/internals"][..]), ("docs/decisions/README.md", &["docs/decisions"])]
    {
        let contents = Page::read(root().join(contents));
        let listed: BTreeSet<PathBuf> =
            contents.links().iter().filter_map(|link| fs::canonicalize(contents.folder().join(link)).ok()).collect();
        assert!(listed.len() > 10, "{} lists no pages", contents.name());
        let is_in_a_folder = |page: &&Page| folders.iter().any(|folder| page.folder() == root().join(folder));
        for page in pages().iter().filter(is_in_a_folder).filter(|page| page.path != contents.path) {
            let path = fs::canonicalize(&page.path).expect("a page that was read");
            assert!(listed.contains(&path), "{} doesn't list {}", contents.name(), page.name());
        }
    }
}

#[test]
fn every_folder_of_pages_has_a_table_of_contents() {
    let below_docs = pages().into_iter().filter(|page| page.path.starts_with(root().join("docs")));
    let folders: BTreeSet<PathBuf> = below_docs.map(|page| page.folder().to_owned()).collect();
    let known = ["docs", "docs/decisions", "docs/internals"].map(|folder| root().join(folder));
    assert_eq!(folders, BTreeSet::from(known), "list the pages of a new folder in docs/README.md, and here");
}

#[test]
fn every_file_that_is_named_exists() {
    for page in pages() {
        for word in page.quoted().iter().filter(|word| is_a_file(word)) {
            let places = [page.folder().to_owned(), root().to_owned(), root().join("src")];
            let exists = places.iter().any(|place| place.join(word).exists());
            assert!(exists, "{} names {word}, which is not there", page.name());
        }
    }
}

fn is_a_file(word: &str) -> bool {
    let plain = word.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter));
    let ours = FOLDERS.iter().any(|folder| word.starts_with(folder));
    plain && (ours || EXTENSIONS.iter().any(|extension| word.ends_with(extension)))
}

#[test]
fn every_rust_name_in_the_architecture_and_the_internals_exists() {
    let mut paths = Vec::new();
    collect(&root().join("src"), ".rs", &mut paths);
    let sources: String = paths.iter().map(|path| fs::read_to_string(path).expect("a readable file")).collect();
    let words: BTreeSet<&str> = sources.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let is_rust = |name: &&String| name.contains("::") && !name.contains(' ');
    let internals = root().join("docs/internals");
    let is_about_the_source = |page: &&Page| page.path.ends_with("docs/ARCHITECTURE.md") || page.folder() == internals;
    for page in pages().iter().filter(is_about_the_source) {
        for name in page.quoted().iter().filter(is_rust) {
            let parts =
                name.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|part| !part.is_empty());
            for part in parts {
                assert!(words.contains(part), "{} names {name}, but there is no {part} in src", page.name());
            }
        }
    }
}

/// The map is drawn as a tree: two spaces a level, a name, and what is in it.
#[test]
fn every_folder_of_the_map_exists_and_no_other() {
    let page = Page::read(root().join("docs/ARCHITECTURE.md"));
    let (_, map) = page.text.split_once("```text\nsrc/\n").expect("the map");
    let (map, _) = map.split_once("crates/").expect("which ends there");
    let mut drawn = BTreeSet::new();
    let mut folder = String::new();
    for line in map.lines() {
        let name = line.split_whitespace().next().expect("a name").trim_end_matches('/');
        if line.starts_with("    ") {
            drawn.insert(format!("{folder}/{name}"));
        } else {
            folder = name.to_owned();
            drawn.insert(folder.clone());
        }
    }
    for name in &drawn {
        let path = root().join("src").join(name);
        assert!(path.is_dir() || path.with_extension("rs").is_file(), "the map draws src/{name}, which is not there");
    }
    for entry in fs::read_dir(root().join("src")).expect("the sources").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!entry.path().is_dir() || drawn.contains(&name), "the map does not draw src/{name}");
    }
}

/// Words that a reader would have to learn, and the ones to use instead.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("the guide's", "the compatibility routes'"),
    ("the guide", "the compatibility routes"),
    ("untold", "suppressed"),
    ("small letters", "lowercase"),
    ("good-bye", "deregister"),
    ("world of a key", "environment"),
];

#[test]
fn prose_wraps_at_120_and_has_no_words_of_its_own() {
    for page in pages() {
        for line in page.prose().lines() {
            let may_be_long = line.starts_with('|') || line.contains("://") || line.contains("](");
            let length = line.chars().count();
            assert!(may_be_long || length <= 120, "{}: {length} characters: {line}", page.path.display());
            // What happened is told in the words of its time.
            if page.path.ends_with("CHANGELOG.md") {
                continue;
            }
            let line = line.to_lowercase();
            for (other, ours) in OTHER_WORDS {
                let is_there = line.match_indices(other).any(|(at, _)| {
                    !line[at + other.len()..].starts_with(char::is_alphanumeric)
                        && !line[..at].ends_with(char::is_alphanumeric)
                });
                assert!(!is_there, "{}: instead of {other:?}, write {ours}: {line}", page.path.display());
            }
        }
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let Page { path, text } = Page::read(root().join("docs/threat-model.md"));
    let mut boundaries = 0;
    for section in text.split("\n## ").filter(|section| section.starts_with(|first: char| first.is_ascii_digit())) {
        boundaries += 1;
        let quoted = Page { path: path.clone(), text: section.to_owned() }.quoted();
        let names: Vec<&String> = quoted.iter().filter(|span| span.contains("::")).collect();
        assert!(!names.is_empty(), "nothing holds {}", section.lines().next().unwrap_or_default());
        for name in names {
            let (place, test) = name.rsplit_once("::").expect("two parts");
            let place = place.replace("::", "/");
            let files = ["tests/{}.rs", "tests/{}/main.rs", "tests/{}/mod.rs", "src/{}.rs", "src/{}/mod.rs"];
            let mut sources =
                files.iter().filter_map(|file| fs::read_to_string(root().join(file.replace("{}", &place))).ok());
            assert!(
                sources.any(|source| has_test(&source, test)),
                "the threat model names {name}: there is no such test"
            );
        }
    }
    assert_eq!(boundaries, 10);
}

/// As a function with the attribute of a test, or in a list of which a macro makes tests.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let (function, listed) = (format!("fn {name}("), format!("{name},"));
    lines.iter().enumerate().any(|(at, line)| {
        let attributes = || lines[..at].iter().rev().take_while(|before| before.starts_with("#["));
        *line == listed || line.contains(&function) && attributes().any(|attribute| attribute.contains("test"))
    })
}

#[test]
fn every_command_line_of_keyward_is_understood() {
    let mut commands = BTreeSet::new();
    for page in pages() {
        let quoted = page.quoted();
        let lines = page.code(&["sh", "console"]).into_iter().chain(quoted.iter().map(String::as_str));
        commands.extend(lines.filter_map(keyward_arguments).map(|arguments| (arguments, page.name())));
    }
    assert!(commands.len() > 5, "the command lines were not found");
    for (arguments, page) in commands {
        // `--help` comes last, so what is before it is read and judged, but not done.
        let output = Command::new(env!("CARGO_BIN_EXE_keyward")).args(&arguments).arg("--help").output();
        let output = output.expect("keyward starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{page} shows `keyward {}`:\n{error}", arguments.join(" "));
    }
}

/// What a reader pastes must not lack something that only the author had.
#[test]
fn every_variable_in_a_command_is_set_or_explained_on_its_page() {
    const OF_EVERY_SHELL: [&str; 4] = ["HOME", "PATH", "PWD", "USER"];
    let (mut seen, mut missing) = (0, Vec::new());
    for page in pages() {
        let lines = page.code(&["sh", "console"]);
        let explained = page.quoted();
        for (number, line) in lines.iter().enumerate() {
            // What the line itself sets counts, too: `for NAME in …`, and `NAME=… command "$NAME"` on two lines.
            let before = lines[..=number].join("\n");
            for name in variables_in(line).into_iter().filter(|name| !OF_EVERY_SHELL.contains(&name.as_str())) {
                let is_set = before.contains(&format!("{name}=")) || before.contains(&format!("for {name} in"));
                let is_explained = explained.iter().any(|quoted| quoted == &name);
                if !is_set && !is_explained {
                    missing.push(format!("{}: where does ${name} come from? {line}", page.name()));
                }
                seen += 1;
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(seen > 20, "the variables were not found");
}

/// The names behind `$` and in `${…}`, outside of single quotes.
fn variables_in(line: &str) -> Vec<String> {
    let unquoted: String = line.split('\'').step_by(2).collect();
    let code = unquoted.split(" # ").next().unwrap_or_default();
    let names = code.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>()
    });
    names.filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase())).collect()
}

#[test]
fn variables_are_found_where_a_shell_puts_them_in() {
    for (line, names) in [
        (r#"curl "$K/keys/$ID" -H "x: ${KEY}x" -d '{"a":"'$B'"}'"#, &["K", "ID", "KEY", "B"][..]),
        (r#"awk '{ print $NF }' $1 $(cat x)"#, &[]),
    ] {
        assert_eq!(variables_in(line), names, "{line}");
    }
}

/// The arguments of `keyward`, or of `cargo run --`, in a command line; `None` if neither is in there.
fn keyward_arguments(line: &str) -> Option<Vec<String>> {
    let line = line.replace("cargo run -q -- ", "keyward ").replace("cargo run -- ", "keyward ");
    // In `docker compose exec keyward keyward serve` the first is a service.
    let (before, rest) = line.rsplit_once("keyward ")?;
    if !before.is_empty() && !before.ends_with([' ', '(']) {
        return None;
    }
    let end = rest.find([')', '|', ';', '>', '<', '#', '&', '"']).unwrap_or(rest.len());
    let arguments = words(&rest[..end]);
    (!arguments.is_empty()).then_some(arguments)
}

/// What a shell makes of `text`: words, in which single quotes hold blanks together.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in text.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn a_command_line_is_found_where_it_is_one() {
    for (line, arguments) in [
        ("keyward serve", Some("serve")),
        ("cargo run -- dev     # try it", Some("dev")),
        ("TOKEN=$(cargo run -q -- token mint --subject alice)", Some("token mint --subject alice")),
        ("docker compose exec -T keyward keyward config | less", Some("config")),
        ("docker compose up --scale keyward=3", None),
        ("cargo test", None),
    ] {
        assert_eq!(keyward_arguments(line).map(|found| found.join(" ")).as_deref(), arguments, "{line}");
    }
}

#[test]
fn every_problem_code_is_documented_and_no_other() {
    let between = |file: &str, begin: &str, end: &str| {
        let source = fs::read_to_string(root().join(file)).expect("a readable file");
        let (_, from) = source.split_once(begin).expect("the codes are in a function of that name");
        from.split_once(end).expect("which is followed by that").0.to_owned()
    };
    let facts = between("src/api/wire/failure/reason.rs", "fn facts(&self)", "\n    }\n")
        + &between("src/protect/response/refused.rs", "fn row(self)", "\n    }\n")
        + &between("src/server/refusal.rs", "fn facts(self)", "\n}\n");
    // In "StatusCode::…, "code", "Title"".
    let quoted = facts.split("StatusCode::").skip(1).filter_map(|fact| fact.split('"').nth(1));
    let is_code = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let actual: BTreeSet<&str> = quoted.filter(is_code).collect();
    assert!(actual.len() > 5, "the codes were not found");

    let page = Page::read(root().join("docs/problems.md"));
    let (table, _) = page.text.split_once("\n## Reasons in the log").expect("that heading");
    let is_row_with_status = |line: &&str| line.split(" | ").nth(1).is_some_and(|cell| cell.starts_with(['4', '5']));
    let rows = table.lines().filter(is_row_with_status).filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(actual, documented);
}

/// Each reason for which a credential is refused is a word in the log, and has its row.
#[test]
fn every_reason_in_the_log_is_documented_with_what_to_do() {
    let source = fs::read_to_string(root().join("src/domain/verdicts/denial.rs")).expect("a readable file");
    let codes: Vec<&str> = source.lines().filter_map(|line| line.split("=> \"").nth(1)?.split('"').next()).collect();
    assert!(codes.len() > 35, "{codes:?}");
    let page = fs::read_to_string(root().join("docs/problems.md")).expect("a readable page");
    let (_, table) = page.split_once("| reason | what it means | what to do |").expect("a table of reasons");
    for code in &codes {
        let row = table
            .lines()
            .find(|line| line.starts_with(&format!("| `{code}` | ")))
            .unwrap_or_else(|| panic!("no row {code}"));
        assert_eq!(row.matches(" | ").count(), 2, "{row}");
    }
    for row in table.lines().filter_map(|line| line.strip_prefix("| `")) {
        let code = row.split('`').next().unwrap_or_default();
        assert!(codes.contains(&code), "no credential is refused for {code}");
    }
}
