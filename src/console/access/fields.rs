//! What the fields of a page's forms have, and what is wrong with them.

use actix_web::http::StatusCode;

use super::{form::Form, labels::label};
use crate::console::frame::Mistake;

/// The fields of the forms of a page.
pub(crate) struct Fields<'a> {
    /// What they have if nothing was sent.
    given: &'a Form,
    /// The form of this page that was sent and can't be done.
    sent: Option<&'a Form>,
}

impl<'a> Fields<'a> {
    /// Those of a page for what there is already. `sent`: its form that can't be done.
    pub(crate) fn new(given: &'a Form, sent: Option<&'a Form>) -> Self {
        Self { given, sent }
    }

    /// Those of a page with this form, as it was filled in.
    pub(crate) fn of(form: &'a Form) -> Self {
        Self { given: form, sent: Some(form) }
    }

    /// What was sent, so that nobody has to write it again. Not if somebody else has changed things meanwhile: then
    /// these are to be looked at first.
    pub(crate) fn kept(&self) -> Option<&'a Form> {
        self.sent.filter(|form| form.problems().of("form").is_none())
    }

    /// What stands in a field.
    pub(crate) fn value(&self, name: &str) -> String {
        self.kept().filter(|sent| sent.has(name)).unwrap_or(self.given).shown(name)
    }

    /// Whether a value of a field is chosen.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.kept().unwrap_or(self.given).all(name).any(|chosen| chosen == value)
    }

    /// The version that the form with this action was made from. One that is shown again keeps its own, so that sending
    /// it undoes nothing that somebody else has changed before.
    pub(crate) fn version(&self, action: &str) -> String {
        self.kept().filter(|_| self.is_sent(action)).unwrap_or(self.given).shown("version")
    }

    /// Whether the form with this action was sent and can't be done.
    pub(crate) fn is_sent(&self, action: &str) -> bool {
        self.sent.is_some_and(|form| form.text("action") == Some(action))
    }

    /// What is wrong with a field.
    pub(crate) fn wrong(&self, name: &str) -> Option<String> {
        self.sent?.problems().of(name)
    }

    /// What is wrong with a field that several forms have, in the one with this action.
    pub(crate) fn wrong_in(&self, action: &str, name: &str) -> Option<String> {
        self.wrong(name).filter(|_| self.is_sent(action))
    }

    /// What is wrong with the fields of the form that was sent, for the top of the page. What is wrong with all of it
    /// stands there already.
    pub(crate) fn mistakes(&self) -> Vec<Mistake> {
        let all = self.sent.map(|form| form.problems().each()).into_iter().flatten();
        let told = all.filter(|(name, _)| *name != "form");
        told.map(|(name, text)| Mistake { name, label: label(name).unwrap_or(name), text: text.to_owned() }).collect()
    }

    /// The status of the page.
    pub(crate) fn status(&self) -> StatusCode {
        let is_refused = self.sent.is_some_and(|form| !form.problems().is_empty());
        if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
    }
}
