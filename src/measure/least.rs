//! Who gives way when a table is full.

/// All but the `kept` greatest, in no particular order and in linear time. Which they are does not hang on the order in
/// which they come, as long as no two are equal.
pub(super) fn all_but<T: Ord>(mut all: Vec<T>, kept: usize) -> Vec<T> {
    if kept >= all.len() {
        return Vec::new();
    }
    if kept > 0 {
        all.select_nth_unstable_by(kept - 1, |a, b| b.cmp(a));
    }
    all.split_off(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_stay_in_whatever_order_they_come() {
        let mut numbers: Vec<u32> = (0..1000).map(|n| n * 7919 % 1000).collect();
        for kept in [0, 1, 250, 999, 1000, 2000] {
            numbers.rotate_left(13);
            let mut least = all_but(numbers.clone(), kept);
            least.sort_unstable();
            assert_eq!(least, (0..1000u32.saturating_sub(kept as u32)).collect::<Vec<u32>>());
        }
    }
}
