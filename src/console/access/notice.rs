//! What a page says of the change before it.
//!
//! It is in the address of the page, sealed for the session that made the change, for a while: so it survives the way
//! of the browser to the page, and nobody can make a page say by a link what was not done.

use actix_web::HttpResponse;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    form::{Form, go_to},
    sealed,
    visitor::Visitor,
};
use crate::{
    auth::lifecycle::Propagated,
    console::texts::EN,
    domain::{api_key::Keyring, worded_enum::worded_enum},
    telemetry::outage::millis,
};

/// The parameter of the address.
pub(super) const PARAMETER: &str = "done";
/// How long a page says it, in seconds: for the way of the browser, and for whoever looks at the page again.
const LASTS: i64 = 600;

worded_enum! {
    /// What was done.
    pub(crate) enum Done {
        /// A key, an owner or a plan was changed.
        Edited => "edited",
        /// A key was disabled.
        Disabled => "disabled",
        /// A key was enabled.
        Enabled => "enabled",
        /// A key was revoked.
        Revoked => "revoked",
        /// Several keys were revoked.
        Keys => "keys",
        /// Several keys were disabled.
        KeysDisabled => "keys-disabled",
        /// The key was found whose whole text was looked for.
        Found => "found",
        /// A key was changed, but for limits of an administrator.
        LimitsStay => "limits-stay",
        /// Credits were topped up.
        ToppedUp => "topped-up",
        /// A plan was deleted.
        PlanDeleted => "plan-deleted",
        /// An owner was disabled.
        OwnerDisabled => "owner-disabled",
        /// An owner was enabled.
        OwnerEnabled => "owner-enabled",
        /// Sessions were ended.
        Sessions => "sessions",
    }
}

impl Done {
    fn text(self) -> &'static str {
        match self {
            Self::Edited => EN.edited,
            Self::Disabled => EN.disabled,
            Self::Enabled => EN.enabled,
            Self::Revoked => EN.revoked,
            Self::Keys | Self::KeysDisabled => EN.changed_keys,
            Self::Found => EN.found_by_text,
            Self::LimitsStay => EN.limits_stay,
            Self::ToppedUp => EN.topped_up,
            Self::PlanDeleted => EN.plan_deleted,
            Self::OwnerDisabled => EN.owner_disabled,
            Self::OwnerEnabled => EN.owner_enabled,
            Self::Sessions => EN.sessions_ended,
        }
    }
}

/// What a page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    done: Done,
    /// How many, if that is of interest.
    count: Option<u64>,
    /// How many were so already.
    already: u64,
    /// The replicas that have confirmed it, those that were silent, and the milliseconds that it took.
    replicas: Option<[u64; 3]>,
}

impl Notice {
    /// That something was done.
    pub(crate) fn of(done: Done) -> Self {
        Self { done, count: None, already: 0, replicas: None }
    }

    /// That something was done on every replica.
    pub(crate) fn propagated(done: Done, propagated: &Propagated) -> Self {
        Self { replicas: Some(Self::replicas(propagated)), ..Self::of(done) }
    }

    /// That so many were changed.
    pub(crate) fn counted(done: Done, count: u64) -> Self {
        Self { count: Some(count), ..Self::of(done) }
    }

    /// The same, and so many were so already.
    pub(crate) fn with_already(self, already: u64) -> Self {
        Self { already, ..self }
    }

    /// The same, on every replica.
    pub(crate) fn counted_everywhere(done: Done, count: u64, propagated: &Propagated) -> Self {
        Self { count: Some(count), ..Self::propagated(done, propagated) }
    }

    fn replicas(propagated: &Propagated) -> [u64; 3] {
        let (confirmed, expired) = propagated.replicas();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        [number(confirmed), number(expired), millis(propagated.took)]
    }

    /// The text for people.
    pub(crate) fn text(&self) -> String {
        let mut text = self.done.text().to_owned();
        if let Some(count) = self.count {
            text.push_str(&format!(" {count}"));
        }
        if self.already > 0 {
            let so = if self.done == Done::Keys { EN.already_revoked } else { EN.already_disabled };
            text.push_str(&format!(", {so} {}", self.already));
        }
        if let Some([confirmed, expired, took]) = self.replicas {
            text.push_str(if self.count.is_some() { ". " } else { " " });
            text.push_str(&format!("{} {confirmed} {} {took} ms.", EN.confirmed_by, EN.replicas_in));
            if expired > 0 {
                text.push_str(&format!(" {} {expired}.", EN.waited_for));
            }
        }
        text
    }

    /// The value of the parameter, for this session and this page.
    pub(crate) fn write(&self, keyring: &Keyring, session: Uuid, path: &str, now: i64) -> String {
        let count = self.count.map_or_else(String::new, |count| count.to_string());
        let replicas = self.replicas.map_or_else(String::new, |numbers| numbers.map(|one| one.to_string()).join("-"));
        sealed::seal(
            keyring,
            &purpose(session, path),
            &format!("{}.{count}.{}.{replicas}", self.done.as_str(), self.already),
            now,
        )
    }

    /// The notice in a value, if it was written for this session and this page not long ago.
    pub(crate) fn read(keyring: &Keyring, session: Uuid, path: &str, now: i64, value: &str) -> Option<Self> {
        let text = sealed::unseal(keyring, &purpose(session, path), value, now, LASTS)?;
        let mut parts = text.split('.');
        let (word, count, already, replicas) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let numbers: Vec<u64> = replicas.split('-').map_while(|one| one.parse().ok()).collect();
        Some(Self {
            done: Done::of(word)?,
            count: count.parse().ok(),
            already: already.parse().ok()?,
            replicas: numbers.try_into().ok(),
        })
    }
}

impl Visitor {
    /// Sends the browser to another page of theirs, which says what was done.
    pub(crate) fn go_to_telling(&self, address: &str, notice: &Notice) -> HttpResponse {
        let path = address.split('?').next().unwrap_or_default();
        let keyring = &self.console.issuer.keyring;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let notice = notice.write(keyring, self.session.id, path, now);
        let mark = if address.contains('?') { '&' } else { '?' };
        go_to(&format!("{address}{mark}{PARAMETER}={notice}"))
    }

    /// What was done before this page, in words. The answer to a form has the same address, and says something else.
    pub(super) fn told(&self) -> Option<String> {
        if !self.request.method().is_safe() {
            return None;
        }
        let query = Form::of_query(&self.request);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let keyring = &self.console.issuer.keyring;
        Notice::read(keyring, self.session.id, self.request.path(), now, query.text(PARAMETER)?)
            .map(|notice| notice.text())
    }
}

fn purpose(session: Uuid, path: &str) -> String {
    format!("console notice {session} {path}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::api_key::{Pepper, Prefix};

    #[test]
    fn a_notice_is_read_by_its_session_on_its_page_for_a_while_as_it_was_written() {
        let pepper = Pepper::new("a pepper of at least 32 bytes, as it must be".to_owned().into()).expect("a pepper");
        let keyring = Keyring::new(Prefix::default(), &[pepper]).expect("a keyring");
        let (mine, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        for notice in [
            Notice { replicas: Some([3, 1, 12]), ..Notice::of(Done::Revoked) },
            Notice::counted(Done::Keys, 7),
            Notice::counted(Done::KeysDisabled, 7).with_already(2),
            Notice::of(Done::OwnerEnabled),
        ] {
            let value = notice.write(&keyring, mine, "/console/keys", 1_000);
            let read = |session, path, now, value: &str| Notice::read(&keyring, session, path, now, value);
            assert_eq!(read(mine, "/console/keys", 1_600, &value), Some(notice));
            assert_eq!(read(mine, "/console/keys", 1_601, &value), None);
            assert_eq!(read(other, "/console/keys", 1_000, &value), None);
            assert_eq!(read(mine, "/console/keys/x", 1_000, &value), None);
            for forged in
                ["", "revoked", "revoked.1.1-0-3.1000.AAAAAAAAAAA", &value.replacen("1000", "1001", 1), &value[1..]]
            {
                assert_eq!(read(mine, "/console/keys", 1_000, forged), None, "{forged}");
            }
        }
        let text = Notice { count: Some(2), replicas: Some([3, 1, 12]), ..Notice::of(Done::Keys) }.text();
        assert!(
            text.contains("2. ") && text.contains(" 3 ") && text.contains("12 ms.") && text.ends_with("1."),
            "{text}"
        );
    }
}
