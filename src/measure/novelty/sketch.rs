//! How many different ones there were, in 256 bytes.

use serde::{Deserialize, Serialize};

/// Registers: 6.5 % standard error.
const REGISTERS: usize = 256;

/// HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with linear counting for few.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Sketch {
    registers: Vec<u8>,
}

impl Default for Sketch {
    fn default() -> Self {
        Sketch { registers: vec![0; REGISTERS] }
    }
}

impl Sketch {
    /// Bytes in use, with what an allocation costs beside its content.
    pub(super) const BYTES: usize = REGISTERS + 64;

    /// Takes a keyed 64-bit hash.
    pub(super) fn insert(&mut self, hash: u64) {
        let rank = ((hash >> 8) | 1 << 56).trailing_zeros() as u8 + 1;
        if let Some(register) = self.registers.get_mut((hash % REGISTERS as u64) as usize) {
            *register = (*register).max(rank);
        }
    }

    /// How many different ones it took.
    pub(super) fn estimate(&self) -> u32 {
        let m = REGISTERS as f64;
        // Powers of two, each exact; no rank is above 57.
        let power = |rank: u8| f64::from_bits((1023 - u64::from(rank.min(64))) << 52);
        let sum: f64 = self.registers.iter().map(|&rank| power(rank)).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum.max(1e-12);
        let empty: u32 = self.registers.iter().map(|&rank| u32::from(rank == 0)).sum();
        let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / f64::from(empty)).ln() } else { raw };
        estimate.round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Hasher;

    #[test]
    fn estimates_are_within_three_standard_errors() {
        let hasher = Hasher::new(11);
        let mut sketch = Sketch::default();
        assert_eq!(sketch.estimate(), 0);
        for n in 1u32..=20_000 {
            sketch.insert(hasher.id(&n.to_le_bytes()).0);
            sketch.insert(hasher.id(&n.to_le_bytes()).0);
            if [1, 10, 100, 1000, 20_000].contains(&n) {
                let off = (f64::from(sketch.estimate()) / f64::from(n) - 1.0).abs();
                assert!(off < 0.2, "{} for {n}", sketch.estimate());
            }
        }
    }
}
