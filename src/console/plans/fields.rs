//! What the forms of plans send.

use time::OffsetDateTime;

use crate::{
    console::{
        access::form::Form,
        allowance::{credits, limits},
    },
    domain::{
        api_key::Environment,
        plan::{Caps, InvalidCap, Plan, PlanName},
        plan_changes::PlanChange,
        precondition::Preconditions,
        scope::Scopes,
        timestamp,
    },
};

/// All that a plan of this name is to say. What is wrong is recorded in the form.
pub(super) fn change(form: &mut Form, name: PlanName, preconditions: Preconditions, at: OffsetDateTime) -> PlanChange {
    PlanChange {
        name,
        description: form.parsed("description"),
        limits: limits::asked(form),
        credits: credits::asked_of_plan(form),
        caps: caps(form),
        preconditions,
        at,
    }
}

fn caps(form: &mut Form) -> Caps {
    let max_keys = form.read("max_keys", |text| {
        let number = text.parse().map_err(|_| InvalidCap::Keys);
        number.and_then(Caps::most_keys).map_err(|error| error.to_string())
    });
    let max_lifetime = form.read("max_lifetime", |text| {
        let span = timestamp::parse_span(text).map_err(|error| error.to_string())?;
        Caps::longest(span.as_secs()).map_err(|error| error.to_string())
    });
    let scopes = form.read("scopes", |text| Scopes::parse(text.split_whitespace()).map_err(|error| error.to_string()));
    let has_none = form.has("no_scopes");
    if has_none && scopes.is_some() {
        form.problem("scopes", "must be empty if keys may be given none");
    }
    let named: Result<Vec<Environment>, _> = form.all("environment").map(str::parse).collect();
    let named = named.unwrap_or_else(|error| {
        form.problem("environment", error.to_string());
        Vec::new()
    });
    Caps {
        max_keys,
        max_lifetime,
        scopes: if has_none { Some(Scopes::default()) } else { scopes },
        environments: Caps::only(&named).ok(),
    }
}

/// The form of a plan as it is.
pub(super) fn filled(plan: &Plan) -> Form {
    let content = &plan.content;
    let Caps { max_keys, max_lifetime, scopes, environments } = &content.caps;
    let mut members = credits::fields_of_plan(content.credits.as_ref());
    members.extend([
        ("version", plan.version().to_string()),
        ("description", content.description.as_ref().map_or_else(String::new, |text| text.as_str().to_owned())),
        ("limits", limits::line(&content.limits)),
        ("max_keys", max_keys.map(|most| most.to_string()).unwrap_or_default()),
        ("max_lifetime", max_lifetime.map(timestamp::span).unwrap_or_default()),
    ]);
    match scopes {
        Some(scopes) if scopes.is_empty() => members.push(("no_scopes", "1".to_owned())),
        Some(scopes) => members.push(("scopes", scopes.iter().collect::<Vec<_>>().join(" "))),
        None => {}
    }
    let named = environments.iter().flatten().map(|one| ("environment", one.as_str().to_owned()));
    members.extend(named);
    Form::filled(members)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;
    use crate::domain::{
        limits::{AskedLimits, Limits, Refill, RefillInterval},
        plan::{PlanContent, PlanCredits},
        role::Role,
        text::KeyDescription,
    };

    #[test]
    fn a_plan_is_read_as_it_was_filled_in() {
        let at = datetime!(2026-11-29 12:00 UTC);
        let limits = r#"[{"name": "minute", "limit": 10, "window": "1m", "cost": 2}]"#;
        let refill = Some(Refill { amount: 5, interval: RefillInterval::Monthly(3) });
        let whole = PlanContent {
            description: "for everybody".parse::<KeyDescription>().ok(),
            limits: Limits::from_stored(limits).expect("limits"),
            credits: Some(PlanCredits { amount: 0, max: Some(10), refill }),
            caps: Caps {
                max_keys: Some(3),
                max_lifetime: Some(Duration::from_secs(90 * 86_400)),
                scopes: Scopes::parse(["a:b", "c"]).ok(),
                environments: Some(vec![Environment::Test]),
            },
        };
        let no_scopes = Caps { scopes: Some(Scopes::default()), ..Caps::default() };
        for content in [whole, PlanContent { caps: no_scopes, ..PlanContent::default() }, PlanContent::default()] {
            let plan = Plan { name: "free".parse().expect("a name"), content: content.clone(), updated_at: at };
            let mut form = filled(&plan);
            let read = change(&mut form, plan.name.clone(), Preconditions::default(), at);
            assert!(form.problems().is_empty(), "{:?}", form.problems());
            let asked: &AskedLimits = &read.limits;
            let limits = asked.applied_to(&Limits::default(), Role::Administrator).expect("limits");
            let PlanChange { description, credits, caps, .. } = read;
            assert_eq!(PlanContent { description, limits, credits, caps }, content);
        }
    }
}
