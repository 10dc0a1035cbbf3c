//! Credits as options and in tables: `10000,refill=10000/monthly,day=15,max=20000`.

use keyward::domain::{
    ledger::IdempotentRequest,
    limits::{self, AskedCredits, InvalidCredits, Refill, RefillInterval, TopUp},
    text::ChangeReason,
};

const FORM: &str =
    "credits such as 10000, or 10000,refill=10000/monthly,day=15,max=20000; `none` for no refill or maximum";

/// The value of an option.
pub(in crate::cli) fn read(text: &str) -> Result<AskedCredits, String> {
    let mut asked = AskedCredits::default();
    let (mut refill, mut day) = (None, None);
    for (place, part) in text.split(',').enumerate() {
        match part.split_once('=') {
            None if place == 0 && !part.is_empty() => asked.remaining = Some(balance(part)?),
            Some(("max", "none")) => asked.max = Some(None),
            Some(("max", number)) => asked.max = Some(Some(amount(number)?)),
            Some(("refill", "none")) => asked.refill = Some(None),
            Some(("refill", value)) => refill = Some(value.split_once('/').ok_or(FORM)?),
            Some(("day", number)) => day = Some(number.parse().map_err(|_| InvalidCredits::Day.to_string())?),
            _ => return Err(FORM.to_owned()),
        }
    }
    if let Some((number, word)) = refill {
        let interval = RefillInterval::of(word, day).map_err(|error| format!("the refill {error}"))?;
        asked.refill = Some(Some(Refill { amount: amount(number)?, interval }));
    } else if day.is_some() {
        return Err(FORM.to_owned());
    }
    Ok(asked)
}

fn balance(text: &str) -> Result<u64, String> {
    let number = text.parse().map_err(|_| InvalidCredits::Balance).and_then(limits::balance);
    number.map_err(|error| format!("{text}: {error}"))
}

fn amount(text: &str) -> Result<u64, String> {
    let number = text.parse().map_err(|_| InvalidCredits::Amount).and_then(limits::amount);
    number.map_err(|error| format!("{text}: {error}"))
}

/// By how much, or to how much.
#[derive(clap::Args)]
pub(in crate::cli) struct TopUpOptions {
    #[command(flatten)]
    sum: Sum,
    /// Why, for the audit.
    #[arg(long)]
    pub(in crate::cli) reason: Option<ChangeReason>,
    /// Within a day, the same command with the same key changes nothing again.
    #[arg(long, value_name = "KEY", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Sum {
    /// So many more.
    #[arg(long, value_name = "CREDITS", value_parser = amount)]
    add: Option<u64>,
    /// Exactly so many; what replicas have of the earlier balance is void.
    #[arg(long, value_name = "CREDITS", value_parser = balance)]
    set: Option<u64>,
}

impl TopUpOptions {
    pub(in crate::cli) fn read(&self) -> TopUp {
        match (self.sum.add, self.sum.set) {
            (Some(amount), _) => TopUp::Add(amount),
            (None, set) => TopUp::Set(set.unwrap_or_default()),
        }
    }

    /// The command as it is remembered, if it has a key. `whose`: whose credits.
    pub(in crate::cli) fn once(&self, whose: &str) -> Option<IdempotentRequest> {
        let key = self.idempotency_key.clone()?;
        let (what, why) = (format!("{:?}", self.read()), self.reason.as_ref().map_or("", ChangeReason::as_str));
        Some(IdempotentRequest::of_command_line(key, &["credits", whose, &what, why]))
    }
}

/// In the form of the header `Idempotency-Key`.
fn idempotency_key(text: &str) -> Result<String, String> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if fits { Ok(text.to_owned()) } else { Err("1 to 255 printable ASCII characters".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_read_with_what_is_to_change() {
        let refill = |amount, interval| Some(Some(Refill { amount, interval }));
        let none = AskedCredits::default();
        for (text, asked) in [
            ("100", AskedCredits { remaining: Some(100), ..none.clone() }),
            ("0,max=5", AskedCredits { remaining: Some(0), max: Some(Some(5)), ..none.clone() }),
            ("refill=5/daily", AskedCredits { refill: refill(5, RefillInterval::Daily), ..none.clone() }),
            (
                "refill=5/monthly,day=31",
                AskedCredits { refill: refill(5, RefillInterval::Monthly(31)), ..none.clone() },
            ),
            ("refill=none,max=none", AskedCredits { refill: Some(None), max: Some(None), ..none.clone() }),
        ] {
            assert_eq!(read(text), Ok(asked), "{text}");
        }
        for text in ["", "a", "-1", "1,2", "max=0", "refill=5", "refill=0/daily", "refill=5/weekly", "day=5", "5,day=5"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
