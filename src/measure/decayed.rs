//! Counts that fade, small enough to be kept for every hour of a week.

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
    if code == 0 { 0.0 } else { ((f32::from(code) - 0.5) / 1024.0 - 16.0).exp2() }
}

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
}
