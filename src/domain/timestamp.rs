//! Instants as text: RFC 3339, to the microsecond, which is as exact as the database is.

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// The text is no instant of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time such as 2030-01-31T12:00:00Z")]
pub struct InvalidTimestamp;

/// Reads a `date-time` of RFC 3339 §5.6, in any time zone. The first six digits of a fraction count; a leap second is
/// the last microsecond of the second before it.
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
    instant.map(to_microseconds).ok_or(InvalidTimestamp)
}

/// As exact as the database is, so that what is answered now is what is answered later.
pub fn to_microseconds(instant: OffsetDateTime) -> OffsetDateTime {
    instant.replace_nanosecond(instant.microsecond() * 1000).unwrap_or(instant)
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
            ("1990-12-31T23:59:60Z", datetime!(1990-12-31 23:59:59.999999 UTC)),
            ("1990-12-31T15:59:60-08:00", datetime!(1990-12-31 23:59:59.999999 UTC)),
            ("1937-01-01T12:00:27.87+00:20", datetime!(1937-01-01 11:40:27.87 UTC)),
        ] {
            assert_eq!(parse(text), Ok(instant), "{text}");
        }
    }
}
