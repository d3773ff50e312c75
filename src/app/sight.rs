//! What the newest lines of a source say, and what they do not: counted on a sample.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pipeline::Secrets;
use super::replay::written;
use crate::config::{Config, Source};
use crate::event::SourceId;
use crate::format::{Choice, Lacking, Record, Registry, SAMPLE_LINES, SourceParser};
use crate::intake::Intake;
use crate::source::{archive, history, lines};
use crate::time::{Span, Timestamp};

/// The newest part of a file that is looked at, in bytes, and lines of it.
const NEWEST: u64 = 256 << 10;
const MOST_LINES: usize = 2000;
/// Fewer lines than this say nothing.
const LEAST_LINES: u64 = 20;
/// Lines of which a share says that all come from one address.
const CROWD: u64 = 100;
/// One address with this share of the lines stands for many.
const ONE: f64 = 0.95;
/// The first part of the oldest file that is looked at for a time.
const OLDEST: usize = 64 << 10;

/// What the newest lines of a source say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sight {
    /// Requests that were looked at.
    pub(super) lines: u64,
    /// How many of them say what may be lacking.
    pub(super) said: [u64; 8],
    /// How many of them say where the client is.
    pub(super) countries: u64,
    /// The address that most of them come from, as the server sees it, and how many do.
    pub(super) most: Option<(String, u64)>,
    /// How their format is called.
    pub(super) format: Option<String>,
    /// The newest of them.
    pub(super) newest: Option<Timestamp>,
    /// The time of the oldest line of all files, as far as they could be read.
    pub(super) oldest: Option<Timestamp>,
}

impl Sight {
    /// Of a source's newest file among `paths`. `None` where there is nothing to look at.
    pub(super) fn of(config: &Config, source: &Source, registry: &Arc<Registry>, paths: &[PathBuf]) -> Option<Sight> {
        let newest = paths
            .iter()
            .filter(|path| !history::says_compressed(path))
            .filter(|path| std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() > 0))
            .max_by_key(|path| written(path))?;
        let bytes = newest_part(newest).ok()?;
        // Whatever stands in a log, a look at it is no reason to end.
        let look = || {
            let mut sight = Sight::of_lines(config, source, registry, &bytes, written(newest))?;
            sight.oldest = oldest(config, source, registry, paths);
            Some(sight)
        };
        catch_unwind(AssertUnwindSafe(look)).ok().flatten()
    }

    /// Of lines that were written about `near`.
    pub(super) fn of_lines(
        config: &Config,
        source: &Source,
        registry: &Arc<Registry>,
        bytes: &[u8],
        near: Timestamp,
    ) -> Option<Sight> {
        let parser = parser(config, source, registry, bytes, near)?;
        let secrets = Secrets::for_replay();
        let settings = config.intake_settings(vec![config.intake_source(source)], Vec::new());
        let mut intake = Intake::new(settings, secrets.fingerprint, secrets.hasher);
        let mut sight = Sight::default();
        let mut clients: HashMap<String, u64> = HashMap::new();
        let all: Vec<&[u8]> = lines(bytes).collect();
        for line in all.iter().rev().take(MOST_LINES).rev() {
            let Ok(record) = parser.parse(line) else { continue };
            if record.target.is_none() {
                continue;
            }
            let view = intake.describe(&record, SourceId(0));
            sight.note(&record, view.key.is_some());
            if let Some(client) = view.client {
                *clients.entry(client).or_default() += 1;
            }
        }
        sight.most = clients.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
        sight.format = match config.plan(source).choice {
            Choice::Named(name) => Some(name),
            Choice::Auto => parser.decision().map(|decision| decision.format),
            Choice::Template(_) | Choice::TemplateOf(..) => None,
        };
        // Programs send no Referer: a format that has a place for it says so by its being empty.
        if has_place_for_referer(&config.plan(source).choice, sight.format.as_deref(), registry, bytes) {
            sight.say_all(Lacking::Referer);
        }
        (sight.lines >= LEAST_LINES).then_some(sight)
    }

    fn note(&mut self, record: &Record<'_>, has_key: bool) {
        let known = |value: Option<&[u8]>| value.is_some_and(|value| !matches!(value, b"" | b"-"));
        let says = |lacking: Lacking| match lacking {
            Lacking::Key => has_key,
            Lacking::ForwardedFor => known(record.forwarded_for.as_deref()),
            Lacking::Duration => record.duration.is_some(),
            Lacking::BytesIn => record.bytes_in.is_some() || record.body_digest.is_some(),
            Lacking::BytesOut => record.bytes_out.is_some(),
            Lacking::Host => known(record.host.as_deref()),
            Lacking::UserAgent => known(record.user_agent.as_deref()),
            Lacking::Referer => record.referer.is_some(),
        };
        self.lines += 1;
        for (count, lacking) in self.said.iter_mut().zip(Lacking::ALL) {
            *count += u64::from(says(lacking));
        }
        self.countries += u64::from(known(record.country.as_deref()));
        self.newest = self.newest.max(Some(record.time));
    }

    fn say_all(&mut self, lacking: Lacking) {
        for (count, _) in self.said.iter_mut().zip(Lacking::ALL).filter(|(_, known)| *known == lacking) {
            *count = self.lines;
        }
    }

    /// Share of the lines that say it.
    pub(super) fn covered(&self, lacking: Lacking) -> f64 {
        let place = Lacking::ALL.iter().position(|known| *known == lacking);
        let said = place.and_then(|place| self.said.get(place)).copied().unwrap_or(0);
        said as f64 / self.lines.max(1) as f64
    }

    /// The one address that everybody seems to come from, and its share: a proxy's.
    pub(super) fn proxy(&self) -> Option<(&str, f64)> {
        let (address, n) = self.most.as_ref()?;
        let share = *n as f64 / self.lines.max(1) as f64;
        let within = address.parse().is_ok_and(|address| is_within(&address));
        let said = self.covered(Lacking::ForwardedFor) > 0.5;
        (self.lines >= CROWD && share >= ONE && (within || said)).then_some((address.as_str(), share))
    }

    /// How far back the files reach.
    pub(super) fn history(&self) -> Option<Span> {
        Some((self.newest? - self.oldest?).max(Span::ZERO))
    }
}

/// Whether the format names the Referer, or its lines do as one of their fields.
fn has_place_for_referer(choice: &Choice, format: Option<&str>, registry: &Registry, bytes: &[u8]) -> bool {
    let names = |text: &[u8]| {
        [&b"referer"[..], b"referrer"].iter().any(|name| text.windows(name.len()).any(|w| w.eq_ignore_ascii_case(name)))
    };
    let told = match choice {
        Choice::Template(text) | Choice::TemplateOf(_, text) => names(text.as_bytes()),
        Choice::Named(_) | Choice::Auto => registry.get(format.unwrap_or_default()).is_some_and(|entry| {
            let mut file: toml::Table = entry.text.parse().unwrap_or_default();
            file.remove("samples");
            file.remove("description");
            // Caddy writes all headers that there are.
            entry.name == "caddy" || names(file.to_string().as_bytes())
        }),
    };
    told || names(bytes)
}

/// Whether an address is one of a network that is not the internet.
fn is_within(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.octets()[0] == 100,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn parser(
    config: &Config,
    source: &Source,
    registry: &Arc<Registry>,
    bytes: &[u8],
    near: Timestamp,
) -> Option<SourceParser> {
    let plan = config.plan(source);
    let mut parser = SourceParser::with_fields(plan.choice, registry.clone(), plan.zone, plan.fields).ok()?;
    parser.near(near);
    if parser.wants_sample() {
        let sample: Vec<&[u8]> = lines(bytes).take(SAMPLE_LINES).collect();
        parser.offer(&sample);
    }
    Some(parser)
}

/// The newest whole lines of a file.
fn newest_part(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(NEWEST);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(NEWEST).read_to_end(&mut bytes)?;
    if from > 0 {
        let first = memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |end| end + 1);
        bytes.drain(..first);
    }
    Ok(bytes)
}

/// The time of the first line of the oldest copy.
fn oldest(config: &Config, source: &Source, registry: &Arc<Registry>, paths: &[PathBuf]) -> Option<Timestamp> {
    let all = history::expand(paths);
    let first = all.iter().find(|path| std::fs::metadata(path).is_ok_and(|data| data.len() > 0))?;
    let mut bytes = Vec::new();
    archive::open(first).ok()?.take(OLDEST as u64).read_to_end(&mut bytes).ok()?;
    let parser = parser(config, source, registry, &bytes, written(first))?;
    lines(&bytes).take(50).find_map(|line| parser.parse(line).ok().map(|record| record.time))
}
