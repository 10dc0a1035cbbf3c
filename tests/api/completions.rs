//! What a shell offers after Tab, and that there is a command for all that the API does.

use std::{collections::BTreeMap, process::Command};

use reqwest::Method;
use serde_json::Value;
use test_support::{
    actors::stranger,
    asking::replica,
    program::{Folder, bare, run},
};

/// Bash with our completions, in a folder with one file.
struct Bash {
    folder: Folder,
    script: String,
}

impl Bash {
    fn new() -> Self {
        let folder = Folder::new();
        folder.file("a-file", "");
        let script = run(bare().args(["completions", "bash"])).succeeded();
        let script = folder.file("completions", &script);
        Self { folder, script }
    }

    /// What it offers for the last word of each of these lines. All are asked of one process, because reading the
    /// script takes longer than an answer.
    fn offers(&self, lines: &[Vec<&str>]) -> Vec<Vec<String>> {
        // Bash itself refuses `compopt` outside of a completion.
        const ASK: &str = r#"
            compopt() { :; }
            source "$SCRIPT"
            line=(keyward)
            for word in "$@"; do
                if [ "$word" != "$END" ]; then line+=("$word"); continue; fi
                COMP_WORDS=("${line[@]}")
                COMP_CWORD=$((${#line[@]} - 1))
                COMPREPLY=()
                _keyward keyward "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                printf '%s\n' "${COMPREPLY[@]}" "$END"
                line=(keyward)
            done
        "#;
        const END: &str = "(end of the line)";
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", ASK, "bash"]).current_dir(self.folder.path());
        for line in lines {
            bash.args(line).arg(END);
        }
        let offered = run(bash.env("SCRIPT", &self.script).env("END", END)).succeeded();
        let offered: Vec<&str> = offered.lines().collect();
        let mut offers: Vec<Vec<String>> = offered
            .split(|word| *word == END)
            .map(|words| words.iter().filter(|word| !word.is_empty()).map(|word| (*word).to_owned()).collect())
            .collect();
        // What follows the last end is nothing.
        assert_eq!(offers.pop(), Some(Vec::new()));
        assert_eq!(offers.len(), lines.len());
        offers
    }
}

#[test]
fn bash_offers_words_where_there_are_a_few_and_files_only_where_one_is_meant() {
    let (lines, expected): (Vec<_>, Vec<_>) = [
        (&["keys", "list", "--state", ""][..], &["active", "disabled", "expired", "revoked"][..]),
        (&["keys", "create", "--environment", ""], &["live", "test"]),
        (&["keys", "list", "--sort", "n"], &["name"]),
        (&["keys", "update", "x", "--clear", "a"], &["allowed-ips"]),
        (&["keys", "update", "x", "--enabled", ""], &["true", "false"]),
        (&["audit", "list", "--format", ""], &["table", "json", "csv", "ndjson"]),
        (
            &["audit", "list", "--action", "owner"],
            &["owner.disabled", "owner.enabled", "owner.limits_changed", "owner.credits_changed", "owner.plan_changed"],
        ),
        (&["owners", "list", "--state", ""], &["active", "disabled"]),
        (&["plans", "set", "x", "--environment", ""], &["live", "test"]),
        (&["policy", "test", "--environment", ""], &["live", "test"]),
        (&["policy", "check", "a-"], &["a-file"]),
        (&["--config", "a-"], &["a-file"]),
        (&["policy", "test", "--policy", "a-"], &["a-file"]),
        (&["tokens", "re"], &["revoke"]),
    ]
    .into_iter()
    .map(|(words, expected)| (words.to_vec(), expected))
    .unzip();
    let offers = Bash::new().offers(&lines);
    for ((words, expected), offered) in lines.iter().zip(expected).zip(offers) {
        assert_eq!(offered, expected, "{words:?}");
    }
    let script = run(bare().args(["completions", "bash"])).succeeded();
    assert!(!script.contains("-o default"), "bash would fall back to files");
}

/// Every option and argument of every command, but for those that say that they take a file or a folder.
#[test]
fn no_shell_offers_files_for_an_id_a_name_or_any_other_text() {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut takes_a_file = Vec::new();
    for command in crate::command_line::all_commands() {
        let help = run(bare().args(command).arg("--help")).succeeded();
        let options = help.lines().filter_map(|line| line.trim().split_once("--")).map(|(_, rest)| rest);
        for (name, value) in options.filter_map(|rest| rest.split_once(" <")) {
            if value.starts_with("FILE>") || value.starts_with("DIR>") || name.contains(' ') {
                continue;
            }
            lines.push([command.as_slice(), &[format!("--{name}"), "a-f".to_owned()]].concat());
            takes_a_file.push(false);
        }
        lines.push([command.as_slice(), &["a-f".to_owned()]].concat());
        takes_a_file.push(help.lines().any(|line| line.trim_start().starts_with("<FILE>")));
    }
    let words: Vec<Vec<&str>> = lines.iter().map(|line| line.iter().map(String::as_str).collect()).collect();
    for ((line, offered), takes_a_file) in lines.iter().zip(Bash::new().offers(&words)).zip(&takes_a_file) {
        assert_eq!(offered.contains(&"a-file".to_owned()), *takes_a_file, "{line:?}");
    }
    let seen = lines.iter().filter(|line| line.iter().any(|word| word.starts_with("--"))).count();
    assert!(seen > 50, "the options were not found: {seen}");
    let zsh = run(bare().args(["completions", "zsh"])).succeeded();
    assert!(!zsh.contains(":_default"), "zsh would offer files");
    let fish = run(bare().args(["completions", "fish"])).succeeded();
    assert!(fish.starts_with("complete -c keyward -f\n"), "fish would offer files");
    assert!(fish.contains(r#"-n "__fish_seen_subcommand_from policy; and __fish_seen_subcommand_from check" -F"#));
}

/// By the ids of operations: the command that does the same, or why there is none.
const COMMANDS: &[(&str, Result<&str, &str>)] = &[
    ("createApiKey", Ok("keys create")),
    ("readProtectedResource", Err("is about a request")),
    ("authorize", Ok("policy test")),
    ("authorizePath", Ok("policy test")),
    ("showOwnKey", Ok("keys show")),
    ("revokeOwnKey", Ok("keys revoke")),
    ("verifyKeys", Ok("keys verify")),
    ("createKey", Ok("keys create")),
    ("listKeys", Ok("keys list")),
    ("showKey", Ok("keys show")),
    ("updateKey", Ok("keys update")),
    ("revokeKey", Ok("keys revoke")),
    ("rotateKey", Ok("keys rotate")),
    ("disableKey", Ok("keys disable")),
    ("enableKey", Ok("keys enable")),
    ("listEvents", Ok("audit list")),
    ("showKeyUsage", Ok("usage")),
    ("showUsage", Ok("usage")),
    ("listOwners", Ok("owners list")),
    ("showOwner", Ok("owners show")),
    ("revokeKeys", Ok("keys revoke-many")),
    ("disableOwner", Ok("owners disable")),
    ("showOwnerLimits", Ok("owners limits")),
    ("replaceOwnerLimits", Ok("owners limits")),
    ("topUpOwner", Ok("owners credits")),
    ("topUpKey", Ok("keys credits")),
    ("enableOwner", Ok("owners enable")),
    ("listScopes", Err("is a setting")),
    ("showOwnPlan", Ok("owners plan")),
    ("showOwnerPlan", Ok("owners plan")),
    ("assignPlan", Ok("owners plan")),
    ("listPlans", Ok("plans list")),
    ("showPlan", Ok("plans show")),
    ("replacePlan", Ok("plans set")),
    ("deletePlan", Ok("plans delete")),
    ("revokeTokens", Ok("tokens revoke")),
    ("openConsole", Err("is about a browser")),
    ("introspect", Ok("keys verify")),
    ("revokeToken", Ok("keys revoke")),
    ("readMetadata", Err("is about addresses")),
    ("isAlive", Ok("healthcheck")),
    ("isReady", Ok("healthcheck")),
    ("readMetrics", Err("is about a running replica")),
    ("listProblems", Err("is about answers")),
    ("readProblem", Err("is about answers")),
    ("readOpenApi", Err("is about requests")),
    ("readRoot", Err("is about pages")),
    ("readDocs", Err("is about pages")),
    ("readDocsPage", Err("is about pages")),
    ("readDocsFile", Err("is about pages")),
];

#[tokio::test]
async fn there_is_a_command_for_everything_that_the_api_does() {
    let replica = replica().await;
    let answer = stranger(&replica, Method::GET, "/openapi.json").send().await.expect("an answer");
    let document: Value = answer.json().await.expect("JSON");
    let known: BTreeMap<_, _> = COMMANDS.iter().copied().collect();
    let paths = document["paths"].as_object().expect("paths").values();
    let operations: Vec<&Value> = paths.flat_map(|methods| methods.as_object().expect("methods").values()).collect();
    assert!(operations.len() > 30, "the operations were not found");
    for operation in operations {
        let id = operation["operationId"].as_str().expect("an id");
        let name = id.strip_prefix("admin").map_or(id.to_owned(), |rest| rest[..1].to_lowercase() + &rest[1..]);
        assert!(known.contains_key(name.as_str()), "{id}: which command does that, or why is there none?");
    }
    for command in COMMANDS.iter().filter_map(|(_, command)| command.ok()) {
        run(bare().args(command.split(' ')).arg("--help")).succeeded();
    }
}
