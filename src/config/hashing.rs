//! The section `[hashing]`: the cost of an Argon2id hash, and how many run at once.

use std::{num::NonZeroUsize, thread::available_parallelism, time::Duration};

use serde::Deserialize;

#[cfg(feature = "server")]
use super::loading::Check;

/// A named set of Argon2id parameters. `docs/decisions/0001` says when each is enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum HashingProfile {
    /// For secrets of 256 random bits, which nobody can guess: 1 MiB and one pass.
    #[default]
    Light,
    /// For secrets that could be guessed: OWASP's second set, 19 MiB and two passes.
    Owasp,
}

impl HashingProfile {
    /// The memory in KiB, the passes, and the lanes of a hash.
    fn parameters(self) -> [u32; 3] {
        match self {
            Self::Light => [1024, 1, 1],
            Self::Owasp => [19_456, 2, 1],
        }
    }
}

/// The cost of an Argon2id hash, and how many run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashing {
    /// The memory per hash, in KiB.
    pub memory_kib: u32,
    /// The number of passes over the memory.
    pub iterations: u32,
    /// The number of lanes per hash.
    pub parallelism: u32,
    /// The number of concurrent hashes.
    pub concurrency: NonZeroUsize,
    /// The maximum wait for a turn to hash.
    pub max_wait: Duration,
}

impl Hashing {
    /// The parameters of `profile`, with the default bounds.
    pub fn of(profile: HashingProfile) -> Self {
        let [memory_kib, iterations, parallelism] = profile.parameters();
        Self {
            memory_kib,
            iterations,
            parallelism,
            concurrency: available_parallelism().unwrap_or(NonZeroUsize::MIN),
            max_wait: Duration::from_secs(2),
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self::of(HashingProfile::default())
    }
}

#[cfg(feature = "server")]
impl Hashing {
    /// The section, or `None` after its problems were recorded. All of it is read before the first `?`, and a parameter
    /// of 0 is the profile's.
    pub(super) fn read(check: &mut Check<'_>) -> Option<Self> {
        let profile: Option<HashingProfile> = check.value("hashing.profile", "\"light\" or \"owasp\"");
        let memory_kib = check.number("hashing.memory_kib", 0..=1_048_576);
        let iterations = check.number("hashing.iterations", 0..=16);
        let parallelism = check.number("hashing.parallelism", 0..=16);
        let concurrency = check.count_of_threads("hashing.concurrency", 256);
        let max_wait = check.duration("hashing.max_wait", "10ms", "30s");
        let weakest = HashingProfile::Light.parameters()[0];
        if let Some(memory) = memory_kib.filter(|memory| (1..weakest).contains(memory)) {
            check.problem(
                "hashing.memory_kib",
                format!("is {memory}: too weak, it must be at least {weakest}, or 0 for that of hashing.profile"),
            );
            return None;
        }
        let given = [memory_kib?, iterations?, parallelism?];
        let profile = profile?.parameters();
        let [memory_kib, iterations, parallelism] =
            std::array::from_fn(|parameter| if given[parameter] == 0 { profile[parameter] } else { given[parameter] });
        Some(Self { memory_kib, iterations, parallelism, concurrency: concurrency?, max_wait: max_wait? })
    }
}
