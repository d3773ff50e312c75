//! What a stream has done before: its largest windows, and whether it makes bursts of its own.

use super::{Normal, PRIOR_SPREAD, TopTwo};

/// A peak up to this many times the mean of its hour is made by what comes at that hour every day.
const EVERY_DAY: f32 = 8.0;

/// Requests in five minutes from which on what comes out of order, twice, is a habit however little it surprised.
const A_BURST: f64 = 20.0;

impl Normal {
    /// The second largest 5-minute total (or 60-minute total) of any day at this hour of the day or its neighbours.
    pub fn peak_of_hour(&self, hour: usize, sixty: bool) -> f64 {
        let second = |h: usize| {
            let peaks = &self.peaks[h % 24];
            if sixty { peaks.sixty.1 } else { peaks.five.1 }
        };
        f64::from(second(hour + 23).max(second(hour)).max(second(hour + 1)))
    }

    /// The second largest daily maximum at 5 minutes, 60 minutes or 6 hours (index 0, 1, 2).
    pub fn peak_overall(&self, index: usize) -> f64 {
        f64::from(self.overall[index].1)
    }

    /// The second largest daily maximum at 5 minutes; the only one there is where only one day is over.
    pub fn peak_of_days(&self) -> f64 {
        let TopTwo(largest, second) = self.overall[0];
        f64::from(if second > 0.0 { second } else { largest })
    }

    /// Whether the stream makes bursts of its own often enough for them not to be news.
    pub fn is_irregular(&self) -> bool {
        // The one that is going on is no habit yet; a job at a fixed hour was a burst only until it was known.
        let own = self.bursts - if self.in_burst { 1.0 } else { 0.0 } >= 1.5;
        let bursts = self.peak_of_bursts(0);
        (own && bursts > 0.0) || bursts >= A_BURST || self.is_wild()
    }

    /// Whether its hours vary by more than they are on average.
    pub fn is_wild(&self) -> bool {
        let hourly = self.spread[3];
        let alpha = (PRIOR_SPREAD.1 * PRIOR_SPREAD.0 + hourly.over) / (PRIOR_SPREAD.1 + hourly.weight);
        alpha > 1.0
    }

    /// The second largest total of 5 minutes, 60 minutes or 6 hours (index 0, 1, 2) among its bursts: what its usual
    /// rate at that hour of the day explains, like a nightly job, is no burst, and says nothing about other hours.
    pub fn peak_of_bursts(&self, index: usize) -> f64 {
        let mut bursts = TopTwo::default();
        for (hour, peaks) in self.peaks.iter().enumerate() {
            let (TopTwo(largest, second), minutes) = if index == 0 { (peaks.five, 5.0) } else { (peaks.sixty, 60.0) };
            let (seen, exposure) = self.by_hour_of_day[hour].get();
            let usual = minutes * seen / exposure.max(60.0);
            for peak in [largest, second] {
                if peak > EVERY_DAY * usual {
                    bursts.put(peak);
                }
            }
        }
        match index {
            0 | 1 => f64::from(bursts.1).min(self.peak_overall(index)),
            _ if bursts.1 > 0.0 => self.peak_overall(index),
            _ => 0.0,
        }
    }
}
