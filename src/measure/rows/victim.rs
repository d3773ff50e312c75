//! Which row gives way to a new one: about the one that is missed least.
//!
//! A few rows are looked at each time, as Redis does for its least-recently-used policy; the best of those that were not
//! taken are remembered for the next time, so that few looks find nearly the one that all of them would.

use super::Rows;
use super::beside::Age;
use crate::time::Timestamp;

/// How many rows are looked at each time, of all and of those that are full.
const LOOKS: (usize, usize) = (8, 32);
/// How many are remembered.
const POOL: usize = 16;

/// Where to look next, and what was seen.
#[derive(Clone, Debug)]
pub(super) struct Victims {
    hand: usize,
    /// A number of rows, and the step between those that are looked at.
    stride: (usize, usize),
    /// Rows that would be missed little when they were looked at, with when that is, the least missed last.
    pool: Vec<(Timestamp, u32)>,
}

impl Default for Victims {
    fn default() -> Self {
        Victims { hand: 0, stride: (0, 1), pool: Vec::new() }
    }
}

impl Victims {
    /// The next place to look at, of so many. Neighbours are alike (who came first, who was kept when room was made): those
    /// that are looked at lie far apart.
    fn step(&mut self, length: usize) -> usize {
        if self.stride.0 != length {
            self.stride = (length, stride(length));
            self.hand = self.hand.checked_rem(length).unwrap_or(0);
        }
        self.hand += self.stride.1;
        if self.hand >= length {
            self.hand -= length;
        }
        self.hand
    }

    /// Remembers a row.
    fn enter(&mut self, worth: Timestamp, slot: u32) {
        let full = self.pool.len() >= POOL;
        let missed = full && self.pool.first().is_some_and(|(most, _)| worth >= *most);
        if missed || self.pool.iter().any(|(_, known)| *known == slot) {
            return;
        }
        if full {
            self.pool.remove(0);
        }
        let place = self.pool.partition_point(|(other, _)| *other >= worth);
        self.pool.insert(place, (worth, slot));
    }

    /// Forgets what was seen: rows have other slots.
    pub(super) fn clear(&mut self) {
        *self = Victims::default();
    }
}

impl Rows {
    /// The row that is missed least: the longest idle, where each known week of traffic counts like hours of being busy, so
    /// that a flood of newcomers does not drive out the regulars.
    pub(super) fn victim(&mut self) -> u32 {
        let length = self.rows.len();
        for _ in 0..LOOKS.0.min(length) {
            let place = self.victims.step(length);
            if let Some(age) = self.age(place) {
                self.victims.enter(age.worth(), place as u32);
            }
        }
        while let Some((worth, slot)) = self.victims.pool.pop() {
            // Who was seen again since is missed more.
            if self.age(slot as usize).is_some_and(|age| age.worth() <= worth) {
                return slot;
            }
        }
        self.victims.hand as u32
    }

    /// The same among the rows that are full.
    pub(super) fn full_victim(&mut self) -> u32 {
        let mut best: Option<(Timestamp, u32)> = None;
        let (mut seen, length) = (0, self.rows.len());
        for _ in 0..length {
            let place = self.victims.step(length);
            let Some(worth) = self.age(place).filter(|age| age.full).map(Age::worth) else { continue };
            if best.is_none_or(|(least, _)| worth < least) {
                best = Some((worth, place as u32));
            }
            seen += 1;
            if seen == LOOKS.1 {
                break;
            }
        }
        best.map_or(self.victims.hand as u32, |(_, slot)| slot)
    }
}

/// A step that leads evenly over `length` places and comes to each of them once before it comes to one again.
fn stride(length: usize) -> usize {
    let coprime = |step: usize| {
        let (mut a, mut b) = (length, step);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a == 1
    };
    // The golden section.
    let first = length * 382 / 1000;
    (first.max(1)..=length).find(|step| coprime(*step)).unwrap_or(1)
}
