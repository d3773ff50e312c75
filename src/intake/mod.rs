//! What a line means here: from a record to an event.
//!
//! [`Intake`] finds out whose call it was, from where, to which route, with what software and at which price. It is the
//! last place that sees a log's bytes: what goes on are ids and bounded texts in which no secret stands in clear. The
//! texts are still hostile, and made safe where they are shown (`sanitize`).

pub mod agent;
pub mod client;
pub mod consumer;
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
use std::sync::Arc;

use ipnet::IpNet;

use crate::event::{Batch, Event, Flags, Hasher, Id, Method, Place, SourceId, Text};
use crate::format::{Record, Value};
use crate::rule::spec::Rule;
use crate::sanitize;
use crate::time::Zone;

use agent::{Agents, Class};
use client::{Client, real_client};
use consumer::Consumer;
use cost::{Price, Prices};
use geo::Atlas;
use key::{KeyPlace, Names};
use memo::Memo;
use request::Fingerprint;
use route::Walk;
use routes::{Patterns, declared_template};
use ruling::{Ruling, Seen};
use target::Target;

pub use fingerprint::FingerprintKey;
pub use view::EventView;

/// The longest name an event carries, in bytes; its id is made from the whole.
const MAX_NAME_BYTES: usize = 200;

/// Half of the networks whose places are remembered.
const PLACES: usize = 4096;
/// Half of the peers whose ids are remembered, plain addresses left out.
const PEERS: usize = 8192;

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
    /// Prices by model; a last `*` stands for any ending.
    pub models: BTreeMap<String, Price>,
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
    /// Where its requests are served, if that is said.
    pub environment: Option<String>,
}

impl Default for SourceSettings {
    fn default() -> Self {
        SourceSettings { key: KeyPlace::default_order(), trusted_proxies: Vec::new(), environment: None }
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
            prices: Prices::new(&settings.cost, &settings.models, &hasher),
            ruling: Ruling::new(&settings, hasher),
            texts: Texts {
                hasher,
                declared,
                text: String::new(),
                network: String::new(),
                template: Vec::new(),
                peers: Memo::default(),
            },
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

        let key = found.as_ref().map_or(Text::NONE, |found| {
            let named = self.names.name(found);
            batch.put(named.id, named.text)
        });
        let (client, network) = self.texts.caller(record, settings, batch);
        let (endpoint, walk) = self.texts.endpoint(target, batch);
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
        let origin = || record.extra.iter().find(|(name, _)| *name == "origin").map(|(_, value)| &**value);
        if record.referer.as_deref().is_some_and(is_page) || origin().is_some_and(is_page) {
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
            print = request::fingerprint(record, (target, walk), caller, parameter, &self.hasher, &mut self.bytes);
            if print.strong {
                flags = flags.with(Flags::STRONG);
            }
            let furniture = || walk.map_or_else(|| route::is_static(target), |walk| walk.is_static(target));
            if matches!(method, Method::Get | Method::Head) && furniture() {
                flags = flags.with(Flags::STATIC);
            }
        }
        let place = match &self.atlas {
            Some(atlas) if key.is_some() && network.is_some() => {
                let (peer, chain) = (record.client.as_deref(), record.forwarded_for.as_deref());
                let client = || real_client(peer, chain, &settings.trusted_proxies);
                self.places.of(atlas, network.id, client, batch)
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
            let seen = Seen { record, target, trusted: &settings.trusted_proxies };
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
        let (endpoint, _) = self.texts.endpoint(target, &mut scratch);
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
    /// `client` is asked where the network is new.
    fn of<'c>(
        &mut self,
        atlas: &Atlas,
        network: Id,
        client: impl FnOnce() -> Option<Client<'c>>,
        batch: &mut Batch,
    ) -> Place {
        let Places { known, named } = self;
        *known.get_or_insert_with(network, || {
            let Some(Client::Address(address)) = client() else { return Place::NONE };
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
    template: Vec<u8>,
    /// Peers that are no plain IPv4 addresses, by the id of what the log calls them: ids and names.
    peers: Memo<(Id, Id, Box<str>, Box<str>), PEERS>,
}

impl Texts {
    /// Who called, and from which network.
    fn caller(&mut self, record: &Record<'_>, settings: &SourceSettings, batch: &mut Batch) -> (Text, Text) {
        let (peer, chain, trusted) =
            (record.client.as_deref(), record.forwarded_for.as_deref(), &settings.trusted_proxies);
        let Some(peer) = peer.filter(|_| trusted.is_empty()) else {
            let client = real_client(peer, chain, trusted);
            return client.map_or((Text::NONE, Text::NONE), |client| self.client(client, batch));
        };
        // Nobody is believed, so the peer it is.
        if let Some(dot) = client::last_dot_of_plain_ipv4(peer) {
            let mut network = [0; 20];
            network[..=dot].copy_from_slice(&peer[..=dot]);
            network[dot + 1..dot + 5].copy_from_slice(b"0/24");
            let network = &network[..dot + 5];
            let (id, network_id) = (self.hasher.id(peer), self.hasher.id(network));
            return (batch.put_bytes(id, peer), batch.put_bytes(network_id, network));
        }
        let Texts { hasher, text, network, peers, .. } = self;
        let known = peers.get_or_insert_with(hasher.id(peer), || {
            let Some(client) = real_client(Some(peer), None, &[]) else { return Default::default() };
            let (id, network_id) = ids_of(client, hasher, text, network);
            (id, network_id, clipped(text).into(), clipped(network).into())
        });
        if !known.0.is_some() {
            return (Text::NONE, Text::NONE);
        }
        (batch.put(known.0, &known.2), batch.put(known.1, &known.3))
    }

    fn client(&mut self, client: Client<'_>, batch: &mut Batch) -> (Text, Text) {
        let (id, network) = ids_of(client, &self.hasher, &mut self.text, &mut self.network);
        (batch.put(id, &clipped(&self.text)), batch.put(network, &clipped(&self.network)))
    }

    /// The route template of a target, and what a walk over its path found out, if it was walked over.
    fn endpoint(&mut self, target: Option<Target<'_>>, batch: &mut Batch) -> (Text, Option<Walk>) {
        let Some(target) = target else { return (Text::NONE, None) };
        if self.declared.is_empty()
            && let Some(walk) = route::walk(target.path, &mut self.template, &mut self.text)
        {
            return (batch.put_bytes(self.hasher.id(&self.template), &self.template), Some(walk));
        }
        self.text.clear();
        match self.declared.find(target) {
            Some(route) => self.text.push_str(route),
            None => route::template_of(target, &mut self.text),
        }
        if self.text.is_empty() {
            return (Text::NONE, None);
        }
        (batch.put(self.hasher.id(self.text.as_bytes()), &self.text), None)
    }
}

/// What a client and its network are counted under; their names stand in `text` and `network` then.
fn ids_of(client: Client<'_>, hasher: &Hasher, text: &mut String, network: &mut String) -> (Id, Id) {
    text.clear();
    network.clear();
    client.write_identity(text);
    client.write_network(network);
    // A host name is counted by its bytes, an address by its one written form.
    match client {
        Client::Address(_) => (hasher.id(text.as_bytes()), hasher.id(network.as_bytes())),
        Client::Host(host) => (hasher.id(host), hasher.id(host)),
    }
}

/// Whether a Referer, or an Origin, names a web page.
fn is_page(header: &[u8]) -> bool {
    let starts = |scheme: &[u8]| header.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
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
    // Nearly all of it is, which is soon seen.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
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
