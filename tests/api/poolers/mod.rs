//! A pooler between Keyward and its database.

mod carried;
mod changed;
mod refused;
