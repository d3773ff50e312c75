//! What is usual among peers: how high the daily peaks of other identities reach.
//!
//! An identity without history of its own is compared with these: a new key that does what two other keys a day do is
//! no news. One histogram for each kind of identity and each thing that is counted, 80 bins of a quarter octave.

use serde::{Deserialize, Serialize};

/// Bins of a histogram: from 1 to 2^20.
const BINS: usize = 80;

/// Bins of an octave.
const PER_OCTAVE: f64 = 4.0;

/// What is left of old entries after a day.
const KEPT: f32 = 0.95;

/// Entries that a tail must hold to be believed by counting.
const ENOUGH: f64 = 10.0;

/// Least mean excess of a tail, in octaves.
const MIN_EXCESS: f64 = 0.25;

/// Kinds of identities that are peers of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Keys.
    Key,
    /// Client addresses.
    Client,
    /// Clients that declare themselves crawlers.
    Crawler,
}

/// What the peak of a day is a peak of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peak {
    /// Requests in five minutes.
    FiveMinutes,
    /// Requests in an hour.
    Hour,
    /// Requests in the day.
    Day,
    /// Distinct resources in the day.
    Resources,
    /// Distinct networks in the day.
    Networks,
}

const KINDS: usize = 3;
const PEAKS: usize = 5;

/// The daily peaks of all identities, one entry for each identity and day. Some 5 kB.
///
/// The caller enters each identity that was active on a day (and in no incident) once, when the day is over, and then
/// ends the day.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peers {
    histograms: Vec<Histogram>,
}

impl Default for Peers {
    fn default() -> Self {
        Peers { histograms: vec![Histogram::default(); KINDS * PEAKS] }
    }
}

impl Peers {
    /// Enters the peak that one identity reached on the day that is ending.
    pub fn enter(&mut self, kind: Kind, peak: Peak, value: f64) {
        if let Some(histogram) = self.histograms.get_mut(kind as usize * PEAKS + peak as usize) {
            histogram.enter(value);
        }
    }

    /// Ends a day: what was entered is one day older.
    pub fn end_day(&mut self) {
        self.histograms.iter_mut().for_each(Histogram::end_day);
    }

    /// Days that were entered, old ones counting less: 0.95 after the first, 2.7 after the third.
    pub fn days(&self) -> f64 {
        self.histograms.first().map_or(0.0, |histogram| f64::from(histogram.days))
    }

    /// How many identities a day are expected to reach a peak of at least `value`: 0.2 is one in five days.
    pub fn lambda(&self, kind: Kind, peak: Peak, value: f64) -> f64 {
        self.histograms
            .get(kind as usize * PEAKS + peak as usize)
            .map_or_else(|| prior(value), |histogram| histogram.lambda(value))
    }

    /// The smallest of the three values of `lambda` for counts of requests in 5 minutes, 60 minutes and the day.
    pub fn rarest(&self, kind: Kind, five_minutes: f64, hour: f64, day: f64) -> f64 {
        [(Peak::FiveMinutes, five_minutes), (Peak::Hour, hour), (Peak::Day, day)]
            .into_iter()
            .map(|(peak, value)| self.lambda(kind, peak, value))
            .fold(f64::INFINITY, f64::min)
    }
}

/// Peaks by their size; all decays together, so that a tail divided by `days` is a number a day.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Histogram {
    bins: Vec<f32>,
    days: f32,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { bins: vec![0.0; BINS], days: 0.0 }
    }
}

impl Histogram {
    fn enter(&mut self, value: f64) {
        if let Some(bin) = self.bins.get_mut(bin(value)) {
            *bin += 1.0;
        }
    }

    /// Entries and days fade alike, so that their quotient stays a number a day.
    fn end_day(&mut self) {
        self.days = (self.days + 1.0) * KEPT;
        self.bins.iter_mut().for_each(|bin| *bin *= KEPT);
    }

    fn lambda(&self, value: f64) -> f64 {
        let days = f64::from(self.days);
        if days <= 0.0 {
            return prior(value);
        }
        let here = bin(value);
        let (mut tail, mut octaves) = (0.0, 0.0);
        for (k, &count) in self.bins.iter().enumerate().rev() {
            tail += f64::from(count);
            octaves += f64::from(count) * (k as f64 + 0.5) / PER_OCTAVE;
            if tail < ENOUGH {
                continue;
            }
            if k < here {
                // Too few reach as far as this: the tail is extended by its mean excess.
                let from = k as f64 / PER_OCTAVE;
                let excess = (octaves / tail - from).max(MIN_EXCESS);
                return tail / days * (-(value.log2() - from) / excess).exp();
            }
            return self.reached(here) / days;
        }
        // Hardly any peers: what they did counts, and what sites usually see.
        prior(value).max(self.reached(here) / days)
    }

    /// Entries in this bin and above.
    fn reached(&self, bin: usize) -> f64 {
        self.bins.iter().skip(bin).map(|&count| f64::from(count)).sum()
    }
}

/// What is expected before anything was seen.
fn prior(value: f64) -> f64 {
    5.0 * (10.0 / value.max(1.0)).powf(1.5)
}

fn bin(value: f64) -> usize {
    ((value.max(1.0).log2() * PER_OCTAVE) as usize).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty keys a day, with peaks from 100 to 3,200: 31, 15, 7, 3 and 1 of them reach 200, 400, 800, 1,600 and 3,200.
    fn a_month() -> Peers {
        let mut peers = Peers::default();
        for _ in 0..30 {
            for n in 0..40u32 {
                let octave = (n + 1).leading_zeros() - 26; // 0 for n + 1 >= 32, 5 for n = 0
                peers.enter(Kind::Key, Peak::Day, 100.0 * f64::from(1 << octave));
            }
            peers.end_day();
        }
        peers
    }

    #[test]
    fn common_peaks_are_counted_and_rare_ones_extended() {
        let peers = a_month();
        let lambda = |x| peers.lambda(Kind::Key, Peak::Day, x);
        assert!((38.0..42.0).contains(&lambda(90.0)), "{}", lambda(90.0));
        assert!((2.99..3.01).contains(&lambda(1599.0)), "{}", lambda(1599.0));
        assert!(lambda(3300.0) < lambda(1700.0) && lambda(1700.0) < lambda(800.0));
        assert!(lambda(100_000.0) <= 1.0 / 60.0, "{}", lambda(100_000.0));
        assert!(lambda(1e300) >= 0.0 && lambda(f64::NAN).is_finite() && lambda(-1.0).is_finite());
        let mut last = f64::INFINITY;
        for step in 0..200 {
            let now = lambda(f64::exp2(f64::from(step) / 8.0));
            assert!(now <= last * 1.3, "a larger peak is not much more usual: step {step}, {now} after {last}");
            last = now;
        }
    }

    #[test]
    fn without_peers_a_visitor_with_a_hundred_assets_is_usual() {
        let peers = Peers::default();
        assert!(peers.lambda(Kind::Client, Peak::Day, 100.0) > 1.0 / 60.0);
        assert!(peers.lambda(Kind::Client, Peak::Day, 1000.0) <= 1.0 / 60.0 + 0.005);
        assert!(peers.rarest(Kind::Client, 30.0, 60.0, 500.0) < 0.02);
    }

    #[test]
    fn old_peaks_fade() {
        let mut peers = a_month();
        let before = peers.lambda(Kind::Key, Peak::Day, 3000.0);
        for _ in 0..60 {
            peers.end_day();
        }
        assert!(peers.lambda(Kind::Key, Peak::Day, 3000.0) < before / 4.0 + 0.02);
    }

    #[test]
    fn it_survives_being_saved() {
        let peers = a_month();
        let again: Peers = postcard::from_bytes(&postcard::to_allocvec(&peers).unwrap()).unwrap();
        assert_eq!(again.lambda(Kind::Key, Peak::Day, 555.0), peers.lambda(Kind::Key, Peak::Day, 555.0));
    }
}
