//! Three simple methods that are in wide use, made with reasonable care: what they find in the same traffic, and how
//! often they cry wolf.

use super::shape::{DAY, HOUR, MINUTE};

/// The methods, as the table names them.
pub const METHODS: [&str; 3] =
    ["3 sigma on five minutes", "3x the mean of the hour of the week", "leaky bucket, 40 at 2/s"];

/// Something that a method has raised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Alarm {
    /// Index in [`METHODS`].
    pub method: usize,
    /// Number of the key.
    pub key: u32,
    pub at: i64,
}

/// Five minutes: what counts are made over.
const FIVE: i64 = 5 * MINUTE;
/// An alarm is over when nothing was raised for so long.
const QUIET: i64 = 30 * MINUTE;
/// History that a mean takes before it is trusted.
const WARM: [i64; 2] = [DAY, 7 * DAY];
/// Requests in five minutes below which nobody is bothered.
const LEAST: f64 = 50.0;
/// The mean and the variance follow the last week.
const WEIGHT: f64 = 1.0 / (7.0 * 288.0);
/// The bucket: its size, and what leaks a second.
const BUCKET: (f64, f64) = (40.0, 2.0);

#[derive(Clone, Debug)]
struct Key {
    first: i64,
    /// Requests of these five minutes.
    count: f64,
    n: f64,
    mean: f64,
    variance: f64,
    /// Requests by hour of the week, and the five minutes they came in.
    slots: Box<[(f32, f32); 168]>,
    level: f64,
    leaked: i64,
    last: [i64; 3],
}

/// All three, over all keys.
#[derive(Clone, Debug, Default)]
pub struct Baselines {
    keys: Vec<Key>,
    window: Option<i64>,
    first: i64,
}

impl Baselines {
    /// One request of a key.
    pub fn count(&mut self, key: u32, time: i64, out: &mut Vec<Alarm>) {
        let window = time.div_euclid(FIVE);
        let current = *self.window.get_or_insert_with(|| {
            self.first = time;
            window
        });
        if window > current {
            // Not more than a day of silence is walked through.
            for closed in current.max(window - 288)..window {
                self.close(closed, out);
            }
            self.window = Some(window);
        }
        if self.keys.len() <= key as usize {
            let slots = Box::new([(0.0, 0.0); 168]);
            let new = Key {
                first: time,
                count: 0.0,
                n: 0.0,
                mean: 0.0,
                variance: 0.0,
                slots,
                level: 0.0,
                leaked: time,
                last: [i64::MIN; 3],
            };
            self.keys.resize(key as usize + 1, new);
        }
        let state = &mut self.keys[key as usize];
        state.count += 1.0;
        let waited = (time - state.leaked).max(0) as f64 / 1000.0;
        state.leaked = state.leaked.max(time);
        state.level = (state.level - BUCKET.1 * waited).max(0.0) + 1.0;
        if state.level > BUCKET.0 {
            state.level = BUCKET.0;
            raise(state, 2, key, time, out);
        }
    }

    /// Five minutes are over.
    fn close(&mut self, window: i64, out: &mut Vec<Alarm>) {
        let end = (window + 1) * FIVE;
        let slot = (window * FIVE).div_euclid(HOUR).rem_euclid(168) as usize;
        for (number, key) in self.keys.iter_mut().enumerate() {
            let (x, watched) = (std::mem::take(&mut key.count), end - key.first.max(self.first));
            if x >= LEAST && watched >= WARM[0] && x > key.mean + 3.0 * key.variance.sqrt() {
                raise(key, 0, number as u32, end, out);
            }
            let (sum, n) = key.slots[slot];
            if x >= LEAST && watched >= WARM[1] && n > 0.0 && x > 3.0 * f64::from(sum) / f64::from(n) {
                raise(key, 1, number as u32, end, out);
            }
            key.n += 1.0;
            let weight = (1.0 / key.n).max(WEIGHT);
            let off = x - key.mean;
            key.mean += weight * off;
            key.variance = (1.0 - weight) * (key.variance + weight * off * off);
            key.slots[slot] = (sum + x as f32, n + 1.0);
        }
    }
}

fn raise(key: &mut Key, method: usize, number: u32, at: i64, out: &mut Vec<Alarm>) {
    if key.last[method] == i64::MIN || at - key.last[method] > QUIET {
        out.push(Alarm { method, key: number, at });
    }
    key.last[method] = at;
}
