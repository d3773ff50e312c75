//! The watch over the sources themselves: a format that changed, files that cannot be read, a source that fell silent.
//!
//! What Lapwing cannot see it cannot judge, so somebody has to be told. Time is counted in steps of a few seconds at
//! most: a machine that slept, or a daemon that was stopped for a while, makes nobody silent.

use std::collections::{BTreeMap, VecDeque};

use super::standing::SourcePicture;
use super::tally::Tally;
use crate::detect::{Impact, Trend};
use crate::event::{Severity, Subject, SubjectKind};
use crate::incident::Where;
use crate::notice::own::DETECTOR;
use crate::notice::{Notice, NoticeType, SCHEMA};
use crate::sanitize;
use crate::source::remedy;
use crate::time::{Span, Timestamp};

/// The rules by which they are told.
const FORMAT: &str = "format-changed";
const UNREADABLE: &str = "source-unreadable";
const SILENT: &str = "source-silent";
const CLOCK: &str = "source-clock";

/// More than this share of unread lines is too many,
const TOO_MANY: f64 = 0.2;
/// of at least so many lines,
const FEWEST_LINES: u64 = 10;
/// or a smaller share than that, which is so many times the source's usual, of so many lines;
const JUMP: (f64, f64, u64) = (0.05, 5.0, 200);
/// what is usual is known from so many lines on;
const USUAL_LINES: u64 = 1000;
/// over this window,
const WINDOW: Span = Span::from_mins(5);
/// for this long.
const LASTING: Span = Span::from_mins(5);
/// How often the counts of the window are taken.
const SAMPLE_EVERY: Span = Span::from_secs(10);
/// A file that was read before may be unreadable for this long,
const PATIENCE: Span = Span::from_mins(10);
/// one of which nothing is known for this long.
const PATIENCE_UNREAD: Span = Span::from_mins(2);
/// A silence is longer than so many of the source's longest pauses,
const PAUSES: i64 = 5;
/// and than this.
const SHORTEST_SILENCE: Span = Span::from_mins(10);
/// A newest line that is older than this though lines come has a wrong stamp.
const STALE: Span = Span::from_mins(30);
/// Lines come if one came in this time.
const COMING: Span = Span::MINUTE;
/// Nights are seen before silence means anything.
const KNOWN_FOR: Span = Span::DAY;
/// Time passes in steps no longer than this.
const LONGEST_STEP: Span = Span::from_secs(5);
/// Files named in one notice.
const NAMED: usize = 5;

/// One source at this moment.
pub(super) struct View<'a> {
    pub(super) name: &'a str,
    pub(super) tally: &'a Tally,
    pub(super) picture: &'a SourcePicture,
    /// The reader has read everything there is.
    pub(super) at_end: bool,
    /// Another incident says already that its traffic dropped.
    pub(super) drop_told: bool,
}

/// A guess at a format: its name, and why.
pub(super) type Guess<'a> = dyn Fn() -> Option<(Option<String>, String)> + 'a;

/// What is kept of one source.
#[derive(Default)]
struct Kept {
    /// Moments of our own time with lines offered and rejected by then.
    window: VecDeque<(Span, u64, u64)>,
    /// Share of the lines that usually cannot be read, as of when they were few.
    usual: f64,
    jumped_for: Span,
    bad_for: Span,
    good_for: Span,
    lines: u64,
    silent_for: Span,
    /// When lines came last, by our own time.
    came: Span,
    stale_for: Span,
}

/// The watch over all sources.
#[derive(Default)]
pub(super) struct Care {
    sources: BTreeMap<String, Kept>,
    /// What was told and is not over.
    open: Vec<Notice>,
    /// Our own time: the clock's, without the leaps.
    elapsed: Span,
    last: Option<Span>,
}

impl Care {
    /// Goes on with what was told before a restart.
    pub(super) fn new(told: impl IntoIterator<Item = Notice>) -> Self {
        let ours =
            |n: &Notice| n.detector == DETECTOR && [FORMAT, UNREADABLE, SILENT, CLOCK].contains(&n.rule.as_str());
        Care { open: told.into_iter().filter(ours).collect(), ..Care::default() }
    }

    /// Time passed, by the monotonic clock. To be called before sources are looked at.
    pub(super) fn pass(&mut self, now: Span) -> Span {
        let step = self.last.map_or(Span::ZERO, |last| now - last).clamp(Span::ZERO, LONGEST_STEP);
        self.last = Some(now);
        self.elapsed = self.elapsed + step;
        step
    }

    /// Looks at a source; `step` is what [`Care::pass`] gave.
    pub(super) fn look(&mut self, view: &View<'_>, step: Span, wall: Timestamp, guess: &Guess<'_>) -> Vec<Notice> {
        let mut told = Vec::new();
        self.format(view, step, wall, guess, &mut told);
        self.unreadable(view, wall, &mut told);
        self.silent(view, step, wall, &mut told);
        self.clock(view, step, wall, &mut told);
        told
    }

    /// What is told of sources that are not configured any more is over.
    pub(super) fn keep_only(&mut self, names: &[String], wall: Timestamp) -> Vec<Notice> {
        let (stay, leave) = std::mem::take(&mut self.open).into_iter().partition(|n| names.contains(&n.subject.name));
        self.open = stay;
        self.sources.retain(|name, _| names.contains(name));
        let over = |n: Notice| resolved(n, wall, "This source is not watched any more.");
        leave.into_iter().map(over).collect::<Vec<Notice>>()
    }

    fn format(&mut self, view: &View<'_>, step: Span, wall: Timestamp, guess: &Guess<'_>, told: &mut Vec<Notice>) {
        let elapsed = self.elapsed;
        let kept = self.sources.entry(view.name.to_owned()).or_default();
        let (offered, rejected) = (view.tally.offered(), view.tally.rejected_lines());
        if kept.window.back().is_none_or(|(at, ..)| elapsed - *at >= SAMPLE_EVERY) {
            kept.window.push_back((elapsed, offered, rejected));
        }
        while kept.window.get(1).is_some_and(|(at, ..)| elapsed - *at >= WINDOW) {
            kept.window.pop_front();
        }
        let (_, offered_before, rejected_before) = kept.window.front().copied().unwrap_or((elapsed, offered, rejected));
        let (lines, unread) = (offered.saturating_sub(offered_before), rejected.saturating_sub(rejected_before));
        let share = unread as f64 / lines.max(1) as f64;
        if lines < FEWEST_LINES {
            return;
        }
        if kept.bad_for == Span::ZERO && kept.jumped_for == Span::ZERO && offered_before >= USUAL_LINES {
            kept.usual = rejected_before as f64 / offered_before as f64;
        }
        let known = offered_before >= USUAL_LINES;
        let jumped = known && lines >= JUMP.2 && share > JUMP.0 && share > JUMP.1 * kept.usual;
        let too_many = share > TOO_MANY;
        kept.bad_for = if too_many { kept.bad_for + step } else { Span::ZERO };
        kept.jumped_for = if jumped || too_many { kept.jumped_for + step } else { Span::ZERO };
        kept.good_for = if jumped || too_many { Span::ZERO } else { kept.good_for + step };
        // A moment of nonsense is seen for as long as the window.
        let (bad, good) = (kept.bad_for >= LASTING || kept.jumped_for >= LASTING + WINDOW, kept.good_for >= LASTING);
        if bad && !self.is_open(FORMAT, view.name) {
            let name = view.name;
            let percent = (share * 100.0).round();
            let mut summary = format!(
                "Of the lines of source {name} in the last minutes {percent} % cannot be read, so they are not watched."
            );
            if let Some(sample) = view.tally.strange.lines().last() {
                summary = format!("{summary} The newest of them: {}", sanitize::redact_line(sample));
            }
            let mut actions = Vec::new();
            match guess() {
                Some((Some(format), reason)) => {
                    summary = format!("{summary}\nThey look like {format}: {reason}.");
                    actions.push(format!("If the server's log format was changed, set format = \"{format}\" under [source.{name}] and reload"));
                }
                Some((None, reason)) => {
                    summary = format!("{summary}\nNo known format fits: {reason}.");
                    actions.push(format!("If the server's log format was changed, paste it as log_format under [source.{name}] and reload"));
                }
                None => {}
            }
            actions.push("See how lines are read with: lapwing parse FILE".to_owned());
            let title = format!("{percent} % of the lines of source {name} cannot be read");
            told.push(self.opened(
                FORMAT,
                view.name,
                (Severity::Warning, share, "share of lines"),
                wall,
                wall,
                (title, summary, actions),
            ));
        } else if good {
            self.over(FORMAT, view.name, wall, "Its lines can be read again.", told);
        }
    }

    fn unreadable(&mut self, view: &View<'_>, wall: Timestamp, told: &mut Vec<Notice>) {
        let troubles = &view.picture.troubles;
        let patience = |unread: bool| if unread { PATIENCE_UNREAD } else { PATIENCE };
        let lasting: Vec<_> = troubles.iter().filter(|(t, age)| *age >= patience(t.unread)).collect();
        if troubles.is_empty() {
            self.over(UNREADABLE, view.name, wall, "Its files can be read again.", told);
        } else if let Some((first, age)) = lasting.first()
            && !self.is_open(UNREADABLE, view.name)
        {
            let path = sanitize::terminal(&first.path.display().to_string());
            let more = if lasting.len() > 1 { format!(" and {} more files", lasting.len() - 1) } else { String::new() };
            let title = format!("Source {}: {path}{more} cannot be read", view.name);
            let mut summary = "What is written there is not watched; it is tried again all the time.".to_owned();
            for (trouble, _) in lasting.iter().take(NAMED) {
                summary = format!(
                    "{summary}\n{}: {}",
                    sanitize::terminal(&trouble.path.display().to_string()),
                    trouble.error
                );
            }
            let denied = lasting.iter().filter(|(t, _)| t.error.starts_with("permission denied"));
            let actions = denied.take(NAMED).map(|(t, _)| sanitize::terminal(&remedy(&t.path))).collect();
            let measured = (Severity::Critical, lasting.len() as f64, "files");
            told.push(self.opened(UNREADABLE, view.name, measured, wall - *age, wall, (title, summary, actions)));
        }
    }

    fn silent(&mut self, view: &View<'_>, step: Span, wall: Timestamp, told: &mut Vec<Notice>) {
        let lines = view.tally.lines();
        let kept = self.sources.entry(view.name.to_owned()).or_default();
        if lines != kept.lines {
            let first_look = kept.lines == 0;
            (kept.lines, kept.silent_for, kept.came) = (lines, Span::ZERO, self.elapsed);
            if !first_look {
                self.over(SILENT, view.name, wall, "Lines come again.", told);
            }
            return;
        }
        if view.at_end {
            kept.silent_for = kept.silent_for + step;
        }
        let silent_for = kept.silent_for;
        let (Some(first), Some(newest)) = (view.tally.first, view.tally.newest) else { return };
        let longest = view.tally.more.pauses.longest();
        let enough = longest.times(PAUSES).max(SHORTEST_SILENCE);
        if newest - first < KNOWN_FOR || silent_for < enough || view.drop_told || self.is_open(SILENT, view.name) {
            return;
        }
        let name = view.name;
        let mut summary = format!(
            "The newest line of source {name} is of {newest}. In the days before, it never paused for longer than {}.",
            coarse(longest)
        );
        if view.picture.waiting {
            summary.push_str(" No file is there any more.");
        }
        let actions = vec![
            "See whether the server runs and writes its log".to_owned(),
            "See where Lapwing looks with: lapwing status".to_owned(),
        ];
        let title = format!("No lines from source {name} since {newest}");
        let measured = (Severity::Warning, silent_for.mins_f64(), "minutes");
        told.push(self.opened(SILENT, name, measured, newest, wall, (title, summary, actions)));
    }

    fn clock(&mut self, view: &View<'_>, step: Span, wall: Timestamp, told: &mut Vec<Notice>) {
        let elapsed = self.elapsed;
        let kept = self.sources.entry(view.name.to_owned()).or_default();
        if view.tally.newest.is_some_and(|newest| wall - newest <= STALE) {
            kept.stale_for = Span::ZERO;
            self.over(CLOCK, view.name, wall, "Its lines carry the time at which they are written again.", told);
            return;
        }
        let coming = kept.lines > 0 && elapsed - kept.came <= COMING && view.tally.parsed > 0;
        if coming && view.at_end && view.picture.behind == 0 {
            kept.stale_for = kept.stale_for + step;
        }
        if kept.stale_for < LASTING || self.is_open(CLOCK, view.name) {
            return;
        }
        let name = view.name;
        let newest = view
            .tally
            .newest
            .map_or_else(String::new, |newest| format!(" (the newest that can be right is of {newest})"));
        let summary = format!(
            "Lines of source {name} come now, with stamps that are half an hour old or older, or in the future{newest}. \
             Such lines are counted and not judged as of now."
        );
        let actions = vec![
            "Compare the clock of the server that writes the log with this one".to_owned(),
            "If its stamps have no zone, set timezone in the configuration to the server's".to_owned(),
        ];
        let title = format!("The lines of source {name} carry a wrong time");
        let measured = (Severity::Warning, STALE.mins_f64(), "minutes");
        told.push(self.opened(CLOCK, name, measured, wall, wall, (title, summary, actions)));
    }

    fn is_open(&self, rule: &str, source: &str) -> bool {
        self.open.iter().any(|n| n.rule == rule && n.subject.name == source)
    }

    fn opened(
        &mut self,
        rule: &str,
        source: &str,
        (severity, observed, unit): (Severity, f64, &str),
        since: Timestamp,
        now: Timestamp,
        (title, summary, actions): (String, String, Vec<String>),
    ) -> Notice {
        let notice = Notice {
            schema: SCHEMA,
            kind: NoticeType::Opened,
            incident: format!("{rule}-{source}-{}", since.millis()),
            detector: DETECTOR.to_owned(),
            rule: rule.to_owned(),
            severity,
            subject: Subject::new(SubjectKind::Source, source),
            started_at: since,
            detected_at: now,
            ended_at: None,
            observed,
            expected: 0.0,
            unit: unit.to_owned(),
            trend: Trend::Steady,
            impact: Impact::default(),
            parts: Where::default(),
            title,
            summary,
            actions,
            at: now,
            drill: false,
            money: None,
            outcome: None,
            consumer: None,
            kept: None,
        };
        self.open.push(notice.clone());
        notice
    }

    fn over(&mut self, rule: &str, source: &str, wall: Timestamp, words: &str, told: &mut Vec<Notice>) {
        if let Some(at) = self.open.iter().position(|n| n.rule == rule && n.subject.name == source) {
            told.push(resolved(self.open.remove(at), wall, words));
        }
    }
}

/// The end of what was told.
fn resolved(notice: Notice, wall: Timestamp, words: &str) -> Notice {
    let title = format!("Over: {}", notice.title);
    let (summary, actions) = (words.to_owned(), Vec::new());
    Notice { kind: NoticeType::Resolved, ended_at: Some(wall), at: wall, title, summary, actions, ..notice }
}

/// A pause in words, rounded up to a whole unit.
fn coarse(span: Span) -> Span {
    let unit = [Span::HOUR, Span::MINUTE].into_iter().find(|unit| span > unit.times(3)).unwrap_or(Span::SECOND);
    unit.times((span.millis() + unit.millis() - 1) / unit.millis())
}

#[cfg(test)]
mod tests;
