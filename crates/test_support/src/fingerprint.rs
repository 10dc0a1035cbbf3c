//! Hashes of many states, quickly though tests aren't optimised.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    ops::{Deref, DerefMut},
    rc::Rc,
};

/// Mixes each number into the hash of those before it. The standard library's hasher is compiled as the test is that
/// uses it, and half of the time of an exploration went there.
#[derive(Default)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of all that makes `value` different from others: 64 bits, so with a million of them, there is a
    /// chance of one in 30 million that two are confused.
    pub fn of(value: &impl Hash) -> u64 {
        let mut hasher = Self::default();
        value.hash(&mut hasher);
        hasher.finish()
    }
}

impl Hasher for Fingerprint {
    #[inline(never)]
    fn write(&mut self, bytes: &[u8]) {
        // Each length is written by whoever writes texts and lists.
        for chunk in bytes.chunks(8) {
            let mut number = [0; 8];
            number[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(number));
        }
    }

    #[inline(never)]
    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    #[inline(never)]
    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    #[inline(never)]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    /// SplitMix64, which is reversible: numbers that differ only here give hashes that differ.
    #[inline(never)]
    fn write_u64(&mut self, number: u64) {
        let mut mixed = (self.0 ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = mixed ^ (mixed >> 31);
    }

    #[inline(never)]
    fn write_u128(&mut self, number: u128) {
        self.write_u64(number as u64);
        self.write_u64((number >> 64) as u64);
    }

    #[inline(never)]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline(never)]
    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A part of a state. States that come from each other share it until one of them changes it, and its fingerprint is
/// taken once.
#[derive(Clone, Debug)]
pub struct Part<T>(Rc<Shared<T>>);

#[derive(Clone, Debug)]
struct Shared<T> {
    value: T,
    /// Once it was asked for.
    fingerprint: Cell<Option<u64>>,
}

impl<T> Part<T> {
    pub fn new(value: T) -> Self {
        Self(Rc::new(Shared { value, fingerprint: Cell::new(None) }))
    }
}

impl<T> Deref for Part<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Clone> DerefMut for Part<T> {
    fn deref_mut(&mut self) -> &mut T {
        let shared = Rc::make_mut(&mut self.0);
        shared.fingerprint.set(None);
        &mut shared.value
    }
}

impl<T: Hash> Hash for Part<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let known = self.0.fingerprint.get();
        let fingerprint = known.unwrap_or_else(|| Fingerprint::of(&self.0.value));
        self.0.fingerprint.set(Some(fingerprint));
        state.write_u64(fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_fingerprint_of_what_it_is_now_and_changes_alone() {
        let first = Part::new(vec![1, 2]);
        let mut second = first.clone();
        assert_eq!(Fingerprint::of(&first), Fingerprint::of(&second));
        second.push(3);
        assert_eq!((first.len(), second.len()), (2, 3));
        assert_ne!(Fingerprint::of(&first), Fingerprint::of(&second));
        second.pop();
        assert_eq!(Fingerprint::of(&first), Fingerprint::of(&second));
    }

    #[test]
    fn texts_numbers_and_their_places_make_a_difference() {
        let all = [
            Fingerprint::of(&(1_u64, 2_u64)),
            Fingerprint::of(&(2_u64, 1_u64)),
            Fingerprint::of(&(1_u128, 2_u64)),
            Fingerprint::of(&("ab", "c")),
            Fingerprint::of(&("a", "bc")),
            Fingerprint::of(&(Some(0_u8), None::<u8>)),
            Fingerprint::of(&(None::<u8>, Some(0_u8))),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(one), "{at}");
        }
    }
}
