//! The pipeline's front: from lines to events. It shares nothing with the engine, so that a replay can read the next lines
//! on one thread while the last ones are judged on another.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::merge::Times;
use super::tally::{DEFECT, Tally};
use crate::config::SourcePlan;
use crate::engine::Engine;
use crate::event::{Batch, SourceId};
use crate::fault;
use crate::format::{Record, SAMPLE_LINES, SourceParser, Turn};
use crate::incident::Change;
use crate::intake::Intake;
use crate::source::{Skipped, lines};
use crate::time::{Timestamp, Zone};

/// Events that go to the engine at once: few enough for their texts to be still at hand there.
const BATCH_EVENTS: usize = 512;

/// A sequence of lines of one source that are read alike: live there is one a source, in a replay one a file.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) source: SourceId,
    pub(super) parser: SourceParser,
    pub(super) zone: Zone,
}

/// What reads lines, lent by the pipeline.
#[derive(Debug)]
pub(super) struct Front<'a> {
    pub(super) intake: &'a mut Intake,
    /// The first are those of the plans, in their order.
    pub(super) streams: &'a mut [Stream],
    pub(super) tallies: &'a mut [Tally],
    pub(super) plans: &'a [SourcePlan],
    /// Names of the sources by id.
    pub(super) names: &'a [String],
    /// Later stamps than this are wrong.
    pub(super) latest: Timestamp,
}

impl Front<'_> {
    /// Takes whole lines of a stream in and hands their events on, some hundreds at a time; what `on` leaves of the batch
    /// is dropped.
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
        let (before, latest) = (tally.offered(), self.latest);
        let intake = &mut *self.intake;
        let (mut rest, mut record) = (lines(bytes), Record::default());
        loop {
            // A defect in a parser costs the line it falls over, not the daemon.
            let whole = catch_unwind(AssertUnwindSafe(|| {
                for line in rest.by_ref() {
                    fault::point("pipeline.line");
                    match reading.parser.parse_into(line, &mut record) {
                        Ok(()) => {
                            record.time = tally.in_order(record.time, latest, reading.zone);
                            tally.read(record.time, latest);
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
                tally.count(DEFECT);
                false
            });
            if !batch.events.is_empty() {
                on(batch);
            }
            batch.clear();
            if done {
                tally.blanks(bytes, tally.offered() - before);
                break;
            }
        }
        let followed = stream < self.plans.len();
        for turn in reading.parser.turns() {
            let name = self.names.get(usize::from(source.0)).map_or("", String::as_str);
            let Turn { from, to, line } = turn;
            let text = format!("from line {line} on (counted since the start): {to} instead of {from}");
            if followed {
                tracing::info!(source = name, "{text}");
            } else {
                tracing::debug!(source = name, "{text}");
            }
            tally.turned = Some(text);
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
}

impl Times for Front<'_> {
    fn time(&mut self, stream: usize, block: &[u8], line: &[u8]) -> Option<Timestamp> {
        if self.streams.get(stream).is_some_and(|s| s.parser.wants_sample()) {
            self.sample(stream, block);
        }
        self.streams.get(stream)?.parser.parse(line).ok().map(|record| record.time)
    }
}

/// Judges a batch. A defect in a detector costs the event it falls over, not the daemon;
/// the answer is the source of each such event.
pub(super) fn judge(engine: &mut Engine, batch: &Batch, changes: &mut Vec<Change>) -> Vec<SourceId> {
    let (mut from, mut passed_over) = (0, Vec::new());
    while catch_unwind(AssertUnwindSafe(|| engine.absorb_from(batch, from, changes))).is_err() {
        from = engine.recover();
        // All events of a batch are of one source.
        passed_over.extend(batch.events.first().map(|event| event.source));
    }
    passed_over
}
