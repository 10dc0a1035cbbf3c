//! What a stored hash says of itself, and how much of it is done.

use argon2::{Algorithm, Params, PasswordHash, Version};

use super::{HashError, OUTPUT_BYTES, unusable};
use crate::domain::ports::StoredHash;

/// The most memory that a row may ask for, unless the configuration asks for more. Whoever can write to the database could
/// otherwise make each replica take as much as they like. 64 MiB is what RFC 9106 §4 recommends where memory is short, and
/// more than any set of OWASP's; so rows that were made under other settings of such a size can still be checked.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
/// The same of the passes, and of the lanes: what the configuration allows.
const ITERATIONS_MAX: u32 = 16;
const PARALLELISM_MAX: u32 = 16;

/// A stored hash: how it was made, and what must come out.
pub(super) struct Expected {
    pub(super) params: Params,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}

impl Expected {
    /// Reads a hash such as we make, where `configured` are the parameters of today.
    ///
    /// # Errors
    /// [`HashError::Unusable`] for any other, and for one that asks for too much.
    pub(super) fn parse(stored: &StoredHash, configured: &Params) -> Result<Self, HashError> {
        let hash = PasswordHash::new(stored.expose()).map_err(unusable)?;
        let params = Params::try_from(&hash).map_err(unusable)?;
        let most_kib = MEMORY_KIB_MAX.max(configured.m_cost());
        if params.m_cost() > most_kib {
            let asked = params.m_cost();
            let remedy = "if it is one of yours, set hashing.memory_kib to that until its key was replaced";
            return Err(unusable(format!("it asks for {asked} KiB of memory, more than {most_kib}; {remedy}")));
        }
        let is_ours = hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && params.t_cost() <= ITERATIONS_MAX
            && params.p_cost() <= PARALLELISM_MAX;
        match (hash.salt, hash.hash) {
            (Some(salt), Some(output)) if is_ours && output.len() == OUTPUT_BYTES => {
                Ok(Self { params, salt: salt.to_vec(), output: output.as_bytes().to_vec() })
            }
            _ => Err(unusable("not an Argon2id hash within our limits")),
        }
    }
}
