//! The ceiling of the whole process: what the system says it takes rules how much the tables may take.
//!
//! Own accounting knows what tables hold, but not what the allocator keeps back. So the share of the tables is cut
//! while the process comes near its ceiling, and given back slowly when there is room.

use std::fs;

use crate::engine;

/// Share of the ceiling from which on tables get less, and below which they get more again.
const NEAR: (f64, f64) = (0.88, 0.70);
/// How much less, how much more at a time.
const STEP: (f64, f64) = (0.90, 1.02);
/// However much the process takes, tables may take this part of their share: less would help nobody.
const LEAST: usize = 4;

/// Holds the process below its ceiling.
#[derive(Debug)]
pub(super) struct Governor {
    /// Bytes that the process may take.
    pub(super) ceiling: usize,
    /// Bytes it takes, as of the last look.
    pub(super) resident: usize,
    share: usize,
}

impl Governor {
    pub(super) fn new(ceiling: usize) -> Self {
        Governor { ceiling, resident: 0, share: engine::share_of(ceiling) }
    }

    /// Asks the system; a new share of the tables if it has to change.
    pub(super) fn look(&mut self) -> Option<usize> {
        self.resident = resident().unwrap_or(0);
        self.decide()
    }

    fn decide(&mut self) -> Option<usize> {
        let whole = engine::share_of(self.ceiling);
        let filled = self.resident as f64 / self.ceiling as f64;
        let factor = if filled > NEAR.0 {
            STEP.0
        } else if filled < NEAR.1 {
            STEP.1
        } else {
            return None;
        };
        let share = ((self.share as f64 * factor) as usize).clamp(whole / LEAST, whole);
        (share != self.share).then(|| {
            self.share = share;
            share
        })
    }
}

/// Bytes of memory that this process has in use. Not on systems without /proc.
fn resident() -> Option<usize> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_get_less_near_the_ceiling_and_more_again_below_it() {
        let mut governor = Governor::new(256 << 20);
        let whole = engine::share_of(256 << 20);
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
        governor.resident = 100 << 20;
        assert_eq!(governor.decide(), None, "there is no more to give");
        governor.resident = 240 << 20;
        assert_eq!(governor.decide(), Some((whole as f64 * 0.9) as usize));
        for _ in 0..100 {
            governor.decide();
        }
        assert_eq!(governor.share, whole / LEAST, "never nothing");
        governor.resident = 200 << 20;
        assert_eq!(governor.decide(), None);
        governor.resident = 100 << 20;
        for _ in 0..200 {
            governor.decide();
        }
        assert_eq!(governor.share, whole);
    }
}
