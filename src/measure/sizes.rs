//! How large things usually are, on a logarithmic scale, and how many of the newest are far beyond that: bytes of answers
//! and requests, tokens, milliseconds.
//!
//! A series is a histogram of half octaves that fades over two weeks, and one bit for each of the newest 64 values. Days
//! on which many were far out are remembered: what happens every night is no news from the third night on. While many
//! are, nothing is learned, for at most a week.

use hashbrown::HashMap;
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
/// Subjects are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (128, 20_000);
/// Bytes a series takes, about.
const BYTES: usize = 440;

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

/// A value, and from where on it is far out.
pub type Value = (What, u32, Far);

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
    /// Mean of the logarithms (base 2) of those.
    far_size: f32,
    /// The local day, values far out on it, and the two days that had most.
    day: i64,
    today: u32,
    days: (f32, f32),
    held_since: Option<Timestamp>,
}

impl Sizes {
    fn new(t: Timestamp) -> Self {
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
            day: i64::MIN,
            today: 0,
            days: (0.0, 0.0),
            held_since: None,
        }
    }

    /// Takes a value on a local day. Whether many of the newest are far out.
    fn take(&mut self, value: u32, (t, day): (Timestamp, i64), far: Far, by: Id) -> bool {
        let hour = t.bucket(Span::HOUR);
        if hour > self.hour || self.limit == u32::MAX && self.weight >= KNOWN {
            self.fade(hour, far);
        }
        if day > self.day {
            self.end_day(day);
        }
        if self.held_since.is_some_and(|since| t - since >= ACCEPTED_AFTER) {
            *self = Sizes { day, ..Sizes::new(t) };
        }
        self.last_at = self.last_at.max(t);
        let is_far = value >= self.limit;
        self.newest = self.newest << 1 | u64::from(is_far);
        self.taken = (self.taken + 1).min(64);
        let (starts, ends) = far.chance(self.usual_far);
        if self.running {
            self.running = self.newest.count_ones() > ends.max(starts.min(22) / 2);
        } else if is_far && self.newest.count_ones() > if starts == 0 { 0 } else { starts.max(22) } {
            self.running = true;
            (self.since, self.far, self.far_size) = (t, 0, 0.0);
            (self.all, self.votes) = (0, 0);
        }
        self.all = self.all.saturating_add(1);
        if is_far {
            // Each that another made outweighs one: whoever is left made most.
            if self.by == by || self.votes == 0 {
                (self.by, self.votes) = (by, self.votes.saturating_add(1));
            } else {
                self.votes -= 1;
            }
            self.far = self.far.saturating_add(1);
            self.far_size += (f64::from(value.max(1)).log2() as f32 - self.far_size) / self.far as f32;
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

    /// How many of those since were made by others than `who` at least, and how many values there were since in all.
    pub fn far_of_others(&self, who: Id) -> (u32, u32) {
        let rest = self.far.saturating_sub(self.votes) / 2;
        (if self.by == who { rest } else { rest + self.votes.min(self.far) }, self.all)
    }

    /// Who made most of those since, if anybody did.
    pub fn mostly_by(&self) -> Option<Id> {
        (self.votes > 0 && self.by.is_some()).then_some(self.by)
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

/// What is measured of one subject.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Series {
    of: [Option<Box<Sizes>>; 5],
    listed: bool,
}

/// Series of many subjects, within a limit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scales {
    subjects: HashMap<Id, Series>,
    listed: Vec<Id>,
    series: usize,
}

impl Scales {
    /// How many series fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / BYTES).clamp(MOST.0, MOST.1)
    }

    /// Takes values of a subject, all of one request. `most` series are kept. Answers with the middle of what was usual of
    /// each, 0 where that is not known. `by`: whose request it was, or on which route.
    pub fn take(&mut self, (id, by): (Id, Id), values: &[Value], when: (Timestamp, i64), most: usize) -> [f32; 5] {
        let mut middles = [0.0; 5];
        if self.series >= most && !self.subjects.contains_key(&id) {
            self.make_room(most);
        }
        let series = self.subjects.entry(id).or_default();
        let mut many = false;
        for (what, value, far) in values {
            let Some(place) = series.of.get_mut(what.index()) else { continue };
            let added = &mut self.series;
            let sizes = place.get_or_insert_with(|| {
                *added += 1;
                Box::new(Sizes::new(when.0))
            });
            middles[what.index()] = sizes.middle;
            many |= sizes.take(*value, when, *far, by);
        }
        if many && !series.listed {
            series.listed = true;
            self.listed.push(id);
        }
        middles
    }

    /// What is known of a subject.
    pub fn of(&self, id: Id, what: What) -> Option<&Sizes> {
        self.subjects.get(&id)?.of[what.index()].as_deref()
    }

    /// The same, to hold it.
    pub fn of_mut(&mut self, id: Id, what: What) -> Option<&mut Sizes> {
        self.subjects.get_mut(&id)?.of[what.index()].as_deref_mut()
    }

    /// Takes the list of subjects of whose newest values many are far out, that had one since the last call.
    pub fn take_listed(&mut self) -> Vec<Id> {
        let mut listed = std::mem::take(&mut self.listed);
        listed.sort_unstable();
        for id in &listed {
            if let Some(series) = self.subjects.get_mut(id) {
                series.listed = false;
            }
        }
        listed
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.series * BYTES + self.subjects.capacity() * 64
    }

    /// Those that were measured most, and lately, stay.
    fn make_room(&mut self, most: usize) {
        let worth = |series: &Series| {
            let all = series.of.iter().flatten();
            all.map(|s| (s.last_at.bucket(Span::DAY), s.weight as u64)).max().unwrap_or_default()
        };
        let mut order: Vec<((i64, u64), Id, usize)> =
            self.subjects.iter().map(|(id, s)| (worth(s), *id, s.of.iter().flatten().count())).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut left = most - most / 4;
        for (_, id, n) in order {
            if n <= left {
                left -= n;
            } else {
                left = 0;
                self.series -= n;
                self.subjects.remove(&id);
            }
        }
    }
}

impl Serialize for Scales {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut subjects: Vec<(&Id, &Series)> = self.subjects.iter().collect();
        subjects.sort_unstable_by_key(|(id, _)| **id);
        (subjects, &self.listed).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Scales {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut subjects = HashMap::new();
        let (saved, listed) = <(Vec<(Id, Series)>, Vec<Id>)>::deserialize(d)?;
        for (id, mut series) in saved {
            series.of.iter_mut().flatten().for_each(|sizes| sizes.bins.resize(BINS, 0.0));
            subjects.insert(id, series);
        }
        let series = subjects.values().map(|s| s.of.iter().flatten().count()).sum();
        Ok(Scales { subjects, listed, series })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn put(scales: &mut Scales, n: i64, value: u32) {
        let t = START + Span::from_mins(n);
        scales.take((Id(1), Id::NONE), &[(What::TokensIn, value, Far::Most)], (t, t.bucket(Span::DAY)), 1000);
    }

    #[test]
    fn bins_are_half_octaves() {
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 1023, 1024, u32::MAX].map(bin_of), [0, 0, 2, 3, 4, 4, 5, 19, 20, 63]);
    }

    #[test]
    fn eight_thousand_tokens_are_far_from_five_hundred() {
        let mut scales = Scales::default();
        for n in 0..3000 {
            put(&mut scales, n, 300 + (n as u32 * 7919) % 500);
        }
        let sizes = scales.of(Id(1), What::TokensIn).unwrap();
        assert!((520.0..580.0).contains(&sizes.quantile(0.5)), "{}", sizes.quantile(0.5));
        assert_eq!(sizes.far_of_newest(64), 0);
        let before = sizes.quantile(0.99);
        for n in 3000..3300 {
            put(&mut scales, n, 8000);
        }
        assert_eq!(scales.take_listed(), [Id(1)]);
        let sizes = scales.of(Id(1), What::TokensIn).unwrap();
        assert_eq!((sizes.far_of_newest(32), sizes.far().1), (32, 300));
        assert!((sizes.far().2 / 8000.0 - 1.0).abs() < 0.01 && sizes.quantile(0.99) <= 2.0 * before);
        assert_eq!(sizes.far().0, START + Span::from_mins(3000));
    }

    #[test]
    fn memory_is_bounded_and_saved() {
        let mut scales = Scales::default();
        for n in 0..2000u64 {
            let t = START + Span::from_secs(n as i64);
            for _ in 0..3 {
                scales.take((Id(1), Id::NONE), &[(What::Response, 1000, Far::Most)], (t, 1), 128);
            }
            scales.take((Id(10 + n), Id::NONE), &[(What::Response, 1000, Far::Most)], (t, 1), 128);
            assert!(scales.series <= 128 + 1);
        }
        assert!(scales.of(Id(1), What::Response).is_some_and(|s| s.weight() > 5000.0));
        let bytes = postcard::to_stdvec(&scales).unwrap();
        assert_eq!(postcard::from_bytes::<Scales>(&bytes).unwrap().subjects, scales.subjects);
    }
}
