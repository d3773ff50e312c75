//! The usual for one stream at one time: how many, how much that varies, and which peaks it has made before.
//!
//! A stream's expectation is a blend of its long-run level, its hours of the day and its hours of the week, each worth
//! as much as it has seen (Gamma-Poisson shrinkage). Its spread is the variance beyond Poisson, measured at each
//! window length, because real streams range from nearly Poisson to wildly bursty. Nothing is learned from an incident
//! after its first hours, so what goes on does not become normal.

mod habit;
mod learning;

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use crate::measure::calendar::{Calendar, Moment};
use crate::measure::decayed::Slot;
use crate::measure::ring::Counts;
use crate::time::{Span, Timestamp, Zone};

/// The window lengths that are judged, in minutes.
pub const WINDOWS_MIN: [i64; 6] = [1, 5, 15, 60, 360, 1440];

/// Decay of the level per hour: about a week.
const LEVEL_DECAY: f32 = 0.994;
/// Decay of an hour of the day per day.
const DAY_DECAY: f32 = 0.93;
/// Decay of an hour of the week per week.
const WEEK_DECAY: f32 = 0.75;
/// Decay of the spread sums per hour: 0.75 a week.
const SPREAD_DECAY: f32 = 0.998_289;
/// Decay of remembered peaks per day: 0.93 a week.
const PEAK_DECAY: f32 = 0.989_69;
/// Decay of the counter of own bursts per hour: 0.8 a week.
const BURSTS_DECAY: f32 = 0.998_673;
/// Decay per hour of what `short` compares.
const SHORT_DECAY: f32 = 0.6;
/// Variance beyond Poisson that a stream is born with, and the weight of that belief.
const PRIOR_SPREAD: (f32, f32) = (0.25, 30.0);

/// Sums that a variance beyond Poisson is estimated from.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Sums {
    over: f32,
    weight: f32,
}

/// The two largest values of something, largest first.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct TopTwo(f32, f32);

impl TopTwo {
    fn put(&mut self, x: f32) {
        if x > self.0 {
            *self = TopTwo(x, self.0);
        } else if x > self.1 {
            self.1 = x;
        }
    }

    fn decay(&mut self, by: f32) {
        self.0 *= by;
        self.1 *= by;
    }
}

/// Peaks of one hour of the day: of 5-minute and of 60-minute totals.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct HourPeaks {
    five: TopTwo,
    sixty: TopTwo,
}

/// What a stream usually does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Normal {
    /// When the stream was first seen.
    pub born: Timestamp,
    level: (f32, f32),
    by_hour_of_day: [Slot; 24],
    by_hour_of_week: Box<[Slot]>,
    spread: [Sums; 6],
    spread_of_hour: [Sums; 24],
    peaks: [HourPeaks; 24],
    /// Largest daily maxima at 5 minutes, 60 minutes, 6 hours; and today's so far.
    overall: [TopTwo; 3],
    today: [f32; 3],
    day: i64,
    short: (f32, f32),
    bursts: f32,
    in_burst: bool,
    open_since: Option<Timestamp>,
    calm_since: Option<Timestamp>,
    /// Hours up to this one have been learned.
    learned: i64,
    #[serde(skip)]
    lately: Lately,
}

/// The rates of two hours that were asked for lately, one of even and one of odd number, as neighbours are: ticks ask for
/// the same ones over and over.
#[derive(Clone, Debug, Default)]
struct Lately([Cell<Option<Rate>>; 2]);

/// The rate of an hour, where the level is as it was then.
#[derive(Clone, Copy, Debug)]
struct Rate {
    hour: u8,
    level: f32,
    rate: f32,
}

/// What is only remembered makes no difference.
impl PartialEq for Lately {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What everybody shares when a stream's usual is asked or taught.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The zone of hours and days.
    pub zone: Zone,
    /// Void minutes and site factors.
    pub calendar: &'a Calendar,
    /// Mean rate of streams of this kind, per minute: what a stream without history is taken for.
    pub population_mean: f64,
}

impl Normal {
    /// A stream first seen at `t`.
    pub fn new(t: Timestamp) -> Self {
        Normal {
            born: t,
            level: (0.0, 0.0),
            by_hour_of_day: [Slot::default(); 24],
            by_hour_of_week: vec![Slot::default(); 168].into(),
            spread: [Sums::default(); 6],
            spread_of_hour: [Sums::default(); 24],
            peaks: [HourPeaks::default(); 24],
            overall: [TopTwo::default(); 3],
            today: [0.0; 3],
            day: i64::MIN,
            short: (0.0, 0.0),
            bursts: 0.0,
            in_burst: false,
            open_since: None,
            calm_since: None,
            learned: t.bucket(Span::HOUR) - 1,
            lately: Lately::default(),
        }
    }

    /// How long the stream has been watched.
    pub fn age(&self, now: Timestamp) -> Span {
        (now - self.born).max(Span::ZERO)
    }

    /// Mean rate over about a week, per minute.
    pub fn level(&self, population_mean: f64) -> f64 {
        level(self.level, population_mean)
    }

    /// What [`level`] takes: decayed events, and the decayed minutes that they were counted in. Changes only with learning.
    pub fn parts_of_level(&self) -> (f32, f32) {
        self.level
    }

    /// Events counted in about the last week: how much the usual rests on.
    pub fn weight(&self) -> f64 {
        f64::from(self.level.0)
    }

    /// The expected rate at a moment, per minute.
    pub fn rate(&self, at: Moment, around: &Surroundings<'_>) -> f64 {
        let level = self.level(around.population_mean) as f32;
        let here = self.remembered_rate(at.hour, level);
        let near = if at.weight > 0.0 { self.remembered_rate(at.near, level) } else { here };
        f64::from((1.0 - at.weight) * here + at.weight * near) * self.short_factor()
    }

    /// As [`Normal::rate_of_hour`], which changes with the level and with learning alone.
    fn remembered_rate(&self, hour: usize, level: f32) -> f32 {
        let place = &self.lately.0[hour % 2];
        match place.get() {
            Some(known) if usize::from(known.hour) == hour && known.level == level => known.rate,
            _ => {
                let rate = self.rate_of_hour(hour, level);
                place.set(Some(Rate { hour: hour as u8, level, rate }));
                rate
            }
        }
    }

    /// The expected number of events in the window of length `window` that ends at `end`.
    pub fn expected(&self, end: Timestamp, window: Span, around: &Surroundings<'_>) -> f64 {
        let whole = window.mins_f64();
        if window <= Span::HOUR {
            let middle = end - window.scale(0.5);
            return whole * self.rate(Moment::at(middle, around.zone), around);
        }
        let hours = (window.millis() / Span::HOUR.millis()).max(1);
        let step = Span::from_millis(window.millis() / hours);
        (0..hours)
            .map(|i| {
                let middle = end - step.times(i) - step.scale(0.5);
                step.mins_f64() * self.rate(Moment::at(middle, around.zone), around)
            })
            .sum()
    }

    /// The same without regard to how the last hours were: while something is missing, it does not become less usual.
    pub fn usual(&self, end: Timestamp, window: Span, around: &Surroundings<'_>) -> f64 {
        self.expected(end, window, around) / self.short_factor()
    }

    /// What the window of length `window` that ends at `end` should hold at the least: the smaller of what this hour of the
    /// week and this hour of the day usually bring, without today's growth. One busy week does not make silence odd.
    pub fn expected_at_least(&self, end: Timestamp, window: Span, around: &Surroundings<'_>) -> f64 {
        let at = Moment::at(end - window.scale(0.5), around.zone);
        let level = self.level(around.population_mean) as f32;
        let low = |hour: usize| self.rate_of_hour(hour, level).min(self.rate_of_day(hour, level));
        let near = if at.weight > 0.0 { low(at.near) } else { 0.0 };
        let rate = (1.0 - at.weight) * low(at.hour) + at.weight * near;
        window.mins_f64() * f64::from(rate) * self.short_factor().min(1.0)
    }

    /// The same for a stream that may well pause: the least that any of the hours around the window brings. What works
    /// for an hour a day, on both sides of a full hour even, is no stream whose silence is odd: its job may be late.
    pub fn expected_steadily(&self, end: Timestamp, window: Span, around: &Surroundings<'_>) -> f64 {
        let middle = end - window.scale(0.5);
        let level = self.level(around.population_mean) as f32;
        let low = |hour: usize| self.rate_of_hour(hour, level).min(self.rate_of_day(hour, level));
        let least = [Span::ZERO - Span::HOUR, Span::ZERO, Span::HOUR]
            .map(|by| Moment::at(middle + by, around.zone))
            .map(|at| low(at.hour).min(low(at.near)));
        let rate = least.into_iter().fold(f32::INFINITY, f32::min);
        window.mins_f64() * f64::from(rate) * self.short_factor().min(1.0)
    }

    /// No less than [`Normal::expected_steadily`] says, found without asking every hour around the window.
    pub fn steadily_at_most(&self, end: Timestamp, window: Span, around: &Surroundings<'_>) -> f64 {
        let at = Moment::at(end - window.scale(0.5), around.zone);
        let rate = self.remembered_rate(at.hour, self.level(around.population_mean) as f32);
        window.mins_f64() * f64::from(rate) * self.short_factor().min(1.0)
    }

    /// Variance beyond Poisson over squared mean for windows of index `w` of [`WINDOWS_MIN`] that end at `now`.
    pub fn spread(&self, w: usize, now: Timestamp, hour: usize) -> f64 {
        let shape = 0.3 + self.weight();
        self.known_spread(w, hour) + 1.0 / shape + (-self.age(now).days_f64() / 3.0).exp()
    }

    /// The same, however little is known of it yet.
    pub fn known_spread(&self, w: usize, hour: usize) -> f64 {
        let of = |s: &Sums| (PRIOR_SPREAD.1 * PRIOR_SPREAD.0 + s.over) / (PRIOR_SPREAD.1 + s.weight);
        let whole = of(&self.spread[w]).max(0.002);
        let mut alpha = f64::from(whole);
        if w <= 3 {
            let five = of(&self.spread[1]).max(0.002);
            let s = self.spread_of_hour[hour % 24];
            let here = (PRIOR_SPREAD.1 * five + s.over) / (PRIOR_SPREAD.1 + s.weight);
            // Shrunk by 5 % towards the whole.
            alpha *= f64::from(here / five).clamp(0.05, 10.0).powf(0.95);
        }
        alpha.max(0.01)
    }

    /// Notes a judgement: surprise in bits against what is needed, and whether the stream is calm at `now`.
    pub fn note(&mut self, bits: f64, need: f64, calm: bool, now: Timestamp) {
        if bits > 20.0 && !self.in_burst {
            self.in_burst = true;
            // On its first day everything that a stream does is odd: no habit shows in that.
            self.bursts += if now - self.born >= Span::DAY { 1.0 } else { 0.0 };
        }
        if bits >= need && self.open_since.is_none() {
            self.open_since = Some(now);
        }
        if !calm {
            self.calm_since = None;
            return;
        }
        let since = *self.calm_since.get_or_insert(now);
        if now - since >= Span::from_mins(15) {
            self.in_burst = false;
            self.open_since = None;
        }
    }

    /// Whether the stream is in an incident of its own (or was so a moment ago), so that it has to be watched.
    pub fn is_open(&self) -> bool {
        self.open_since.is_some() || self.in_burst
    }

    /// Whether it is in no incident and was found calm: being found calm again changes nothing.
    pub fn is_at_rest(&self) -> bool {
        self.calm_since.is_some() && !self.is_open()
    }

    /// Learns the hours that are over. Call before counting an event of a new hour, while the rings still hold the old.
    pub fn learn(&mut self, counts: &Counts, now: Timestamp, around: &Surroundings<'_>) {
        let over = now.bucket(Span::HOUR) - 1;
        // After a very long silence only the last four weeks are gone through hour by hour.
        if over - self.learned > 28 * 24 {
            self.learned = over - 28 * 24;
        }
        while self.learned < over {
            self.learned += 1;
            self.learn_hour(self.learned, counts, around);
            self.lately = Lately::default();
        }
    }

    /// For a second look at the log it was learned from, whose counts are `counts`: what is usual stays, as if learned
    /// `before` the log began. Short logs had no usual to hold their own incidents against while they were learned, so no
    /// hour may stand far above the middle of the last day.
    pub fn hindsight(&mut self, counts: &Counts, before: Span) {
        let first = self.born.bucket(Span::HOUR).max(self.learned - 23);
        let mut totals: Vec<f32> = (first..=self.learned).map(|hour| counts.hours.get(hour) as f32).collect();
        totals.sort_by(f32::total_cmp);
        if let (Some(middle), Some(upper)) = (totals.get(totals.len() / 2), totals.get(totals.len() * 3 / 4)) {
            let cap = (2.0 * middle).max(1.5 * upper).max(1.0) / 60.0;
            if self.level.0 > cap * self.level.1 {
                self.level.0 = cap * self.level.1;
            }
            for slot in self.by_hour_of_day.iter_mut().chain(self.by_hour_of_week.iter_mut()) {
                let (seen, exposure) = slot.get();
                if seen > cap * exposure {
                    *slot = Slot::default();
                    slot.set(cap * exposure, exposure);
                }
            }
        }
        let born = self.born - before;
        *self = Normal {
            level: self.level,
            by_hour_of_day: self.by_hour_of_day,
            by_hour_of_week: std::mem::take(&mut self.by_hour_of_week),
            spread: self.spread,
            spread_of_hour: self.spread_of_hour,
            learned: self.born.bucket(Span::HOUR) - 1,
            ..Normal::new(born)
        };
    }

    /// Bytes it has on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.by_hour_of_week)
    }

    /// The hour up to which (inclusive) everything is learned.
    pub fn learned_hour(&self) -> i64 {
        self.learned
    }

    fn rate_of_hour(&self, hour: usize, level: f32) -> f32 {
        let e24 = self.rate_of_day(hour, level);
        let (a168, b168) = self.by_hour_of_week[hour % 168].get();
        if b168 == 0.0 {
            return e24;
        }
        let kappa = (3.0 / e24.max(1e-6)).max(60.0);
        (a168 + kappa * e24) / (b168 + kappa)
    }

    fn rate_of_day(&self, hour: usize, level: f32) -> f32 {
        let (a24, b24) = self.by_hour_of_day[hour % 24].get();
        (a24 + 60.0 * level) / (b24 + 60.0)
    }

    /// Today against the profile: absorbs holidays and growth.
    fn short_factor(&self) -> f64 {
        f64::from((self.short.0 + 8.0) / (self.short.1 + 8.0)).clamp(0.6, 1.5)
    }
}

/// Mean rate over about a week, per minute, of `events` in so many `minutes`.
pub fn level((events, minutes): (f32, f32), population_mean: f64) -> f64 {
    let prior = 0.3 / population_mean.max(1e-6);
    f64::from(events + 0.3) / (f64::from(minutes) + prior)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Teaches `hours` of a stream whose hourly rate per minute is given, and answers the stream and the end.
    fn taught(hours: i64, rate: impl Fn(usize) -> f64) -> (Normal, Timestamp, Calendar) {
        let start = Timestamp::parse("2026-03-02T00:00:00Z").unwrap();
        let calendar = Calendar::default();
        let mut normal = Normal::new(start);
        let mut counts = Counts::default();
        for minute in 0..hours * 60 {
            let t = start + Span::from_mins(minute);
            let around = Surroundings { zone: Zone::UTC, calendar: &calendar, population_mean: 1.0 };
            normal.learn(&counts, t, &around);
            for i in 0..rate(Zone::UTC.hour_of_week(t)) as i64 {
                counts.add(t + Span::from_millis(i));
            }
        }
        let end = start + Span::from_hours(hours);
        let around = Surroundings { zone: Zone::UTC, calendar: &calendar, population_mean: 1.0 };
        normal.learn(&counts, end, &around);
        (normal, end, calendar)
    }

    #[test]
    fn a_daily_rhythm_is_known_after_a_week() {
        let day = |how: usize| if (8..18).contains(&(how % 24)) && how < 120 { 40.0 } else { 4.0 };
        let (normal, _, calendar) = taught(15 * 24 + 12, day);
        let around = Surroundings { zone: Zone::UTC, calendar: &calendar, population_mean: 1.0 };
        let at = |s| normal.rate(Moment::at(Timestamp::parse(s).unwrap(), Zone::UTC), &around);
        assert!((at("2026-03-17T13:00:00Z") / 40.0 - 1.0).abs() < 0.15, "weekday noon {}", at("2026-03-17T13:00:00Z"));
        assert!(at("2026-03-17T03:00:00Z") < 8.0, "weekday night {}", at("2026-03-17T03:00:00Z"));
        assert!(at("2026-03-21T13:00:00Z") < 25.0, "weekend noon {}", at("2026-03-21T13:00:00Z"));
        assert!(normal.peak_of_hour(13, false) >= 185.0);
        assert!(!normal.is_irregular());
    }

    #[test]
    fn what_is_steady_is_never_more_than_one_hour_says() {
        let (normal, end, calendar) = taught(8 * 24 + 5, |how| [30.0, 2.0, 0.0, 9.0, 17.0][how % 24 % 5]);
        let around = Surroundings { zone: Zone::UTC, calendar: &calendar, population_mean: 1.0 };
        for minutes in 0..2 * 24 * 60 {
            let at = end + Span::from_mins(minutes);
            for window in [5, 15, 60].map(Span::from_mins) {
                let most = normal.steadily_at_most(at, window, &around);
                assert!(normal.expected_steadily(at, window, &around) <= most, "{at} {window}");
            }
        }
    }

    #[test]
    fn an_open_incident_is_not_learned() {
        let (mut normal, end, calendar) = taught(240, |_| 20.0);
        let around = Surroundings { zone: Zone::UTC, calendar: &calendar, population_mean: 1.0 };
        let before = normal.rate(Moment::at(end, Zone::UTC), &around);
        normal.note(100.0, 28.0, false, end + Span::MINUTE);
        let mut counts = Counts::default();
        for minute in 0..24 * 60 {
            let t = end + Span::from_mins(minute);
            normal.learn(&counts, t, &around);
            for _ in 0..100 {
                counts.add(t);
            }
            normal.note(100.0, 28.0, false, t);
        }
        let after = normal.rate(Moment::at(end + Span::DAY, Zone::UTC), &around);
        assert!(after < before * 1.6, "before {before}, after a day of five times as much {after}");
    }
}
