//! Existing logs on a virtual clock: what would have been told. The same pipeline as live, driven by the lines alone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use globset::GlobBuilder;

use super::Failure;
use super::abreast::{On, Piece, abreast, hand_on};
use super::front::{Front, judge};
use super::marked;
use super::merge::{Merge, Unread};
use super::pipeline::{Pipeline, PipelineError, Secrets};
use super::tally::Tally;
use super::telling::Teller;
use crate::config::{Config, Source};
use crate::detect::grounds::Grounds;
use crate::engine::EngineStatus;
use crate::format::Registry;
use crate::incident::allowance::Allowance;
use crate::incident::kept::would_tell;
use crate::incident::{Again, Change, ChangeKind, Incident};
use crate::notice::{Notice, NoticeType};
use crate::notify::Upkeep;
use crate::source::history;
use crate::store::Mark;
use crate::time::{Clock, Span, SystemClock, Timestamp};

/// What is to be replayed.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Logs; rotated copies beside them are read as well. `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Tell only what was decided from then on; what came before only teaches what is usual.
    pub since: Option<Timestamp>,
    /// Read no further than this.
    pub until: Option<Timestamp>,
    /// Learn what is usual from the whole log first, then judge it from its first line.
    pub two_pass: bool,
    /// Deploys, the oldest first: what begins or ends with one says so.
    pub marks: Vec<Mark>,
}

/// What came of a replay.
#[derive(Debug, Default)]
pub struct Summary {
    /// Files that were read.
    pub files: usize,
    /// Lines and what became of them.
    pub tally: Tally,
    /// Incidents that were opened, by rule.
    pub opened: BTreeMap<String, usize>,
    /// Notices that were told.
    pub notices: usize,
    /// Files that could not be read, or not to their end.
    pub unread: Vec<Unread>,
    /// The engine's own account at the end.
    pub engine: Option<EngineStatus>,
    /// Whether what is usual was learned first.
    pub two_pass: bool,
    /// Lines of the daily summaries, the newest hundreds.
    pub kept: Vec<Notice>,
    /// What the alert budget did.
    pub budget: Option<Budget>,
}

impl Summary {
    /// The time from the first line to the last.
    pub fn span(&self) -> Span {
        match (self.tally.first, self.tally.newest) {
            (Some(first), Some(last)) => last - first,
            _ => Span::ZERO,
        }
    }
}

/// Whoever is told: the notice, why it was decided, and who words it.
pub type Tell<'a> = &'a mut dyn FnMut(&Notice, &Grounds, &Teller) -> Result<(), Failure>;

/// Replays logs; `tell` gets every notice, `progress` the bytes read so far and those there are.
///
/// # Errors
/// No file could be read, a format or template cannot be used, or `tell` failed.
pub fn replay(
    config: Config,
    what: &Replay,
    tell: Tell<'_>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Summary, Failure> {
    let files = history::expand(&what.files);
    if what.two_pass && files.iter().any(|path| path == std::path::Path::new("-")) {
        return Err(Failure::Usage("--two-pass reads every log twice: standard input cannot be".to_owned()));
    }
    let config = Arc::new(with_sources(config, &files));
    let registry = registry(&config)?;
    let teller = Teller::new(config.clone()).map_err(|e| Failure::Usage(e.to_string()))?.with_hindsight(what.two_pass);
    let (mut pipeline, restored) =
        Pipeline::new(&config, registry, &Secrets::for_replay(), None).map_err(|e| refused(&e))?;
    for sentence in &restored.notes {
        tracing::warn!("{sentence}");
    }
    let mut pass = Pass { config: &config, what, files: &files, teller: &teller, from: 0, passes: 1 };
    if what.two_pass {
        pass.passes = 2;
        pipeline.quiet(true);
        pass.run(&mut pipeline, &mut |_, _, _| Ok(()), progress)?;
        pipeline = pipeline.hindsight();
        pass.from = 1;
    }
    let mut summary = pass.run(&mut pipeline, tell, progress)?;
    summary.two_pass = what.two_pass;
    for (_, tally) in pipeline.tallies() {
        summary.tally.add(tally);
    }
    summary.engine = Some(pipeline.status());
    summary.kept = pipeline.kept().map(|change| teller.notice(&change)).collect();
    summary.budget = Some(Budget::of(&pipeline, config.budget));
    Ok(summary)
}

/// One reading of all files.
struct Pass<'a> {
    config: &'a Config,
    what: &'a Replay,
    files: &'a [PathBuf],
    teller: &'a Teller,
    /// Readings before this one, and in all: for the progress.
    from: u64,
    passes: u64,
}

impl Pass<'_> {
    fn run(
        &self,
        pipeline: &mut Pipeline,
        tell: Tell<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Summary, Failure> {
        let (what, teller) = (self.what, self.teller);
        let mut feeds = Vec::with_capacity(self.files.len());
        for path in self.files {
            let named = what.files.contains(path);
            if named || path.exists() {
                let stream = pipeline.open(&source_of(self.config, path)).map_err(|e| refused(&e))?;
                pipeline.near(stream, written(path));
                feeds.push((path.clone(), stream, None));
            }
        }
        let mut merge = Merge::new(feeds, &self.config.limits, pipeline);
        if let [one] = merge.unread.as_slice()
            && self.files.len() == 1
        {
            return Err(Failure::Running(anyhow!("cannot read {}: {}", one.path.display(), plain(&one.error))));
        }
        let mut summary = Summary { files: self.files.len() - merge.unread.len(), ..Summary::default() };
        let mut changes: Vec<Change> = Vec::new();
        let size = merge.size();
        let mut told = Ok(());
        let mut upkeep = Upkeep::new(self.config.routes());
        let mut looked = Timestamp::MIN;
        let mut passed_over = Vec::new();
        let (front, engine) = pipeline.parts();
        abreast(
            |on| read(front, &mut merge, what.until, on),
            |piece| {
                passed_over.append(&mut judge(engine, &piece.batch, &mut changes));
                told = tell_all(&mut changes, what, teller, &mut upkeep, &mut summary, tell);
                let now = engine.judged_until().unwrap_or_default();
                if told.is_ok() && upkeep.is_holding() && now - looked >= HELD_EVERY {
                    looked = now;
                    let open = engine.open_incidents();
                    told = tell_held(open, now, what, teller, &mut upkeep, &mut summary, tell);
                }
                progress(self.from * size + piece.consumed, self.passes * size);
                told.is_ok()
            },
        )
        .map_err(|died| Failure::Running(died.into()))?;
        told?;
        pipeline.note_defects(&passed_over);
        pipeline.finish(&mut changes);
        tell_all(&mut changes, what, teller, &mut upkeep, &mut summary, tell)?;
        summary.unread = std::mem::take(&mut merge.unread);
        Ok(summary)
    }
}

/// What the alert budget did, and what others would have done.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// The one in force.
    pub allowance: Allowance,
    /// Incidents that it told, in the last four weeks of the log.
    pub told: usize,
    /// Findings that were kept for the daily summaries.
    pub kept: usize,
    /// The next smaller and larger ones, with how many incidents they would have told.
    pub others: Vec<(Allowance, usize)>,
}

impl Budget {
    fn of(pipeline: &Pipeline, allowance: Allowance) -> Budget {
        let (lower, higher) = allowance.neighbours();
        let told = |other: Allowance| (other, would_tell(pipeline.weighed(), &allowance, &other));
        Budget {
            allowance,
            told: pipeline.weighed().filter(|one| one.reason.is_none()).count(),
            kept: pipeline.weighed().filter(|one| one.reason.is_some()).count(),
            others: [lower, higher].into_iter().flatten().map(told).collect(),
        }
    }
}

/// How often, by the log's clock, it is looked at what silence is kept about: as live.
const HELD_EVERY: Span = Span::from_secs(30);

/// Tells what goes on of that about which silence was kept until now.
fn tell_held(
    open: Vec<Incident>,
    now: Timestamp,
    what: &Replay,
    teller: &Teller,
    upkeep: &mut Upkeep,
    summary: &mut Summary,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    let change = |incident| {
        let mut change = Change { kind: ChangeKind::Updated(Again::Reminder), incident, at: now };
        marked::explain(&mut change, &what.marks);
        change
    };
    let changes: Vec<Change> = open.into_iter().map(change).collect();
    for notice in upkeep.overdue(changes.iter().map(|change| teller.notice(change))) {
        let known = changes.iter().find(|change| change.incident.id == notice.incident);
        tell_one(&notice, known.map(|change| &change.incident.grounds), teller, summary, tell)?;
    }
    Ok(())
}

fn tell_one(
    notice: &Notice,
    grounds: Option<&Grounds>,
    teller: &Teller,
    summary: &mut Summary,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    if notice.kind == NoticeType::Opened {
        *summary.opened.entry(notice.rule.clone()).or_default() += 1;
    }
    summary.notices += 1;
    tell(notice, grounds.unwrap_or(&Grounds::default()), teller)
}

fn tell_all(
    changes: &mut Vec<Change>,
    what: &Replay,
    teller: &Teller,
    upkeep: &mut Upkeep,
    summary: &mut Summary,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    for mut change in changes.drain(..) {
        if what.since.is_some_and(|since| change.at < since) {
            continue;
        }
        marked::explain(&mut change, &what.marks);
        let mut notice = teller.notice(&change);
        if notice.kept.is_some() || !upkeep.hear(&mut notice) {
            continue;
        }
        tell_one(&notice, Some(&change.incident.grounds), teller, summary, tell)?;
    }
    Ok(())
}

/// Reads lines in their order and hands their events on, until nobody takes them any more.
fn read(mut front: Front<'_>, merge: &mut Merge, until: Option<Timestamp>, on: On<'_>) {
    let mut piece = Piece::default();
    let mut cut = Vec::new();
    let mut wanted = true;
    while let Some(run) = merge.next(&mut front) {
        let (stream, skipped) = (run.stream, run.skipped);
        let mut bytes = run.bytes;
        if let Some(until) = until {
            cut.clear();
            before(&mut front, stream, run.bytes, until, &mut cut);
            bytes = &cut;
        }
        // Lines come in the order of their times: what follows is later still.
        let over = bytes.is_empty() && !run.bytes.is_empty();
        hand_on(&mut front, (stream, bytes, skipped), &mut piece, &mut wanted, on);
        if over || !wanted {
            return;
        }
        piece.consumed = merge.consumed();
    }
}

/// The lines of a run up to a moment; lines without time go with those before them.
fn before(front: &mut Front<'_>, stream: usize, bytes: &[u8], until: Timestamp, out: &mut Vec<u8>) {
    use super::merge::Times;
    let mut within = true;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let text = crate::source::lines(line).next();
        if let Some(time) = text.and_then(|text| front.time(stream, bytes, text)) {
            within = time < until;
        }
        if within {
            out.extend_from_slice(line);
        }
    }
}

/// The known formats, with the user's own.
///
/// # Errors
/// A format file that cannot be used.
pub fn registry(config: &Config) -> Result<Arc<Registry>, Failure> {
    Registry::with_dir(&config.parsers_dir).map(Arc::new).map_err(|e| Failure::Usage(e.to_string()))
}

/// About when the lines of a file were written: when it was last changed, or now for what is no file.
pub fn written(path: &std::path::Path) -> Timestamp {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    file.map_or_else(|| SystemClock::new().now(), |file| Timestamp::from_secs(file.mtime()))
}

fn refused(error: &PipelineError) -> Failure {
    Failure::Usage(error.to_string())
}

/// Without a configured source, every log is one, named after its file.
fn with_sources(mut config: Config, files: &[PathBuf]) -> Config {
    if config.sources.is_empty() {
        for path in files {
            let name = log_name(path);
            if !config.sources.iter().any(|s| s.files.name == name) {
                let mut source = Source::default();
                source.files.name = name;
                config.sources.push(source);
            }
        }
    }
    config
}

/// The source whose globs take a file; else the one named after it; else the first.
pub fn source_of(config: &Config, path: &std::path::Path) -> String {
    let takes =
        |source: &&Source| source.files.path.iter().chain(&source.files.rotated).any(|glob| glob_takes(glob, path));
    let name = log_name(path);
    let found = config.sources.iter().find(takes).or_else(|| config.sources.iter().find(|s| s.files.name == name));
    found.or(config.sources.first()).map(|s| s.files.name.clone()).unwrap_or_default()
}

/// Whether a file is asked for by itself, and not only as a rotated copy of one that is.
pub(super) fn is_asked_for(config: &Config, path: &std::path::Path) -> bool {
    config.sources.iter().flat_map(|source| &source.files.path).any(|glob| glob_takes(glob, path))
}

fn glob_takes(glob: &str, path: &std::path::Path) -> bool {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let glob = GlobBuilder::new(glob).literal_separator(true).build();
    glob.is_ok_and(|glob| glob.compile_matcher().is_match(&absolute))
}

/// `access.log` of `access.log.2.gz`.
fn log_name(path: &std::path::Path) -> String {
    let Some(name) = path.file_name() else { return "standard input".to_owned() };
    if path == std::path::Path::new("-") {
        return "standard input".to_owned();
    }
    let base = history::stems(name).last().map(|stem| stem.base.to_string_lossy().into_owned());
    base.unwrap_or_else(|| name.to_string_lossy().into_owned())
}

/// An input error in plain words.
pub fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            "permission denied (logs in /var/log are often for root and the group adm)".to_owned()
        }
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}
