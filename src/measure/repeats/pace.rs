//! How a run's calls are spread over its time, in a few cells however long it lasts.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// Cells; the run fills at least half of them.
const CELLS: usize = 8;

/// The width of a cell at first.
const FIRST_WIDTH: Span = Span::from_secs(8);

/// Shortest time that is compared with another.
const SHORTEST_PART: Span = Span::from_mins(3);

/// Fewest calls in two parts together that are worth comparing: below, one call more or less would decide.
const FEWEST_CALLS: u32 = 16;

/// Counts of calls in equal parts of the time since the start; the parts double when the time outgrows them.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Pace {
    doublings: u8,
    counts: [u16; CELLS],
}

impl Pace {
    /// Counts a call at this time after the start.
    pub(super) fn add(&mut self, age: Span) {
        let age = age.millis().max(0);
        while age / self.width() >= CELLS as i64 && self.doublings < 40 {
            for cell in 0..CELLS {
                let pair = [2 * cell, 2 * cell + 1].map(|from| self.counts.get(from).copied().unwrap_or(0));
                self.counts[cell] = pair[0].saturating_add(pair[1]);
            }
            self.doublings += 1;
        }
        let width = self.width();
        if let Some(count) = self.counts.get_mut((age / width) as usize) {
            *count = count.saturating_add(1);
            if *count == u16::MAX {
                // Only their proportion matters.
                self.counts.iter_mut().for_each(|count| *count /= 2);
            }
        }
    }

    /// The rate in the last third of the time against the first third; 1 while there is too little to say.
    pub(super) fn ratio(&self, age: Span) -> f64 {
        let width = self.width();
        let whole = ((age.millis() / width).clamp(0, CELLS as i64)) as usize;
        let third = whole / 3;
        if third == 0 || (third as i64) * width < SHORTEST_PART.millis() {
            return 1.0;
        }
        let sum = |cells: &[u16]| cells.iter().map(|&n| u32::from(n)).sum::<u32>();
        let first = sum(self.counts.get(..third).unwrap_or(&[]));
        let last = sum(self.counts.get(whole - third..whole).unwrap_or(&[]));
        if first + last < FEWEST_CALLS { 1.0 } else { f64::from(last + 1) / f64::from(first + 1) }
    }

    fn width(self) -> i64 {
        FIRST_WIDTH.millis() << self.doublings.min(40)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_faster_and_slower_are_told_apart_at_any_length() {
        for length_s in [900i64, 40_000, 3_000_000] {
            let run = |gap: &dyn Fn(f64) -> f64| {
                let (mut pace, mut at) = (Pace::default(), 0.0);
                while at < length_s as f64 {
                    pace.add(Span::from_secs_f64(at));
                    at += gap(at / length_s as f64);
                }
                pace.ratio(Span::from_secs_f64(at))
            };
            let usual = length_s as f64 / 300.0;
            let ratios = [run(&|_| usual), run(&|done| usual * (1.2 - done)), run(&|done| usual * (0.2 + done))];
            assert!((0.9..1.1).contains(&ratios[0]), "{length_s}: {ratios:?}");
            assert!(ratios[1] > 1.5 && ratios[2] < 0.6, "{length_s}: {ratios:?}");
        }
        assert_eq!(Pace::default().ratio(Span::DAY), 1.0);
    }
}
