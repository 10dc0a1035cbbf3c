//! Shell completions. They offer values if there are only a few, and files if a file is expected. For anything else,
//! such as an id or a name, they offer nothing, because a shell would otherwise complete any file name.

use std::fmt::Write;

use clap::{Command, ValueHint};
use clap_complete::Shell;

/// The completion script for a shell.
pub(super) fn script(shell: Shell, command: Command) -> String {
    let mut command = without_files(command);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "keyward", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => for_bash(&script, &command),
        Shell::Fish => for_fish(&script, &command),
        _ => script,
    }
}

/// Values without a hint are not files.
fn without_files(command: Command) -> Command {
    let is_unknown =
        |argument: &clap::Arg| argument.get_action().takes_values() && argument.get_value_hint() == ValueHint::Unknown;
    let silent = |argument: clap::Arg| {
        if is_unknown(&argument) { argument.value_hint(ValueHint::Other) } else { argument }
    };
    command.mut_args(silent).mut_subcommands(without_files)
}

/// The generator makes bash fall back to files if there is no completion, and has no other way to offer them for
/// positional arguments.
fn for_bash(script: &str, command: &Command) -> String {
    const FILES: &str = "$(compgen -f -- \"${cur}\")";
    let labels: Vec<String> = commands_with_a_file(command, &[])
        .iter()
        .map(|path| format!("keyward__subcmd__{})", path.join("__subcmd__")))
        .collect();
    let mut completed = String::new();
    let mut takes_a_file = false;
    for line in script.lines() {
        let line = line.replace(" -o bashdefault -o default ", " ");
        match line.strip_suffix('"').filter(|line| takes_a_file && line.trim_start().starts_with("opts=\"")) {
            Some(words) => {
                let _ = writeln!(completed, "{words} {FILES}\"");
                takes_a_file = false;
            }
            None => completed.extend([&line, "\n"]),
        }
        takes_a_file |= labels.iter().any(|label| label == line.trim());
    }
    completed
}

/// Fish offers files for every argument by default.
fn for_fish(script: &str, command: &Command) -> String {
    let mut completed = format!("complete -c keyward -f\n{script}");
    for path in commands_with_a_file(command, &[]) {
        let seen: Vec<String> = path.iter().map(|word| format!("__fish_seen_subcommand_from {word}")).collect();
        let _ = writeln!(completed, "complete -c keyward -n \"{}\" -F", seen.join("; and "));
    }
    completed
}

/// Commands that take a file as a positional argument.
fn commands_with_a_file(command: &Command, above: &[String]) -> Vec<Vec<String>> {
    let takes_a_file =
        |argument: &clap::Arg| matches!(argument.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath);
    let mut found = Vec::new();
    if command.get_positionals().any(takes_a_file) {
        found.push(above.to_vec());
    }
    for inner in command.get_subcommands() {
        found.extend(commands_with_a_file(inner, &[above, &[inner.get_name().to_owned()]].concat()));
    }
    found
}
