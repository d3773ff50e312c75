//! From lines to changes: parser, intake and engine in one piece, the same for live and replay.
//!
//! What it remembers goes into one snapshot together with the read positions, so that a restart goes on from the very
//! line after the last one counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::abreast::{Died, On, Piece, abreast, hand_on};
use super::front::{Front, Stream, judge};
use super::geo;
use super::header::{Header, VERSION};
use super::merge::Times;
use super::status::SourceStatus;
use super::tally::{DEFECT, Tally};
use crate::config::{Config, SourcePlan};
use crate::engine::{self, Engine, EngineStatus};
use crate::event::{Batch, Hasher, SourceId};
use crate::format::{Choice, ChoiceError, Fields, PASTED, Registry, SourceParser};
use crate::incident::kept::Weighed;
use crate::incident::{Change, Incident};
use crate::intake::{self, FingerprintKey, Intake};
use crate::source::{Chunk, Position, Skipped};
use crate::time::{Span, Timestamp, Zone};

/// A stamp further ahead of the wall clock than this is wrong.
const AHEAD: Span = Span::from_mins(5);
/// From so many bytes on, reading has a thread of its own: making one takes as long as reading some dozen lines.
const ABREAST_BYTES: usize = 256 << 10;

/// Lines in, changes out.
#[derive(Debug)]
pub struct Pipeline {
    engine: Engine,
    intake: Intake,
    registry: Arc<Registry>,
    plans: Vec<SourcePlan>,
    /// Names by id. Ids are kept for good: what the engine knows of a source hangs on them.
    names: Vec<String>,
    streams: Vec<Stream>,
    tallies: Vec<Tally>,
    batch: Batch,
    /// Later stamps than this are wrong.
    latest: Timestamp,
}

/// What a snapshot held beside the pipeline.
#[derive(Debug, Default)]
pub struct Restored {
    /// How far every file was read.
    pub positions: Vec<Position>,
    /// What could not be taken over, in words.
    pub lost: Vec<String>,
    /// What goes on without something that was configured, in sentences.
    pub notes: Vec<String>,
}

/// Why there is no pipeline.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A source's format cannot be used.
    #[error("source \"{name}\": {error}")]
    Format {
        /// Which source.
        name: String,
        /// Why.
        error: ChoiceError,
    },
    /// The state was written by a newer Lapwing.
    #[error("{0}")]
    Newer(String),
    /// Reading the logs panicked, which is a defect.
    #[error(transparent)]
    Died(#[from] Died),
}

/// Secret material that ids and fingerprints are made with.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Makes ids.
    pub hasher: Hasher,
    /// Makes fingerprints.
    pub fingerprint: FingerprintKey,
}

impl Secrets {
    /// The same on every machine: for replays and `parse`, which keep nothing.
    pub fn for_replay() -> Self {
        Secrets { hasher: Hasher::new(0x1a9_0de5), fingerprint: FingerprintKey::for_replay() }
    }
}

impl Pipeline {
    /// A pipeline for a configuration's sources, going on from a snapshot if there is one.
    ///
    /// # Errors
    /// A format that cannot be used, or a snapshot of a newer version. A damaged snapshot is none: it is told in
    /// [`Restored::lost`].
    pub fn new(
        config: &Config,
        registry: Arc<Registry>,
        secrets: &Secrets,
        snapshot: Option<&[u8]>,
    ) -> Result<(Pipeline, Restored), PipelineError> {
        let mut restored = Restored::default();
        let (atlas, without) = geo::open(config);
        restored.notes.extend(without);
        let parts = snapshot.and_then(Header::split);
        if snapshot.is_some() && parts.is_none() {
            restored.lost.push("the saved state cannot be read; learning begins anew".to_owned());
        }
        let (header, memory) = parts.map_or((Header::default(), None), |(header, memory)| (header, Some(memory)));
        if header.version > VERSION {
            return Err(PipelineError::Newer(format!(
                "the saved state has version {}, this Lapwing knows versions up to {VERSION}: use the newer Lapwing",
                header.version
            )));
        }
        let mut names = header.names;
        for source in &config.sources {
            if !names.contains(&source.files.name) {
                names.push(source.files.name.clone());
            }
        }
        let id = |name: &str| names.iter().position(|n| n == name).unwrap_or(0);
        let mut by_id = vec![intake::SourceSettings::default(); names.len()];
        for source in &config.sources {
            by_id[id(&source.files.name)] = config.intake_source(source);
        }
        let settings = config.engine_settings(names.clone(), secrets.hasher);
        let engine = match memory {
            None => Engine::new(settings),
            Some(memory) => match Engine::load(settings.clone(), memory) {
                Ok(engine) => engine,
                Err(error @ engine::LoadError::Newer { .. }) => return Err(PipelineError::Newer(error.to_string())),
                Err(error) => {
                    restored.lost.push(format!("{error}; learning begins anew"));
                    Engine::new(settings)
                }
            },
        };
        let mut pipeline = Pipeline {
            engine,
            intake: Intake::new(
                config.intake_settings(by_id, names.clone()),
                secrets.fingerprint.clone(),
                secrets.hasher,
            )
            .with_places(atlas),
            registry,
            plans: config.sources.iter().map(|s| config.plan(s)).collect(),
            tallies: header.tallies,
            streams: Vec::new(),
            batch: Batch::default(),
            latest: Timestamp::MAX,
            names,
        };
        pipeline.tallies.resize_with(pipeline.names.len(), Tally::default);
        for plan in pipeline.plans.clone() {
            let stream = pipeline.open(&plan.name)?;
            if let Some((_, decision)) = header.decisions.iter().find(|(name, _)| *name == plan.name) {
                pipeline.streams[stream].parser.restore(decision);
            }
        }
        restored.positions = header.positions;
        Ok((pipeline, restored))
    }

    /// Opens a further stream of a source, with a parser of its own; its number.
    ///
    /// # Errors
    /// A format that cannot be used.
    pub fn open(&mut self, source: &str) -> Result<usize, PipelineError> {
        let plan = self.plans.iter().find(|p| p.name == source);
        let (choice, zone, fields) = plan
            .map_or((Choice::Auto, self.plans.first().map_or(Zone::Local, |p| p.zone), Fields::default()), |p| {
                (p.choice.clone(), p.zone, p.fields.clone())
            });
        // Nobody looks at other fields here, so lines need not carry them.
        let parser = SourceParser::with_fields(choice, self.registry.clone(), zone, fields.only_asked())
            .map_err(|error| PipelineError::Format { name: source.to_owned(), error })?;
        let id = self.names.iter().position(|n| n == source).unwrap_or(0);
        self.streams.push(Stream { source: SourceId(id as u16), parser, zone });
        Ok(self.streams.len() - 1)
    }

    /// Says about when the lines of a stream were written: the time of its file, or now. Times without year need it.
    pub fn near(&self, stream: usize, time: Timestamp) {
        if let Some(stream) = self.streams.get(stream) {
            stream.parser.near(time);
        }
    }

    /// The same for the streams of all configured sources.
    pub fn near_now(&self, now: Timestamp) {
        (0..self.plans.len()).for_each(|stream| self.near(stream, now));
    }

    /// The known formats.
    pub(super) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The ids of the configured sources, in the order of the configuration: stream `n` is source `n`.
    pub fn source_ids(&self) -> Vec<SourceId> {
        self.streams.iter().take(self.plans.len()).map(|s| s.source).collect()
    }

    /// The stream of a configured source.
    pub fn stream_of(&self, source: SourceId) -> Option<usize> {
        self.streams.iter().take(self.plans.len()).position(|s| s.source == source)
    }

    /// Closes all further streams; what they found out about the format of their source's lines holds from now on.
    pub fn settle(&mut self) {
        for further in self.streams.split_off(self.plans.len()) {
            let same = self.streams.iter_mut().find(|s| s.source == further.source);
            if let (Some(stream), Some(decision)) = (same, further.parser.decision()) {
                stream.parser.restore(&decision);
            }
        }
    }

    /// The name of a stream's source.
    pub fn name_of(&self, stream: usize) -> String {
        let source = self.streams.get(stream).map_or(0, |s| usize::from(s.source.0));
        self.names.get(source).cloned().unwrap_or_default()
    }

    /// Takes whole lines of a stream in. What comes of it is appended to `changes`.
    pub fn take(&mut self, stream: usize, bytes: &[u8], skipped: Skipped, changes: &mut Vec<Change>) {
        let mut batch = std::mem::take(&mut self.batch);
        let (mut front, engine) = self.parts();
        let mut passed_over = Vec::new();
        front.take(stream, bytes, skipped, &mut batch, &mut |batch| {
            passed_over.append(&mut judge(engine, batch, changes));
        });
        self.batch = batch;
        self.note_defects(&passed_over);
    }

    /// The same for much at once, in the order it came in.
    pub(super) fn take_chunks(&mut self, chunks: &[Chunk], changes: &mut Vec<Change>) {
        let stream = |chunk: &Chunk| self.stream_of(chunk.source);
        let known: Vec<(usize, &Chunk)> = chunks.iter().filter_map(|chunk| Some((stream(chunk)?, chunk))).collect();
        if known.iter().map(|(_, chunk)| chunk.bytes.len()).sum::<usize>() < ABREAST_BYTES {
            for (stream, chunk) in known {
                self.take(stream, &chunk.bytes, chunk.skipped, changes);
            }
            return;
        }
        let read = |front: &mut Front<'_>, on: On<'_>| {
            let (mut piece, mut wanted) = (Piece::default(), true);
            for (stream, chunk) in known {
                hand_on(front, (stream, &chunk.bytes, chunk.skipped), &mut piece, &mut wanted, on);
            }
        };
        if self.take_abreast(read, |_, _| true, changes).is_err() {
            self.note_defects(&chunks.first().map(|chunk| chunk.source).into_iter().collect::<Vec<_>>());
        }
    }

    /// Lets `read` make events of lines while the ones before are judged. Whenever some were judged, `after` gets the bytes
    /// read before them and what came of it so far, and says whether to go on.
    ///
    /// # Errors
    /// Reading panicked.
    pub(super) fn take_abreast(
        &mut self,
        read: impl FnOnce(&mut Front<'_>, On<'_>) + Send,
        mut after: impl FnMut(u64, &mut Vec<Change>) -> bool,
        changes: &mut Vec<Change>,
    ) -> Result<(), Died> {
        let (mut front, engine) = self.parts();
        let mut passed_over = Vec::new();
        let done = abreast(
            |on| read(&mut front, on),
            |piece| {
                passed_over.append(&mut judge(engine, &piece.batch, changes));
                after(piece.consumed, changes)
            },
        );
        self.note_defects(&passed_over);
        done
    }

    /// The two halves, which share nothing.
    pub(super) fn parts(&mut self) -> (Front<'_>, &mut Engine) {
        let Pipeline { engine, intake, plans, names, streams, tallies, latest, .. } = self;
        (Front { intake, streams, tallies, plans, names, latest: *latest }, engine)
    }

    /// Events of these sources were passed over because of a defect.
    pub(super) fn note_defects(&mut self, passed_over: &[SourceId]) {
        for source in passed_over {
            if let Some(tally) = self.tallies.get_mut(usize::from(source.0)) {
                tally.count(DEFECT);
                tally.parsed = tally.parsed.saturating_sub(1);
            }
        }
    }

    /// Judges up to a moment though no lines come: what the wall clock does live.
    pub fn advance(&mut self, watermark: Timestamp, changes: &mut Vec<Change>) {
        while catch_unwind(AssertUnwindSafe(|| self.engine.advance(watermark, changes))).is_err() {
            self.engine.recover();
            if let Some(tally) = self.tallies.first_mut() {
                tally.count(DEFECT);
            }
        }
    }

    /// The wall clock, live.
    pub fn wall(&mut self, now: Timestamp) {
        self.latest = now + AHEAD;
        self.engine.wall(now);
    }

    /// The end of a replay: everything that came is judged.
    pub fn finish(&mut self, changes: &mut Vec<Change>) {
        self.engine.finish(changes);
    }

    /// Begins anew with what was learned so far as the usual: the second look at a log that was read to its end.
    #[must_use]
    pub fn hindsight(self) -> Self {
        let tallies = vec![Tally::default(); self.tallies.len()];
        Pipeline { engine: self.engine.hindsight(), tallies, ..self }
    }

    /// What is kept for the daily summary, and what was in the last ones.
    pub fn kept(&self) -> impl Iterator<Item = Change> + '_ {
        self.engine.kept()
    }

    /// Changes with what is kept.
    pub fn kept_revision(&self) -> u64 {
        self.engine.kept_revision()
    }

    /// What was weighed in the last four weeks: told, or why not.
    pub fn weighed(&self) -> impl Iterator<Item = &Weighed> {
        self.engine.weighed()
    }

    /// Learns and judges, but tells nobody of what is over: while history is read.
    pub fn quiet(&mut self, quiet: bool) {
        self.engine.quiet(quiet);
    }

    /// Whether what lies far behind the wall clock waits to be told: see [`Engine::patient`].
    pub fn patient(&mut self, patient: bool) {
        self.engine.patient(patient);
    }

    /// As if the log had been watched for so long before its first line.
    pub fn watched_before(&mut self, span: Span) {
        self.engine.watched_before(span);
    }

    /// Bytes that the tables may take from now on.
    pub fn set_memory(&mut self, bytes: usize) {
        self.engine.set_memory(bytes);
    }

    /// Lines taken in, of all sources, ever.
    pub fn lines(&self) -> u64 {
        self.tallies.iter().map(Tally::lines).sum()
    }

    /// Lines and moments that were passed over because of a defect, ever.
    pub fn defects(&self) -> u64 {
        self.tallies.iter().filter_map(|tally| tally.rejected.get(DEFECT)).sum()
    }

    /// The incidents that are open.
    pub fn open_incidents(&self) -> Vec<Incident> {
        self.engine.open_incidents()
    }

    /// The engine's own account.
    pub fn status(&self) -> EngineStatus {
        self.engine.status()
    }

    /// How many incidents are open, and up to when everything is judged.
    pub fn judged_until(&self) -> Option<Timestamp> {
        self.engine.judged_until()
    }

    /// Lines that went through a parser, of all sources there ever were.
    pub fn offered(&self) -> u64 {
        self.tallies.iter().map(Tally::offered).sum()
    }

    /// What was counted, source by source in the order of the configuration.
    pub fn tallies(&self) -> Vec<(&str, &Tally)> {
        let tally = |p: &SourcePlan| self.names.iter().position(|n| *n == p.name).and_then(|i| self.tallies.get(i));
        self.plans.iter().filter_map(|p| Some((p.name.as_str(), tally(p)?))).collect()
    }

    /// What format the newest lines that could not be read seem to have, and why it seems so.
    pub fn guess(&self, stream: usize) -> Option<(Option<String>, String)> {
        let (plan, reading) = (self.plans.get(stream)?, self.streams.get(stream)?);
        let strange = self.tallies.get(usize::from(reading.source.0))?.strange.lines();
        let mut parser = SourceParser::new(Choice::Auto, self.registry.clone(), plan.zone).ok()?;
        let guess = parser.offer(&strange);
        Some((guess.format, guess.reason))
    }

    /// Source by source, for `lapwing status`; positions and lag are the reader's to add.
    pub fn source_status(&self) -> Vec<SourceStatus> {
        let format = |stream: usize| {
            let reading = self.streams.get(stream)?;
            match self.plans.get(stream)?.choice.each().first()? {
                Choice::Named(name) => Some(name.clone()),
                Choice::Template(_) | Choice::TemplateOf(..) | Choice::AnyOf(_) => Some(PASTED.to_owned()),
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
            blank: tally.more.blank,
            nul_bytes: tally.nul_bytes,
            last_line_at: tally.newest,
            turned: tally.turned.clone(),
            ..SourceStatus::default()
        };
        self.tallies().into_iter().enumerate().map(row).collect()
    }

    /// Everything that a restart needs, as of the last line taken in: the positions are those after that line.
    pub fn save(&self, positions: Vec<Position>) -> Vec<u8> {
        let decisions = self
            .plans
            .iter()
            .zip(&self.streams)
            .filter_map(|(plan, stream)| Some((plan.name.clone(), stream.parser.decision()?)))
            .collect();
        let header =
            Header { version: VERSION, names: self.names.clone(), tallies: self.tallies.clone(), decisions, positions };
        let bytes = header.to_bytes();
        self.engine.save_behind(bytes)
    }
}

impl Times for Pipeline {
    fn time(&mut self, stream: usize, block: &[u8], line: &[u8]) -> Option<Timestamp> {
        self.parts().0.time(stream, block, line)
    }
}
