//! Keys: lists of them, new ones, and one with what is done to it.
//!
//! - `list`: the list, and the export of it
//! - `create`: a new key
//! - `one`: one key
//! - `change`: what is done to one key, `selected`: to several
//! - `fields`: what the forms of keys send; `expiry`, `scopes`: what they offer
//! - `names`: links to keys
//! - `rotation`: whether the predecessor of a key can be ended
//! - `view`: keys as pages show them; `sparkline`: their uses as a drawing

mod change;
mod create;
mod expiry;
mod fields;
mod list;
mod names;
mod one;
mod rotation;
mod scopes;
mod selected;
mod sparkline;
mod view;

#[cfg(test)]
pub(super) use self::list::selection;
pub(super) use self::{
    change::change,
    create::{ask, create},
    list::{export, find, home, list, revoke_matching, search, to_home, to_list},
    names::{KeyLink, KeyNames},
    one::show,
    selected::change_selected,
    view::{Event, OwnerLink, author, complain, owner_name, refusal},
};
