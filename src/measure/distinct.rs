//! How many different ones there were: exact for a few, within 7 % for any number, in at most 192 bytes.

use serde::{Deserialize, Serialize};

/// So many are kept one by one.
const FEW: usize = 32;
/// Registers of six bits: 6.5 % standard error.
const REGISTERS: usize = 256;
/// Bytes that they take.
const BYTES: usize = REGISTERS * 6 / 8;

/// A list, then HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with linear counting between the two.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Distinct(Kind);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Kind {
    Few(Vec<u32>),
    Many(Vec<u8>),
}

impl Default for Distinct {
    fn default() -> Self {
        Distinct(Kind::Few(Vec::new()))
    }
}

impl Distinct {
    /// Reads a little of what [`Distinct::insert`] looks at; the answer means nothing.
    pub(super) fn warm(&self) -> u64 {
        match &self.0 {
            Kind::Few(list) => u64::from(list.first().copied().unwrap_or(0)),
            Kind::Many(registers) => u64::from(registers.first().copied().unwrap_or(0)),
        }
    }

    /// Takes a keyed 64-bit hash.
    pub fn insert(&mut self, hash: u64) {
        self.insert_hash((hash ^ (hash >> 32)) as u32);
    }

    fn insert_hash(&mut self, hash: u32) {
        let list = match &mut self.0 {
            Kind::Many(registers) => return raise(registers, hash),
            Kind::Few(list) => list,
        };
        if list.contains(&hash) {
            return;
        }
        if list.len() < FEW {
            list.push(hash);
            return;
        }
        let mut registers = vec![0; BYTES];
        for &known in &*list {
            raise(&mut registers, known);
        }
        raise(&mut registers, hash);
        self.0 = Kind::Many(registers);
    }

    /// Takes all that another one took.
    pub fn take(&mut self, other: &Distinct) {
        match &other.0 {
            Kind::Few(list) => {
                for &hash in list {
                    self.insert_hash(hash);
                }
            }
            Kind::Many(theirs) => {
                if let Kind::Few(list) = &self.0 {
                    let mut registers = vec![0; BYTES];
                    for &hash in list {
                        raise(&mut registers, hash);
                    }
                    self.0 = Kind::Many(registers);
                }
                if let Kind::Many(registers) = &mut self.0 {
                    (0..REGISTERS).for_each(|index| lift(registers, index, register(theirs, index)));
                }
            }
        }
    }

    /// Bytes in use beside its own size.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Kind::Few(list) => list.capacity() * size_of::<u32>(),
            Kind::Many(registers) => registers.capacity(),
        }
    }

    /// Whether the count is exact.
    pub fn is_exact(&self) -> bool {
        matches!(self.0, Kind::Few(_))
    }

    /// How many different ones it took.
    pub fn count(&self) -> f64 {
        let registers = match &self.0 {
            Kind::Few(list) => return list.len() as f64,
            Kind::Many(registers) => registers,
        };
        let (mut sum, mut empty) = (0.0, 0u32);
        // Of damaged state there may be too few.
        let mut whole = [0; BYTES];
        let known = registers.len().min(BYTES);
        whole[..known].copy_from_slice(&registers[..known]);
        // Three bytes are four registers.
        let (threes, _) = whole.as_chunks::<3>();
        for &[low, middle, high] in threes {
            let four = u32::from_le_bytes([low, middle, high, 0]);
            for rank in [four & 63, four >> 6 & 63, four >> 12 & 63, four >> 18] {
                sum += one_over_two_to(rank);
                empty += u32::from(rank == 0);
            }
        }
        let m = REGISTERS as f64;
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        if raw <= 2.5 * m && empty > 0 { m * (m / f64::from(empty)).ln() } else { raw }
    }
}

/// Two to the power of minus `rank`: a lone exponent.
fn one_over_two_to(rank: u32) -> f64 {
    f64::from_bits(u64::from(1023 - rank) << 52)
}

fn register(registers: &[u8], index: usize) -> u8 {
    let (byte, shift) = (index * 6 / 8, index * 6 % 8);
    let both = u16::from(registers.get(byte).copied().unwrap_or(0))
        | u16::from(registers.get(byte + 1).copied().unwrap_or(0)) << 8;
    (both >> shift) as u8 & 63
}

fn raise(registers: &mut [u8], hash: u32) {
    let index = hash as usize % REGISTERS;
    let rank = ((hash >> 8) | 1 << 24).trailing_zeros() as u8 + 1;
    lift(registers, index, rank);
}

fn lift(registers: &mut [u8], index: usize, rank: u8) {
    let old = register(registers, index);
    if rank <= old {
        return;
    }
    let (byte, shift) = (index * 6 / 8, index * 6 % 8);
    // What is there already is taken out, so that adding does not carry.
    let change = u16::from(rank ^ old) << shift;
    for (place, bits) in [(byte, change as u8), (byte + 1, (change >> 8) as u8)] {
        if let Some(register) = registers.get_mut(place) {
            *register ^= bits;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Hasher;

    #[test]
    fn registers_are_added_up_as_they_stand() {
        for rank in 0u32..64 {
            assert_eq!(one_over_two_to(rank), (-f64::from(rank)).exp2());
        }
        let (hasher, mut distinct) = (Hasher::new(5), Distinct::default());
        for n in 0u32..3000 {
            distinct.insert(hasher.id(&n.to_le_bytes()).0);
        }
        let Kind::Many(registers) = &distinct.0 else { panic!("few") };
        let ranks = || (0..REGISTERS).map(|index| register(registers, index));
        let sum: f64 = ranks().map(|rank| one_over_two_to(u32::from(rank))).sum();
        let (m, empty) = (REGISTERS as f64, ranks().filter(|rank| *rank == 0).count());
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let told = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
        assert_eq!(distinct.count().to_bits(), told.to_bits());
    }

    #[test]
    fn few_are_exact_and_many_within_three_standard_errors() {
        let hasher = Hasher::new(11);
        let mut distinct = Distinct::default();
        assert_eq!(distinct.count(), 0.0);
        for n in 1u32..=50_000 {
            distinct.insert(hasher.id(&n.to_le_bytes()).0);
            distinct.insert(hasher.id(&(n / 2 + 1).to_le_bytes()).0);
            assert_eq!(distinct.is_exact(), n <= 32);
            if n <= 32 {
                assert_eq!(distinct.count(), f64::from(n));
            }
            if [33, 100, 300, 1000, 7200, 50_000].contains(&n) {
                let off = (distinct.count() / f64::from(n) - 1.0).abs();
                assert!(off < 0.2, "{} for {n}", distinct.count());
            }
        }
        let bytes = postcard::to_stdvec(&distinct).unwrap();
        assert!(bytes.len() <= 196, "{}", bytes.len());
        assert_eq!(postcard::from_bytes::<Distinct>(&bytes).unwrap(), distinct);
    }

    #[test]
    fn two_together_are_what_both_took() {
        let hasher = Hasher::new(3);
        let of = |range: std::ops::Range<u32>| {
            let mut distinct = Distinct::default();
            range.for_each(|n| distinct.insert(hasher.id(&n.to_le_bytes()).0));
            distinct
        };
        for (a, b, both) in
            [(0..10, 5..20, 0..20), (0..10, 5..500, 0..500), (0..400, 5..9, 0..400), (0..900, 300..4000, 0..4000)]
        {
            let mut sum = of(a);
            sum.take(&of(b));
            assert_eq!(sum.count(), of(both).count());
        }
    }

    #[test]
    fn registers_do_not_touch_their_neighbours() {
        let mut registers = vec![0; BYTES];
        for index in 0..REGISTERS as u32 {
            // Rank 25, the largest there is: no bit set above the index.
            raise(&mut registers, index);
        }
        assert!((0..REGISTERS).all(|index| register(&registers, index) == 25));
        raise(&mut registers, 1 << 8 | 3);
        assert!((0..REGISTERS).all(|index| register(&registers, index) == 25), "a smaller rank changes nothing");
    }

    #[test]
    fn damaged_state_counts_something() {
        assert!(Distinct(Kind::Many(Vec::new())).count().is_finite());
        let mut short = Distinct(Kind::Many(vec![0; 3]));
        (0..1000u64).for_each(|n| short.insert(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        assert!(short.count().is_finite());
    }
}
