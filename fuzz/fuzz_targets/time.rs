//! Instants of RFC 3339.
//!
//! It never panics, reads the same as a plain reading of the grammar with a calendar of its own, and what it reads is
//! written and read again.
#![no_main]

use keyward::domain::timestamp;
use libfuzzer_sys::fuzz_target;
use time::format_description::well_known::Rfc3339;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = timestamp::parse(text).ok();
    let millis = read.map(|instant| instant.unix_timestamp_nanos() / 1_000_000);
    assert_eq!(millis, plain(data), "{text:?}");
    if let Some(instant) = read {
        assert_eq!(timestamp::parse(&instant.format(&Rfc3339).expect("a year of four digits")), Ok(instant));
        assert_eq!(instant.nanosecond() % 1_000_000, 0);
    }
});

/// Milliseconds since 1970.
fn plain(text: &[u8]) -> Option<i128> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    literal(&mut rest, b'-')?;
    let month = number(&mut rest, 2)?;
    literal(&mut rest, b'-')?;
    let day = number(&mut rest, 2)?;
    literal(&mut rest, b't')?;
    let hour = number(&mut rest, 2)?;
    literal(&mut rest, b':')?;
    let minute = number(&mut rest, 2)?;
    literal(&mut rest, b':')?;
    let second = number(&mut rest, 2)?;
    let mut fraction = 0;
    if literal(&mut rest, b'.').is_some() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (digits > 0).then_some(())?;
        for place in 0..3 {
            fraction =
                fraction * 10 + rest.get(place).filter(|_| place < digits).map_or(0, |digit| i128::from(digit - b'0'));
        }
        rest = &rest[digits..];
    }
    let offset = match rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            rest = &rest[1..];
            let hours = number(&mut rest, 2)?;
            literal(&mut rest, b':')?;
            let minutes = number(&mut rest, 2)?;
            (rest.is_empty() && hours < 24 && minutes < 60).then_some(())?;
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i128::from(is_leap_year),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    ((1..=longest).contains(&day) && hour < 24 && minute < 60 && second <= 60).then_some(())?;
    let is_leap_second = second == 60;
    let (second, fraction) = if is_leap_second { (59, 999) } else { (second, fraction) };
    let minutes = (days_before(year, month, day) * 24 + hour) * 60 + minute - offset;
    // One is added to the last minute of a month of UTC (RFC 3339, appendix D).
    if is_leap_second && !ends_month(minutes) {
        return None;
    }
    let year_0 = days_before(0, 1, 1) * 24 * 60;
    let year_10000 = days_before(10_000, 1, 1) * 24 * 60;
    (year_0..year_10000).contains(&minutes).then_some((minutes * 60 + second) * 1000 + fraction)
}

fn number(rest: &mut &[u8], digits: usize) -> Option<i128> {
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    number.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i128::from(byte - b'0')))
}

fn literal(rest: &mut &[u8], expected: u8) -> Option<()> {
    let (first, after) = rest.split_first()?;
    first.eq_ignore_ascii_case(&expected).then(|| *rest = after)
}

/// Days from the first of 1970 to this one, by counting years and months.
fn days_before(year: i128, month: i128, day: i128) -> i128 {
    let leap_days = |year: i128| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let years = year * 365 + leap_days(year - 1) - (1970 * 365 + leap_days(1969));
    let is_leap_year = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let months = [31, 28 + i128::from(is_leap_year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + months[..(month - 1) as usize].iter().sum::<i128>() + day - 1
}

/// Whether a minute is the last one of its month.
fn ends_month(minutes: i128) -> bool {
    let next_day = (minutes + 1).div_euclid(24 * 60);
    let is_last_of_day = (minutes + 1).rem_euclid(24 * 60) == 0;
    let begins_month = (-2..10_002).any(|year| {
        let begin = days_before(year, 1, 1);
        (begin..begin + 366).contains(&next_day) && (1..=12).any(|month| days_before(year, month, 1) == next_day)
    });
    is_last_of_day && begins_month
}
