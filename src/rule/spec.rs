//! A rule of the user, ready to run: which lines, counted how, for whom, against what.

use super::bound::{Bound, Unit};
use super::condition::{Condition, Line};
use super::field::Field;
use super::schedule::Schedule;
use super::words::Words;
use crate::event::{Severity, SubjectKind};
use crate::time::Span;

/// Named conditions of one sequence at most: each is a bit.
pub const MOST_EVENTS: usize = 32;
/// Events that one sequence may ask for, all its steps together.
pub const MOST_STEPS: u32 = 1000;

/// A rule of the user.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// Its name: also the detector of its notices, unless it runs one.
    pub name: String,
    /// The detector that its notices name.
    pub detector: String,
    /// How much it matters.
    pub severity: Severity,
    /// Channels that hear of it whatever its severity; `None` for those of the severity.
    pub route: Option<Vec<String>>,
    /// When it looks.
    pub schedule: Schedule,
    /// The same on the same group is told again no sooner than this; `None` for what holds for all alerts.
    pub cooldown: Option<Span>,
    /// What it groups by; everything together if empty.
    pub group: Vec<Field>,
    /// The window, or the time in which a sequence must come about.
    pub over: Span,
    /// What is looked for.
    pub what: What,
    /// Groups that are followed at once, at most.
    pub most: usize,
    /// What is said.
    pub words: Words,
}

/// What a rule looks for.
#[derive(Clone, PartialEq, Debug)]
pub enum What {
    /// A measure beyond its bounds.
    Measured(Box<Measured>),
    /// Events one after the other, or together.
    Sequence(Sequence),
}

/// What is measured of the lines that meet a condition.
#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    /// Which lines; all if there is none.
    pub when: Option<Condition>,
    /// What of them.
    pub measure: Measure,
    /// All of these must hold.
    pub bounds: Vec<Bound>,
    /// Lines that there must be in the window.
    pub least: u64,
    /// How long a group must have been watched to be compared with what is usual for it.
    pub history: Span,
}

/// What is measured, in the words of Sigma's correlations.
#[derive(Clone, PartialEq, Debug)]
pub enum Measure {
    /// `event_count`: how many lines.
    Count,
    /// `value_count`: how many different values of some fields together.
    Distinct(Vec<Field>),
    /// `value_sum`: a field's values added up.
    Sum(Field),
    /// `value_avg`: their mean.
    Mean(Field),
    /// `value_percentile`: what so many of them (0 to 1) are not above.
    Quantile(Field, f64),
    /// `event_share`: the part of the lines that also meets another condition.
    Share(Condition),
}

impl Measure {
    /// What its bounds are written in.
    pub fn unit(&self) -> Unit {
        match self {
            Measure::Count | Measure::Distinct(_) => Unit::Count,
            Measure::Sum(field) | Measure::Mean(field) | Measure::Quantile(field, _) => Unit::Of(field.kind()),
            Measure::Share(_) => Unit::Share,
        }
    }

    /// The field whose number is taken from each line.
    pub fn number(&self) -> Option<&Field> {
        match self {
            Measure::Sum(field) | Measure::Mean(field) | Measure::Quantile(field, _) => Some(field),
            _ => None,
        }
    }
}

/// Events that come one after the other, or together.
#[derive(Clone, PartialEq, Debug)]
pub struct Sequence {
    /// The conditions by their names; the place of each is its bit.
    pub events: Vec<(String, Condition)>,
    /// What must come, and what must not.
    pub steps: Vec<Step>,
    /// Whether in this order.
    pub ordered: bool,
}

/// One step of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Which event.
    pub event: usize,
    /// So many times.
    pub times: u32,
    /// It must not come here.
    pub absent: bool,
}

/// A step as rules write it: `fail`, `10 x fail`, `not validate`.
///
/// # Errors
/// A sentence that says what was expected, and the bytes that are wrong are all of it.
pub fn parse_step(text: &str, events: &[String]) -> Result<Step, String> {
    let text = text.trim();
    let (absent, rest) = match text.strip_prefix("not ") {
        Some(rest) => (true, rest.trim()),
        None => (false, text),
    };
    let counted = [" x ", " times "].iter().find_map(|sign| rest.split_once(sign));
    let (times, name) = match counted {
        Some((number, name)) => {
            let times: u32 = number.trim().parse().ok().filter(|n| (1..=MOST_STEPS).contains(n)).ok_or_else(|| {
                format!("expected a number from 1 to {MOST_STEPS} before the x, found \"{}\"", number.trim())
            })?;
            (times, name.trim())
        }
        None => (1, rest),
    };
    if absent && times > 1 {
        return Err(format!("\"not\" stands before a name alone, found \"{text}\""));
    }
    let event = events.iter().position(|known| known == name).ok_or_else(|| {
        let help = crate::diag::suggest(name, events.iter().map(String::as_str)).unwrap_or_default();
        format!("no event is called \"{name}\": {help}")
    })?;
    Ok(Step { event, times, absent })
}

impl Rule {
    /// What is counted, without how much is allowed: counts go on through a reload as long as this stays the same.
    pub fn shape(&self) -> String {
        let what = match &self.what {
            What::Measured(m) => format!("{:?}\n{:?}", m.when, m.measure),
            What::Sequence(sequence) => format!("{sequence:?}"),
        };
        format!("{}\n{:?}\n{}\n{:?}\n{what}", self.name, self.group, self.over.millis(), self.schedule)
    }

    /// What kind of subject its incidents are about: the first field it groups by that is one, else the site.
    pub fn subject(&self) -> SubjectKind {
        let of = |field: &Field| match field {
            Field::Key => Some(SubjectKind::Key),
            Field::Client => Some(SubjectKind::Client),
            Field::Endpoint => Some(SubjectKind::Endpoint),
            Field::Source => Some(SubjectKind::Source),
            _ => None,
        };
        self.group.iter().find_map(of).unwrap_or(SubjectKind::Site)
    }

    /// Every field that it asks lines for.
    pub fn fields(&self) -> Vec<Field> {
        let mut fields = self.group.clone();
        match &self.what {
            What::Measured(measured) => {
                fields.extend(measured.when.iter().flat_map(Condition::fields));
                match &measured.measure {
                    Measure::Count => {}
                    Measure::Distinct(of) => fields.extend(of.iter().cloned()),
                    Measure::Sum(field) | Measure::Mean(field) | Measure::Quantile(field, _) => {
                        fields.push(field.clone());
                    }
                    Measure::Share(of) => fields.extend(of.fields()),
                }
            }
            What::Sequence(sequence) => fields.extend(sequence.events.iter().flat_map(|(_, c)| c.fields())),
        }
        fields.sort();
        fields.dedup();
        fields
    }

    /// What a line is to this rule, a bit each: bit 0 that it is counted and bit 1 that it has its share, or the events
    /// that it is; 0 for nothing.
    pub fn matches(&self, line: &impl Line) -> u32 {
        match &self.what {
            What::Measured(measured) => {
                if measured.when.as_ref().is_some_and(|when| !when.holds(line)) {
                    return 0;
                }
                match &measured.measure {
                    Measure::Share(of) if of.holds(line) => 3,
                    _ => 1,
                }
            }
            What::Sequence(sequence) => {
                let bit = |(at, (_, condition)): (usize, &(String, Condition))| u32::from(condition.holds(line)) << at;
                sequence.events.iter().enumerate().map(bit).fold(0, std::ops::BitOr::bitor)
            }
        }
    }
}
