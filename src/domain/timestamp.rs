//! Instants as text: RFC 3339, to the millisecond. That is as exact as ids are, and as what other programs read: texts of
//! one length are in the order of their instants, and JavaScript has no finer clock.

use std::time::Duration;

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339, macros::format_description};

/// The text is no instant of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time such as 2030-01-31T12:00:00Z")]
pub struct InvalidTimestamp;

/// Reads a `date-time` of RFC 3339 §5.6, in any time zone. The first three digits of a fraction count; a leap second is
/// the last millisecond of the second before it.
///
/// # Errors
/// [`InvalidTimestamp`] for anything else, and for an instant outside of the years 0 to 9999 of UTC: no other year can
/// be written in an answer.
pub fn parse(text: &str) -> Result<OffsetDateTime, InvalidTimestamp> {
    // The library checks all but the letter between date and time, where it takes any byte.
    if !matches!(text.as_bytes().get("2030-01-31".len()), Some(b'T' | b't')) {
        return Err(InvalidTimestamp);
    }
    let instant = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
    let instant = instant.checked_to_offset(UtcOffset::UTC).filter(|instant| instant.year() >= 0);
    instant.map(to_milliseconds).ok_or(InvalidTimestamp)
}

/// As exact as answers are, so that what is kept is what was told.
pub fn to_milliseconds(instant: OffsetDateTime) -> OffsetDateTime {
    instant.replace_millisecond(instant.millisecond()).unwrap_or(instant)
}

/// Writes an instant in UTC, with exactly three digits of a fraction. What is finer is cut off, not rounded: the text is
/// never later than the instant.
pub fn write(instant: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    // Only an instant outside of the years 0 to 9999 cannot be written, and `parse` lets none in.
    instant.to_offset(UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// Writes a span as settings are written: in the largest unit of which it is a whole number, such as `365d` or `90m`. What is
/// finer than a millisecond is cut off.
pub fn span(span: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let millis = span.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let whole = UNITS.into_iter().find(|(unit, _)| millis % unit == 0);
    let (unit, name) = whole.unwrap_or((1, "ms"));
    format!("{}{name}", millis / unit)
}

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
