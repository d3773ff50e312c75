//! The Mersenne Twister (MT19937: Matsumoto, Nishimura 1998), seeded by an array: small, and the same everywhere.

/// Random numbers from a seed.
pub(crate) struct Random {
    state: [u32; 624],
    at: usize,
}

impl Random {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Random {
        let mut state = [0u32; 624];
        state[0] = 19_650_218;
        for i in 1..624 {
            state[i] = 1_812_433_253u32.wrapping_mul(state[i - 1] ^ (state[i - 1] >> 30)).wrapping_add(i as u32);
        }
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let words = if high == 0 { vec![low] } else { vec![low, high] };
        let mix = |state: &[u32; 624], i: usize| state[i - 1] ^ (state[i - 1] >> 30);
        let wrap = |state: &mut [u32; 624], i: usize| {
            if i + 1 < 624 {
                return i + 1;
            }
            state[0] = state[623];
            1
        };
        let (mut i, mut j) = (1, 0);
        for _ in 0..624 {
            state[i] =
                (state[i] ^ mix(&state, i).wrapping_mul(1_664_525)).wrapping_add(words[j]).wrapping_add(j as u32);
            i = wrap(&mut state, i);
            j = (j + 1) % words.len();
        }
        for _ in 0..623 {
            state[i] = (state[i] ^ mix(&state, i).wrapping_mul(1_566_083_941)).wrapping_sub(i as u32);
            i = wrap(&mut state, i);
        }
        state[0] = 0x8000_0000;
        Random { state, at: 624 }
    }

    /// A number from 0 to 1, 1 excluded, of 53 random bits.
    pub(crate) fn next(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    fn word(&mut self) -> u32 {
        if self.at == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ odd;
            }
            self.at = 0;
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}
