//! Output as tables.

use keyward::domain::{audit::Actor, escape::escaped};
use time::{OffsetDateTime, macros::format_description};

/// One line per row, in columns, below a header line.
pub(in crate::cli) fn columns<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![header.map(str::to_owned)];
    lines.extend(rows.map(|row| row.map(|cell| escaped(&cell))));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One fact per line.
pub(in crate::cli) fn facts<const N: usize>(facts: [(&str, String); N]) -> String {
    facts.iter().map(|(name, value)| format!("{name:12} {}\n", escaped(value))).collect()
}

pub(in crate::cli) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

pub(in crate::cli) fn minute(instant: Option<OffsetDateTime>) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]Z");
    instant.and_then(|instant| instant.format(format).ok()).unwrap_or_else(|| "-".to_owned())
}

pub(in crate::cli) fn second(instant: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    instant.format(format).unwrap_or_default()
}

/// Who did something; a dash if unknown.
pub(in crate::cli) fn actor(actor: Option<&Actor>) -> String {
    match actor {
        Some(Actor::Token { subject, .. }) => subject.to_string(),
        Some(Actor::Key(id)) => id.to_string(),
        Some(Actor::CommandLine) => "the command line".to_owned(),
        None => "-".to_owned(),
    }
}
