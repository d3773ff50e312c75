//! Stories of what was done about an incident, on a virtual clock: whether it works is told, in the incident's own thread.

#[allow(unreachable_pub, dead_code)]
mod scenario;

use std::sync::OnceLock;

use lapwing::engine::Engine;
use lapwing::incident::{Again, Change, ChangeKind};
use lapwing::notice::{Notice, Renderer, Settings};
use lapwing::time::{Span, Timestamp};
use scenario::{Site, Stream, Things, at};

const START: &str = "2026-03-12T10:00:00Z";

/// Ten ordinary days of forty consumers, lived through once, then what the story adds.
fn ordinary(seed: u64) -> Site {
    static LIVED: OnceLock<Vec<u8>> = OnceLock::new();
    let saved = LIVED.get_or_init(|| {
        let mut site = Site::new(1, "2026-03-02T00:00:00Z");
        site.consumers(40, 60.0);
        site.run_until(at(START));
        assert_eq!(site.opened(), Vec::<String>::new(), "ten ordinary days");
        site.engine.save()
    });
    let mut site = Site::new(seed, START);
    site.consumers(40, 60.0);
    site.engine = Engine::load(Site::settings(), saved).expect("what was saved");
    site
}

fn after(minutes: i64) -> Timestamp {
    at(START) + Span::from_mins(minutes)
}

fn notice(change: &Change) -> Notice {
    let settings = Settings { zone: lapwing::time::Zone::UTC, ..Settings::default() };
    Renderer::new(&settings).expect("the templates").compose(change)
}

/// Changes but lines of summaries.
fn told(site: &Site) -> Vec<&Change> {
    site.changes.iter().filter(|c| !matches!(c.kind, ChangeKind::Kept(_))).collect()
}

fn kinds(site: &Site) -> Vec<ChangeKind> {
    told(site).iter().map(|change| change.kind).collect()
}

fn the_end(site: &Site) -> Notice {
    let ends: Vec<_> = site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(_))).collect();
    assert_eq!(ends.len(), 1, "{:?}", kinds(site));
    notice(ends[0])
}

/// All lines of a key are answered with a status from now on.
fn answer(site: &mut Site, key: &str, share: f64, status: u16) {
    for stream in site.streams.iter_mut().filter(|stream| stream.key == key) {
        stream.errors = (share, status);
    }
}

/// A key of the site used from forty new addresses.
fn leak(site: &mut Site, key: &str) {
    let mut thieves = Stream::new(key, 60.0).steady().between(after(0), Timestamp::MAX);
    thieves.clients = (0..40).map(|n| format!("45.{}.1.{}", 80 + n, n + 1)).collect();
    thieves.agents = vec!["python-requests".to_owned()];
    site.streams.push(thieves);
}

/// One address that nobody knows asks for far too much.
fn rush(site: &mut Site, rate: f64) {
    let mut rush = Stream::new("", rate).steady().between(after(0), Timestamp::MAX);
    rush.clients = vec!["203.0.113.9".to_owned()];
    rush.agents = vec!["curl".to_owned()];
    rush.things = Things::Of(20);
    site.streams.push(rush);
}

#[test]
fn a_leaked_key_that_was_rotated_is_told_once_while_it_knocks_and_its_end_says_so() {
    let mut site = ordinary(1);
    leak(&mut site, "consumer-005");
    site.run_until(after(20));
    assert_eq!(site.opened(), ["leaked-key key consumer-005"]);
    answer(&mut site, "consumer-005", 1.0, 401);
    site.run_until(after(26));
    let updates: Vec<&Change> = site.changes.iter().filter(|c| c.kind == ChangeKind::Updated(Again::Refused)).collect();
    assert_eq!(updates.len(), 1, "{:?}", kinds(&site));
    let begun = told(&site).iter().filter(|c| c.kind == ChangeKind::Updated(Again::Worse)).all(|c| c.at < after(20));
    assert!(begun, "what goes on before is told as ever");
    assert!(updates[0].at - after(20) <= Span::from_mins(4), "told after {}", updates[0].at - after(20));
    let update = notice(updates[0]);
    let opened = site.first("leaked-key").unwrap();
    assert_eq!(update.incident, opened.incident.id, "the same thread");
    let outcome = update.outcome.as_ref().expect("what became of it");
    assert_eq!((outcome.by.as_str(), outcome.statuses.as_slice()), ("refused", &["401".to_owned()][..]));
    assert!(outcome.since.is_some_and(|since| (since - after(20)).millis().abs() <= 60_000), "{outcome:?}");
    assert!(outcome.refused_per_minute.is_some_and(|n| n > 40.0), "{outcome:?}");
    assert!(
        update.title.starts_with("Key consumer-005 is refused with 401 and still knocks, about "),
        "{}",
        update.title
    );
    assert!(update.actions[1].contains("If nobody rotated or banned key consumer-005"), "{:?}", update.actions);
    // The thieves lose interest; the state is saved and taken up again in between.
    for stream in site.streams.iter_mut().filter(|stream| stream.key == "consumer-005") {
        stream.scale /= 3.0;
    }
    site.run_until(after(30));
    site.engine = Engine::load(Site::settings(), &site.engine.save()).expect("what was saved");
    site.run_until(after(60));
    let end = the_end(&site);
    assert_eq!(end.incident, update.incident);
    assert_eq!(end.outcome.as_ref().map(|o| o.by.as_str()), Some("refused"));
    assert!(end.summary.contains("so it seems to be rotated or banned. It still knocks, about "), "{}", end.summary);
    let ended = end.ended_at.unwrap();
    assert!(
        (ended - after(20)).millis().abs() <= 60_000,
        "it ended when it was refused, not when that was sure: {ended}"
    );
    // It knocks on for two days: nothing more is told, but a line in each summary.
    site.run_until(after(2 * 24 * 60));
    site.finish();
    let worse = ChangeKind::Updated(Again::Worse);
    let expected = [ChangeKind::Opened, worse, ChangeKind::Updated(Again::Refused), end_of(&site)];
    assert_eq!(kinds(&site), expected, "{:?}", told(&site).iter().map(|c| notice(c).title).collect::<Vec<_>>());
    let lines: Vec<Notice> =
        site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Kept(_))).map(notice).collect();
    assert!((1..=2).contains(&lines.len()), "{lines:?}");
    assert!(lines[0].title.contains("still knocks") && lines[0].incident == end.incident, "{lines:?}");
}

fn end_of(site: &Site) -> ChangeKind {
    told(site).iter().map(|change| change.kind).find(|kind| matches!(kind, ChangeKind::Resolved(_))).expect("an end")
}

#[test]
fn a_client_that_was_banned_ends_its_incident_though_it_knocks_on() {
    for status in [403, 429, 444] {
        let mut site = ordinary(2);
        rush(&mut site, 400.0);
        site.run_until(after(10));
        assert_eq!(site.opened(), ["burst client 203.0.113.9"]);
        answer(&mut site, "", 1.0, status);
        site.run_until(after(12 * 60));
        site.finish();
        assert_eq!(
            kinds(&site),
            [ChangeKind::Opened, ChangeKind::Updated(Again::Refused), end_of(&site)],
            "{status}: {:?}",
            told(&site).iter().map(|c| (c.at, notice(c).title)).collect::<Vec<_>>()
        );
        let end = the_end(&site);
        let title = "Client 203.0.113.9 is refused now and still knocks, about ";
        assert!(end.title.starts_with(title), "{status}: {}", end.title);
        assert!(end.summary.contains(&format!("nearly all it sends is refused with {status}")), "{}", end.summary);
        let ended = end.ended_at.unwrap();
        assert!(ended - after(10) <= Span::from_mins(6), "{status}: it ended with the ban, at {ended}");
    }
}

#[test]
fn a_key_that_is_refused_in_part_still_gets_through_and_that_is_told() {
    let mut site = ordinary(3);
    leak(&mut site, "consumer-005");
    site.run_until(after(20));
    // One of two gateways knows that the key was rotated.
    answer(&mut site, "consumer-005", 0.5, 401);
    site.run_until(after(49));
    let partly =
        |site: &Site| site.changes.iter().filter(|c| c.kind == ChangeKind::Updated(Again::PartlyRefused)).count();
    assert_eq!(partly(&site), 0, "a rotation takes its time");
    site.run_until(after(60));
    assert_eq!(partly(&site), 1, "{:?}", kinds(&site));
    let change = site.changes.iter().find(|c| c.kind == ChangeKind::Updated(Again::PartlyRefused)).unwrap();
    let update = notice(change);
    assert_eq!(update.incident, site.first("leaked-key").unwrap().incident.id);
    assert!(update.title.starts_with("Key consumer-005 still gets through 3"), "{}", update.title);
    assert!(update.outcome.is_some_and(|o| o.by == "partly-refused" && o.allowed_per_minute > Some(10.0)));
    site.run_until(after(85));
    answer(&mut site, "consumer-005", 1.0, 401);
    site.run_until(after(24 * 60));
    site.finish();
    assert!((1..=3).contains(&partly(&site)), "{:?}", kinds(&site));
    assert_eq!(the_end(&site).outcome.map(|o| o.by).as_deref(), Some("refused"));
    assert_eq!(site.opened(), ["leaked-key key consumer-005"]);
}

#[test]
fn what_simply_stopped_and_what_fell_back_are_told_apart() {
    let mut site = ordinary(4);
    rush(&mut site, 400.0);
    site.run_until(after(20));
    site.streams.pop();
    site.run_until(after(120));
    site.finish();
    let end = the_end(&site);
    assert_eq!(end.outcome.as_ref().map(|o| o.by.as_str()), Some("stopped"));
    assert!(end.summary.contains("It sends nothing any more: its last request came at 10:19 UTC."), "{}", end.summary);
    assert!(end.title.starts_with("Client 203.0.113.9 sends nothing any more, after "), "{}", end.title);

    let mut site = ordinary(5);
    let mut burst = Stream::new("consumer-002", 600.0).steady().between(after(0), after(20));
    burst.clients = site.streams[2].clients.clone();
    burst.agents = site.streams[2].agents.clone();
    site.streams.push(burst);
    site.run_until(after(120));
    site.finish();
    let end = the_end(&site);
    assert_eq!(end.outcome.as_ref().map(|o| o.by.as_str()), Some("usual"));
    assert!(
        end.summary.contains("It is back at about 1") && end.summary.contains(" a minute is usual"),
        "{}",
        end.summary
    );
}

#[test]
fn the_one_client_that_made_a_keys_burst_is_named_when_it_is_gone() {
    let mut site = ordinary(6);
    let mut burst = Stream::new("consumer-003", 900.0).steady().between(after(0), after(20));
    burst.clients = vec![site.streams[3].clients[0].clone()];
    burst.agents = site.streams[3].agents.clone();
    let gone = burst.clients[0].clone();
    site.streams[3].clients.remove(0);
    site.streams.push(burst);
    site.run_until(after(120));
    site.finish();
    let end = the_end(&site);
    assert_eq!(end.outcome.as_ref().map(|o| o.by.as_str()), Some("gone"), "{}", end.summary);
    assert!(end.summary.contains(&format!("Client {gone}, which made ")), "{}", end.summary);
    assert!(end.summary.contains("has not come since 10:19 UTC"), "{}", end.summary);
}

#[test]
fn an_endpoint_that_answers_again_says_what_was_counted_since() {
    let mut site = ordinary(7);
    for i in 0..12 {
        let stream = Stream::new(&format!("consumer-{i:03}"), 8.0).endpoint("/v1/reports").failing(0.01, 500);
        site.streams.push(stream);
    }
    site.run_until(at("2026-03-16T10:00:00Z"));
    let start = at("2026-03-16T10:00:00Z");
    for stream in site.streams.iter_mut().filter(|s| s.endpoints == ["/v1/reports"]) {
        stream.errors = (0.7, 502);
    }
    site.run_until(start + Span::from_mins(20));
    for stream in &mut site.streams {
        stream.errors = (0.0, 500);
    }
    site.run_until(start + Span::from_hours(2));
    site.finish();
    assert_eq!(site.opened(), ["error-spike endpoint /v1/reports"]);
    let end = the_end(&site);
    assert_eq!(end.outcome.as_ref().map(|o| o.by.as_str()), Some("answers"));
    assert!(end.summary.contains(" requests since 10:2") && end.summary.contains(" worked."), "{}", end.summary);
}

#[test]
fn being_refused_from_the_beginning_is_nobodys_answer_to_it() {
    // A key whose log-in breaks is told as before.
    let mut site = ordinary(8);
    answer(&mut site, "consumer-001", 1.0, 401);
    site.run_until(after(60));
    assert_eq!(site.opened(), ["error-spike key consumer-001"]);
    assert!(
        !kinds(&site).iter().any(|kind| matches!(kind, ChangeKind::Updated(Again::Refused | Again::PartlyRefused)))
    );
    // So is a client that is denied in part all along, until it stops.
    let mut site = ordinary(9);
    rush(&mut site, 400.0);
    answer(&mut site, "", 0.6, 403);
    site.run_until(after(90));
    site.streams.pop();
    site.run_until(after(180));
    site.finish();
    assert_eq!(site.opened(), ["enumeration client 203.0.113.9"]);
    assert!(
        !kinds(&site).iter().any(|kind| matches!(kind, ChangeKind::Updated(Again::Refused | Again::PartlyRefused)))
    );
    assert_eq!(the_end(&site).outcome.map(|o| o.by).as_deref(), Some("stopped"));
    // And a client that made a key's burst and was denied from its first request did not end it by that.
    for minutes in [20, 100] {
        let mut site = ordinary(10);
        let mut burst = Stream::new("consumer-003", 900.0).steady().between(after(0), Timestamp::MAX).failing(1.0, 403);
        burst.clients = vec!["203.0.113.9".to_owned()];
        burst.agents = site.streams[3].agents.clone();
        burst.things = Things::Of(3);
        site.streams.push(burst);
        site.run_until(after(minutes));
        site.streams.last_mut().unwrap().scale = 0.5;
        site.run_until(after(minutes + 120));
        site.finish();
        let ends: Vec<Notice> =
            site.changes.iter().filter(|c| matches!(c.kind, ChangeKind::Resolved(_))).map(notice).collect();
        assert!(!ends.is_empty(), "{:?}", told(&site).iter().map(|c| (c.at, notice(c).title)).collect::<Vec<_>>());
        for end in ends {
            assert!(!end.outcome.as_ref().is_some_and(|o| o.by.contains("refused")), "{minutes} min: {}", end.summary);
        }
    }
}

#[test]
fn a_client_that_is_banned_for_probing_does_not_get_worse_by_trying_on() {
    let mut site = ordinary(11);
    let mut probe = Stream::new("", 60.0).steady().between(after(0), Timestamp::MAX).failing(0.9, 404);
    probe.clients = vec!["203.0.113.9".to_owned()];
    probe.agents = vec!["curl".to_owned()];
    probe.things = Things::InSequence;
    site.streams.push(probe);
    site.run_until(after(30));
    assert_eq!(site.opened(), ["enumeration client 203.0.113.9"]);
    answer(&mut site, "", 1.0, 403);
    site.run_until(after(6 * 60));
    site.finish();
    assert_eq!(site.opened(), ["enumeration client 203.0.113.9"], "its end is no new beginning");
    let late: Vec<ChangeKind> = told(&site).iter().filter(|c| c.at > after(31)).map(|c| c.kind).collect();
    assert_eq!(
        late,
        [ChangeKind::Updated(Again::Refused), end_of(&site)],
        "{:?}",
        told(&site).iter().map(|c| (c.at, notice(c).title)).collect::<Vec<_>>()
    );
    assert_eq!(the_end(&site).outcome.map(|o| o.by).as_deref(), Some("refused"));
}

#[test]
fn the_copy_of_a_key_that_was_replaced_for_its_owner_is_no_second_leak() {
    // Of a key whose owner makes a tenth of the requests, and of one whose owner makes a third.
    for (key, thieves) in [("consumer-012", 60.0), ("consumer-006", 15.0)] {
        let mut site = ordinary(41);
        leak(&mut site, key);
        let copy = site.streams.len() - 1;
        site.streams[copy].scale = thieves;
        site.run_until(after(60));
        // The owner has another password: the same name goes on, and the copy is refused.
        site.streams[copy].errors = (1.0, 401);
        site.run_until(after(9 * 60));
        site.finish();
        assert_eq!(site.opened(), [format!("leaked-key key {key}")], "{thieves} a minute");
        let knocks = told(&site)
            .into_iter()
            .find(|c| matches!(c.kind, ChangeKind::Updated(Again::Refused | Again::PartlyRefused)));
        let knocks = notice(knocks.expect("that they knock"));
        assert!(knocks.parts.clients.iter().all(|client| client.name.starts_with("45.")), "{:?}", knocks.parts);
        let refused = site.changes.iter().position(|c| matches!(c.kind, ChangeKind::Updated(Again::Refused)));
        let later = refused.map_or(&[][..], |at| &site.changes[at..]);
        let reminders = later.iter().filter(|c| c.kind == ChangeKind::Updated(Again::Reminder)).count();
        assert_eq!(reminders, 0, "nobody is told that it goes on after it was told that it is refused");
    }
}

#[test]
fn the_end_says_when_the_last_of_it_came_and_nobody_is_reminded_of_what_has_stopped() {
    let mut site = ordinary(42);
    // A reader of long standing changes things for twelve minutes.
    let mut writes = site.streams[1].clone().between(after(0), after(12));
    writes.method = lapwing::event::Method::Delete;
    (writes.pace, writes.errors) = (Some(Span::from_secs(30)), (0.0, 500));
    site.streams.push(writes);
    site.run_until(after(4 * 60));
    site.finish();
    assert_eq!(site.opened(), ["scope-creep key consumer-001"]);
    assert!(!kinds(&site).contains(&ChangeKind::Updated(Again::Reminder)), "{:?}", kinds(&site));
    let ended = the_end(&site).ended_at.unwrap();
    assert!((ended - after(12)).millis().abs() <= 60_000, "{ended}");
}

#[test]
fn what_was_denied_while_somebody_probed_says_nothing_of_what_gets_through_later() {
    let mut site = ordinary(43);
    // A slow key goes through ids that are not its own, and does what it usually does afterwards.
    let mut probing =
        site.streams[30].clone().endpoint("/v1/invoices/{id}").failing(0.85, 403).between(after(0), after(45));
    (probing.things, probing.pace) = (Things::InSequence, Some(Span::from_secs(12)));
    site.streams.push(probing);
    site.run_until(after(4 * 60));
    site.finish();
    assert_eq!(site.opened().len(), 1, "{:?}", site.opened());
    let partly = told(&site).into_iter().filter(|c| c.kind == ChangeKind::Updated(Again::PartlyRefused)).count();
    assert_eq!(partly, 0, "{:?}", kinds(&site));
}
