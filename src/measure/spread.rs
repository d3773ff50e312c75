//! How values are spread: counts on a logarithmic scale, from which any percentile is read within 2 %.

use serde::{Deserialize, Serialize};

/// Steps to the doubling: neighbouring ones differ by 4.4 %.
const STEPS: f64 = 16.0;
/// The exponent of the smallest value that is told from zero: a millionth.
const LOWEST: f64 = -20.0;
/// Bins, up to about 2^44.
const BINS: u16 = 1024;

/// Counts by size, only of sizes that there were.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Spread {
    /// Bin and count, ascending.
    bins: Vec<(u16, u32)>,
}

fn bin(value: f64) -> u16 {
    if !(value.is_finite() && value > 0.0) {
        return 0;
    }
    let place = ((value.log2() - LOWEST) * STEPS).round();
    place.clamp(1.0, f64::from(BINS - 1)) as u16
}

impl Spread {
    /// Counts a value; what is not above zero counts as zero.
    pub fn add(&mut self, value: f64) {
        let bin = bin(value);
        match self.bins.binary_search_by_key(&bin, |(bin, _)| *bin) {
            Ok(at) => {
                if let Some((_, n)) = self.bins.get_mut(at) {
                    *n = n.saturating_add(1);
                }
            }
            Err(at) => self.bins.insert(at, (bin, 1)),
        }
    }

    /// Bytes that it has beside itself.
    pub fn bytes(&self) -> usize {
        self.bins.capacity() * 8
    }
}

/// The value that a part (0 to 1) of all values of several spreads is not above.
pub fn quantile<'a>(spreads: impl Iterator<Item = &'a Spread>, part: f64) -> Option<f64> {
    let mut counts = vec![0u64; usize::from(BINS)];
    let mut all = 0u64;
    for (bin, n) in spreads.flat_map(|spread| &spread.bins) {
        if let Some(count) = counts.get_mut(usize::from(*bin)) {
            *count += u64::from(*n);
            all += u64::from(*n);
        }
    }
    let rank = (part * all as f64).ceil().max(1.0) as u64;
    let mut below = 0;
    let found = counts.iter().position(|n| {
        below += n;
        below >= rank
    });
    found.filter(|_| all > 0).map(|bin| if bin == 0 { 0.0 } else { (bin as f64 / STEPS + LOWEST).exp2() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_few_percent_of_the_truth() {
        let mut halves = [Spread::default(), Spread::default()];
        for n in 1..=10_000u32 {
            halves[n as usize % 2].add(f64::from(n) * 0.003);
        }
        for part in [0.01, 0.5, 0.95, 0.99, 1.0] {
            let (found, truth) = (quantile(halves.iter(), part).unwrap(), part * 30.0);
            assert!((found / truth - 1.0).abs() < 0.023, "{part}: {found} {truth}");
        }
        assert_eq!(quantile([Spread::default()].iter(), 0.5), None);
        let mut odd = Spread::default();
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            odd.add(value);
        }
        assert_eq!(quantile([odd].iter(), 1.0), Some(0.0));
        let mut wide = Spread::default();
        (0..200).for_each(|n| wide.add(10f64.powi(n - 100)));
        assert!(wide.bytes() <= usize::from(BINS) * 8);
    }
}
