//! What goes wrong with Lapwing itself and is told like any incident: the state cannot be saved, a part of it was
//! damaged, lines are passed over because of a defect.
//!
//! Looked at once a second with signs from those who know; nothing here touches a file or a clock.

use crate::event::Severity;
use crate::notice::{Notice, NoticeType, own};
use crate::notify::Outbox;
use crate::store::Store;
use crate::time::{Span, Timestamp};

/// A state that could not be saved for a moment is no news.
const UNSAVED_FOR: Span = Span::from_secs(10);
/// So many defects within [`DEFECTS_WITHIN`] are told; a single one is a line in the log.
const DEFECTS: u64 = 10;
const DEFECTS_WITHIN: Span = Span::MINUTE;
/// Without a defect for so long it is over.
const DEFECTS_OVER: Span = Span::HOUR;

/// What those who know say.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Signs {
    /// Since when the state cannot be saved, and why.
    pub(super) unsaved: Option<(Timestamp, String)>,
    /// Lines and judgements passed over because of a defect, ever.
    pub(super) defects: u64,
}

/// What is told at present.
#[derive(Debug)]
pub(super) struct Troubles {
    /// Since when the state is told to be unsaved.
    unsaved: Option<Timestamp>,
    defects: u64,
    /// The count at the beginning of the minute that is watched.
    watched: (Span, u64),
    /// Since when defects are told, and the last one.
    defective: Option<Timestamp>,
    last_defect: Span,
}

impl Troubles {
    /// None yet; `defects` were counted by earlier runs.
    pub(super) fn new(defects: u64) -> Self {
        Troubles { unsaved: None, defects, watched: (Span::ZERO, defects), defective: None, last_defect: Span::ZERO }
    }

    /// What is to be told now.
    pub(super) fn look(&mut self, signs: &Signs, now: Timestamp, monotonic: Span) -> Vec<Notice> {
        let mut notices = Vec::new();
        match (&signs.unsaved, self.unsaved) {
            (Some((since, why)), None) if now - *since >= UNSAVED_FOR => {
                self.unsaved = Some(*since);
                notices.push(unsaved(*since, now, NoticeType::Opened, why));
            }
            (None, Some(since)) => {
                self.unsaved = None;
                notices.push(unsaved(since, now, NoticeType::Resolved, ""));
            }
            _ => {}
        }
        if signs.defects > self.defects {
            self.defects = signs.defects;
            self.last_defect = monotonic;
        }
        if monotonic - self.watched.0 >= DEFECTS_WITHIN {
            self.watched = (monotonic, signs.defects);
        }
        let new = signs.defects.saturating_sub(self.watched.1);
        match self.defective {
            None if new >= DEFECTS => {
                self.defective = Some(now);
                notices.push(defective(now, now, NoticeType::Opened, signs.defects));
            }
            Some(since) if monotonic - self.last_defect >= DEFECTS_OVER => {
                self.defective = None;
                notices.push(defective(since, now, NoticeType::Resolved, signs.defects));
            }
            _ => {}
        }
        notices
    }
}

fn unsaved(since: Timestamp, now: Timestamp, kind: NoticeType, why: &str) -> Notice {
    let words = if kind == NoticeType::Opened {
        own::Words {
            title: "Lapwing cannot save its state".to_owned(),
            summary: format!(
                "{}. It goes on watching and telling from memory and tries again every few seconds. If it is stopped \
                 before that works, it goes on from what was last saved and reads the lines since then again.",
                capital(why)
            ),
            actions: vec![
                "Look at the disk of the state directory: is it full, or mounted read-only?".to_owned(),
                "Do not restart Lapwing until this is repaired".to_owned(),
            ],
        }
    } else {
        own::Words {
            title: "Lapwing saves its state again".to_owned(),
            summary: "Everything that was kept in memory meanwhile is saved; nothing was lost.".to_owned(),
            actions: Vec::new(),
        }
    };
    own::notice("state-unsaved", Severity::Critical, since, now, kind, words)
}

fn defective(since: Timestamp, now: Timestamp, kind: NoticeType, count: u64) -> Notice {
    let words = if kind == NoticeType::Opened {
        own::Words {
            title: "Lapwing passes lines over because of a defect".to_owned(),
            summary: format!(
                "It met {count} lines (or moments) that it could not work through because of a defect of its own. They \
                 are counted as \"internal error\"; all others are read and judged as usual."
            ),
            actions: vec![
                "See what its log says: journalctl -u lapwing".to_owned(),
                "Report it, with the message and the line of the source it names".to_owned(),
            ],
        }
    } else {
        own::Words {
            title: "Lapwing met no further defect".to_owned(),
            summary: "For an hour no line had to be passed over.".to_owned(),
            actions: Vec::new(),
        }
    };
    own::notice("internal-errors", Severity::Warning, since, now, kind, words)
}

/// What a start found that could not be trusted.
pub(super) fn damaged(lost: &[String], now: Timestamp) -> Notice {
    let words = own::Words {
        title: "Lapwing's saved state was damaged".to_owned(),
        summary: lost.iter().map(|sentence| format!("{}.", capital(sentence))).collect::<Vec<_>>().join(" "),
        actions: vec![
            "Nothing was deleted: what was set aside lies in `quarantine` in the state directory".to_owned(),
            "Look for the cause: a failing disk, a full one, a copy taken while Lapwing ran".to_owned(),
        ],
    };
    own::notice("state-damaged", Severity::Warning, now, now, NoticeType::Opened, words)
}

/// Hands notices about Lapwing itself to the channels.
pub(super) fn tell(outbox: &Outbox, store: &Store, notices: &[Notice]) {
    if notices.is_empty() {
        return;
    }
    for notice in notices {
        tracing::warn!("{}", notice.title);
    }
    if let Err(error) = store.tell(Vec::new(), outbox.decide(notices)) {
        // It waits in memory and is sent from there.
        tracing::debug!(%error, "kept in memory only");
    }
    outbox.wake();
}

fn capital(sentence: &str) -> String {
    crate::notice::words::capital(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn at(seconds: i64) -> (Timestamp, Span) {
        (NOW + Span::from_secs(seconds), Span::from_secs(seconds))
    }

    #[test]
    fn a_state_that_cannot_be_saved_is_told_once_and_so_is_its_end() {
        let mut troubles = Troubles::new(0);
        let mut look = |seconds, failing: bool| {
            let signs = Signs { unsaved: failing.then(|| (NOW, "the disk is full".to_owned())), defects: 0 };
            let (now, mono) = at(seconds);
            troubles.look(&signs, now, mono)
        };
        assert!(look(1, true).is_empty() && look(2, false).is_empty(), "a moment is no news");
        assert!(look(9, true).is_empty());
        let told = look(10, true);
        assert_eq!((told.len(), told[0].kind), (1, NoticeType::Opened));
        assert!(told[0].summary.starts_with("The disk is full."), "{}", told[0].summary);
        assert!(look(600, true).is_empty());
        let over = look(900, false);
        assert_eq!((over[0].kind, &over[0].incident), (NoticeType::Resolved, &told[0].incident));
        assert!(look(901, false).is_empty());
    }

    #[test]
    fn ten_defects_within_a_minute_are_told_and_nine_are_not() {
        let mut troubles = Troubles::new(40);
        let mut look = |seconds, defects| {
            let (now, mono) = at(seconds);
            troubles.look(&Signs { unsaved: None, defects }, now, mono)
        };
        assert!(look(60, 40).is_empty());
        assert!(look(70, 49).is_empty());
        assert!(look(130, 50).is_empty(), "a new minute");
        assert_eq!(look(131, 60)[0].title, "Lapwing passes lines over because of a defect");
        assert!(look(140, 600).is_empty(), "once");
        assert!(look(3700, 600).is_empty());
        assert_eq!(look(140 + 3600, 600)[0].kind, NoticeType::Resolved);
    }
}
