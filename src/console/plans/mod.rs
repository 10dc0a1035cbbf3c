//! Plans: for administrators all of them, for everybody their own.
//!
//! - `list`: all plans, with how many owners have each
//! - `one`: a plan, and what is done to it; `create`: a new one
//! - `fields`: what the forms of plans send; `view`: plans as pages show them
//! - `own`: the plan, limits and credits of whoever is signed in

mod create;
mod fields;
mod list;
mod one;
mod own;
mod view;

pub(super) use self::{
    create::{ask, create},
    list::list,
    one::{change, show},
    own::show_own,
    view::plan_refusal,
};
