//! How large things usually are, on a logarithmic scale, and how many of the newest are far beyond that: bytes of answers
//! and requests, tokens, milliseconds.
//!
//! A series is a histogram of half octaves that fades over two weeks, and one bit for each of the newest 64 values. Days
//! on which many were far out are remembered: what happens every night is no news from the third night on. While many
//! are, nothing is learned, for at most a week.

use serde::{Deserialize, Serialize};

use crate::event::Id;
use crate::time::{Span, Timestamp};

/// Half octaves from 1 to 2^32.
const BINS: usize = 64;
/// What is left of old values after an hour: half of them after two weeks.
const KEPT: f32 = 0.998;
/// Values that must be known before any is far out.
const KNOWN: f32 = 100.0;
/// An extreme that goes on for so long is the new usual.
const ACCEPTED_AFTER: Span = Span::from_days(7);
/// What is left of a remembered day after a day.
const DAY_KEPT: f32 = 0.98;
/// What is left of a call among the latest ones after a minute: half after two.
const LATELY_KEPT: f32 = 0.707;
/// A run of values far out began where so many at most of the 16 before were.
const ONSET: u32 = 4;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum What {
    /// Milliseconds a request took.
    Duration,
    /// Bytes of the answer.
    Response,
    /// Bytes of the request.
    Request,
    /// Tokens read by a model.
    TokensIn,
    /// Tokens written by a model.
    TokensOut,
}

impl What {
    /// Everything there is.
    pub const ALL: [What; 5] = [What::Duration, What::Response, What::Request, What::TokensIn, What::TokensOut];

    /// Its place in [`What::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// From where on a value is far out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Far {
    /// Twice the usual middle.
    Middle,
    /// Twice what hardly any exceeds.
    Most,
}

impl Far {
    /// More of 64 than these are far out when something runs, and no more when it is over, if of the usual values this
    /// share is far out.
    fn chance(self, usual: f32) -> (u32, u32) {
        match self {
            Far::Middle => ((96.0 * usual) as u32 + 12, (64.0 * usual) as u32 + 3),
            Far::Most => (0, 0),
        }
    }
}

/// A value of a request.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Value {
    /// What was measured.
    pub what: What,
    /// How much it was: in bytes, tokens or milliseconds, or in steps of another size.
    pub value: u32,
    /// How much a step is.
    pub step: f32,
    /// From where on it is far out.
    pub far: Far,
}

/// How one series is doing just now: calls of the last few minutes, older ones counting less.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Lately {
    /// Calls.
    pub calls: f64,
    /// Those far out.
    pub far: f64,
    /// Mean of their values, far out or not, on the scale of logarithms.
    pub size: f64,
    /// Mean of what they came to.
    pub amount: f64,
}

/// One series.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sizes {
    bins: Vec<f32>,
    weight: f32,
    first_at: Timestamp,
    last_at: Timestamp,
    /// Number of the hour up to which old values have faded.
    hour: i64,
    /// The middle of the usual values; 0 while too little is known.
    middle: f32,
    /// From here on a value is far out; `u32::MAX` while too little is known.
    limit: u32,
    /// The newest 64 values, newest lowest: whether they were far out.
    newest: u64,
    /// How many of them there are.
    taken: u8,
    /// Whether more of the newest are far out than chance brings; since when, and how many were since.
    running: bool,
    /// See `running`.
    since: Timestamp,
    /// See `running`.
    far: u32,
    /// When the newest of them came.
    far_at: Timestamp,
    /// Values since then, far out or not.
    all: u32,
    /// Who made most of those far out, if anybody did, and by how many more than all others at least.
    by: Id,
    votes: u32,
    /// The share of the usual values that is far out.
    usual_far: f32,
    /// Means of the logarithms (base 2) of those, of what they came to, and of the logarithms of all since, far out or not.
    far_size: f32,
    far_amount: f32,
    all_size: f32,
    /// When the newest values began to be far out: the first of a run of them.
    onset: Timestamp,
    /// Calls of the last minutes, those far out, the sum of the logarithms of all, and what they came to.
    lately: [f32; 4],
    /// The local day, values far out on it, and the two days that had most.
    day: i64,
    today: u32,
    days: (f32, f32),
    held_since: Option<Timestamp>,
}

impl Sizes {
    pub(super) fn new(t: Timestamp) -> Self {
        Sizes {
            bins: vec![0.0; BINS],
            weight: 0.0,
            first_at: t,
            last_at: t,
            hour: t.bucket(Span::HOUR),
            middle: 0.0,
            limit: u32::MAX,
            newest: 0,
            taken: 0,
            running: false,
            since: t,
            far: 0,
            far_at: t,
            all: 0,
            by: Id::NONE,
            votes: 0,
            usual_far: 0.0,
            far_size: 0.0,
            far_amount: 0.0,
            all_size: 0.0,
            onset: t,
            lately: [0.0; 4],
            day: i64::MIN,
            today: 0,
            days: (0.0, 0.0),
            held_since: None,
        }
    }

    /// Reads a little of what [`Sizes::take`] looks at; the answer means nothing.
    pub(super) fn warm(&self) -> u64 {
        self.newest ^ self.hour as u64 ^ u64::from(self.lately[0].to_bits()) ^ self.day as u64
    }

    /// Takes a value on a local day. Whether many of the newest are far out.
    pub(super) fn take(&mut self, value: &Value, (t, day): (Timestamp, i64), by: Id) -> bool {
        let Value { value, step, far, .. } = *value;
        let hour = t.bucket(Span::HOUR);
        if hour > self.hour || self.limit == u32::MAX && self.weight >= KNOWN {
            self.fade(hour, far);
        }
        if day > self.day {
            self.end_day(day);
        }
        let goes_on = self.running && self.newest.count_ones() >= 32;
        let since = self.held_since.or(goes_on.then_some(self.since));
        if since.is_some_and(|since| t - since >= ACCEPTED_AFTER) {
            *self = Sizes { day, ..Sizes::new(t) };
        }
        let passed = t.bucket(Span::MINUTE) - self.last_at.bucket(Span::MINUTE);
        if passed > 0 {
            let kept = LATELY_KEPT.powi(passed.min(100) as i32);
            self.lately = self.lately.map(|sum| kept * sum);
        }
        self.last_at = self.last_at.max(t);
        let is_far = value >= self.limit;
        let (size, amount) = ((value.max(1) as f32).log2(), value as f32 * step);
        let [calls, far_calls, sizes, amounts] = self.lately;
        self.lately = [calls + 1.0, far_calls + f32::from(u8::from(is_far)), sizes + size, amounts + amount];
        if is_far && (self.newest & 0xffff).count_ones() <= ONSET {
            self.onset = t;
        }
        self.newest = self.newest << 1 | u64::from(is_far);
        self.taken = (self.taken + 1).min(64);
        let (starts, ends) = far.chance(self.usual_far);
        if self.running {
            self.running = self.newest.count_ones() > ends.max(starts.min(22) / 2);
        } else if is_far && self.newest.count_ones() > if starts == 0 { 0 } else { starts.max(22) } {
            self.running = true;
            // What needs many to be noticed began before.
            self.since = if starts == 0 { t } else { self.onset };
            (self.far, self.far_size, self.far_amount, self.all_size) = (0, 0.0, 0.0, 0.0);
            (self.all, self.votes) = (0, 0);
        }
        self.all = self.all.saturating_add(1);
        self.all_size += (size - self.all_size) / self.all as f32;
        if is_far {
            // Each that another made outweighs one: whoever is left made most.
            if self.by == by || self.votes == 0 {
                (self.by, self.votes) = (by, self.votes.saturating_add(1));
            } else {
                self.votes -= 1;
            }
            self.far = self.far.saturating_add(1);
            self.far_size += (size - self.far_size) / self.far as f32;
            self.far_amount += (amount - self.far_amount) / self.far as f32;
            self.far_at = self.far_at.max(t);
            // What chance brings is of no day's making.
            self.today = self.today.saturating_add(u32::from(self.running));
        }
        let many = self.newest.count_ones() >= 10;
        if self.held_since.is_none()
            && !(is_far && many)
            && let Some(bin) = self.bins.get_mut(bin_of(value))
        {
            *bin += 1.0;
            self.weight += 1.0;
        }
        many
    }

    fn fade(&mut self, hour: i64, far: Far) {
        let kept = KEPT.powi((hour - self.hour).clamp(0, 10_000) as i32);
        self.bins.iter_mut().for_each(|bin| *bin *= kept);
        self.weight *= kept;
        self.hour = self.hour.max(hour);
        self.limit = u32::MAX;
        if self.weight >= KNOWN {
            self.middle = self.quantile(0.5) as f32;
            let from = match far {
                Far::Middle => f64::from(self.middle),
                Far::Most => self.quantile(0.99),
            };
            self.limit = (2.0 * from).min(4e9) as u32;
            let beyond = self.bins.get(bin_of(self.limit)..).unwrap_or_default();
            self.usual_far = beyond.iter().sum::<f32>() / self.weight;
        }
    }

    fn end_day(&mut self, day: i64) {
        let passed = day.saturating_sub(self.day).clamp(0, 400) as i32;
        if self.held_since.is_none() && self.today > 0 {
            let today = self.today as f32;
            let (first, second) = self.days;
            self.days = if today > first { (today, first) } else { (first, second.max(today)) };
        }
        let kept = DAY_KEPT.powi(passed);
        self.days = (self.days.0 * kept, self.days.1 * kept);
        (self.day, self.today) = (day, 0);
    }

    /// After it was read: as many bins as there are now.
    pub(super) fn fit(&mut self) {
        self.bins.resize(BINS, 0.0);
    }

    /// The value that this share of the usual ones does not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut left = share * f64::from(self.weight);
        for (bin, n) in self.bins.iter().enumerate() {
            let n = f64::from(*n);
            if n > 0.0 && left <= n {
                // As far into the bin as values are left, on the scale of logarithms: its middle would be a fifth off.
                return (0.5 * (bin as f64 + (left / n).clamp(0.0, 1.0))).exp2();
            }
            left -= n;
        }
        0.0
    }

    /// The mean of the usual values on the scale of logarithms; 0 while nothing is known.
    pub fn mean(&self) -> f64 {
        let sum: f64 = self.bins.iter().zip(0..).map(|(n, bin)| f64::from(*n) * (0.5 * f64::from(bin) + 0.25)).sum();
        if self.weight > 0.0 { (sum / f64::from(self.weight)).exp2() } else { 0.0 }
    }

    /// The middle of the usual values as of the last full hour; 0 while too little is known.
    pub fn middle(&self) -> f64 {
        f64::from(self.middle)
    }

    /// How much is known: values, old ones counting less.
    pub fn weight(&self) -> f64 {
        f64::from(self.weight)
    }

    /// How long it has been measured.
    pub fn age(&self, now: Timestamp) -> Span {
        now - self.first_at
    }

    /// When the newest value came.
    pub fn last_at(&self) -> Timestamp {
        self.last_at
    }

    /// How many of the newest `n` values (at most 64) are far out.
    pub fn far_of_newest(&self, n: u32) -> u32 {
        let mask = if n >= 64 { u64::MAX } else { (1 << n) - 1 };
        (self.newest & mask).count_ones()
    }

    /// How many of the newest values there are, at most 64.
    pub fn newest(&self) -> u32 {
        u32::from(self.taken)
    }

    /// Since when more values are far out than chance brings, how many were since, and their size (the mean on the scale of logarithms).
    pub fn far(&self) -> (Timestamp, u32, f64) {
        (self.since, self.far, f64::from(self.far_size).exp2())
    }

    /// What those far out came to, on average.
    pub fn far_amount(&self) -> f64 {
        f64::from(self.far_amount)
    }

    /// The mean, on the scale of logarithms, of all values since then.
    pub fn all_size(&self) -> f64 {
        f64::from(self.all_size).exp2()
    }

    /// When the newest values began to be far out, if they are.
    pub fn onset(&self) -> Timestamp {
        self.onset
    }

    /// How it is doing just now.
    pub fn lately(&self, now: Timestamp) -> Lately {
        let passed = (now.bucket(Span::MINUTE) - self.last_at.bucket(Span::MINUTE)).clamp(0, 100);
        let kept = f64::from(LATELY_KEPT).powi(passed as i32);
        let [calls, far, sizes, amounts] = self.lately.map(f64::from);
        let all = calls.max(1e-9);
        Lately { calls: kept * calls, far: kept * far, size: (sizes / all).exp2(), amount: amounts / all }
    }

    /// How many of those since were made by others than `who` at least, and how many values there were since in all.
    pub fn far_of_others(&self, who: Id) -> (u32, u32) {
        let rest = self.far.saturating_sub(self.votes) / 2;
        (if self.by == who { rest } else { rest + self.votes.min(self.far) }, self.all)
    }

    /// Who made most of those since, if anybody did.
    pub fn mostly_by(&self) -> Option<Id> {
        (self.votes > 0 && self.by.is_some()).then_some(self.by)
    }

    /// When the newest value far out came.
    pub fn far_at(&self) -> Timestamp {
        self.far_at
    }

    /// How long values have been far out: from the first to the newest of them.
    pub fn far_for(&self) -> Span {
        self.far_at - self.since
    }

    /// Values far out today, and on the second worst of the days before.
    pub fn days(&self) -> (f64, f64) {
        (f64::from(self.today), f64::from(self.days.1))
    }

    /// Notes that an incident is open, or over.
    pub fn hold(&mut self, since: Option<Timestamp>) {
        self.held_since = match (self.held_since, since) {
            (Some(known), Some(_)) => Some(known),
            (_, since) => since,
        };
    }

    /// Whether an incident is open.
    pub fn is_held(&self) -> bool {
        self.held_since.is_some()
    }
}

/// The half octave of a value.
fn bin_of(value: u32) -> usize {
    let value = value.max(1);
    let octave = value.ilog2();
    // Above the root of two times the octave's beginning: 181/128.
    let upper = u64::from(value) * 128 >= 181u64 << octave;
    2 * octave as usize + usize::from(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_half_octaves() {
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 1023, 1024, u32::MAX].map(bin_of), [0, 0, 2, 3, 4, 4, 5, 19, 20, 63]);
    }
}
