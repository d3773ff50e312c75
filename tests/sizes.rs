//! Stories of what is far larger, or far slower, than usual. What must be told of it, and what must not.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use std::sync::OnceLock;

use lapwing::detect::Fact;
use lapwing::event::Method;
use lapwing::incident::kept::Reason;
use lapwing::incident::{Change, ChangeKind};
use lapwing::time::{Span, Timestamp};
use scenario::{Site, Stream, Things, at, office};

/// A Wednesday morning after nine days.
const MORNING: &str = "2026-03-11T09:00:00Z";

/// An API with a model behind it, a report that one customer fetches each night, and a socket.
fn service(site: &mut Site) {
    site.consumers(10, 12.0);
    for stream in &mut site.streams {
        stream.varies = true;
        stream.bytes = 8_000;
    }
    for n in 0..4 {
        let mut chat = Stream::new(&format!("chat-{n}"), 3.0).endpoint("/v1/chat/completions").steady();
        (chat.method, chat.things, chat.varies) = (Method::Post, Things::New, true);
        (chat.tokens, chat.ms, chat.bytes) = (500, 1_500, 3_000);
        chat.clients = vec![format!("192.0.{n}.77")];
        site.streams.push(chat);
    }
    let mut report = Stream::new("consumer-003", 8.0).endpoint("/v1/export/{id}");
    report.rate = |stream, t| {
        let minute = t.millis().div_euclid(60_000).rem_euclid(1440);
        if (130..150).contains(&minute) { stream.scale } else { 0.0 }
    };
    (report.bytes, report.ms, report.varies, report.things) = (6_000_000, 900, true, Things::New);
    report.clients = site.streams[3].clients.clone();
    site.streams.push(report);
    // The same export for others, small.
    let mut small = Stream::new("consumer-001", 2.0).endpoint("/v1/export/{id}").steady();
    (small.bytes, small.varies, small.clients) = (20_000, true, site.streams[1].clients.clone());
    site.streams.push(small);
    let mut socket = Stream::new("", 3.0).endpoint("/ws/live").steady();
    (socket.ms, socket.varies, socket.things) = (3_000, true, Things::New);
    socket.clients = (0..20).map(|n| format!("203.0.7.{n}")).collect();
    site.streams.push(socket);
}

fn lived(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    Site::after(&LIVED, (7, "2026-03-02T06:00:00Z"), (seed, MORNING), service, |site| {
        let third_night = at("2026-03-04T12:00:00Z");
        let later: Vec<&Change> =
            site.changes.iter().filter(|c| c.kind == ChangeKind::Opened && c.at > third_night).collect();
        assert!(later.is_empty(), "from the third night on nothing is news: {later:#?}");
    })
}

fn begins() -> Timestamp {
    at(MORNING) + Span::from_mins(30)
}

/// The stream with this key, from then on as `change` makes it.
fn changes(site: &mut Site, key: &str, minutes: i64, change: impl Fn(&mut Stream)) {
    let at = site.streams.iter().position(|s| s.key == key).expect("a stream");
    let until = begins() + Span::from_mins(minutes);
    let mut other = site.streams[at].clone().between(begins(), until);
    change(&mut other);
    let mut after = site.streams[at].clone();
    after.from = until;
    site.streams[at].until = begins();
    site.streams.extend([other, after]);
}

#[test]
fn eight_thousand_tokens_where_five_hundred_are_usual() {
    let mut site = lived(21);
    changes(&mut site, "chat-2", 60, |chat| chat.tokens = 8_000);
    site.run_until(begins() + Span::from_hours(3));
    site.finish();
    assert_eq!(site.opened(), ["payload-size key chat-2"]);
    let told = site.first("payload-size").unwrap();
    assert!(told.at - begins() <= Span::from_mins(10), "noticed after {}", told.at - begins());
    assert!((told.incident.started_at - begins()).millis().abs() <= Span::from_mins(2).millis());
    assert_eq!(told.incident.facts.get("what"), Some(&Fact::Text("tokens read".into())));
    let (seen, usual) = (told.incident.observed, told.incident.expected);
    assert!((6_000.0..11_000.0).contains(&seen) && (350.0..800.0).contains(&usual), "{seen}, usually {usual}");
    assert!(matches!(site.changes.last().unwrap().kind, ChangeKind::Resolved(_)));
}

#[test]
fn answers_a_hundred_times_as_large() {
    let mut site = lived(22);
    changes(&mut site, "consumer-005", 60, |stream| (stream.bytes, stream.scale) = (900_000, 4.0));
    site.run_until(begins() + Span::from_hours(3));
    site.finish();
    assert!(site.opened().contains(&"payload-size key consumer-005".to_owned()), "{:?}", site.opened());
    assert_eq!(site.first("payload-size").unwrap().incident.unit, "bytes");
}

#[test]
fn what_comes_every_day_is_told_once_and_learned_while_it_repeats() {
    let mut site = lived(26);
    let at = site.streams.iter().position(|s| s.key == "chat-1").unwrap();
    let usual = site.streams.remove(at);
    for day in 0..7 {
        let from = begins() + Span::from_days(day);
        let until = from + Span::from_hours(1);
        let large = Stream { tokens: 8_000, ..usual.clone() };
        site.streams.push(large.between(from, until));
        site.streams.push(usual.clone().between(until, from + Span::DAY));
    }
    site.run_until(begins() + Span::from_days(7));
    site.finish();
    assert_eq!(site.opened(), ["payload-size key chat-1"]);
    let repeats = site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Kept(Reason::Repeat)));
    let days: Vec<f64> = repeats.map(|c| (c.at - begins()).days_f64().floor()).collect();
    assert!(!days.is_empty() && days.len() <= 2, "a line of the summary until it is known: {days:?}");
}

#[test]
fn nightly_exports_other_routes_grown_pages_and_one_large_page_are_usual() {
    let mut site = lived(23);
    // A key begins to fetch what others fetch, where all of it is larger.
    let mut other = Stream::new("consumer-006", 2.0).endpoint("/v1/export/{id}").steady();
    (other.bytes, other.varies) = (20_000, true);
    other = other.between(begins(), begins() + Span::from_hours(3));
    other.clients = site.streams[6].clients.clone();
    site.streams.push(other);
    // One page with a dozen large things.
    let mut page = Stream::new("consumer-007", 60.0).endpoint("/v1/items").steady();
    (page.bytes, page.clients) = (900_000, site.streams[7].clients.clone());
    site.streams.push(page.between(begins(), begins() + Span::from_secs(12)));
    // A release makes the answers of a route ten times as large, for everybody.
    for n in 0..4 {
        changes(&mut site, &format!("chat-{n}"), 300, |chat| chat.bytes = 80_000);
    }
    site.run_until(begins() + Span::from_hours(30));
    site.finish();
    assert_eq!(site.opened(), Vec::<String>::new());
}

#[test]
fn an_endpoint_that_slows_down_is_told_and_one_that_waits_is_not() {
    let mut site = lived(24);
    for n in 0..4 {
        changes(&mut site, &format!("chat-{n}"), 40, |chat| chat.ms = 9_000);
    }
    let socket = site.streams.iter().position(|s| s.endpoints == ["/ws/live"]).unwrap();
    site.streams[socket].ms = 60_000;
    site.run_until(begins() + Span::from_hours(3));
    site.finish();
    assert_eq!(site.opened(), ["slow-response endpoint /v1/chat/completions"]);
    let told = site.first("slow-response").unwrap();
    assert!(told.at - begins() <= Span::from_mins(15), "noticed after {}", told.at - begins());
    let (seen, usual) = (told.incident.observed, told.incident.expected);
    assert!((6_000.0..13_000.0).contains(&seen) && (1_000.0..2_200.0).contains(&usual), "{seen}, usually {usual}");
    assert!(matches!(site.changes.last().unwrap().kind, ChangeKind::Resolved(_)));
}

#[test]
fn a_slow_minute_is_nothing() {
    let mut site = lived(25);
    for n in 0..4 {
        changes(&mut site, &format!("chat-{n}"), 2, |chat| (chat.ms, chat.scale) = (20_000, 30.0));
    }
    site.run_until(begins() + Span::from_hours(2));
    site.finish();
    assert!(site.opened().iter().all(|o| !o.starts_with("slow-response")), "{:?}", site.opened());
}

/// Paths from 24 to 0.7 calls a minute, some with a second method that takes four times as long and is called by day.
fn paths(site: &mut Site) {
    for n in 0..12 {
        let path = format!("/v1/path-{n:02}");
        let mut reads = Stream::new(&format!("reads-{n:02}"), 24.0 / 1.37f64.powi(n)).endpoint(&path).steady();
        (reads.ms, reads.varies, reads.things) = (120 + 10 * n as u32, true, Things::New);
        if n % 3 == 0 {
            let mut writes = reads.clone();
            (writes.key, writes.method, writes.ms) = (format!("writes-{n:02}"), Method::Post, 4 * reads.ms);
            writes.rate = |stream, t| 2.0 * stream.scale * (office(t) - 0.15);
            site.streams.push(writes);
        }
        site.streams.push(reads);
    }
}

fn paths_lived(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    Site::after(&LIVED, (8, "2026-03-09T18:00:00Z"), (seed, MORNING), paths, Site::is_silent)
}

/// Every path takes so many times as long, from so long after the beginning on.
fn slow_down(site: &mut Site, factor: f64, late: impl Fn(usize) -> Option<i64>) {
    for n in 0..site.streams.len() {
        let place: usize = site.streams[n].key[site.streams[n].key.len() - 2..].parse().expect("its number");
        let Some(late) = late(place) else { continue };
        let (from, until) = (begins() + Span::from_secs(late), begins() + Span::from_mins(50));
        let mut slow = site.streams[n].clone().between(from, until);
        slow.ms = (f64::from(slow.ms) * factor) as u32;
        let mut after = site.streams[n].clone();
        after.from = until;
        site.streams[n].until = from;
        site.streams.extend([slow, after]);
    }
    site.run_until(begins() + Span::from_hours(3));
    site.finish();
}

#[test]
fn a_service_that_slows_down_is_one_incident_whichever_path_shows_it_first() {
    type Late = fn(usize) -> i64;
    let orders: [(&str, Late); 3] = [
        ("all at once", |_| 0),
        ("the busiest first", |n| 20 * n as i64),
        ("the busiest last", |n| 20 * (11 - n as i64)),
    ];
    for (seed, (order, late)) in (41..).zip(orders) {
        let mut site = paths_lived(seed);
        slow_down(&mut site, 12.0, |n| Some(late(n)));
        assert_eq!(site.opened().len(), 1, "{order}: {:?}", site.opened());
        let told = site.first("slow-response").unwrap_or_else(|| panic!("{order}"));
        assert!(told.at - begins() <= Span::from_mins(10), "{order}: noticed after {}", told.at - begins());
        assert!((told.incident.started_at - begins()).millis().abs() <= Span::from_mins(4).millis(), "{order}");
        let last = site.changes.last().unwrap();
        assert!(matches!(last.kind, ChangeKind::Resolved(_)), "{order}: {:?}", last.kind);
        let incident = &last.incident;
        assert_eq!(incident.subject.to_string(), "site", "{order}");
        assert!(incident.ended_at.unwrap() - begins() <= Span::from_mins(75), "{order}: {:?}", incident.ended_at);
        let Some(Fact::Count(slow @ 7..=12)) = incident.facts.get("endpoints_slow") else {
            panic!("{order}: {incident:?}")
        };
        assert!(matches!(incident.facts.get("endpoints_asked"), Some(Fact::Count(asked)) if asked >= slow), "{order}");
    }
}

#[test]
fn what_slows_down_together_is_one_incident_of_the_few_paths_it_is_about() {
    let mut site = paths_lived(45);
    slow_down(&mut site, 8.0, |n| [(1, 0), (2, 90), (4, 60)].iter().find(|one| one.0 == n).map(|one| one.1));
    assert_eq!(site.opened(), ["slow-response endpoint /v1/path-01"]);
    let incident = &site.changes.iter().rfind(|c| matches!(c.kind, ChangeKind::Resolved(_))).unwrap().incident;
    let also: Vec<&str> = incident.also.iter().map(String::as_str).collect();
    assert_eq!(also, ["slow-response endpoint /v1/path-02", "slow-response endpoint /v1/path-04"]);
    // Another trouble much later is another incident.
    let mut site = paths_lived(46);
    slow_down(&mut site, 8.0, |n| [(1, 0), (3, 1500)].iter().find(|one| one.0 == n).map(|one| one.1));
    let opened = site.opened();
    assert_eq!(opened, ["slow-response endpoint /v1/path-01", "slow-response endpoint /v1/path-03"]);
}

#[test]
fn a_service_that_takes_nearly_twice_as_long_is_nothing_however_its_methods_mix() {
    for seed in 47..50 {
        let mut site = paths_lived(seed);
        slow_down(&mut site, 1.9, |_| Some(0));
        assert_eq!(site.opened(), Vec::<String>::new(), "seed {seed}");
    }
}

#[test]
fn what_a_path_answers_to_one_method_hides_nothing_of_another() {
    // Bodies that are read are large and small ones answer what is written: by the path alone, twenty times as much is usual.
    let people = |site: &mut Site| {
        site.consumers(3, 6.0);
        for n in 0..3 {
            let mut reads = Stream::new(&format!("reader-{n}"), 6.0).endpoint("/v1/files").steady();
            (reads.bytes, reads.varies, reads.things) = (400_000, true, Things::New);
            let mut writes = Stream::new(&format!("writer-{n}"), 3.0).endpoint("/v1/files").steady();
            (writes.bytes, writes.varies, writes.method, writes.things) = (4_000, true, Method::Post, Things::New);
            site.streams.extend([reads, writes]);
        }
    };
    let mut site = Site::new(51, "2026-03-05T06:00:00Z");
    people(&mut site);
    site.run_until(at(MORNING));
    changes(&mut site, "writer-1", 60, |stream| stream.bytes = 100_000);
    site.run_until(begins() + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), ["payload-size key writer-1"]);
    let told = &site.first("payload-size").unwrap().incident;
    assert!((80_000.0..170_000.0).contains(&told.observed) && (2_500.0..6_500.0).contains(&told.expected), "{told:?}");
}

#[test]
fn sizes_saved_before_methods_were_told_apart_are_learned_anew() {
    let lived = paths_lived(52);
    let mut saved = lived.engine.save();
    for (new, old) in
        [("sizes-of-routes", "route-sizes-old"), ("sizes-of-keys", "key-sizes-old"), ("sizes-usual", "other-sizes")]
    {
        let found: Vec<usize> =
            (0..saved.len() - new.len()).filter(|&at| saved[at..].starts_with(new.as_bytes())).collect();
        assert_eq!(found.len(), 1, "{new}");
        saved[found[0]..found[0] + new.len()].copy_from_slice(old.as_bytes());
    }
    let mut site = paths_lived(52);
    site.engine = lapwing::engine::Engine::load(Site::settings(), &saved).expect("the rest is taken");
    slow_down(&mut site, 12.0, |_| Some(0));
    assert_eq!(site.opened(), Vec::<String>::new(), "of an hour nothing is known to be usual");
    let begins = site.now + Span::DAY;
    site.run_until(begins);
    for n in 0..site.streams.len() {
        if site.streams[n].until > begins {
            site.streams[n].ms *= 12;
        }
    }
    site.run_until(begins + Span::from_mins(20));
    site.finish();
    assert_eq!(site.opened(), ["slow-response site"]);
}

#[test]
fn a_reader_that_begins_to_write() {
    let mut site = lived(26);
    let paths = ["/v1/orders/{id}", "/v1/users/{id}", "/v1/items"];
    for path in paths {
        let mut writer = Stream::new("consumer-004", 0.2).endpoint(path).steady();
        (writer.method, writer.things, writer.clients) = (Method::Put, Things::New, site.streams[4].clients.clone());
        site.streams.push(writer.between(begins(), begins() + Span::from_hours(2)));
    }
    site.run_until(begins() + Span::from_hours(5));
    site.finish();
    assert_eq!(site.opened(), ["scope-creep key consumer-004"]);
    let told = site.first("scope-creep").unwrap();
    assert!(told.at - begins() <= Span::HOUR, "noticed after {}", told.at - begins());
    assert_eq!(told.incident.facts.get("first_write"), Some(&Fact::Flag(true)));
    assert!(matches!(site.changes.last().unwrap().kind, ChangeKind::Resolved(_)));
}

#[test]
fn releases_and_a_single_new_path_are_no_creep() {
    let mut site = lived(27);
    // Everybody begins to change orders, some to call a path that was not there before, one a path of others.
    for n in 0..8 {
        for (path, method) in
            [("/v1/orders/{id}", Method::Put), ("/v2/orders", Method::Post), ("/v2/items", Method::Get)]
        {
            let mut new = Stream::new(&format!("consumer-{n:03}"), 0.3).endpoint(path).steady();
            (new.method, new.things, new.clients) = (method, Things::New, site.streams[n].clients.clone());
            site.streams.push(new.between(begins(), begins() + Span::from_hours(6)));
        }
    }
    let mut one = Stream::new("consumer-009", 0.3).endpoint("/v1/export/{id}").steady();
    (one.things, one.bytes, one.clients) = (Things::New, 20_000, site.streams[9].clients.clone());
    site.streams.push(one.between(begins(), begins() + Span::from_hours(6)));
    site.run_until(begins() + Span::from_hours(8));
    site.finish();
    assert!(site.opened().iter().all(|o| !o.starts_with("scope-creep")), "{:?}", site.opened());
}

/// Three weeks with keys that only read, one that changes items, and, where `turning`, one a week that begins to.
fn readers(turning: bool) -> Site {
    let mut site = Site::new(31, "2026-03-02T00:00:00Z");
    site.consumers(6, 0.5);
    for n in 0..4 {
        site.streams.push(Stream::new(&format!("reader-{n}"), 0.4).steady());
    }
    let mut writer = Stream::new("writer", 0.2).endpoint("/v1/items").steady();
    writer.method = Method::Put;
    site.streams.push(writer);
    if turning {
        for (n, day) in [(0, 9), (1, 12), (2, 15)] {
            let mut turned = site.streams[6 + n].clone().endpoint("/v1/items");
            (turned.method, turned.scale) = (Method::Put, 0.02);
            turned.from = at("2026-03-02T09:00:00Z") + Span::from_days(day);
            site.streams.push(turned);
        }
    }
    site
}

#[test]
fn one_new_path_that_a_reader_of_weeks_begins_to_change() {
    let begins = at("2026-03-23T10:00:00Z");
    let story = |turning: bool, writes: f64| {
        let mut site = readers(turning);
        let mut first = site.streams[9].clone().endpoint("/v1/items").between(begins, begins + Span::from_hours(2));
        (first.method, first.scale, first.errors) = (Method::Put, writes / 120.0, (0.0, 500));
        site.streams.push(first);
        site.run_until(begins + Span::from_hours(5));
        site.finish();
        site
    };
    let site = story(false, 60.0);
    assert_eq!(site.opened(), ["scope-creep key reader-3"]);
    let told = site.first("scope-creep").unwrap();
    assert!(told.at - begins <= Span::from_mins(20), "noticed after {}", told.at - begins);
    assert_eq!(told.incident.facts.get("first_write"), Some(&Fact::Flag(true)));
    assert_eq!(told.incident.facts.get("new_routes"), Some(&Fact::Count(1)));
    assert!(matches!(site.changes.last().unwrap().kind, ChangeKind::Resolved(_)));
    // Two are a mistake; and where readers often begin to, it is what they do here.
    for (turning, writes) in [(false, 2.0), (true, 60.0)] {
        let site = story(turning, writes);
        assert!(site.opened().iter().all(|o| !o.starts_with("scope-creep")), "{:?}", site.opened());
    }
}

#[test]
fn a_reader_of_weeks_that_begins_to_change_what_many_change_is_a_line() {
    let begins = at("2026-03-23T10:00:00Z");
    let mut site = readers(false);
    for n in 0..4 {
        let mut writer = Stream::new(&format!("writer-{n}"), 0.2).endpoint("/v1/items").steady();
        writer.method = Method::Put;
        site.streams.push(writer);
    }
    site.streams.push(Stream::new("poller", 2.0).steady());
    let mut first = Stream::new("poller", 0.4).endpoint("/v1/items").steady();
    (first.method, first.errors) = (Method::Put, (0.0, 500));
    site.streams.push(first.between(begins, begins + Span::from_hours(3)));
    site.run_until(begins + Span::from_hours(5));
    site.finish();
    assert!(site.opened().iter().all(|o| !o.starts_with("scope-creep")), "{:?}", site.opened());
    let lines = site.engine.kept().filter(|line| line.incident.detector == "scope-creep");
    assert_eq!(lines.map(|line| line.incident.subject.name).collect::<Vec<_>>(), ["poller"]);
}
