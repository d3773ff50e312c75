//! Who was seen before: a count-min sketch of the last six to twelve hours.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Cells of a row: one for each value of 16 bits of the hash.
const WIDTH: usize = 65_536;

/// Rows: the hash has four times 16 bits.
const ROWS: usize = 4;

/// How long one half counts before it becomes the old half.
const EPOCH: Span = Span::from_hours(6);

/// Counts sightings of 64-bit keyed hashes in 512 kB, whatever arrives: never too few (up to 255), now and then too many.
///
/// A count-min sketch with conservative update (Estan, Varghese 2002), in two halves that alternate every six
/// hours of log time, so that what is long ago fades.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Doorkeeper {
    epoch: i64,
    now: Vec<u8>,
    before: Vec<u8>,
}

impl Default for Doorkeeper {
    fn default() -> Self {
        Doorkeeper { epoch: i64::MIN, now: vec![0; WIDTH * ROWS], before: vec![0; WIDTH * ROWS] }
    }
}

impl Doorkeeper {
    /// Counts one sighting; how many it has seen with this one, in this and the previous six hours.
    pub(super) fn count(&mut self, hash: u64, time: Timestamp) -> u32 {
        self.turn(time);
        let places = Self::places(hash);
        let old = Self::least(&self.before, places);
        let new = Self::least(&self.now, places).saturating_add(1);
        for place in places {
            if let Some(cell) = self.now.get_mut(place) {
                *cell = (*cell).max(new);
            }
        }
        u32::from(old) + u32::from(new)
    }

    /// Reads the cells of a hash; the answer means nothing.
    pub(super) fn warm(&self, hash: u64) -> u64 {
        let places = Self::places(hash);
        u64::from(Self::least(&self.before, places) ^ Self::least(&self.now, places))
    }

    /// Changes halves when six hours are over. A late line counts into the current half.
    fn turn(&mut self, time: Timestamp) {
        let epoch = time.bucket(EPOCH);
        if epoch.saturating_add(2) < self.epoch {
            // No line is so late: an earlier one had a wrong clock.
            self.epoch = epoch;
        }
        if epoch <= self.epoch {
            return;
        }
        std::mem::swap(&mut self.now, &mut self.before);
        if epoch != self.epoch.saturating_add(1) {
            self.before.fill(0);
        }
        self.now.clear();
        self.now.resize(WIDTH * ROWS, 0);
        // A damaged state may have another size; from here on it has the right one.
        self.before.resize(WIDTH * ROWS, 0);
        self.epoch = epoch;
    }

    fn places(hash: u64) -> [usize; ROWS] {
        [0, 1, 2, 3].map(|row| row * WIDTH + (hash >> (16 * row)) as usize % WIDTH)
    }

    fn least(cells: &[u8], places: [usize; ROWS]) -> u8 {
        places.iter().filter_map(|&place| cells.get(place)).copied().min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Hasher;

    #[test]
    fn the_third_sighting_is_known_even_hours_apart_and_strangers_are_not() {
        let (hasher, mut door) = (Hasher::new(3), Doorkeeper::default());
        let t = Timestamp::from_secs(1_770_000_000);
        let id = hasher.id(b"slow loop").0;
        assert_eq!(door.count(id, t), 1);
        let mut strangers = 0;
        for n in 0u32..30_000 {
            strangers += u32::from(door.count(hasher.id(&n.to_le_bytes()).0, t + Span::from_millis(i64::from(n))) > 2);
        }
        assert!(strangers < 100, "{strangers} of 30,000 strangers were taken for acquaintances");
        assert!(door.count(id, t + Span::from_hours(3)) >= 2);
        assert!(door.count(id, t + Span::from_hours(6)) >= 3);
        assert_eq!(door.count(id, t + Span::from_hours(30)), 1, "a day later it is forgotten");
    }
}
