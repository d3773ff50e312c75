//! `front-end-exposure`: a key that only servers used begins to arrive from browsers: it stands in a web page or an app,
//! where everybody can read it.
//!
//! Judged with each request of a browser from a network that none of the key's servers calls from. Three such networks
//! within a quarter of an hour, or four in a day, are more than a developer who opens a link; a web page that goes on
//! making requests from two is, too. What a browser of the key usually does is learned by the day: keys of web pages and
//! of apps never come here.
//!
//! Where a database of networks says who gives homes and phones their access, whatever comes from there and is no software of
//! servers counts half as much as a browser: an app has no browser's agent.
//!
//! Facts: `access_networks` (count: networks of homes and phones without a browser), `access_only` (flag: there was no
//! browser at all), `browser_networks` (count), `browser_requests` (count), `page_share` (share of them that a web page made: with a
//! Referer or an Origin), `servers_for` (span: how long only servers used it), `server_networks` (count: known ones),
//! `usual_browser_networks` (number a day).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Id, Severity};
use crate::measure::exposure::{Exposure, User};
use crate::measure::novelty::Novelty;
use crate::time::{Span, Timestamp};

/// The detector's name.
pub const NAME: &str = "front-end-exposure";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a key that only servers used begins to arrive from browsers: it stands in a web page or an app",
    // It says where the newcomers of a leaked key come from.
    rank: 0,
};

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// How long servers alone must have used the key.
    pub known_for: Span,
    /// Networks with browsers in a day that it takes; one less where they come within a quarter of an hour.
    pub networks: u32,
    /// Their requests that it takes.
    pub requests: u32,
    /// Requests of a web page that do instead, from two networks.
    pub page_requests: u32,
    /// Networks with browsers from which on it is critical: everybody has the key.
    pub critical_networks: u32,
    /// Silence of the browsers after which it is over.
    pub over_after: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            known_for: Span::from_days(3),
            networks: 4,
            requests: 6,
            page_requests: 100,
            critical_networks: 10,
            over_after: Span::DAY,
        }
    }
}

/// Newcomers within this time came together.
const TOGETHER: Span = Span::from_mins(15);
/// Networks with browsers on a usual day from which on the key is no server's.
const OFTEN: f64 = 5.0;
/// Days on which browsers used it from where its servers are, from which on it is no server's.
const HOME_DAYS: f64 = 2.5;
/// Requests of browsers within its first days that may be a developer's.
const EARLY: u32 = 50;
/// Known networks of a server's key at most: what more use is in many hands already.
const FEW_NETWORKS: u32 = 32;
/// Addresses and browsers that are named.
const NAMED: usize = 10;

/// Judges a key; `servers_since` is since when only servers could have used it without being noticed.
pub fn judge(
    exposure: &Exposure,
    novelty: &Novelty,
    servers_since: Timestamp,
    now: Timestamp,
    settings: &Settings,
) -> Option<Finding> {
    let alone = exposure.users(Timestamp::MIN).map(|user| user.first).min()? - servers_since;
    let early = exposure.first_at - servers_since < settings.known_for && exposure.requests_before() > EARLY;
    let servers = alone >= settings.known_for
        && !early
        && exposure.home_days() < HOME_DAYS
        && exposure.usual() < OFTEN
        && !novelty.is_public()
        && !novelty.is_first_day()
        && !novelty.is_rotated()
        && novelty.known_networks() <= FEW_NETWORKS;
    if !servers {
        return None;
    }
    let networks = exposure.networks() as u32;
    let together = weight(exposure, now - TOGETHER);
    let all = networks.saturating_sub(half_bare(exposure, Timestamp::MIN));
    let (requests, pages) = totals(exposure);
    let needed = needed(exposure, settings);
    let many = (all >= needed || together >= needed.saturating_sub(1).max(2)) && requests >= settings.requests;
    let page = networks >= 2 && pages >= settings.page_requests;
    (many || page).then(|| finding(exposure, novelty, servers_since, now, settings))
}

/// Networks with browsers that it takes for this key.
fn needed(exposure: &Exposure, settings: &Settings) -> u32 {
    let networks = match settings.sensitivity {
        Sensitivity::Low => settings.networks * 2,
        Sensitivity::Normal => settings.networks,
        Sensitivity::High => settings.networks.saturating_sub(1).max(2),
    };
    networks.max((2.0 * exposure.usual()).ceil() as u32 + 2)
}

/// Networks without browsers that came since `from`: two of them weigh as much as one with.
fn half_bare(exposure: &Exposure, from: Timestamp) -> u32 {
    (exposure.users(from).filter(|user| !user.browser).count() as u32).div_ceil(2)
}

/// What the networks that came since `from` weigh.
fn weight(exposure: &Exposure, from: Timestamp) -> u32 {
    (exposure.users(from).count() as u32).saturating_sub(half_bare(exposure, from))
}

/// Requests of browsers, and of web pages among them.
fn totals(exposure: &Exposure) -> (u32, u32) {
    exposure.users(Timestamp::MIN).fold((0u32, 0u32), |(requests, pages), user| {
        (requests.saturating_add(user.requests), pages.saturating_add(user.pages))
    })
}

/// Whether browsers still come, and are not only refused.
pub fn still(exposure: &Exposure, novelty: &Novelty, now: Timestamp, settings: &Settings) -> bool {
    !novelty.is_rotated() && now - exposure.last_at <= settings.over_after
}

/// What is to be told.
pub fn finding(
    exposure: &Exposure,
    novelty: &Novelty,
    servers_since: Timestamp,
    now: Timestamp,
    settings: &Settings,
) -> Finding {
    let users: Vec<&User> = exposure.users(Timestamp::MIN).collect();
    let started_at = users.iter().map(|user| user.first).min().unwrap_or(now);
    let networks = exposure.networks() as u32;
    let (requests, pages) = totals(exposure);
    let share = |part: u32| f64::from(part) / f64::from(requests.max(1));
    let named = |of: &dyn Fn(&User) -> Id| {
        let mut parts: Vec<(Id, f64)> = Vec::new();
        for user in users.iter().filter(|user| of(user).is_some()) {
            match parts.iter_mut().find(|(id, _)| *id == of(user)) {
                Some((_, sum)) => *sum += share(user.requests),
                None => parts.push((of(user), share(user.requests))),
            }
        }
        parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        parts.truncate(NAMED);
        parts
    };
    let severity = if networks >= settings.critical_networks.max(1) { Severity::Critical } else { Severity::Warning };
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    let bare = users.iter().filter(|user| !user.browser).count();
    let access_only = bare == users.len() && bare > 0;
    put("access_networks", Fact::Count(bare as u64));
    put("access_only", Fact::Flag(access_only));
    put("browser_networks", Fact::Count(u64::from(networks)));
    put("browser_requests", Fact::Count(u64::from(requests)));
    put("page_share", Fact::Share(share(pages)));
    put("servers_for", Fact::Span(started_at - servers_since));
    put("server_networks", Fact::Count(u64::from(novelty.known_networks())));
    put("usual_browser_networks", Fact::Number(exposure.usual()));
    let needed = needed(exposure, settings);
    Finding {
        detector: NAME,
        started_at,
        observed: f64::from(networks),
        expected: exposure.usual().round(),
        unit: if access_only { "networks of homes and phones" } else { "networks with browsers" },
        bits: 20.0 + f64::from(networks),
        excess: f64::from(requests),
        severity,
        trend: Trend::Steady,
        impact: Impact { requests: u64::from(requests), errors: 0, cost: None },
        facts,
        parts: Parts {
            clients: named(&|user| user.client),
            agents: named(&|user| user.agent),
            ..Parts::default()
        },
        grounds: Grounds::count(f64::from(networks), f64::from(needed).min(f64::from(networks)))
            .line(format!(
                "Browsers, homes and phones used it from {networks} networks that none of its servers calls from ({bare} of them without a browser, which count half), with {requests} requests, {pages} of them from web pages; {needed} networks in a day are asked for, or {} within {} minutes.",
                needed.saturating_sub(1).max(2),
                TOGETHER.mins_f64()
            ))
            .line(format!(
                "Before, only servers used it, for {:.1} days from {} networks; on a usual day with browsers there were {:.1} networks with them.",
                (started_at - servers_since).days_f64(),
                novelty.known_networks(),
                exposure.usual()
            )),
    }
}
