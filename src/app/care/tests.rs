//! What is told of sources, minute by minute, without any real time.

use std::path::PathBuf;

use super::*;
use crate::source::follow::Trouble;

struct Day {
    care: Care,
    tally: Tally,
    picture: SourcePicture,
    now: Span,
    told: Vec<Notice>,
    at_end: bool,
    drop_told: bool,
}

impl Day {
    fn new() -> Day {
        Day {
            care: Care::default(),
            tally: Tally::default(),
            picture: SourcePicture::default(),
            now: Span::ZERO,
            told: Vec::new(),
            at_end: true,
            drop_told: false,
        }
    }

    fn wall(&self) -> Timestamp {
        Timestamp::parse("2026-11-21T12:00:00Z").unwrap() + self.now
    }

    fn look(&mut self) {
        let step = self.care.pass(self.now);
        let wall = self.wall();
        let view = View {
            name: "api",
            tally: &self.tally,
            picture: &self.picture,
            at_end: self.at_end,
            drop_told: self.drop_told,
        };
        let guess = || Some((Some("nginx-json".to_owned()), "all of 60 lines".to_owned()));
        self.told.extend(self.care.look(&view, step, wall, &guess));
    }

    /// Seconds with so many read and unread lines each.
    fn seconds(&mut self, seconds: i64, read: u64, unread: u64) {
        for _ in 0..seconds {
            self.now = self.now + Span::SECOND;
            self.tally.parsed += read;
            if read + unread > 0 {
                self.tally.newest = Some(self.wall());
            }
            for _ in 0..unread {
                let line = b"{\"token\":\"sk_live_4eC39HqLyjWDarjtT1zdp7dc\",\"status\":200}";
                self.tally.reject(line, crate::format::Reject { column: 1, reason: crate::format::Reason::TooShort });
            }
            self.look();
        }
    }

    fn kinds(&self) -> Vec<(&str, NoticeType)> {
        self.told.iter().map(|n| (n.rule.as_str(), n.kind)).collect()
    }
}

#[test]
fn f27_a_format_that_changed_is_told_once_with_a_sample_and_a_guess() {
    let mut day = Day::new();
    day.seconds(1200, 5, 0);
    // A burst of nonsense for two minutes is nothing.
    day.seconds(120, 5, 3);
    day.seconds(600, 5, 0);
    assert!(day.told.is_empty(), "{:?}", day.told);
    let before = day.now;
    day.seconds(900, 0, 5);
    assert_eq!(day.kinds(), [(FORMAT, NoticeType::Opened)]);
    let notice = &day.told[0];
    assert!(notice.at - day.wall() <= Span::ZERO && (notice.at - (day.wall() - (day.now - before))).mins_f64() < 7.0);
    assert!(notice.summary.contains("nginx-json") && notice.summary.contains("\"status\":200"), "{}", notice.summary);
    assert!(!notice.summary.contains("4eC39HqLyjWDarjtT1zdp7dc"), "a secret: {}", notice.summary);
    assert!(notice.actions[0].contains("format = \"nginx-json\" under [source.api]"), "{:?}", notice.actions);
    // After a restart it is not told again, and its end is.
    day.care = Care::new(std::mem::take(&mut day.told));
    day.seconds(900, 0, 5);
    assert_eq!(day.kinds(), []);
    day.seconds(900, 5, 0);
    assert_eq!(day.kinds(), [(FORMAT, NoticeType::Resolved)]);
}

#[test]
fn a_jump_of_unread_lines_is_told_by_what_is_usual() {
    let mut day = Day::new();
    day.seconds(1200, 20, 0);
    // One line in ten: no fifth, but unheard of here.
    day.seconds(400, 18, 0);
    day.seconds(900, 18, 2);
    assert_eq!(day.kinds(), [(FORMAT, NoticeType::Opened)]);
    assert!(day.told[0].title.starts_with("10 % of the lines of source api"), "{}", day.told[0].title);
    day.seconds(7200, 18, 2);
    assert_eq!(day.told.len(), 1, "it does not become usual while it goes on");
    day.seconds(900, 20, 0);
    assert_eq!(day.kinds()[1..], [(FORMAT, NoticeType::Resolved)]);
}

#[test]
fn f28_f31_a_file_that_stays_unreadable_is_told_after_ten_minutes() {
    let mut day = Day::new();
    let trouble = |unread| Trouble {
        path: PathBuf::from("/var/log/nginx/access.log"),
        error: "Input/output error (os error 5)".to_owned(),
        since: Span::ZERO,
        unread,
    };
    day.picture.troubles = vec![(trouble(false), Span::from_mins(9))];
    day.look();
    assert_eq!(day.kinds(), []);
    day.picture.troubles = vec![(trouble(false), Span::from_mins(10))];
    day.look();
    day.look();
    assert_eq!(day.kinds(), [(UNREADABLE, NoticeType::Opened)]);
    assert_eq!(day.told[0].severity, Severity::Critical);
    assert!(day.told[0].title.contains("/var/log/nginx/access.log"), "{}", day.told[0].title);
    day.picture.troubles.clear();
    day.look();
    assert_eq!(day.kinds()[1..], [(UNREADABLE, NoticeType::Resolved)]);
}

#[test]
fn f29_a_new_file_that_may_not_be_read_is_told_with_mode_and_remedy() {
    let mut day = Day::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    std::fs::write(&path, "").unwrap();
    let error = "permission denied: access.log has mode 0600, owner 0 and group 0".to_owned();
    let trouble = Trouble { path: path.clone(), error, since: Span::ZERO, unread: true };
    day.picture.troubles = vec![(trouble, Span::from_mins(2))];
    day.look();
    assert_eq!(day.kinds(), [(UNREADABLE, NoticeType::Opened)]);
    assert!(day.told[0].summary.contains("mode 0600"), "{}", day.told[0].summary);
    let wanted = format!("as root: chgrp adm {0} && chmod g+r {0}", path.display());
    assert!(day.told[0].actions[0].starts_with(&wanted), "{:?}", day.told[0].actions);
}

#[test]
fn f40_a_source_that_spoke_and_is_silent_is_told_by_its_own_pace() {
    let mut day = Day::new();
    let start = day.wall() - Span::from_days(3);
    // A line every four minutes for three days, the last one now.
    for at in 0..=3 * 24 * 15 {
        day.tally.read(start + Span::from_mins(4 * at), Timestamp::MAX);
    }
    day.seconds(19 * 60, 0, 0);
    assert_eq!(day.kinds(), []);
    day.seconds(3 * 60, 0, 0);
    assert_eq!(day.kinds(), [(SILENT, NoticeType::Opened)]);
    assert!(day.told[0].title.contains("since 2026-11-21T12:00:00Z"), "{}", day.told[0].title);
    day.seconds(3600, 0, 0);
    assert_eq!(day.told.len(), 1, "told once");
    day.seconds(1, 1, 0);
    assert_eq!(day.kinds()[1..], [(SILENT, NoticeType::Resolved)]);
}

#[test]
fn f40_a_drop_that_is_told_already_is_not_told_twice_and_a_young_source_not_at_all() {
    for (days, drop_told) in [(3, true), (0, false)] {
        let mut day = Day::new();
        day.drop_told = drop_told;
        let start = day.wall() - Span::from_days(days) - Span::HOUR;
        while day.tally.newest.is_none_or(|newest| newest < day.wall()) {
            let next = day.tally.newest.map_or(start, |newest| newest + Span::MINUTE);
            day.tally.read(next, Timestamp::MAX);
        }
        day.seconds(7200, 0, 0);
        assert_eq!(day.kinds(), []);
    }
}

#[test]
fn f46_an_hour_asleep_and_a_backlog_are_no_silence() {
    let mut day = Day::new();
    let start = day.wall() - Span::from_days(2);
    for at in 0..=2 * 24 * 60 {
        day.tally.read(start + Span::from_mins(at), Timestamp::MAX);
    }
    day.seconds(60, 0, 0);
    for _ in 0..50 {
        // Stopped for an hour, then a moment of life, again and again.
        day.now = day.now + Span::HOUR;
        day.look();
    }
    assert_eq!(day.kinds(), []);
    day.at_end = false;
    day.seconds(3600, 0, 0);
    assert_eq!(day.kinds(), [], "what lies unread is not silence");
}

#[test]
fn f41_f42_lines_with_a_wrong_time_are_told_once_and_late_history_is_not() {
    for hours in [-2, 24] {
        let mut day = Day::new();
        for _ in 0..20 * 60 {
            day.now = day.now + Span::SECOND;
            let latest = day.wall() + Span::from_mins(5);
            day.tally.read(day.wall() + Span::from_hours(hours), latest);
            day.look();
        }
        assert_eq!(day.kinds(), [(CLOCK, NoticeType::Opened)], "{hours} h");
        let now = day.wall();
        day.tally.read(now, now);
        day.look();
        assert_eq!(day.kinds()[1..], [(CLOCK, NoticeType::Resolved)]);
    }
    let mut day = Day::new();
    let old = day.wall() - Span::from_days(1);
    day.at_end = false;
    for n in 0..3600 {
        day.now = day.now + Span::SECOND;
        day.tally.read(old + Span::from_secs(n), Timestamp::MAX);
        day.look();
    }
    assert_eq!(day.kinds(), [], "a backlog");
}
