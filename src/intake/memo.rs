//! What was found out about texts met before, within a bound.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

use crate::event::Id;

/// Ids are keyed hashes already: hashing them again would only cost time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Map<T> = HashMap<Id, T, BuildHasherDefault<AsItIs>>;

/// Up to twice `LIMIT` entries in two halves. When the new half is full it becomes the old one; what is asked for again
/// moves into the new one, so that a flood of texts met once does not drive out those met all the time.
#[derive(Debug)]
pub(super) struct Memo<T, const LIMIT: usize> {
    new: Map<T>,
    old: Map<T>,
}

impl<T, const LIMIT: usize> Default for Memo<T, LIMIT> {
    fn default() -> Self {
        Memo { new: Map::default(), old: Map::default() }
    }
}

impl<T, const LIMIT: usize> Memo<T, LIMIT> {
    /// What is known of a text; `find_out` is asked if nothing is.
    pub(super) fn get_or_insert_with(&mut self, id: Id, find_out: impl FnOnce() -> T) -> &mut T {
        let Memo { new, old } = self;
        if new.len() >= LIMIT && !new.contains_key(&id) {
            old.clear();
            std::mem::swap(new, old);
        }
        new.entry(id).or_insert_with(|| old.remove(&id).unwrap_or_else(find_out))
    }

    /// How many texts are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.new.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_met_again_stays_and_what_is_met_once_goes() {
        let mut memo: Memo<u64, 100> = Memo::default();
        let mut asked = 0;
        for n in 0..5000 {
            for id in [1, 1000 + n] {
                let found = *memo.get_or_insert_with(Id(id), || {
                    asked += u32::from(id == 1);
                    id * 2
                });
                assert_eq!(found, id * 2);
            }
            assert!(memo.len() <= 200);
        }
        assert_eq!(asked, 1);
    }
}
