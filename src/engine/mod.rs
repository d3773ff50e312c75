//! The engine: owns everything that is remembered, takes events in, judges every ten seconds of log time, and answers
//! with what changed in the book of incidents.
//!
//! It does no I/O, holds no lock and looks at no clock. The same events give the same changes, whatever the speed.

mod aftermath;
mod arrival;
mod attribute;
mod budgets;
mod clocks;
mod count;
mod crowd;
mod days;
mod doors;
mod drops;
mod exposure;
mod flood;
mod following;
mod habits;
mod harvests;
mod hindsight;
mod judge;
mod look;
mod memory;
mod moves;
mod names;
mod probing;
mod purpose;
mod rules;
mod saved;
mod scales;
mod scope;
mod signs;
mod sources;
mod spending;
mod spikes;
mod status;
mod totals;
mod travels;
mod urgent;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;

use crate::detect::{
    budget, burst, credential_stuffing, drift, enumeration, error_spike, front_end_exposure, harvesting,
    impossible_travel, leaked_key, payload_size, retry_loop, scope_creep, shared_key, slow_response, traffic_drop,
};
use crate::engine::arrival::Waiting;
use crate::engine::clocks::Clocks;
use crate::engine::totals::Means;
use crate::event::{Hasher, Id, Place, Severity, SubjectKind};
use crate::incident::Change;
use crate::incident::after::After;
use crate::incident::book::{self, Book, Telling};
use crate::incident::kept::Weighed;
use crate::intake::routes::Routes;
use crate::measure::calendar::Calendar;
use crate::measure::drift::Drifts;
use crate::measure::exposure::Exposures;
use crate::measure::logins::Logins;
use crate::measure::peers::Peers;
use crate::measure::probes::Probes;
use crate::measure::repeats::Repeats;
use crate::measure::ring::TICK;
use crate::measure::rows::{Limits, Rows};
use crate::measure::scales::Scales;
use crate::measure::scope::Scopes;
use crate::measure::sharing::Sharings;
use crate::measure::spend::Spend;
use crate::measure::strangers::Strangers;
use crate::measure::travel::Travels;
use crate::rule::spec::Rule;
use crate::time::{Span, Timestamp, Zone};

pub use budgets::BudgetStatus;
pub use memory::{Memory, share_of};
pub use rules::RuleStatus;
pub use saved::LoadError;
pub use status::{EngineStatus, Matter, Outlook};
pub use totals::Totals;

/// The site's only id.
const SITE: Id = Id(1);
/// What is nearer to the wall clock than this is the present.
const PRESENT: Span = Span::from_mins(3);
/// Agents whose names are remembered.
const AGENTS: usize = 4096;
/// Route templates whose place is remembered without asking the tree again.
const ROUTES: usize = 65_536;
/// Places for what was found last in each of these tables.
const NEAR: usize = 128;
/// Routes from which on a site is taken to have shown what it has.
const ROUTES_KNOWN: usize = 300;
/// Routes at which people log in.
const DOORS: usize = 64;
/// How the engine is tuned.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The zone of hours, days and weekdays.
    pub zone: Zone,
    /// How late lines may come and still be judged in their place.
    pub lateness: Span,
    /// Keys that are remembered.
    pub keys: Limits,
    /// Clients that are remembered.
    pub clients: Limits,
    /// Endpoints that are remembered.
    pub endpoints: Limits,
    /// Bytes that all tables together may take, by own accounting.
    pub memory: usize,
    /// Names of the sources, in the order of their ids.
    pub sources: Vec<String>,
    /// Seed of the ids made here.
    pub hasher: Hasher,
    /// How incidents are told.
    pub book: book::Settings,
    /// Tuning of `burst`.
    pub burst: burst::Settings,
    /// Tuning of `error-spike`.
    pub error_spike: error_spike::Settings,
    /// Tuning of `leaked-key`.
    pub leaked_key: leaked_key::Settings,
    /// Tuning of `front-end-exposure`.
    pub front_end_exposure: front_end_exposure::Settings,
    /// Tuning of `shared-key`.
    pub shared_key: shared_key::Settings,
    /// Tuning of `drift`.
    pub drift: drift::Settings,
    /// Tuning of `impossible-travel`.
    pub impossible_travel: impossible_travel::Settings,
    /// Whether events have places, and whether networks of hosters are told apart.
    pub knows_places: bool,
    /// See `knows_places`.
    pub knows_networks: bool,
    /// Tuning of `retry-loop`.
    pub retry_loop: retry_loop::Settings,
    /// Tuning of `harvesting`.
    pub harvesting: harvesting::Settings,
    /// Tuning of `enumeration`.
    pub enumeration: enumeration::Settings,
    /// Tuning of `credential-stuffing`.
    pub credential_stuffing: credential_stuffing::Settings,
    /// Tuning of `scope-creep`.
    pub scope_creep: scope_creep::Settings,
    /// Tuning of `payload-size`.
    pub payload_size: payload_size::Settings,
    /// Tuning of `slow-response`.
    pub slow_response: slow_response::Settings,
    /// Tuning of `traffic-drop`.
    pub traffic_drop: traffic_drop::Settings,
    /// What each rule of `budget` counts.
    pub budgets: Vec<budget::Settings>,
    /// The users' own rules.
    pub rules: Arc<[Rule]>,
    /// Whether `leaked-key` runs.
    pub leaked_key_enabled: bool,
    /// Whether `retry-loop` runs.
    pub retry_loop_enabled: bool,
    /// Severities that a rule's notices have instead of the detector's.
    pub severities: BTreeMap<String, Severity>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            zone: Zone::Local,
            lateness: Span::from_secs(15),
            keys: Limits { rows: 50_000, full: 20_000 },
            clients: Limits { rows: 50_000, full: 10_000 },
            endpoints: Limits { rows: 2_100, full: 2_100 },
            memory: memory::DEFAULT,
            sources: Vec::new(),
            hasher: Hasher::new(0x1a9),
            book: book::Settings::default(),
            burst: burst::Settings::default(),
            error_spike: error_spike::Settings::default(),
            leaked_key: leaked_key::Settings::default(),
            front_end_exposure: front_end_exposure::Settings::default(),
            shared_key: shared_key::Settings::default(),
            drift: drift::Settings::default(),
            impossible_travel: impossible_travel::Settings::default(),
            knows_places: false,
            knows_networks: false,
            retry_loop: retry_loop::Settings::default(),
            harvesting: harvesting::Settings::default(),
            enumeration: enumeration::Settings::default(),
            credential_stuffing: credential_stuffing::Settings::default(),
            scope_creep: scope_creep::Settings::default(),
            payload_size: payload_size::Settings::default(),
            slow_response: slow_response::Settings::default(),
            traffic_drop: traffic_drop::Settings::default(),
            budgets: Vec::new(),
            rules: Arc::default(),
            leaked_key_enabled: true,
            retry_loop_enabled: true,
            severities: BTreeMap::new(),
        }
    }
}

/// Everything that is remembered, and how it is judged.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    site: Rows,
    sources: Rows,
    endpoints: Rows,
    keys: Rows,
    clients: Rows,
    /// First requests of new keys, as one stream.
    newcomers: Rows,
    /// Where keys go that nobody knows.
    strangers: Strangers,
    /// Rows ever made when tables were last looked at for room.
    looked_at: u64,
    calendar: Calendar,
    repeats: Repeats,
    peers: Peers,
    /// Who tries things out, and how much of that is usual here.
    probes: Probes,
    doubtful: Peers,
    /// Who fails to log in, and the routes where people do: failed attempts count there as 401.
    logins: Logins,
    doors: Rows,
    /// Routes under attack at which somebody got in.
    doors_entered: BTreeSet<Id>,
    /// Who has just got in after failures, for [`Engine::judge_login`].
    got_in: Option<Id>,
    purposes: purpose::Purposes,
    /// How large and how slow things are: on each endpoint by method, and, against that, how slow each endpoint is and how
    /// large what each key sends and gets.
    usual_scales: Scales,
    route_scales: Scales,
    key_scales: Scales,
    /// What kinds of requests each key makes.
    scopes: Scopes,
    /// Which keys browsers use.
    exposures: Exposures,
    /// Where keys are used, and the names of the places.
    travels: Travels,
    place_names: HashMap<Place, Box<str>>,
    /// Who comes back to each key, what its days are made of, and the local day that runs.
    sharings: Sharings,
    drifts: Drifts,
    habits_day: Option<i64>,
    /// Requests with a key since the start of the process, and those that carried it in their URL.
    keyed: (u64, u64),
    /// Some log in with requests that only read.
    logs_in_by_reading: bool,
    accounts: budgets::Accounts,
    rules: rules::Rules,
    spend: Spend,
    book: Book,
    /// Callers of whom people know, and how they are answered since.
    after: After,
    routes: Routes,
    /// Template to the endpoint it is counted under: saves asking the tree; rebuilt on demand.
    route_ids: HashMap<Id, Id>,
    agents: HashMap<Id, Box<str>>,
    /// The last few that were found in the two tables before: most lines need not look further.
    near_routes: [(Id, Id); NEAR],
    near_agents: [Id; NEAR],
    clocks: Clocks,
    waiting: VecDeque<Waiting>,
    /// Number of the last judged tick.
    judged: Option<i64>,
    first_event: Option<Timestamp>,
    /// History that counts as watched before the first event: of a second look at a log.
    known_before: Span,
    site_up: judge::SiteUp,
    means: Means,
    totals: Totals,
    quiet: bool,
    patient: bool,
    wall: Option<Timestamp>,
    scratch: Vec<u32>,
    /// The event and the tick at work, for [`Engine::recover`].
    at_event: usize,
    at_tick: Option<i64>,
    looked: Vec<look::Looked>,
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(settings: Settings) -> Self {
        let one = |rows| Limits { rows, full: rows };
        let mut accounts = budgets::Accounts::default();
        accounts.arrange(&settings.budgets);
        let mut rules = rules::Rules::default();
        rules.arrange(&settings.rules);
        let mut engine = Engine {
            accounts,
            rules,
            spend: Spend::default(),
            site: Rows::new(SubjectKind::Site, one(1)),
            sources: Rows::new(SubjectKind::Source, one(settings.sources.len().max(1))),
            endpoints: Rows::new(SubjectKind::Endpoint, settings.endpoints),
            keys: Rows::new(SubjectKind::Key, settings.keys),
            clients: Rows::new(SubjectKind::Client, settings.clients),
            newcomers: Rows::new(SubjectKind::Site, one(1)),
            strangers: Strangers::default(),
            looked_at: 0,
            calendar: Calendar::default(),
            repeats: Repeats::default(),
            peers: Peers::default(),
            probes: Probes::default(),
            doubtful: Peers::default(),
            logins: Logins::default(),
            doors: Rows::new(SubjectKind::Endpoint, one(DOORS)),
            doors_entered: BTreeSet::new(),
            got_in: None,
            purposes: HashMap::new(),
            usual_scales: Scales::default(),
            route_scales: Scales::default(),
            key_scales: Scales::default(),
            scopes: Scopes::default(),
            exposures: Exposures::default(),
            travels: Travels::default(),
            sharings: Sharings::default(),
            drifts: Drifts::default(),
            habits_day: None,
            keyed: (0, 0),
            place_names: HashMap::new(),
            logs_in_by_reading: settings.credential_stuffing.reads(),
            book: Book::default(),
            after: After::default(),
            routes: Routes::default(),
            route_ids: HashMap::new(),
            agents: HashMap::new(),
            near_routes: [(Id::NONE, Id::NONE); NEAR],
            near_agents: [Id::NONE; NEAR],
            clocks: Clocks::default(),
            waiting: VecDeque::new(),
            judged: None,
            first_event: None,
            known_before: Span::ZERO,
            site_up: judge::SiteUp::default(),
            means: Means::default(),
            totals: Totals::default(),
            quiet: false,
            patient: false,
            wall: None,
            scratch: Vec::new(),
            at_event: 0,
            at_tick: None,
            looked: Vec::new(),
            settings,
        };
        engine.list_busy();
        engine.thin_sources();
        engine
    }

    /// New tuning, the same memory: for a reload.
    pub fn retune(&mut self, settings: Settings) {
        self.settings = settings;
        self.purposes.clear();
        self.logs_in_by_reading = self.settings.credential_stuffing.reads();
        let sources = self.whole_sources().into_owned();
        for (slot, whole) in sources.iter().enumerate() {
            if let Some(row) = self.sources.get_mut(slot as u32) {
                row.take_parts(whole);
            }
        }
        self.thin_sources();
        self.accounts.arrange(&self.settings.budgets);
        self.rules.arrange(&self.settings.rules);
        self.list_busy();
    }

    /// While quiet, everything is learned and judged, but incidents that are over are told to nobody. Those that are
    /// open when it ends are told as usual.
    pub fn quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// Whether what lies far behind the wall clock waits to be told until the present is reached: a backlog then tells
    /// each incident once, with its newest numbers, and not as a chain of updates. Without a wall clock nothing waits.
    pub fn patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// The wall clock, where there is one: lines up to it are trusted, lines ahead of it are not.
    pub fn wall(&mut self, now: Timestamp) {
        self.wall = Some(now);
    }

    /// The log time up to which everything is judged.
    pub fn judged_until(&self) -> Option<Timestamp> {
        self.judged.map(|tick| Timestamp::of_bucket(tick + 1, TICK))
    }

    /// The newest event time that is trusted.
    pub fn newest(&self) -> Option<Timestamp> {
        self.clocks.newest()
    }

    /// Judges up to `watermark` although no lines came: the wall clock's ticks.
    pub fn advance(&mut self, watermark: Timestamp, out: &mut Vec<Change>) {
        self.judge_until(watermark, out);
    }

    /// Judges everything that came: the end of a replay.
    pub fn finish(&mut self, out: &mut Vec<Change>) {
        for source in 0..=self.settings.sources.len() {
            self.clocks.accept(crate::event::SourceId(source as u16));
        }
        self.release(out);
        if let Some(newest) = self.clocks.newest() {
            self.judge_until(newest + TICK, out);
        }
    }

    /// The open incidents, held ones left out.
    pub fn open_incidents(&self) -> Vec<crate::incident::Incident> {
        (0..self.book.entries().len())
            .filter(|&i| !self.book.is_waiting(i))
            .map(|i| self.book.entries()[i].incident.clone())
            .collect()
    }

    /// What is kept for the daily summary, and what was in the last ones.
    pub fn kept(&self) -> impl Iterator<Item = Change> + '_ {
        let now = self.judged_until().unwrap_or_default();
        let kept = &self.book.kept;
        kept.lines().into_iter().chain(kept.told()).map(move |line| Change {
            kind: crate::incident::ChangeKind::Kept(line.reason),
            incident: line.incident.clone(),
            at: now,
        })
    }

    /// Changes with what is kept.
    pub fn kept_revision(&self) -> u64 {
        self.book.kept.revision()
    }

    /// What was weighed in the last four weeks: told, or why not.
    pub fn weighed(&self) -> impl Iterator<Item = &Weighed> {
        self.book.kept.record()
    }

    /// How what is due at a moment of log time is told.
    fn telling(&self, now: Timestamp) -> Telling {
        if self.quiet {
            Telling::Nothing
        } else if self.patient && self.wall.is_some_and(|wall| wall - now > PRESENT) {
            Telling::Newest
        } else {
            Telling::AtOnce
        }
    }

    /// As if the log had been watched for so long before its first line, and nothing had been in it.
    pub fn watched_before(&mut self, span: Span) {
        self.known_before = span;
    }

    fn history(&self) -> Span {
        match (self.first_event, self.clocks.newest()) {
            (Some(first), Some(newest)) => newest - first + self.known_before,
            _ => Span::ZERO,
        }
    }
}
