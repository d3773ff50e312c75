//! How many newcomers a key usually has a day.

use serde::{Deserialize, Serialize};

/// What is left of an old day after a day: two weeks count.
const KEPT: f64 = 0.931;

/// Time constant in which being young stops to matter, in days.
const YOUTH_DAYS: f64 = 7.0;

/// Newcomers a day, learned from day totals, with a prior that is worth one day.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Rate {
    prior: f64,
    newcomers: f64,
    days: f64,
    /// Sum of squared misses beyond chance, and of squared expectations: their quotient is the spread.
    beyond: f64,
    squares: f64,
}

impl Rate {
    /// A key of which nothing is known but what keys do: `prior` newcomers a day, seven times that at first.
    pub(super) fn new(prior: f64) -> Self {
        Rate { prior, newcomers: 0.0, days: 0.0, beyond: 0.0, squares: 0.0 }
    }

    /// Newcomers a day that are usual for a key of this age.
    pub fn per_day(&self, age_days: f64) -> f64 {
        (self.newcomers + self.prior * (1.0 + 6.0 * youth(age_days))) / (self.days + 1.0)
    }

    /// Variance of a day's newcomers beyond chance, over their squared mean.
    pub fn spread(&self, age_days: f64) -> f64 {
        ((1.0 + self.beyond) / (2.0 + self.squares)).max(0.05) + 0.3 * youth(age_days)
    }

    /// Learns a day's total. What is more than eight standard deviations above the usual is cut there, so that an attack
    /// that was not told as one does not teach its full size.
    pub(super) fn learn(&mut self, newcomers: f64, age_days: f64) {
        let mean = self.per_day(age_days);
        let deviation = (mean + self.spread(age_days) * mean * mean).sqrt();
        let newcomers = newcomers.min(mean + 8.0 * deviation + 3.0);
        self.beyond = self.beyond * KEPT + (newcomers - mean).powi(2) - mean;
        self.squares = self.squares * KEPT + mean * mean;
        self.start(newcomers);
    }

    /// Takes a day's total as it is, without judging the spread by it: for the first day.
    pub(super) fn start(&mut self, newcomers: f64) {
        self.newcomers = self.newcomers * KEPT + newcomers;
        self.days = self.days * KEPT + 1.0;
    }
}

fn youth(age_days: f64) -> f64 {
    (-age_days.max(0.0) / YOUTH_DAYS).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_young_key_may_have_newcomers_and_an_old_quiet_one_hardly_any() {
        let mut rate = Rate::new(0.3);
        assert!((rate.per_day(0.0) - 2.1).abs() < 1e-9);
        for day in 1..=60 {
            rate.learn(0.0, f64::from(day));
        }
        // 14.5 days' worth of nothing, and one day's worth of the prior.
        assert!((0.015..0.025).contains(&rate.per_day(60.0)), "{}", rate.per_day(60.0));
    }

    #[test]
    fn it_learns_what_an_autoscaling_customer_does_and_how_much_that_varies() {
        let mut rate = Rate::new(0.3);
        for day in 0..30 {
            rate.learn(f64::from(6 + (day * 7) % 5 - 2), f64::from(day));
        }
        assert!((5.0..6.5).contains(&rate.per_day(30.0)), "{}", rate.per_day(30.0));
        let steady = rate.spread(30.0);
        for day in 30..60 {
            rate.learn(if day % 3 == 0 { 18.0 } else { 0.0 }, f64::from(day));
        }
        assert!(rate.spread(60.0) > 3.0 * steady && rate.spread(60.0) > 0.5, "{} {steady}", rate.spread(60.0));
    }

    #[test]
    fn one_wild_day_teaches_only_its_cut() {
        let mut rate = Rate::new(0.3);
        for day in 0..30 {
            rate.learn(0.0, f64::from(day));
        }
        rate.learn(5000.0, 30.0);
        assert!(rate.per_day(31.0) < 1.0, "{}", rate.per_day(31.0));
    }
}
