//! Names of fields that live as long as their format.

use std::sync::OnceLock;

/// Names of extra fields, kept once per format so that records can borrow them. It only grows, up to its size; names
/// beyond that (nobody has so many on purpose) are dropped.
#[derive(Debug)]
pub(super) struct Names(Box<[OnceLock<Box<str>>]>);

/// A power of two.
const NAMES: usize = 512;

impl Default for Names {
    fn default() -> Self {
        Names((0..NAMES).map(|_| OnceLock::new()).collect())
    }
}

impl Names {
    /// The kept copy of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        // FNV-1a; an attacker who finds collisions gains a few comparisons.
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let start = (hash ^ (hash >> 32)) as usize % NAMES;
        (0..16).find_map(|step| {
            let slot = self.0.get((start + step) % NAMES)?.get_or_init(|| name.into());
            (**slot == *name).then_some(&**slot)
        })
    }
}
