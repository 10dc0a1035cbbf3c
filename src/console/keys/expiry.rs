//! The ends that a form offers for a key.

use std::time::Duration;

use crate::{console::texts::EN, domain::timestamp};

const DAY: u64 = 86_400;

/// The ends that a form offers.
pub(super) struct ExpiryChoice {
    pub(super) ends: Vec<End>,
    /// The longest life in words; `None`: unlimited.
    pub(super) longest: Option<String>,
}

/// An end that can be chosen.
pub(super) struct End {
    /// What the form sends.
    pub(super) value: String,
    pub(super) word: &'static str,
    pub(super) is_chosen: bool,
}

impl ExpiryChoice {
    /// Those within the longest life, and for a key that there is already, `as it is`. `chosen` is what the form has;
    /// without it, the first one is chosen.
    pub(super) fn new(longest: Option<Duration>, is_there: bool, chosen: &str) -> Self {
        let fits = |days: u64| longest.is_none_or(|longest| Duration::from_secs(days * DAY) <= longest);
        let presets = [(7, EN.in_days_7), (30, EN.in_days_30), (90, EN.in_days_90), (365, EN.in_days_365)];
        let keep = is_there.then(|| ("keep".to_owned(), EN.keep_expiry));
        let last = if longest.is_some() { ("latest", EN.latest) } else { ("never", EN.never) };
        let presets = presets.into_iter().filter(|(days, _)| fits(*days)).map(|(days, word)| (days.to_string(), word));
        let ends: Vec<_> = keep
            .into_iter()
            .chain([(last.0.to_owned(), last.1)])
            .chain(presets)
            .chain([("date".to_owned(), EN.on_date)])
            .collect();
        let place = ends.iter().position(|(value, _)| value == chosen).unwrap_or_default();
        let end = |(at, (value, word))| End { value, word, is_chosen: at == place };
        Self { ends: ends.into_iter().enumerate().map(end).collect(), longest: longest.map(timestamp::span) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_end_is_offered_that_would_be_refused_and_one_is_chosen() {
        let of = |days: Option<u64>, is_there, chosen| {
            let choice = ExpiryChoice::new(days.map(|days| Duration::from_secs(days * DAY)), is_there, chosen);
            let chosen: Vec<_> = choice.ends.iter().filter(|end| end.is_chosen).map(|end| end.value.clone()).collect();
            (choice.ends.into_iter().map(|end| end.value).collect::<Vec<_>>().join(" "), chosen.join(" "))
        };
        assert_eq!(of(None, false, "30"), ("never 7 30 90 365 date".to_owned(), "30".to_owned()));
        assert_eq!(of(Some(90), false, "365"), ("latest 7 30 90 date".to_owned(), "latest".to_owned()));
        assert_eq!(of(Some(6), true, ""), ("keep latest date".to_owned(), "keep".to_owned()));
    }
}
