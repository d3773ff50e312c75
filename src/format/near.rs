//! Where a byte stands first, in texts that are mostly short.

/// Words of eight bytes that are looked at before a search over many bytes at once is set up: most fields end sooner.
const NEAR_WORDS: usize = 4;

/// Where a byte stands first.
#[inline]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let wanted = ONES * u64::from(byte);
    let (words, _) = text.as_chunks::<8>();
    let mut passed = 0;
    for word in words.iter().take(NEAR_WORDS) {
        // A byte that is the same becomes zero, and the lowest zero is the first to borrow.
        let differs = u64::from_le_bytes(*word) ^ wanted;
        let same = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
        if same != 0 {
            return Some(passed + (same.trailing_zeros() / 8) as usize);
        }
        passed += 8;
    }
    let far = text.get(passed..).unwrap_or_default();
    if far.len() < 8 {
        return far.iter().position(|b| *b == byte).map(|at| passed + at);
    }
    memchr::memchr(byte, far).map(|at| passed + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_and_the_first_of_several() {
        for length in 0..80 {
            let mut text = vec![b'a'; length];
            assert_eq!(find(b'x', &text), None);
            for at in (0..length).rev() {
                text[at] = b'x';
                assert_eq!(find(b'x', &text), Some(at), "{length}");
            }
        }
    }
}
