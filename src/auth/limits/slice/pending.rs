//! What there is to know of a slice while a question is under way, or after one has failed.

use crate::auth::coherence::MonotonicTime;

/// A question, and who waits for it. Takes the memory of a pointer as long as there is none, which is mostly so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Pending(Option<Box<Asking>>);

/// The same, if there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Asking {
    pub(super) stage: Stage,
    /// Whether it was begun for somebody who only looks.
    pub(super) looks: bool,
    /// What the requests need together that wait for the answer, and the least that one of them needs.
    pub(super) waiting: u64,
    pub(super) least: u64,
    /// Nobody asks before, because the database has not answered.
    pub(super) rests_until: MonotonicTime,
}

/// How far the question is of which there is at most one at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// There is none.
    #[default]
    Idle,
    /// It is about to be asked.
    Begun,
    /// It was asked, under the number of the last question.
    Asked,
}

impl Pending {
    pub(super) fn get(&self) -> Asking {
        self.0.as_deref().copied().unwrap_or_default()
    }

    /// Changes it, and forgets it if nothing is left to know.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Asking)) {
        let mut asking = self.get();
        change(&mut asking);
        match &mut self.0 {
            _ if asking == Asking::default() => self.0 = None,
            Some(known) => **known = asking,
            None => self.0 = Some(Box::new(asking)),
        }
    }

    /// Nobody asks any more, and nobody does before this.
    pub(super) fn end(&mut self, rests_until: MonotonicTime) {
        self.change(|asking| (asking.stage, asking.looks, asking.rests_until) = (Stage::Idle, false, rests_until));
    }
}
