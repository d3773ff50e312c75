//! Traffic meets those who judge it: the engine, and three simple methods beside it.

use std::collections::HashMap;

use lapwing::engine::{Engine, Settings};
use lapwing::event::{Batch, Event, Flags, Hasher, Id, Place, SourceId, Text};
use lapwing::incident::Change;
use lapwing::intake::agent::{Agents, Class};
use lapwing::time::{Timestamp, Zone};

use super::actor::Call;
use super::baseline::{Alarm, Baselines};
use super::cast::{AGENTS, CRAWLERS, ROUTES};
use super::places;
use super::random::mix;
use super::shape::{MINUTE, ZONES};
use super::world::{NOBODY, SOURCES, World};

/// The settings that everything is judged with: what nobody configured.
pub fn settings() -> Settings {
    let zone: Zone = ZONES[0];
    Settings { zone, sources: SOURCES.map(str::to_owned).to_vec(), ..Settings::default() }
}

/// A name with its id.
#[derive(Clone, Debug)]
struct Name {
    id: Id,
    text: String,
}

/// Turns calls into events.
#[derive(Debug)]
pub struct Feed {
    hasher: Hasher,
    keys: Vec<Name>,
    paths: Vec<Name>,
    agents: Vec<Name>,
    classes: Vec<Option<Class>>,
    batch: Batch,
    /// Texts that are in the batch already.
    put_keys: Vec<Option<Text>>,
    put_paths: Vec<Option<Text>>,
    put_agents: Vec<Option<Text>>,
    /// Events made.
    pub events: u64,
}

impl Feed {
    pub fn new() -> Self {
        let hasher = settings().hasher;
        let name = |text: &str| Name { id: hasher.id(text.as_bytes()), text: text.to_owned() };
        Feed {
            hasher,
            keys: Vec::new(),
            paths: ROUTES.iter().map(|r| name(r.path)).collect(),
            agents: AGENTS.iter().map(|(family, _)| name(family)).collect(),
            classes: {
                let mut agents = Agents::new(hasher);
                AGENTS.iter().map(|(_, text)| agents.class(text.as_bytes())).collect()
            },
            batch: Batch::default(),
            put_keys: Vec::new(),
            put_paths: Vec::new(),
            put_agents: Vec::new(),
            events: 0,
        }
    }

    /// The events of these calls.
    pub fn batch(&mut self, world: &World, calls: &[Call]) -> &Batch {
        for actor in &world.actors[self.keys.len()..] {
            self.keys.push(Name { id: self.hasher.id(actor.key.as_bytes()), text: actor.key.clone() });
        }
        self.batch.clear();
        for (put, n) in [
            (&mut self.put_keys, self.keys.len()),
            (&mut self.put_paths, self.paths.len()),
            (&mut self.put_agents, self.agents.len()),
        ] {
            put.clear();
            put.resize(n, None);
        }
        for call in calls {
            let event = self.event(world, call);
            self.batch.events.push(event);
        }
        self.events += calls.len() as u64;
        &self.batch
    }

    fn event(&mut self, world: &World, call: &Call) -> Event {
        let route = &ROUTES[usize::from(call.route)];
        let batch = &mut self.batch;
        let mut put = |put: &mut Vec<Option<Text>>, names: &[Name], index: usize| match put[index] {
            Some(text) => text,
            None => *put[index].insert(batch.put(names[index].id, &names[index].text)),
        };
        let actor = call.actor as usize;
        let keyed = call.actor != NOBODY && !self.keys[actor].text.is_empty();
        let key = if keyed { put(&mut self.put_keys, &self.keys, actor) } else { Text::NONE };
        let endpoint = put(&mut self.put_paths, &self.paths, usize::from(call.route));
        let agent = put(&mut self.put_agents, &self.agents, usize::from(call.agent));
        let mut text = [0u8; 18];
        let n = write_address(call.client, &mut text);
        let client = batch_text(&mut self.batch, &self.hasher, &text[..n]);
        let n = write_address(call.client & 0xFFFF_FF00, &mut text);
        text[n..n + 3].copy_from_slice(b"/24");
        let network = batch_text(&mut self.batch, &self.hasher, &text[..n + 3]);
        let caller = if keyed { key.id } else { client.id };
        let resource = Id(mix(endpoint.id.0 ^ u64::from(call.id)).max(1));
        let content = u64::from(call.query) << 32 | u64::from(call.body);
        let request = Id(mix(resource.0 ^ mix(caller.0 ^ mix(content ^ (route.method as u64) << 60))).max(1));
        let mut flags = Flags::HTTP.with(Flags::STRONG);
        if route.path.starts_with("/assets") {
            flags = flags.with(Flags::STATIC);
        }
        if CRAWLERS.contains(&call.agent) {
            flags = flags.with(Flags::CRAWLER);
        }
        flags = match self.classes[usize::from(call.agent)] {
            Some(Class::Browser) => flags.with(Flags::BROWSER),
            Some(Class::Server) => flags.with(Flags::SERVER),
            _ => flags,
        };
        let by = world.actors.get(actor).filter(|_| keyed);
        if by.is_some_and(|by| by.page) {
            flags = flags.with(Flags::PAGE);
        }
        Event {
            time: Timestamp::from_millis(call.time),
            key,
            client,
            network,
            endpoint,
            agent,
            request,
            resource,
            number: if call.id == 0 { Event::UNKNOWN } else { call.id },
            bytes_out: call.bytes,
            bytes_in: if call.body == 0 { Event::UNKNOWN } else { call.body },
            duration_ms: call.ms,
            tokens_in: Event::UNKNOWN,
            tokens_out: Event::UNKNOWN,
            cost: if route.cost > 0.0 { route.cost } else { f32::NAN },
            status: call.status,
            source: SourceId(call.source),
            method: route.method,
            flags,
            place: by.map_or(Place::NONE, |by| places::of(world, by, call.client)),
        }
    }
}

fn batch_text(batch: &mut Batch, hasher: &Hasher, text: &[u8]) -> Text {
    batch.put(hasher.id(text), std::str::from_utf8(text).unwrap_or_default())
}

/// Writes a dotted address; its length.
pub fn write_address(address: u32, out: &mut [u8; 18]) -> usize {
    let mut n = 0;
    for (i, byte) in address.to_be_bytes().into_iter().enumerate() {
        if i > 0 {
            out[n] = b'.';
            n += 1;
        }
        for (digit, least) in [(byte / 100, 100), (byte / 10 % 10, 10), (byte % 10, 0)] {
            if byte >= least {
                out[n] = b'0' + digit;
                n += 1;
            }
        }
    }
    n
}

/// A service, and all who watch it.
pub struct Stage {
    pub world: World,
    pub engine: Engine,
    pub baselines: Baselines,
    pub changes: Vec<Change>,
    pub alarms: Vec<Alarm>,
    pub feed: Feed,
    keys: HashMap<String, u32>,
    calls: Vec<Call>,
}

/// A stage as it was at some time.
pub struct Kept {
    pub world: World,
    engine: Vec<u8>,
    baselines: Baselines,
    keys: HashMap<String, u32>,
}

impl Stage {
    pub fn new(world: World) -> Self {
        Stage {
            world,
            engine: Engine::new(settings()),
            baselines: Baselines::default(),
            changes: Vec::new(),
            alarms: Vec::new(),
            feed: Feed::new(),
            keys: HashMap::new(),
            calls: Vec::new(),
        }
    }

    /// As it is now, to go on from several times.
    pub fn keep(&self) -> Kept {
        let (world, engine) = (self.world.clone(), self.engine.save());
        Kept { world, engine, baselines: self.baselines.clone(), keys: self.keys.clone() }
    }

    /// Goes on from there, with a world that may have changed since.
    pub fn resume(kept: &Kept, world: World) -> Self {
        let engine = Engine::load(settings(), &kept.engine).expect("what was saved is loaded");
        let mut stage = Stage::new(world);
        stage.engine = engine;
        stage.baselines = kept.baselines.clone();
        stage.keys = kept.keys.clone();
        stage
    }

    /// Lets traffic flow until then.
    pub fn run_until(&mut self, end: i64) {
        while self.world.now < end {
            let mut calls = std::mem::take(&mut self.calls);
            self.world.minute(&mut calls);
            let batch = self.feed.batch(&self.world, &calls);
            self.engine.absorb(batch, &mut self.changes);
            for call in calls.iter().filter(|c| c.actor != NOBODY) {
                let name = &self.world.actors[call.actor as usize].key;
                if name.is_empty() {
                    continue;
                }
                let next = self.keys.len() as u32;
                let key = match self.keys.get(name) {
                    Some(key) => *key,
                    None => *self.keys.entry(name.clone()).or_insert(next),
                };
                self.baselines.count(key, call.time, &mut self.alarms);
            }
            self.calls = calls;
            // The wall clock goes on where lines are missing.
            if self.calls.is_empty() {
                self.engine.advance(Timestamp::from_millis(self.world.now - MINUTE), &mut self.changes);
            }
        }
    }

    /// Judges everything that came.
    pub fn finish(&mut self) {
        self.engine.finish(&mut self.changes);
    }

    /// The name of a key of the baselines.
    pub fn key_names(&self) -> Vec<String> {
        let mut names = vec![String::new(); self.keys.len()];
        for (name, index) in &self.keys {
            names[*index as usize].clone_from(name);
        }
        names
    }
}
