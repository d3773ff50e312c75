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
use crate::config::{Config, Source, SourcePlan};
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
    /// Requests before the last change of the format, of which nothing else is noted.
    pub(super) older: u64,
    /// How many of them say what may be lacking.
    pub(super) said: [u64; 8],
    /// How many of them say where the client is.
    pub(super) countries: u64,
    /// The address that most of them come from, as the server sees it, and how many do.
    pub(super) most: Option<(String, u64)>,
    /// How their format is called.
    pub(super) format: Option<String>,
    /// Lines that are no requests in any format of the source.
    pub(super) unread: u64,
    /// What format those look like.
    pub(super) unread_look_like: Option<String>,
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
        let plan = config.plan(source);
        let parser = parser(&plan, registry, bytes, near)?;
        let secrets = Secrets::for_replay();
        let settings = config.intake_settings(vec![config.intake_source(source)], Vec::new());
        let mut intake = Intake::new(settings, secrets.fingerprint, secrets.hasher);
        let mut sight = Sight::default();
        let mut clients: HashMap<String, u64> = HashMap::new();
        let all: Vec<&[u8]> = lines(bytes).collect();
        let mut unread: Vec<&[u8]> = Vec::new();
        // The newest lines, as far back as they are all of one format: what the server writes by now.
        let (mut written, mut newer) = (String::new(), Sight::default());
        for line in all.iter().rev().take(MOST_LINES).rev() {
            let record = match parser.parse(line) {
                Ok(record) => record,
                Err(reject) if reject.reason.is_understood() => continue,
                Err(_) => {
                    unread.push(line);
                    continue;
                }
            };
            if record.target.is_none() {
                continue;
            }
            let view = intake.describe(&record, SourceId(0));
            sight.note(&record, view.key.is_some());
            if written != record.format {
                (written, newer) = (record.format.to_owned(), Sight::default());
            }
            newer.note(&record, view.key.is_some());
            if let Some(client) = view.client {
                *clients.entry(client).or_default() += 1;
            }
        }
        if newer.is_enough() && newer.lines < sight.lines {
            let lines = sight.lines;
            sight = Sight { older: lines - newer.lines, ..newer };
            sight.format = Some(written);
        }
        sight.most = clients.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
        sight.format = match &plan.choice {
            Choice::Named(name) => Some(name.clone()),
            Choice::Auto => sight.format.or_else(|| parser.decision().map(|decision| decision.format)),
            Choice::Template(_) | Choice::TemplateOf(..) | Choice::AnyOf(_) => None,
        };
        sight.unread = unread.len() as u64;
        sight.unread_look_like = SourceParser::new(Choice::Auto, registry.clone(), plan.zone)
            .ok()
            .filter(|_| !unread.is_empty())
            .and_then(|mut parser| parser.offer(&unread[..unread.len().min(SAMPLE_LINES)]).format);
        // Programs send no Referer: a format that has a place for it says so by its being empty.
        if has_place_for_referer(&plan.choice, sight.format.as_deref(), registry, bytes) {
            sight.say_all(Lacking::Referer);
        }
        (sight.lines + sight.unread >= LEAST_LINES).then_some(sight)
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

    /// Whether so many lines were read that it says something what they do not say.
    pub(super) fn is_enough(&self) -> bool {
        self.lines >= LEAST_LINES
    }

    /// Share of the lines that were read.
    pub(super) fn read(&self) -> f64 {
        1.0 - self.unread as f64 / (self.lines + self.older + self.unread).max(1) as f64
    }

    /// The one address that everybody seems to come from, and its share: a proxy's.
    pub(super) fn proxy(&self) -> Option<(&str, f64)> {
        let (address, n) = self.most.as_ref()?;
        let share = *n as f64 / (self.lines + self.older).max(1) as f64;
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
    let of_format = |name: &str| {
        registry.get(name).is_some_and(|entry| {
            let mut file: toml::Table = entry.text.parse().unwrap_or_default();
            file.remove("samples");
            file.remove("description");
            // Caddy writes all headers that there are.
            entry.name == "caddy" || names(file.to_string().as_bytes())
        })
    };
    let told = choice.each().iter().any(|one| match one {
        Choice::Template(text) | Choice::TemplateOf(_, text) => names(text.as_bytes()),
        Choice::Named(name) => of_format(name),
        Choice::Auto | Choice::AnyOf(_) => of_format(format.unwrap_or_default()),
    });
    told || names(bytes)
}

/// Whether an address is one of a network that is not the internet.
fn is_within(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.octets()[0] == 100,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn parser(plan: &SourcePlan, registry: &Arc<Registry>, bytes: &[u8], near: Timestamp) -> Option<SourceParser> {
    let mut parser =
        SourceParser::with_fields(plan.choice.clone(), registry.clone(), plan.zone, plan.fields.clone()).ok()?;
    parser.near(near);
    if parser.wants_sample() {
        let all: Vec<&[u8]> = lines(bytes).collect();
        // The server may write something else by now than at first.
        parser.offer(&all[..all.len().min(SAMPLE_LINES)]);
        if all.len() > SAMPLE_LINES {
            parser.offer(&all[all.len() - SAMPLE_LINES..]);
        }
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
    let parser = parser(&config.plan(source), registry, &bytes, written(first))?;
    lines(&bytes).take(50).find_map(|line| parser.parse(line).ok().map(|record| record.time))
}
