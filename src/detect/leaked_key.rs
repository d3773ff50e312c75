//! `leaked-key`: a key used from new networks or by new agents, compared with its own history and with what is usual for
//! keys here.
//!
//! Judged at each request of a newcomer, and on ticks. What counts is how surprising the number of new networks and
//! agents is for this key (a phone app has new ones every minute), whether the old users go on at the same time (a
//! move has no old users), and whether the newcomers do enough to matter. On a key's first day only its peers can
//! say whether it has too many networks.
//!
//! Facts: `new_addresses` (count), `new_networks` (count), `known_networks` (count), `newcomer_requests` (count),
//! `newcomer_share` (share of the key's requests since), `concurrent` (flag: the old users are active too), `new_agents`
//! (count), `first_newcomer` (time), `rejected_share` (share of the newcomers' requests answered with 401 or 403),
//! `rotated` (flag: the key gets nothing else any more), `moved` (flag: newcomers instead of the old users),
//! `first_day` (flag: compared with other keys only), `usual_new_networks` (number a day).

use serde::{Deserialize, Serialize};

use super::grounds::Grounds;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::Severity;
use crate::measure::novelty::{Newcomers, Novelty};
use crate::measure::peers::{Kind, Peak, Peers};
use crate::measure::surprise::nb_tail_bits;
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "leaked-key";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a key used from new networks or agents, compared with its own history and with what is usual for keys here",
    rank: 1,
};

/// When newcomers are strangers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Score in bits that it takes.
    pub need: f64,
    /// Newcomers' requests that matter, whatever the key's size.
    pub requests: f64,
    /// Newcomers' requests that matter, as a share of the key's usual day; the larger one counts.
    pub share_of_day: f64,
    /// New networks, and their requests, that matter instead.
    pub networks: u32,
    /// See `networks`.
    pub networks_requests: u64,
    /// On a key's first day: how many keys a day may have as many networks.
    pub first_day_lambda: f64,
    /// New networks that may replace the old ones as a move.
    pub moving_networks: u32,
    /// Silence of the newcomers after which it is over.
    pub over_after: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            need: 20.0,
            requests: 100.0,
            share_of_day: 0.2,
            networks: 5,
            networks_requests: 20,
            first_day_lambda: 1.0 / 60.0,
            moving_networks: 4,
            over_after: Span::from_hours(6),
        }
    }
}

/// What else is known of the key, and of others.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The instant of judgement, in log time.
    pub now: Timestamp,
    /// When the log was watched first.
    pub watched_from: Timestamp,
    /// Requests of the key in the last hour, and what is usual for this hour.
    pub requests_hour: f64,
    /// See `requests_hour`.
    pub usual_hour: f64,
    /// Requests of the key in the last 24 hours, and what is usual.
    pub requests_day: f64,
    /// See `requests_day`.
    pub usual_day: f64,
    /// What other keys do.
    pub peers: &'a Peers,
}

/// Windows in which newcomers are counted, and how many more of them come at once than a day's rate says: newcomers come in
/// groups.
const WINDOWS: [(Span, f64); 2] = [(Span::HOUR, 4.0), (Span::DAY, 1.0)];

/// Tolerance of every rate.
const TOLERANCE: f64 = 1.5;

/// Most bits of one kind of newcomers, of agents, and of volume.
const MOST: (f64, f64, f64) = (40.0, 12.0, 10.0);

/// Spread of a key's volume.
const VOLUME_ALPHA: f64 = 0.8;

/// Bits that old users add by going on, and take away by being gone.
const CONCURRENT: (f64, f64) = (3.0, -6.0);

/// Without this much history nobody is new.
const MIN_HISTORY: Span = Span::HOUR;

/// Parts of one kind that are named.
const NAMED: usize = 10;

/// Judges a key. A finding of severity info is a move: a line in the digest.
pub fn judge(novelty: &Novelty, context: &Context<'_>, settings: &Settings) -> Option<Finding> {
    if novelty.is_rotated() {
        return None;
    }
    if novelty.is_first_day() {
        return judge_first_day(novelty, context, settings);
    }
    let seen = Surprise::of(novelty, context);
    let newcomers = &seen.newcomers;
    let requests = newcomers.requests as f64;
    // The share is asked of the window in which they are counted: a fifth of an hour's traffic matters before the day is over.
    let usual = if seen.window == Span::HOUR { context.usual_hour } else { context.usual_day };
    let material = requests >= settings.requests.max(settings.share_of_day * usual)
        || newcomers.networks >= settings.networks && newcomers.requests >= settings.networks_requests;
    let material =
        material || novelty.is_public() && context.requests_day >= 2.0 * context.usual_day + settings.requests;
    if !material || newcomers.first.is_none() && newcomers.agents == 0 {
        return None;
    }
    let moved = !seen.concurrent && newcomers.networks <= settings.moving_networks && !novelty.is_public();
    if seen.score < if moved { settings.need / 2.0 } else { settings.need } {
        return None;
    }
    let severity = if moved { Severity::Info } else { Severity::Critical };
    let mut finding = Finding { severity, ..finding_of(novelty, context, &seen, moved) };
    finding.grounds.needed = if moved { settings.need / 2.0 } else { settings.need };
    Some(finding)
}

/// Whether a key could be told of at all, whatever is usual for it: the part of "material" in [`judge`] that takes
/// nothing but the key's own counts.
pub fn may_matter(novelty: &Novelty, settings: &Settings) -> bool {
    if novelty.is_rotated() {
        return false;
    }
    if novelty.is_first_day() {
        return novelty.has_networks_today(settings.networks);
    }
    if novelty.is_public() {
        return true;
    }
    // Newcomers of any window are among all of them: what these do not reach, those do not either.
    let (networks, requests) = novelty.newcomers_in_all();
    requests as f64 >= settings.requests || networks >= settings.networks && requests >= settings.networks_requests
}

/// The same for a key on its first day, with what it did in the last 24 hours: most keys of a log's first day are settled
/// by it, and what is usual for them need not be asked.
pub fn may_matter_at_first(novelty: &Novelty, watched_from: Timestamp, requests_day: f64, settings: &Settings) -> bool {
    // A key that was there from the start of the watch is not a new key, and may well be in everybody's pocket.
    novelty.first_seen() - watched_from >= MIN_HISTORY
        && requests_day >= settings.requests
        && novelty.has_networks_today(settings.networks)
}

/// What there is to say about a key, whatever the verdict: for updates and the end of an open incident.
pub fn finding(novelty: &Novelty, context: &Context<'_>) -> Finding {
    finding_of(novelty, context, &Surprise::of(novelty, context), false)
}

/// Whether what was told still goes on: newcomers were active in the last six hours, and the key still works.
pub fn still(novelty: &Novelty, now: Timestamp, settings: &Settings) -> bool {
    let last = if novelty.is_first_day() { Some(novelty.old_last()) } else { novelty.newcomer_last() };
    !novelty.is_rotated() && last.is_some_and(|last| now - last <= settings.over_after)
}

/// How odd the users of a key are.
struct Surprise {
    /// Those of the window that is the more surprising.
    newcomers: Newcomers,
    /// Bits in all.
    score: f64,
    concurrent: bool,
    /// The window in which they were counted.
    window: Span,
    /// Its parts: networks, agents, volume.
    parts: [f64; 3],
}

impl Surprise {
    fn grounds(&self, novelty: &Novelty, context: &Context<'_>) -> Grounds {
        let [networks, agents, volume] = self.parts;
        let rates = novelty.rates();
        let age = (context.now - novelty.first_seen()).days_f64();
        Grounds::bits(self.score, 0.0)
            .line(format!(
                "The key has been known for {age:.1} days, from {} networks; about {:.2} new networks and {:.2} new client programs a day are usual for it.",
                novelty.known_networks(),
                rates.0.per_day(age),
                rates.1.per_day(age)
            ))
            .line(format!(
                "Newcomers: {} networks, {} addresses, {} client programs with {} requests.",
                self.newcomers.networks, self.newcomers.addresses, self.newcomers.agents, self.newcomers.requests
            ))
            .line(format!(
                "Bits: {networks:.1} for new networks, {agents:.1} for new client programs, {volume:.1} for volume, {:+.0} because the usual networks {}.",
                if self.concurrent { CONCURRENT.0 } else { CONCURRENT.1 },
                if self.concurrent { "go on meanwhile" } else { "are gone" }
            ))
            .line(format!(
                "Volume: {:.0} requests in the last hour, {:.0} usual; {:.0} in 24 h, {:.0} usual.",
                context.requests_hour, context.usual_hour, context.requests_day, context.usual_day
            ))
    }

    fn of(novelty: &Novelty, context: &Context<'_>) -> Self {
        let age_days = (context.now - novelty.first_seen()).days_f64();
        let (networks, agents) = novelty.rates();
        let (mut best, mut best_bits, mut agent_bits) = (Newcomers::default(), -1.0, 0.0f64);
        let mut spoke = Span::DAY;
        for (window, group) in WINDOWS {
            // An open incident goes on with all of its newcomers, however long it lasts.
            let from_start = novelty.is_held() && window == Span::DAY;
            let newcomers = novelty.newcomers(if from_start { Timestamp::MIN } else { context.now - window });
            let usual = TOLERANCE * group * window.days_f64();
            let bits = if novelty.is_public() {
                0.0
            } else {
                let spread = networks.spread(age_days);
                nb_tail_bits(f64::from(newcomers.networks), usual * networks.per_day(age_days), spread).min(MOST.0)
            };
            let count = f64::from(newcomers.agents);
            agent_bits = agent_bits.max(nb_tail_bits(count, usual * agents.per_day(age_days), agents.spread(age_days)));
            // An attack that is longer than the shorter window is told from its beginning.
            if bits > best_bits || bits >= best_bits && bits >= MOST.0 {
                (best, best_bits, spoke) = (newcomers, bits, window);
            }
        }
        let volume = nb_tail_bits(context.requests_hour, TOLERANCE * context.usual_hour, VOLUME_ALPHA)
            .max(nb_tail_bits(context.requests_day, TOLERANCE * context.usual_day, VOLUME_ALPHA));
        let concurrent = best.first.map_or(novelty.is_public(), |first| novelty.old_last() >= first);
        let score = best_bits
            + agent_bits.min(MOST.1)
            + if concurrent { CONCURRENT.0 } else { CONCURRENT.1 }
            + volume.min(MOST.2);
        let parts = [best_bits, agent_bits.min(MOST.1), volume.min(MOST.2)];
        Surprise { newcomers: best, score, concurrent, window: spoke, parts }
    }
}

/// A key that has just appeared has no old users; it may have more networks than any key here ever had.
fn judge_first_day(novelty: &Novelty, context: &Context<'_>, settings: &Settings) -> Option<Finding> {
    if !may_matter_at_first(novelty, context.watched_from, context.requests_day, settings) {
        return None;
    }
    let networks = novelty.networks_today();
    let lambda = context.peers.lambda(Kind::Key, Peak::Networks, f64::from(networks));
    if lambda > settings.first_day_lambda {
        return None;
    }
    let mut finding = finding_of(novelty, context, &Surprise::of(novelty, context), false);
    finding.facts.insert("first_day".to_owned(), Fact::Flag(true));
    finding.facts.insert("new_networks".to_owned(), Fact::Count(u64::from(networks)));
    finding.facts.insert("known_networks".to_owned(), Fact::Count(0));
    finding.bits = settings.need + (settings.first_day_lambda / lambda.max(1e-12)).log2();
    finding.grounds = Grounds::bits(finding.bits, settings.need).line(format!(
        "A key on its first day: {networks} networks; {lambda:.4} keys a day have so many here, at most {:.4} is asked for.",
        settings.first_day_lambda
    ));
    finding.impact.requests = context.requests_day as u64;
    finding.excess = context.requests_day;
    Some(finding)
}

fn finding_of(novelty: &Novelty, context: &Context<'_>, seen: &Surprise, moved: bool) -> Finding {
    let newcomers = &seen.newcomers;
    let started_at = newcomers.first.unwrap_or(novelty.first_seen().max(context.now - Span::DAY));
    let since = (context.now - started_at).max(Span::MINUTE);
    let all = novelty.requests_since_newcomers().max(newcomers.requests);
    let observed = if newcomers.first.is_some() { all as f64 } else { context.requests_day };
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let per_day = novelty.rates().0.per_day((context.now - novelty.first_seen()).days_f64());

    let mut facts = Facts::new();
    let mut put = |name: &str, fact: Fact| facts.insert(name.to_owned(), fact);
    put("new_addresses", Fact::Count(u64::from(newcomers.addresses)));
    put("new_networks", Fact::Count(u64::from(newcomers.networks)));
    put("known_networks", Fact::Count(u64::from(novelty.known_networks())));
    put("usual_new_networks", Fact::Number(per_day));
    put("newcomer_requests", Fact::Count(newcomers.requests));
    put("newcomer_share", Fact::Share(share(newcomers.requests, all)));
    put("concurrent", Fact::Flag(seen.concurrent));
    put("new_agents", Fact::Count(u64::from(newcomers.agents)));
    put("first_newcomer", Fact::Time(started_at));
    put("rejected_share", Fact::Share(share(newcomers.rejected, newcomers.requests)));
    put("rotated", Fact::Flag(novelty.is_rotated()));
    put("moved", Fact::Flag(moved));
    put("first_day", Fact::Flag(false));

    let [clients, agents, endpoints] = novelty.parts().map(|part| {
        let shared = |(id, n): (_, u32)| (id, (f64::from(n) / newcomers.requests.max(1) as f64).min(1.0));
        part.into_iter().filter(|(id, _)| id.is_some()).take(NAMED).map(shared).collect()
    });
    Finding {
        detector: NAME,
        started_at,
        observed: observed / since.mins_f64(),
        expected: context.usual_hour / 60.0,
        unit: "requests/min",
        bits: seen.score.max(0.0),
        excess: newcomers.requests as f64,
        severity: Severity::Critical,
        trend: trend(&newcomers.arrivals, started_at, context.now),
        impact: Impact { requests: newcomers.requests, errors: newcomers.errors, cost: None },
        facts,
        parts: Parts { keys: Vec::new(), endpoints, clients, agents },
        grounds: seen.grounds(novelty, context),
    }
}

/// New networks in the last third of the time against the first third, where there are enough to say. Fewer new ones do
/// not mean that it eases: those that came go on.
fn trend(arrivals: &[Timestamp], from: Timestamp, to: Timestamp) -> Trend {
    let third = Span::from_millis((to - from).millis() / 3);
    let first = arrivals.iter().filter(|&&at| at - from < third).count();
    let last = arrivals.iter().filter(|&&at| to - at < third).count();
    if third < Span::from_mins(3) || first + last < 8 {
        return Trend::Steady;
    }
    match (last + 1) as f64 / (first + 1) as f64 {
        ratio if ratio > 1.3 => Trend::Rising,
        _ => Trend::Steady,
    }
}

#[cfg(test)]
mod tests;
