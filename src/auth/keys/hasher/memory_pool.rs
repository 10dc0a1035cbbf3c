//! Reuses memory blocks. Fresh memory for each hash causes page faults that cost a tenth of the hash.

use argon2::Block;
use parking_lot::Mutex;

/// Buffers of blocks: never more than there are permits, and none larger than usual.
pub(super) struct MemoryPool {
    /// The number of blocks for the hash of a new key.
    usual: usize,
    rooms: Mutex<Vec<Vec<Block>>>,
}

impl MemoryPool {
    /// An empty pool for hashes with this usual number of blocks.
    pub(super) fn of_usual(usual: usize) -> Self {
        Self { usual, rooms: Mutex::default() }
    }

    /// Runs `work` with a buffer of `count` blocks.
    pub(super) fn with_blocks<T>(&self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        let mut blocks = self.rooms.lock().pop().unwrap_or_default();
        if blocks.len() < count {
            // A new allocation, instead of copying a buffer that is too small.
            blocks = vec![Block::default(); count];
        }
        let result = work(&mut blocks[..count]);
        if blocks.len() > self.usual {
            // A single row with higher parameters must not occupy its memory for ever.
            blocks = Vec::new();
        }
        self.rooms.lock().push(blocks);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_used_again_unless_it_was_an_unusual_one() {
        let pool = MemoryPool::of_usual(64);
        let kept = || pool.rooms.lock().iter().map(Vec::capacity).collect::<Vec<_>>();
        let address = |count| pool.with_blocks(count, |blocks| (blocks.len(), blocks.as_ptr() as usize));
        let first = address(64);
        assert_eq!((first, address(64)), (first, first));
        assert_eq!((address(8).0, kept()), (8, vec![64]));
        assert_eq!((address(65).0, kept()), (65, vec![0]));
        assert_eq!((address(64).0, kept()), (64, vec![64]));
    }
}
