//! From lines to changes: parser, intake and engine in one piece, the same for live and replay.
//!
//! What it remembers goes into one snapshot together with the read positions, so that a restart goes on from the very
//! line after the last one counted.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::front::Front;
pub use super::front::Tally;
use super::merge::Times;
use super::status::SourceStatus;
use crate::config::Config;
use crate::engine::{self, Engine, EngineStatus};
use crate::event::{Batch, Hasher, SourceId};
use crate::format::{ChoiceError, Decision, Registry};
use crate::incident::Change;
use crate::incident::kept::Weighed;
use crate::intake::{self, FingerprintKey, Intake};
use crate::source::{Position, Skipped};
use crate::time::Timestamp;

/// The version of the snapshot's own part.
const VERSION: u16 = 1;

/// Lines in, changes out.
#[derive(Debug)]
pub struct Pipeline {
    engine: Engine,
    front: Front,
    batch: Batch,
}

/// The part of a snapshot that is not the engine's.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Header {
    version: u16,
    names: Vec<String>,
    tallies: Vec<Tally>,
    decisions: Vec<(String, Decision)>,
    positions: Vec<Position>,
}

/// What a snapshot held beside the pipeline.
#[derive(Debug, Default)]
pub struct Restored {
    /// How far every file was read.
    pub positions: Vec<Position>,
    /// What could not be taken over, in words.
    pub lost: Vec<String>,
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
        let parts = snapshot.and_then(split);
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
        let intake = Intake::new(config.intake_settings(by_id), secrets.fingerprint.clone(), secrets.hasher);
        let plans = config.sources.iter().map(|s| config.plan(s)).collect();
        let front = Front::new(intake, registry, plans, names, header.tallies, &header.decisions)?;
        restored.positions = header.positions;
        Ok((Pipeline { engine, front, batch: Batch::default() }, restored))
    }

    /// What makes events of lines, and what makes changes of events: for two threads.
    pub(super) fn parts(&mut self) -> (&mut Front, &mut Engine) {
        (&mut self.front, &mut self.engine)
    }

    /// Opens a further stream of a source, with a parser of its own; its number.
    ///
    /// # Errors
    /// A format that cannot be used.
    pub fn open(&mut self, source: &str) -> Result<usize, PipelineError> {
        self.front.open(source)
    }

    /// Says about when the lines of a stream were written: the time of its file, or now. Times without year need it.
    pub fn near(&self, stream: usize, time: Timestamp) {
        self.front.near(stream, time);
    }

    /// The same for the streams of all configured sources.
    pub fn near_now(&self, now: Timestamp) {
        self.front.near_now(now);
    }

    /// The ids of the configured sources, in the order of the configuration: stream `n` is source `n`.
    pub fn source_ids(&self) -> Vec<SourceId> {
        self.front.source_ids()
    }

    /// The stream of a configured source.
    pub fn stream_of(&self, source: SourceId) -> Option<usize> {
        self.front.stream_of(source)
    }

    /// Closes all further streams; what they found out about the format of their source's lines holds from now on.
    pub fn settle(&mut self) {
        self.front.settle();
    }

    /// The name of a stream's source.
    pub fn name_of(&self, stream: usize) -> String {
        self.front.name_of(stream)
    }

    /// Takes whole lines of a stream in. What comes of it is appended to `changes`.
    pub fn take(&mut self, stream: usize, bytes: &[u8], skipped: Skipped, changes: &mut Vec<Change>) {
        let Pipeline { engine, front, batch } = self;
        front.take(stream, bytes, skipped, batch, &mut |batch| engine.absorb(batch, changes));
    }

    /// Judges up to a moment though no lines come: what the wall clock does live.
    pub fn advance(&mut self, watermark: Timestamp, changes: &mut Vec<Change>) {
        self.engine.advance(watermark, changes);
    }

    /// The wall clock, live.
    pub fn wall(&mut self, now: Timestamp) {
        self.engine.wall(now);
    }

    /// The end of a replay: everything that came is judged.
    pub fn finish(&mut self, changes: &mut Vec<Change>) {
        self.engine.finish(changes);
    }

    /// Begins anew with what was learned so far as the usual: the second look at a log that was read to its end.
    #[must_use]
    pub fn hindsight(self) -> Self {
        let Pipeline { engine, mut front, batch } = self;
        front.count_anew();
        Pipeline { engine: engine.hindsight(), front, batch }
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

    /// The engine's own account.
    pub fn status(&self) -> EngineStatus {
        self.engine.status()
    }

    /// How many incidents are open, and up to when everything is judged.
    pub fn judged_until(&self) -> Option<Timestamp> {
        self.engine.judged_until()
    }

    /// What was counted, source by source in the order of the configuration.
    pub fn tallies(&self) -> Vec<(&str, &Tally)> {
        self.front.tallies()
    }

    /// Source by source, for `lapwing status`; positions and lag are the reader's to add.
    pub fn source_status(&self) -> Vec<SourceStatus> {
        self.front.source_status()
    }

    /// Everything that a restart needs, as of the last line taken in: the positions are those after that line.
    pub fn save(&self, positions: Vec<Position>) -> Vec<u8> {
        let header = Header {
            version: VERSION,
            names: self.front.names().to_vec(),
            tallies: self.front.all_tallies().to_vec(),
            decisions: self.front.decisions(),
            positions,
        };
        // Writing into memory cannot fail; an empty header would be told as damaged.
        let header = postcard::to_stdvec(&header).unwrap_or_default();
        let memory = self.engine.save();
        let mut bytes = Vec::with_capacity(8 + header.len() + memory.len());
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&memory);
        bytes
    }
}

/// The parts of a snapshot.
fn split(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, memory) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((postcard::from_bytes(header).ok()?, memory))
}

impl Times for Pipeline {
    fn time(&mut self, stream: usize, block: &[u8], line: &[u8]) -> Option<Timestamp> {
        self.front.time(stream, block, line)
    }
}
