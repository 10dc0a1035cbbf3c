//! What the checks of `keyward doctor` have found.

use std::{fmt::Display, process::ExitCode};

use keyward::domain::{counted::counted, escape::escaped};
use serde::Serialize;

use crate::cli::shared::{
    json_of,
    output::{print_line_unless_closed, tell_line},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    Warning,
    Failed,
}

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    check: &'static str,
    state: State,
    /// What was seen.
    found: String,
    /// What to do about it.
    remedy: Option<String>,
}

impl Finding {
    pub(super) fn good(check: &'static str, found: impl Display) -> Self {
        Self { check, state: State::Good, found: found.to_string(), remedy: None }
    }

    /// Keyward works, for now or not as well as it could.
    pub(super) fn warning(check: &'static str, found: impl Display, remedy: impl Display) -> Self {
        Self { check, state: State::Warning, found: found.to_string(), remedy: Some(remedy.to_string()) }
    }

    /// Keyward does not work like this, or does not keep its promise.
    pub(super) fn failed(check: &'static str, found: impl Display, remedy: impl Display) -> Self {
        Self { state: State::Failed, ..Self::warning(check, found, remedy) }
    }

    /// As people read it: text from elsewhere must not control their terminal.
    fn line(&self) -> String {
        let mark = match self.state {
            State::Good => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
        };
        let remedy =
            self.remedy.as_ref().map(|remedy| format!("\n{:>25} {}", "->", escaped(remedy))).unwrap_or_default();
        format!("{mark:<8} {:<16} {}{remedy}", self.check, escaped(&self.found))
    }
}

/// What all checks have found, in their order.
#[derive(Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// The warnings, and what failed.
    pub(super) fn counts(&self) -> (usize, usize) {
        let count = |state| self.0.iter().filter(|finding| finding.state == state).count();
        (count(State::Warning), count(State::Failed))
    }

    /// Prints them. The exit code says whether something failed, also where whoever reads has read enough.
    pub(super) fn print(&self, as_json: bool) -> anyhow::Result<ExitCode> {
        if as_json {
            print_line_unless_closed(json_of(&self.0)?)?;
        } else {
            for finding in &self.0 {
                print_line_unless_closed(finding.line())?;
            }
        }
        let (warnings, failed) = self.counts();
        if failed > 0 {
            tell_line(format_args!("error: {failed} failed, {}", counted(warnings as u64, "warning")));
            return Ok(ExitCode::FAILURE);
        }
        tell_line(format_args!("Nothing failed, {}.", counted(warnings as u64, "warning")));
        Ok(ExitCode::SUCCESS)
    }
}
