//! Its tests are the models in `tests/*_model`: they explore the protocols of Keyward, state by state.
//!
//! They are a crate of their own because they are optimised, which the other tests aren't: a state takes a tenth of the
//! time.
