//! How fast a channel may speak: a storm becomes a digest.
//!
//! Per channel at most one message a second, and within ten minutes at most six single ones of one rule and twenty in
//! all, of which five are kept for digests. The first critical notice of a rule that has not spoken passes.

use std::collections::VecDeque;

use crate::event::Severity;
use crate::store::PaceRow;
use crate::time::{Span, Timestamp};

/// Limits of one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PaceSettings {
    /// The shortest time between two messages.
    pub interval: Span,
    /// The time in which the limits below count.
    pub window: Span,
    /// Single messages of one rule.
    pub per_rule: usize,
    /// Single messages of all rules; digests come on top.
    pub singles: usize,
    /// The shortest time between two digests made because of a storm.
    pub between_digests: Span,
    /// How long the first message beyond a limit waits for others to share its digest.
    pub gather: Span,
    /// More messages than this waiting at once become one digest.
    pub at_once: usize,
}

impl Default for PaceSettings {
    fn default() -> Self {
        PaceSettings {
            interval: Span::SECOND,
            window: Span::from_mins(10),
            per_rule: 6,
            singles: 15,
            between_digests: Span::from_mins(2),
            gather: Span::from_secs(30),
            at_once: 5,
        }
    }
}

/// Whether a single message may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// At once.
    Now,
    /// At this instant: only the interval holds it back.
    At(Span),
    /// Beyond a limit: it waits for a digest.
    Held,
}

/// What a channel has said lately. Instants are monotonic.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) settings: PaceSettings,
    last: Option<Span>,
    last_digest: Option<Span>,
    singles: VecDeque<(Span, String)>,
}

impl Pace {
    #[cfg(test)]
    pub(super) fn new(settings: PaceSettings) -> Self {
        Pace { settings, last: None, last_digest: None, singles: VecDeque::new() }
    }

    /// As it was when the last run ended: `row` as [`Pace::remembered`] gave it. What lies in the future of a clock that
    /// was set back is taken for now.
    pub(super) fn restore(settings: PaceSettings, row: &PaceRow, now: Timestamp, monotonic: Span) -> Self {
        let at = |then: Timestamp| monotonic - (now - then).max(Span::ZERO);
        let mut pace = Pace {
            settings,
            last: row.last.map(at),
            last_digest: row.digested.map(at),
            singles: row.singles.iter().map(|(then, rule)| (at(*then), rule.clone())).collect(),
        };
        pace.forget(monotonic);
        pace
    }

    /// What a restart must know.
    pub(super) fn remembered(&self, now: Timestamp, monotonic: Span) -> PaceRow {
        let at = |then: Span| now - (monotonic - then);
        PaceRow {
            last: self.last.map(at),
            singles: self.singles.iter().map(|(then, rule)| (at(*then), rule.clone())).collect(),
            digested: self.last_digest.map(at),
            failing_since: None,
        }
    }

    /// Whether a notice about one incident may go now.
    pub(super) fn single(&mut self, now: Span, rule: &str, severity: Severity) -> Turn {
        self.forget(now);
        let of_rule = self.singles.iter().filter(|(_, said)| said == rule).count();
        let full = of_rule >= self.settings.per_rule || self.singles.len() >= self.settings.singles;
        if full && !(of_rule == 0 && severity == Severity::Critical) {
            return Turn::Held;
        }
        self.any(now)
    }

    /// Whether any message may go now.
    pub(super) fn any(&self, now: Span) -> Turn {
        match self.last.map(|last| last + self.settings.interval) {
            Some(next) if next > now => Turn::At(next),
            _ => Turn::Now,
        }
    }

    /// Whether this is the first word about a rule within the window, and critical: news that no digest delays.
    pub(super) fn is_news(&self, rule: &str, severity: Severity) -> bool {
        severity == Severity::Critical && !self.singles.iter().any(|(_, said)| said == rule)
    }

    /// When the next digest because of a storm may be made, if the oldest message it holds waits `since`.
    pub(super) fn digest_at(&self, since: Span) -> Span {
        let gathered = since + self.settings.gather;
        self.last_digest.map_or(gathered, |last| gathered.max(last + self.settings.between_digests))
    }

    /// Whether a digest may be made at once.
    pub(super) fn may_digest(&self, now: Span) -> bool {
        self.last_digest.is_none_or(|last| now >= last + self.settings.between_digests)
    }

    /// A digest was made because of a storm.
    pub(super) fn digested(&mut self, now: Span) {
        self.last_digest = Some(now);
    }

    /// A message went out; `rule` of a single one.
    pub(super) fn said(&mut self, now: Span, rule: Option<&str>) {
        self.last = Some(now);
        if let Some(rule) = rule {
            self.forget(now);
            self.singles.push_back((now, rule.to_owned()));
        }
    }

    fn forget(&mut self, now: Span) {
        while self.singles.front().is_some_and(|(at, _)| *at + self.settings.window <= now) {
            self.singles.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Span {
        Span::from_secs(seconds)
    }

    #[test]
    fn one_a_second_six_of_a_rule_fifteen_in_all() {
        let mut pace = Pace::new(PaceSettings::default());
        assert_eq!(pace.single(at(0), "burst", Severity::Warning), Turn::Now);
        pace.said(at(0), Some("burst"));
        assert_eq!(pace.single(at(0), "burst", Severity::Warning), Turn::At(at(1)));
        for second in 1..6 {
            assert_eq!(pace.single(at(second), "burst", Severity::Warning), Turn::Now);
            pace.said(at(second), Some("burst"));
        }
        assert_eq!(pace.single(at(7), "burst", Severity::Critical), Turn::Held);
        for second in 7..16 {
            assert_eq!(pace.single(at(second), &format!("r{second}"), Severity::Info), Turn::Now);
            pace.said(at(second), Some(&format!("r{second}")));
        }
        assert_eq!(pace.single(at(20), "new", Severity::Warning), Turn::Held);
        // Critical and never spoken about: passes, once.
        assert_eq!(pace.single(at(20), "leak", Severity::Critical), Turn::Now);
        pace.said(at(20), Some("leak"));
        assert_eq!(pace.single(at(30), "leak", Severity::Critical), Turn::Held);
        assert_eq!(pace.single(at(700), "burst", Severity::Warning), Turn::Now);
    }

    #[test]
    fn a_restart_allows_nothing_more() {
        let now = Timestamp::from_secs(1_790_000_000);
        let mut pace = Pace::new(PaceSettings::default());
        for second in 0..6 {
            pace.said(at(100 + second), Some("burst"));
        }
        pace.digested(at(100));
        let row = pace.remembered(now, at(110));
        // Forty seconds later, with a monotonic clock that began anew.
        let mut again = Pace::restore(PaceSettings::default(), &row, now + at(40), at(2));
        assert_eq!(again.single(at(2), "burst", Severity::Warning), Turn::Held);
        assert!(!again.may_digest(at(2)) && again.may_digest(at(2 + 70)));
        assert_eq!(again.remembered(now + at(40), at(2)), row);
        // A clock that was set back makes it wait no longer than the window.
        let mut back = Pace::restore(PaceSettings::default(), &row, now - Span::DAY, at(2));
        assert_eq!(back.single(at(2), "burst", Severity::Warning), Turn::Held);
        assert_eq!(back.single(at(2 + 601), "burst", Severity::Warning), Turn::Now);
        assert_eq!(Pace::restore(PaceSettings::default(), &row, now + Span::DAY, at(2)).singles.len(), 0);
    }

    #[test]
    fn digests_gather_first_and_keep_their_distance() {
        let mut pace = Pace::new(PaceSettings::default());
        assert_eq!(pace.digest_at(at(10)), at(40));
        pace.digested(at(40));
        assert_eq!(pace.digest_at(at(50)), at(160));
        assert!(!pace.may_digest(at(159)) && pace.may_digest(at(160)));
    }
}
