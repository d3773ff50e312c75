//! Failed requests of one stream in one class, and the share of its requests that usually fails.

use serde::{Deserialize, Serialize};

use crate::measure::full::FIVE;
use crate::measure::mix::Mix;
use crate::measure::ring::{Counts, Ring, TICK};
use crate::time::{Span, Timestamp};

/// Decay of the learned share per hour.
const DECAY: f32 = 0.99;
/// Share that a stream is believed to fail before it is known, and the weight of that belief in requests.
const PRIOR: (f32, f32) = (0.02, 50.0);

/// How a request failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Class {
    /// 5xx, and 499 or 0 where the server gave up.
    Server,
    /// 429: too many requests.
    Limited,
    /// 401 and 403.
    Denied,
    /// Any other 4xx.
    Client,
}

impl Class {
    /// Every class, in the order of [`Class::index`].
    pub const ALL: [Class; 4] = [Class::Server, Class::Limited, Class::Denied, Class::Client];

    /// The class of a status, if it is a failure.
    pub const fn of(status: u16) -> Option<Class> {
        match status {
            499..=599 => Some(Class::Server),
            429 => Some(Class::Limited),
            401 | 403 => Some(Class::Denied),
            400..=498 => Some(Class::Client),
            _ => None,
        }
    }

    /// Its place in [`Class::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// As people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Server => "5xx",
            Class::Limited => "429",
            Class::Denied => "401/403",
            Class::Client => "4xx",
        }
    }
}

/// See [`Failures::lately`].
pub(super) fn most_lately(hours: &Ring<2>, minute: i64) -> Option<u64> {
    let hour = Timestamp::of_bucket(minute, Span::MINUTE).bucket(Span::HOUR);
    // Two hours are kept: that of the minute, and the one before, in which the window may begin.
    (hours.newest() <= hour).then(|| hours.sum(hour - 1, hour))
}

/// Failures of one class: counted like requests, with the callers and statuses that make them up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Failures {
    /// Failures in tens of seconds.
    pub tens: Ring<36>,
    /// Failures in minutes.
    pub mins: Ring<64>,
    /// Who fails.
    pub callers: Mix,
    /// With which status; ids are the statuses.
    pub statuses: Mix,
    /// At which endpoints.
    pub endpoints: Mix,
    hour: Ring<2>,
    learned_errors: f32,
    learned_requests: f32,
    /// Spread of the share beyond binomial: sums of squared relative deviations and their weight.
    spread: (f32, f32),
    open_since: Option<Timestamp>,
    learned: i64,
    /// First and last hour of the newest incident, and about how many hours of the last days one was going on.
    #[serde(skip)]
    held: Held,
}

/// Hours in which a class was in an incident.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Held {
    first: i64,
    last: i64,
    hours: f32,
}

/// So many hours with an incident are not learned from within about four days.
const RARELY: f32 = 6.0;

impl Default for Held {
    fn default() -> Self {
        Held { first: i64::MAX, last: i64::MIN, hours: 0.0 }
    }
}

impl Failures {
    /// A class that fails for the first time at `t`, in a stream that had `requests` before without a failure.
    pub fn new(t: Timestamp, requests: f64) -> Self {
        Failures {
            tens: Ring::default(),
            mins: Ring::default(),
            callers: Mix::default(),
            statuses: Mix::default(),
            endpoints: Mix::default(),
            hour: Ring::default(),
            learned_errors: 0.0,
            learned_requests: requests as f32,
            spread: (0.0, 0.0),
            open_since: None,
            learned: t.bucket(Span::HOUR) - 1,
            held: Held::default(),
        }
    }

    /// For a second look at the log it was learned from: the usual share stays, the counts begin anew.
    #[must_use]
    pub fn hindsight(&self, began: Timestamp) -> Self {
        let requests = f64::from(self.learned_requests);
        Failures { learned_errors: self.learned_errors, spread: self.spread, ..Failures::new(began, requests) }
    }

    /// Counts one failure at `t`.
    pub fn add(&mut self, t: Timestamp) {
        self.tens.add(t.bucket(TICK), 1);
        self.mins.add(t.bucket(Span::MINUTE), 1);
        self.hour.add(t.bucket(Span::HOUR), 1);
    }

    /// At least as many failures as the hour of minutes that ends with `minute` holds, and any shorter window that ends with it
    /// or less than a minute later, found without adding them up. `None` where the newest failures lie in a later hour.
    pub fn lately(&self, minute: i64) -> Option<u64> {
        most_lately(&self.hour, minute)
    }

    /// Adds its failures by hour, as far as they are kept.
    pub(super) fn add_hours_to(&self, all: &mut Ring<2>) {
        let newest = self.hour.newest();
        for hour in [newest - 1, newest] {
            all.add(hour, self.hour.get(hour));
        }
    }

    /// Adds its failures by five minutes, the newest three times five.
    pub(super) fn add_fives_to(&self, all: &mut Ring<3>) {
        let newest = Timestamp::of_bucket(self.mins.newest().max(0), Span::MINUTE).bucket(FIVE);
        for five in newest - 2..=newest {
            let first = Timestamp::of_bucket(five, FIVE).bucket(Span::MINUTE);
            all.add(five, self.mins.sum(first, first + 4) as u32);
        }
    }

    /// The end of the newest minute that holds a failure.
    pub fn newest(&self) -> Timestamp {
        Timestamp::of_bucket(self.mins.newest().max(0) + 1, Span::MINUTE)
    }

    /// The share that usually fails.
    pub fn share(&self) -> f64 {
        f64::from((self.learned_errors + PRIOR.0 * PRIOR.1) / (self.learned_requests + PRIOR.1))
    }

    /// Requests the learned share rests on.
    pub fn weight(&self) -> f64 {
        f64::from(self.learned_requests)
    }

    /// Variance of the share beyond binomial, relative to the share squared.
    pub fn spread(&self) -> f64 {
        let alpha = (20.0 * 0.3 + self.spread.0) / (20.0 + self.spread.1);
        f64::from(alpha.max(0.05)) + 1.0 / (1.0 + f64::from(self.learned_errors))
    }

    /// Notes whether the class is in an incident at `now`: it is not learned from then on.
    pub fn note(&mut self, firing: bool, calm: bool, now: Timestamp) {
        if firing && self.open_since.is_none() {
            self.open_since = Some(now);
        } else if calm {
            self.open_since = None;
        }
        if let Some(since) = self.open_since.filter(|since| now - *since < Span::DAY) {
            (self.held.first, self.held.last) = (since.bucket(Span::HOUR), now.bucket(Span::HOUR));
        }
    }

    /// In which hours it was in an incident, where it ever was: to be saved beside it.
    pub fn held(&self) -> Option<Held> {
        (self.held != Held::default()).then_some(self.held)
    }

    /// Takes up what was saved beside it.
    pub fn remember_held(&mut self, held: Held) {
        self.held = held;
    }

    /// Whether an hour holds an incident, and such hours are rare: what fails every few hours is how it is.
    fn is_held(&mut self, hour: i64) -> bool {
        if self.held == Held::default() {
            return false;
        }
        self.held.hours *= DECAY;
        let held = (self.held.first..=self.held.last).contains(&hour);
        self.held.hours += f32::from(u8::from(held));
        held && self.held.hours < RARELY
    }

    /// Learns the hours that are over.
    pub fn learn(&mut self, counts: &Counts, now: Timestamp) {
        let over = now.bucket(Span::HOUR) - 1;
        if over - self.learned > 28 * 24 {
            self.learned = over - 28 * 24;
        }
        while self.learned < over {
            self.learned += 1;
            let hour = self.learned;
            let end = Timestamp::of_bucket(hour + 1, Span::HOUR);
            self.learned_errors *= DECAY;
            self.learned_requests *= DECAY;
            let open = self.open_since.map(|since| end - since);
            // From half an hour after the opening nothing is learned, for at most a day.
            if open.is_some_and(|open| open > Span::from_mins(30) && open < Span::DAY) || self.is_held(hour) {
                continue;
            }
            let requests = counts.hours.get(hour) as f32;
            let errors = self.hour.get(hour) as f32;
            let usual = self.share() as f32;
            let taught = errors.min((3.0 * usual).max(0.02) * requests + 5.0);
            if requests > 0.0 {
                let expected = usual * requests;
                let d = (taught - expected).min(8.0 * (expected + 0.3 * expected * expected).sqrt() + 3.0);
                self.spread.0 = self.spread.0 * DECAY + d * d - expected;
                self.spread.1 = self.spread.1 * DECAY + expected * expected;
            }
            self.learned_errors += taught;
            self.learned_requests += requests;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_share_is_learned_and_an_incident_is_not() {
        let start = Timestamp::from_secs(1_772_409_600);
        let mut failures = Failures::new(start, 0.0);
        let mut counts = Counts::default();
        for hour in 0..48 {
            let t = start + Span::from_hours(hour);
            failures.learn(&counts, t);
            for i in 0..1000 {
                counts.add(t + Span::from_secs(i * 3));
                let failing = if hour < 24 { i % 20 == 0 } else { i % 2 == 0 };
                if failing {
                    failures.add(t + Span::from_secs(i * 3));
                }
            }
            if hour == 23 {
                assert!((failures.share() - 0.05).abs() < 0.005, "{}", failures.share());
                failures.note(true, false, t + Span::HOUR);
            }
        }
        failures.learn(&counts, start + Span::from_hours(48));
        assert!(failures.share() < 0.06, "a day of half the requests failing became {}", failures.share());
    }

    /// Lives through hours of 600 requests, of which 3 usually fail, and 200 in the first twenty minutes of those that are
    /// an incident; answers the spread that was learned.
    fn spread_after(hours: i64, is_incident: impl Fn(i64) -> bool) -> f64 {
        let start = Timestamp::from_secs(1_772_409_600);
        let (mut failures, mut counts) = (Failures::new(start, 0.0), Counts::default());
        for hour in 0..hours {
            let t = start + Span::from_hours(hour);
            failures.learn(&counts, t);
            for i in 0..600 {
                let at = t + Span::from_secs(i * 6);
                counts.add(at);
                if i % 200 == 0 || is_incident(hour) && i < 200 {
                    failures.add(at);
                }
            }
            if is_incident(hour) {
                failures.note(true, false, t + Span::from_mins(1));
                failures.note(false, true, t + Span::from_mins(20));
            }
        }
        failures.learn(&counts, start + Span::from_hours(hours));
        failures.spread()
    }

    #[test]
    fn one_short_incident_is_not_learned_and_one_in_every_hour_is_how_it_is() {
        let usual = spread_after(72, |_| false);
        let once = spread_after(72, |hour| hour == 60);
        assert!((once / usual - 1.0).abs() < 0.1, "{usual} became {once}");
        let always = spread_after(72, |hour| hour >= 48);
        assert!(always > 4.0 * usual, "{usual} became {always}");
    }
}
