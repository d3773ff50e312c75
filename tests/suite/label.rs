//! What is true about the traffic, written down by whoever injected it, before anybody judged it.

use lapwing::event::{Subject, SubjectKind};

use super::shape::{DAY, HOUR, MINUTE};

/// An incident that was put into the traffic.
#[derive(Clone, Debug)]
pub struct Label {
    /// What it is: the detector whose business it is.
    pub kind: &'static str,
    /// Detectors that name it rightly; the first is the best.
    pub detectors: Vec<&'static str>,
    /// Subjects that name it rightly.
    pub subjects: Vec<Subject>,
    /// Other subjects that it touches: a notice on one of them belongs to this incident, with the wrong name.
    pub touches: Vec<Subject>,
    pub start: i64,
    pub end: i64,
    /// How soon it should be noticed.
    pub within: i64,
    /// Nobody could overlook it.
    pub loud: bool,
    /// It may be told once; nobody is blamed for silence.
    pub optional: bool,
    /// A line of the daily summary is enough: it is nothing that anybody is woken for.
    pub summary: bool,
    /// So small that it only shows where finding begins: part of the curves, not of the recall.
    pub probe: bool,
    /// Which curve its size belongs to, and the size.
    pub size: Option<(&'static str, f64)>,
}

impl Label {
    pub fn new(kind: &'static str, subject: Subject, start: i64, end: i64) -> Self {
        let within = match kind {
            "retry-loop" => 2 * HOUR,
            "harvesting" => 3 * HOUR,
            "scope-creep" | "impossible-travel" | "front-end-exposure" => HOUR,
            // At the end of a day, and of weeks.
            "drift" => 26 * HOUR,
            "shared-key" => 24 * DAY,
            "leaked-key" | "enumeration" | "credential-stuffing" | "payload-size" | "slow-response" => 30 * MINUTE,
            _ => 15 * MINUTE,
        };
        Label {
            kind,
            detectors: vec![kind],
            subjects: vec![subject],
            touches: Vec::new(),
            start,
            end,
            within,
            loud: false,
            optional: false,
            summary: matches!(kind, "drift" | "shared-key"),
            probe: false,
            size: None,
        }
    }

    #[must_use]
    pub fn loud(mut self, loud: bool) -> Self {
        self.loud = loud;
        if loud {
            self.within = 2 * MINUTE;
        }
        self
    }

    #[must_use]
    pub fn within(mut self, within: i64) -> Self {
        self.within = within;
        self
    }

    #[must_use]
    pub fn or_by(mut self, detector: &'static str) -> Self {
        self.detectors.push(detector);
        self
    }

    #[must_use]
    pub fn or_on(mut self, subject: Subject) -> Self {
        self.subjects.push(subject);
        self
    }

    #[must_use]
    pub fn touching(mut self, subjects: impl IntoIterator<Item = Subject>) -> Self {
        self.touches.extend(subjects);
        self
    }

    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    #[must_use]
    pub fn probe(mut self, probe: bool) -> Self {
        self.probe = probe;
        self
    }

    #[must_use]
    pub fn sized(mut self, curve: &'static str, size: f64) -> Self {
        self.size = Some((curve, size));
        self
    }

    /// Whether it concerns everybody.
    pub fn is_wide(&self) -> bool {
        self.subjects.iter().any(|s| matches!(s.kind, SubjectKind::Site | SubjectKind::Source))
    }

    /// Whether a notice of this subject, told at this instant, is about this incident.
    pub fn explains(&self, subject: &Subject, at: i64) -> bool {
        if at < self.start - MINUTE {
            return false;
        }
        if self.subjects.contains(subject) {
            // Windows of an hour, and of a day, still see it when it is over.
            return at <= self.end + 2 * HOUR;
        }
        if at > self.end + 15 * MINUTE {
            return false;
        }
        if self.touches.contains(subject) {
            return true;
        }
        let whole = matches!(subject.kind, SubjectKind::Site | SubjectKind::Source);
        // Something wide moves many; something narrow may move the whole when it begins.
        self.is_wide() || whole && at <= self.start + 30 * MINUTE
    }
}

/// A key as a subject.
pub fn key(name: &str) -> Subject {
    Subject::new(SubjectKind::Key, name)
}

/// A path as a subject.
pub fn endpoint(path: &str) -> Subject {
    Subject::new(SubjectKind::Endpoint, path)
}

/// An address as a subject.
pub fn client(address: u32) -> Subject {
    Subject::new(SubjectKind::Client, std::net::Ipv4Addr::from(address).to_string())
}

/// A log as a subject.
pub fn source(name: &str) -> Subject {
    Subject::new(SubjectKind::Source, name)
}
