//! Hashes of many states, quickly though tests aren't optimised.

use std::hash::Hasher;

use aws_lc_rs::digest::{SHA256, digest};

/// Collects what is hashed, and hashes it at once. The standard library's hasher is compiled as the test is that uses it,
/// and half of the time of an exploration went there.
#[derive(Default)]
pub struct Fingerprint(Vec<u8>);

impl Hasher for Fingerprint {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0.push(*byte);
        }
    }

    #[inline(never)]
    fn write_u8(&mut self, number: u8) {
        self.0.push(number);
    }

    #[inline(never)]
    fn write_u64(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.0.push(byte);
        }
    }

    #[inline(never)]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline(never)]
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    /// The first 64 bits of SHA-256.
    fn finish(&self) -> u64 {
        let hash = digest(&SHA256, &self.0);
        u64::from_be_bytes(hash.as_ref()[..8].try_into().expect("eight bytes"))
    }
}
