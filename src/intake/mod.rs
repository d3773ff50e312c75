//! What a line means here: from a record to an event.
//!
//! [`Intake`] finds out whose call it was, from where, to which route, with what software and at which price. It is the
//! last place that sees a log's bytes: what goes on are ids and bounded texts in which no secret stands in clear. The
//! texts are still hostile, and made safe where they are shown (`sanitize`).

pub mod agent;
pub mod client;
pub mod cost;
mod credential;
mod extra;
mod fingerprint;
pub mod geo;
pub mod key;
mod memo;
pub mod request;
pub mod route;
pub mod routes;
mod ruling;
mod shape;
pub mod target;
#[cfg(test)]
mod tests;
mod view;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::event::{Batch, Event, Flags, Hasher, Id, Method, Place, SourceId, Text};
use crate::format::{Record, Value};
use crate::rule::spec::Rule;
use crate::sanitize;
use crate::time::Zone;

use agent::{Agents, Class};
use client::{Client, real_client};
use cost::{Price, Prices};
use geo::Atlas;
use key::{Consumer, KeyPlace, Names};
use memo::Memo;
use request::Fingerprint;
use routes::{Patterns, declared_template};
use ruling::{Ruling, Seen};
use target::Target;

pub use fingerprint::FingerprintKey;
pub use view::EventView;

/// The longest name an event carries, in bytes; its id is made from the whole.
const MAX_NAME_BYTES: usize = 200;

/// Half of the networks whose places are remembered.
const PLACES: usize = 4096;

/// What the configuration says about the meaning of lines.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    /// By number of the source; a source beyond the end has the defaults.
    pub sources: Vec<SourceSettings>,
    /// Known consumers by the name they are shown under.
    pub consumers: BTreeMap<String, Consumer>,
    /// Declared routes, such as `/v1/users/{user}/files/*`: they win over what is recognised and learned.
    pub routes: Vec<String>,
    /// Prices by endpoint: a route template, or a path with a last `*`.
    pub cost: BTreeMap<String, Price>,
    /// The users' own rules.
    pub rules: Arc<[Rule]>,
    /// The zone of hours and weekdays in rules.
    pub zone: Zone,
    /// The names of the sources by their numbers.
    pub names: Vec<String>,
}

/// What the configuration says about one source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceSettings {
    /// Where the consumer's key stands; the first place that holds one wins.
    pub key: Vec<KeyPlace>,
    /// Proxies whose forwarded-for entries are believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for SourceSettings {
    fn default() -> Self {
        SourceSettings { key: KeyPlace::default_order(), trusted_proxies: Vec::new() }
    }
}

/// Makes events of records. One for each reading thread: it holds working memory and bounded memories of texts met.
#[derive(Debug)]
pub struct Intake {
    sources: Vec<SourceSettings>,
    hasher: Hasher,
    names: Names,
    agents: Agents,
    prices: Prices,
    ruling: Ruling,
    texts: Texts,
    bytes: Vec<u8>,
    atlas: Option<Arc<Atlas>>,
    places: Places,
    /// What sources beyond the configured ones get.
    default_source: SourceSettings,
}

impl Intake {
    /// With the hasher that the whole state uses, and the key of the fingerprints that people see.
    pub fn new(settings: Settings, secret: FingerprintKey, hasher: Hasher) -> Self {
        let mut declared = Patterns::default();
        for route in &settings.routes {
            declared.insert(route, declared_template(route).to_owned());
        }
        Intake {
            names: Names::new(secret, hasher, &settings.consumers),
            agents: Agents::new(hasher),
            prices: Prices::new(&settings.cost, &hasher),
            ruling: Ruling::new(&settings, hasher),
            texts: Texts { hasher, declared, text: String::new(), network: String::new() },
            sources: settings.sources,
            hasher,
            bytes: Vec::new(),
            atlas: None,
            places: Places::default(),
            default_source: SourceSettings::default(),
        }
    }

    /// With a database of places, if there is one.
    #[must_use]
    pub fn with_places(mut self, atlas: Option<Arc<Atlas>>) -> Self {
        self.atlas = atlas;
        self.places = Places::default();
        self
    }

    /// Appends the event of a record to a batch, with the texts it needs.
    pub fn event(&mut self, record: &Record<'_>, source: SourceId, batch: &mut Batch) {
        let settings = self.sources.get(usize::from(source.0)).unwrap_or(&self.default_source);
        let target = record.target.as_deref().map(Target::split);
        let found = key::find(record, target, &settings.key);
        let caller = real_client(record.client.as_deref(), record.forwarded_for.as_deref(), &settings.trusted_proxies);

        let key = found.as_ref().map_or(Text::NONE, |found| {
            let named = self.names.name(found);
            batch.put(named.id, named.text)
        });
        let (client, network) = caller.map_or((Text::NONE, Text::NONE), |caller| self.texts.client(caller, batch));
        let endpoint = self.texts.endpoint(target, batch);
        let family = record.user_agent.as_deref().and_then(|agent| self.agents.known(agent));
        let agent = family.as_ref().map_or(Text::NONE, |(f, id, _)| batch.put(*id, &f.name));

        let mut flags = Flags::default();
        if let Some((family, _, class)) = family {
            if family.crawler {
                flags = flags.with(Flags::CRAWLER);
            }
            flags = match class {
                Class::Browser => flags.with(Flags::BROWSER),
                Class::Server => flags.with(Flags::SERVER),
                Class::Other => flags,
            };
        }
        if record.referer.as_deref().is_some_and(is_page) {
            flags = flags.with(Flags::PAGE);
        }
        let method = record.method.as_deref().map_or(Method::Other, Method::parse);
        let mut print = Fingerprint::default();
        if let Some(target) = target.filter(|_| record.method.is_some()) {
            flags = flags.with(Flags::HTTP);
            let caller = if key.is_some() { key.id } else { client.id };
            let parameter = found.as_ref().and_then(key::Found::parameter);
            if parameter.is_some() && found.as_ref().is_some_and(key::Found::is_secret) {
                flags = flags.with(Flags::KEY_IN_URL);
            }
            print = request::fingerprint(record, target, caller, parameter, &self.hasher, &mut self.bytes);
            if print.strong {
                flags = flags.with(Flags::STRONG);
            }
            if matches!(method, Method::Get | Method::Head) && route::is_static(target) {
                flags = flags.with(Flags::STATIC);
            }
        }
        let place = match (&self.atlas, caller) {
            (Some(atlas), Some(Client::Address(address))) if key.is_some() => {
                self.places.of(atlas, network.id, address, batch)
            }
            _ => Place::NONE,
        };
        let cost = self.prices.cost(record, endpoint.id, target.filter(|_| flags.has(Flags::HTTP)));
        batch.events.push(Event {
            time: record.time,
            key,
            client,
            network,
            endpoint,
            agent,
            request: print.request,
            resource: print.resource,
            number: print.number.map_or(Event::UNKNOWN, |n| n as u32),
            bytes_out: record.bytes_out.map_or(0, bounded),
            bytes_in: record.bytes_in.map_or(Event::UNKNOWN, bounded),
            duration_ms: record.duration.map_or(Event::UNKNOWN, milliseconds),
            tokens_in: record.tokens_in.map_or(Event::UNKNOWN, bounded),
            tokens_out: record.tokens_out.map_or(Event::UNKNOWN, bounded),
            cost: cost.map_or(f32::NAN, |c| c as f32),
            status: record.status.unwrap_or(0),
            source,
            method,
            flags,
            place,
        });
        if !self.ruling.is_empty() {
            let seen = Seen { record, target, client: caller };
            self.ruling.look(&seen, batch, &mut self.names);
        }
    }

    /// The event of a record in its public form. The caller sets `line` and `format`.
    pub fn describe(&mut self, record: &Record<'_>, source: SourceId) -> EventView {
        let settings = self.sources.get(usize::from(source.0)).unwrap_or(&self.default_source);
        let target = record.target.as_deref().map(Target::split);
        let found = key::find(record, target, &settings.key);
        let client = real_client(record.client.as_deref(), record.forwarded_for.as_deref(), &settings.trusted_proxies);
        let mut client_text = String::new();
        if let Some(client) = client {
            client.write(&mut client_text);
        }
        let mut scratch = Batch::default();
        let endpoint = self.texts.endpoint(target, &mut scratch);
        let shown = |value: &Option<Value<'_>>| value.as_deref().map(|v| sanitize::redact(&lossy(v)));
        EventView {
            line: 0,
            time: record.time.to_rfc3339_millis(),
            client: client.map(|_| client_text),
            key: found.as_ref().map(|found| self.names.name(found).text.to_owned()),
            key_source: found.as_ref().map(key::Found::source),
            method: shown(&record.method),
            target: shown(&record.target),
            endpoint: endpoint.is_some().then(|| scratch.text(endpoint).to_owned()),
            protocol: shown(&record.protocol),
            status: record.status,
            bytes_out: record.bytes_out,
            bytes_in: record.bytes_in,
            duration: record.duration.filter(|d| d.is_finite()),
            referer: shown(&record.referer),
            user_agent: shown(&record.user_agent),
            host: shown(&record.host),
            tokens_in: record.tokens_in,
            tokens_out: record.tokens_out,
            cost: self.prices.cost(record, endpoint.id, target.filter(|_| record.method.is_some())),
            format: String::new(),
            model: shown(&record.model),
            request_id: shown(&record.request_id),
            country: shown(&record.country),
            ..extra::describe(record, &mut self.names)
        }
    }
}

/// The places of networks that were met.
#[derive(Debug, Default)]
struct Places {
    known: Memo<Place, PLACES>,
    /// Those whose names went on in a batch.
    named: HashSet<Place>,
}

impl Places {
    fn of(&mut self, atlas: &Atlas, network: Id, address: IpAddr, batch: &mut Batch) -> Place {
        let Places { known, named } = self;
        *known.get_or_insert_with(network, || {
            let Some((place, name)) = atlas.place(address) else { return Place::NONE };
            if named.len() >= PLACES {
                named.clear();
            }
            if named.insert(place) {
                batch.places.push((place, name.into()));
            }
            place
        })
    }
}

/// Texts that are made rather than found, and the memory they are made in.
#[derive(Debug)]
struct Texts {
    hasher: Hasher,
    declared: Patterns<String>,
    text: String,
    network: String,
}

impl Texts {
    fn client(&mut self, client: Client<'_>, batch: &mut Batch) -> (Text, Text) {
        self.text.clear();
        self.network.clear();
        client.write_identity(&mut self.text);
        client.write_network(&mut self.network);
        // A host name is counted by its bytes, an address by its one written form.
        let (id, network) = match client {
            Client::Address(_) => (self.hasher.id(self.text.as_bytes()), self.hasher.id(self.network.as_bytes())),
            Client::Host(host) => (self.hasher.id(host), self.hasher.id(host)),
        };
        (batch.put(id, &clipped(&self.text)), batch.put(network, &clipped(&self.network)))
    }

    fn endpoint(&mut self, target: Option<Target<'_>>, batch: &mut Batch) -> Text {
        let Some(target) = target else { return Text::NONE };
        self.text.clear();
        match self.declared.find(target) {
            Some(route) => self.text.push_str(route),
            None => route::template_of(target, &mut self.text),
        }
        if self.text.is_empty() { Text::NONE } else { batch.put(self.hasher.id(self.text.as_bytes()), &self.text) }
    }
}

/// Whether a Referer names a web page.
fn is_page(referer: &[u8]) -> bool {
    let starts = |scheme: &[u8]| referer.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    starts(b"http://") || starts(b"https://")
}

/// A count in the width of an event; what is larger counts as the largest.
fn bounded(count: u64) -> u32 {
    count.min(u64::from(Event::UNKNOWN - 1)) as u32
}

/// Seconds to milliseconds, rounded; nonsense is unknown.
fn milliseconds(seconds: f64) -> u32 {
    if seconds.is_finite() && seconds >= 0.0 { bounded((seconds * 1000.0).round() as u64) } else { Event::UNKNOWN }
}

/// Bytes as text: what is no UTF-8 becomes U+FFFD.
fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A name of at most [`MAX_NAME_BYTES`]: of a longer one its middle becomes an ellipsis.
fn clipped(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_NAME_BYTES {
        return Cow::Borrowed(name);
    }
    // In characters of up to four bytes; the loop ends, since a quarter always fits.
    let mut chars = MAX_NAME_BYTES - 2;
    loop {
        let text = sanitize::clip(name, chars);
        if text.len() <= MAX_NAME_BYTES || chars <= 1 {
            return Cow::Owned(text);
        }
        chars = chars * MAX_NAME_BYTES / (text.len() + 1);
    }
}
