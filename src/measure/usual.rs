//! What is usual of one number, hour of the day by hour of the day: two decayed sums a slot, 208 bytes in all.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// The long-run level loses this part of its weight in an hour: it looks back about a week,
const LEVEL_KEPT: f64 = 0.994;
/// and an hour of the day this part in a day: it looks back about two weeks.
const HOUR_KEPT: f32 = 0.93;

/// Values of windows that are over, by the hour in which they ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Usual {
    since: Timestamp,
    /// The newest hour that was learned from.
    hour: i64,
    level: (f64, f64),
    hours: [(f32, f32); 24],
}

impl Usual {
    /// Nothing is known yet.
    pub fn new(since: Timestamp) -> Self {
        Usual { since, hour: since.bucket(Span::HOUR), level: (0.0, 0.0), hours: [(0.0, 0.0); 24] }
    }

    /// For how long it has been learned.
    pub fn age(&self, now: Timestamp) -> Span {
        now - self.since
    }

    /// Learns the value of a window; `weight` is its length in hours, `local` its end in the zone of the hours.
    pub fn learn(&mut self, value: f64, weight: f64, end: Timestamp, local: Timestamp) {
        if !(value.is_finite() && weight.is_finite() && weight > 0.0) {
            return;
        }
        let hour = end.bucket(Span::HOUR);
        if hour > self.hour {
            let kept = LEVEL_KEPT.powf((hour - self.hour) as f64);
            self.level = (self.level.0 * kept, self.level.1 * kept);
            self.hour = hour;
        }
        self.level = (self.level.0 + value * weight, self.level.1 + weight);
        if let Some(slot) = self.hours.get_mut(hour_of_day(local)) {
            // An hour of the day comes once a day: what it weighs tells how much of it is of days before.
            let kept = HOUR_KEPT.powf(weight as f32);
            *slot = (slot.0 * kept + (value * weight) as f32, slot.1 * kept + weight as f32);
        }
    }

    /// What is usual at an hour of the day: its own mean, drawn towards the long-run one as long as it is young.
    pub fn at(&self, local: Timestamp) -> Option<f64> {
        if self.level.1 <= 0.0 {
            return None;
        }
        let level = self.level.0 / self.level.1;
        let (sum, weight) = self.hours.get(hour_of_day(local)).copied().unwrap_or_default();
        let usual = (f64::from(sum) + level) / (f64::from(weight) + 1.0);
        usual.is_finite().then_some(usual)
    }
}

fn hour_of_day(local: Timestamp) -> usize {
    local.bucket(Span::HOUR).rem_euclid(24) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_day_are_told_apart_and_old_days_fade() {
        let start = Timestamp::parse("2026-03-02T00:00:00Z").unwrap();
        let mut usual = Usual::new(start);
        assert_eq!(usual.at(start), None);
        let mut t = start;
        let feed = |usual: &mut Usual, t: &mut Timestamp, days: i64, office: f64| {
            for _ in 0..days * 24 * 6 {
                *t += Span::from_mins(10);
                let hour = t.bucket(Span::HOUR).rem_euclid(24);
                let value = if (8..18).contains(&hour) { office } else { 2.0 };
                usual.learn(value, 1.0 / 6.0, *t, *t);
            }
        };
        feed(&mut usual, &mut t, 7, 50.0);
        let at = |usual: &Usual, hour: i64| usual.at(start + Span::from_hours(hour)).unwrap();
        assert!((40.0..51.0).contains(&at(&usual, 12)) && at(&usual, 3) < 8.0, "{} {}", at(&usual, 12), at(&usual, 3));
        feed(&mut usual, &mut t, 40, 10.0);
        assert!((9.0..13.0).contains(&at(&usual, 12)), "{}", at(&usual, 12));
        assert_eq!(usual.age(t), t - start);
        let bytes = postcard::to_stdvec(&usual).unwrap();
        assert_eq!(postcard::from_bytes::<Usual>(&bytes).unwrap(), usual);
        usual.learn(f64::NAN, 1.0, t, t);
        usual.learn(1.0, f64::INFINITY, t, t);
        assert!(at(&usual, 12).is_finite());
    }
}
