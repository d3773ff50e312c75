//! Traffic for scenarios: deterministic from a seed, on the log's clock, straight into the engine.

use std::sync::OnceLock;

use lapwing::engine::{Engine, Settings};
use lapwing::event::{Batch, Event, Flags, Hasher, Method, Place, SourceId};
use lapwing::incident::{Change, ChangeKind};
use lapwing::intake::agent::{Agents, Class};
use lapwing::time::{Span, Timestamp, Zone};

/// A small generator of pseudo-random numbers (SplitMix64), so that scenarios never change by themselves.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Poisson with this mean.
    pub fn poisson(&mut self, mean: f64) -> usize {
        if mean > 50.0 {
            // Normal approximation, from twelve uniforms.
            let z: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
            return (mean + z * mean.sqrt()).round().max(0.0) as usize;
        }
        let limit = (-mean).exp();
        let (mut n, mut product) = (0, self.unit());
        while product > limit {
            n += 1;
            product *= self.unit();
        }
        n
    }
}

/// Which things a stream reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Things {
    /// Another one with each request.
    New,
    /// Any of so many on each of its endpoints.
    Of(u32),
    /// One after the other, a new one every twelve seconds.
    InSequence,
}

/// One consumer's traffic.
#[derive(Clone)]
pub struct Stream {
    pub key: String,
    pub clients: Vec<String>,
    pub agents: Vec<String>,
    pub endpoints: Vec<String>,
    pub method: Method,
    /// Requests a minute at an instant.
    pub rate: fn(&Stream, Timestamp) -> f64,
    pub scale: f64,
    /// Only between these instants.
    pub from: Timestamp,
    pub until: Timestamp,
    /// Share of requests answered with this status.
    pub errors: (f64, u16),
    /// What it reads.
    pub things: Things,
    /// Whether its agents declare themselves crawlers.
    pub crawler: bool,
    /// Its requests are made by a web page.
    pub page: bool,
    /// Its key stands in its URLs.
    pub in_url: bool,
    /// Where it calls from.
    pub place: Place,
    /// Every request is the very same one.
    pub identical: bool,
    pub cost: f32,
    /// Bytes of an answer, tokens read and milliseconds of a call: these, or about as much where they vary.
    pub bytes: u32,
    /// See `bytes`.
    pub tokens: u32,
    /// See `bytes`.
    pub ms: u32,
    /// See `bytes`.
    pub varies: bool,
    /// One request in each such span, a little early or late, instead of by chance.
    pub pace: Option<Span>,
}

impl Stream {
    pub fn new(key: &str, scale: f64) -> Self {
        Stream {
            key: key.to_owned(),
            clients: vec![format!("10.0.{}.{}", key.len() % 250, key.bytes().map(u32::from).sum::<u32>() % 250)],
            agents: vec!["okhttp".to_owned()],
            endpoints: ["/v1/orders", "/v1/orders/{id}", "/v1/items", "/v1/users/{id}"].map(str::to_owned).to_vec(),
            method: Method::Get,
            rate: |stream, t| stream.scale * office(t),
            scale,
            from: Timestamp::MIN,
            until: Timestamp::MAX,
            errors: (0.005, 500),
            things: Things::Of(5000),
            crawler: false,
            page: false,
            in_url: false,
            place: Place::NONE,
            identical: false,
            cost: f32::NAN,
            bytes: 512,
            tokens: Event::UNKNOWN,
            ms: 30,
            varies: false,
            pace: None,
        }
    }

    pub fn steady(mut self) -> Self {
        self.rate = |stream, _| stream.scale;
        self
    }

    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.from = from;
        self.until = until;
        self
    }

    pub fn endpoint(mut self, endpoint: &str) -> Self {
        self.endpoints = vec![endpoint.to_owned()];
        self
    }

    pub fn failing(mut self, share: f64, status: u16) -> Self {
        self.errors = (share, status);
        self
    }
}

/// Working days: high from 8 to 18, low at night and on weekends.
pub fn office(t: Timestamp) -> f64 {
    let hour = Zone::UTC.hour_of_week(t);
    let day = if hour >= 120 { 0.35 } else { 1.0 };
    let h = (hour % 24) as f64;
    day * (0.15 + 0.85 * (-((h - 13.0) / 4.0).powi(2)).exp())
}

/// A site and its engine on a virtual clock.
pub struct Site {
    pub engine: Engine,
    pub streams: Vec<Stream>,
    pub now: Timestamp,
    pub changes: Vec<Change>,
    /// Lines come late by up to this, each by its own measure: buffered writing, several workers.
    pub delay: Span,
    /// What the clock that stamps the lines is off, at an instant.
    pub skew: fn(Timestamp) -> Span,
    /// The wall clock is known, as it is live.
    pub live: bool,
    /// Names of places.
    pub places: Vec<(Place, Box<str>)>,
    random: Random,
    hasher: Hasher,
    batch: Batch,
    counter: u64,
    agents: Agents,
    /// When they come, their time, and whose they are.
    coming: Vec<(Timestamp, Timestamp, usize)>,
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

impl Site {
    pub fn new(seed: u64, start: &str) -> Self {
        Site::with(seed, start, Site::settings())
    }

    pub fn settings() -> Settings {
        Settings { zone: Zone::UTC, sources: vec!["api".into()], ..Settings::default() }
    }

    pub fn with(seed: u64, start: &str, settings: Settings) -> Self {
        Site {
            agents: Agents::new(settings.hasher),
            hasher: settings.hasher,
            engine: Engine::new(settings),
            streams: Vec::new(),
            now: at(start),
            changes: Vec::new(),
            delay: Span::ZERO,
            skew: |_| Span::ZERO,
            live: false,
            places: Vec::new(),
            coming: Vec::new(),
            random: Random::new(seed),
            batch: Batch::default(),
            counter: 0,
        }
    }

    /// What `people` have lived through from `start` to `until`, checked and kept once for all stories of a file; then a
    /// story of its own seed goes on from there.
    pub fn after(
        lived: &OnceLock<Vec<u8>>,
        (first, start): (u64, &str),
        (seed, until): (u64, &str),
        people: impl Fn(&mut Site),
        check: impl FnOnce(&Site),
    ) -> Site {
        let saved = lived.get_or_init(|| {
            let mut site = Site::new(first, start);
            people(&mut site);
            site.run_until(at(until));
            check(&site);
            site.engine.save()
        });
        let mut site = Site::new(seed, until);
        people(&mut site);
        site.engine = Engine::load(Site::settings(), saved).expect("what was saved");
        site
    }

    /// Nothing was told.
    pub fn is_silent(&self) {
        assert_eq!(self.opened(), Vec::<String>::new(), "ordinary days");
    }

    /// `n` ordinary consumers with Zipf sizes.
    pub fn consumers(&mut self, n: usize, largest: f64) {
        for i in 0..n {
            let mut stream = Stream::new(&format!("consumer-{i:03}"), largest / (i + 1) as f64);
            stream.clients = (0..=i % 4).map(|c| format!("198.51.{}.{}", i % 250, c + 1)).collect();
            stream.agents = vec![["okhttp", "python-requests", "axios", "Go-http-client"][i % 4].to_owned()];
            self.streams.push(stream);
        }
    }

    /// Lets traffic flow until `end`, in steps of a minute.
    pub fn run_until(&mut self, end: Timestamp) {
        let mut times: Vec<(Timestamp, usize)> = Vec::new();
        while self.now < end {
            let step = Span::MINUTE.min(end - self.now);
            times.clear();
            for (index, stream) in self.streams.iter().enumerate() {
                if self.now < stream.from || self.now >= stream.until {
                    continue;
                }
                let mean = (stream.rate)(stream, self.now) * step.mins_f64();
                let until = stream.until.min(self.now + step);
                if let Some(pace) = stream.pace {
                    let (first, last) = (self.now.bucket(pace), (self.now + step).bucket(pace));
                    for n in first..=last {
                        // The same jitter for the same beat, whichever step it falls into.
                        let jitter = Random::new(n as u64).below(pace.millis() as usize / 5);
                        let t = Timestamp::of_bucket(n, pace) + Span::from_millis(jitter as i64);
                        if t >= self.now.max(stream.from) && t < until {
                            times.push((t, index));
                        }
                    }
                    continue;
                }
                for _ in 0..self.random.poisson(mean) {
                    let t = self.now + Span::from_millis(self.random.below(step.millis() as usize) as i64);
                    if t < until {
                        times.push((t, index));
                    }
                }
            }
            times.sort_unstable();
            self.now += step;
            for &(t, index) in &times {
                // Chance of its own, so that the story is the same with and without delays.
                let late = Random::new(t.millis() as u64 ^ index as u64).below(self.delay.millis() as usize + 1);
                self.coming.push((t + Span::from_millis(late as i64), t, index));
            }
            let mut come = std::mem::take(&mut self.coming);
            come.sort_by_key(|(arrival, ..)| *arrival);
            let later = come.partition_point(|(arrival, ..)| *arrival < self.now);
            self.coming = come.split_off(later);
            self.batch.clear();
            self.batch.places.extend(self.places.iter().cloned());
            for (_, t, index) in come {
                self.push(t + (self.skew)(t), index);
            }
            if self.live {
                self.engine.wall(self.now);
            }
            self.engine.absorb(&self.batch, &mut self.changes);
            if self.live {
                self.engine.advance(self.now - Span::from_secs(15), &mut self.changes);
            }
        }
    }

    /// One line of a stream; what came of it.
    pub fn line(&mut self, time: Timestamp, index: usize) -> Vec<Change> {
        self.batch.clear();
        self.batch.places.extend(self.places.iter().cloned());
        self.push(time, index);
        let before = self.changes.len();
        self.engine.absorb(&self.batch, &mut self.changes);
        self.now = self.now.max(time);
        self.changes[before..].to_vec()
    }

    fn push(&mut self, time: Timestamp, index: usize) {
        let stream = &self.streams[index];
        let random = &mut self.random;
        let client = &stream.clients[random.below(stream.clients.len())];
        let agent = &stream.agents[random.below(stream.agents.len())];
        let endpoint = &stream.endpoints[random.below(stream.endpoints.len())];
        let network = client.rsplit_once('.').map_or(client.as_str(), |(net, _)| net);
        let failed = random.unit() < stream.errors.0;
        self.counter += 1;
        let hasher = &self.hasher;
        let unique = if stream.identical { 0 } else { self.counter };
        let thing = match stream.things {
            _ if stream.identical => 0,
            Things::New => self.counter,
            Things::Of(n) => random.below(n as usize) as u64,
            Things::InSequence => (time - stream.from.max(at("2026-01-01T00:00:00Z"))).millis() as u64 / 12_000,
        };
        let request = format!("{} {} {} {unique}", stream.key, stream.method.as_str(), endpoint);
        // Chance of its own, so that nothing else depends on it.
        let mut spread = Random::new(self.counter ^ 0x512E);
        let mut about = |n: u32| {
            let z: f64 = (0..12).map(|_| spread.unit()).sum::<f64>() - 6.0;
            if n == Event::UNKNOWN || !stream.varies { n } else { (f64::from(n) * (0.5 * z).exp()) as u32 + 1 }
        };
        let put = |batch: &mut Batch, text: &str| {
            if text.is_empty() { lapwing::event::Text::NONE } else { batch.put(hasher.id(text.as_bytes()), text) }
        };
        let mut flags = Flags::HTTP.with(Flags::STRONG);
        flags = match self.agents.class(agent.as_bytes()) {
            Some(Class::Browser) => flags.with(Flags::BROWSER),
            Some(Class::Server) => flags.with(Flags::SERVER),
            _ => flags,
        };
        if stream.in_url {
            flags = flags.with(Flags::KEY_IN_URL);
        }
        if stream.page {
            flags = flags.with(Flags::PAGE);
        }
        let event = Event {
            time,
            key: put(&mut self.batch, &stream.key),
            client: put(&mut self.batch, client),
            network: put(&mut self.batch, network),
            endpoint: put(&mut self.batch, endpoint),
            agent: put(&mut self.batch, agent),
            request: hasher.id(request.as_bytes()),
            resource: hasher.id(format!("{endpoint} {thing}").as_bytes()),
            // What is new to a stream is not the next one.
            number: if stream.things == Things::New { hasher.id(&thing.to_le_bytes()).0 as u32 } else { thing as u32 },
            bytes_out: about(stream.bytes),
            bytes_in: Event::UNKNOWN,
            duration_ms: about(stream.ms),
            tokens_in: about(stream.tokens),
            tokens_out: Event::UNKNOWN,
            cost: stream.cost,
            status: if failed { stream.errors.1 } else { 200 },
            source: SourceId(0),
            method: stream.method,
            flags: if stream.crawler { flags.with(Flags::CRAWLER) } else { flags },
            place: stream.place,
        };
        self.batch.events.push(event);
    }

    /// Everything judged; the changes so far.
    pub fn finish(&mut self) -> &[Change] {
        self.engine.finish(&mut self.changes);
        &self.changes
    }

    /// `opened detector subject at +seconds since` of every opening.
    pub fn opened(&self) -> Vec<String> {
        self.changes
            .iter()
            .filter(|c| c.kind == ChangeKind::Opened)
            .map(|c| format!("{} {}", c.incident.detector, c.incident.subject))
            .collect()
    }

    /// The first opening of a detector.
    pub fn first(&self, detector: &str) -> Option<&Change> {
        self.changes.iter().find(|c| c.kind == ChangeKind::Opened && c.incident.detector == detector)
    }
}
