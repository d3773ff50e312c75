//! The wall clock, steadied: a step forward is not believed at once.

use crate::time::{Span, Timestamp};

/// What the clock may be off after one look and still be right: it is slewed, not set.
const SLEWED: Span = Span::from_secs(60);
/// A step that lasts this long is true: the clock was wrong before, or the machine slept.
const BELIEVED_AFTER: Span = Span::from_mins(10);

/// The wall clock as it would be had it not been set.
#[derive(Debug, Default)]
pub(super) struct Wall {
    /// The wall clock and the monotonic one when they agreed last.
    anchor: Option<(Timestamp, Span)>,
    /// Since when they do not.
    doubt: Option<Span>,
}

impl Wall {
    /// The time it is, as far as it can be believed: what silence is measured by.
    pub(super) fn read(&mut self, wall: Timestamp, monotonic: Span) -> Timestamp {
        let Some((then, at)) = self.anchor else {
            self.anchor = Some((wall, monotonic));
            return wall;
        };
        let steady = then + (monotonic - at);
        let step = wall - steady;
        if step.millis().abs() <= SLEWED.millis() {
            (self.anchor, self.doubt) = (Some((wall, monotonic)), None);
            return wall;
        }
        let forward = step > Span::ZERO;
        let since = *self.doubt.get_or_insert_with(|| {
            let (direction, then) = if forward {
                ("forward", "; not believed before it has stayed so for ten minutes")
            } else {
                ("back", "")
            };
            let length = Span::from_secs(step.millis().abs() / 1000);
            tracing::warn!("the system's clock stepped {direction} by {length}{then}");
            monotonic
        });
        // Back is believed at once: it makes nobody silent.
        if forward && monotonic - since < BELIEVED_AFTER {
            return steady;
        }
        (self.anchor, self.doubt) = (Some((wall, monotonic)), None);
        wall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn f41_a_step_forward_that_is_taken_back_never_was() {
        let mut wall = Wall::default();
        for second in 0..2000 {
            let stepped = (100..500).contains(&second);
            let read = wall.read(at(second + if stepped { 86_400 } else { 0 }), Span::from_secs(second));
            assert_eq!(read, at(second), "second {second}");
        }
    }

    #[test]
    fn f41_after_a_step_back_time_never_runs_ahead_of_the_clock() {
        let mut wall = Wall::default();
        for second in 0..3000 {
            let clock = at(second - if (100..700).contains(&second) { 7200 } else { 0 });
            assert!(wall.read(clock, Span::from_secs(second)) <= clock, "second {second}");
        }
        assert_eq!(wall.read(at(3000), Span::from_secs(3000)), at(3000));
    }

    #[test]
    fn f41_a_step_that_stays_is_believed_and_slewing_is_followed() {
        let mut wall = Wall::default();
        assert_eq!(wall.read(at(0), Span::ZERO), at(0));
        // A second in a hundred: the clock is being corrected.
        assert_eq!(wall.read(at(990), Span::from_secs(1000)), at(990));
        assert_eq!(wall.read(at(4600), Span::from_secs(1010)), at(1000));
        assert_eq!(wall.read(at(5190), Span::from_secs(1600)), at(1590));
        assert_eq!(wall.read(at(5200), Span::from_secs(1610)), at(5200));
        assert_eq!(wall.read(at(5201), Span::from_secs(1611)), at(5201));
    }
}
