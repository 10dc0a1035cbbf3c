//! What can be listed: which of it somebody wants, in which order, and a page of it.

use std::str::FromStr;

use time::{OffsetDateTime, UtcOffset, macros::format_description};
use uuid::Uuid;

use super::{
    api_key::{Environment, KeyId},
    audit::{Action, Actor},
    key_record::{KeyState, ManagedKey},
    owner::Owner,
    scope::Scope,
    text::{ChangeReason, KeyName, SearchText},
};

/// Which keys somebody wants; everything that is `None` or empty does not matter.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Of this owner.
    pub owner: Option<Owner>,
    /// That stand in one of these ways.
    pub states: Vec<KeyState>,
    /// Of this world.
    pub environment: Option<Environment>,
    /// With exactly this name.
    pub name: Option<KeyName>,
    /// With this in their name or their description, in letters of either case.
    pub search: Option<SearchText>,
    /// With this text under this name in their notes.
    pub tag: Option<KeyTag>,
    /// That carry this scope.
    pub scope: Option<Scope>,
    /// That expire before this instant.
    pub expiring_before: Option<OffsetDateTime>,
    /// Made at or after this instant.
    pub created_since: Option<OffsetDateTime>,
    /// Made before this instant, and not used since.
    pub unused_since: Option<OffsetDateTime>,
}

impl KeyFilter {
    /// Whether it may leave out a key of its owner, or of everybody.
    pub fn narrows(&self) -> bool {
        let Self {
            owner: _,
            states,
            environment,
            name,
            search,
            tag,
            scope,
            expiring_before,
            created_since,
            unused_since,
        } = self;
        !states.is_empty()
            || environment.is_some()
            || name.is_some()
            || search.is_some()
            || tag.is_some()
            || scope.is_some()
            || expiring_before.is_some()
            || created_since.is_some()
            || unused_since.is_some()
    }
}

/// What keys are in the order of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySort {
    /// When they were made.
    CreatedAt,
    /// When they were last used; those that never were, first.
    LastUsedAt,
    /// When their life ends; those that live for ever, last.
    ExpiresAt,
    /// Their names, by the numbers of their letters; those without one, first.
    Name,
}

impl KeySort {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::CreatedAt, Self::LastUsedAt, Self::ExpiresAt, Self::Name];

    /// The word for it in queries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreatedAt => "createdAt",
            Self::LastUsedAt => "lastUsedAt",
            Self::ExpiresAt => "expiresAt",
            Self::Name => "name",
        }
    }

    /// What stands for a key's place in this order beside its id: texts in the order of their bytes, as the store compares
    /// them. Empty where the id is enough.
    pub fn value_of(self, key: &ManagedKey) -> String {
        match self {
            Self::CreatedAt => String::new(),
            Self::LastUsedAt => key.last_use.map(|last| digits(last.at)).unwrap_or_default(),
            Self::ExpiresAt => key.record.expires_at.map_or("never".to_owned(), digits),
            Self::Name => key.record.name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
        }
    }
}

/// An instant as digits, as exact as the database is.
fn digits(instant: OffsetDateTime) -> String {
    let format = format_description!("[year][month][day][hour][minute][second][subsecond digits:6]");
    instant.to_offset(UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// The order of a list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOrder {
    /// By what.
    pub sort: KeySort,
    /// The last first.
    pub descending: bool,
}

impl KeyOrder {
    /// Newest first: the order where nobody asks for another.
    pub const NEWEST_FIRST: Self = Self { sort: KeySort::CreatedAt, descending: true };

    /// Every word that is one.
    pub const WORDS: [&'static str; 8] =
        ["createdAt", "-createdAt", "lastUsedAt", "-lastUsedAt", "expiresAt", "-expiresAt", "name", "-name"];

    /// Whether keys of this owner, or of everybody, can be listed in it: those of all owners are only in the order of their
    /// making.
    pub fn is_possible(self, owner: Option<&Owner>) -> bool {
        owner.is_some() || self.sort == KeySort::CreatedAt
    }
}

/// The text names no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("createdAt, lastUsedAt, expiresAt or name, with a minus before it for the last first")]
pub struct UnknownOrder;

impl FromStr for KeyOrder {
    type Err = UnknownOrder;

    /// `createdAt`, or `-createdAt` for the last first.
    fn from_str(text: &str) -> Result<Self, UnknownOrder> {
        let (descending, word) = text.strip_prefix('-').map_or((false, text), |word| (true, word));
        let sort = KeySort::ALL.into_iter().find(|sort| sort.as_str() == word).ok_or(UnknownOrder)?;
        Ok(Self { sort, descending })
    }
}

/// A member of keys' notes, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTag {
    /// The member.
    pub name: String,
    /// Its text.
    pub value: String,
}

/// The text names no member of notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member of the metadata and its text, such as team:payments")]
pub struct InvalidTag;

impl FromStr for KeyTag {
    type Err = InvalidTag;

    /// `name:text`
    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        match text.split_once(':') {
            Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(InvalidTag),
        }
    }
}

/// Which events somebody wants.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// About keys of this owner.
    pub owner: Option<Owner>,
    /// About this key.
    pub key: Option<KeyId>,
    /// Done by this one.
    pub actor: Option<Actor>,
    /// Of one of these kinds; of any where there is none.
    pub actions: Vec<Action>,
    /// At this instant or later.
    pub from: Option<OffsetDateTime>,
    /// Before this instant.
    pub to: Option<OffsetDateTime>,
}

/// Which owners somebody wants.
#[derive(Clone, Debug, Default)]
pub struct OwnerFilter {
    /// Disabled or not.
    pub disabled: Option<bool>,
    /// With this in their subject or their issuer, in letters of either case.
    pub search: Option<SearchText>,
}

impl OwnerFilter {
    /// Whether it names this one.
    pub fn names(&self, standing: &OwnerStanding) -> bool {
        self.disabled.is_none_or(|disabled| disabled == standing.disabled.is_some())
            && self.search.as_ref().is_none_or(|search| {
                search.is_within(&standing.owner.subject) || search.is_within(&standing.owner.issuer)
            })
    }
}

/// An owner, and how their keys stand.
#[derive(Clone, Debug)]
pub struct OwnerStanding {
    /// Who.
    pub owner: Owner,
    /// That all of their keys are switched off, if they are.
    pub disabled: Option<OwnerDisabled>,
    /// Their keys, by state.
    pub keys: KeyCounts,
}

impl OwnerStanding {
    /// One who has no keys, and is not disabled.
    pub fn without_keys(owner: Owner) -> Self {
        Self { owner, disabled: None, keys: KeyCounts { complete: true, ..KeyCounts::default() } }
    }
}

/// That all keys of an owner are switched off.
#[derive(Clone, Debug)]
pub struct OwnerDisabled {
    /// Since when.
    pub at: OffsetDateTime,
    /// Why, if somebody said so.
    pub reason: Option<ChangeReason>,
    /// By whom; `None` where an earlier version did not write it.
    pub by: Option<Actor>,
}

/// How many keys stand in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// Accepted.
    pub active: u32,
    /// Switched off, or their owner is.
    pub disabled: u32,
    /// Whose time is over.
    pub expired: u32,
    /// Ended for good.
    pub revoked: u32,
    /// Whether these are all. Of an owner with very many keys only the newest are counted.
    pub complete: bool,
}

/// A part of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Only what stands behind this place.
    pub after: Option<Place>,
    /// At most so much.
    pub limit: u32,
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of what stands there.
    pub id: Uuid,
    /// What the list is in the order of, where that is not the id.
    pub value: String,
}

impl From<Uuid> for Place {
    fn from(id: Uuid) -> Self {
        Self { id, value: String::new() }
    }
}

/// What stands on a page.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// In the order of the list. It may be less than the page has room for, and the list go on all the same: one question
    /// looks at so many and no more.
    pub items: Vec<T>,
    /// Behind which place the list goes on; `None` at its end.
    pub next: Option<Place>,
}

impl<T> Listed<T> {
    /// A page of `found`, which is one more than has room where there are so many. `looked_at`: the last that was looked at
    /// where not all were.
    pub fn of(mut found: Vec<T>, limit: u32, looked_at: Option<Place>, place: impl Fn(&T) -> Place) -> Self {
        let has_more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = if has_more { found.last().map(place) } else { looked_at };
        Self { items: found, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_a_word() {
        let orders: Vec<KeyOrder> = KeyOrder::WORDS.iter().map(|word| word.parse().expect("an order")).collect();
        let all =
            KeySort::ALL.into_iter().flat_map(|sort| [false, true].map(|descending| KeyOrder { sort, descending }));
        assert_eq!(orders, all.collect::<Vec<_>>());
        assert!("createdat".parse::<KeyOrder>().is_err() && "--name".parse::<KeyOrder>().is_err());
    }

    #[test]
    fn a_page_goes_on_behind_its_last_or_behind_what_was_looked_at() {
        let place = |number: &u128| Place::from(Uuid::from_u128(*number));
        let looked_at = Some(place(&9));
        let next = |found: Vec<u128>, looked_at| Listed::of(found, 2, looked_at, place).next;
        assert_eq!(next(vec![1, 2, 3], looked_at.clone()), Some(place(&2)));
        assert_eq!(next(vec![1, 2], looked_at.clone()), looked_at);
        assert_eq!(next(vec![], looked_at.clone()), looked_at);
        assert_eq!(next(vec![1, 2], None), None);
    }
}
