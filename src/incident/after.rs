//! What becomes of callers after somebody was told of them: whether what was done about it works.
//!
//! A key that was rotated or an address that was banned is refused from then on, and often goes on knocking. That is told
//! once, in the incident's own thread, whether it is still open or over; after that it is a line of the daily summary.
//! Where only a part is refused, the rest gets through: that is told when it has lasted, and again as the cooldown allows.

use serde::{Deserialize, Serialize};

use crate::detect::{Fact, Facts, Trend};
use crate::incident::entry::About;
use crate::incident::kept::Reason;
use crate::incident::{Again, Change, ChangeKind, Incident, Where};
use crate::time::{Span, Timestamp};

/// Callers that are watched at most; the one that was told of longest ago gives way.
const WATCHED: usize = 256;
/// So long a caller must have been refused before it is told: a restart of the server refuses everybody for a moment.
const SURE: Span = Span::from_mins(2);
/// So long a caller must have been refused for its incident to be over.
const OVER: Span = Span::from_mins(5);
/// A rotation takes its time: so long a part may get through.
const PARTLY: Span = Span::from_mins(30);
/// Share of the requests that is refused from which on a caller is shut out, and up to which it is not.
const SHUT_OUT: f64 = 0.9;
const LET_IN: f64 = 0.5;
/// Shares of the requests that are refused, and let through, from which on a caller is shut out partly.
const PARTS: (f64, f64) = (0.2, 0.05);
/// Requests that say how a caller is answered.
const ENOUGH: u64 = 10;
/// What gets through partly is told so often; then it is a line of the daily summary.
const MOST_TOLD: u32 = 3;
/// How long after its end a caller is watched: a leaked key may be used again when its new owners find the time.
const WATCHED_FOR: Span = Span::from_hours(6);
const LEAK_WATCHED_FOR: Span = Span::from_days(7);
/// A caller that knocks is watched for as long as it does, but not longer than this.
const LONGEST: Span = Span::from_days(28);

/// How a caller is answered of late.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Answers {
    /// Requests that this rests on.
    pub requests: u64,
    /// Share of them that is refused.
    pub refused: f64,
    /// Share of them that is refused because the caller is not allowed (401, 403), not because it calls too much.
    pub denied: f64,
    /// Refused requests a minute, and others.
    pub per_minute: (f64, f64),
    /// Since when nearly nothing else is answered.
    pub since: Option<Timestamp>,
    /// Whether refused requests become more or fewer.
    pub trend: Trend,
    /// The statuses they are refused with, the most frequent first.
    pub statuses: Vec<String>,
    /// Who knocks, and where.
    pub parts: Where,
    /// Some of them were refused, but none within the last quarter of an hour: what was refused then says nothing of now.
    pub stale: bool,
}

impl Answers {
    /// Whether nearly every request is refused.
    pub fn is_shut_out(&self) -> bool {
        self.requests >= ENOUGH && self.refused >= SHUT_OUT
    }

    fn is_let_in(&self) -> bool {
        self.requests >= ENOUGH && self.refused < LET_IN
    }

    fn is_partly_denied(&self) -> bool {
        let enough = self.requests >= 2 * ENOUGH;
        enough && self.denied >= PARTS.0 && 1.0 - self.refused >= PARTS.1 && !self.is_shut_out()
    }

    /// As facts of an incident: what words are made of.
    pub fn facts(&self, since: Timestamp, now: Timestamp, facts: &mut Facts) {
        facts.insert("refused_since".to_owned(), Fact::Time(since));
        facts.insert("refused_for".to_owned(), Fact::Span((now - since).max(Span::ZERO)));
        facts.insert("refused_per_minute".to_owned(), Fact::Number(self.per_minute.0));
        facts.insert("allowed_per_minute".to_owned(), Fact::Number(self.per_minute.1));
        facts.insert("refused_statuses".to_owned(), Fact::List(self.statuses.clone()));
        let trend = match self.trend {
            Trend::Rising => "rising",
            Trend::Steady => "steady",
            Trend::Falling => "falling",
        };
        facts.insert("refused_trend".to_owned(), Fact::Text(trend.to_owned()));
    }
}

/// How something that is told step by step was told.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Course {
    /// Since when it goes on.
    since: Timestamp,
    /// How often it was told, and when last.
    told: u32,
    told_at: Timestamp,
    /// Day of its last line in a summary.
    kept: i64,
}

impl Course {
    fn new(since: Timestamp) -> Self {
        Course { since, told: 0, told_at: Timestamp::MIN, kept: i64::MIN }
    }

    fn tell(&mut self, now: Timestamp) {
        (self.told, self.told_at, self.kept) = (self.told + 1, now, now.bucket(Span::DAY));
    }
}

/// A caller that somebody was told of.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Watched {
    /// Who it is.
    pub about: About,
    /// What was told of it; with its end, once it is over.
    pub incident: Incident,
    /// Whether its requests were answered in the course of the incident: without that, being refused is nobody's doing.
    worked: bool,
    /// Nearly everything is refused.
    refused: Option<Course>,
    /// A part is refused.
    partly: Option<Course>,
    /// When it was last seen to knock.
    knocked_at: Timestamp,
    /// How often it was told that it is refused, and when last: who is let in and shut out by turns is not told each time.
    told: (u32, Timestamp),
}

impl Watched {
    fn is_over(&self) -> bool {
        self.incident.ended_at.is_some()
    }

    fn is_due_to_go(&self, now: Timestamp) -> bool {
        let Some(ended_at) = self.incident.ended_at else { return false };
        let long = self.incident.detector == crate::detect::leaked_key::NAME;
        let patience = if long { LEAK_WATCHED_FOR } else { WATCHED_FOR };
        now - ended_at > LONGEST || now - ended_at.max(self.knocked_at) > patience
    }

    /// Takes in how it is answered now; what is to be told of it.
    fn step(&mut self, answers: &Answers, now: Timestamp, cooldown: Span) -> Option<ChangeKind> {
        if answers.is_let_in() {
            self.worked = true;
            self.refused = None;
        }
        if answers.stale {
            self.partly = self.partly.filter(|course| course.told > 0);
            return None;
        }
        let after = self.incident.detected_at;
        if answers.is_shut_out() {
            let since = answers.since.unwrap_or(now);
            let began = self.incident.started_at.bucket(Span::MINUTE);
            self.worked &= self.refused.is_some() || since.bucket(Span::MINUTE) > began;
            if !self.worked {
                // Refused from its beginning, beside what the caller does usually: nobody's answer to it, nor is a part.
                self.partly = Some(Course { told: u32::MAX, ..Course::new(now) });
                return None;
            }
            let course = self.refused.get_or_insert(Course::new(since));
            self.knocked_at = now;
            self.partly = None;
            if now - course.since < SURE {
                return None;
            }
            if course.told == 0 {
                let (times, last) = self.told;
                let again = times < MOST_TOLD && (times == 0 || now - last >= cooldown.times(1 << times.min(4)));
                return again.then_some(ChangeKind::Updated(Again::Refused));
            }
            let another_day = now.bucket(Span::DAY) > course.kept && self.incident.ended_at.is_some();
            return another_day.then_some(ChangeKind::Kept(Reason::Knocking));
        }
        if !answers.is_partly_denied() {
            // Too few requests say nothing; many that are answered say that it is over.
            if answers.requests >= ENOUGH && answers.denied < PARTS.0 / 2.0 {
                self.partly = None;
            }
            return None;
        }
        if self.partly.is_none() && now - after < SURE {
            // Refused in part from its beginning: that is what it does, and nobody's answer to it.
            self.partly = Some(Course { told: u32::MAX, ..Course::new(now) });
        }
        let course = self.partly.get_or_insert(Course::new(now));
        if course.told == u32::MAX || now - course.since < PARTLY {
            return None;
        }
        let wait = cooldown.times(1 << course.told.min(4));
        if course.told < MOST_TOLD && (course.told == 0 || now - course.told_at >= wait) {
            return Some(ChangeKind::Updated(Again::PartlyRefused));
        }
        (now.bucket(Span::DAY) > course.kept).then_some(ChangeKind::Kept(Reason::Knocking))
    }

    /// The change that tells of it, and that it was told.
    fn tell(&mut self, kind: ChangeKind, answers: &Answers, now: Timestamp) -> Option<Change> {
        let what = if self.refused.is_some() { "refused" } else { "partly" };
        let course = self.refused.as_mut().or(self.partly.as_mut())?;
        let mut incident = self.incident.clone();
        answers.facts(course.since, now, &mut incident.facts);
        incident.facts.insert("after".to_owned(), Fact::Text(what.to_owned()));
        incident.trend = answers.trend;
        if answers.parts != Where::default() {
            incident.parts = answers.parts.clone();
        }
        course.tell(now);
        if kind == ChangeKind::Updated(Again::Refused) {
            self.told = (self.told.0 + 1, now);
        }
        Some(Change { kind, incident, at: now })
    }
}

/// All callers that are watched.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct After {
    watched: Vec<Watched>,
}

impl After {
    /// Nobody is watched.
    pub fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// Whom to look at.
    pub fn callers(&self) -> impl Iterator<Item = About> + '_ {
        self.watched.iter().map(|watched| watched.about)
    }

    /// Watches the caller of an incident that people know of, or brings up to date what is known of it. `worked`: its
    /// requests were answered in its course.
    pub fn watch(&mut self, about: About, incident: &Incident, worked: bool) {
        if let Some(known) = self.watched.iter_mut().find(|known| known.incident.id == incident.id) {
            if known.about != about {
                // It goes on from elsewhere: nothing is known of how that is answered.
                (known.about, known.refused, known.partly, known.worked) = (about, None, None, worked);
            }
            known.incident.clone_from(incident);
            return;
        }
        if self.watched.len() >= WATCHED
            && let Some(oldest) =
                (0..self.watched.len()).min_by_key(|i| (!self.watched[*i].is_over(), self.watched[*i].knocked_at))
        {
            self.watched.remove(oldest);
        }
        let (refused, partly, knocked_at, told) = (None, None, incident.started_at, (0, Timestamp::MIN));
        // One thread a caller: what begins anew takes over from what is over.
        self.watched.retain(|known| known.about != about || !known.is_over());
        self.watched.push(Watched { about, incident: incident.clone(), worked, refused, partly, knocked_at, told });
    }

    /// An incident is over, and its end says how.
    pub fn ended(&mut self, incident: &Incident, now: Timestamp) {
        let Some(known) = self.watched.iter_mut().find(|known| known.incident.id == incident.id) else { return };
        known.incident.clone_from(incident);
        known.knocked_at = known.knocked_at.max(now);
        if matches!(incident.facts.get("ended_by"), Some(Fact::Text(by)) if by == "refused")
            && let Some(course) = known.refused.as_mut().filter(|course| course.told == 0)
        {
            course.tell(now);
            known.told = (known.told.0 + 1, now);
        }
    }

    /// Forgets those who keep still, and open incidents that are gone from the book.
    pub fn forget(&mut self, now: Timestamp, is_open: impl Fn(&str) -> bool) {
        self.watched.retain(
            |known| {
                if known.is_over() { !known.is_due_to_go(now) } else { is_open(&known.incident.id) }
            },
        );
    }

    /// Takes in how callers are answered now, and tells what is to be told; `tells` says whether this is the moment.
    pub fn look(
        &mut self,
        answers: &[(About, Answers)],
        now: Timestamp,
        cooldown: Span,
        tells: bool,
        out: &mut Vec<Change>,
    ) {
        for watched in &mut self.watched {
            let Some((_, answers)) = answers.iter().find(|(about, _)| *about == watched.about) else { continue };
            if let Some(kind) = watched.step(answers, now, cooldown).filter(|_| tells) {
                out.extend(watched.tell(kind, answers, now));
            }
        }
    }

    /// Since when a caller is refused as an answer to its incident.
    pub fn refused_since(&self, about: About) -> Option<Timestamp> {
        self.watched.iter().find(|known| known.about == about)?.refused.map(|course| course.since)
    }

    /// Whether being refused has ended what a caller was told for.
    pub fn is_over(&self, about: About, now: Timestamp) -> bool {
        self.refused_since(about).is_some_and(|since| now - since >= OVER)
    }

    /// Whether an incident of this detector on a caller was told, is over, and is still watched.
    pub fn was_told(&self, about: About, detector: &str) -> bool {
        let told = |known: &Watched| known.about == about && known.is_over() && known.incident.detector == detector;
        self.watched.iter().any(told)
    }

    /// Whether a caller that was told of would be watched for being refused: its requests were answered before.
    pub fn has_worked(&self, about: About) -> bool {
        self.watched.iter().any(|known| known.about == about && known.worked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Id, SubjectKind};
    use crate::notice::sample;

    const COOLDOWN: Span = Span::from_mins(30);

    fn answers(requests: u64, refused: f64, denied: f64) -> Answers {
        Answers { requests, refused, denied, per_minute: (refused * 10.0, 10.0 - refused * 10.0), ..Answers::default() }
    }

    struct Story {
        after: After,
        about: About,
        now: Timestamp,
        told: Vec<Change>,
    }

    impl Story {
        fn new(detector: &str) -> Story {
            let change = sample::changes().into_iter().find(|c| c.incident.detector == detector).unwrap();
            let about = About { kind: SubjectKind::Key, id: Id(7) };
            let now = change.incident.detected_at;
            let mut after = After::default();
            after.watch(about, &change.incident, true);
            Story { after, about, now, told: Vec::new() }
        }

        fn minutes(&mut self, minutes: i64, answers: &Answers) {
            for _ in 0..minutes {
                self.now += Span::MINUTE;
                self.after.look(&[(self.about, answers.clone())], self.now, COOLDOWN, true, &mut self.told);
                self.after.forget(self.now, |_| true);
            }
        }

        fn end(&mut self) {
            let mut incident = self.after.watched[0].incident.clone();
            incident.ended_at = Some(self.now);
            self.after.ended(&incident, self.now);
        }

        fn kinds(&self) -> Vec<ChangeKind> {
            self.told.iter().map(|change| change.kind).collect()
        }
    }

    #[test]
    fn who_is_let_in_and_shut_out_by_turns_is_told_seldom_and_few_times() {
        let mut story = Story::new("burst");
        for _ in 0..200 {
            story.minutes(5, &answers(50, 1.0, 0.0));
            story.minutes(5, &answers(50, 0.1, 0.0));
        }
        let refused = ChangeKind::Updated(Again::Refused);
        assert_eq!(story.kinds(), [refused, refused, refused]);
        assert!(story.told[1].at - story.told[0].at >= COOLDOWN);
        assert!(story.told[2].at - story.told[1].at >= COOLDOWN.times(2));
    }

    #[test]
    fn after_its_end_a_caller_that_knocks_is_a_line_a_day_until_it_keeps_still() {
        let mut story = Story::new("leaked-key");
        story.minutes(10, &answers(50, 1.0, 1.0));
        assert_eq!(story.kinds(), [ChangeKind::Updated(Again::Refused)]);
        story.end();
        story.minutes(3 * 24 * 60, &answers(50, 1.0, 1.0));
        assert_eq!(story.kinds()[1..], [ChangeKind::Kept(Reason::Knocking); 3]);
        story.minutes(8 * 24 * 60, &answers(0, 0.0, 0.0));
        assert!(story.after.is_empty(), "a week of silence");
    }

    #[test]
    fn what_was_refused_from_its_beginning_is_never_told_as_an_answer() {
        let mut story = Story::new("burst");
        let since = Some(story.after.watched[0].incident.started_at);
        story.minutes(30, &Answers { since, ..answers(500, 1.0, 1.0) });
        // It becomes less, and what its owner does usually is seen again.
        story.minutes(120, &answers(100, 0.4, 0.4));
        assert_eq!(story.kinds(), []);
        assert_eq!(story.after.refused_since(story.about), None);
        // When all of it was let in, a new refusal is news.
        story.minutes(10, &answers(100, 0.0, 0.0));
        story.minutes(10, &Answers { since: Some(story.now), ..answers(100, 1.0, 1.0) });
        assert_eq!(story.kinds(), [ChangeKind::Updated(Again::Refused)]);
    }

    #[test]
    fn what_was_refused_in_the_past_hour_says_nothing_of_who_gets_through_now() {
        let mut story = Story::new("enumeration");
        story.minutes(3, &answers(50, 0.0, 0.0));
        // It probed in vain for a while, and does what it usually does since.
        story.minutes(10, &answers(50, 0.8, 0.8));
        story.minutes(45, &Answers { stale: true, ..answers(50, 0.7, 0.7) });
        assert_eq!(story.kinds(), []);
        story.minutes(31, &answers(50, 0.7, 0.7));
        assert_eq!(story.kinds(), [ChangeKind::Updated(Again::PartlyRefused)], "refused in part for half an hour");
    }

    #[test]
    fn too_few_requests_say_nothing_and_an_incident_that_gave_way_is_forgotten() {
        let mut story = Story::new("burst");
        story.minutes(60, &answers(9, 1.0, 1.0));
        assert_eq!(story.kinds(), []);
        story.after.forget(story.now, |_| false);
        assert!(story.after.is_empty());
    }

    #[test]
    fn as_many_are_watched_as_there_is_room_for() {
        let mut story = Story::new("burst");
        let incident = story.after.watched[0].incident.clone();
        for n in 0..1000u64 {
            let incident = Incident { id: format!("{n:026}"), ..incident.clone() };
            story.after.watch(About { kind: SubjectKind::Key, id: Id(n + 10) }, &incident, true);
        }
        assert_eq!(story.after.callers().count(), WATCHED);
    }
}
