//! Stories of those who try: what is there, and whose password is what. What must be told of it, and what must not.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use std::sync::OnceLock;

use lapwing::detect::Fact;
use lapwing::engine::Engine;
use lapwing::event::{Method, Severity};
use lapwing::incident::{Change, ChangeKind};
use lapwing::time::{Span, Timestamp};
use scenario::{Site, Stream, Things, at};

/// A Wednesday morning after nine days of an API whose users log in from their homes.
const MORNING: &str = "2026-03-11T09:00:00Z";

fn people(site: &mut Site) {
    live_there(site, 4.0);
}

/// As [`people`], who log in so many times a minute.
fn live_there(site: &mut Site, log_ins: f64) {
    site.consumers(12, 10.0);
    let mut users = Stream::new("", log_ins).endpoint("/login").failing(0.1, 401);
    users.clients = (0..400).map(|n| format!("203.0.{}.{}", n / 200, n % 200)).collect();
    users.agents = vec!["Chrome".into()];
    users.method = Method::Post;
    site.streams.push(users);
    // Scanners come every day.
    let mut scanners = Stream::new("", 0.2).steady().failing(1.0, 404);
    scanners.clients = (0..60).map(|n| format!("192.0.2.{n}")).collect();
    scanners.endpoints =
        ["/wp-login.php", "/.env", "/phpmyadmin/index.php", "/.git/config"].map(str::to_owned).to_vec();
    scanners.things = Things::Of(1);
    site.streams.push(scanners);
}

fn portal(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    Site::after(&LIVED, (5, "2026-03-02T06:00:00Z"), (seed, MORNING), people, Site::is_silent)
}

fn begins() -> Timestamp {
    at(MORNING) + Span::from_mins(30)
}

/// Somebody without key, from these addresses.
fn somebody(addresses: &[&str], rate: f64, endpoint: &str, minutes: i64) -> Stream {
    let mut stream =
        Stream::new("", rate).steady().endpoint(endpoint).between(begins(), begins() + Span::from_mins(minutes));
    stream.clients = addresses.iter().map(|a| (*a).to_owned()).collect();
    stream.agents = vec!["python-requests".into()];
    stream.things = Things::New;
    stream
}

fn guesses(addresses: &[&str], rate: f64, minutes: i64) -> Stream {
    let mut stream = somebody(addresses, rate, "/login", minutes).failing(1.0, 401);
    stream.method = Method::Post;
    stream
}

fn of<'a>(site: &'a Site, detector: &'a str) -> Vec<&'a Change> {
    let opened = |c: &&Change| c.kind == ChangeKind::Opened && c.incident.detector == detector;
    site.changes.iter().filter(opened).collect()
}

fn count(change: &Change, name: &str) -> u64 {
    match change.incident.facts.get(name) {
        Some(Fact::Count(n)) => *n,
        other => panic!("{name}: {other:?}"),
    }
}

fn form(change: &Change) -> &str {
    match change.incident.facts.get("form") {
        Some(Fact::Text(form)) => form,
        other => panic!("{other:?}"),
    }
}

/// Told once, ended once, and nothing else is told.
fn only(site: &Site, subject: &str) {
    assert_eq!(site.opened(), [subject]);
    let last = site.changes.iter().rfind(|c| !matches!(c.kind, ChangeKind::Kept(_))).unwrap();
    assert!(matches!(last.kind, ChangeKind::Resolved(_)), "{last:?}");
}

#[test]
fn a_key_that_walks_through_ids_that_are_not_its_own() {
    let mut site = portal(11);
    let mut walk = somebody(&["198.51.5.1"], 20.0, "/v1/users/{id}", 40).failing(0.9, 403);
    (walk.key, walk.things) = ("consumer-005".into(), Things::InSequence);
    site.streams.push(walk);
    site.run_until(begins() + Span::from_hours(3));
    site.finish();
    // That its requests are rejected shows first.
    assert_eq!(site.opened().len(), 1, "{:?}", site.opened());
    let told = site.changes.iter().find(|c| c.incident.detector == "enumeration").expect("the walk");
    assert_eq!(told.incident.subject.to_string(), "key consumer-005");
    assert!(told.at - begins() <= Span::from_mins(12), "noticed after {}", told.at - begins());
    assert!((told.incident.started_at - begins()).millis().abs() <= Span::from_mins(2).millis());
    assert_eq!((form(told), told.incident.severity), ("ids", Severity::Warning));
    let last = site.changes.iter().rfind(|c| c.incident.detector == "enumeration").unwrap();
    assert_eq!(form(last), "sequence", "by then it shows");
    assert!(told.incident.parts.endpoints.first().is_some_and(|part| part.name == "/v1/users/{id}"));
}

#[test]
fn a_stranger_that_tries_which_users_exist() {
    let mut site = portal(12);
    site.streams.push(somebody(&["198.18.4.4"], 15.0, "/v1/users/{id}", 60).failing(0.95, 404));
    site.run_until(begins() + Span::from_hours(3));
    site.finish();
    only(&site, "enumeration client 198.18.4.4");
    let told = site.first("enumeration").unwrap();
    assert!(told.at - begins() <= Span::from_mins(8), "noticed after {}", told.at - begins());
    assert_eq!(form(told), "ids");
    assert!(count(told, "things") >= 40);
}

#[test]
fn a_key_that_tries_what_there_is() {
    let mut site = portal(13);
    let mut tries = somebody(&["198.51.6.1"], 30.0, "", 20).failing(0.97, 404);
    tries.key = "consumer-006".into();
    tries.endpoints = (0..150).map(|n| format!("/v1/internal-{n}")).collect();
    site.streams.push(tries);
    site.run_until(begins() + Span::from_hours(2));
    site.finish();
    only(&site, "enumeration key consumer-006");
    assert_eq!(form(site.first("enumeration").unwrap()), "paths");
}

#[test]
fn scanners_crawlers_broken_links_and_pages_that_are_gone_are_no_probing() {
    let mut site = portal(14);
    let day = begins() + Span::DAY;
    // A broken link, polled every ten seconds.
    let mut link = somebody(&["198.18.9.1"], 1.0, "/v1/old", 1440).failing(1.0, 404);
    (link.identical, link.pace) = (true, Some(Span::from_secs(10)));
    site.streams.push(link);
    // A reader that does not say it is a crawler; one in six of its links is stale.
    site.streams.push(somebody(&["198.18.9.2"], 2.0, "/products/{id}", 200).failing(0.16, 404));
    // A scanner more, with the paths of everybody's software.
    let mut scan = somebody(&["198.18.9.3"], 40.0, "", 10).failing(1.0, 404);
    scan.endpoints = (0..120).map(|n| format!("/wp-content/plugin-{n}")).collect();
    site.streams.push(scan);
    // A page is taken away: everybody gets 404 there, for two hours.
    for stream in site.streams.iter_mut().filter(|s| s.key.starts_with("consumer")) {
        stream.endpoints.retain(|e| e != "/v1/items");
    }
    for n in 0..12 {
        let mut caller = somebody(&[&format!("198.51.{n}.1")], 1.0, "/v1/items", 120).failing(1.0, 404);
        (caller.key, caller.things) = (format!("consumer-{n:03}"), Things::Of(300));
        site.streams.push(caller);
    }
    site.run_until(day);
    site.finish();
    assert!(of(&site, "enumeration").is_empty(), "{:?}", site.opened());
}

#[test]
fn one_address_guesses_and_gets_in() {
    let mut site = portal(15);
    site.streams.push(guesses(&["198.18.3.3"], 30.0, 20));
    let mut success = guesses(&["198.18.3.3"], 60.0, 0).failing(0.0, 401);
    (success.from, success.until) = (begins() + Span::from_mins(15), begins() + Span::from_mins(16));
    site.streams.push(success);
    site.run_until(begins() + Span::from_hours(2));
    site.finish();
    only(&site, "credential-stuffing client 198.18.3.3");
    let told = site.first("credential-stuffing").unwrap();
    assert!(told.at - begins() <= Span::from_mins(2), "noticed after {}", told.at - begins());
    assert_eq!(told.incident.severity, Severity::Warning, "nobody got in yet");
    let worse = site.changes.iter().find(|c| c.incident.severity == Severity::Critical).expect("the success");
    assert!(worse.at - begins() <= Span::from_mins(16), "told after {}", worse.at - begins());
    assert_eq!(worse.incident.facts.get("got_in"), Some(&Fact::Flag(true)));
    assert!(count(worse, "failures_before") >= 300);
}

#[test]
fn codes_of_one_length_that_get_somebody_in_are_told_though_each_request_looks_the_same() {
    let mut site = portal(19);
    // Four digits at ten a minute: the log shows a length, and it is always the same.
    let mut codes = guesses(&["198.18.7.7"], 10.0, 4);
    (codes.identical, codes.pace) = (true, Some(Span::from_secs(6)));
    let found = Stream { errors: (0.0, 401), ..codes.clone() };
    site.streams.push(codes);
    site.streams.push(found.between(begins() + Span::from_mins(4), begins() + Span::from_mins(5)));
    site.run_until(begins() + Span::from_hours(2));
    site.finish();
    let critical = |c: &&Change| c.incident.severity == Severity::Critical;
    let told = site.changes.iter().find(critical).unwrap_or_else(|| panic!("{:?}", site.opened()));
    assert_eq!(told.incident.facts.get("got_in"), Some(&Fact::Flag(true)));
    assert!(told.at - begins() <= Span::from_mins(5), "told after {}", told.at - begins());
}

#[test]
fn three_hundred_addresses_try_a_few_times_each() {
    let mut site = portal(16);
    let addresses: Vec<String> = (0..300).map(|n| format!("198.18.{}.{}", n % 250, 1 + n / 250)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    site.streams.push(guesses(&addresses, 15.0, 90).failing(0.98, 401));
    site.run_until(begins() + Span::from_hours(3));
    site.finish();
    only(&site, "credential-stuffing endpoint /login");
    let told = site.first("credential-stuffing").unwrap();
    assert!(told.at - begins() <= Span::from_mins(15), "noticed after {}", told.at - begins());
    assert!(count(told, "addresses") >= 20, "{}", count(told, "addresses"));
    let last = site.changes.iter().rfind(|c| c.incident.detector == "credential-stuffing").unwrap();
    assert!(count(last, "addresses") >= 250, "{}", count(last, "addresses"));
    // Nobody is counted who did not fail.
    let within = |c: &Change| count(c, "addresses") <= count(c, "failed_logins");
    assert!(site.changes.iter().filter(|c| c.incident.detector == "credential-stuffing").all(within));
    // Fifteen a minute for an hour and a half: windows are shorter, what is told counts from the beginning.
    let stuffing = |c: &&Change| c.incident.detector == "credential-stuffing";
    let all: Vec<u64> = site.changes.iter().filter(stuffing).map(|c| count(c, "failed_logins")).collect();
    assert!(all.is_sorted() && (1250..1450).contains(all.last().unwrap()), "{all:?}");
    // Some of them got in, more than ever do after a failure.
    assert_eq!(last.incident.severity, Severity::Critical);
    assert_eq!(last.incident.facts.get("got_in"), Some(&Fact::Flag(true)));
    assert!(count(last, "succeeded") >= 5, "{}", count(last, "succeeded"));
    // Hours later those who got in are still in.
    let got_in: Vec<bool> = site
        .changes
        .iter()
        .filter(stuffing)
        .map(|c| c.incident.facts.get("got_in") == Some(&Fact::Flag(true)))
        .collect();
    assert!(got_in.is_sorted(), "{got_in:?}");
}

#[test]
fn whoever_guessed_the_day_before_hides_no_three_hundred_and_those_who_get_in_are_told() {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    // One log-in every two minutes: what happened yesterday weighs.
    let few = |site: &mut Site| live_there(site, 0.5);
    let mut site = Site::after(&LIVED, (7, "2026-03-02T06:00:00Z"), (20, MORNING), few, Site::is_silent);
    site.streams.push(guesses(&["198.18.3.3"], 12.0, 5));
    let addresses: Vec<String> = (0..300).map(|n| format!("198.18.{}.{}", n % 250, 10 + n / 250)).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let begins = begins() + Span::from_hours(26);
    let until = begins + Span::from_hours(2);
    site.streams.push(guesses(&addresses, 7.5, 0).between(begins, until));
    let found = guesses(&addresses, 1.5, 0).failing(0.0, 401);
    site.streams.push(found.between(until, until + Span::from_mins(10)));
    site.run_until(until + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), ["credential-stuffing client 198.18.3.3", "credential-stuffing endpoint /login"]);
    let told = of(&site, "credential-stuffing")[1];
    assert!(told.at - begins <= Span::from_mins(10), "noticed after {}", told.at - begins);
    let critical = |c: &&Change| c.incident.severity == Severity::Critical;
    let in_after_all = site.changes.iter().find(critical).expect("some got in");
    assert!(in_after_all.at - until <= Span::from_mins(10), "told after {}", in_after_all.at - until);
}

#[test]
fn forgotten_passwords_offices_lost_jobs_and_broken_log_ins_are_no_guessing() {
    let mut site = portal(17);
    // One user: a dozen attempts within five minutes, then in.
    let mut user = guesses(&["203.0.113.9"], 2.4, 5);
    user.pace = Some(Span::from_secs(25));
    site.streams.push(user);
    let mut after = guesses(&["203.0.113.9"], 1.0, 0).failing(0.0, 401);
    (after.from, after.until) = (begins() + Span::from_mins(6), begins() + Span::from_mins(9));
    site.streams.push(after);
    // An office behind one address, in the morning.
    site.streams.push(guesses(&["203.0.113.10"], 8.0, 30).failing(0.15, 401));
    // A job whose password is wrong, and which nobody looks after.
    let mut job = guesses(&["203.0.113.11"], 1.0, 600);
    (job.identical, job.pace) = (true, Some(Span::from_secs(60)));
    site.streams.push(job);
    site.run_until(begins() + Span::from_hours(11));
    // That a job repeats itself is told, once, as what it is.
    assert_eq!(site.opened(), ["retry-loop client 203.0.113.11"]);
    // Log-ins are broken for everybody, who try again.
    let (from, until) = (site.now, site.now + Span::from_mins(20));
    let users = site.streams.iter().position(|s| s.endpoints == ["/login"]).unwrap();
    site.streams[users].until = from;
    let mut failing = site.streams[users].clone().failing(1.0, 401).between(from, until);
    failing.scale *= 2.0;
    site.streams.push(failing);
    site.run_until(until + Span::HOUR);
    site.finish();
    assert!(of(&site, "credential-stuffing").is_empty(), "{:?}", site.opened());
}

#[test]
fn a_restart_changes_nothing_about_who_tries() {
    let story = |restart: bool| {
        let mut site = portal(18);
        site.streams.push(guesses(&["198.18.3.3"], 30.0, 40));
        site.streams.push(somebody(&["198.18.4.4"], 15.0, "/v1/users/{id}", 60).failing(0.95, 404));
        for step in 0..12 {
            site.run_until(begins() + Span::from_mins(10 * step));
            if restart {
                let bytes = site.engine.save();
                site.engine = Engine::load(Site::settings(), &bytes).unwrap();
            }
        }
        site.changes
    };
    let changes = story(true);
    for detector in ["enumeration", "credential-stuffing"] {
        assert!(changes.iter().any(|c| c.incident.detector == detector), "{detector}");
    }
    for (a, b) in story(false).iter().zip(&changes) {
        assert_eq!(a, b);
    }
    assert_eq!(story(false).len(), changes.len());
}
