//! Detects secrets that protect nothing: copied from a tutorial, or typed by holding down a key.

use zeroize::Zeroizing;

/// The remedy for a missing or invalid secret.
#[cfg(feature = "server")]
pub(super) const MAKE_ONE: &str = "make one with `openssl rand -base64 48`";

/// Secrets from documentation and tutorials that are long enough to look real.
const PUBLISHED: [&str; 10] = [
    // jwt.io
    "a-string-secret-at-least-256-bits-long",
    "a-valid-string-secret-that-is-at-least-384-bits-long",
    "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
    // PostgREST's tutorial
    "reallyreallyreallyreallyverysafe",
    // FastAPI's manual
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    // tutorials for Spring Boot
    "404e635266556a586e3272357538782f413f4428472b4b6250645367566b5970",
    // other manuals
    "qwertyuiopasdfghjklzxcvbnm123456",
    "0123456789abcdefghijklmnopqrstuvwxyz",
    // Supabase's self-hosting files
    "your-super-secret-jwt-token-with-at-least-32-characters-long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
];

/// The words of placeholders, compared without case and punctuation. A secret with enough other characters is accepted:
/// "my-jwt-secret-" before random text does not reduce its randomness.
const PLACEHOLDERS: [&str; 13] = [
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "yoursecret",
    "yourjwtsecret",
    "your256bitsecret",
    "yourpepper",
    "supersecret",
    "secretkey",
    "jwtsecret",
    "atleast32",
    "passwordpassword",
];

/// Whole words that are not secret, compared in the same way.
const WORDS: [&str; 7] = ["secret", "mysecret", "password", "pepper", "test", "example", "your384bitsecret"];

/// The number of letters and digits besides a placeholder's words that can form a real secret.
const ENOUGH_BESIDE: usize = 32;

/// The minimum number of different bytes. 32 random bytes practically never have fewer, not even in hexadecimal.
const MIN_DISTINCT: usize = 8;

/// A secret that repeats with a shorter period, in bytes, is as weak as the part that it repeats.
const MIN_PERIOD: usize = 16;

/// Why `secret` protects nothing, if so. Checks the kind of secret, not its length.
pub(super) fn weakness(secret: impl AsRef<[u8]>) -> Option<&'static str> {
    let bytes = secret.as_ref();
    if str::from_utf8(bytes).is_ok_and(is_well_known) {
        return Some("is a well-known example");
    }
    if distinct(bytes) < MIN_DISTINCT {
        return Some("is made of too few different characters");
    }
    if repeats_within(bytes, MIN_PERIOD) {
        return Some("repeats a short text");
    }
    if counts(bytes) {
        return Some("is a mere sequence of characters");
    }
    None
}

fn is_well_known(secret: &str) -> bool {
    // Full capacity: a growing string would leave copies behind.
    let mut plain = Zeroizing::new(String::with_capacity(secret.len()));
    plain.extend(secret.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()));
    PUBLISHED.iter().any(|published| secret.trim().eq_ignore_ascii_case(published))
        || WORDS.contains(&plain.as_str())
        || PLACEHOLDERS.iter().any(|words| plain.contains(words) && plain.len() - words.len() < ENOUGH_BESIDE)
}

/// The number of different bytes.
fn distinct(bytes: &[u8]) -> usize {
    let mut sorted = Zeroizing::new(bytes.to_vec());
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len()
}

/// Whether the bytes repeat a part that is shorter than `limit`.
fn repeats_within(bytes: &[u8], limit: usize) -> bool {
    (1..limit.min(bytes.len())).any(|period| bytes[period..] == bytes[..bytes.len() - period])
}

/// Whether most bytes follow from the previous one ("abcdefgh…", "0011223344…").
fn counts(bytes: &[u8]) -> bool {
    let steps = bytes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    steps * 2 > bytes.len()
}
