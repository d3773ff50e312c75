//! One format in several variants: versions of a server that added columns, options that add some, and lines that the
//! same log holds beside its requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::field;
use super::template::Template;
use super::{Format, Reason, Record, Reject};
use crate::time::Zone;

/// See the module.
#[derive(Debug)]
pub(super) struct Family {
    name: String,
    /// The most exact first.
    variants: Vec<Template>,
    /// What the server also writes there and what is no HTTP request.
    others: Vec<Template>,
    /// Fields that together are the time a request took.
    phases: Vec<String>,
    timeless: bool,
    /// The variant that took the last line: nearly always also that of the next.
    last: AtomicUsize,
}

impl Family {
    /// A family of at least one variant.
    pub(super) fn new(
        name: &str,
        variants: Vec<Template>,
        others: Vec<Template>,
        phases: Vec<String>,
        timeless: bool,
    ) -> Family {
        Family { name: name.to_owned(), variants, others, phases, timeless, last: AtomicUsize::new(0) }
    }

    /// The same format with another zone for times that state none.
    pub(super) fn in_zone(&self, zone: Zone) -> Family {
        Family {
            name: self.name.clone(),
            variants: self.variants.iter().map(|v| v.in_zone(zone)).collect(),
            others: self.others.clone(),
            phases: self.phases.clone(),
            timeless: self.timeless,
            last: AtomicUsize::new(0),
        }
    }

    /// What `lapwing check` should say about the variants.
    pub(super) fn warnings(&self) -> &[String] {
        self.variants.first().map_or(&[], Template::warnings)
    }

    /// How much a line has to look like the variant that takes it.
    pub(super) fn specificity_of(&self, line: &[u8]) -> u32 {
        self.variants.iter().find(|v| v.parse(line).is_ok()).map_or(0, Template::specificity)
    }

    fn read<'a>(
        &'a self,
        line: &'a [u8],
        by: impl Fn(&'a Template, &'a [u8]) -> Result<Record<'a>, Reject>,
    ) -> Result<Record<'a>, Reject> {
        let last = self.last.load(Ordering::Relaxed);
        if last != 0
            && let Some(variant) = self.variants.get(last)
            && let Ok(record) = by(variant, line)
            && !swallows(&record)
        {
            return self.finish(line, record);
        }
        let mut farthest: Option<Reject> = None;
        for (at, variant) in self.variants.iter().enumerate() {
            match by(variant, line) {
                Ok(record) => {
                    // One that leaves the end of a line unread must not go before those that read it.
                    self.last.store(if variant.is_open() { 0 } else { at }, Ordering::Relaxed);
                    return self.finish(line, record);
                }
                Err(reject) if farthest.is_none_or(|old| reject.column > old.column) => farthest = Some(reject),
                Err(_) => {}
            }
        }
        if self.is_other(line) {
            return Err(NOT_HTTP);
        }
        Err(farthest.unwrap_or(Reject { column: 1, reason: Reason::NoFormat }))
    }

    fn is_other(&self, line: &[u8]) -> bool {
        self.others.iter().any(|other| other.parse(line).is_ok())
    }

    fn finish<'a>(&self, line: &[u8], mut record: Record<'a>) -> Result<Record<'a>, Reject> {
        // No method and no status: what has a request line only in name.
        if record.status.is_none() && record.method.is_none() && self.is_other(line) {
            return Err(NOT_HTTP);
        }
        if self.phases.is_empty() || record.duration.is_some() {
            return Ok(record);
        }
        let known = record.extra.iter().filter(|(name, _)| self.phases.iter().any(|phase| phase == name));
        // -1 is a phase that was not reached.
        let seconds = known.filter_map(|(_, value)| field::decimal(value)).filter(|seconds| *seconds >= 0.0);
        record.duration = seconds.fold(None, |sum, seconds| Some(sum.unwrap_or(0.0) + seconds));
        Ok(record)
    }
}

const NOT_HTTP: Reject = Reject { column: 1, reason: Reason::NotHttp };

/// Whether a field of the server's own holds what may belong to another variant: the variants must be tried in order.
fn swallows(record: &Record<'_>) -> bool {
    record.extra.iter().any(|(_, value)| value.iter().any(|b| matches!(b, b' ' | b'"' | b'{')))
}

impl Format for Family {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_timeless(&self) -> bool {
        self.timeless
    }

    fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        self.read(line, Template::parse)
    }

    fn parse_loosely<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        self.read(line, Template::parse_loosely)
    }
}
