//! Counts that fade, small enough to be kept for every hour of a week.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A decayed count and a decayed exposure in minutes, each as a logarithm in 1/1024 octaves: 4 bytes, 0.07 % exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Slot(u16, u16);

impl Slot {
    pub(super) fn get(self) -> (f32, f32) {
        (decode(self.0), decode(self.1))
    }

    pub(super) fn set(&mut self, a: f32, b: f32) {
        *self = Slot(encode(a), encode(b));
    }
}

fn encode(x: f32) -> u16 {
    if x > 1.0 / 65_536.0 { ((x.log2() + 16.0) * 1024.0 + 1.0).min(65_535.0) as u16 } else { 0 }
}

fn decode(code: u16) -> f32 {
    let Some(steps) = code.checked_sub(1) else { return 0.0 };
    let octave = f32::from_bits((u32::from(steps >> 10) + 127 - 16) << 23);
    STEPS[usize::from(steps & 1023)] * octave
}

/// The middles of the steps of one octave, the lowest being 1 and half a step.
static STEPS: LazyLock<[f32; 1024]> =
    LazyLock::new(|| std::array::from_fn(|step| ((step as f32 + 0.5) / 1024.0).exp2()));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_keep_their_value_to_a_tenth_of_a_percent() {
        for x in [0.001f32, 0.5, 1.0, 59.9, 12_345.0, 9e8] {
            assert!((decode(encode(x)) / x - 1.0).abs() < 0.001, "{x} became {}", decode(encode(x)));
        }
        assert_eq!(decode(encode(0.0)), 0.0);
    }

    #[test]
    fn octaves_are_alike() {
        for code in 1..=u16::MAX {
            let told = ((f32::from(code) - 0.5) / 1024.0 - 16.0).exp2();
            assert!((decode(code) / told - 1.0).abs() < 2e-7, "{code}: {} {told}", decode(code));
        }
    }
}
