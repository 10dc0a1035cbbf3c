//! Lists: filters, orders and pages.
//!
//! - `cursor`: where a list goes on, as text
//! - `filter`: which keys a list has
//! - `owners`: lists of owners
//! - `risks`: keys that administrators should look at
//! - `words`: what conditions are called in queries

pub mod cursor;
mod filter;
mod owners;
mod risks;
pub mod words;

use std::str::FromStr;

use time::{OffsetDateTime, UtcOffset, macros::format_description};
use uuid::Uuid;

pub use self::{
    filter::KeyFilter,
    owners::{KeyCounts, OwnerDisabled, OwnerFilter, OwnerStanding},
    risks::Risk,
};
use crate::domain::{
    api_key::KeyId,
    audit::{Action, Actor},
    key_record::ManagedKey,
    owner::Owner,
    worded_enum::worded_enum,
};

worded_enum! {
    /// The property that a list of keys is ordered by.
    pub enum KeySort {
        /// The time of creation.
        CreatedAt => "createdAt",
        /// The time of the last use; keys that were never used come first.
        LastUsedAt => "lastUsedAt",
        /// The expiry; keys that never expire come last.
        ExpiresAt => "expiresAt",
        /// The name, by code points; keys without one come first.
        Name => "name",
    }
}

impl KeySort {
    /// The key's position in this order, apart from its id: a string that sorts by its bytes, as the store compares
    /// them. Empty if the id suffices.
    pub fn value_of(self, key: &ManagedKey) -> String {
        match self {
            Self::CreatedAt => String::new(),
            Self::LastUsedAt => key.last_use.map(|last| digits(last.at)).unwrap_or_default(),
            Self::ExpiresAt => key.record.expires_at.map_or("never".to_owned(), digits),
            Self::Name => key.record.name.as_ref().map(|name| name.as_str().to_owned()).unwrap_or_default(),
        }
    }
}

/// A timestamp as digits, with the precision of the database.
fn digits(instant: OffsetDateTime) -> String {
    let format = format_description!("[year][month][day][hour][minute][second][subsecond digits:6]");
    instant.to_offset(UtcOffset::UTC).format(&format).unwrap_or_default()
}

/// The order of a list of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyOrder {
    /// The property to sort by.
    pub sort: KeySort,
    /// Whether the order is descending.
    pub descending: bool,
}

impl KeyOrder {
    /// Newest first: the default.
    pub const NEWEST_FIRST: Self = Self { sort: KeySort::CreatedAt, descending: true };

    /// Every valid text of an order.
    pub const WORDS: [&'static str; 8] =
        ["createdAt", "-createdAt", "lastUsedAt", "-lastUsedAt", "expiresAt", "-expiresAt", "name", "-name"];

    /// Whether keys of this owner (`None`: of all owners) can be listed in this order. Lists over all owners can only
    /// be ordered by creation.
    pub fn is_possible(self, owner: Option<&Owner>) -> bool {
        owner.is_some() || self.sort == KeySort::CreatedAt
    }
}

/// The text is not an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be createdAt, lastUsedAt, expiresAt or name, with a leading minus for descending order")]
pub struct UnknownOrder;

impl FromStr for KeyOrder {
    type Err = UnknownOrder;

    /// `createdAt`, or `-createdAt` for descending order.
    fn from_str(text: &str) -> Result<Self, UnknownOrder> {
        let (descending, word) = text.strip_prefix('-').map_or((false, text), |word| (true, word));
        let sort = KeySort::of(word).ok_or(UnknownOrder)?;
        Ok(Self { sort, descending })
    }
}

/// A member of a key's metadata, and its string value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyTag {
    /// The name of the member.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The text is not a member and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a member of the metadata and its value, such as team:payments")]
pub struct InvalidTag;

impl FromStr for KeyTag {
    type Err = InvalidTag;

    /// `name:value`
    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        match text.split_once(':') {
            Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err(InvalidTag),
        }
    }
}

/// A filter for audit events.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Events about this owner's keys.
    pub owner: Option<Owner>,
    /// Events about this key.
    pub key: Option<KeyId>,
    /// Events caused by this actor.
    pub actor: Option<Actor>,
    /// Events of these kinds; empty for all kinds.
    pub actions: Vec<Action>,
    /// Events at this instant or later.
    pub from: Option<OffsetDateTime>,
    /// Events before this instant.
    pub to: Option<OffsetDateTime>,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Only items after this position.
    pub after: Option<Place>,
    /// The maximum number of items.
    pub limit: u32,
}

/// A position in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The id of the item there.
    pub id: Uuid,
    /// The value that the list is ordered by, if that is not the id.
    pub value: String,
}

impl From<Uuid> for Place {
    fn from(id: Uuid) -> Self {
        Self { id, value: String::new() }
    }
}

/// How many keys a filter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// Their number.
    pub number: u64,
    /// Whether all of them are counted. Otherwise there may be more, because one query examines a limited number of
    /// rows.
    pub complete: bool,
}

/// The content of a page.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The items in the order of the list. There can be fewer than the limit although the list continues, because one
    /// query examines a limited number of rows.
    pub items: Vec<T>,
    /// The position after which the list continues; `None` at its end.
    pub next: Option<Place>,
}

impl<T> Listed<T> {
    /// No items, and no more pages.
    pub fn none() -> Self {
        Self { items: Vec::new(), next: None }
    }

    /// A page of `found`, which has one item more than the limit if there are more. `looked_at`: the last examined
    /// position, if not all rows were examined.
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

    #[test]
    fn a_tag_is_a_name_and_a_value_without_zeros() {
        let read = |text: &str| text.parse::<KeyTag>().ok().map(|tag| (tag.name, tag.value));
        let tag = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(read("team:payments"), tag("team", "payments"));
        assert_eq!(read("team:a:b"), tag("team", "a:b"));
        assert_eq!(read("team:"), tag("team", ""));
        for bad in ["", "team", ":", ":payments", "t\0:payments", "team:pay\0ments"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
