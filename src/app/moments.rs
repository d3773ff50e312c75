//! When the pipeline's thread did what it does now and then, and when the next cut is due.

use crate::time::Span;

/// The shortest and the longest time between two cuts: a large state is saved less often.
const CUT_BETWEEN: (Span, Span) = (Span::from_secs(5), Span::from_secs(60));
/// A file that was met is saved sooner: until then a kill would make it unknown, and where a link leads may have changed.
const CUT_SOON: Span = Span::SECOND;
/// While nothing comes, the state is saved so seldom: only the time has passed, and what that brings is saved when it is told.
const CUT_IDLE: Span = Span::from_mins(15);
/// A cut may take this share of the time between two, and one for a file that was met a larger one.
const CUT_SHARE: (i64, i64) = (100, 5);
/// How often the picture is renewed.
pub(super) const LOOK_EVERY: Span = Span::SECOND;

/// Moments of the monotonic clock.
pub(super) struct Moments {
    cut: Span,
    cut_every: Span,
    cut_soon: Span,
    copying: Span,
    /// Something was told that is in no cut yet.
    told: bool,
    pub(super) look: Span,
    pub(super) silence: Span,
    pub(super) line: Span,
    pub(super) alive: Span,
    pub(super) reader: Span,
    /// When the present was last reached.
    pub(super) at_end: Span,
    /// Revision of what is kept, as last shown.
    pub(super) kept: Option<u64>,
}

impl Moments {
    /// All of them at the start. The first cut is due at once.
    pub(super) fn at(start: Span) -> Self {
        Moments {
            cut: start - CUT_SOON,
            cut_every: CUT_BETWEEN.0,
            cut_soon: CUT_SOON,
            copying: Span::ZERO,
            told: false,
            look: start - LOOK_EVERY,
            silence: start,
            line: start,
            alive: start,
            reader: start,
            at_end: start,
            kept: None,
        }
    }

    /// Something was told: a cut is due at once.
    pub(super) fn note_told(&mut self) {
        self.told = true;
    }

    /// A cut begins: what is remembered was copied, which took so long.
    pub(super) fn note_cut(&mut self, at: Span, copying: Span) {
        (self.cut, self.copying, self.told) = (at, copying, false);
    }

    /// The cut was saved, or could not be, which took so long.
    pub(super) fn note_saved(&mut self, at: Span, saving: Span) {
        let took = self.copying + saving;
        self.cut = at;
        self.cut_every = took.times(CUT_SHARE.0).clamp(CUT_BETWEEN.0, CUT_BETWEEN.1);
        self.cut_soon = took.times(CUT_SHARE.1).clamp(CUT_SOON, CUT_BETWEEN.1);
    }

    /// When the next cut is due: whether lines came since the last one, and whether a file was met. What was told is saved at
    /// once: until then it is decided once more after a crash, though not told.
    pub(super) fn next_cut(&self, dirty: bool, met: bool) -> Span {
        let after = match (dirty, met) {
            _ if self.told => Span::ZERO,
            (true, true) => self.cut_soon,
            (true, false) => self.cut_every,
            (false, _) => CUT_IDLE,
        };
        self.cut + after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_state_is_saved_less_often_and_a_file_that_was_met_sooner() {
        let start = Span::from_secs(100);
        let mut moments = Moments::at(start);
        assert_eq!(moments.next_cut(true, true), start, "the first one at once");
        moments.note_saved(start, Span::from_millis(10));
        assert_eq!(moments.next_cut(true, false) - start, Span::from_secs(5));
        assert_eq!(moments.next_cut(true, true) - start, Span::SECOND);
        assert_eq!(moments.next_cut(false, true) - start, Span::from_mins(15));
        moments.note_told();
        assert_eq!(moments.next_cut(false, false), start, "what was told is saved at once");
        moments.note_cut(start, Span::from_millis(50));
        assert_eq!(moments.next_cut(true, false) - start, Span::from_secs(5));
        moments.note_saved(start, Span::from_millis(150));
        assert_eq!(moments.next_cut(true, false) - start, Span::from_secs(20));
        moments.note_saved(start, Span::from_secs(30));
        assert_eq!(moments.next_cut(true, false) - start, Span::MINUTE, "at the latest");
    }
}
