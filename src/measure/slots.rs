//! A table with a fixed number of places, found by a 64-bit hash: what is worth least makes room for what is new.

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Places that are compared when one has to be vacated.
const SAMPLE: u64 = 16;

/// What can be kept in [`Slots`].
pub trait Slot {
    /// What it is found by: a keyed hash, so that nobody outside can choose collisions.
    fn hash(&self) -> u64;
    /// How much it is worth keeping: of two, the smaller one goes. A class, then the time it was last of use.
    fn worth(&self, now: Timestamp) -> (u8, i64);
}

/// At most `LIMIT` items. When full, [`Slots::insert`] evicts the least worthy of a sample of 16 (as Redis does for its
/// least-recently-used policy): constant work, no lists to keep in order, and with two classes of worth a flood of
/// one-time items cannot push out what has proved itself. The sample depends on the state alone, so a replay
/// evicts the same items.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Saved<T>", bound(deserialize = "T: Slot + Deserialize<'de>"))]
pub struct Slots<T: Slot, const LIMIT: usize> {
    items: Vec<T>,
    evictions: u64,
    #[serde(skip)]
    index: HashTable<u32>,
}

/// The saved form: the index is made anew.
#[derive(Deserialize)]
struct Saved<T> {
    items: Vec<T>,
    evictions: u64,
}

impl<T: Slot, const LIMIT: usize> From<Saved<T>> for Slots<T, LIMIT> {
    fn from(saved: Saved<T>) -> Self {
        let mut slots = Slots { items: saved.items, evictions: saved.evictions, index: HashTable::new() };
        slots.items.truncate(LIMIT);
        slots.reindex();
        slots
    }
}

impl<T: Slot, const LIMIT: usize> Default for Slots<T, LIMIT> {
    fn default() -> Self {
        Slots { items: Vec::new(), evictions: 0, index: HashTable::new() }
    }
}

impl<T: Slot, const LIMIT: usize> Slots<T, LIMIT> {
    /// The item with this hash.
    pub fn get(&self, hash: u64) -> Option<&T> {
        let place = *self.index.find(hash, |&i| self.items.get(i as usize).is_some_and(|item| item.hash() == hash))?;
        self.items.get(place as usize)
    }

    /// The item with this hash, to be changed (not its hash).
    pub fn get_mut(&mut self, hash: u64) -> Option<&mut T> {
        let items = &self.items;
        let place = *self.index.find(hash, |&i| items.get(i as usize).is_some_and(|item| item.hash() == hash))?;
        self.items.get_mut(place as usize)
    }

    /// The item with this hash; if there is none, the one that `make` makes is put first.
    pub fn get_or_insert_with(&mut self, hash: u64, now: Timestamp, make: impl FnOnce() -> T) -> Option<&mut T> {
        let items = &self.items;
        let found = self.index.find(hash, |&i| items.get(i as usize).is_some_and(|item| item.hash() == hash)).copied();
        if let Some(place) = found {
            return self.items.get_mut(place as usize);
        }
        self.insert(make(), now);
        self.get_mut(hash)
    }

    /// Puts an item whose hash is not in the table yet; answers with the one that had to go, if any.
    pub fn insert(&mut self, item: T, now: Timestamp) -> Option<T> {
        let hash = item.hash();
        if self.items.len() < LIMIT {
            self.items.push(item);
            self.enter(hash, self.items.len() as u32 - 1);
            return None;
        }
        let place = self.least_worthy(now)?;
        let old = std::mem::replace(self.items.get_mut(place)?, item);
        if let Ok(found) = self.index.find_entry(old.hash(), |&i| i as usize == place) {
            found.remove();
        }
        self.enter(hash, place as u32);
        self.evictions += 1;
        Some(old)
    }

    /// Takes an item out.
    pub fn remove(&mut self, hash: u64) -> Option<T> {
        let items = &self.items;
        let found = self.index.find_entry(hash, |&i| items.get(i as usize).is_some_and(|item| item.hash() == hash));
        let (place, _) = found.ok()?.remove();
        let last = self.items.len().checked_sub(1)?;
        let moved = self.items.get(last)?.hash();
        if let Some(index) = self.index.find_mut(moved, |&i| i as usize == last) {
            *index = place;
        }
        Some(self.items.swap_remove(place as usize))
    }

    /// Keeps what `keep` says yes to; `keep` may change items (not their hashes).
    pub fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let before = self.items.len();
        self.items.retain_mut(|item| keep(item));
        if self.items.len() != before {
            self.reindex();
        }
    }

    /// All items, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many were evicted since the beginning: a metric.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.index.capacity() * 5
    }

    fn least_worthy(&self, now: Timestamp) -> Option<usize> {
        let len = self.items.len() as u64;
        (0..SAMPLE)
            .filter_map(|i| (mix(self.evictions.wrapping_mul(SAMPLE).wrapping_add(i))).checked_rem(len))
            .min_by_key(|&place| self.items.get(place as usize).map(|item| item.worth(now)))
            .map(|place| place as usize)
    }

    fn enter(&mut self, hash: u64, place: u32) {
        let items = &self.items;
        self.index.insert_unique(hash, place, |&i| items.get(i as usize).map_or(0, Slot::hash));
    }

    /// Makes the index anew. Of two items with one hash (damaged state only) the first is found, the other ages out.
    fn reindex(&mut self) {
        self.index.clear();
        for place in 0..self.items.len() {
            if let Some(hash) = self.items.get(place).map(Slot::hash) {
                self.enter(hash, place as u32);
            }
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): neighbouring numbers become unrelated ones.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Thing {
        hash: u64,
        proved: bool,
        used: i64,
    }

    impl Slot for Thing {
        fn hash(&self) -> u64 {
            self.hash
        }
        fn worth(&self, _: Timestamp) -> (u8, i64) {
            (u8::from(self.proved), self.used)
        }
    }

    fn thing(n: u64, proved: bool) -> Thing {
        Thing { hash: mix(n), proved, used: n as i64 }
    }

    #[test]
    fn a_flood_leaves_what_has_proved_itself() {
        let mut slots: Slots<Thing, 1000> = Slots::default();
        for n in 0..300 {
            assert!(slots.insert(thing(n, true), Timestamp::MIN).is_none());
        }
        for n in 1000..101_000 {
            slots.insert(thing(n, false), Timestamp::MIN);
        }
        assert_eq!(slots.len(), 1000);
        assert_eq!(slots.evictions(), 100_000 - 700);
        assert!((0..300).all(|n| slots.get(mix(n)).is_some()), "sixteen proved ones in one sample: one chance in 10^8");
        let recent = (100_500..101_000).filter(|&n| slots.get(mix(n)).is_some()).count();
        assert!(recent > 350, "newest items should mostly still be there, {recent} of 500 are");
    }

    #[test]
    fn saved_and_read_back_it_evicts_the_same() {
        let mut slots: Slots<Thing, 50> = Slots::default();
        for n in 0..80 {
            slots.insert(thing(n, n % 3 == 0), Timestamp::MIN);
        }
        slots.retain(|t| t.used != 70);
        assert!(slots.remove(mix(79)).is_some() && slots.remove(mix(79)).is_none());
        assert!(slots.get(mix(78)).is_some(), "the one that took its place is found");
        let bytes = postcard::to_allocvec(&slots).unwrap();
        let mut again: Slots<Thing, 50> = postcard::from_bytes(&bytes).unwrap();
        for n in 100..140 {
            let (a, b) = (slots.insert(thing(n, false), Timestamp::MIN), again.insert(thing(n, false), Timestamp::MIN));
            assert_eq!(a.map(|t| t.hash), b.map(|t| t.hash));
        }
        assert!(again.get_mut(mix(139)).is_some());
        assert!(again.get(mix(70)).is_none());
    }
}
