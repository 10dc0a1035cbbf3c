//! Sessions as pages show them.

use crate::{
    console::{
        access::in_query,
        frame::{Name, When},
        keys::OwnerLink,
        texts::EN,
    },
    domain::session::Session,
};

/// A session in a list.
pub(super) struct SessionView {
    pub(super) id: String,
    pub(super) person: Name,
    pub(super) person_in_query: String,
    pub(super) owner: OwnerLink,
    pub(super) browser: String,
    pub(super) address: String,
    pub(super) signed_in: When,
    pub(super) last_used: When,
    /// Whether it is that of whoever looks at the list.
    pub(super) is_this: bool,
    pub(super) was_handed_over: bool,
}

impl SessionView {
    /// These sessions, for whoever is in `this` one.
    pub(super) fn all(sessions: &[Session], this: &Session) -> Vec<Self> {
        sessions.iter().map(|session| Self::of(session, this)).collect()
    }

    fn of(session: &Session, this: &Session) -> Self {
        let person = &session.person;
        Self {
            id: session.id.to_string(),
            person: Name::new(&person.subject),
            person_in_query: in_query(&person.subject),
            owner: (&person.owner).into(),
            browser: session.browser.clone().unwrap_or_else(|| EN.unknown.to_owned()),
            address: session.address.map_or_else(|| EN.unknown.to_owned(), |address| address.to_string()),
            signed_in: session.signed_in_at.into(),
            last_used: session.last_used_at.into(),
            is_this: session.id == this.id,
            was_handed_over: session.handed_over.is_some(),
        }
    }
}
