//! One format in several variants: versions of a server that added columns, options that add some, and lines that the
//! same log holds beside its requests.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::field;
use super::fields::Context;
use super::template::Template;
use super::{Format, Reason, Record, Reject};

/// See the module.
#[derive(Debug)]
pub(super) struct Family {
    name: String,
    /// The most exact first.
    variants: Vec<Template>,
    /// Of each variant, whether its last field takes whatever is left of a line.
    open: Vec<bool>,
    /// Extra fields that no source asks for, but by which variants are told apart or durations counted; sorted.
    surplus: Vec<String>,
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
        Family {
            name: name.to_owned(),
            open: variants.iter().map(Template::is_open).collect(),
            surplus: Vec::new(),
            variants,
            others,
            phases,
            timeless,
            last: AtomicUsize::new(0),
        }
    }

    /// The same format for one source. The variants keep what tells them apart and what a duration is made of; what
    /// nobody asks for is dropped when a record is done.
    pub(super) fn within(&self, context: &Context) -> Family {
        let fields = &context.fields;
        let needed = |name: &str| fields.keeps(name) || self.phases.iter().any(|phase| phase == name);
        let within = |(at, variant): (usize, &Template)| variant.within_keeping(context, |name| at > 0 || needed(name));
        let variants: Vec<Template> = self.variants.iter().enumerate().map(within).collect();
        let mapped: Vec<&str> = fields.mapped().map(|(target, ..)| target).collect();
        let surplus = |name: &&str| !fields.keeps(name) && !mapped.contains(name);
        let mut surplus: Vec<String> =
            variants.iter().flat_map(Template::extras).filter(surplus).map(ToOwned::to_owned).collect();
        surplus.sort_unstable();
        surplus.dedup();
        Family {
            name: self.name.clone(),
            variants,
            open: self.open.clone(),
            surplus,
            others: self.others.iter().map(|other| other.within(context)).collect(),
            phases: self.phases.clone(),
            timeless: self.timeless,
            last: AtomicUsize::new(0),
        }
    }

    /// The variants, the most exact first.
    pub(super) fn variants(&self) -> &[Template] {
        &self.variants
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
                    let open = self.open.get(at).is_some_and(|open| *open);
                    self.last.store(if open { 0 } else { at }, Ordering::Relaxed);
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
        if !self.phases.is_empty() && record.duration.is_none() {
            record.duration = self.sum_of_phases(&record);
        }
        if !self.surplus.is_empty() {
            record.extra.retain(|(name, _)| self.surplus.binary_search_by(|s| s.as_str().cmp(name)).is_err());
        }
        Ok(record)
    }

    fn sum_of_phases(&self, record: &Record<'_>) -> Option<f64> {
        let known = record.extra.iter().filter(|(name, _)| self.phases.iter().any(|phase| phase == name));
        // -1 is a phase that was not reached.
        let seconds = known.filter_map(|(_, value)| field::decimal(value)).filter(|seconds| *seconds >= 0.0);
        seconds.fold(None, |sum, seconds| Some(sum.unwrap_or(0.0) + seconds))
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
