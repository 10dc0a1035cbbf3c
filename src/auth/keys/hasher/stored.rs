//! The parameters of a stored hash, and their limits.

use argon2::{Algorithm, Params, PasswordHash, Version};

use super::{HashError, OUTPUT_BYTES, unusable};
use crate::domain::ports::keys::StoredHash;

/// The maximum memory that a row may demand, unless the configuration uses more. Otherwise anybody who can write to the
/// database could exhaust the memory of every replica. RFC 9106 §4 recommends 64 MiB if memory is constrained, and no
/// set of OWASP parameters needs more, so rows created with other common settings can still be checked.
const MEMORY_KIB_MAX: u32 = 64 * 1024;
/// The same for passes and lanes: the limits of the configuration.
const ITERATIONS_MAX: u32 = 16;
const PARALLELISM_MAX: u32 = 16;

/// A parsed hash: its parameters, and the expected output.
pub(super) struct Expected {
    pub(super) params: Params,
    pub(super) salt: Vec<u8>,
    pub(super) output: Vec<u8>,
}

impl Expected {
    /// Parses a hash of our form. `configured` are the current parameters.
    ///
    /// # Errors
    /// [`HashError::Unusable`] for any other form, and if the parameters exceed the limits.
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
