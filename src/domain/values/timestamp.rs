//! Timestamps as text: RFC 3339 in milliseconds. Ids and JavaScript have the same precision, and texts of one length
//! sort by time.

use std::time::Duration;

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

/// The longest span that can be asked for: a hundred years, in seconds.
pub const SECONDS_MAX: u64 = 100 * 365 * 86_400;
/// The units of spans in seconds, largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// The text is not an RFC 3339 timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time such as 2030-01-31T12:00:00Z")]
pub struct InvalidTimestamp;

/// Parses a `date-time` (RFC 3339 §5.6) in any time zone. The fraction is truncated to three digits; a leap second
/// becomes the last millisecond of the second before it.
///
/// # Errors
/// [`InvalidTimestamp`] for anything else, and for an instant outside of the years 0 to 9999 in UTC, which could not be
/// written in responses.
pub fn parse(text: &str) -> Result<OffsetDateTime, InvalidTimestamp> {
    // The library accepts any byte between date and time.
    if !matches!(text.as_bytes().get("2030-01-31".len()), Some(b'T' | b't')) {
        return Err(InvalidTimestamp);
    }
    let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
    let instant = instant.checked_to_offset(UtcOffset::UTC).filter(|instant| instant.year() >= 0);
    instant.map(to_milliseconds).ok_or(InvalidTimestamp)
}

/// Truncates to the precision of responses, so that the stored value equals the one in the response.
pub fn to_milliseconds(instant: OffsetDateTime) -> OffsetDateTime {
    instant.replace_millisecond(instant.millisecond()).unwrap_or(instant)
}

/// Writes a timestamp in UTC with three fractional digits. The rest is truncated, not rounded, so the text is never
/// later than the instant.
pub fn write(instant: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    // Formatting fails only outside of the years 0 to 9999, which `parse` refuses.
    instant.to_offset(UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// Writes a span as settings are written: in the largest unit of which it is a whole number, such as `365d` or `90m`.
/// What is finer than a millisecond is cut off.
pub fn span(span: Duration) -> String {
    let millis = span.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut units = UNITS.into_iter().map(|(unit, seconds)| (unit, u128::from(seconds) * 1000));
    let (unit, length) = units.find(|(_, length)| millis.is_multiple_of(*length)).unwrap_or(("ms", 1));
    format!("{}{unit}", millis / length)
}

/// Reads what [`span`] has written, if it is whole seconds.
///
/// # Errors
/// [`InvalidSpan`].
pub fn parse_span(text: &str) -> Result<Duration, InvalidSpan> {
    let mut units = UNITS.into_iter();
    let (number, length) =
        units.find_map(|(unit, length)| Some((text.strip_suffix(unit)?, length))).ok_or(InvalidSpan)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<u64>().ok().filter(|_| is_number).and_then(|number| number.checked_mul(length));
    seconds.filter(|seconds| *seconds <= SECONDS_MAX).map(Duration::from_secs).ok_or(InvalidSpan)
}

/// The text is no span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number with s, m, h or d, such as 90d; at most a hundred years")]
pub struct InvalidSpan;

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_examples_of_rfc_3339_section_5_8_are_read() {
        for (text, instant) in [
            ("1985-04-12T23:20:50.52Z", datetime!(1985-04-12 23:20:50.52 UTC)),
            ("1996-12-19T16:39:57-08:00", datetime!(1996-12-20 00:39:57 UTC)),
            ("1990-12-31T23:59:60Z", datetime!(1990-12-31 23:59:59.999 UTC)),
            ("1990-12-31T15:59:60-08:00", datetime!(1990-12-31 23:59:59.999 UTC)),
            ("1937-01-01T12:00:27.87+00:20", datetime!(1937-01-01 11:40:27.87 UTC)),
        ] {
            assert_eq!(parse(text), Ok(instant), "{text}");
        }
    }

    #[test]
    fn a_span_is_written_as_settings_are() {
        for (millis, text) in [
            (0, "0s"),
            (500, "500ms"),
            (1_500, "1500ms"),
            (30_000, "30s"),
            (90_000, "90s"),
            (5_400_000, "90m"),
            (7_200_000, "2h"),
            (365 * 86_400_000, "365d"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_span_is_read_as_it_was_written() {
        for text in ["0s", "30s", "90s", "90m", "2h", "365d", "36500d"] {
            assert_eq!(parse_span(text).map(span).as_deref(), Ok(text));
        }
        assert_eq!(parse_span("24h").map(span).as_deref(), Ok("1d"));
        for text in ["", "d", "1", "1w", "-1d", "+1d", "1.5h", "500ms", "36501d", "99999999999999999999d"] {
            assert_eq!(parse_span(text), Err(InvalidSpan), "{text}");
        }
    }

    #[test]
    fn every_text_has_three_digits_of_a_fraction_and_is_never_later_than_its_instant() {
        for (instant, text) in [
            (datetime!(2030-01-31 12:00:00 UTC), "2030-01-31T12:00:00.000Z"),
            (datetime!(2030-01-31 12:00:00.1 UTC), "2030-01-31T12:00:00.100Z"),
            (datetime!(2030-01-31 12:00:00.999_999_999 UTC), "2030-01-31T12:00:00.999Z"),
            (datetime!(0000-01-01 01:00:00 +01:00), "0000-01-01T00:00:00.000Z"),
            (datetime!(9999-12-31 23:59:59.999_999 UTC), "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(write(instant), text);
            assert_eq!(parse(text), Ok(to_milliseconds(instant)), "{text}");
        }
    }
}
