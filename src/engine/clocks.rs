//! Which time it is by the log: one clock a source, and what to do with lines that are ahead of it.

use serde::{Deserialize, Serialize};

use crate::event::{Event, SourceId};
use crate::time::{Span, Timestamp};

/// A line further ahead than this does not move the clock by itself.
const AHEAD: Span = Span::from_mins(5);
/// So many lines that agree move it after all,
const AGREE_LINES: u32 = 20;
/// or lines that agree for this long.
const AGREE_SPAN: Span = Span::MINUTE;

/// What becomes of an event's time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// In order, or late within reason.
    Trusted,
    /// Ahead of its source's clock: wait whether others agree.
    Ahead,
    /// Others agreed: the clock jumped, and what waited is right.
    Jumped,
}

/// The clock of one source.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct SourceClock {
    newest: Option<Timestamp>,
    ahead_since: Timestamp,
    ahead_newest: Timestamp,
    ahead_lines: u32,
}

/// The clocks of all sources.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Clocks {
    sources: Vec<SourceClock>,
    newest: Option<Timestamp>,
}

impl Clocks {
    /// Reads the time of an event. `wall` is the wall clock where there is one: what is not ahead of it is trusted.
    pub(super) fn read(&mut self, event: &Event, wall: Option<Timestamp>) -> Reading {
        let index = usize::from(event.source.0);
        if self.sources.len() <= index {
            self.sources.resize(index + 1, SourceClock::default());
        }
        let clock = &mut self.sources[index];
        let t = event.time;
        let trusted_until = match (clock.newest, wall) {
            (Some(newest), Some(wall)) => newest.max(wall) + AHEAD,
            (Some(newest), None) => newest + AHEAD,
            (None, Some(wall)) => wall + AHEAD,
            (None, None) => Timestamp::MAX,
        };
        if t <= trusted_until {
            clock.newest = Some(clock.newest.map_or(t, |newest| newest.max(t)));
            self.newest = Some(self.newest.map_or(t, |newest| newest.max(t)));
            clock.ahead_lines = 0;
            return Reading::Trusted;
        }
        // Lines ahead agree when each is no more than the allowance away from the one before.
        let agrees = clock.ahead_lines > 0 && (t - clock.ahead_newest).millis().abs() <= 60 * AHEAD.millis();
        if !agrees {
            clock.ahead_since = t;
            clock.ahead_lines = 0;
        }
        clock.ahead_newest = t;
        clock.ahead_lines += 1;
        if wall.is_none() && (clock.ahead_lines >= AGREE_LINES || t - clock.ahead_since >= AGREE_SPAN) {
            self.accept(event.source);
            return Reading::Jumped;
        }
        Reading::Ahead
    }

    /// Takes what waits of a source as right.
    pub(super) fn accept(&mut self, source: SourceId) {
        if let Some(clock) = self.sources.get_mut(usize::from(source.0)).filter(|c| c.ahead_lines > 0) {
            clock.newest = Some(clock.ahead_newest);
            clock.ahead_lines = 0;
            let t = clock.ahead_newest;
            self.newest = Some(self.newest.map_or(t, |newest| newest.max(t)));
        }
    }

    /// The newest trusted time of any source.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Batch;

    fn event(t: i64) -> Event {
        let mut batch = Batch::default();
        let text = batch.put(crate::event::Id::NONE, "");
        Event {
            time: Timestamp::from_secs(1_000_000 + t),
            key: text,
            client: text,
            network: text,
            endpoint: text,
            agent: text,
            request: crate::event::Id::NONE,
            resource: crate::event::Id::NONE,
            number: Event::UNKNOWN,
            bytes_out: 0,
            bytes_in: Event::UNKNOWN,
            duration_ms: Event::UNKNOWN,
            tokens_in: Event::UNKNOWN,
            tokens_out: Event::UNKNOWN,
            cost: f32::NAN,
            status: 200,
            source: SourceId(0),
            method: crate::event::Method::Get,
            flags: crate::event::Flags::default(),
            place: crate::event::Place::NONE,
        }
    }

    #[test]
    fn one_line_from_the_future_moves_nothing() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.read(&event(0), None), Reading::Trusted);
        assert_eq!(clocks.read(&event(3600), None), Reading::Ahead);
        assert_eq!(clocks.read(&event(1), None), Reading::Trusted);
        assert_eq!(clocks.newest(), Some(Timestamp::from_secs(1_000_001)));
    }

    #[test]
    fn a_gap_is_believed_when_lines_agree_for_a_minute() {
        let mut clocks = Clocks::default();
        clocks.read(&event(0), None);
        assert_eq!(clocks.read(&event(7200), None), Reading::Ahead);
        assert_eq!(clocks.read(&event(7230), None), Reading::Ahead);
        assert_eq!(clocks.read(&event(7261), None), Reading::Jumped);
        assert_eq!(clocks.read(&event(7262), None), Reading::Trusted);
    }

    #[test]
    fn with_a_wall_clock_a_gap_is_believed_at_once_and_the_future_never() {
        let mut clocks = Clocks::default();
        let wall = Some(Timestamp::from_secs(1_000_000 + 7200));
        clocks.read(&event(0), wall);
        assert_eq!(clocks.read(&event(7200), wall), Reading::Trusted);
        for i in 0..100 {
            assert_eq!(clocks.read(&event(90_000 + i), wall), Reading::Ahead);
        }
    }
}
