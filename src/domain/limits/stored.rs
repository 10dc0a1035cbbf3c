//! Limits as the database has them: an array of objects with the names of the API.

use serde_json::{Map, Value, json};

use super::{CREDITS, InvalidLimit, InvalidWindow, LIMITS_MAX, Limit, LimitName, Limits, OnOutage};
use crate::domain::role::Role;

/// Limits are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimits {
    /// There are more than allowed.
    #[error("at most {LIMITS_MAX} limits")]
    TooMany,
    /// Two limits have the same name.
    #[error("two limits have the name {0}")]
    Repeated(LimitName),
    /// A limit has a name that means credits.
    #[error("no limit can have the name {CREDITS}, which means the credits")]
    Reserved,
    /// They are not an array of objects.
    #[error("not an array of objects with name, limit and window")]
    Form,
    /// A limit is invalid.
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    /// A window is invalid.
    #[error("window: {0}")]
    Window(#[from] InvalidWindow),
    /// An unknown word for what happens in an outage.
    #[error("onOutage: `refuse` or `admit`")]
    OnOutage,
}

impl Limits {
    /// Reads what [`to_stored`](Self::to_stored) has written. Members that this version does not know are ignored.
    ///
    /// # Errors
    /// [`InvalidLimits`].
    pub fn from_stored(text: &str) -> Result<Self, InvalidLimits> {
        // Most keys have none.
        if text == "[]" {
            return Ok(Self::default());
        }
        let limits: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|_| InvalidLimits::Form)?;
        Self::new(limits.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The limits as JSON.
    pub fn to_stored(&self) -> Value {
        self.as_slice().iter().map(write).collect()
    }
}

fn read(members: &Map<String, Value>) -> Result<Limit, InvalidLimits> {
    let text = |name| members.get(name).and_then(Value::as_str).ok_or(InvalidLimits::Form);
    let cost = members.get("cost").map_or(Some(1), Value::as_u64);
    let on_outage = match members.get("onOutage") {
        None => Some(OnOutage::default()),
        Some(word) => word.as_str().and_then(OnOutage::of),
    };
    // Without it, nobody but an administrator can have written it.
    let set_by = members.get("setBy").and_then(Value::as_str).and_then(Role::of).unwrap_or(Role::Administrator);
    let limit = Limit {
        name: LimitName::parse(text("name")?)?,
        amount: members.get("limit").and_then(Value::as_u64).ok_or(InvalidLimit::Amount)?,
        window: text("window")?.parse()?,
        cost: cost.ok_or(InvalidLimit::Cost)?,
        on_outage: on_outage.ok_or(InvalidLimits::OnOutage)?,
        set_by,
    };
    Ok(limit.checked()?)
}

fn write(limit: &Limit) -> Value {
    json!({
        "name": limit.name.as_str(),
        "limit": limit.amount,
        "window": limit.window.to_string(),
        "cost": limit.cost,
        "onOutage": limit.on_outage.as_str(),
        "setBy": limit.set_by.as_str(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_were_written() {
        let text = r#"[{"name": "minute", "limit": 10, "window": "1m"},
                       {"name": "day", "limit": 1000, "window": "day", "cost": 5, "onOutage": "admit", "new": 1}]"#;
        let limits = Limits::from_stored(text).expect("limits");
        assert_eq!(limits.as_slice().len(), 2);
        assert_eq!(limits.as_slice()[0].cost, 1);
        assert_eq!(limits.as_slice()[1].on_outage, OnOutage::Admit);
        assert_eq!(Limits::from_stored(&limits.to_stored().to_string()), Ok(limits));
        assert!(Limits::from_stored("[]").expect("none").is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let one = |members: &str| Limits::from_stored(&format!("[{{{members}}}]")).expect_err("an error");
        let minute = r#""name": "a", "window": "1m""#;
        for (members, error) in [
            (r#""limit": 1, "window": "1m""#.to_owned(), InvalidLimits::Form),
            (r#""name": "", "limit": 1, "window": "1m""#.to_owned(), InvalidLimit::Name.into()),
            (r#""name": "a\"b", "limit": 1, "window": "1m""#.to_owned(), InvalidLimit::Name.into()),
            (r#""name": "a", "limit": 1, "window": "1w""#.to_owned(), InvalidWindow.into()),
            (format!(r#"{minute}, "limit": 0"#), InvalidLimit::Amount.into()),
            (format!(r#"{minute}, "limit": -1"#), InvalidLimit::Amount.into()),
            (format!(r#"{minute}, "limit": 1.5"#), InvalidLimit::Amount.into()),
            (format!(r#"{minute}, "limit": 1000000000001"#), InvalidLimit::Amount.into()),
            (format!(r#"{minute}, "limit": 9, "cost": 10"#), InvalidLimit::Cost.into()),
            (format!(r#"{minute}, "limit": 9, "cost": 0"#), InvalidLimit::Cost.into()),
            (format!(r#"{minute}, "limit": 9, "onOutage": "guess""#), InvalidLimits::OnOutage),
        ] {
            assert_eq!(one(&members), error, "{members}");
        }
        for text in ["", "{}", "[1]", "null"] {
            assert_eq!(Limits::from_stored(text), Err(InvalidLimits::Form), "{text}");
        }
        let many = |count: usize| {
            let limit = |at| format!(r#"{{"name": "l{at}", "limit": 1, "window": "1s"}}"#);
            Limits::from_stored(&format!("[{}]", (0..count).map(limit).collect::<Vec<_>>().join(",")))
        };
        assert!(many(LIMITS_MAX).is_ok());
        assert_eq!(many(LIMITS_MAX + 1), Err(InvalidLimits::TooMany));
        let twice = r#"{"name": "a", "limit": 1, "window": "1s"}"#;
        let repeated = Limits::from_stored(&format!("[{twice},{twice}]"));
        assert!(matches!(repeated, Err(InvalidLimits::Repeated(_))), "{repeated:?}");
    }
}
