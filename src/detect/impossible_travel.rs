//! `impossible-travel`: one key in two places, too far apart for the time between.
//!
//! Asks for a database of places (`[geoip]`). A key is used at a place where it is new, three times at least, and so soon
//! before or after at another, three times at least, that nobody can have travelled between. People travel, machines do
//! not: networks of hosters, networks that several keys use, and places where a key is used by software of servers say
//! nothing, nor do keys that see new networks every day.
//!
//! Without places, a key that hardly ever meets a new network and is used in two at once is a line for the summary.
//!
//! Facts: `networks_only` (flag: nobody knows places; then `known_networks` (count) and `used_for` (span: how long the key was
//! used from these only)), `from_place`, `to_place` (text), `distance_km` (number), `between` (span), `speed` (number, km/h),
//! `requests_there` (count), `both_used` (flag: the old place goes on), `networks_known` (flag: hosters are told apart).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Id, Severity};
use crate::measure::novelty::Novelty;
use crate::measure::travel::{Bounds, Leg, Stay, Whereabouts};
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "impossible-travel";

/// The detector as it is listed.
pub const KIND: DetectorKind =
    DetectorKind { name: NAME, notices: "one key in two places too far apart for the time between", rank: 7 };

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Kilometres that are far, and kilometres an hour that nobody travels.
    pub bounds: Bounds,
    /// Successful requests at each of the two places.
    pub requests: u32,
    /// A network that so many keys use is a gateway.
    pub gateway_keys: u32,
    /// A key that meets more new networks a day is on the move, or many people's.
    pub new_networks: f64,
    /// Silence at the new place after which it is over.
    pub over_after: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            bounds: Bounds { km: 500.0, speed: 800.0 },
            requests: 3,
            gateway_keys: 4,
            new_networks: 3.0,
            over_after: Span::HOUR,
        }
    }
}

/// On a key's first day nobody is new to it yet. With one network more than this beyond [`Settings::new_networks`] it is many
/// people's: phones of a country are hundreds of kilometres apart, and each comes from a network of its own.
const FIRST_DAY_MORE: u32 = 1;

/// What else is known.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The instant of judgement.
    pub now: Timestamp,
    /// Who uses the key.
    pub novelty: &'a Novelty,
    /// How many keys use the network at the old place, and at the new one.
    pub keys_there: (usize, usize),
    /// The names of the two places; empty if unknown.
    pub names: (&'a str, &'a str),
}

/// Judges the newest way of a key.
pub fn judge(whereabouts: &Whereabouts, context: &Context<'_>, settings: &Settings) -> Option<Finding> {
    let (leg, from, to) = whereabouts.leg()?;
    let requests = match settings.sensitivity {
        Sensitivity::Low => settings.requests.saturating_mul(4),
        Sensitivity::Normal => settings.requests,
        Sensitivity::High => settings.requests.min(2),
    };
    let material = from.requests >= requests && to.requests >= requests;
    let gateway = context.keys_there.0.max(context.keys_there.1) >= settings.gateway_keys.max(2) as usize;
    let machines = [from, to].iter().any(|stay| stay.place.is_hosted() || 2 * stay.by_servers >= stay.requests);
    (material && !gateway && !machines && !is_public(context, settings))
        .then(|| finding(leg, from, to, context, settings))
}

/// Whether a key is many people's, or always on the move.
fn is_public(context: &Context<'_>, settings: &Settings) -> bool {
    let novelty = context.novelty;
    let days = (context.now - novelty.first_seen()).days_f64();
    let networks = settings.new_networks.max(1.0) as u32;
    novelty.is_public()
        || novelty.rates().0.per_day(days) > settings.new_networks
        || novelty.newcomers_in_all().0 > 2 * networks
        || novelty.is_first_day() && novelty.known_networks() > networks + FIRST_DAY_MORE
}

/// Without a database of places: a key is known for so long, from few networks, and hardly ever meets a new one; the new one
/// served so many requests over such a time, and one of the old ones was used so lately.
const KNOWN_DAYS: f64 = 14.0;
const FEW_NETWORKS: u32 = 4;
const SELDOM: f64 = 0.15;
const SERVED: u32 = 20;
const LASTING: Span = Span::from_mins(30);
const AT_ONCE: Span = Span::from_mins(10);

/// Judges a key in a network that is new to it, by that alone. It says nothing of distances: a developer at home looks the
/// same, so it is never more than information.
pub fn second_network(novelty: &Novelty, network: Id, now: Timestamp) -> Option<Finding> {
    let days = (now - novelty.first_seen()).days_f64();
    let rate = novelty.rates().0.per_day(days);
    let few = !novelty.is_first_day()
        && !novelty.is_public()
        && !novelty.is_rotated()
        && novelty.known_networks() <= FEW_NETWORKS
        && novelty.newcomers_in_all().0 == 1;
    let (first, last, served) = novelty.newcomer(network)?;
    let both = novelty.old_last() > first && now - novelty.old_last() <= AT_ONCE;
    if !few || days < KNOWN_DAYS || rate > SELDOM || served < SERVED || last - first < LASTING || !both {
        return None;
    }
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("networks_only", Fact::Flag(true));
    put("requests_there", Fact::Count(u64::from(served)));
    put("known_networks", Fact::Count(u64::from(novelty.known_networks())));
    put("used_for", Fact::Span(first - novelty.first_seen()));
    put("between", Fact::Span((last - novelty.old_last()).max(Span::ZERO)));
    Some(Finding {
        detector: NAME,
        started_at: first,
        observed: f64::from(served),
        expected: 0.0,
        unit: "requests",
        bits: 20.0,
        excess: f64::from(served),
        severity: Severity::Info,
        trend: Trend::Steady,
        impact: Impact { requests: u64::from(served), errors: 0, cost: None },
        facts,
        parts: Parts::default(),
        grounds: Grounds::count(f64::from(served), f64::from(SERVED))
            .line(format!(
                "No database of places is given: nobody knows how far apart the networks are. The key has been known for {days:.1} days, from {} networks; about {rate:.2} new networks a day are usual for it.",
                novelty.known_networks()
            ))
            .line(format!(
                "A new one served {served} requests in {:.0} minutes, and the old ones were used {:.0} minutes ago.",
                (last - first).mins_f64(),
                (now - novelty.old_last()).mins_f64()
            )),
    })
}

/// Whether the new place is still used.
pub fn still(whereabouts: &Whereabouts, now: Timestamp, settings: &Settings) -> bool {
    whereabouts.leg().is_some_and(|(_, _, to)| now - to.last <= settings.over_after)
}

/// What there is to say of the newest way.
pub fn current(whereabouts: &Whereabouts, context: &Context<'_>, settings: &Settings) -> Option<Finding> {
    let (leg, from, to) = whereabouts.leg()?;
    Some(finding(leg, from, to, context, settings))
}

fn finding(leg: &Leg, from: &Stay, to: &Stay, context: &Context<'_>, settings: &Settings) -> Finding {
    let between = (leg.arrived - leg.left).max(Span::ZERO);
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    for (fact, name) in [("from_place", context.names.0), ("to_place", context.names.1)] {
        if !name.is_empty() {
            put(fact, Fact::Text(name.to_owned()));
        }
    }
    put("distance_km", Fact::Number(leg.km.round()));
    put("between", Fact::Span(between));
    put("speed", Fact::Number(leg.speed().round()));
    put("requests_there", Fact::Count(u64::from(to.requests)));
    put("both_used", Fact::Flag(from.last > to.first));
    Finding {
        detector: NAME,
        started_at: to.first,
        observed: leg.km.round(),
        expected: (settings.bounds.speed * between.hours_f64()).round().min(leg.km),
        unit: "km",
        bits: 25.0,
        excess: f64::from(to.requests),
        severity: Severity::Warning,
        trend: Trend::Steady,
        impact: Impact { requests: u64::from(to.requests), errors: 0, cost: None },
        facts,
        parts: Parts { clients: clients(from, to), ..Parts::default() },
        grounds: Grounds::count(leg.speed(), settings.bounds.speed)
            .line(format!(
                "The two places are {:.0} km apart, {} lie between the two uses: {:.0} km an hour.",
                leg.km,
                between,
                leg.speed()
            ))
            .line(format!(
                "Successful requests: {} there, {} here; {} are asked for.",
                from.requests, to.requests, settings.requests
            ))
            .line(format!(
                "Keys on their networks: {} and {}; from {} on it is a gateway.",
                context.keys_there.0, context.keys_there.1, settings.gateway_keys
            )),
    }
}

/// The addresses at both places, the new one first.
fn clients(from: &Stay, to: &Stay) -> Vec<(crate::event::Id, f64)> {
    let all = f64::from(from.requests) + f64::from(to.requests);
    [to, from].into_iter().map(|stay| (stay.client, (f64::from(stay.requests) / all.max(1.0)).max(0.01))).collect()
}
