//! Stories of who uses a key: browsers, travellers, more and more people. What must be told of it, and what must not.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use std::sync::OnceLock;

use lapwing::detect::Fact;
use lapwing::engine::{Engine, Matter, Settings};
use lapwing::event::{Place, Severity};
use lapwing::incident::kept::Reason;
use lapwing::incident::{Again, Change, ChangeKind};
use lapwing::time::{Span, Timestamp};
use scenario::{Site, Stream, at};

/// A Wednesday morning after nine days of an API that servers and one web page use.
const MORNING: &str = "2026-03-11T09:00:00Z";

fn addresses(first: u32, count: u32) -> Vec<String> {
    (first..first + count).map(|n| format!("198.{}.{}.{}", 18 + n / 200, n % 200, 1 + n % 250)).collect()
}

fn people(site: &mut Site) {
    site.consumers(12, 10.0);
    // Whose people call from Singapore; one from both places since ever.
    for n in [0, 4, 8] {
        site.streams[n].place = singapore();
    }
    let mut both = site.streams[8].clone();
    (both.place, both.clients) = (frankfurt(), vec!["198.51.208.1".into()]);
    site.streams.push(both);
    site.places = names();
    // A page whose visitors use its key, an app, and a small key whose owner looks at it now and then.
    let mut page = browsers("shop-page", 3.0, &addresses(1_000, 400));
    page.rate = |stream, t| stream.scale * scenario::office(t);
    site.streams.push(page);
    let mut small_page = browsers("wiki-page", 0.05, &addresses(1_500, 6));
    small_page.page = true;
    site.streams.push(small_page);
    let mut app = Stream::new("shop-app", 4.0);
    (app.clients, app.agents) = (addresses(2_000, 600), vec!["okhttp".into(), "CFNetwork".into()]);
    app.place = homes();
    site.streams.push(app);
}

fn singapore() -> Place {
    Place::new(1.35, 103.8, "SG", false)
}

/// Homes and phones of a country.
fn homes() -> Place {
    Place::new(51.0, 9.0, "DE", false).of_access()
}

fn frankfurt() -> Place {
    Place::new(50.1, 8.7, "DE", false)
}

fn names() -> Vec<(Place, Box<str>)> {
    vec![(singapore(), "Singapore (SG)".into()), (frankfurt(), "Frankfurt am Main (DE)".into())]
}

fn browsers(key: &str, rate: f64, from: &[String]) -> Stream {
    let mut stream = Stream::new(key, rate).steady();
    stream.clients = from.to_vec();
    stream.agents = ["chrome/125", "firefox/126", "safari/605"].map(str::to_owned).to_vec();
    stream.page = true;
    stream
}

fn portal(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    Site::after(&LIVED, (5, "2026-03-02T06:00:00Z"), (seed, MORNING), people, Site::is_silent)
}

fn begins() -> Timestamp {
    at(MORNING) + Span::from_mins(30)
}

fn count(change: &Change, name: &str) -> u64 {
    match change.incident.facts.get(name) {
        Some(Fact::Count(n)) => *n,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn a_servers_key_in_a_web_page_is_told_within_minutes_and_once() {
    let mut site = portal(21);
    // Twenty browsers within ten minutes, and they stay for two hours.
    for n in 0..20 {
        let from = begins() + Span::from_secs(30 * n);
        let visitor = browsers("consumer-003", 0.5, &addresses(n as u32, 1));
        site.streams.push(visitor.between(from, begins() + Span::from_hours(2)));
        site.streams.last_mut().unwrap().pace = Some(Span::from_secs(60));
    }
    site.run_until(begins() + Span::from_hours(30));
    site.finish();
    assert_eq!(site.opened(), ["front-end-exposure key consumer-003"]);
    let told = site.first("front-end-exposure").unwrap();
    assert!(told.at - begins() <= Span::from_mins(3), "noticed after {}", told.at - begins());
    assert!(count(told, "browser_networks") >= 3 && count(told, "browser_requests") < 12, "before it is abused");
    assert_eq!(told.incident.severity, Severity::Warning);
    let worse = site.changes.iter().find(|c| c.kind == ChangeKind::Updated(Again::Worse)).expect("everybody has it");
    assert_eq!((worse.incident.severity, &*worse.incident.detector), (Severity::Critical, "front-end-exposure"));
    assert!(worse.at - begins() <= Span::from_mins(8), "worse after {}", worse.at - begins());
    assert!(matches!(site.changes.last().map(|c| c.kind), Some(ChangeKind::Resolved(_))), "{:?}", site.changes.last());
    assert_eq!(worse.incident.facts.get("page_share"), Some(&Fact::Share(1.0)));
}

#[test]
fn an_exposure_that_is_a_leak_as_well_ends_with_the_last_of_both() {
    let mut site = portal(23);
    let stops = begins() + Span::from_hours(2);
    for n in 0..20 {
        let from = begins() + Span::from_secs(30 * n);
        site.streams.push(browsers("consumer-003", 0.5, &addresses(n as u32, 1)).between(from, stops));
        site.streams.last_mut().unwrap().pace = Some(Span::from_secs(60));
    }
    let mut thief = Stream::new("consumer-003", 20.0).steady();
    (thief.clients, thief.agents) = (addresses(3_000, 12), vec!["python-requests/2".into()]);
    site.streams.push(thief.between(begins() + Span::from_mins(40), stops));
    // The leak is forgotten after six hours, the exposure after a day.
    site.run_until(begins() + Span::from_hours(30));
    site.finish();
    assert!(
        site.changes.iter().any(|c| c.incident.also.iter().any(|also| also.starts_with("leaked-key"))
            || c.incident.detector == "leaked-key"),
        "both carry it: {:?}",
        site.opened()
    );
    let ends: Vec<_> = site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(_))).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    let ended = ends[0].incident.ended_at.unwrap();
    assert!((ended - stops).millis().abs() <= Span::from_mins(2).millis(), "it stopped at {stops}: {ended}");
}

#[test]
fn one_browser_an_hour_is_told_with_the_fourth() {
    let mut site = portal(22);
    for n in 0..8 {
        let from = begins() + Span::from_hours(n);
        let visitor = browsers("consumer-001", 0.3, &addresses(n as u32, 1));
        site.streams.push(visitor.between(from, from + Span::from_mins(10)));
        site.streams.last_mut().unwrap().pace = Some(Span::from_mins(3));
    }
    site.run_until(begins() + Span::from_hours(10));
    site.finish();
    assert_eq!(site.opened(), ["front-end-exposure key consumer-001"]);
    let told = site.first("front-end-exposure").unwrap();
    let after = told.at - begins();
    assert!(after > Span::from_hours(2) && after <= Span::from_mins(190), "noticed after {after}");
    assert!(count(told, "browser_requests") <= 20);
}

#[test]
fn developers_monitors_pages_of_their_own_and_new_keys_are_no_exposure() {
    let mut site = portal(23);
    let hours = |n| begins() + Span::from_hours(n);
    // A developer opens a link where the servers are, and at home.
    let mut office = browsers("consumer-002", 0.4, &["198.51.2.1".to_owned()]).between(hours(0), hours(1));
    office.page = false;
    site.streams.push(office);
    site.streams.push(browsers("consumer-002", 1.0, &addresses(1, 1)).between(hours(1), hours(2)));
    site.streams.push(browsers("consumer-002", 0.2, &addresses(2, 1)).between(hours(8), hours(9)));
    // A monitor that looks like a browser, from two places, for ever.
    let mut monitor = browsers("consumer-004", 1.0, &addresses(10, 2)).between(hours(1), Timestamp::MAX);
    (monitor.page, monitor.identical) = (false, true);
    monitor.pace = Some(Span::from_mins(5));
    site.streams.push(monitor);
    // Pages that have visitors, and more of them today.
    site.streams.push(browsers("shop-page", 2.0, &addresses(1_200, 300)).between(hours(2), hours(6)));
    site.streams.push(browsers("wiki-page", 0.1, &addresses(1_505, 3)).between(hours(2), hours(6)));
    // A key that begins its life in a page.
    site.streams.push(browsers("new-page", 0.5, &addresses(60, 30)).between(hours(3), Timestamp::MAX));
    // Somebody who is only refused.
    let refused = browsers("consumer-005", 0.5, &addresses(100, 12)).failing(1.0, 403);
    site.streams.push(refused.between(hours(4), hours(5)));
    site.run_until(hours(24 * 5));
    site.finish();
    let told: Vec<String> = site.opened().into_iter().filter(|o| o.starts_with("front-end")).collect();
    assert_eq!(told, Vec::<String>::new());
}

#[test]
fn a_servers_key_on_many_phones_is_an_exposure_without_a_browser_and_a_few_homes_are_none() {
    let mut site = portal(24);
    let phone = |key: &str, n: u32, place: Place, agent: &str| {
        let from = begins() + Span::from_mins(12 * i64::from(n));
        let mut phone = Stream::new(key, 0.2).steady().between(from, from + Span::from_hours(1));
        (phone.clients, phone.agents, phone.place) = (addresses(3_000 + n, 1), vec![agent.into()], place);
        phone
    };
    for n in 0..12 {
        site.streams.push(phone("consumer-003", n, homes(), "okhttp"));
        // Nobody knows whose networks these are; software of servers; machines for hire.
        site.streams.push(phone("consumer-005", 20 + n, Place::new(51.0, 9.0, "DE", false), "okhttp"));
        site.streams.push(phone("consumer-006", 40 + n, homes(), "python-requests"));
        site.streams.push(phone("consumer-007", 60 + n, Place::new(51.0, 9.0, "DE", true), "okhttp"));
    }
    // Developers at home, and more people than usual with the app.
    site.streams.extend((0..4).map(|n| phone("consumer-002", 80 + n, homes(), "curl/8")));
    site.streams.extend((0..40).map(|n| phone("shop-app", 100 + n, homes(), "okhttp")));
    site.run_until(begins() + Span::from_hours(30));
    site.finish();
    // Four networks and more are a leaked key: with the eighth phone it is known whose.
    let explained = |change: &&Change| change.incident.detector == "front-end-exposure";
    let told: Vec<&Change> = site.changes.iter().filter(explained).collect();
    assert!(told.iter().all(|c| c.incident.subject.name == "consumer-003"), "{told:?}");
    assert_eq!(site.opened().iter().filter(|o| o.contains("consumer-003")).count(), 1, "{:?}", site.opened());
    let told = *told.first().expect("told");
    assert!(told.at - begins() <= Span::from_mins(90), "noticed after {}", told.at - begins());
    assert_eq!(told.incident.facts.get("access_only"), Some(&Fact::Flag(true)));
    assert!(count(told, "access_networks") >= 7 && told.incident.unit.contains("homes and phones"));
}

#[test]
fn a_restart_changes_nothing_about_who_uses_a_key() {
    let story = |restart: bool| {
        let mut site = portal(24);
        for n in 0..12 {
            let from = begins() + Span::from_mins(6 * n);
            let visitor = browsers("consumer-003", 0.5, &addresses(n as u32, 1));
            site.streams.push(visitor.between(from, begins() + Span::from_hours(2)));
        }
        for step in 0..24 {
            site.run_until(begins() + Span::from_mins(10 * step));
            if restart {
                let bytes = site.engine.save();
                site.engine = Engine::load(Site::settings(), &bytes).unwrap();
            }
        }
        site.changes
    };
    let changes = story(true);
    assert!(changes.iter().any(|c| c.incident.detector == "front-end-exposure"));
    assert_eq!(story(false), changes);
}

/// Somebody with a key at a place.
fn at_place(key: &str, place: Place, address: &str, agent: &str) -> Stream {
    let mut stream = Stream::new(key, 1.0).steady();
    (stream.clients, stream.agents, stream.place) = (vec![address.into()], vec![agent.into()], place);
    stream.pace = Some(Span::from_mins(5));
    stream
}

#[test]
fn a_key_in_singapore_and_within_the_hour_in_frankfurt() {
    let mut site = portal(31);
    let from = begins() + Span::from_mins(40);
    let traveller = at_place("consumer-004", frankfurt(), "192.0.2.9", "curl/8");
    site.streams.push(traveller.between(from, from + Span::from_mins(50)));
    site.run_until(begins() + Span::from_hours(5));
    site.finish();
    assert_eq!(site.opened(), ["impossible-travel key consumer-004"]);
    let told = site.first("impossible-travel").unwrap();
    assert!(told.at - from <= Span::from_mins(16), "with the third request, not after {}", told.at - from);
    assert_eq!(told.incident.facts.get("to_place"), Some(&Fact::Text("Frankfurt am Main (DE)".into())));
    assert_eq!(count(told, "requests_there"), 3);
    assert!(matches!(site.changes.last().map(|c| c.kind), Some(ChangeKind::Resolved(_))));
}

#[test]
fn flights_servers_hosters_gateways_and_second_homes_are_no_impossible_travel() {
    let mut site = portal(32);
    let hours = |n| begins() + Span::from_hours(n);
    let visit = |key: &str, place: Place, address: &str, agent: &str| at_place(key, place, address, agent);
    // A flight: nothing from home for fifteen hours. (An own key, so that home is silent.)
    for (place, address, from, until) in [(singapore(), "192.0.2.50", 0, 4), (frankfurt(), "198.18.7.7", 19, 24)] {
        site.streams.push(visit("pilot", place, address, "curl/8").between(hours(from), hours(until)));
    }
    // A server in Frankfurt, a hoster's network, a gateway that five keys use, both homes, and two requests only.
    let hosted = Place::new(50.1, 8.7, "DE", true);
    site.streams
        .push(visit("consumer-000", frankfurt(), "192.0.2.10", "python-requests/2").between(hours(1), hours(3)));
    site.streams.push(visit("consumer-004", hosted, "192.0.2.11", "curl/8").between(hours(1), hours(3)));
    for n in 0..5 {
        let key = format!("shared-{n}");
        site.streams.push(visit(&key, frankfurt(), "192.0.2.12", "curl/8").between(hours(0), hours(4)));
    }
    site.streams.push(visit("consumer-000", frankfurt(), "192.0.2.12", "curl/8").between(hours(4), hours(6)));
    site.streams.push(visit("consumer-008", frankfurt(), "192.0.2.13", "curl/8").between(hours(1), hours(3)));
    let mut two = visit("consumer-004", frankfurt(), "192.0.2.14", "curl/8");
    two.pace = Some(Span::from_hours(1));
    site.streams.push(two.between(hours(30), hours(32)));
    // A phone: another network every hour, and from the second day on a tunnel now and then.
    for n in 0..40 {
        let place = if n < 30 || n % 2 == 0 { singapore() } else { frankfurt() };
        site.streams.push(visit("phone", place, &format!("198.18.{n}.9"), "okhttp").between(hours(n), hours(n + 1)));
    }
    site.run_until(hours(50));
    site.finish();
    let told: Vec<String> = site.opened().into_iter().filter(|o| o.starts_with("impossible")).collect();
    assert_eq!(told, Vec::<String>::new());
}

/// Lines for the daily summary.
fn kept(site: &Site, detector: &str) -> Vec<String> {
    let lines = site.engine.kept().filter(|c| c.incident.detector == detector);
    let mut lines: Vec<String> = lines.map(|c| c.incident.subject.name).collect();
    lines.sort();
    lines
}

#[test]
fn a_key_that_is_handed_on_is_a_line_and_crowds_moves_and_leaks_are_not() {
    let mut site = Site::new(41, "2026-03-02T00:00:00Z");
    site.consumers(4, 2.0);
    let day = |n: i64| at("2026-03-02T00:00:00Z") + Span::from_days(n);
    let mut user = |key: &str, network: String, from: i64, until: i64| {
        let mut stream = Stream::new(key, 0.03).steady().between(day(from), day(until));
        stream.clients = vec![network];
        site.streams.push(stream);
    };
    for n in 0..14 {
        // From 3 to 14 in four weeks, and they stay.
        user("handed-on", format!("198.19.{n}.1"), if n < 3 { 0 } else { 7 + 2 * (n - 3) }, 40);
        // A cloud whose machines live for three days.
        for step in 0..10 {
            user("cloud", format!("198.20.{}.1", 10 * n + step), 3 * step, 3 * step + 3);
        }
        // An office with as many as ever, which moves after two weeks.
        user("office", format!("198.21.{n}.1"), 0, 14);
        user("office", format!("198.22.{n}.1"), 14, 40);
        // All at once: whoever tells of it, it is not shared.
        user("leaked", format!("198.23.{n}.1"), if n < 3 { 0 } else { 20 }, 40);
    }
    site.run_until(day(30));
    site.finish();
    assert_eq!(kept(&site, "shared-key"), ["handed-on"]);
    let line = site.engine.kept().find(|c| c.incident.detector == "shared-key").unwrap();
    assert!(count(&line, "steady_networks") >= 9 && count(&line, "steady_before") <= 4, "{:?}", line.incident.facts);
    assert!(!site.opened().iter().any(|o| o.starts_with("shared-key")));
}

#[test]
fn a_key_of_one_network_in_a_second_one_is_a_line_where_nobody_knows_places() {
    let mut site = Site::new(42, "2026-03-02T00:00:00Z");
    site.consumers(2, 1.0);
    let start = at("2026-03-02T00:00:00Z");
    let hours = |n: i64| start + Span::from_hours(n);
    let mut user = |key: &str, rate: f64, address: String, agent: &str, (from, until): (i64, i64)| {
        let mut stream = Stream::new(key, rate).steady().between(hours(from), hours(until));
        (stream.clients, stream.agents) = (vec![address], vec![agent.into()]);
        site.streams.push(stream);
    };
    // The morning of the 17th day.
    let (then, end) = (16 * 24 + 9, 18 * 24);
    for (key, agent) in [("desk", "curl/8"), ("neighbour", "curl/8"), ("servers", "curl/8"), ("brief", "curl/8")] {
        user(key, 0.3, format!("198.19.{}.1", key.len()), agent, (0, end));
    }
    user("desk", 0.5, "203.0.113.9".into(), "curl/8", (then, then + 2));
    user("neighbour", 0.5, "198.19.77.9".into(), "curl/8", (then, then + 2));
    user("servers", 0.5, "203.0.113.10".into(), "python-requests", (then, then + 2));
    // Eighteen requests, more or less.
    user("brief", 0.15, "203.0.113.11".into(), "curl/8", (then, then + 1));
    // A tunnel is turned on, and off again; an office that moves.
    for (key, again) in [("tunnel", then + 2), ("moved", end)] {
        user(key, 0.3, "198.18.5.1".into(), "curl/8", (0, then));
        user(key, 0.5, "203.0.113.12".into(), "curl/8", (then, again));
        user(key, 0.3, "198.18.5.1".into(), "curl/8", (again, end));
    }
    for day in 0..18 {
        // An office that gets another address each day, a phone with three a day, builds on whatever machine is free.
        user("office", 0.3, format!("198.51.{}.4", 100 + 7 * day % 50), "curl/8", (24 * day, 24 * day + 24));
        for n in 0..3 {
            let address = format!("192.{}.{}.4", 10 + n, 5 * day);
            user("phone", 0.3, address, "okhttp", (24 * day + 8 * n, 24 * day + 8 * n + 9));
        }
        for n in 0..12 {
            user("builds", 0.6, format!("192.{}.{day}.7", 60 + n), "curl/8", (24 * day + 2 * n, 24 * day + 2 * n + 2));
        }
    }
    // Known for a week.
    user("young", 0.3, "198.18.9.1".into(), "curl/8", (9 * 24, end));
    user("young", 0.5, "203.0.113.13".into(), "curl/8", (then, then + 2));
    site.run_until(start + Span::from_days(17));
    site.finish();
    assert_eq!(kept(&site, "impossible-travel"), ["desk"]);
    let line = site.engine.kept().find(|c| c.incident.detector == "impossible-travel").unwrap();
    assert_eq!(line.incident.facts.get("networks_only"), Some(&Fact::Flag(true)));
    assert!(!line.incident.facts.contains_key("distance_km") && count(&line, "known_networks") == 1);
    assert!(!site.opened().iter().any(|o| o.starts_with("impossible-travel")), "{:?}", site.opened());
}

#[test]
fn a_key_that_does_other_things_is_a_line_and_a_release_is_not() {
    let mut site = Site::new(42, "2026-03-02T00:00:00Z");
    site.consumers(12, 6.0);
    let day = |n: i64| at("2026-03-02T00:00:00Z") + Span::from_days(n);
    site.run_until(day(11));
    assert_eq!(kept(&site, "drift"), Vec::<String>::new(), "eleven ordinary days, a weekend among them");
    // One key does other things from now on; another day all do.
    site.streams[2].endpoints = vec!["/v1/reports/{id}".into(), "/v1/exports".into()];
    site.run_until(day(15));
    site.finish();
    assert_eq!(kept(&site, "drift"), ["consumer-002"]);
    let line = site.engine.kept().find(|c| c.incident.detector == "drift").unwrap();
    assert_eq!(line.incident.facts.get("changed"), Some(&Fact::List(vec!["endpoints".into()])));
    assert!(matches!(line.incident.facts.get("more"), Some(Fact::Text(more)) if more.starts_with("/v1/")));
    for stream in &mut site.streams {
        for endpoint in &mut stream.endpoints {
            *endpoint = endpoint.replace("/v1/", "/v2/");
        }
    }
    site.run_until(day(18));
    site.finish();
    assert_eq!(kept(&site, "drift"), ["consumer-002"], "a release");
    assert!(!site.opened().iter().any(|o| o.starts_with("drift")), "{:?}", site.opened());
}

/// Goes on in steps until then; with `restart`, the state is saved and taken up again after each, and names of places that
/// were met are not said again.
fn live(site: &mut Site, until: Timestamp, step: Span, restart: bool) {
    let mut now = site.engine.newest().unwrap_or(at(MORNING)).floor(Span::MINUTE);
    while now < until {
        now = (now + step).min(until);
        site.run_until(now);
        if restart {
            site.engine = Engine::load(Site::settings(), &site.engine.save()).expect("what was saved");
        }
    }
}

#[test]
fn the_line_of_a_second_network_is_told_once_whatever_is_restarted() {
    let story = |restart: bool| {
        let mut site = Site::new(46, "2026-03-02T00:00:00Z");
        site.consumers(3, 1.0);
        let hours = |n: i64| at("2026-03-02T00:00:00Z") + Span::from_hours(n);
        // From seven in the morning of the 17th day, through the hour of the summary, and all of the days after.
        let from = 16 * 24 + 7;
        for (address, rate, begins) in [("198.19.4.1", 0.3, 0), ("203.0.113.9", 0.5, from)] {
            let mut user = Stream::new("desk", rate).steady().between(hours(begins), hours(20 * 24));
            (user.clients, user.agents) = (vec![address.into()], vec!["curl/8".into()]);
            site.streams.push(user);
        }
        site.run_until(hours(from));
        // Before the line is due, between line and summary, and behind it.
        live(&mut site, hours(from + 4), Span::from_mins(7), restart);
        live(&mut site, hours(20 * 24), Span::from_hours(5), restart);
        said(site)
    };
    let (changes, kept) = story(true);
    let of = |change: &&Change| change.incident.detector == "impossible-travel";
    let lines: Vec<_> = changes.iter().filter(of).map(|c| (c.kind, c.at)).collect();
    assert_eq!(lines, [(ChangeKind::Kept(Reason::Information), at("2026-03-18T09:00:00Z"))]);
    assert_eq!((&changes, &kept), (&story(false).0, &story(false).1));
}

/// All that was told, and all lines of summaries.
fn said(mut site: Site) -> (Vec<Change>, Vec<Change>) {
    site.finish();
    let kept = site.engine.kept().collect();
    (site.changes, kept)
}

#[test]
fn a_restart_between_singapore_and_frankfurt_changes_nothing() {
    let story = |restart: bool| {
        let mut site = portal(33);
        let from = begins() + Span::from_mins(40);
        let traveller = at_place("consumer-004", frankfurt(), "192.0.2.9", "curl/8");
        site.streams.push(traveller.between(from, from + Span::from_mins(50)));
        // Singapore was met, then one request from Frankfurt, then two: each time the daemon starts anew.
        live(&mut site, from + Span::from_mins(4), Span::from_mins(11), restart);
        if restart {
            site.places.clear();
        }
        live(&mut site, begins() + Span::from_hours(5), Span::from_mins(4), restart);
        said(site)
    };
    let (changes, kept) = story(true);
    let told = changes.iter().find(|c| c.kind == ChangeKind::Opened).expect("told");
    assert_eq!(&*told.incident.detector, "impossible-travel");
    assert_eq!(told.incident.facts.get("from_place"), Some(&Fact::Text("Singapore (SG)".into())));
    assert_eq!(told.incident.facts.get("to_place"), Some(&Fact::Text("Frankfurt am Main (DE)".into())));
    assert_eq!((changes, kept), story(false));
}

#[test]
fn restarts_in_the_weeks_in_which_a_key_is_handed_on_change_nothing() {
    let story = |restart: bool| {
        let mut site = Site::new(44, "2026-03-02T00:00:00Z");
        site.consumers(4, 2.0);
        let day = |n: i64| at("2026-03-02T00:00:00Z") + Span::from_days(n);
        for n in 0..14 {
            let from = if n < 3 { 0 } else { 7 + 2 * (n - 3) };
            let mut user = Stream::new("handed-on", 0.03).steady().between(day(from), day(40));
            user.clients = vec![format!("198.19.{n}.1")];
            site.streams.push(user);
        }
        site.run_until(day(1));
        // At another hour each time.
        live(&mut site, day(30), Span::from_hours(31), restart);
        said(site)
    };
    let (changes, kept) = story(true);
    let lines: Vec<_> = kept.iter().filter(|c| c.incident.detector == "shared-key").collect();
    assert_eq!(lines.len(), 1, "{kept:?}");
    assert_eq!((changes, kept), story(false));
}

#[test]
fn restarts_in_the_days_in_which_a_key_changes_what_it_does_change_nothing() {
    let story = |restart: bool| {
        let mut site = Site::new(45, "2026-03-02T00:00:00Z");
        site.consumers(8, 6.0);
        let day = |n: i64| at("2026-03-02T00:00:00Z") + Span::from_days(n);
        site.run_until(day(1));
        live(&mut site, day(11), Span::from_hours(31), restart);
        site.streams[2].endpoints = vec!["/v1/reports/{id}".into(), "/v1/exports".into()];
        live(&mut site, day(15), Span::from_hours(7), restart);
        said(site)
    };
    let (changes, kept) = story(true);
    let lines: Vec<_> =
        kept.iter().filter(|c| c.incident.detector == "drift").map(|c| &*c.incident.subject.name).collect();
    assert_eq!(lines, ["consumer-002"]);
    assert_eq!((changes, kept), story(false));
}

#[test]
fn the_status_says_what_is_not_seen_and_which_keys_stand_in_urls() {
    let judging = |in_url: bool, knows_places: bool| {
        let mut site = Site::with(43, "2026-03-02T00:00:00Z", Settings { knows_places, ..Site::settings() });
        site.consumers(4, 2.0);
        site.streams[1].in_url = in_url;
        site.run_until(at("2026-03-02T08:00:00Z"));
        let judging = site.engine.status().judging;
        let of = |matter| judging.iter().any(|line| line.matter == matter);
        assert_eq!((of(Matter::NoPlaces), of(Matter::KeysInUrls)), (!knows_places, in_url));
        judging.into_iter().map(|line| line.says).collect::<Vec<_>>().join("\n")
    };
    let plain = judging(false, true);
    assert!(!plain.contains("impossible travel") && !plain.contains("URLs"), "{plain}");
    let more = judging(true, false);
    assert!(more.contains("impossible travel: not without a database of places"), "{more}");
    assert!(more.contains("keys in URLs: ") && more.contains("% of the requests with a key"), "{more}");
}
