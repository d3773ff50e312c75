//! One number of a window that slides: a count, a sum, a mean, a share, how many different values, a percentile.
//!
//! The window is made of buckets of a sixtieth of its length (a twelfth for percentiles), at least a second: it never
//! reaches further back than its length, and no more than one bucket less. What windows that are over came to is
//! learned, so that the next can be compared with what is usual and with the one before.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::spread::{Spread, quantile};
use super::usual::Usual;
use super::values::Values;
use crate::time::{Span, Timestamp, Zone};

/// Lines may come so late and are still counted in their place.
const LATENESS: Span = Span::from_secs(15);
/// Silences longer than this are learned as this long.
const LONGEST_SILENCE: Span = Span::from_days(28);

/// What is taken of the lines of a window.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Of {
    /// How many they are.
    Count,
    /// How many different values they have.
    Distinct,
    /// Their values added up.
    Sum,
    /// The mean of their values.
    Mean,
    /// The part of them that also meets another condition.
    Share,
    /// What so many of their values (0 to 1) are not above.
    Quantile(f64),
}

/// How a window is cut.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shape {
    /// What is taken.
    pub of: Of,
    width: Span,
    slots: i64,
}

/// One line that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// Its number.
    pub value: f64,
    /// What is told apart, by its keyed hash.
    pub thing: u64,
    /// Whether it also meets the other condition.
    pub part: bool,
    /// Whether the request failed.
    pub failed: bool,
    /// What it cost, 0 if unknown.
    pub cost: f64,
}

impl Shape {
    /// A window of a length.
    pub fn new(of: Of, length: Span) -> Self {
        let most = if matches!(of, Of::Quantile(_)) { 12 } else { 60 };
        let width = (length.millis() + most - 1) / most;
        // Whole seconds, since most logs know no smaller ones.
        let width = Span::from_millis((width.max(1000) + 999) / 1000 * 1000);
        Shape { of, width, slots: (length.millis() / width.millis()).max(1) }
    }

    /// The window's length.
    pub fn length(&self) -> Span {
        self.width.times(self.slots)
    }

    fn slack(&self) -> i64 {
        LATENESS.millis() / self.width.millis() + 1
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Bucket {
    at: i64,
    lines: u32,
    part: u32,
    failed: u32,
    sum: f64,
    cost: f64,
}

/// A window and what was learned of those before it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Window {
    buckets: VecDeque<Bucket>,
    values: Option<Box<Values>>,
    spreads: VecDeque<(i64, Spread)>,
    /// When it began to be counted.
    since: Timestamp,
    /// The newest whole window that is over, and what the last two came to.
    closed: i64,
    before: [Option<f64>; 2],
    usual: Option<Box<Usual>>,
}

impl Window {
    /// An empty one that begins now; `learns` what is usual if anybody asks.
    pub fn new(shape: &Shape, now: Timestamp, learns: bool) -> Self {
        Window {
            buckets: VecDeque::new(),
            values: matches!(shape.of, Of::Distinct).then(Box::default),
            spreads: VecDeque::new(),
            since: now,
            // The one that runs was not seen from its beginning.
            closed: now.bucket(shape.width).div_euclid(shape.slots),
            before: [None; 2],
            usual: learns.then(|| Box::new(Usual::new(now))),
        }
    }

    /// Counts a line.
    pub fn add(&mut self, shape: &Shape, entry: &Entry, zone: Zone) {
        self.roll(shape, entry.time, f64::INFINITY, zone);
        let at = entry.time.bucket(shape.width);
        let newest = self.buckets.back().map_or(at, |bucket| bucket.at.max(at));
        let forgotten = newest - shape.slots - shape.slack();
        if at <= forgotten {
            return;
        }
        while self.buckets.front().is_some_and(|bucket| bucket.at <= forgotten) {
            self.buckets.pop_front();
        }
        let place = self.buckets.partition_point(|bucket| bucket.at < at);
        if self.buckets.get(place).is_none_or(|bucket| bucket.at != at) {
            self.buckets.insert(place, Bucket { at, lines: 0, part: 0, failed: 0, sum: 0.0, cost: 0.0 });
        }
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.lines = bucket.lines.saturating_add(1);
            bucket.part = bucket.part.saturating_add(u32::from(entry.part));
            bucket.failed = bucket.failed.saturating_add(u32::from(entry.failed));
            bucket.sum += entry.value;
            bucket.cost += entry.cost;
        }
        if let Some(values) = &mut self.values {
            values.insert(entry.thing, at, forgotten);
        }
        if matches!(shape.of, Of::Quantile(_)) {
            while self.spreads.front().is_some_and(|(at, _)| *at <= forgotten) {
                self.spreads.pop_front();
            }
            let place = self.spreads.partition_point(|(other, _)| *other < at);
            if self.spreads.get(place).is_none_or(|(other, _)| *other != at) {
                self.spreads.insert(place, (at, Spread::default()));
            }
            if let Some((_, spread)) = self.spreads.get_mut(place) {
                spread.add(entry.value);
            }
        }
    }

    /// Learns from windows that are over. A window that came to more than `most` is learned as that, so that what is
    /// told does not become usual.
    pub fn roll(&mut self, shape: &Shape, now: Timestamp, most: f64, zone: Zone) {
        let current = (now - LATENESS).bucket(shape.width).div_euclid(shape.slots);
        if current <= self.closed + 1 {
            return;
        }
        let length = shape.length();
        let end_of = |window: i64| Timestamp::from_millis((window + 1).saturating_mul(length.millis()));
        // What lies further back than the buckets reach was silent: an hour of it is learned at once.
        let seen = self.closed + 3;
        for window in self.closed + 1..current.min(seen) {
            let value = self.between(shape, window * shape.slots, (window + 1) * shape.slots - 1);
            self.before = [value, self.before[0]];
            self.learn(value, most, length.hours_f64(), end_of(window), zone);
        }
        if current > seen {
            let silent = self.between(shape, i64::MAX - 1, i64::MAX);
            self.before = [silent; 2];
            let end = end_of(current - 1);
            let mut from = end_of(seen - 1).max(end - LONGEST_SILENCE);
            while from < end {
                let to = (from.floor(Span::HOUR) + Span::HOUR).min(end);
                self.learn(silent, most, (to - from).hours_f64(), to, zone);
                from = to;
            }
        }
        self.closed = current - 1;
    }

    fn learn(&mut self, value: Option<f64>, most: f64, hours: f64, end: Timestamp, zone: Zone) {
        if let (Some(usual), Some(value)) = (&mut self.usual, value) {
            // A moment before the end, which belongs to the next hour.
            let end = end - Span::SECOND;
            usual.learn(value.min(most), hours, end, end + zone.offset(end));
        }
    }

    /// What the window that ends now comes to; `None` for a mean, share or percentile of nothing.
    pub fn value(&self, shape: &Shape, now: Timestamp) -> Option<f64> {
        let to = now.bucket(shape.width);
        self.between(shape, to - shape.slots + 1, to)
    }

    /// Lines in the window that ends now.
    pub fn lines(&self, shape: &Shape, now: Timestamp) -> u64 {
        let to = now.bucket(shape.width);
        self.within(to - shape.slots + 1, to).map(|bucket| u64::from(bucket.lines)).sum()
    }

    /// Failed lines in the window that ends now, and what all of them cost.
    pub fn harm(&self, shape: &Shape, now: Timestamp) -> (u64, f64) {
        let to = now.bucket(shape.width);
        let buckets = self.within(to - shape.slots + 1, to);
        buckets.fold((0, 0.0), |(failed, cost), bucket| (failed + u64::from(bucket.failed), cost + bucket.cost))
    }

    /// What the last whole window came to that was over when this one began.
    pub fn before(&self, shape: &Shape, now: Timestamp) -> Option<f64> {
        let bucket = now.bucket(shape.width);
        let wanted = (bucket + 1).div_euclid(shape.slots) - 2;
        match self.closed - wanted {
            0 => self.before[0],
            1 => self.before[1],
            _ => None,
        }
    }

    /// What is usual at this hour, and for how long it has been learned.
    pub fn usual(&self, now: Timestamp, zone: Zone) -> Option<(f64, Span)> {
        let usual = self.usual.as_deref()?;
        Some((usual.at(now + zone.offset(now))?, usual.age(now)))
    }

    /// The first moment of the window that ends now in which there was a line.
    pub fn begin(&self, shape: &Shape, now: Timestamp) -> Option<Timestamp> {
        let to = now.bucket(shape.width);
        let first = self.within(to - shape.slots + 1, to).next()?;
        Some(Timestamp::of_bucket(first.at, shape.width).max(self.since))
    }

    /// Since when it is counted.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether asking for its value is next to nothing: not so for percentiles, and for thousands of different values.
    pub fn is_light(&self, shape: &Shape) -> bool {
        !matches!(shape.of, Of::Quantile(_)) && self.values.as_ref().is_none_or(|values| values.is_exact())
    }

    /// Whether nothing is in the window that ends now.
    pub fn is_empty(&self, shape: &Shape, now: Timestamp) -> bool {
        self.buckets.back().is_none_or(|bucket| bucket.at <= now.bucket(shape.width) - shape.slots)
    }

    /// Bytes that it has beside itself.
    pub fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
            + self.values.as_ref().map_or(0, |values| size_of::<Values>() + values.bytes())
            + self.spreads.iter().map(|(_, spread)| 32 + spread.bytes()).sum::<usize>()
            + self.usual.as_ref().map_or(0, |_| size_of::<Usual>())
    }

    fn within(&self, from: i64, to: i64) -> impl Iterator<Item = &Bucket> {
        self.buckets.iter().filter(move |bucket| from <= bucket.at && bucket.at <= to)
    }

    fn between(&self, shape: &Shape, from: i64, to: i64) -> Option<f64> {
        let lines = || self.within(from, to).map(|bucket| f64::from(bucket.lines)).sum::<f64>();
        let sum = || self.within(from, to).map(|bucket| bucket.sum).sum::<f64>();
        let of_lines = |n: f64| Some(lines()).filter(|lines| *lines > 0.0).map(|lines| n / lines);
        match shape.of {
            Of::Count => Some(lines()),
            Of::Sum => Some(sum()),
            Of::Distinct => self.values.as_ref().map(|values| values.count(from, to)),
            Of::Mean => of_lines(sum()),
            Of::Share => of_lines(self.within(from, to).map(|bucket| f64::from(bucket.part)).sum()),
            Of::Quantile(part) => {
                let spreads = self.spreads.iter().filter(|(at, _)| from <= *at && *at <= to);
                quantile(spreads.map(|(_, spread)| spread), part)
            }
        }
    }
}
