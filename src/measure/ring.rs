//! Counts in buckets of log time: the last few minutes in tens of seconds, the last hour in minutes, the last day in
//! hours. Buckets are numbered from the epoch, so a late line still finds its bucket.

use std::cell::Cell;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::{Span, Timestamp};

/// The step in which detectors judge.
pub const TICK: Span = Span::from_secs(10);

/// The newest `N` buckets of a series. Buckets that were never counted are zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ring<const N: usize> {
    newest: i64,
    /// The slot of the newest bucket: those of the others follow from it without a division.
    head: u32,
    slots: [u32; N],
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Ring { newest: NEVER, head: slot_of::<N>(NEVER) as u32, slots: [0; N] }
    }
}

/// Before every bucket.
const NEVER: i64 = i64::MIN / 2;

const fn slot_of<const N: usize>(bucket: i64) -> usize {
    bucket.rem_euclid(N as i64) as usize
}

impl<const N: usize> Ring<N> {
    /// Adds `n` to a bucket. A bucket that has slid out already takes nothing.
    pub fn add(&mut self, bucket: i64, n: u32) {
        if bucket > self.newest {
            self.slide(bucket);
        } else if bucket <= self.newest - N as i64 {
            return;
        }
        let at = self.back(self.newest - bucket);
        let slot = &mut self.slots[at];
        *slot = slot.saturating_add(n);
    }

    /// The slot of the bucket so many before the newest one, which must be fewer than there are slots.
    #[inline]
    fn back(&self, buckets: i64) -> usize {
        let (head, back) = (self.head as usize, buckets as usize);
        if back <= head { head - back } else { head + N - back }
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
            self.slots[self.back(self.newest - bucket)]
        }
    }

    /// The sum of the buckets `from..=to`.
    pub fn sum(&self, from: i64, to: i64) -> u64 {
        let from = from.max(self.newest - N as i64 + 1);
        let to = to.min(self.newest);
        if from > to {
            return 0;
        }
        let (first, count) = (self.back(self.newest - from), (to - from + 1) as usize);
        if count <= 2 {
            // The hours of a window of minutes: there are no runs to be found.
            let next = if first + 1 == N { 0 } else { first + 1 };
            return u64::from(self.slots[first]) + if count == 2 { u64::from(self.slots[next]) } else { 0 };
        }
        // At most two runs of slots: up to the end of the ring, and from its beginning.
        let (early, late) = self.slots.split_at(first);
        let straight = count.min(late.len());
        let total = |slots: &[u32]| slots.iter().map(|&n| u64::from(n)).sum::<u64>();
        total(&late[..straight]) + total(&early[..count - straight])
    }

    /// The buckets from `from` on, as many as there is place for; 0 where none was counted or is kept.
    pub fn copy(&self, from: i64, into: &mut [u32]) {
        into.fill(0);
        let first = from.max(self.newest - N as i64 + 1);
        let last = (from + into.len() as i64 - 1).min(self.newest);
        if first > last {
            return;
        }
        let (slot, count, skipped) =
            (self.back(self.newest - first), (last - first + 1) as usize, (first - from) as usize);
        // At most two runs of slots: up to the end of the ring, and from its beginning.
        let (early, late) = self.slots.split_at(slot);
        let straight = count.min(late.len());
        let into = &mut into[skipped..skipped + count];
        into[..straight].copy_from_slice(&late[..straight]);
        into[straight..].copy_from_slice(&early[..count - straight]);
    }

    fn slide(&mut self, to: i64) {
        let passed = to - self.newest;
        if passed >= N as i64 {
            self.slots = [0; N];
        } else {
            // At most two runs of slots: up to the end of the ring, and from its beginning.
            let after = self.head as usize + 1;
            let (first, count) = (if after == N { 0 } else { after }, passed as usize);
            if count == 1 {
                self.slots[first] = 0;
                (self.newest, self.head) = (to, first as u32);
                return;
            }
            let (early, late) = self.slots.split_at_mut(first);
            let straight = count.min(late.len());
            late[..straight].fill(0);
            early[..count - straight].fill(0);
        }
        (self.newest, self.head) = (to, slot_of::<N>(to) as u32);
    }
}

/// Saved as the newest bucket's number and the counts from oldest to newest, without leading zeros.
impl<const N: usize> Serialize for Ring<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut counts = [0; N];
        self.copy(self.newest - N as i64 + 1, &mut counts);
        let first = counts.iter().position(|&n| n != 0).unwrap_or(N);
        (self.newest, counts.get(first..).unwrap_or_default()).serialize(s)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Ring<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let (newest, counts) = <(i64, Vec<u32>)>::deserialize(d)?;
        if counts.len() > N || newest.checked_sub(N as i64).is_none() {
            return Err(serde::de::Error::custom("more buckets than the ring has"));
        }
        let mut ring = Ring { newest, head: slot_of::<N>(newest) as u32, slots: [0; N] };
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

/// Ticks of the window that is asked for most.
const FIVE_MINUTES: i64 = 30;

/// Slots of each ring: a little longer than the longest window, because lines run ahead of the tick by the allowed
/// lateness.
const TICKS: usize = 36;
const MINUTES: usize = 64;
const HOURS: usize = 26;

/// Sums that were asked for last. Ticks ask every stream for the same windows, each a little later than the time before.
#[derive(Clone, Debug)]
struct Sums {
    /// The tick that ends the five minutes, and their sum.
    tick: Cell<i64>,
    five: Cell<u64>,
    /// The minute that ends the fifteen and the sixty minutes, and their sums.
    minute: Cell<i64>,
    fifteen: Cell<u64>,
    sixty: Cell<u64>,
}

impl Default for Sums {
    fn default() -> Self {
        let (never, none) = (|| Cell::new(NEVER), || Cell::new(0));
        Sums { tick: never(), five: none(), minute: never(), fifteen: none(), sixty: none() }
    }
}

/// What is only remembered makes no difference.
impl PartialEq for Sums {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Sums {}

/// So many buckets further the sum of a window is found from the one before; beyond, it is added up anew.
const STEPS: i64 = 4;

impl<const N: usize> Ring<N> {
    /// Whether this bucket has not slid out.
    fn keeps(&self, bucket: i64) -> bool {
        bucket > self.newest - N as i64
    }

    /// The sum of the `n` buckets that end with `to`, from `before`, that of those that ended with `from`. `None` where
    /// adding up is as well, or buckets are gone that were in it.
    fn follow(&self, before: u64, from: i64, to: i64, n: i64) -> Option<u64> {
        if !(from < to && to <= from + STEPS && self.keeps(from + 1 - n)) {
            return None;
        }
        let moved = |sum: u64, bucket: i64| sum + u64::from(self.get(bucket)) - u64::from(self.get(bucket - n));
        let mut sum = before;
        for bucket in from + 1..=to {
            sum = moved(sum, bucket);
        }
        Some(sum)
    }
}

/// A series of counts at the three resolutions that the windows are made of.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Tens of seconds, for windows up to 5 minutes.
    pub tens: Ring<TICKS>,
    /// Minutes, for windows up to an hour.
    pub mins: Ring<MINUTES>,
    /// Hours, for windows up to a day.
    pub hours: Ring<HOURS>,
    #[serde(skip)]
    sums: Sums,
}

impl Counts {
    /// Counts one event at `t`.
    pub fn add(&mut self, t: Timestamp) {
        self.count(&When::at(t));
    }

    /// Counts one event whose buckets are known.
    pub fn count(&mut self, when: &When) {
        // A late event changes what was summed up.
        let sums = &mut self.sums;
        if when.tick.bucket <= sums.tick.get() {
            sums.tick.set(NEVER);
        }
        if when.minute.bucket <= sums.minute.get() {
            sums.minute.set(NEVER);
        }
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
        if n != FIVE_MINUTES {
            return self.tens.sum(last - n + 1, last);
        }
        let sums = &self.sums;
        if sums.tick.get() != last || !self.tens.keeps(last - n + 1) {
            let followed = self.tens.follow(sums.five.get(), sums.tick.get(), last, n);
            sums.five.set(followed.unwrap_or_else(|| self.tens.sum(last - n + 1, last)));
            sums.tick.set(last);
        }
        sums.five.get()
    }

    /// Events in the `n` minutes that end with minute `last` (at most 60).
    pub fn minutes(&self, last: i64, n: i64) -> u64 {
        if n != 15 && n != 60 {
            return self.mins.sum(last - n + 1, last);
        }
        let sums = &self.sums;
        let from = sums.minute.get();
        if from != last || !self.mins.keeps(last - 59) {
            for (sum, n) in [(&sums.fifteen, 15), (&sums.sixty, 60)] {
                let followed = self.mins.follow(sum.get(), from, last, n);
                sum.set(followed.unwrap_or_else(|| self.mins.sum(last - n + 1, last)));
            }
            sums.minute.set(last);
        }
        if n == 15 { sums.fifteen.get() } else { sums.sixty.get() }
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
    fn copies_are_what_the_buckets_say() {
        let (mut ring, mut random) = (Ring::<7>::default(), 1u64);
        for bucket in [3, 4, 4, 6, 9, 10, 11, 30, 31, 33, 35, 29] {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            ring.add(bucket, (random >> 60) as u32);
            for from in bucket - 12..bucket + 4 {
                for length in 0..12 {
                    let mut copy = [9; 12];
                    ring.copy(from, &mut copy[..length]);
                    let told: Vec<u32> = (from..from + length as i64).map(|b| ring.get(b)).collect();
                    assert_eq!(&copy[..length], told, "{bucket} {from}");
                    let sum: u64 = told.iter().map(|n| u64::from(*n)).sum();
                    assert_eq!(ring.sum(from, from + length as i64 - 1), sum);
                }
            }
        }
    }

    #[test]
    fn sums_that_are_remembered_are_those_of_the_buckets() {
        let (mut counts, mut random) = (Counts::default(), 7u64);
        let start = Timestamp::from_secs(1_790_000_000);
        let (mut now, mut tick) = (0i64, start.bucket(TICK) - 3);
        for _ in 0..60_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now += (random >> 62) as i64 * (random >> 40 & 15) as i64 / 8;
            if (random >> 33).is_multiple_of(256) {
                // A pause, short or long.
                now += 1 << (random >> 20 & 15);
            }
            let late = if (random >> 28).is_multiple_of(16) { (random >> 50) as i64 % 4000 } else { 0 };
            counts.add(start + Span::from_secs(now - late));
            let newest = (start + Span::from_secs(now)).bucket(TICK) - 2;
            if (random >> 24).is_multiple_of(4) {
                tick = if newest - tick > 50 { newest } else { (tick + 1 + (random >> 22 & 1) as i64).min(newest) };
                let minute = Timestamp::of_bucket(tick + 1, TICK).bucket(Span::MINUTE) - 1;
                assert_eq!(counts.ticks(tick, 30), counts.tens.sum(tick - 29, tick));
                assert_eq!(counts.minutes(minute, 15), counts.mins.sum(minute - 14, minute));
                assert_eq!(counts.minutes(minute, 60), counts.mins.sum(minute - 59, minute));
            }
        }
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
