//! Credits in forms and on pages.

use crate::{
    console::{access::form::Form, frame::When, texts::WHY_NOT},
    domain::{
        limits::{
            AskedCredits, CreditRules, Credits, InvalidCredits, Refill, RefillInterval, TopUp, TopUpOperation, amount,
            balance,
        },
        plan::PlanCredits,
        role::Role,
        text::ChangeReason,
    },
};

/// Credits on a page.
pub(in crate::console) struct CreditsView {
    pub(in crate::console) remaining: u64,
    pub(in crate::console) unsettled: u64,
    pub(in crate::console) granted: u64,
    pub(in crate::console) spent: u64,
    pub(in crate::console) max: Option<u64>,
    pub(in crate::console) refill: Option<String>,
    pub(in crate::console) next_refill: Option<When>,
    pub(in crate::console) from_plan: bool,
    pub(in crate::console) set_by: &'static str,
}

impl From<&Credits> for CreditsView {
    fn from(credits: &Credits) -> Self {
        let Credits { remaining, unsettled, granted, .. } = *credits;
        Self {
            remaining,
            unsettled,
            granted,
            spent: granted.saturating_sub(remaining + unsettled),
            max: credits.rules.max,
            refill: credits.rules.refill.map(refill_in_words),
            next_refill: credits.next_refill_at.map(When::from),
            from_plan: credits.from_plan,
            set_by: credits.rules.set_by.as_str(),
        }
    }
}

/// Whether whoever has this role may change these credits, which is decided again when they do.
pub(in crate::console) fn may_change(credits: &Credits, role: Role) -> bool {
    role == Role::Administrator || credits.rules.set_by == Role::Owner
}

fn refill_in_words(Refill { amount, interval }: Refill) -> String {
    match interval {
        RefillInterval::Daily => format!("{amount} daily"),
        RefillInterval::Monthly(day) => format!("{amount} monthly, on day {day}"),
    }
}

/// The values of the fields that [`asked`] reads, for credits that there are.
pub(in crate::console) fn fields(rules: Option<&CreditRules>) -> Vec<(&'static str, String)> {
    let Some(rules) = rules else { return Vec::new() };
    let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let interval = rules.refill.map(|refill| refill.interval);
    vec![
        ("credits_max", text(rules.max)),
        ("refill_amount", text(rules.refill.map(|refill| refill.amount))),
        ("refill_every", interval.map(RefillInterval::as_str).unwrap_or_default().to_owned()),
        ("refill_day", text(interval.and_then(RefillInterval::day).map(u64::from))),
    ]
}

/// The same for the credits of a plan.
pub(in crate::console) fn fields_of_plan(credits: Option<&PlanCredits>) -> Vec<(&'static str, String)> {
    let mut fields = fields(credits.map(PlanCredits::rules).as_ref());
    fields.extend(credits.map(|credits| ("credits", credits.amount.to_string())));
    fields
}

/// The credits that a form asks for: its rules are all that there are to be; without a balance, that stays.
pub(in crate::console) fn asked(form: &mut Form) -> AskedCredits {
    let remaining = form.read("credits", |text| number(text, InvalidCredits::Balance, balance));
    let max = form.read("credits_max", |text| number(text, InvalidCredits::Amount, amount));
    AskedCredits { remaining, max: Some(max), refill: Some(refill(form)), set_by: None }
}

fn refill(form: &mut Form) -> Option<Refill> {
    let every = form.text("refill_every").map(str::to_owned);
    let amount = form.read("refill_amount", |text| number(text, InvalidCredits::Amount, amount));
    let day = form.read("refill_day", |text| number(text, InvalidCredits::Day, Ok));
    let Some(every) = every else {
        if amount.is_some() || day.is_some() {
            form.problem("refill_every", InvalidCredits::Interval.to_string());
        }
        return None;
    };
    if form.text("refill_amount").is_none() {
        form.problem("refill_amount", InvalidCredits::Amount.to_string());
    }
    match RefillInterval::of(&every, day) {
        Ok(interval) => amount.map(|amount| Refill { amount, interval }),
        Err(error) => {
            let field = if error == InvalidCredits::Interval { "refill_every" } else { "refill_day" };
            form.problem(field, error.to_string());
            None
        }
    }
}

/// The credits of a plan that a form asks for; `None` if it has none.
pub(in crate::console) fn asked_of_plan(form: &mut Form) -> Option<PlanCredits> {
    let asked = asked(form);
    let has_rules = asked.max.flatten().is_some() || asked.refill.flatten().is_some();
    if has_rules && form.text("credits").is_none() {
        form.problem("credits", InvalidCredits::Balance.to_string());
    }
    PlanCredits::asked(&asked)
}

/// The top-up that a form asks for, what was granted in all when its page was loaded, and the reason. Whoever sets what
/// is left means the credits that they have seen; adding to them is right whatever they are.
pub(in crate::console) fn top_up(form: &mut Form) -> (Option<TopUp>, Option<u64>, Option<ChangeReason>) {
    for (name, missing) in [("operation", InvalidCredits::Operation), ("amount", InvalidCredits::Amount)] {
        if form.text(name).is_none() {
            form.problem(name, missing.to_string());
        }
    }
    let read = |operation: TopUpOperation, text: &str| {
        let number: u64 = text.parse().map_err(|_| InvalidCredits::Amount)?;
        operation.with(number)
    };
    let top_up = form.parsed("operation").and_then(|operation| {
        form.read("amount", |text| read(operation, text).map_err(|error: InvalidCredits| error.to_string()))
    });
    let granted = match top_up {
        Some(TopUp::Set(_)) => form.text("granted").and_then(|text| text.parse().ok()),
        _ => None,
    };
    if matches!(top_up, Some(TopUp::Set(_))) && granted.is_none() {
        form.problem("operation", WHY_NOT.changed_meanwhile);
    }
    (top_up, granted, form.parsed("reason"))
}

fn number(
    text: &str,
    otherwise: InvalidCredits,
    check: impl FnOnce(u64) -> Result<u64, InvalidCredits>,
) -> Result<u64, String> {
    text.parse().map_err(|_| otherwise).and_then(check).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(members: &[(&'static str, &str)]) -> (AskedCredits, Vec<&'static str>) {
        let mut form = Form::filled(members.iter().map(|(name, value)| (*name, (*value).to_owned())).collect());
        let asked = asked(&mut form);
        (asked, form.problems().names().collect())
    }

    #[test]
    fn credits_are_read_as_they_are_filled_in() {
        for refill in [None, Some(RefillInterval::Daily), Some(RefillInterval::Monthly(15))] {
            let refill = refill.map(|interval| Refill { amount: 10, interval });
            let rules = CreditRules { max: Some(20), refill, set_by: Role::Administrator };
            let members = fields(Some(&rules));
            let members: Vec<_> = members.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let asked = AskedCredits { remaining: None, max: Some(Some(20)), refill: Some(refill), set_by: None };
            assert_eq!(read(&members), (asked, vec![]));
        }
    }

    #[test]
    fn what_makes_no_sense_is_a_problem_of_its_field() {
        for (members, field) in [
            (&[("credits", "-1")][..], "credits"),
            (&[("credits_max", "0")], "credits_max"),
            (&[("refill_amount", "5")], "refill_every"),
            (&[("refill_every", "weekly"), ("refill_amount", "5")], "refill_every"),
            (&[("refill_every", "daily")], "refill_amount"),
            (&[("refill_every", "daily"), ("refill_amount", "0")], "refill_amount"),
            (&[("refill_every", "daily"), ("refill_amount", "5"), ("refill_day", "1")], "refill_day"),
            (&[("refill_every", "monthly"), ("refill_amount", "5"), ("refill_day", "32")], "refill_day"),
        ] {
            assert_eq!(read(members).1, [field], "{members:?}");
        }
    }
}
