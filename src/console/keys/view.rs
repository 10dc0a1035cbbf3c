//! Keys and events as pages show them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::names::{KeyLink, KeyNames};
use crate::{
    console::{
        access::form::Form,
        frame::{Name, When},
        texts::{EN, WHY_NOT},
    },
    domain::{
        api_key::{KeyId, Prefix},
        audit::{self, Actor, AuditEvent},
        key_record::{KeyState, ManagedKey},
        ledger::{Refusal, Violation},
        owner::Owner,
        owner_id,
        role::Role,
        timestamp,
    },
};

/// From when on an expiry is worth a warning.
const SOON: time::Duration = time::Duration::days(14);
/// How much of the id lists show: its first characters, by which people recognise a key that they have in hand, and its
/// end, because keys that were made together begin alike. What comes after it in a key's text is secret, and nowhere
/// stored.
const BEGIN_OF_ID: usize = 4;
const END_OF_ID: usize = 6;
/// How many characters pages show of one value in an event: whole names and lists, and the beginning of long metadata.
/// Exports have all of it.
const SHOWN_OF_A_VALUE: usize = 1_000;

/// A key in a list or on a page of its own.
pub(crate) struct KeyView {
    pub(crate) id: String,
    /// The beginning of its text.
    pub(crate) start: String,
    /// The same, as short as lists show it.
    pub(crate) short: String,
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) environment: &'static str,
    pub(crate) state: &'static str,
    pub(crate) scopes: Vec<String>,
    pub(crate) owner: Name,
    /// The owner as files have them.
    pub(crate) owner_text: String,
    pub(crate) owner_id: String,
    pub(crate) addresses: Vec<String>,
    /// JSON; empty if there is none.
    pub(crate) metadata: String,
    pub(crate) created: When,
    pub(crate) last_used: Option<When>,
    pub(crate) last_used_from: Option<String>,
    pub(crate) expires: Option<When>,
    /// `past`, `soon`, or nothing.
    pub(crate) expiry_class: &'static str,
    /// The same in a word, for those who can't see colours.
    pub(crate) expiry_note: Option<&'static str>,
    pub(crate) disabled_by: Option<&'static str>,
    pub(crate) revoked: Option<When>,
    pub(crate) revoked_reason: Option<String>,
    pub(crate) predecessor: Option<String>,
    pub(crate) successor: Option<String>,
}

impl KeyView {
    pub(crate) fn new(key: &ManagedKey, prefix: &Prefix, now: OffsetDateTime) -> Self {
        let record = &key.record;
        let id = record.id.to_string();
        let start = prefix.start_of(record.environment, record.id);
        let state = record.state(now);
        let expiry_class = expiry_class(record.expires_at, state, now);
        Self {
            short: format!("{}…{}", &start[..start.len() - id.len() + BEGIN_OF_ID], &id[id.len() - END_OF_ID..]),
            start,
            name: record.name.as_ref().map(|name| name.as_str().to_owned()),
            description: key.description.as_ref().map(|text| text.as_str().to_owned()),
            environment: record.environment.as_str(),
            state: state.as_str(),
            scopes: record.scopes.iter().map(str::to_owned).collect(),
            owner: Name::new(&owner_name(&record.owner)),
            owner_text: owner_name(&record.owner),
            owner_id: owner_id::write(&record.owner),
            addresses: record.allowed_ips.networks().iter().map(ToString::to_string).collect(),
            metadata: record.metadata.as_json().to_owned(),
            created: key.created_at.into(),
            last_used: key.last_use.map(|last| last.at.into()),
            last_used_from: key.last_use.and_then(|last| last.from).map(|address| address.to_string()),
            expires: record.expires_at.map(When::from),
            expiry_class,
            expiry_note: match expiry_class {
                "past" => Some(EN.past),
                "soon" => Some(EN.soon),
                _ => None,
            },
            disabled_by: key.disabled_by.map(|role| role.as_str()),
            revoked: record.revoked_at.map(When::from),
            revoked_reason: key.revoked_reason.clone(),
            predecessor: key.predecessor.map(|id| id.to_string()),
            successor: key.successor.map(|id| id.to_string()),
            id,
        }
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.is_some()
    }

    /// Whether it ended by its expiry.
    pub(crate) fn has_expired(&self) -> bool {
        self.expiry_class == "past"
    }

    /// Whether an administrator has disabled it.
    pub(crate) fn is_disabled_by_administrator(&self) -> bool {
        self.disabled_by == Some(Role::Administrator.as_str())
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled_by.is_some()
    }
}

fn expiry_class(end: Option<OffsetDateTime>, state: KeyState, now: OffsetDateTime) -> &'static str {
    match end {
        _ if state == KeyState::Revoked => "",
        Some(end) if end <= now => "past",
        Some(end) if end - now <= SOON => "soon",
        _ => "",
    }
}

/// An owner in a line.
pub(crate) fn owner_name(owner: &Owner) -> String {
    if owner.issuer.is_empty() { owner.subject.to_string() } else { format!("{} ({})", owner.subject, owner.issuer) }
}

/// An owner, with a link to their page.
pub(crate) struct OwnerLink {
    pub(crate) name: Name,
    pub(crate) id: String,
}

impl From<&Owner> for OwnerLink {
    fn from(owner: &Owner) -> Self {
        Self { name: Name::new(&owner_name(owner)), id: owner_id::write(owner) }
    }
}

/// An event of the audit.
pub(crate) struct Event {
    pub(crate) at: When,
    pub(crate) action: String,
    pub(crate) key: Option<KeyLink>,
    /// The key that the link is to.
    pub(crate) key_id: Option<KeyId>,
    pub(crate) owner: Name,
    pub(crate) by: Name,
    pub(crate) address: String,
    pub(crate) details: Vec<Detail>,
}

/// What an event says besides. The values are marked where they are shown, so that no text of somebody's looks like
/// another one.
pub(crate) struct Detail {
    pub(crate) name: String,
    pub(crate) value: String,
    /// What a field has since a change.
    pub(crate) then: Option<String>,
}

impl Event {
    /// An event, without the name of its key. What it takes of the event is far less than what details may have, so
    /// that it can wait for the names.
    pub(crate) fn new(event: AuditEvent) -> Self {
        let told = event.details.members().into_iter().filter(|(name, _)| name != "changed");
        Self {
            at: event.at.into(),
            key: event.key.map(|key| KeyNames::default().link(key)),
            key_id: event.key,
            owner: Name::new(&owner_name(&event.owner)),
            by: Name::new(&author(&event)),
            address: event.author.address.map(|address| address.to_string()).unwrap_or_default(),
            details: told.flat_map(|(name, value)| details(&name, value)).collect(),
            action: event.action,
        }
    }

    /// The same with the name of its key.
    pub(crate) fn with_name(self, names: &KeyNames) -> Self {
        Self { key: self.key_id.map(|key| names.link(key)), ..self }
    }
}

/// Who has done it.
pub(crate) fn author(event: &AuditEvent) -> String {
    match &event.author.actor {
        Actor::Token { subject, .. } => subject.to_string(),
        Actor::Key(id) => format!("{} {id}", EN.the_key),
        Actor::CommandLine => EN.command_line.to_owned(),
    }
}

/// `changes` has the old and the new value of each field, or how many credits were added. Values stay the text that
/// they are stored as, unless they are texts themselves.
fn details(name: &str, value: &RawValue) -> Vec<Detail> {
    let Some(changes) = (name == "changes").then(|| audit::changes(value)).flatten() else {
        return vec![Detail { name: name.to_owned(), value: plain(Some(value)), then: None }];
    };
    let changed = |(field, change): (String, BTreeMap<String, &RawValue>)| {
        let member = |name: &str| plain(change.get(name).copied());
        match change.contains_key("added") {
            true => Detail { name: field, value: format!("{} {}", member("added"), EN.added), then: None },
            false => Detail { name: field, value: member("from"), then: Some(member("to")) },
        }
    };
    changes.into_iter().map(changed).collect()
}

/// A value as pages show it.
fn plain(value: Option<&RawValue>) -> String {
    let json = value.map_or("null", RawValue::get);
    let text = serde_json::from_str::<String>(json).ok();
    let whole = text.as_deref().unwrap_or(json);
    match whole.char_indices().nth(SHOWN_OF_A_VALUE) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole.to_owned(),
    }
}

/// Why a change was refused, for whoever wanted it.
pub(crate) fn refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotFound => WHY_NOT.not_found_text.to_owned(),
        Refusal::VersionMismatch | Refusal::PreconditionFailed => WHY_NOT.changed_meanwhile.to_owned(),
        Refusal::KeyRevoked => WHY_NOT.is_revoked.to_owned(),
        Refusal::KeyExpired => WHY_NOT.has_expired.to_owned(),
        Refusal::AlreadyRotated(successor) => format!("{} {successor}", WHY_NOT.already_rotated),
        Refusal::DisabledByAdministrator => WHY_NOT.disabled_by_administrator.to_owned(),
        Refusal::OwnerDisabled => WHY_NOT.owner_is_disabled.to_owned(),
        Refusal::TooManyKeys { most, plan: None } => format!("{} {most}", WHY_NOT.too_many_keys),
        Refusal::TooManyKeys { most, plan: Some(plan) } => {
            format!("{} {most} ({} {plan})", WHY_NOT.too_many_keys, EN.plan)
        }
        Refusal::UnknownPlan(plan) => format!("{} {plan}", WHY_NOT.unknown_plan),
        Refusal::TooManyNewKeys { retry_after } => {
            let wait = std::time::Duration::from_secs(retry_after.as_secs() + 1);
            format!("{} {}", WHY_NOT.too_many_new_keys, timestamp::span(wait))
        }
        Refusal::TooManyChanges { retry_after } => {
            // There is room again on the hour.
            let wait = std::time::Duration::from_secs((retry_after.as_secs() + 1).next_multiple_of(3_600));
            format!("{} {}", WHY_NOT.too_many_changes, timestamp::span(wait))
        }
        Refusal::OtherRequest => WHY_NOT.other_request.to_owned(),
        Refusal::Against(violations) => violations.iter().map(violation).collect::<Vec<_>>().join(" "),
    }
}

/// Tells why a change was refused beside the fields that it is about.
pub(crate) fn complain(form: &mut Form, refused: &Refusal) {
    match refused {
        Refusal::Against(violations) => violations.iter().for_each(|one| form.problem(field(one), violation(one))),
        refused => form.problem("form", refusal(refused)),
    }
}

/// The field that a violation is about.
fn field(violation: &Violation) -> &'static str {
    match violation {
        Violation::NameRequired => "name",
        Violation::LifetimeTooLong { .. } => "expiry",
        Violation::GracePeriodTooLong(_) => "grace",
        Violation::ScopeNotInPlan { .. }
        | Violation::ScopeNotHeld(_)
        | Violation::UnknownScope(_)
        | Violation::ScopeNotForKeys(_) => "scopes",
        Violation::EnvironmentNotInPlan { .. } => "environment",
        Violation::Metadata(_) => "metadata",
        Violation::Limits(_) => "limits",
        Violation::Credits(_) => "form",
    }
}

fn violation(violation: &Violation) -> String {
    match violation {
        Violation::NameRequired => WHY_NOT.name_required.to_owned(),
        Violation::LifetimeTooLong { longest, .. } => {
            format!("{} {}.", WHY_NOT.lifetime_too_long, timestamp::span(*longest))
        }
        Violation::GracePeriodTooLong(longest) => {
            format!("{} {}.", WHY_NOT.grace_too_long, timestamp::span(*longest))
        }
        Violation::ScopeNotInPlan { scope, plan } => format!("{} {plan}: {scope}.", WHY_NOT.not_in_plan),
        Violation::EnvironmentNotInPlan { environment, plan } => {
            format!("{} {plan}: {}.", WHY_NOT.not_in_plan, environment.as_str())
        }
        Violation::ScopeNotHeld(scope) => format!("{} {scope}.", WHY_NOT.scope_not_held),
        Violation::UnknownScope(scope) => format!("{} {scope}.", WHY_NOT.unknown_scope),
        Violation::ScopeNotForKeys(scope) => format!("{} {scope}.", WHY_NOT.scope_not_for_keys),
        Violation::Metadata(error) => format!("{}: {error}.", EN.metadata),
        Violation::Credits(refused) => format!("{}: {refused}.", EN.credits),
        Violation::Limits(refused) => format!("{}: {refused}.", EN.limits),
    }
}
