//! Counts in buckets of log time: the last few minutes in tens of seconds, the last hour in minutes, the last day in
//! hours. Buckets are numbered from the epoch, so a late line still finds its bucket.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Span, Timestamp};

/// The step in which detectors judge.
pub const TICK: Span = Span::from_secs(10);

/// The newest `N` buckets of a series. Buckets that were never counted are zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring<const N: usize> {
    newest: i64,
    slots: [u32; N],
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Ring { newest: i64::MIN / 2, slots: [0; N] }
    }
}

impl<const N: usize> Ring<N> {
    /// Adds `n` to a bucket. A bucket that has slid out already takes nothing.
    pub fn add(&mut self, bucket: i64, n: u32) {
        if bucket > self.newest {
            self.slide(bucket);
        } else if bucket <= self.newest - N as i64 {
            return;
        }
        let slot = &mut self.slots[bucket.rem_euclid(N as i64) as usize];
        *slot = slot.saturating_add(n);
    }

    /// Adds one to a bucket whose slot is known.
    fn count(&mut self, at: Place) {
        if at.bucket > self.newest {
            self.slide(at.bucket);
        } else if at.bucket <= self.newest - N as i64 {
            return;
        }
        let slot = &mut self.slots[at.slot];
        *slot = slot.saturating_add(1);
    }

    /// The newest bucket that was counted.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    /// One bucket.
    pub fn get(&self, bucket: i64) -> u32 {
        if bucket > self.newest || bucket <= self.newest - N as i64 {
            0
        } else {
            self.slots[bucket.rem_euclid(N as i64) as usize]
        }
    }

    /// The sum of the buckets `from..=to`.
    pub fn sum(&self, from: i64, to: i64) -> u64 {
        let from = from.max(self.newest - N as i64 + 1);
        let to = to.min(self.newest);
        if from > to {
            return 0;
        }
        // At most two runs of slots: up to the end of the ring, and from its beginning.
        let (first, count) = (from.rem_euclid(N as i64) as usize, (to - from + 1) as usize);
        let (early, late) = self.slots.split_at(first);
        let straight = count.min(late.len());
        let total = |slots: &[u32]| slots.iter().map(|&n| u64::from(n)).sum::<u64>();
        total(&late[..straight]) + total(&early[..count - straight])
    }

    fn slide(&mut self, to: i64) {
        let passed = to - self.newest;
        if passed >= N as i64 {
            self.slots = [0; N];
        } else {
            // At most two runs of slots: up to the end of the ring, and from its beginning.
            let (first, count) = ((self.newest + 1).rem_euclid(N as i64) as usize, passed as usize);
            let (early, late) = self.slots.split_at_mut(first);
            let straight = count.min(late.len());
            late[..straight].fill(0);
            early[..count - straight].fill(0);
        }
        self.newest = to;
    }
}

/// Saved as the newest bucket's number and the counts from oldest to newest, without leading zeros.
impl<const N: usize> Serialize for Ring<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let oldest = self.newest - N as i64 + 1;
        let counts: Vec<u32> = (oldest..=self.newest).map(|b| self.get(b)).skip_while(|&n| n == 0).collect();
        (self.newest, counts).serialize(s)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Ring<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let (newest, counts) = <(i64, Vec<u32>)>::deserialize(d)?;
        if counts.len() > N || newest.checked_sub(N as i64).is_none() {
            return Err(serde::de::Error::custom("more buckets than the ring has"));
        }
        let mut ring = Ring { newest, slots: [0; N] };
        for (i, n) in counts.iter().rev().enumerate() {
            ring.slots[(newest - i as i64).rem_euclid(N as i64) as usize] = *n;
        }
        Ok(ring)
    }
}

/// The buckets of an instant in every ring, found once for all the rings that an event is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct When {
    /// The instant.
    pub time: Timestamp,
    tick: Place,
    minute: Place,
    hour: Place,
}

/// A bucket's number, and its slot in the ring of its resolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    bucket: i64,
    slot: usize,
}

impl When {
    /// The buckets of `time`.
    pub fn at(time: Timestamp) -> When {
        let place = |bucket: i64, slots: i64| Place { bucket, slot: bucket.rem_euclid(slots) as usize };
        When {
            time,
            tick: place(time.bucket(TICK), TICKS as i64),
            minute: place(time.bucket(Span::MINUTE), MINUTES as i64),
            hour: place(time.bucket(Span::HOUR), HOURS as i64),
        }
    }

    /// The number of its hour.
    pub fn hour(&self) -> i64 {
        self.hour.bucket
    }
}

/// Slots of each ring: a little longer than the longest window, because lines run ahead of the tick by the allowed
/// lateness.
const TICKS: usize = 36;
const MINUTES: usize = 64;
const HOURS: usize = 26;

/// A series of counts at the three resolutions that the windows are made of.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Tens of seconds, for windows up to 5 minutes.
    pub tens: Ring<TICKS>,
    /// Minutes, for windows up to an hour.
    pub mins: Ring<MINUTES>,
    /// Hours, for windows up to a day.
    pub hours: Ring<HOURS>,
}

impl Counts {
    /// Counts one event at `t`.
    pub fn add(&mut self, t: Timestamp) {
        self.count(&When::at(t));
    }

    /// Counts one event whose buckets are known.
    pub fn count(&mut self, when: &When) {
        self.tens.count(when.tick);
        self.mins.count(when.minute);
        self.hours.count(when.hour);
    }

    /// Reads a little of everything that [`Counts::count`] is about to change.
    pub(super) fn warm(&self, when: &When) -> u32 {
        self.tens.slots[when.tick.slot] ^ self.mins.slots[when.minute.slot] ^ self.hours.slots[when.hour.slot]
    }

    /// Events in the `n` ticks that end with tick `last` (at most 30: five minutes).
    pub fn ticks(&self, last: i64, n: i64) -> u64 {
        self.tens.sum(last - n + 1, last)
    }

    /// Events in the `n` minutes that end with minute `last` (at most 60).
    pub fn minutes(&self, last: i64, n: i64) -> u64 {
        self.mins.sum(last - n + 1, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_buckets_slide_out_and_late_ones_find_their_place() {
        let mut ring = Ring::<4>::default();
        ring.add(10, 1);
        ring.add(12, 2);
        ring.add(9, 5); // late, still inside
        assert_eq!((ring.get(9), ring.get(10), ring.get(11), ring.get(12)), (5, 1, 0, 2));
        ring.add(8, 7); // slid out
        assert_eq!(ring.sum(0, 100), 8);
        ring.add(13, 1);
        assert_eq!((ring.get(9), ring.sum(10, 13)), (0, 4));
        ring.add(1000, 1);
        assert_eq!(ring.sum(i64::MIN / 2, i64::MAX / 2), 1);
    }

    #[test]
    fn a_saved_ring_is_the_same_ring() {
        let mut ring = Ring::<5>::default();
        for b in [3, 4, 4, 6] {
            ring.add(b, 1);
        }
        let bytes = postcard::to_stdvec(&ring).unwrap();
        assert_eq!(postcard::from_bytes::<Ring<5>>(&bytes).unwrap(), ring);
    }
}
