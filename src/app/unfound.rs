//! Incidents that were told and are not found again.
//!
//! A message is written down before the state is: a process that dies in between decides the same again from the same
//! lines, by the same id, and tells nothing twice. Where those lines are gone by then, or come in another order, it does not,
//! and nobody would hear the end of what was told. It is told once the backlog has been read.

use crate::notice::own::DETECTOR;
use crate::notice::{Notice, NoticeType};
use crate::store::IncidentRow;
use crate::time::{Span, Timestamp};

/// So long after the present was reached everything of a backlog has been told.
const SETTLED: Span = Span::from_mins(2);

/// Waits for the moment at which it can be said.
pub(super) struct Unfound {
    /// The cut that this run began with, until it was said.
    cut: Option<Timestamp>,
    reached: Option<Span>,
}

impl Unfound {
    /// `cut`: when the state was saved that this run began with.
    pub(super) fn since(cut: Option<Timestamp>) -> Self {
        Unfound { cut, reached: None }
    }

    /// The cut after which incidents may have been told that are unknown, once and when the time has come.
    pub(super) fn due(&mut self, at_end: bool, now: Span) -> Option<Timestamp> {
        if !at_end {
            self.reached = None;
            return None;
        }
        let reached = *self.reached.get_or_insert(now);
        self.cut.take_if(|_| now - reached >= SETTLED)
    }
}

/// The ends of incidents that were told after the cut and that are not among those that go on.
pub(super) fn ends(
    told: Vec<IncidentRow>,
    cut: Timestamp,
    goes_on: impl Fn(&str) -> bool,
    at: Timestamp,
) -> Vec<Notice> {
    told.into_iter()
        .filter(|row| row.decided_at > cut && row.notice.detector != DETECTOR && !goes_on(&row.notice.incident))
        .map(|row| Notice {
            kind: NoticeType::Resolved,
            ended_at: Some(row.notice.at),
            at,
            title: format!("Not found again: {}", row.notice.title),
            summary: "Lapwing was killed just after it told this, and the lines that it had found this in did not come again. \
                      If it still goes on, it is told anew."
                .to_owned(),
            actions: Vec::new(),
            ..row.notice
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample::notice;

    #[test]
    fn only_what_was_told_after_the_cut_and_is_unknown_ends() {
        let cut = Timestamp::parse("2026-11-21T06:00:00Z").unwrap();
        let row = |incident: &str, after: i64| {
            IncidentRow::new(notice(incident, NoticeType::Opened), cut + Span::from_secs(after))
        };
        let mut own = row("D", 1);
        own.notice.detector = DETECTOR.to_owned();
        let told = vec![row("A", -1), row("B", 1), row("C", 1), own];
        let ends = ends(told, cut, |incident| incident == "C", cut + Span::HOUR);
        let ids: Vec<&str> = ends.iter().map(|end| end.incident.as_str()).collect();
        assert_eq!(ids, ["B"]);
        assert!(!IncidentRow::new(ends[0].clone(), cut).is_open());
    }

    #[test]
    fn it_is_said_once_and_not_before_the_backlog_is_read() {
        let cut = Timestamp::parse("2026-11-21T06:00:00Z").unwrap();
        let mut unfound = Unfound::since(Some(cut));
        let at = Span::from_secs;
        assert_eq!(unfound.due(false, at(0)), None);
        assert_eq!(unfound.due(false, at(600)), None);
        assert_eq!(unfound.due(true, at(601)), None);
        assert_eq!(unfound.due(true, at(700)), None);
        assert_eq!(unfound.due(true, at(721)), Some(cut));
        assert_eq!(unfound.due(true, at(900)), None);
        assert_eq!(Unfound::since(None).due(true, at(900)), None);
    }
}
