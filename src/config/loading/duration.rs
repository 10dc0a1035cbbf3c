//! Durations as people write them.

use std::time::Duration;

/// The units, for messages. Longer names are understood, too: `sec`, `minutes`, `days`.
const UNITS: &str = "ms, s, m (minutes), h, d, w";

/// The units of the parser that no operator means. `5M` is a typing mistake for five minutes, and would be five months;
/// and a month or a year has no exact length.
const NOT_MEANT: [&str; 8] = ["M", "month", "months", "y", "yr", "yrs", "year", "years"];

/// A text is not a duration. Continues a sentence that begins with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// It has another form.
    #[error("not a number with one of the units {UNITS}")]
    Form,
    /// It has a unit that is too easily mistaken.
    #[error("in {0}, which is no unit here; the units are {UNITS}")]
    Unit(String),
}

/// Reads `500ms`, `90s` or `1h 30m`.
///
/// # Errors
/// [`InvalidDuration`].
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let mut units = text.split(|letter: char| !letter.is_alphabetic());
    if let Some(unit) = units.find(|unit| NOT_MEANT.contains(unit)) {
        return Err(InvalidDuration::Unit(unit.to_owned()));
    }
    humantime::parse_duration(text.trim()).map_err(|_| InvalidDuration::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_that_nobody_mistakes() {
        let seconds = |count| Ok(Duration::from_secs(count));
        for (text, expected) in [
            ("90s", seconds(90)),
            (" 1h 30m\n", seconds(5400)),
            ("2 minutes", seconds(120)),
            ("1w 1d", seconds(8 * 86_400)),
            ("250ms", Ok(Duration::from_millis(250))),
        ] {
            assert_eq!(parse_duration(text), expected, "{text}");
        }
        for text in ["5M", "1h 5M", "1month", "2 months", "1y", "1 yr", "2 years"] {
            assert!(matches!(parse_duration(text), Err(InvalidDuration::Unit(_))), "{text}");
        }
        for text in ["", "5", "s", "5 parsecs", "5S", "5H", "-5s", "5s,"] {
            assert_eq!(parse_duration(text), Err(InvalidDuration::Form), "{text}");
        }
    }
}
