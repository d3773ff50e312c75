//! What cannot be seen in a source's lines, who is blind for it, and what to paste so that it can be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::sight::Sight;
use super::standing::Picture;
use crate::config::{Config, Source};
use crate::detect::DETECTORS;
use crate::format::{Choice, Lacking, Registry, Syntax, extend};
use crate::notice::words;
use crate::sanitize;
use crate::time::Span;

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
/// The default format of nginx, in its own words.
const NGINX_COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

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

fn under(source: &Source) -> String {
    format!("the configuration of Lapwing, under [source.{}]", source.files.name)
}

/// What to paste into the server's configuration, and into that of Lapwing for it to read the new lines.
fn lines_to_paste(
    config: &Config,
    source: &Source,
    registry: &Registry,
    sight: &Sight,
    lacking: &[Lacking],
) -> Vec<Paste> {
    if lacking.is_empty() {
        return Vec::new();
    }
    let (name, texts) = match config.plan(source).choice {
        Choice::Template(text) => (String::new(), vec![(Syntax::of(&text), text)]),
        Choice::TemplateOf(syntax, text) => (String::new(), vec![(syntax, text)]),
        Choice::Named(_) | Choice::Auto => {
            let name = sight.format.clone().unwrap_or_default();
            let texts = of_known(&name, registry);
            (name, texts)
        }
    };
    let mut paste = Vec::new();
    for (syntax, text) in texts {
        let Some(more) = extend(&text, syntax, lacking) else { continue };
        let into = match syntax {
            Syntax::Nginx => "nginx.conf, inside http { }; its access_log has to name it",
            Syntax::Apache => "the configuration of Apache; its CustomLog has to name it",
            Syntax::Haproxy => "haproxy.cfg, in the frontend",
            _ => "the server's log format",
        };
        if syntax == Syntax::Haproxy && lacking.contains(&Lacking::Key) {
            let text = "http-request set-var(txn.api_key) req.hdr(X-Api-Key)".to_owned();
            paste.push(Paste { into: "haproxy.cfg, in the frontend".to_owned(), text });
        }
        paste.push(Paste { into: into.to_owned(), text: sanitize::terminal(&more.directive) });
        paste.push(Paste { into: under(source), text: format!("log_format = {}", literal(&more.log_format)) });
    }
    if paste.is_empty() {
        paste.extend(lacking.iter().filter_map(|one| of_server(&name, *one)));
        paste.dedup();
    }
    paste
}

/// A text as TOML: between three quotes, where it does not hold them.
fn literal(text: &str) -> String {
    let clean = sanitize::terminal(text);
    if clean.contains("'''") { format!("{clean:?}") } else { format!("'''{clean}'''") }
}

/// The text of a format that comes with Lapwing, for each server that writes it.
fn of_known(name: &str, registry: &Registry) -> Vec<(Syntax, String)> {
    let Some(entry) = registry.get(name) else { return Vec::new() };
    let file: toml::Table = entry.text.parse().unwrap_or_default();
    let text = match file.get("log_format") {
        Some(toml::Value::String(text)) => Some(text.clone()),
        Some(toml::Value::Array(all)) => all.first().and_then(|text| text.as_str()).map(str::to_owned),
        _ => None,
    };
    let apache = |text: Option<String>| text.map(|text| (Syntax::Apache, text));
    match entry.name.as_str() {
        "combined" => [Some((Syntax::Nginx, NGINX_COMBINED.to_owned())), apache(text)].into_iter().flatten().collect(),
        "common" | "vhost-combined" | "apache-io" | "common-referer" => apache(text).into_iter().collect(),
        "nginx-main" | "nginx-timed" => text.map(|text| (Syntax::Nginx, text)).into_iter().collect(),
        "envoy" => text.map(|text| (Syntax::Envoy, text)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What makes a server with a format of its own write more.
fn of_server(format: &str, lacking: Lacking) -> Option<Paste> {
    let paste = |into: &str, text: &str| Some(Paste { into: into.to_owned(), text: text.to_owned() });
    match (format, lacking) {
        ("caddy", Lacking::Key) => paste("the Caddyfile, in the global options", "servers { log_credentials }"),
        ("traefik" | "traefik-json", Lacking::Key) => paste(
            "the static configuration of Traefik (accessLog with format: json)",
            "accessLog.fields.headers.names.X-Api-Key: keep",
        ),
        ("traefik" | "traefik-json", Lacking::UserAgent) => paste(
            "the static configuration of Traefik (accessLog with format: json)",
            "accessLog.fields.headers.names.User-Agent: keep",
        ),
        ("traefik-json", Lacking::Referer) => paste(
            "the static configuration of Traefik (accessLog with format: json)",
            "accessLog.fields.headers.names.Referer: keep",
        ),
        ("haproxy", Lacking::Key) => {
            paste("haproxy.cfg, in the frontend", "http-request capture req.hdr(X-Api-Key) len 64")
        }
        ("w3c", Lacking::Duration) => paste("the fields of the W3C log", "time-taken"),
        ("w3c", Lacking::BytesIn) => paste("the fields of the W3C log", "cs-bytes"),
        ("w3c", Lacking::BytesOut) => paste("the fields of the W3C log", "sc-bytes"),
        ("w3c", Lacking::Host) => paste("the fields of the W3C log", "cs-host"),
        ("w3c", Lacking::UserAgent) => paste("the fields of the W3C log", "cs(User-Agent)"),
        ("w3c", Lacking::Referer) => paste("the fields of the W3C log", "cs(Referer)"),
        ("w3c", Lacking::Key) => paste("the fields of the W3C log", "cs-username"),
        ("w3c", Lacking::ForwardedFor) => paste("the fields of the W3C log", "cs(X-Forwarded-For)"),
        ("nginx-json", one) => {
            let text = extend("{\"a\":\"$status\"}", Syntax::Nginx, &[one])?.directive;
            let pair = text.split_once("\"$status\",").and_then(|(_, rest)| rest.split_once('}'))?.0.to_owned();
            paste("the log_format of nginx, inside its object", &format!(",{pair}"))
        }
        ("json" | "kong-json" | "litellm", one) => {
            paste("what writes the log, as a field of each object", json_field(one))
        }
        _ => None,
    }
}

fn json_field(lacking: Lacking) -> &'static str {
    match lacking {
        Lacking::Key => "\"consumer\": \"acme\"",
        Lacking::ForwardedFor => "\"x_forwarded_for\": \"203.0.113.9, 10.0.0.5\"",
        Lacking::Duration => "\"duration_ms\": 31",
        Lacking::BytesIn => "\"bytes_in\": 512",
        Lacking::BytesOut => "\"bytes_out\": 1412",
        Lacking::Host => "\"host\": \"api.example.com\"",
        Lacking::UserAgent => "\"user_agent\": \"okhttp/4.12.0\"",
        Lacking::Referer => "\"referer\": \"https://example.com/\"",
    }
}

#[cfg(test)]
mod tests;
