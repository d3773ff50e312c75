//! What one channel does next: a state machine without input, output or clock.
//!
//! It looks at the messages waiting and says: send this one, merge these, give those up, or wait. Then it is told how
//! the sending ended. Within a channel no message about an incident overtakes an earlier one about the same.

use std::collections::{BTreeMap, BTreeSet};

use super::pace::{Pace, PaceSettings, Turn};
use super::retry::{self, DOUBT, GIVE_UP_AFTER, GIVE_UP_TRIES, PROBE};
use super::{ChannelKind, Outcome};
use crate::event::Severity;
use crate::notice::{Notice, NoticeType};
use crate::store::{ChannelRow, OutboxRow, PaceRow};
use crate::time::{Span, Timestamp};

/// After an outage of this length what piled up comes as digests, not as history.
const OUTAGE: Span = Span::from_mins(5);
/// A message's own wait is never believed to be longer: the wall clock may have been set back.
const LONGEST_OWN_WAIT: Span = Span::from_mins(61);

/// A waiting message with its number.
pub(super) type Queued = (u64, OutboxRow);

/// What to do next.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Step {
    /// Nothing waits.
    Idle,
    /// Nothing before this monotonic instant, unless something new comes.
    Wait(Span),
    /// These were tried long enough.
    GiveUp(Vec<u64>),
    /// In the place of these messages, one about each of these lists of notices.
    Merge { numbers: Vec<u64>, groups: Vec<Vec<Notice>> },
    /// Send this one.
    Send(u64),
}

/// What the end of a sending means for its message.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Verdict {
    Delivered,
    /// Not before `next_try`; these recipients need no more.
    Later {
        next_try: Timestamp,
        why: String,
        settled: Vec<String>,
    },
    /// Once more as plain text.
    Plain {
        why: String,
    },
    Dead {
        why: String,
    },
}

/// Whether the channel's health changed.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Turned {
    Same,
    Broken { why: String },
    Repaired,
}

/// One channel's memory.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    kind: ChannelKind,
    pace: Pace,
    not_before: Span,
    /// Failures in a row, and since when.
    failures: u32,
    failing_since: Option<Span>,
    doubtful_since: Option<Span>,
    pub(super) broken: Option<(Timestamp, String)>,
    pub(super) last_error: Option<String>,
    /// Seed of the jitter, so that channels do not march in step.
    seed: u64,
}

impl Lane {
    /// As the last run left it: `row`.
    pub(super) fn new(
        kind: ChannelKind,
        pace: PaceSettings,
        row: ChannelRow,
        (now, monotonic): (Timestamp, Span),
        seed: u64,
    ) -> Self {
        let broken = row.broken;
        Lane {
            kind,
            pace: Pace::restore(pace, &row.pace, now, monotonic),
            not_before: Span::ZERO,
            failures: 0,
            failing_since: row.pace.failing_since.map(|since| monotonic - (now - since).max(Span::ZERO)),
            doubtful_since: None,
            last_error: broken.as_ref().map(|(_, why)| why.clone()),
            broken,
            seed,
        }
    }

    /// What a restart must know of its pace.
    pub(super) fn remembered(&self, now: Timestamp, monotonic: Span) -> PaceRow {
        let failing_since = self.failing_since.map(|since| now - (monotonic - since));
        PaceRow { failing_since, ..self.pace.remembered(now, monotonic) }
    }

    /// Until when nothing is tried, while it fails.
    pub(super) fn waits_until(&self, monotonic: Span) -> Option<Span> {
        (self.failures > 0 && self.not_before > monotonic).then_some(self.not_before)
    }

    /// Forgets waiting: somebody says that it is repaired.
    pub(super) fn try_now(&mut self) {
        self.not_before = Span::ZERO;
    }

    /// The next thing to do.
    pub(super) fn next(&mut self, queue: &[Queued], now: Timestamp, monotonic: Span) -> Step {
        if queue.is_empty() {
            return Step::Idle;
        }
        let too_old: Vec<u64> = queue
            .iter()
            .filter(|(_, row)| now - row.decided_at > GIVE_UP_AFTER || row.attempts >= GIVE_UP_TRIES)
            .map(|(number, _)| *number)
            .collect();
        if !too_old.is_empty() {
            return Step::GiveUp(too_old);
        }
        if self.not_before > monotonic {
            return Step::Wait(self.not_before);
        }
        if let Some(step) = self.merge(queue, monotonic) {
            return step;
        }
        self.pick(queue, now, monotonic)
    }

    /// The newest state instead of history; digests after an outage or when many wait at once.
    fn merge(&mut self, queue: &[Queued], monotonic: Span) -> Option<Step> {
        let free = free(queue);
        let outage = self.failing_since.is_some_and(|since| monotonic - since >= OUTAGE);
        if outage {
            return merged(&free, true);
        }
        // The first critical word about a rule stays a message of its own, with all that belongs to its incident.
        let mut rules = BTreeSet::new();
        let mut news = BTreeSet::new();
        for (_, row) in &free {
            if let [one] = row.notices.as_slice()
                && self.pace.is_news(&one.rule, one.severity)
                && rules.insert(one.rule.as_str())
            {
                news.insert(one.incident.as_str());
            }
        }
        let crowd: Vec<&Queued> = free.iter().copied().filter(|(_, row)| !is_about_any(row, &news)).collect();
        if crowd.len() > self.pace.settings.at_once && self.pace.may_digest(monotonic) {
            self.pace.digested(monotonic);
            return merged(&crowd, false);
        }
        let mut by_incident: BTreeMap<&str, Vec<&Queued>> = BTreeMap::new();
        for queued in free {
            if let [one] = queued.1.notices.as_slice() {
                by_incident.entry(&one.incident).or_default().push(queued);
            }
        }
        by_incident.values().find(|rows| rows.len() > 1).and_then(|rows| merged(rows, false))
    }

    /// The first message whose turn it is.
    fn pick(&mut self, queue: &[Queued], now: Timestamp, monotonic: Span) -> Step {
        let mut blocked: BTreeSet<&str> = BTreeSet::new();
        let mut wake: Option<Span> = None;
        let mut held: Vec<&Queued> = Vec::new();
        let mut sooner = |at: Span| wake = Some(wake.map_or(at, |w| w.min(at)));
        for queued in queue {
            let (number, row) = queued;
            let about = || row.notices.iter().map(|notice| notice.incident.as_str());
            let own_wait = own_wait(row, now);
            let turn = if about().any(|incident| blocked.contains(incident)) {
                None
            } else if own_wait > Span::ZERO {
                sooner(monotonic + own_wait);
                None
            } else {
                Some(match row.notices.as_slice() {
                    [one] if one.kept.is_none() => self.pace.single(monotonic, &one.rule, one.severity),
                    _ => self.pace.any(monotonic),
                })
            };
            match turn {
                Some(Turn::Now) => return Step::Send(*number),
                Some(Turn::At(at)) => sooner(at),
                Some(Turn::Held) => held.push(queued),
                None => {}
            }
            blocked.extend(about());
        }
        if let Some((number, oldest)) = held.first() {
            let waits = (now - oldest.decided_at).clamp(Span::ZERO, self.pace.settings.gather);
            let at = self.pace.digest_at(monotonic - waits);
            if at > monotonic {
                sooner(at);
            } else if let Turn::At(at) = self.pace.any(monotonic) {
                sooner(at);
            } else {
                self.pace.digested(monotonic);
                return merged(&held, false).unwrap_or(Step::Send(*number));
            }
        }
        wake.map_or(Step::Wait(monotonic + Span::MINUTE), Step::Wait)
    }

    /// How a sending ended, and what that means.
    pub(super) fn ended(&mut self, outcome: Outcome, row: &OutboxRow, now: Timestamp, mono: Span) -> (Verdict, Turned) {
        let rule = match row.notices.as_slice() {
            [one] => Some(one.rule.as_str()),
            _ => None,
        };
        match outcome {
            Outcome::Delivered => {
                self.pace.said(mono, rule);
                (Verdict::Delivered, self.answered())
            }
            Outcome::Partly { settled, left, why } => {
                self.pace.said(mono, rule);
                let turned = self.answered();
                if left == 0 {
                    return (Verdict::Delivered, turned);
                }
                let wait = retry::wait(self.kind, row.attempts + 1, None, self.random(row.attempts));
                (Verdict::Later { next_try: now + wait, why, settled }, turned)
            }
            Outcome::GiveUp { why } => {
                self.pace.said(mono, rule);
                (Verdict::Dead { why }, self.answered())
            }
            Outcome::ResendPlain { why } => {
                self.pace.said(mono, None);
                let turned = self.answered();
                if row.plain {
                    return (Verdict::Dead { why: format!("{why}, also as plain text") }, turned);
                }
                (Verdict::Plain { why }, turned)
            }
            Outcome::Retry { after, why } => {
                self.doubtful_since = None;
                (self.failed(after, why, now, mono), Turned::Same)
            }
            Outcome::Doubtful { why } => {
                let since = *self.doubtful_since.get_or_insert(mono);
                if mono - since >= DOUBT {
                    return self.broke(format!("{why}, for more than an hour"), now, mono);
                }
                (self.failed(None, why, now, mono), Turned::Same)
            }
            Outcome::Broken { why } => self.broke(why, now, mono),
        }
    }

    /// The receiver answered as it should: all is well.
    fn answered(&mut self) -> Turned {
        self.failures = 0;
        self.failing_since = None;
        self.doubtful_since = None;
        self.not_before = Span::ZERO;
        self.last_error = None;
        if self.broken.take().is_some() { Turned::Repaired } else { Turned::Same }
    }

    fn failed(&mut self, after: Option<Span>, why: String, now: Timestamp, mono: Span) -> Verdict {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(mono);
        let wait = match &self.broken {
            Some(_) => PROBE,
            None => retry::wait(self.kind, self.failures, after, self.random(self.failures)),
        };
        self.not_before = mono + wait;
        self.last_error = Some(why.clone());
        Verdict::Later { next_try: now + wait, why, settled: Vec::new() }
    }

    fn broke(&mut self, why: String, now: Timestamp, mono: Span) -> (Verdict, Turned) {
        let known = self.broken.is_some();
        let since = self.broken.take().map_or(now, |(since, _)| since);
        self.broken = Some((since, why.clone()));
        let verdict = self.failed(None, why.clone(), now, mono);
        (verdict, if known { Turned::Same } else { Turned::Broken { why } })
    }

    fn random(&self, tries: u32) -> u64 {
        // One step of splitmix64: plenty for spreading out retries.
        let mut z = self.seed.wrapping_add(u64::from(tries).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn own_wait(row: &OutboxRow, now: Timestamp) -> Span {
    let wait = row.next_try - now;
    if wait > LONGEST_OWN_WAIT { Span::ZERO } else { wait.max(Span::ZERO) }
}

/// The messages that may be merged: nobody has them yet, their form was not refused, and no earlier message about the
/// same incident has to stay as it is.
fn free(queue: &[Queued]) -> Vec<&Queued> {
    let mut fixed: BTreeSet<&str> = BTreeSet::new();
    let mut free = Vec::new();
    for queued in queue {
        let row = &queued.1;
        if row.is_summary() {
            continue;
        }
        if row.settled.is_empty() && !row.plain && !row.notices.is_empty() && !is_about_any(row, &fixed) {
            free.push(queued);
        } else {
            fixed.extend(row.notices.iter().map(|notice| notice.incident.as_str()));
        }
    }
    free
}

fn is_about_any(row: &OutboxRow, incidents: &BTreeSet<&str>) -> bool {
    row.notices.iter().any(|notice| incidents.contains(notice.incident.as_str()))
}

/// The newest state of each incident in the place of all these messages: one digest, or one for each severity.
/// Nothing if there is nothing to merge.
fn merged(rows: &[&Queued], by_severity: bool) -> Option<Step> {
    let mut newest: Vec<Notice> = Vec::new();
    let mut place: BTreeMap<&str, usize> = BTreeMap::new();
    for notice in rows.iter().flat_map(|(_, row)| &row.notices) {
        match place.get(notice.incident.as_str()) {
            None => {
                place.insert(&notice.incident, newest.len());
                newest.push(notice.clone());
            }
            Some(at) => {
                // The opening was never delivered: what comes instead opens, unless it is over already.
                let opens = newest[*at].kind == NoticeType::Opened && notice.kind == NoticeType::Updated;
                newest[*at] = notice.clone();
                if opens {
                    newest[*at].kind = NoticeType::Opened;
                }
            }
        }
    }
    let groups: Vec<Vec<Notice>> = if by_severity {
        let mut groups: BTreeMap<std::cmp::Reverse<Severity>, Vec<Notice>> = BTreeMap::new();
        for notice in newest {
            groups.entry(std::cmp::Reverse(notice.severity)).or_default().push(notice);
        }
        groups.into_values().collect()
    } else {
        vec![newest]
    };
    if groups.len() >= rows.len() {
        return None;
    }
    let groups = groups.into_iter().map(worst_first).collect();
    Some(Step::Merge { numbers: rows.iter().map(|(number, _)| *number).collect(), groups })
}

fn worst_first(mut notices: Vec<Notice>) -> Vec<Notice> {
    let over = |notice: &Notice| notice.kind == NoticeType::Resolved;
    notices
        .sort_by(|a, b| over(a).cmp(&over(b)).then(b.severity.cmp(&a.severity)).then(a.started_at.cmp(&b.started_at)));
    notices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample::notice;

    fn row(number: u64, incident: &str, kind: NoticeType) -> Queued {
        (number, OutboxRow::new("ops", notice(incident, kind), String::new(), Timestamp::from_secs(1000)))
    }

    fn lane() -> Lane {
        Lane::new(ChannelKind::Slack, PaceSettings::default(), ChannelRow::default(), (NOW, Span::ZERO), 7)
    }

    const NOW: Timestamp = Timestamp::from_secs(1000);

    #[test]
    fn nothing_overtakes_an_earlier_message_about_the_same_incident() {
        let mut first = row(1, "A", NoticeType::Opened);
        // One recipient is still to be asked again: this one must stay as it is.
        first.1.settled = vec!["ann@example.com".to_owned()];
        first.1.next_try = NOW + Span::from_mins(5);
        let mut queue = vec![first, row(2, "A", NoticeType::Resolved), row(3, "B", NoticeType::Opened)];
        let mut lane = lane();
        assert_eq!(lane.next(&queue, NOW, Span::ZERO), Step::Send(3));
        queue.pop();
        assert_eq!(lane.next(&queue, NOW, Span::ZERO), Step::Wait(Span::from_mins(5)));
        // Nor is it merged into a digest that goes out before.
        queue.extend((10..20).map(|n| row(n, &n.to_string(), NoticeType::Opened)));
        let Step::Merge { numbers, .. } = lane.next(&queue, NOW, Span::ZERO) else { panic!("a crowd is merged") };
        assert_eq!(numbers, (10..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_wall_clock_set_back_holds_no_message_for_ever() {
        let mut late = row(1, "A", NoticeType::Opened);
        late.1.next_try = NOW + Span::from_hours(5);
        assert_eq!(lane().next(&[late], NOW, Span::ZERO), Step::Send(1));
    }

    #[test]
    fn one_rule_in_a_storm_gathers_into_a_digest() {
        let mut lane = lane();
        let mut mono = Span::ZERO;
        for number in 0..6 {
            let queued = row(number, &number.to_string(), NoticeType::Opened);
            assert_eq!(lane.next(std::slice::from_ref(&queued), NOW, mono), Step::Send(number));
            lane.ended(Outcome::Delivered, &queued.1, NOW, mono);
            mono = mono + Span::SECOND;
        }
        let held = [row(7, "7", NoticeType::Opened), row(8, "8", NoticeType::Opened)];
        assert_eq!(lane.next(&held, NOW, mono), Step::Wait(mono + Span::from_secs(30)));
        let later = NOW + Span::from_secs(30);
        let Step::Merge { numbers, groups } = lane.next(&held, later, mono + Span::from_secs(30)) else { panic!() };
        assert_eq!((numbers, groups.len(), groups[0].len()), (vec![7, 8], 1, 2));
    }
}
