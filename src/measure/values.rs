//! How many different values there were in a window that slides: exact for a thousand, within 7 % for any number.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::distinct::Distinct;

/// Values that are known one by one.
const FEW: usize = 1024;

/// The values of a window, each with the bucket of time in which it was last seen; beyond `FEW` a sketch a bucket.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Values {
    known: Vec<u64>,
    /// When each was last seen, in the same order.
    seen: Vec<i64>,
    /// By bucket, ascending.
    sketches: VecDeque<(i64, Distinct)>,
    newest: i64,
}

impl Values {
    /// Takes a value, by its keyed hash. Buckets up to `forgotten` are over.
    pub fn insert(&mut self, value: u64, bucket: i64, forgotten: i64) {
        if bucket > self.newest || self.known.is_empty() {
            self.newest = self.newest.max(bucket);
            self.forget(forgotten);
        }
        if !self.sketches.is_empty() {
            return self.sketch(value, bucket);
        }
        if let Some(place) = self.known.iter().position(|known| *known == value) {
            if let Some(seen) = self.seen.get_mut(place) {
                *seen = (*seen).max(bucket);
            }
            return;
        }
        if self.known.len() < FEW {
            self.known.push(value);
            self.seen.push(bucket);
            return;
        }
        for (value, seen) in std::mem::take(&mut self.known).into_iter().zip(std::mem::take(&mut self.seen)) {
            self.sketch(value, seen);
        }
        self.sketch(value, bucket);
    }

    fn sketch(&mut self, value: u64, bucket: i64) {
        let place = self.sketches.partition_point(|(at, _)| *at < bucket);
        if self.sketches.get(place).is_none_or(|(at, _)| *at != bucket) {
            self.sketches.insert(place, (bucket, Distinct::default()));
        }
        if let Some((_, sketch)) = self.sketches.get_mut(place) {
            sketch.insert(value);
        }
    }

    fn forget(&mut self, forgotten: i64) {
        while self.sketches.front().is_some_and(|(at, _)| *at <= forgotten) {
            self.sketches.pop_front();
        }
        if self.seen.iter().any(|seen| *seen <= forgotten) {
            let seen = &self.seen;
            let mut place = 0;
            self.known.retain(|_| {
                place += 1;
                seen.get(place - 1).is_some_and(|seen| *seen > forgotten)
            });
            self.seen.retain(|seen| *seen > forgotten);
        }
    }

    /// Whether they are known one by one.
    pub fn is_exact(&self) -> bool {
        self.sketches.is_empty()
    }

    /// How many there were in the buckets `from..=to`.
    pub fn count(&self, from: i64, to: i64) -> f64 {
        let within = |at: i64| from <= at && at <= to;
        if self.sketches.is_empty() {
            return self.seen.iter().filter(|seen| within(**seen)).count() as f64;
        }
        let mut all = Distinct::default();
        self.sketches.iter().filter(|(at, _)| within(*at)).for_each(|(_, sketch)| all.take(sketch));
        all.count()
    }

    /// Bytes that it has beside itself.
    pub fn bytes(&self) -> usize {
        (self.known.capacity() + self.seen.capacity()) * 8
            + self.sketches.iter().map(|(_, sketch)| 48 + sketch.bytes()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Hasher;

    #[test]
    fn a_thousand_are_exact_as_the_window_slides_and_more_are_near() {
        let hasher = Hasher::new(5);
        let id = |n: u32| hasher.id(&n.to_le_bytes()).0;
        let mut values = Values::default();
        // Ten a bucket, each seen twice; a window of 60 buckets.
        for bucket in 0..200i64 {
            for n in 0..10 {
                let value = id(bucket as u32 * 10 + n);
                values.insert(value, bucket, bucket - 60);
                values.insert(value, bucket, bucket - 60);
            }
            let expected = 10 * (bucket + 1).min(60);
            assert_eq!(values.count(bucket - 59, bucket), expected as f64);
        }
        assert!(values.bytes() < 24 * 1024);
        // A value that comes again is one, wherever it was before.
        values.insert(id(1995), 201, 141);
        assert_eq!(values.count(142, 201), 580.0);
        for n in 0..20_000 {
            values.insert(id(100_000 + n), 210 + i64::from(n) / 1000, 150);
        }
        let many = values.count(170, 229);
        assert!((many / 20_300.0 - 1.0).abs() < 0.2, "{many}");
        assert!(values.bytes() < 30 * 1024, "{}", values.bytes());
        values.insert(id(7), 500, 440);
        assert_eq!(values.count(441, 500), 1.0, "exact again once the many have slid out");
        let bytes = postcard::to_stdvec(&values).unwrap();
        assert_eq!(postcard::from_bytes::<Values>(&bytes).unwrap(), values);
    }
}
