//! The tables `[[scopes]]`: the scopes that an operator describes.

use crate::{
    config::loading::{
        Check,
        check::table::{Table, Tables},
    },
    domain::{
        scope::catalogue::{Catalogue, DescribedScope},
        text::ScopeText,
    },
};

const TABLES: Tables = Tables { setting: "scopes", about: "a scope", named_by: "name" };

/// The catalogue, or `None` after its problems were recorded.
pub(super) fn catalogue(check: &mut Check<'_>) -> Option<Catalogue> {
    let tables = check.tables(TABLES.setting)?;
    let mut scopes = Some(Vec::new());
    for (place, members) in tables.into_iter().enumerate() {
        let mut table = Table::new(TABLES, members, place + 1, check);
        let read = table.described();
        table.refuse_unknown();
        match (&mut scopes, read) {
            (Some(scopes), Some(read)) => scopes.push(read),
            _ => scopes = None,
        }
    }
    Catalogue::new(scopes?).map_err(|invalid| check.problem(TABLES.setting, invalid)).ok()
}

impl Table<'_, '_> {
    /// The scope. All members are read before the first `?`.
    fn described(&mut self) -> Option<DescribedScope> {
        let name = self.text("name", "").filter(|name| self.is_there("name", name));
        let scope = name.and_then(|name| {
            name.parse().map_err(|invalid| self.problem("name", format!("is no scope: {invalid}"))).ok()
        });
        let (description, group) = (self.line("description"), self.line("group"));
        Some(DescribedScope { scope: scope?, description: description?, group: group? })
    }

    /// A line of text; within, `None` if there is none.
    fn line(&mut self, name: &str) -> Option<Option<ScopeText>> {
        let text = self.text(name, "")?;
        if text.is_empty() {
            return Some(None);
        }
        match text.parse() {
            Ok(line) => Some(Some(line)),
            Err(invalid) => {
                self.problem(name, format!("is not {invalid}"));
                None
            }
        }
    }
}
