//! Faults on demand: named points at which a test makes the running program die, fail or hang.
//!
//! Only programs with debug assertions have them (`cargo test` builds such); in a release a point is nothing at all.
//! `LAPWING_FAULT=cut.after-snapshot=abort@3` makes the third passing of that point the last thing the process does.
//! Several are separated by commas; `@3+` means the third and every later one. `abort` ends the process as `kill -9`
//! would, `panic` is a defect in the code, `stuck` is a thread that never comes back.

/// A point by its name.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn point(_name: &str) {}

/// A point by its name.
///
/// # Panics
/// If a test asked for that.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    on_demand::pass(name);
}

#[cfg(debug_assertions)]
mod on_demand {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Fault {
        point: String,
        action: Action,
        from: u64,
        on: bool,
        passed: AtomicU64,
    }

    #[derive(Clone, Copy)]
    enum Action {
        Abort,
        Panic,
        Stuck,
    }

    pub(super) fn pass(name: &str) {
        static FAULTS: OnceLock<Vec<Fault>> = OnceLock::new();
        let faults = FAULTS.get_or_init(|| parse(&std::env::var("LAPWING_FAULT").unwrap_or_default()));
        for fault in faults.iter().filter(|fault| fault.point == name) {
            let passed = fault.passed.fetch_add(1, Ordering::SeqCst) + 1;
            if passed == fault.from || (fault.on && passed > fault.from) {
                match fault.action {
                    Action::Abort => std::process::abort(),
                    Action::Panic => panic!("a fault asked for at {name}"),
                    Action::Stuck => loop {
                        std::thread::park();
                    },
                }
            }
        }
    }

    /// What cannot be read is no fault: the test that wanted it sees that nothing happens.
    fn parse(text: &str) -> Vec<Fault> {
        let one = |part: &str| {
            let (point, what) = part.trim().split_once('=')?;
            let (action, number) = what.split_once('@').unwrap_or((what, "1"));
            let on = number.ends_with('+');
            let action = match action {
                "abort" => Action::Abort,
                "panic" => Action::Panic,
                "stuck" => Action::Stuck,
                _ => return None,
            };
            let from = number.trim_end_matches('+').parse().ok()?;
            Some(Fault { point: point.to_owned(), action, from, on, passed: AtomicU64::new(0) })
        };
        text.split(',').filter_map(one).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn points_are_read_as_they_are_written() {
            let faults = parse("cut.before=abort@3, parser=panic@7+,nonsense, x=explode");
            assert_eq!(faults.len(), 2);
            assert_eq!((faults[0].point.as_str(), faults[0].from, faults[0].on), ("cut.before", 3, false));
            assert_eq!((faults[1].point.as_str(), faults[1].from, faults[1].on), ("parser", 7, true));
        }
    }
}
