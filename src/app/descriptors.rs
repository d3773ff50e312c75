//! How many files may be held open: never so many that the store and the channels have none left.

use rustix::process::{Resource, getrlimit};

use crate::source::Limits;

/// The share of the process's descriptors that logs may take.
const SHARE: f64 = 0.6;
/// So many are always left for everything else.
const LEFT: u64 = 64;
/// With fewer, logs cannot be followed.
const FEWEST: u64 = 8;

/// How many files may be held open, of those that the limits ask for.
pub(super) fn allowed(limits: &Limits) -> usize {
    usize::try_from(most(all())).unwrap_or(usize::MAX).min(limits.open_files)
}

/// The limits with as many open files as the process may have.
pub(super) fn within_limit(mut limits: Limits) -> Limits {
    let most = allowed(&limits);
    if most < limits.open_files {
        tracing::warn!(
            "of the {} files that may be held open only {most} are, since this process may have {} descriptors: raise LimitNOFILE in the unit, or `ulimit -n`; more files are read in turn",
            limits.open_files,
            all()
        );
        limits.open_files = most;
    }
    limits
}

/// How many descriptors this process may have.
fn all() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many of a process's descriptors logs may take.
fn most(all: u64) -> u64 {
    ((all as f64 * SHARE) as u64).min(all.saturating_sub(LEFT)).max(FEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_always_left() {
        assert_eq!([most(64), most(128), most(1024), most(65_536)], [8, 64, 614, 39_321]);
    }
}
