//! From lines to events: what each source's lines are read with, whose calls they are, and what was counted of them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::merge::Times;
use super::pipeline::PipelineError;
use super::status::SourceStatus;
use crate::config::SourcePlan;
use crate::event::{Batch, SourceId};
use crate::format::{Choice, Decision, Fields, Registry, Reject, SAMPLE_LINES, SourceParser};
use crate::intake::Intake;
use crate::sanitize;
use crate::source::{Skipped, lines};
use crate::time::Timestamp;

/// Events that go to the engine at once: few enough for their texts to be still at hand there.
const BATCH_EVENTS: usize = 512;

/// What was counted of one source: survives restarts, since it is how people check that no line is lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Lines that were read.
    pub parsed: u64,
    /// Lines that were not, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Lines over the length limit.
    pub oversize: u64,
    /// Unfinished last lines of files that are over.
    pub partial: u64,
    /// NUL bytes in holes.
    pub nul_bytes: u64,
    /// The first rejected line, made safe to show.
    pub sample: Option<String>,
    /// Where reading of that line stopped: column, and what was wrong.
    pub sample_reason: Option<String>,
    /// The oldest line's time.
    pub first: Option<Timestamp>,
    /// The newest line's time.
    pub newest: Option<Timestamp>,
}

impl Tally {
    /// Lines that could not be read.
    pub fn rejected_lines(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Every line that was there: agrees with `wc -l` but for blank lines.
    pub fn lines(&self) -> u64 {
        self.parsed + self.rejected_lines() + self.oversize + self.partial
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Tally) {
        self.parsed += other.parsed;
        for (reason, count) in &other.rejected {
            *self.rejected.entry(reason.clone()).or_default() += count;
        }
        self.oversize += other.oversize;
        self.partial += other.partial;
        self.nul_bytes += other.nul_bytes;
        if self.sample.is_none() {
            self.sample.clone_from(&other.sample);
            self.sample_reason.clone_from(&other.sample_reason);
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.newest = self.newest.max(other.newest);
    }

    fn pass(&mut self, skipped: Skipped) {
        self.oversize += skipped.oversize_lines;
        self.partial += skipped.partial_lines;
        self.nul_bytes += skipped.nul_bytes;
    }

    fn reject(&mut self, line: &[u8], reject: Reject) {
        self.count(reject.reason.as_str());
        if self.sample.is_none() {
            self.sample = Some(sanitize::redact_line(line));
            self.sample_reason = Some(format!("column {}: {}", reject.column, reject.reason));
        }
    }

    fn count(&mut self, reason: &str) {
        match self.rejected.get_mut(reason) {
            Some(count) => *count += 1,
            None => drop(self.rejected.insert(reason.to_owned(), 1)),
        }
    }
}

/// A sequence of lines of one source that are read alike: live there is one a source, in a replay one a file.
#[derive(Debug)]
struct Stream {
    source: SourceId,
    parser: SourceParser,
}

/// Lines in, events out.
#[derive(Debug)]
pub(super) struct Front {
    intake: Intake,
    registry: Arc<Registry>,
    plans: Vec<SourcePlan>,
    /// Names by id. Ids are kept for good: what the engine knows of a source hangs on them.
    names: Vec<String>,
    streams: Vec<Stream>,
    tallies: Vec<Tally>,
}

impl Front {
    /// With one stream for each plan, in their order.
    pub(super) fn new(
        intake: Intake,
        registry: Arc<Registry>,
        plans: Vec<SourcePlan>,
        names: Vec<String>,
        mut tallies: Vec<Tally>,
        decisions: &[(String, Decision)],
    ) -> Result<Front, PipelineError> {
        tallies.resize_with(names.len(), Tally::default);
        let mut front = Front { intake, registry, plans, names, streams: Vec::new(), tallies };
        for plan in front.plans.clone() {
            let stream = front.open(&plan.name)?;
            if let Some((_, decision)) = decisions.iter().find(|(name, _)| *name == plan.name) {
                front.streams[stream].parser.restore(decision);
            }
        }
        Ok(front)
    }

    /// What was found out about the formats of the sources' lines.
    pub(super) fn decisions(&self) -> Vec<(String, Decision)> {
        let both = self.plans.iter().zip(&self.streams);
        both.filter_map(|(plan, stream)| Some((plan.name.clone(), stream.parser.decision()?))).collect()
    }

    /// Names of all sources by id.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Forgets what was counted: before lines are read a second time.
    pub(super) fn count_anew(&mut self) {
        self.tallies.iter_mut().for_each(|tally| *tally = Tally::default());
    }

    /// Counts of all sources by id.
    pub(super) fn all_tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Opens a further stream of a source, with a parser of its own; its number.
    ///
    /// # Errors
    /// A format that cannot be used.
    pub(super) fn open(&mut self, source: &str) -> Result<usize, PipelineError> {
        let plan = self.plans.iter().find(|p| p.name == source);
        let (choice, zone, fields) = plan.map_or(
            (Choice::Auto, self.plans.first().map_or(crate::time::Zone::Local, |p| p.zone), Fields::default()),
            |p| (p.choice.clone(), p.zone, p.fields.clone()),
        );
        // Nobody looks at other fields here, so lines need not carry them.
        let parser = SourceParser::with_fields(choice, self.registry.clone(), zone, fields.only_asked())
            .map_err(|error| PipelineError::Format { name: source.to_owned(), error })?;
        let id = self.names.iter().position(|n| n == source).unwrap_or(0);
        self.streams.push(Stream { source: SourceId(id as u16), parser });
        Ok(self.streams.len() - 1)
    }

    /// Says about when the lines of a stream were written: the time of its file, or now. Times without year need it.
    pub(super) fn near(&self, stream: usize, time: Timestamp) {
        if let Some(stream) = self.streams.get(stream) {
            stream.parser.near(time);
        }
    }

    /// The same for the streams of all configured sources.
    pub(super) fn near_now(&self, now: Timestamp) {
        (0..self.plans.len()).for_each(|stream| self.near(stream, now));
    }

    /// The ids of the configured sources, in the order of the configuration: stream `n` is source `n`.
    pub(super) fn source_ids(&self) -> Vec<SourceId> {
        self.streams.iter().take(self.plans.len()).map(|s| s.source).collect()
    }

    /// The stream of a configured source.
    pub(super) fn stream_of(&self, source: SourceId) -> Option<usize> {
        self.streams.iter().take(self.plans.len()).position(|s| s.source == source)
    }

    /// Closes all further streams; what they found out about the format of their source's lines holds from now on.
    pub(super) fn settle(&mut self) {
        for further in self.streams.split_off(self.plans.len()) {
            let same = self.streams.iter_mut().find(|s| s.source == further.source);
            if let (Some(stream), Some(decision)) = (same, further.parser.decision()) {
                stream.parser.restore(&decision);
            }
        }
    }

    /// The name of a stream's source.
    pub(super) fn name_of(&self, stream: usize) -> String {
        let source = self.streams.get(stream).map_or(0, |s| usize::from(s.source.0));
        self.names.get(source).cloned().unwrap_or_default()
    }

    /// Takes whole lines of a stream in and hands their events on, some hundreds at a time; `on` leaves the batch empty.
    pub(super) fn take(
        &mut self,
        stream: usize,
        bytes: &[u8],
        skipped: Skipped,
        batch: &mut Batch,
        on: &mut dyn FnMut(&mut Batch),
    ) {
        self.sample(stream, bytes);
        let Some(reading) = self.streams.get(stream) else { return };
        let source = reading.source;
        let Some(tally) = self.tallies.get_mut(usize::from(source.0)) else { return };
        tally.pass(skipped);
        let intake = &mut self.intake;
        let mut rest = lines(bytes);
        loop {
            // A defect in a parser costs the line it falls over, not the daemon.
            let whole = catch_unwind(AssertUnwindSafe(|| {
                for line in rest.by_ref() {
                    match reading.parser.parse(line) {
                        Ok(record) => {
                            tally.parsed += 1;
                            tally.newest = tally.newest.max(Some(record.time));
                            tally.first = Some(tally.first.unwrap_or(record.time).min(record.time));
                            intake.event(&record, source, batch);
                        }
                        Err(reject) => tally.reject(line, reject),
                    }
                    if batch.events.len() >= BATCH_EVENTS {
                        return false;
                    }
                }
                true
            }));
            let done = whole.unwrap_or_else(|_| {
                tally.count("internal error");
                false
            });
            if !batch.events.is_empty() {
                on(batch);
            }
            batch.clear();
            if done {
                return;
            }
        }
    }

    /// Lets an undecided parser look at lines.
    fn sample(&mut self, stream: usize, bytes: &[u8]) {
        let Some(reading) = self.streams.get_mut(stream) else { return };
        if !reading.parser.wants_sample() {
            return;
        }
        let sample: Vec<&[u8]> = lines(bytes).take(SAMPLE_LINES).collect();
        if sample.is_empty() {
            return;
        }
        let guess = reading.parser.offer(&sample);
        let name = self.names.get(usize::from(reading.source.0)).map_or("", String::as_str);
        match &guess.format {
            // One of many files of history is no news.
            Some(format) if stream >= self.plans.len() => tracing::debug!(source = name, format, "{}", guess.reason),
            Some(format) => tracing::info!(source = name, format, "{}", guess.reason),
            None => tracing::warn!(source = name, "{}", guess.reason),
        }
    }

    /// What was counted, source by source in the order of the configuration.
    pub(super) fn tallies(&self) -> Vec<(&str, &Tally)> {
        let tally = |p: &SourcePlan| self.names.iter().position(|n| *n == p.name).and_then(|i| self.tallies.get(i));
        self.plans.iter().filter_map(|p| Some((p.name.as_str(), tally(p)?))).collect()
    }

    /// Source by source, for `lapwing status`; positions and lag are the reader's to add.
    pub(super) fn source_status(&self) -> Vec<SourceStatus> {
        let format = |stream: usize| {
            let reading = self.streams.get(stream)?;
            match &self.plans.get(stream)?.choice {
                Choice::Named(name) => Some(name.clone()),
                Choice::Template(_) | Choice::TemplateOf(..) => Some("log_format".to_owned()),
                Choice::Auto => reading.parser.decision().map(|d| d.format),
            }
        };
        let row = |(stream, (name, tally)): (usize, (&str, &Tally))| SourceStatus {
            name: name.to_owned(),
            format: format(stream),
            lines: tally.lines(),
            parsed: tally.parsed,
            rejected: tally.rejected_lines(),
            rejected_by: tally.rejected.iter().map(|(reason, count)| (reason.clone(), *count)).collect(),
            rejected_sample: tally.sample.clone(),
            oversize: tally.oversize,
            partial: tally.partial,
            nul_bytes: tally.nul_bytes,
            last_line_at: tally.newest,
            ..SourceStatus::default()
        };
        self.tallies().into_iter().enumerate().map(row).collect()
    }
}

impl Times for Front {
    fn time(&mut self, stream: usize, block: &[u8], line: &[u8]) -> Option<Timestamp> {
        if self.streams.get(stream).is_some_and(|s| s.parser.wants_sample()) {
            self.sample(stream, block);
        }
        self.streams.get(stream)?.parser.parse(line).ok().map(|record| record.time)
    }
}
