//! The vocabulary of what happened: events, the batches they travel in, and the subjects they are counted for.

use std::fmt;

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A 64-bit keyed hash that stands for a text. Stable for one [`Hasher`] seed across versions and platforms, so it may
/// be stored. Zero means absent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(pub u64);

impl Id {
    /// No text.
    pub const NONE: Id = Id(0);

    /// Whether there is a text behind it.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// Makes [`Id`]s. The seed is random per state directory, so that a client cannot choose texts that collide.
#[derive(Clone, Copy, Debug)]
pub struct Hasher {
    seed: u64,
    secrets: RapidSecrets,
}

impl Hasher {
    /// From a stored seed.
    pub fn new(seed: u64) -> Self {
        Hasher { seed, secrets: RapidSecrets::seed(seed) }
    }

    /// The seed it was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The id of a text; never [`Id::NONE`].
    pub fn id(&self, text: &[u8]) -> Id {
        Id(rapidhash_v3_seeded(text, &self.secrets).max(1))
    }

    /// An id of two ids, in order: for pairs such as a key and an endpoint.
    pub fn pair(&self, a: Id, b: Id) -> Id {
        let mut bytes = [0u8; 16];
        bytes[..8].copy_from_slice(&a.0.to_le_bytes());
        bytes[8..].copy_from_slice(&b.0.to_le_bytes());
        self.id(&bytes)
    }
}

/// A text of an event: its id, and where its characters lie in [`Batch::text`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Text {
    /// What it is counted under.
    pub id: Id,
    at: u32,
    len: u32,
}

impl Text {
    /// No text.
    pub const NONE: Text = Text { id: Id::NONE, at: 0, len: 0 };

    /// The same characters, counted under another id.
    #[must_use]
    pub const fn counted_as(self, id: Id) -> Text {
        Text { id, ..self }
    }

    /// Whether the event has this text.
    pub const fn is_some(self) -> bool {
        self.id.is_some()
    }
}

/// The method of a request, as far as it matters whether repeating it is safe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    Trace,
    /// Any other token: WebDAV and the like.
    #[default]
    Other,
}

impl Method {
    /// From the request line; anything unknown is [`Method::Other`].
    pub fn parse(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"PATCH" => Method::Patch,
            b"DELETE" => Method::Delete,
            b"OPTIONS" => Method::Options,
            b"CONNECT" => Method::Connect,
            b"TRACE" => Method::Trace,
            _ => Method::Other,
        }
    }

    /// Whether repeating the request changes nothing on the server (RFC 9110, 9.2.1).
    pub const fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }

    /// As it stands in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Connect => "CONNECT",
            Method::Trace => "TRACE",
            Method::Other => "OTHER",
        }
    }
}

/// What else is known about an event, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Flags(u8);

impl Flags {
    /// A static asset by its extension: counted for the site only.
    pub const STATIC: Flags = Flags(1);
    /// The request's fingerprint tells its content apart: a method without body, or a length or digest was logged.
    pub const STRONG: Flags = Flags(2);
    /// The agent declares itself a crawler.
    pub const CRAWLER: Flags = Flags(4);
    /// The line is an HTTP request (a method and a target were found), so it can be fingerprinted.
    pub const HTTP: Flags = Flags(8);

    /// The agent is a browser, as people use them.
    pub const BROWSER: Flags = Flags(16);
    /// The agent is software of servers: a library, a monitor, a crawler, a scanner.
    pub const SERVER: Flags = Flags(32);
    /// A web page made the request: it has a Referer.
    pub const PAGE: Flags = Flags(64);

    /// The key is a secret, and stands in the query of the request's URL.
    pub const KEY_IN_URL: Flags = Flags(128);

    /// With these bits set as well.
    #[must_use]
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// Whether all bits of `other` are set.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Where on Earth a client is: to a tenth of a degree, with its country, and whether machines or tunnels stand there. Six
/// bytes, which an event has to spare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Place {
    /// Tenths of a degree.
    latitude: i16,
    longitude: i16,
    /// Two letters of five bits each, a bit for machines, and one for homes and phones.
    code: u16,
}

impl Default for Place {
    fn default() -> Self {
        Place::NONE
    }
}

impl Place {
    /// Nobody knows where.
    pub const NONE: Place = Place { latitude: i16::MIN, longitude: 0, code: 0 };
    /// The bit for machines.
    const HOSTED: u16 = 1 << 15;
    /// The bit for homes and phones.
    const ACCESS: u16 = 1 << 14;

    /// From degrees and an ISO country code; [`Place::NONE`] of degrees that there are not.
    pub fn new(latitude: f64, longitude: f64, country: &str, hosted: bool) -> Place {
        if !(latitude.abs() <= 90.0 && longitude.abs() <= 180.0) {
            return Place::NONE;
        }
        let tenths = |degrees: f64| (degrees * 10.0).round() as i16;
        let letter = |byte: u8| if byte.is_ascii_uppercase() { u16::from(byte - b'A') + 1 } else { 0 };
        let code = match country.as_bytes() {
            [a, b] => letter(*a) << 5 | letter(*b),
            _ => 0,
        };
        let code = if hosted { code | Place::HOSTED } else { code };
        Place { latitude: tenths(latitude), longitude: tenths(longitude), code }
    }

    /// Whether it is known.
    pub const fn is_some(self) -> bool {
        self.latitude != i16::MIN
    }

    /// Whether it is a network of machines, or of people's tunnels: who comes from there may be anywhere.
    pub const fn is_hosted(self) -> bool {
        self.code & Place::HOSTED != 0
    }

    /// The same place, in a network that gives homes and phones their access.
    #[must_use]
    pub const fn of_access(self) -> Place {
        Place { code: self.code | Place::ACCESS, ..self }
    }

    /// Whether it is a network that gives homes and phones their access.
    pub const fn is_access(self) -> bool {
        self.code & Place::ACCESS != 0
    }

    /// Kilometres along the ground; 0 where either is not known.
    pub fn km_to(self, other: Place) -> f64 {
        if !self.is_some() || !other.is_some() || self == other {
            return 0.0;
        }
        let radians = |tenths: i16| (f64::from(tenths) / 10.0).to_radians();
        let (a, b) = (radians(self.latitude), radians(other.latitude));
        let across = radians(other.longitude) - radians(self.longitude);
        let h = ((b - a) / 2.0).sin().powi(2) + a.cos() * b.cos() * (across / 2.0).sin().powi(2);
        2.0 * 6371.0 * h.clamp(0.0, 1.0).sqrt().asin()
    }
}

/// The number of a configured source, in the order of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub u16);

/// One request, as small as the detectors allow. Its texts lie in the [`Batch`] that carries it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When, by the log.
    pub time: Timestamp,
    /// Whose call: the consumer's key, masked if it is a secret.
    pub key: Text,
    /// The client's address behind trusted proxies, of IPv6 its /64 (or host name, where the log has names).
    pub client: Text,
    /// The client's network: /24 of IPv4, /48 of IPv6.
    pub network: Text,
    /// The route template, before the engine's cardinality cap.
    pub endpoint: Text,
    /// The family of the user agent: `okhttp`, `python-requests`, `Chrome`.
    pub agent: Text,
    /// The same request again: caller, method, path with its ids, normalised query, and the length of the body.
    pub request: Id,
    /// The same thing again: the path with its ids.
    pub resource: Id,
    /// The last number in the path (its lower 32 bits), [`Event::UNKNOWN`] if there is none: an id, as long as ids count up.
    pub number: u32,
    /// Bytes of the response body.
    pub bytes_out: u32,
    /// Bytes of the request, [`Event::UNKNOWN`] if not logged.
    #[serde(skip, default = "unknown")]
    pub bytes_in: u32,
    /// Milliseconds the request took, [`Event::UNKNOWN`] if not logged.
    pub duration_ms: u32,
    /// Tokens read by a model, [`Event::UNKNOWN`] if not logged.
    pub tokens_in: u32,
    /// Tokens written by a model, [`Event::UNKNOWN`] if not logged.
    pub tokens_out: u32,
    /// What the call cost in the configured currency, NaN if unknown.
    pub cost: f32,
    /// The status, 0 if none was logged.
    pub status: u16,
    /// Which source it came from.
    pub source: SourceId,
    /// The method.
    pub method: Method,
    /// What else is known.
    pub flags: Flags,
    /// Where the client is, of events with a key, where a database of places is given.
    #[serde(skip)]
    pub place: Place,
}

/// What is not kept of an event that waits while the state is saved.
fn unknown() -> u32 {
    Event::UNKNOWN
}

impl Event {
    /// A number the log does not state.
    pub const UNKNOWN: u32 = u32::MAX;

    /// What the call cost, 0 if unknown.
    pub fn cost_or_zero(&self) -> f64 {
        as_written(self.cost)
    }
}

/// A cost as it was written, 0 if unknown: seven digits are what its 32 bits hold, the rest is noise.
pub fn as_written(cost: f32) -> f64 {
    if cost.is_nan() { 0.0 } else { with_digits(f64::from(cost), 7) }
}

/// A number rounded to so many digits that count: what sums and products of decimals leave behind them goes.
pub fn with_digits(n: f64, digits: i32) -> f64 {
    if !n.is_finite() || n == 0.0 {
        return n;
    }
    let decimals = digits - 1 - n.abs().log10().floor() as i32;
    let scale = 10f64.powi(decimals.abs());
    let rounded = if decimals >= 0 { (n * scale).round() / scale } else { (n / scale).round() * scale };
    if rounded.is_finite() { rounded } else { n }
}

/// Events on their way to the engine, with the texts they refer to. Reused: cleared, not dropped.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the order of their lines.
    pub events: Vec<Event>,
    /// What the users' own rules see in them, in the order of the events.
    pub hits: Vec<Hit>,
    /// Names of places, each when it is first met.
    pub places: Vec<(Place, Box<str>)>,
    /// UTF-8 as a whole, and each text by itself.
    text: Vec<u8>,
}

/// That an event is something to one of the users' own rules.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hit {
    /// The event's number in its batch.
    pub event: u32,
    /// The rule's number in the configuration.
    pub rule: u16,
    /// What it is to the rule, a bit each.
    pub parts: u32,
    /// What it is grouped under; the same for all where a rule does not group.
    pub group: Id,
    /// The values that it is grouped by, for people: secrets masked, `\u{1f}` between them. None where the subject's name
    /// says it all.
    pub name: Text,
    /// The number that the rule measures; 0 where it only counts.
    pub value: f64,
    /// What the rule tells apart; none where it does not.
    pub thing: Id,
}

impl Batch {
    /// Adds a text that `id` stands for.
    pub fn put(&mut self, id: Id, text: &str) -> Text {
        self.put_bytes(id, text.as_bytes())
    }

    /// The same of bytes that are known to be UTF-8 without having been looked at as such. What is not is no text.
    pub fn put_bytes(&mut self, id: Id, text: &[u8]) -> Text {
        let at = self.text.len() as u32;
        self.text.extend_from_slice(text);
        Text { id, at, len: text.len() as u32 }
    }

    /// What the users' own rules see in the event with this number.
    pub fn hits_of(&self, event: usize) -> &[Hit] {
        if self.hits.is_empty() {
            return &[];
        }
        let from = self.hits.partition_point(|hit| (hit.event as usize) < event);
        let rest = &self.hits[from..];
        &rest[..rest.iter().take_while(|hit| hit.event as usize == event).count()]
    }

    /// The characters of a text of one of its events.
    pub fn text(&self, text: Text) -> &str {
        std::str::from_utf8(self.bytes(text)).unwrap_or_default()
    }

    /// The same as bytes: who only compares them need not have them checked.
    pub fn bytes(&self, text: Text) -> &[u8] {
        self.text.get(text.at as usize..(text.at + text.len) as usize).unwrap_or_default()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.hits.clear();
        self.places.clear();
        self.text.clear();
    }
}

/// What kind of thing a count or an incident is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectKind {
    /// A consumer's key.
    Key,
    /// A route template.
    Endpoint,
    /// A client address.
    Client,
    /// A configured source.
    Source,
    /// Everything.
    Site,
}

impl SubjectKind {
    /// Whether it is one caller: a key or a client.
    pub const fn is_caller(self) -> bool {
        matches!(self, SubjectKind::Key | SubjectKind::Client)
    }

    /// As the notice schema writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            SubjectKind::Key => "key",
            SubjectKind::Endpoint => "endpoint",
            SubjectKind::Client => "client",
            SubjectKind::Source => "source",
            SubjectKind::Site => "site",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an incident is about, by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// Its name as people know it; secrets are masked. The site's name is `site`.
    pub name: String,
}

impl Subject {
    /// Everything.
    pub fn site() -> Self {
        Subject { kind: SubjectKind::Site, name: "site".to_owned() }
    }

    /// A subject by kind and name.
    pub fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Subject { kind, name: name.into() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == SubjectKind::Site { f.write_str("site") } else { write!(f, "{} {}", self.kind, self.name) }
    }
}

/// How much an incident matters: `critical` wakes people, `warning` is for working hours, `info` is for the digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    /// As configuration and notices write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_across_versions() {
        // Ids are stored: these values may never change.
        let hasher = Hasher::new(1);
        assert_eq!(hasher.id(b"acme"), hasher.id(b"acme"));
        assert_ne!(hasher.id(b"acme"), Hasher::new(2).id(b"acme"));
        assert_eq!(hasher.id(b"acme").0, 0x651d_c60f_b9ea_816b);
    }

    #[test]
    fn places_are_as_far_apart_as_they_are() {
        let singapore = Place::new(1.35, 103.8, "SG", false);
        let frankfurt = Place::new(50.1, 8.7, "DE", false);
        let far = singapore.km_to(frankfurt);
        assert!((10_200.0..10_350.0).contains(&far), "{far}");
        assert_eq!((frankfurt.km_to(frankfurt), frankfurt.km_to(Place::NONE)), (0.0, 0.0));
        let (east, west) = (Place::new(0.0, 179.9, "", false), Place::new(0.0, -179.9, "", true));
        assert!(east.km_to(west) < 30.0 && west.is_hosted() && !east.is_hosted());
        for place in [Place::new(91.0, 0.0, "DE", false), Place::new(f64::NAN, 0.0, "DE", false)] {
            assert!(!place.is_some());
        }
        assert!(size_of::<Event>() <= 144, "{} bytes", size_of::<Event>());
    }

    #[test]
    fn costs_are_as_they_were_written() {
        for cost in [0.1, 0.7, 1.58, 22.12, 158.37, 0.000_031_875, 1234.567, 40_000.5, 0.0] {
            assert_eq!(as_written(cost as f32), cost);
        }
        assert_eq!((as_written(f32::NAN), as_written(f32::INFINITY)), (0.0, f64::INFINITY));
        assert!(as_written(f32::MAX).is_finite() && as_written(f32::from_bits(1)) > 0.0);
        let sum: f64 = (0..1000).map(|_| 0.02).sum();
        assert_eq!((with_digits(sum, 12), with_digits(23.700_012_3, 6), with_digits(-0.0, 6)), (20.0, 23.7, 0.0));
        assert_eq!(with_digits(1_234_567.8, 6), 1_234_570.0);
        assert_eq!((with_digits(f64::MAX, 3), with_digits(f64::INFINITY, 3)), (f64::MAX, f64::INFINITY));
    }

    #[test]
    fn texts_come_back() {
        let mut batch = Batch::default();
        let hasher = Hasher::new(7);
        let a = batch.put(hasher.id(b"acme"), "acme");
        let b = batch.put(hasher.id("zoë".as_bytes()), "zoë");
        assert_eq!((batch.text(a), batch.text(b)), ("acme", "zoë"));
        assert_eq!(batch.text(Text::NONE), "");
    }
}
