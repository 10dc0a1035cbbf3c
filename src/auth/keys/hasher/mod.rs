//! Argon2id (RFC 9106) on a bounded pool.
//!
//! One hash intentionally costs `memory_kib` of memory, and 0.3 ms (the profile `light`) or 12 ms (`owasp`) of a core.
//! Permits bound both: at most `concurrency` hashes run at once, so the memory is `concurrency × memory_kib`, or more
//! while keys have larger hashes. The permit moves into the blocking closure, so a client that disconnects does not
//! free a slot whose thread is still working.
//!
//! - `lanes`: whose turn it is to hash
//! - `stored`: the limits for stored hashes
//! - `memory_pool`: reuses the memory

mod lanes;
mod memory_pool;
pub(crate) mod priority;
mod stored;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::lanes::{Lane, LaneState};
use self::{
    lanes::{Lanes, Turn},
    memory_pool::MemoryPool,
    stored::Expected,
};
use crate::{
    config::Hashing,
    domain::{api_key::KeySecret, owner::Owner, ports::keys::StoredHash},
    telemetry::{
        metrics::counting::{Distribution, FAST, Histogram},
        steps::step,
    },
};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use rand::{TryRng, rngs::SysRng};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// A hash could not be computed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HashError {
    /// Too many hashes are in progress.
    #[error("no turn to hash came within {0:?}; if this lasts, raise hashing.concurrency or add replicas")]
    Busy(Duration),
    /// The owner's other new keys keep this one waiting.
    #[error("other new keys of the owner are being hashed, one after the other, and no turn came within {0:?}")]
    OwnerBusy(Duration),
    /// The stored hash has an unsupported form.
    #[error("the stored hash cannot be used: {0}")]
    Unusable(String),
    /// The system failed.
    #[error("hashing failed: {0}")]
    Failed(String),
}

/// Computes and verifies Argon2id hashes.
pub struct Hasher {
    params: Params,
    lanes: Lanes,
    memory: Arc<MemoryPool>,
    durations: Arc<Histogram>,
}

impl Hasher {
    /// A hasher with these settings.
    ///
    /// # Errors
    /// [`HashError::Unusable`] for parameters that Argon2 itself refuses.
    pub fn new(settings: &Hashing) -> Result<Self, HashError> {
        let params = Params::new(settings.memory_kib, settings.iterations, settings.parallelism, Some(OUTPUT_BYTES))
            .map_err(unusable)?;
        let memory = MemoryPool::of_usual(params.block_count());
        Ok(Self {
            params,
            lanes: Lanes::new(settings.concurrency, settings.max_wait),
            memory: Arc::new(memory),
            durations: Arc::new(Histogram::new(FAST)),
        })
    }

    /// How long the hashes took.
    pub fn durations(&self) -> Distribution {
        self.durations.distribution()
    }

    /// The hashes that are being computed, and how many may be.
    pub fn running(&self) -> (usize, usize) {
        self.lanes.running()
    }

    /// The states of the lanes.
    pub fn lanes(&self) -> [LaneState; 2] {
        self.lanes.states()
    }

    /// Hashes `secret` with a new salt.
    ///
    /// # Errors
    /// [`HashError::Busy`] and [`HashError::Failed`].
    pub async fn hash(&self, secret: KeySecret, pepper: &[u8; 32], lane: Lane) -> Result<StoredHash, HashError> {
        self.make(secret, pepper, self.lanes.turn(lane, None)).await
    }

    /// The same for a new key of this owner, whose keys are hashed one at a time.
    ///
    /// # Errors
    /// As for [`hash`](Self::hash).
    pub async fn hash_for(&self, owner: &Owner, secret: KeySecret, pepper: &[u8; 32]) -> Result<StoredHash, HashError> {
        self.make(secret, pepper, self.lanes.turn(Lane::Issue, Some(owner))).await
    }

    async fn make(
        &self,
        secret: KeySecret,
        pepper: &[u8; 32],
        turn: impl Future<Output = Result<Turn, HashError>>,
    ) -> Result<StoredHash, HashError> {
        let mut salt = [0; SALT_BYTES];
        SysRng.try_fill_bytes(&mut salt).map_err(failed)?;
        let params = self.params.clone();
        let (output, _) = self.run(secret, pepper, params.clone(), salt.to_vec(), turn.await?).await?;
        let phc = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: (&params).try_into().map_err(failed)?,
            salt: Some(salt.as_slice().try_into().map_err(failed)?),
            hash: Some(output.as_slice().try_into().map_err(failed)?),
        };
        Ok(StoredHash::new(phc.to_string()))
    }

    /// Whether `stored` is the hash of `secret`; returns the secret too.
    ///
    /// # Errors
    /// [`HashError`]; never if the secret is merely wrong.
    pub async fn verify(
        &self,
        secret: KeySecret,
        pepper: &[u8; 32],
        stored: &StoredHash,
        lane: Lane,
    ) -> Result<(bool, KeySecret), HashError> {
        let Expected { params, salt, output } = Expected::parse(stored, &self.params)?;
        let (computed, secret) = self.run(secret, pepper, params, salt, self.lanes.turn(lane, None).await?).await?;
        Ok((computed.ct_eq(&output).into(), secret))
    }

    /// Whether `stored` has other parameters than new hashes get, be they lower or higher.
    pub fn is_outdated(&self, stored: &StoredHash) -> bool {
        let of = |params: &Params| [params.m_cost(), params.t_cost(), params.p_cost()];
        Expected::parse(stored, &self.params).is_ok_and(|expected| of(&expected.params) != of(&self.params))
    }

    async fn run(
        &self,
        secret: KeySecret,
        pepper: &[u8; 32],
        params: Params,
        salt: Vec<u8>,
        turn: Turn,
    ) -> Result<(Zeroizing<[u8; OUTPUT_BYTES]>, KeySecret), HashError> {
        let pepper = Zeroizing::new(*pepper);
        let memory = Arc::clone(&self.memory);
        let durations = Arc::clone(&self.durations);
        let step = step!("hash");
        let work = move || {
            let _entered = step.entered();
            priority::lower_thread_priority();
            let begun = Instant::now();
            let output = memory
                .with_blocks(params.block_count(), |blocks| argon2id(&params, &pepper, secret.expose(), &salt, blocks));
            durations.observe(begun.elapsed());
            drop(turn);
            output.map(|output| (output, secret))
        };
        tokio::task::spawn_blocking(work).await.map_err(failed)?
    }
}

fn argon2id(
    params: &Params,
    pepper: &[u8; 32],
    secret: &[u8],
    salt: &[u8],
    blocks: &mut [Block],
) -> Result<Zeroizing<[u8; OUTPUT_BYTES]>, HashError> {
    let mut output = Zeroizing::new([0; OUTPUT_BYTES]);
    Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, params.clone())
        .and_then(|argon2| argon2.hash_password_into_with_memory(secret, salt, &mut *output, blocks))
        .map_err(failed)?;
    Ok(output)
}

fn failed(error: impl std::fmt::Display) -> HashError {
    HashError::Failed(error.to_string())
}

fn unusable(error: impl std::fmt::Display) -> HashError {
    HashError::Unusable(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use time::OffsetDateTime;

    use super::*;
    use crate::domain::api_key::{Environment, GeneratedKey, Keyring, Pepper};

    const SETTINGS: Hashing = Hashing {
        memory_kib: 64,
        iterations: 1,
        parallelism: 1,
        concurrency: NonZeroUsize::MIN,
        max_wait: Duration::from_secs(5),
    };
    const PEPPER: &[u8; 32] = &[7; 32];

    fn issue() -> GeneratedKey {
        let pepper = Pepper::new("p".repeat(32).into()).expect("32 bytes");
        let keyring = Keyring::new("keyward".parse().expect("a prefix"), &[pepper]).expect("a pepper");
        keyring.generate(Environment::Live, OffsetDateTime::UNIX_EPOCH)
    }

    /// The same secret twice, which `KeySecret` intentionally prevents.
    fn issue_twice() -> [KeySecret; 2] {
        let pepper = || Pepper::new("p".repeat(32).into()).expect("32 bytes");
        let keyring = Keyring::new("keyward".parse().expect("a prefix"), &[pepper()]).expect("a pepper");
        let issued = keyring.generate(Environment::Live, OffsetDateTime::UNIX_EPOCH);
        let presented = keyring.parse(issued.text.expose().as_bytes()).expect("our own key");
        let again = presented.secret();
        [issued.secret, again]
    }

    #[tokio::test]
    async fn a_hash_is_an_argon2id_phc_string_with_a_16_byte_salt() {
        let hasher = Hasher::new(&SETTINGS).expect("valid settings");
        let hash = hasher.hash(issue().secret, PEPPER, Lane::Issue).await.expect("a hash");
        let parts: Vec<&str> = hash.expose().split('$').collect();
        assert_eq!(parts[..4], ["", "argon2id", "v=19", "m=64,t=1,p=1"]);
        assert_eq!((parts[4].len(), parts[5].len()), (22, 43));
    }

    #[tokio::test]
    async fn two_hashes_of_one_secret_have_different_salts() {
        let hasher = Hasher::new(&SETTINGS).expect("valid settings");
        let [one, two] = issue_twice();
        let one = hasher.hash(one, PEPPER, Lane::Issue).await.expect("a hash");
        let two = hasher.hash(two, PEPPER, Lane::Issue).await.expect("a hash");
        assert_ne!(one.expose(), two.expose());
    }

    #[tokio::test]
    async fn the_right_secret_matches_and_another_does_not() {
        let hasher = Hasher::new(&SETTINGS).expect("valid settings");
        let [secret, again] = issue_twice();
        let hash = hasher.hash(secret, PEPPER, Lane::Issue).await.expect("a hash");
        assert!(hasher.verify(again, PEPPER, &hash, Lane::Check).await.expect("an answer").0);
        assert!(!hasher.verify(issue().secret, PEPPER, &hash, Lane::Check).await.expect("an answer").0);
    }

    #[tokio::test]
    async fn the_right_secret_with_another_pepper_does_not_match() {
        let hasher = Hasher::new(&SETTINGS).expect("valid settings");
        let [secret, again] = issue_twice();
        let hash = hasher.hash(secret, PEPPER, Lane::Issue).await.expect("a hash");
        assert!(!hasher.verify(again, &[8; 32], &hash, Lane::Check).await.expect("an answer").0);
    }

    #[tokio::test]
    async fn a_hash_made_with_other_parameters_still_verifies() {
        let [secret, again] = issue_twice();
        let hash =
            Hasher::new(&SETTINGS).expect("valid settings").hash(secret, PEPPER, Lane::Issue).await.expect("a hash");
        let raised = Hasher::new(&Hashing { memory_kib: 128, ..SETTINGS }).expect("valid settings");
        assert!(raised.verify(again, PEPPER, &hash, Lane::Check).await.expect("an answer").0);
    }

    #[tokio::test]
    async fn a_stored_hash_that_would_exhaust_the_memory_is_an_error_and_not_a_refusal() {
        let hasher = Hasher::new(&SETTINGS).expect("valid settings");
        let greedy =
            "$argon2id$v=19$m=4194304,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for bad in [greedy, &greedy.replace("argon2id", "argon2i"), &greedy.replace("v=19", "v=16"), "", "x"] {
            let answer = hasher.verify(issue().secret, PEPPER, &StoredHash::new(bad.to_owned()), Lane::Check).await;
            assert!(matches!(answer, Err(HashError::Unusable(_))), "{bad}");
        }
    }

    #[tokio::test]
    async fn without_a_free_permit_the_answer_is_busy() {
        let hasher = Hasher::new(&Hashing { max_wait: Duration::ZERO, ..SETTINGS }).expect("valid settings");
        let _permit = Arc::clone(&hasher.lanes.permits).acquire_owned().await.expect("an open semaphore");
        assert!(matches!(hasher.hash(issue().secret, PEPPER, Lane::Issue).await, Err(HashError::Busy(_))));
    }
}
