//! The windows of limits. Every window has a fixed place in time, so that all replicas and the database agree on it.

use std::{fmt, str::FromStr, time::Duration};

use time::{Date, Month as CalendarMonth, OffsetDateTime, Time};

use crate::domain::timestamp;

/// The longest window of a fixed length: 31 days.
pub const WINDOW_MAX_SECONDS: u32 = 31 * DAY;
const DAY: u32 = 86_400;

/// The window in which a limit counts. All windows are in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// So many seconds, counted from the Unix epoch: windows of an hour begin on the hour.
    Seconds(u32),
    /// A calendar day. The same windows as of 86,400 seconds, because Unix time has no leap seconds.
    Day,
    /// A calendar month.
    Month,
}

/// The beginning and the end of a window, in seconds since the Unix epoch. The end belongs to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first second.
    pub begins: i64,
    /// The first second of the next window.
    pub ends: i64,
}

/// The text names no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `day`, `month`, or a number with s, m, h or d, from 1s to 31d")]
pub struct InvalidWindow;

impl Window {
    /// The number that stands for this window in the database: its seconds, and 0 for a month.
    /// `migrations/0018_limits.sql` computes [`span_at`](Self::span_at) from it.
    pub fn period(self) -> i32 {
        match self {
            Self::Seconds(seconds) => i32::try_from(seconds).unwrap_or(i32::MAX),
            Self::Day => DAY.cast_signed(),
            Self::Month => 0,
        }
    }

    /// The length; of a month, the longest.
    pub fn longest(self) -> Duration {
        match self {
            Self::Seconds(seconds) => Duration::from_secs(seconds.into()),
            Self::Day => Duration::from_secs(DAY.into()),
            Self::Month => Duration::from_secs(WINDOW_MAX_SECONDS.into()),
        }
    }

    /// The window that contains this instant, given in seconds since the Unix epoch.
    pub fn span_at(self, second: i64) -> Span {
        match self {
            Self::Seconds(length) => fixed(i64::from(length), second),
            Self::Day => fixed(i64::from(DAY), second),
            Self::Month => month(second),
        }
    }
}

fn fixed(length: i64, second: i64) -> Span {
    let begins = second.div_euclid(length) * length;
    Span { begins, ends: begins + length }
}

fn month(second: i64) -> Span {
    // Outside of the years that dates have, no clock runs.
    let date = OffsetDateTime::from_unix_timestamp(second).map_or(Date::MAX, OffsetDateTime::date);
    let first = |year, month: CalendarMonth| Date::from_calendar_date(year, month, 1).unwrap_or(Date::MAX);
    let next_year = date.year() + i32::from(date.month() == CalendarMonth::December);
    let instant = |date: Date| date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp();
    Span { begins: instant(first(date.year(), date.month())), ends: instant(first(next_year, date.month().next())) }
}

/// Writes the largest unit that divides the length: `90s`, `5m`, `1h`, `7d`.
impl fmt::Display for Window {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Day => formatter.write_str("day"),
            Self::Month => formatter.write_str("month"),
            Self::Seconds(seconds) => formatter.write_str(&timestamp::span(Duration::from_secs(seconds.into()))),
        }
    }
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, InvalidWindow> {
        match text {
            "day" => return Ok(Self::Day),
            "month" => return Ok(Self::Month),
            _ => {}
        }
        // Other spans may have leading zeros.
        let span = timestamp::parse_span(text).ok().filter(|_| !text.starts_with('0'));
        let seconds = span.and_then(|span| u32::try_from(span.as_secs()).ok());
        seconds.filter(|seconds| *seconds <= WINDOW_MAX_SECONDS).map(Self::Seconds).ok_or(InvalidWindow)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn windows_are_written_as_they_are_read() {
        for (text, seconds) in [("1s", 1), ("90s", 90), ("1m", 60), ("60s", 60), ("24h", DAY), ("31d", 31 * DAY)] {
            assert_eq!(text.parse(), Ok(Window::Seconds(seconds)), "{text}");
        }
        for text in ["1s", "90s", "1m", "1h", "7d", "day", "month"] {
            assert_eq!(text.parse::<Window>().expect("a window").to_string(), text);
        }
        for text in
            ["", "s", "0s", "01s", "+1s", "-1s", "1", "1 s", "1.5s", "1w", "32d", "2678401s", "Day", "4294967296s"]
        {
            assert_eq!(text.parse::<Window>(), Err(InvalidWindow), "{text}");
        }
    }

    #[test]
    fn fixed_windows_begin_at_multiples_of_their_length() {
        let span = |length, second| Window::Seconds(length).span_at(second);
        assert_eq!(span(60, 0), Span { begins: 0, ends: 60 });
        assert_eq!(span(60, 59), Span { begins: 0, ends: 60 });
        assert_eq!(span(60, 60), Span { begins: 60, ends: 120 });
        assert_eq!(span(7, -1), Span { begins: -7, ends: 0 });
        assert_eq!(Window::Day.span_at(1_764_387_282), Window::Seconds(DAY).span_at(1_764_387_282));
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (at, begins, ends) in [
            (datetime!(2026-11-29 12:00 UTC), datetime!(2026-11-01 00:00 UTC), datetime!(2026-12-01 00:00 UTC)),
            (datetime!(2026-12-31 23:59:59 UTC), datetime!(2026-12-01 00:00 UTC), datetime!(2027-01-01 00:00 UTC)),
            (datetime!(2028-02-29 00:00 UTC), datetime!(2028-02-01 00:00 UTC), datetime!(2028-03-01 00:00 UTC)),
        ] {
            let span = Span { begins: begins.unix_timestamp(), ends: ends.unix_timestamp() };
            assert_eq!(Window::Month.span_at(at.unix_timestamp()), span, "{at}");
        }
    }
}
