//! How busy a call was on each of the last days.

use serde::{Deserialize, Serialize};

/// Earlier days that are remembered.
pub const DAYS: usize = 14;

/// Counts of today and of the 14 days before: of all sightings one by one, of the failing ones the busiest.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Days {
    /// The local day that `today` counts.
    day: i32,
    /// Sightings today.
    pub today: u32,
    /// Failing ones among them.
    pub today_failures: u32,
    /// Yesterday first, in eighths of an octave (255 is two thousand million).
    earlier: [u8; DAYS],
    /// The busiest day of failures, in eighths of an octave.
    busiest_failing: u8,
    /// Bit `n` stands for failures `n + 1` days ago.
    failing: u16,
}

impl Days {
    /// Nothing yet, from this local day on.
    pub fn new(day: i32) -> Self {
        Days { day, ..Days::default() }
    }

    /// Comes to this local day. `forget`: what was counted today is not remembered (it belongs to an incident).
    /// True when a day has ended. Late lines stay in the current day.
    pub fn turn(&mut self, day: i32, forget: bool) -> bool {
        if day <= self.day {
            return false;
        }
        let passed = day.saturating_sub(self.day) as usize;
        for _ in 0..passed.min(DAYS + 1) {
            self.earlier.rotate_right(1);
            let failures = if forget { 0 } else { self.today_failures };
            self.earlier[0] = if forget { 0 } else { encode(self.today) };
            self.failing = (self.failing << 1 | u16::from(failures > 0)) & ((1 << DAYS) - 1);
            self.busiest_failing = if self.failing == 0 { 0 } else { self.busiest_failing.max(encode(failures)) };
            (self.today, self.today_failures) = (0, 0);
        }
        self.day = day;
        true
    }

    /// Counts sightings of today.
    pub fn add(&mut self, sightings: u32, failures: u32) {
        self.today = self.today.saturating_add(sightings);
        self.today_failures = self.today_failures.saturating_add(failures);
    }

    /// On how many earlier days it was seen.
    pub fn earlier_days(&self) -> u32 {
        self.earlier.iter().filter(|&&count| count > 0).count() as u32
    }

    /// The count of the busiest earlier day.
    pub fn busiest(&self) -> u32 {
        decode(self.earlier.iter().copied().max().unwrap_or(0))
    }

    /// On how many earlier days it failed.
    pub fn failing_days(&self) -> u32 {
        self.failing.count_ones()
    }

    /// The failures of the earlier day with the most.
    pub fn busiest_failing(&self) -> u32 {
        decode(self.busiest_failing)
    }

    /// On how many days it was seen, with today.
    pub fn active_days(&self) -> u32 {
        self.earlier_days() + u32::from(self.today > 0)
    }
}

fn encode(count: u32) -> u8 {
    (f64::from(count).ln_1p() / std::f64::consts::LN_2 * 8.0).round() as u8
}

fn decode(code: u8) -> u32 {
    ((f64::from(code) / 8.0).exp2() - 1.0).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_remembered_for_two_weeks_within_five_percent() {
        let mut days = Days::new(100);
        for (day, count) in [(100, 1440), (101, 1390), (104, 3)] {
            days.turn(day, false);
            days.add(count, 0);
        }
        assert_eq!((days.earlier_days(), days.today), (2, 3));
        assert!((1370..1512).contains(&days.busiest()), "{}", days.busiest());
        days.turn(114, false);
        assert_eq!(days.earlier_days(), 3, "day 100 is 14 days ago");
        days.turn(116, false);
        assert_eq!((days.earlier_days(), days.busiest()), (1, 3));
        days.turn(i32::MAX, false);
        assert_eq!((days.earlier_days(), days.busiest()), (0, 0));
    }

    #[test]
    fn failures_are_counted_apart_and_an_incident_teaches_nothing() {
        let mut days = Days::new(0);
        days.add(1000, 10);
        days.turn(1, false);
        days.add(1000, 1000);
        days.turn(2, true);
        assert_eq!((days.earlier_days(), days.failing_days()), (1, 1));
        assert!((9..=11).contains(&days.busiest_failing()));
        for count in [1, 2, 3, 12, 100] {
            assert!(decode(encode(count)).abs_diff(count) <= 1 + count / 20, "{count}");
        }
    }
}
