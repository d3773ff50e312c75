//! What cannot be seen in a source's lines, who is blind for it, and what to paste so that it can be.

mod paste;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::paste::{lines_to_paste, under};
use super::sight::Sight;
use super::standing::Picture;
use crate::config::{Config, Source};
use crate::detect::DETECTORS;
use crate::format::{Lacking, Registry};
use crate::notice::words;
use crate::sanitize;
use crate::time::Span;

/// A larger share of lines that are not read is worth a word.
const UNREAD: f64 = 0.02;
/// Lines say it often enough from this share on.
const COVERED: f64 = 0.5;
/// With as much history everything is judged with the hour of the week.
const ENOUGH: Span = Span::from_days(8);
/// What lines may say, in the order in which it is told that they do not.
const LINES_SAY: [Lacking; 7] = [
    Lacking::Key,
    Lacking::Duration,
    Lacking::BytesIn,
    Lacking::BytesOut,
    Lacking::UserAgent,
    Lacking::Referer,
    Lacking::Host,
];
/// What is lacking in the configuration, whatever the lines say.
const NO_PLACES: &str = "no database of places";
const NO_NETWORKS: &str = "no database of networks";
/// How often a running daemon looks, and while there is nothing to look at.
const LOOK_EVERY: Span = Span::from_mins(15);
const LOOK_SOON: Span = Span::from_mins(2);

/// What cannot be seen in the lines of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blind {
    /// Lines that were looked at: the newest.
    pub lines: u64,
    /// What they do not say.
    pub spots: Vec<Spot>,
    /// What to paste where.
    pub paste: Vec<Paste>,
}

/// One thing that cannot be seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spot {
    /// What, in a few words: `no request time`.
    pub what: String,
    /// Share of the lines in which it can be seen all the same, 0 to 1.
    pub covered: f64,
    /// Detectors that see nothing without it, or less.
    pub detectors: Vec<String>,
    /// What that means, in a sentence.
    pub because: String,
}

/// A line to paste.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Paste {
    /// Where: a server's configuration, or Lapwing's own.
    pub into: String,
    /// What, as it stands there.
    pub text: String,
}

/// What is not seen without each of these, and what it means. Detectors that are not built in are left out.
fn about(lacking: Lacking) -> (&'static str, &'static [&'static str], &'static str) {
    match lacking {
        Lacking::Key => (
            "no key",
            &[
                "leaked-key",
                "scope-creep",
                "impossible-travel",
                "shared-key",
                "front-end-exposure",
                "drift",
                "payload-size",
                "budget",
            ],
            "callers are told apart by their addresses alone, and nothing can be said of keys",
        ),
        Lacking::ForwardedFor => (
            "one address for all clients",
            &[
                "leaked-key",
                "impossible-travel",
                "shared-key",
                "front-end-exposure",
                "credential-stuffing",
                "enumeration",
                "harvesting",
                "burst",
            ],
            "everybody seems to be the proxy, so new networks of a key and single clients cannot be seen",
        ),
        Lacking::Duration => (
            "no request time",
            &["slow-response", "retry-loop"],
            "slow answers cannot be seen, nor that a repeated call is a slow one",
        ),
        Lacking::BytesIn => (
            "no request length",
            &["retry-loop", "payload-size"],
            "the same POST again cannot be told from a batch, and large requests not from small ones",
        ),
        Lacking::BytesOut => (
            "no response length",
            &["payload-size", "enumeration", "credential-stuffing"],
            "large answers cannot be seen, nor what they cost by the megabyte",
        ),
        Lacking::Host => ("no host", &[], "the same path on two hosts is one endpoint"),
        Lacking::UserAgent => (
            "no user agent",
            &["front-end-exposure", "leaked-key", "impossible-travel", "drift", "harvesting"],
            "browsers that use a server's key, new programs on a key and crawlers cannot be seen",
        ),
        Lacking::Referer => (
            "no referer",
            &["front-end-exposure"],
            "a web page that uses a server's key is only known by the browsers of its visitors, so it is told later",
        ),
    }
}

impl Blind {
    /// Of a source, from the newest lines of its files. `None` where there are too few of them.
    pub fn of(config: &Config, source: &Source, registry: &Arc<Registry>, paths: &[PathBuf]) -> Option<Blind> {
        let sight = Sight::of(config, source, registry, paths)?;
        Some(Blind::found(config, source, registry, &sight))
    }

    pub(super) fn found(config: &Config, source: &Source, registry: &Registry, sight: &Sight) -> Blind {
        let mut blind = Blind { lines: sight.lines, ..Blind::default() };
        if sight.read() < 1.0 - UNREAD {
            blind.spots.push(unread(sight));
        }
        if !sight.is_enough() {
            blind.paste = lines_to_paste(config, source, registry, sight, &[]);
            return blind;
        }
        let mut lacking = Vec::new();
        if let Some((address, share)) = sight.proxy() {
            let mut spot = spot(Lacking::ForwardedFor, 1.0 - share);
            spot.what = format!("{} of the lines come from {}", words::percent(share), sanitize::terminal(address));
            blind.spots.push(spot);
            if sight.covered(Lacking::ForwardedFor) < COVERED {
                lacking.push(Lacking::ForwardedFor);
            }
            let text = format!("trusted_proxies = [\"{}\"]", sanitize::terminal(address));
            blind.paste.push(Paste { into: under(source), text });
        }
        for one in LINES_SAY {
            let covered = sight.covered(one);
            if covered < COVERED {
                blind.spots.push(spot(one, covered));
                lacking.push(one);
            }
        }
        if sight.covered(Lacking::Key) >= COVERED {
            blind.look_for_places(config);
        }
        if let Some(history) = sight.history().filter(|history| *history < ENOUGH) {
            blind.spots.push(Spot {
                what: format!("only {} of history", words::duration(history)),
                covered: 1.0,
                detectors: names(&["burst", "traffic-drop", "harvesting", "error-spike"]),
                because: young(history).to_owned(),
            });
        }
        blind.paste.splice(0..0, lines_to_paste(config, source, registry, sight, &lacking));
        blind
    }

    /// Where keys are used can be seen with files that the user gives.
    fn look_for_places(&mut self, config: &Config) {
        let city = "path = \"/var/lib/GeoIP/GeoLite2-City.mmdb\"";
        let networks = "asn = \"/var/lib/GeoIP/GeoLite2-ASN.mmdb\"";
        let (what, because, into, text) = match &config.geoip {
            None => (
                NO_PLACES,
                "a key that is used in two places at once is told only if the new place makes many requests, by leaked-key, and else is a line of the daily summary at most",
                "the configuration of Lapwing",
                format!("[geoip]\n{city}\n{networks}"),
            ),
            Some(geoip) if geoip.asn.is_none() => (
                NO_NETWORKS,
                "networks of hosters and VPNs are not known, where a key seems to travel though nobody does",
                "the configuration of Lapwing, under [geoip]",
                networks.to_owned(),
            ),
            Some(_) => return,
        };
        self.spots.push(Spot {
            what: what.to_owned(),
            covered: 1.0,
            detectors: names(&["impossible-travel"]),
            because: because.to_owned(),
        });
        self.paste.push(Paste { into: into.to_owned(), text });
    }

    /// Leaves what is the same for all sources, since the configuration lacks it and not their lines, with the first of them.
    /// Whether it is said that there is no database of places.
    pub fn say_once<'a>(sources: impl IntoIterator<Item = &'a mut Blind>) -> bool {
        let mut said: Vec<(String, Option<Paste>)> = Vec::new();
        for blind in sources {
            let Some(at) = blind.spots.iter().position(|spot| [NO_PLACES, NO_NETWORKS].contains(&spot.what.as_str()))
            else {
                continue;
            };
            let what = &blind.spots[at].what;
            if let Some((_, paste)) = said.iter().find(|(known, _)| known == what) {
                blind.paste.retain(|own| Some(own) != paste.as_ref());
                blind.spots.remove(at);
            } else {
                // Told last, and so is what to paste for it.
                said.push((what.clone(), blind.paste.last().cloned()));
            }
        }
        said.iter().any(|(what, _)| what == NO_PLACES)
    }

    /// Everything in sentences: what is not seen, and what to paste. Empty if nothing is hidden.
    pub fn sentences(&self) -> Vec<String> {
        self.spots.iter().map(Spot::sentence).collect()
    }
}

impl Spot {
    /// `no request time (in none of the lines): slow answers cannot be seen …; blind: slow-response`.
    pub fn sentence(&self) -> String {
        let seen = match self.covered {
            c if c >= 1.0 => String::new(),
            c if c < 0.001 => " in any line".to_owned(),
            c => format!(" but in {} of the lines", words::percent(c)),
        };
        let seen = if self.what.starts_with("no ") { seen } else { String::new() };
        let detectors = match self.detectors.as_slice() {
            [] => String::new(),
            all => format!(" (blind, or see less: {})", all.join(", ")),
        };
        format!("{}{seen}: {}{detectors}", self.what, self.because)
    }
}

/// What the lines of the sources of a running daemon do not say, looked at now and then.
#[derive(Debug, Default)]
pub(super) struct Eyes {
    looked: Option<Span>,
    found: BTreeMap<String, Blind>,
}

impl Eyes {
    /// Looks again if it is time; `now` is monotonic.
    pub(super) fn look(&mut self, config: &Config, registry: &Arc<Registry>, picture: &Picture, now: Span) {
        if self.looked.is_some_and(|at| now - at < LOOK_EVERY) || picture.sources.is_empty() {
            return;
        }
        self.looked = Some(now);
        for (source, (_, standing)) in config.sources.iter().zip(&picture.sources) {
            let paths: Vec<PathBuf> = standing.files.iter().map(|file| PathBuf::from(&file.path)).collect();
            match Blind::of(config, source, registry, &paths) {
                Some(blind) => drop(self.found.insert(source.files.name.clone(), blind)),
                // A file that was just rotated has few lines: what was found before holds.
                None => self.looked = self.looked.filter(|_| self.found.contains_key(&source.files.name)),
            }
        }
        // Nothing was there yet: soon again, but not every second.
        self.looked = Some(self.looked.map_or(now - LOOK_EVERY + LOOK_SOON, |at| at));
    }

    /// What was found of a source.
    pub(super) fn of(&self, source: &str) -> Blind {
        self.found.get(source).cloned().unwrap_or_default()
    }
}

fn spot(lacking: Lacking, covered: f64) -> Spot {
    let (what, detectors, because) = about(lacking);
    Spot { what: what.to_owned(), covered, detectors: names(detectors), because: because.to_owned() }
}

/// Lines that the format of the source does not take.
fn unread(sight: &Sight) -> Spot {
    let looks = match &sight.unread_look_like {
        Some(name) => format!("they look like \"{name}\", which is not among the formats of this source"),
        None => "`lapwing parse` shows which, and where they differ".to_owned(),
    };
    Spot {
        what: format!("{} of the newest {} lines are not read", sight.unread, sight.unread + sight.lines + sight.older),
        covered: 1.0,
        detectors: Vec::new(),
        because: looks,
    }
}

fn names(all: &[&str]) -> Vec<String> {
    let known = |name: &&&str| DETECTORS.iter().any(|kind| kind.name == **name);
    all.iter().filter(known).map(|name| (*name).to_owned()).collect()
}

fn young(history: Span) -> &'static str {
    match history {
        h if h < Span::from_hours(2) => {
            "bursts of the site are judged from two hours on, those of single keys after a day"
        }
        h if h < Span::DAY => {
            "bursts of single keys and clients are judged after a day, collecting and silence after 36 hours"
        }
        h if h < Span::from_hours(36) => "collecting of data and traffic that stops are judged after 36 hours",
        _ => "more evidence is asked for until a week is known",
    }
}

#[cfg(test)]
mod tests;
