//! The authentication of messages between replicas: a keyed hash of each message.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::api_key::Pepper;

/// Half of HMAC-SHA256 (RFC 2104 §5): 128 bits can't be guessed, and notifications are small.
pub type MessageTag = [u8; 16];

/// The keys for messages between replicas, one per pepper.
///
/// During a rotation of peppers, replicas have different lists for a while. So a sender tags each message with the keys
/// of all its peppers, and a receiver needs one tag that it can reproduce. Two replicas understand each other as long
/// as they share a pepper, which their clients' keys require anyway.
pub struct MessageKeys(Vec<Hmac<Sha256>>);

impl MessageKeys {
    /// Derives the keys from these peppers.
    pub fn new(peppers: &[Pepper]) -> Self {
        let key = |pepper: &Pepper| {
            let key = pepper.derive("keyward v1 message");
            Hmac::new_from_slice(&*key).expect("HMAC takes a key of any length (RFC 2104 §2)")
        };
        Self(peppers.iter().map(key).collect())
    }

    /// The tags of a message, one per pepper.
    pub fn tags(&self, message: &[u8]) -> impl Iterator<Item = MessageTag> {
        self.0.iter().map(|key| {
            let mut mac = key.clone();
            mac.update(message);
            let whole: [u8; 32] = mac.finalize().into_bytes().into();
            *whole.first_chunk().expect("32 bytes hold 16")
        })
    }

    /// Whether one of `tags` was made by a replica for this message.
    pub fn verify(&self, message: &[u8], tags: &[MessageTag]) -> bool {
        self.tags(message).any(|ours| tags.iter().any(|tag| bool::from(ours.ct_eq(tag))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::SecretString;

    fn keys(peppers: &[&str]) -> MessageKeys {
        let pepper = |text: &&str| Pepper::new(SecretString::new(text.repeat(32))).expect("32 bytes");
        MessageKeys::new(&peppers.iter().map(pepper).collect::<Vec<_>>())
    }

    fn understands(receiver: &MessageKeys, sender: &MessageKeys) -> bool {
        let tags: Vec<_> = sender.tags(b"a message").collect();
        receiver.verify(b"a message", &tags) && !receiver.verify(b"another", &tags)
    }

    #[test]
    fn replicas_understand_each_other_in_each_step_of_a_rotation() {
        let (before, during, after) = (keys(&["a"]), keys(&["b", "a"]), keys(&["b"]));
        for (one, other) in [(&before, &during), (&during, &after)] {
            assert!(understands(one, other) && understands(other, one));
        }
        assert!(!understands(&before, &after) && !understands(&after, &before));
    }
}
