//! The few most frequent of many things, in a handful of bytes.

use serde::{Deserialize, Serialize};

use crate::event::Id;

/// So many are kept.
const FEW: usize = 4;

/// Space-saving counters (Metwally, Agrawal, El Abbadi 2005): whatever makes up more than a quarter is among them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Few {
    counts: Vec<(Id, u32)>,
    total: u32,
}

impl Few {
    /// Counts one thing; none is not counted.
    pub fn add(&mut self, id: Id) {
        if id == Id::NONE {
            return;
        }
        self.total = self.total.saturating_add(1);
        if let Some((_, count)) = self.counts.iter_mut().find(|(known, _)| *known == id) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < FEW {
            self.counts.push((id, 1));
        } else if let Some(least) = self.counts.iter_mut().min_by_key(|(_, count)| *count) {
            *least = (id, least.1.saturating_add(1));
        }
    }

    /// Their shares, the largest first.
    pub fn shares(&self) -> Vec<(Id, f64)> {
        let total = f64::from(self.total.max(1));
        let mut shares: Vec<_> = self.counts.iter().map(|(id, count)| (*id, f64::from(*count) / total)).collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }

    /// Bytes that it has beside itself.
    pub fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<(Id, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_stay() {
        let mut few = Few::default();
        for n in 0..1000u64 {
            few.add(if n % 2 == 0 { Id(7) } else { Id(100 + n) });
        }
        let shares = few.shares();
        assert_eq!(shares.len(), FEW);
        assert_eq!(shares[0], (Id(7), 0.5));
        few.add(Id::NONE);
        assert_eq!(few.shares(), shares);
    }
}
