//! The engine's memory as bytes, and back.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::engine::clocks::Clocks;
use crate::engine::judge::SiteUp;
use crate::engine::{DOORS, Engine, Means, Settings, Totals, Waiting};
use crate::event::{Id, Place, SubjectKind};
use crate::incident::book::Book;
use crate::intake::routes::Routes;
use crate::measure::budgets::Budgets;
use crate::measure::calendar::Calendar;
use crate::measure::harvest::{Lately, Walked};
use crate::measure::peers::Peers;
use crate::measure::repeats::Repeats;
use crate::measure::rows::{HeldOf, Limits, Row, Rows};
use crate::time::{Span, Timestamp};

/// The version of the saved form; raised with every change of it.
const VERSION: u32 = 1;

/// Why saved bytes could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Written by a newer Lapwing.
    #[error("the saved memory has version {found}, this Lapwing knows versions up to {VERSION}: use the newer Lapwing")]
    Newer {
        /// Its version.
        found: u32,
    },
    /// Not what was written.
    #[error("the saved memory is damaged: {0}")]
    Damaged(#[from] postcard::Error),
}

/// What is saved, in this order. Borrowed for writing, owned for reading: the bytes are the same.
#[derive(Serialize)]
struct Saved<'a> {
    version: u32,
    seed: u64,
    site: &'a [Row],
    sources: &'a [Row],
    endpoints: &'a [Row],
    keys: &'a [Row],
    clients: &'a [Row],
    evicted: [u64; 3],
    calendar: &'a Calendar,
    repeats: &'a Repeats,
    peers: &'a Peers,
    budgets: &'a Budgets,
    book: &'a Book,
    routes: &'a Routes,
    agents: Vec<(Id, &'a str)>,
    clocks: &'a Clocks,
    judged: Option<i64>,
    first_event: Option<Timestamp>,
    site_up: SiteUp,
    means: Means,
    totals: Totals,
    waiting: &'a VecDeque<Waiting>,
}

#[derive(Deserialize)]
struct Loaded {
    seed: u64,
    site: Vec<Row>,
    sources: Vec<Row>,
    endpoints: Vec<Row>,
    keys: Vec<Row>,
    clients: Vec<Row>,
    evicted: [u64; 3],
    calendar: Calendar,
    repeats: Repeats,
    peers: Peers,
    budgets: Budgets,
    book: Book,
    routes: Routes,
    agents: Vec<(Id, Box<str>)>,
    clocks: Clocks,
    judged: Option<i64>,
    first_event: Option<Timestamp>,
    site_up: SiteUp,
    means: Means,
    totals: Totals,
    waiting: VecDeque<Waiting>,
}

/// What came after the first version of the form: parts by name, each readable by itself. A part that is missing was
/// not known yet when the state was saved; one that is not known is passed over.
#[derive(Default, Serialize, Deserialize)]
struct Later(Vec<(String, Vec<u8>)>);

impl Later {
    fn put(&mut self, name: &str, part: &impl Serialize) {
        self.0.push((name.to_owned(), postcard::to_stdvec(part).unwrap_or_default()));
    }

    fn take<T: serde::de::DeserializeOwned + Default>(&self, name: &str) -> Result<T, postcard::Error> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or_else(|| Ok(T::default()), |(_, bytes)| postcard::from_bytes(bytes))
    }
}

impl Engine {
    /// Everything that is remembered, as bytes.
    pub fn save(&self) -> Vec<u8> {
        self.save_behind(Vec::new())
    }

    /// The same behind other bytes: it is large, and a copy of it would take as much again.
    pub fn save_behind(&self, before: Vec<u8>) -> Vec<u8> {
        let mut agents: Vec<(Id, &str)> = self.agents.iter().map(|(id, name)| (*id, &**name)).collect();
        agents.sort_unstable();
        let sources = self.whole_sources();
        let saved = Saved {
            version: VERSION,
            seed: self.settings.hasher.seed(),
            site: self.site.saved(),
            sources: &sources,
            endpoints: self.endpoints.saved(),
            keys: self.keys.saved(),
            clients: self.clients.saved(),
            evicted: [self.keys.evicted, self.clients.evicted, self.endpoints.evicted],
            calendar: &self.calendar,
            repeats: &self.repeats,
            peers: &self.peers,
            budgets: &self.accounts.budgets,
            book: &self.book,
            routes: &self.routes,
            agents,
            clocks: &self.clocks,
            judged: self.judged,
            first_event: self.first_event,
            site_up: self.site_up,
            means: self.means,
            totals: self.totals,
            waiting: &self.waiting,
        };
        // Writing into memory cannot fail; an empty answer would be refused as damaged.
        let bytes = postcard::to_extend(&saved, before).unwrap_or_default();
        let mut later = Later::default();
        later.put("newcomers", &self.newcomers.saved());
        later.put("strangers", &self.strangers);
        later.put("probes", &self.probes);
        later.put("doubtful", &self.doubtful);
        later.put("log-ins", &self.logins);
        later.put("doors", &self.doors.saved());
        later.put("doors-entered", &self.doors_entered);
        later.put("sizes-usual", &self.usual_scales);
        later.put("sizes-of-routes", &self.route_scales);
        later.put("sizes-of-keys", &self.key_scales);
        later.put("key-scopes", &self.scopes);
        later.put("exposed", &self.exposures);
        later.put("sharings", &self.sharings);
        later.put("drifts", &self.drifts);
        later.put("habits-day", &self.habits_day);
        later.put("travels", &self.travels);
        later.put("place-names", &self.place_names.iter().collect::<BTreeMap<_, _>>());
        later.put("walked", &[self.keys.walked(), self.clients.walked()]);
        later.put("read-of-late", &[self.keys.read_lately(), self.clients.read_lately()]);
        let failing = [&self.site, &self.sources, &self.endpoints, &self.keys, &self.clients, &self.doors];
        later.put("held", &failing.map(Rows::held));
        later.put("ruled", &self.rules.kept);
        later.put("spent", &self.spend);
        later.put("after", &self.after);
        postcard::to_extend(&later, bytes).unwrap_or_default()
    }

    /// An engine that goes on where [`Engine::save`] stopped.
    ///
    /// # Errors
    /// The bytes are damaged, or were written by a newer version.
    pub fn load(settings: Settings, bytes: &[u8]) -> Result<Engine, LoadError> {
        let (version, rest) = postcard::take_from_bytes::<u32>(bytes)?;
        if version > VERSION {
            return Err(LoadError::Newer { found: version });
        }
        let (loaded, rest) = postcard::take_from_bytes::<Loaded>(rest)?;
        let later: Later = if rest.is_empty() { Later::default() } else { postcard::from_bytes(rest)? };
        let mut settings = settings;
        settings.hasher = crate::event::Hasher::new(loaded.seed);
        let mut engine = Engine::new(settings);
        let one = |rows: usize| Limits { rows, full: rows };
        let sources = loaded.sources.len().max(engine.settings.sources.len()).max(1);
        engine.site = Rows::restore(SubjectKind::Site, one(1), loaded.site);
        engine.sources = Rows::restore(SubjectKind::Source, one(sources), loaded.sources);
        engine.endpoints = Rows::restore(SubjectKind::Endpoint, engine.settings.endpoints, loaded.endpoints);
        engine.keys = Rows::restore(SubjectKind::Key, engine.settings.keys, loaded.keys);
        engine.clients = Rows::restore(SubjectKind::Client, engine.settings.clients, loaded.clients);
        [engine.keys.evicted, engine.clients.evicted, engine.endpoints.evicted] = loaded.evicted;
        engine.newcomers = Rows::restore(SubjectKind::Site, one(1), later.take("newcomers")?);
        engine.strangers = later.take("strangers")?;
        engine.probes = later.take("probes")?;
        engine.doubtful = later.take("doubtful")?;
        // "logins", before strangers were told apart, are passed over: they are learned anew.
        engine.logins = later.take("log-ins")?;
        engine.doors = Rows::restore(SubjectKind::Endpoint, one(DOORS), later.take("doors")?);
        engine.doors_entered = later.take("doors-entered")?;
        // "route-sizes" and "key-sizes", before methods were told apart, are passed over: they are learned anew.
        engine.usual_scales = later.take("sizes-usual")?;
        // Once they were listed, though nobody asks.
        engine.usual_scales.take_listed();
        engine.route_scales = later.take("sizes-of-routes")?;
        engine.key_scales = later.take("sizes-of-keys")?;
        engine.scopes = later.take("key-scopes")?;
        // "exposures", before homes and phones were told apart, are passed over: they are learned anew.
        engine.exposures = later.take("exposed")?;
        engine.sharings = later.take("sharings")?;
        engine.drifts = later.take("drifts")?;
        engine.habits_day = later.take("habits-day")?;
        engine.travels = later.take("travels")?;
        engine.place_names = later.take::<Vec<(Place, Box<str>)>>("place-names")?.into_iter().collect();
        let [keys, clients]: [Vec<(Id, Walked)>; 2] = later.take("walked")?;
        engine.keys.remember_walked(&keys);
        engine.clients.remember_walked(&clients);
        // "read-lately", before it said how far days go, is passed over: it is learned anew.
        let [keys, clients]: [Vec<(Id, Lately)>; 2] = later.take("read-of-late")?;
        engine.keys.remember_lately(&keys);
        engine.clients.remember_lately(&clients);
        let held: [Vec<HeldOf>; 6] = later.take("held")?;
        let failing = [
            &mut engine.site,
            &mut engine.sources,
            &mut engine.endpoints,
            &mut engine.keys,
            &mut engine.clients,
            &mut engine.doors,
        ];
        for (rows, held) in failing.into_iter().zip(&held) {
            rows.remember_held(held);
        }
        engine.calendar = loaded.calendar;
        engine.repeats = loaded.repeats;
        engine.peers = loaded.peers;
        engine.accounts.budgets = loaded.budgets;
        engine.accounts.arrange(&engine.settings.budgets);
        // "spend", before costs were decimals, is passed over: what was spent is counted anew.
        engine.spend = later.take("spent")?;
        engine.after = later.take("after")?;
        // "rules", before sequences knew what they cost, is passed over: their groups begin anew.
        engine.rules.kept = later.take("ruled")?;
        engine.rules.arrange(&engine.settings.rules);
        engine.book = loaded.book;
        engine.routes = loaded.routes;
        engine.agents = loaded.agents.into_iter().collect();
        engine.clocks = loaded.clocks;
        engine.judged = loaded.judged;
        engine.first_event = loaded.first_event;
        engine.site_up = loaded.site_up;
        engine.means = loaded.means;
        engine.totals = loaded.totals;
        engine.waiting = loaded.waiting;
        engine.rules.align(engine.waiting.len());
        if let Some(until) = engine.judged_until().map(|until| until.floor(Span::HOUR)) {
            // Every full hour that was judged was told to the users of all keys.
            let day = (until + engine.settings.zone.offset(until)).bucket(Span::DAY) as i32;
            engine.keys.told_until(until, day);
        }
        engine.list_busy();
        engine.thin_sources();
        Ok(engine)
    }
}
