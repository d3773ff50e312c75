//! What was told, held against what is true.

use lapwing::event::{Severity, Subject};
use lapwing::incident::{Change, ChangeKind};

use super::baseline::{Alarm, METHODS};
use super::label::{Label, key};
use super::shape::MINUTE;

/// A run of a story, or of the long mix.
#[derive(Clone, Debug)]
pub struct Run {
    pub scenario: String,
    pub seed: u64,
    /// How much log time was judged, in milliseconds.
    pub length: i64,
    pub events: u64,
    pub verdicts: Vec<Verdict>,
    pub falses: Vec<Told>,
    /// Lines of the daily summary that belong to no incident.
    pub false_lines: Vec<Told>,
    /// False alarms of each simple method.
    pub false_alarms: [u32; METHODS.len()],
}

/// An opened notice.
#[derive(Clone, Debug)]
pub struct Told {
    pub detector: String,
    pub subject: Subject,
    pub severity: Severity,
    pub at: i64,
    pub started_at: i64,
    pub factor: (f64, f64),
    /// For which line of the digest it is: not a page.
    pub also: Vec<String>,
}

/// How one incident was told.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub label: Label,
    /// Openings that belong to it, in their order.
    pub opened: Vec<Told>,
    /// Notices of any kind that belong to it.
    pub notices: u32,
    /// Lines of the daily summary that belong to it.
    pub lines: Vec<Told>,
    /// Simple methods that raised something for it.
    pub alarms: [bool; METHODS.len()],
}

impl Verdict {
    /// Openings, and lines of the daily summary where they are enough.
    pub fn told(&self) -> impl Iterator<Item = &Told> {
        self.opened.iter().chain(self.lines.iter().filter(|_| self.label.summary))
    }

    /// Told while it could still matter.
    pub fn is_found(&self) -> bool {
        let end = self.label.end.max(self.label.start + self.label.within);
        self.told().any(|told| told.at <= end)
    }

    /// Milliseconds from its start to the first opening.
    pub fn delay(&self) -> Option<i64> {
        self.told().next().map(|told| told.at - self.label.start)
    }

    pub fn in_time(&self) -> bool {
        self.delay().is_some_and(|delay| delay <= self.label.within)
    }

    /// Milliseconds between the told and the true start.
    pub fn start_error(&self) -> Option<i64> {
        self.told().next().map(|told| (told.started_at - self.label.start).abs())
    }

    pub fn right_subject(&self) -> bool {
        self.told().next().is_some_and(|told| self.label.subjects.contains(&told.subject))
    }

    pub fn right_detector(&self) -> bool {
        self.told().next().is_some_and(|told| self.label.detectors.contains(&told.detector.as_str()))
    }
}

/// Assigns what was told to what is true. Nobody's are false.
pub fn score(scenario: &str, seed: u64, labels: &[Label], changes: &[Change]) -> Run {
    let mut run = Run {
        scenario: scenario.to_owned(),
        seed,
        length: 0,
        events: 0,
        verdicts: labels
            .iter()
            .map(|l| Verdict {
                label: l.clone(),
                opened: Vec::new(),
                notices: 0,
                lines: Vec::new(),
                alarms: [false; 3],
            })
            .collect(),
        falses: Vec::new(),
        false_lines: Vec::new(),
        false_alarms: [0; 3],
    };
    let mut owners: Vec<(String, Option<usize>)> = Vec::new();
    for change in changes {
        let incident = &change.incident;
        let line = matches!(change.kind, ChangeKind::Kept(_));
        if change.kind != ChangeKind::Opened && !line {
            if let Some(owner) = owners.iter().find(|(id, _)| *id == incident.id).and_then(|(_, owner)| *owner) {
                run.verdicts[owner].notices += 1;
            }
            continue;
        }
        let told = Told {
            detector: incident.detector.clone(),
            subject: incident.subject.clone(),
            severity: incident.severity,
            at: change.at.millis(),
            started_at: incident.started_at.millis(),
            factor: (incident.observed, incident.expected),
            also: incident.also.clone(),
        };
        if line {
            // Summaries come once a day: what they speak of was then, not now.
            let told = Told { at: incident.detected_at.millis(), ..told };
            match owner(&run, &told) {
                Some(owner) => run.verdicts[owner].lines.push(told),
                None => run.false_lines.push(told),
            }
            continue;
        }
        let owner = owner(&run, &told);
        owners.push((incident.id.clone(), owner));
        match owner {
            Some(owner) => {
                run.verdicts[owner].notices += 1;
                run.verdicts[owner].opened.push(told);
            }
            None => run.falses.push(told),
        }
    }
    run
}

/// The incident that a notice belongs to: the one it names; else one it touches.
fn owner(run: &Run, told: &Told) -> Option<usize> {
    let explains = |v: &&(usize, &Verdict)| v.1.label.explains(&told.subject, told.at);
    // What may be told once may not be told twice.
    let room = |v: &&(usize, &Verdict)| !v.1.label.optional || v.1.opened.is_empty();
    let quality = |v: &Verdict| {
        let named = v.label.subjects.contains(&told.subject);
        let detector = v.label.detectors.contains(&told.detector.as_str());
        let nearness = -(told.at - v.label.start).abs() / MINUTE;
        (named, detector, v.opened.is_empty(), nearness)
    };
    let verdicts: Vec<(usize, &Verdict)> = run.verdicts.iter().enumerate().collect();
    verdicts.iter().filter(explains).filter(room).max_by_key(|(_, v)| quality(v)).map(|(index, _)| *index)
}

/// The same for the alarms of the simple methods, which know keys only.
pub fn score_alarms(run: &mut Run, alarms: &[Alarm], names: &[String]) {
    for alarm in alarms {
        let subject = key(&names[alarm.key as usize]);
        let mut known = false;
        for verdict in &mut run.verdicts {
            if verdict.label.explains(&subject, alarm.at) {
                verdict.alarms[alarm.method] |=
                    alarm.at <= verdict.label.end.max(verdict.label.start + verdict.label.within);
                known = true;
            }
        }
        if !known {
            run.false_alarms[alarm.method] += 1;
        }
    }
}
