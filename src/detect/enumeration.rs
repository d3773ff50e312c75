//! `enumeration`: probing. A caller asks for one thing after the other that is not there or not its own: ids in sequence,
//! many ids on one route, paths that only scanners know.
//!
//! Scanners that try the paths of other people's software are the weather of the internet: a line in the daily summary,
//! if that, unless they are far beyond what this site sees. What is told is aimed at this site: ids of a real route tried
//! one after the other, or a key whose owner asks for things it never did. A route that rejects others as well is that
//! route's trouble; a caller whose usual requests are rejected is an error spike; whoever did as much on earlier days is
//! no news.
//!
//! Facts: `form` (text: `sequence`, `ids` or `paths`), `things` (count: different ones asked for in vain), `errors` (count:
//! rejected requests), `share` (of its requests), `scanner_paths` (count), `statuses` (list), `sequence_share` (share of
//! the rejected numbers that follow each other), `per_minute` (number: rejections).

use super::grounds::Grounds;
use super::scene::{Scene, Sensitivity};
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Severity, SubjectKind};
use crate::measure::failures::{Class, Failures};
use crate::measure::peers::{Kind, Peak, Peers};
use crate::measure::probes::Probe;
use crate::measure::rows::Full;
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "enumeration";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "probing: runs of 404/403/400 for one thing after the other, ids in sequence, scanners' paths",
    rank: 5,
};

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Different things that somebody without a key must have asked for in vain at one go, and a key.
    pub things: f64,
    /// See `things`.
    pub things_key: f64,
    /// Least share of the caller's requests that is rejected.
    pub least_share: f64,
    /// Paths that only scanners ask for: `*` stands for anything.
    pub scanner_paths: Vec<String>,
}

/// As in `rules/enumeration.toml`.
const SCANNER_PATHS: &[&str] = &[
    "*/.env*",
    "*/.git*",
    "*/.aws*",
    "*/.ssh*",
    "*/.svn*",
    "*/.hg/*",
    "*/.DS_Store",
    "*/.vscode*",
    "*/.ht*",
    "*/wp-login.php",
    "*/wp-admin*",
    "*/wp-content*",
    "*/wp-includes*",
    "*/wp-json*",
    "*/wlwmanifest.xml",
    "*/xmlrpc.php",
    "*phpmyadmin*",
    "*phpMyAdmin*",
    "*/pma*",
    "*/adminer*",
    "*phpinfo*",
    "*/info.php",
    "*/vendor/*",
    "*/eval-stdin.php",
    "*/cgi-bin/*",
    "*/boaform/*",
    "*/HNAP1*",
    "*/actuator*",
    "*/solr/*",
    "*/manager/html",
    "*/owa/*",
    "*/autodiscover*",
    "*/_ignition*",
    "*/telescope*",
    "*/server-status",
    "*/etc/passwd*",
    "*.bak",
    "*.sql",
    "*/shell*",
    "*/console*",
    "*/jenkins*",
    "*/geoserver*",
    "*/sdk",
    "*/evox/*",
    "*/nmaplowercheck*",
];

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            things: 40.0,
            things_key: 20.0,
            least_share: 0.5,
            scanner_paths: SCANNER_PATHS.iter().map(|path| (*path).to_owned()).collect(),
        }
    }
}

impl Settings {
    /// Whether only scanners ask for a path.
    pub fn is_scanned(&self, path: &str) -> bool {
        self.scanner_paths.iter().any(|pattern| super::pattern::fits(pattern, path))
    }
}

/// Statuses with which what is tried out is rejected. Who is not logged in (401) is the business of `credential-stuffing`,
/// and of error spikes.
pub const fn is_rejection(status: u16) -> bool {
    matches!(status, 400 | 403 | 404 | 405 | 410)
}

/// Rejections on one route, for each of the things asked for, from which on it is one of the forms; and the share of all
/// rejections that is there.
const IDS: (f64, f64) = (1.25, 0.8);
/// Who only scans is told from so many different paths on, if fewer a day than this do as much.
const VAST: (f64, f64) = (300.0, 1.0 / 60.0);
/// A scan is worth a line in the summary if fewer than so many a day do as much.
const NOTED: f64 = 0.5;
/// With so many known paths of scanners, ten things are a scan.
const KNOWN_PATHS: u32 = 3;
/// From so many days on on which it did so before, it must be so many times as much.
const BEFORE: (u16, f64) = (2, 3.0);
/// Beyond so many times what it usually asks for, and so much more, it is not its usual business that fails.
const BEYOND: (f64, f64) = (1.5, 10.0);
/// A route that makes less of its usual requests than this is new to it.
const NEW_ROUTE: f64 = 0.05;
/// It goes on as long as something new was asked for within so long.
const OVER_AFTER: Span = Span::from_mins(10);

/// What the caller does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    /// Goes through numbers one by one.
    Sequence,
    /// Tries ids of one route.
    Ids,
    /// Tries paths.
    Paths,
}

/// What else is known of the caller and of where it is rejected.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The caller, if it is active enough.
    pub full: Option<&'a Full>,
    /// Requests of the caller since it began, as far as known.
    pub requests: Option<u64>,
    /// The route that rejects most is one that works for others, and lets them in just now.
    pub healthy: bool,
    /// Others are rejected there alike.
    pub others: bool,
    /// How much others ask for in vain.
    pub peers: &'a Peers,
}

/// Judges one caller that was rejected.
pub fn judge(
    kind: SubjectKind,
    probe: &Probe,
    context: &Context<'_>,
    scene: &Scene<'_>,
    settings: &Settings,
) -> Option<Finding> {
    if probe.is_crawler() || context.others {
        return None;
    }
    let ease = match settings.sensitivity {
        Sensitivity::Low => 2.0,
        Sensitivity::Normal => 1.0,
        Sensitivity::High => 0.5,
    };
    let keyed = kind == SubjectKind::Key;
    let things = probe.onset().things;
    let (form, needed) = form_of(probe, context, keyed, settings)?;
    let needed = ease * needed;
    let (days, most) = probe.earlier();
    let known = days >= BEFORE.0 && things < BEFORE.1 * most;
    if things < needed || known || share(probe, context) < settings.least_share && form != Form::Sequence {
        return None;
    }
    if !is_new(probe, context, scene) {
        return None;
    }
    let severity = if form == Form::Paths && !keyed {
        let lambda = context.peers.lambda(Kind::Client, Peak::Resources, things);
        match () {
            () if things >= VAST.0 * ease && lambda <= VAST.1 => Severity::Warning,
            () if lambda <= NOTED => Severity::Info,
            () => return None,
        }
    } else {
        Severity::Warning
    };
    Some(finding(probe, context, (form, needed), severity))
}

/// Today's numbers of an open incident.
pub fn current(kind: SubjectKind, probe: &Probe, context: &Context<'_>, settings: &Settings) -> Finding {
    let keyed = kind == SubjectKind::Key;
    let form = form_of(probe, context, keyed, settings).unwrap_or((Form::Paths, settings.things));
    finding(probe, context, form, Severity::Info)
}

/// Whether it goes on.
pub fn still(probe: &Probe, now: Timestamp) -> bool {
    now - probe.newest <= OVER_AFTER
}

/// What it does, if anything, and how many different things it takes.
fn form_of(probe: &Probe, context: &Context<'_>, keyed: bool, settings: &Settings) -> Option<(Form, f64)> {
    if context.healthy && probe.in_sequence().is_some() {
        return Some((Form::Sequence, 20.0));
    }
    let there = probe.worst_route().map_or(0.0, |(_, n)| f64::from(n));
    let least = if keyed { settings.things_key } else { settings.things };
    if context.healthy && there >= IDS.0 * least && there >= IDS.1 * f64::from(probe.rejected) {
        return Some((Form::Ids, least));
    }
    let level = f64::from(probe.level_at(probe.last_at));
    if level >= least || probe.things() >= 5.0 * least {
        return Some((Form::Paths, least));
    }
    (!keyed && level >= 10.0 && probe.scanned >= KNOWN_PATHS).then_some((Form::Paths, 10.0))
}

/// Share of its requests that is rejected.
fn share(probe: &Probe, context: &Context<'_>) -> f64 {
    let rejected = f64::from(probe.onset().rejected);
    rejected / context.requests.map_or(rejected, |n| n as f64).max(rejected).max(1.0)
}

/// Whether it is not just its usual requests that fail: it asks for more than it ever does, or elsewhere.
fn is_new(probe: &Probe, context: &Context<'_>, scene: &Scene<'_>) -> bool {
    let Some(full) = context.full else { return true };
    if full.normal.age(scene.end) < Span::HOUR {
        return true;
    }
    let usually = [Class::Client, Class::Denied]
        .into_iter()
        .filter_map(|class| full.failures.get(class.index())?.as_deref())
        .filter(|failures| failures.weight() >= 100.0)
        .map(Failures::share)
        .fold(0.0, f64::max);
    if share(probe, context) < 2.0 * usually {
        return false;
    }
    let onset = probe.onset();
    let span = (probe.last_at - onset.at).max(Span::MINUTE);
    let usual = full.normal.expected(probe.last_at, span, &scene.around);
    if onset.things >= BEYOND.0 * usual + BEYOND.1 {
        return true;
    }
    let Some((route, _)) = probe.worst_route() else { return false };
    let before = full.endpoints.shares().iter().find(|s| s.id == route).map_or(0.0, |s| s.usual);
    full.normal.age(scene.end) >= Span::DAY && before < NEW_ROUTE
}

fn finding(probe: &Probe, context: &Context<'_>, (form, needed): (Form, f64), severity: Severity) -> Finding {
    let onset = probe.onset();
    let things = onset.things.round();
    let rejected = u64::from(onset.rejected);
    let minutes = (probe.last_at - onset.at).mins_f64().max(1.0);
    let statuses: Vec<String> = [400, 403, 404]
        .into_iter()
        .zip(probe.statuses)
        .filter(|(_, n)| f64::from(*n) >= 0.05 * f64::from(probe.rejected))
        .map(|(status, _)| status.to_string())
        .collect();
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    let form_text = match form {
        Form::Sequence => "sequence",
        Form::Ids => "ids",
        Form::Paths => "paths",
    };
    put("form", Fact::Text(form_text.to_owned()));
    put("things", Fact::Count(things as u64));
    put("errors", Fact::Count(rejected));
    put("share", Fact::Share(share(probe, context)));
    put("scanner_paths", Fact::Count(u64::from(probe.scanned)));
    put("statuses", Fact::List(statuses));
    put("per_minute", Fact::Number(rejected as f64 / minutes));
    if let Some((share, _)) = probe.in_sequence() {
        put("sequence_share", Fact::Share(share));
    }
    let (days, most) = probe.earlier();
    let grounds = Grounds::count(things, needed)
        .line(format!("{things:.0} different things were asked for in vain; {needed:.0} are enough for this form."))
        .line(format!("Of all its requests since then {:.0} % were rejected.", 100.0 * share(probe, context)))
        .line(format!("It did so on {days} earlier days, at most {most:.0} things a day."))
        .line(format!("{} of the things are known paths of scanners.", probe.scanned));
    Finding {
        detector: NAME,
        started_at: onset.at,
        observed: things,
        expected: 0.0,
        unit: "different things",
        bits: 0.0,
        excess: rejected as f64,
        severity,
        trend: Trend::Steady,
        impact: Impact { requests: context.requests.unwrap_or(rejected).max(rejected), errors: rejected, cost: None },
        facts,
        parts: Parts { endpoints: probe.routes(), ..Parts::default() },
        grounds,
    }
}
