//! Leaks and what looks like them, on synthetic traffic in virtual time.

use super::*;
use crate::event::Hasher;
use crate::measure::novelty::Seen;

const START: Timestamp = Timestamp::from_secs(1_772_409_600); // 2026-03-02 00:00 UTC, a Monday

/// A key's requests in time order, judged at each request of a newcomer, as the engine does.
struct Story {
    novelty: Novelty,
    peers: Peers,
    watched_from: Timestamp,
    usual_day: f64,
    recent: std::collections::VecDeque<Timestamp>,
    told: Vec<(Timestamp, Finding)>,
}

impl Story {
    /// A key with this usual volume, first seen at the start.
    fn of(usual_day: f64) -> Self {
        Story {
            novelty: Novelty::new(START, 0),
            peers: Peers::default(),
            watched_from: START,
            usual_day,
            recent: std::collections::VecDeque::new(),
            told: Vec::new(),
        }
    }

    fn context(&self, now: Timestamp) -> Context<'_> {
        let since = |span| self.recent.iter().filter(|&&at| now - at <= span).count() as f64;
        Context {
            now,
            watched_from: self.watched_from,
            requests_hour: since(Span::HOUR),
            usual_hour: self.usual_day / 24.0,
            requests_day: since(Span::DAY),
            usual_day: self.usual_day,
            peers: &self.peers,
        }
    }

    /// A request `at` hours after the start.
    fn request(&mut self, at: f64, network: &str, agent: &str, status: u16) {
        let time = START + Span::from_secs_f64(at * 3600.0);
        let id = |text: &str| Hasher::new(4).id(text.as_bytes());
        let (network_id, client) = (id(network), id(&format!("{network}.7")));
        let day = (time - START).days_f64() as i32;
        let seen =
            Seen { time, network: network_id, client, agent: id(agent), endpoint: id("/v1/orders"), status, day };
        self.recent.push_back(time);
        while self.recent.front().is_some_and(|&first| time - first > Span::DAY) {
            self.recent.pop_front();
        }
        if self.novelty.absorb(&seen)
            && let Some(finding) = judge(&self.novelty, &self.context(time), &Settings::default())
        {
            if finding.severity == Severity::Critical {
                self.novelty.hold();
            }
            self.told.push((time, finding));
        }
    }

    /// Old users at an even pace: `per_hour` requests from each of the networks in turn.
    fn usual(&mut self, hours: std::ops::Range<i32>, per_hour: i32, networks: &[&str]) {
        for n in hours.start * per_hour..hours.end * per_hour {
            let network = networks[n as usize % networks.len()];
            self.request(f64::from(n) / f64::from(per_hour), network, "okhttp", 200);
        }
    }

    fn pages(&self) -> impl Iterator<Item = &(Timestamp, Finding)> {
        self.told.iter().filter(|(_, finding)| finding.severity == Severity::Critical)
    }
}

fn hours(h: f64) -> Timestamp {
    START + Span::from_secs_f64(h * 3600.0)
}

const OFFICE: [&str; 2] = ["203.0.113", "198.51.100"];

#[test]
fn thirty_seven_new_addresses_are_told_within_minutes() {
    let mut story = Story::of(480.0);
    story.usual(0..14 * 24, 20, &OFFICE);
    assert!(story.told.is_empty());
    let from = 14.0 * 24.0 + 2.0;
    story.usual(14 * 24..14 * 24 + 2, 20, &OFFICE);
    for n in 0..400 {
        let at = from + f64::from(n) / 400.0;
        if n % 20 == 0 {
            story.request(at, OFFICE[0], "okhttp", 200);
        }
        story.request(at, &format!("45.83.{}", n % 37), "python-requests", if n % 50 == 1 { 404 } else { 200 });
    }
    let (time, finding) = story.pages().next().unwrap();
    assert!(*time - hours(from) <= Span::from_mins(5), "told at {time}");
    assert_eq!(finding.started_at, hours(from));
    assert_eq!(finding.facts["concurrent"], Fact::Flag(true));
    assert_eq!(finding.facts["known_networks"], Fact::Count(2));
    let last = finding_at(&story, hours(from + 1.0));
    assert_eq!(last.facts["new_addresses"], Fact::Count(37));
    assert_eq!(last.facts["new_agents"], Fact::Count(1));
    assert_eq!((last.impact.requests, last.impact.errors), (400, 8));
    assert_eq!(last.parts.clients.len(), 10);
    assert!((6.0..8.0).contains(&last.observed) && (0.3..0.4).contains(&last.expected), "{last:?}");
    assert_eq!(last.parts.agents[0].1, 1.0);
}

fn finding_at(story: &Story, now: Timestamp) -> Finding {
    finding(&story.novelty, &story.context(now))
}

#[test]
fn six_addresses_once_a_minute_are_told_within_half_an_hour() {
    let mut story = Story::of(480.0);
    story.usual(0..14 * 24, 20, &OFFICE);
    for n in 0..60 {
        let at = 14.0 * 24.0 + f64::from(n) / 60.0;
        story.request(at, OFFICE[n as usize % 2], "okhttp", 200);
        story.request(at, &format!("45.83.{}", n % 6), "okhttp", 200);
    }
    let (time, _) = story.pages().next().unwrap();
    assert!(*time - hours(14.0 * 24.0) <= Span::from_mins(25), "told at {time}");
}

#[test]
fn millions_of_calls_are_told_at_the_first_judgement_and_cost_little_memory() {
    let mut story = Story::of(480.0);
    story.usual(0..14 * 24, 20, &OFFICE);
    let from = 14.0 * 24.0;
    for n in 0..20_000 {
        story.request(from + f64::from(n) / 32_000.0, &format!("{}.{}", n % 2000, n % 7), "curl", 200);
        if n % 500 == 0 {
            story.request(from + f64::from(n) / 32_000.0, OFFICE[0], "okhttp", 200);
        }
        // Counting the last hours request by request is the test's affair.
        while story.recent.len() > 1500 {
            story.recent.pop_front();
        }
    }
    let (time, _) = story.pages().next().unwrap();
    assert!(*time - hours(from) <= Span::from_secs(10), "told at {time}");
    let last = finding_at(&story, hours(from + 0.63));
    let Fact::Count(networks) = last.facts["new_networks"] else { panic!() };
    assert!((10_000..20_000).contains(&networks), "{networks} for 14,000");
    assert_eq!(last.impact.requests, 20_000);
    let bytes = postcard::to_allocvec(&story.novelty).unwrap();
    assert!(bytes.len() < 6_000, "{} bytes", bytes.len());
}

#[test]
fn an_office_that_moves_and_a_laptop_are_no_leaks() {
    let mut moving = Story::of(480.0);
    moving.usual(0..14 * 24, 20, &OFFICE[..1]);
    moving.usual(14 * 24..18 * 24, 20, &["192.0.2"]);
    assert_eq!(moving.pages().count(), 0);

    let mut laptop = Story::of(480.0);
    laptop.usual(0..14 * 24, 20, &OFFICE);
    for n in 0..60 {
        laptop.request(14.0 * 24.0 + f64::from(n) / 30.0, "192.0.2", "PostmanRuntime", 200);
        laptop.request(14.0 * 24.0 + f64::from(n) / 30.0, OFFICE[0], "okhttp", 200);
    }
    assert!(laptop.told.is_empty());

    // One busy address with another agent, while the old users go on, is another matter.
    let mut thief = Story::of(480.0);
    thief.usual(0..14 * 24, 20, &OFFICE[..1]);
    for n in 0..300 {
        thief.request(14.0 * 24.0 + f64::from(n) / 300.0, "192.0.2", "python-requests", 200);
        if n % 15 == 0 {
            thief.request(14.0 * 24.0 + f64::from(n) / 300.0, OFFICE[0], "okhttp", 200);
        }
    }
    let (time, _) = thief.pages().next().unwrap();
    assert!(*time - hours(14.0 * 24.0) <= Span::from_mins(30), "told at {time}");
}

#[test]
fn a_migration_is_a_line_in_the_digest_until_the_old_users_come_back() {
    let mut story = Story::of(480.0);
    story.usual(0..14 * 24, 20, &OFFICE);
    for n in 0..400 {
        let cloud = format!("10.0.{}", n % 3);
        story.request(14.0 * 24.0 + f64::from(n) / 50.0, &cloud, "Go-http-client", 200);
    }
    let (_, finding) = &story.told[0];
    assert_eq!((finding.severity, &finding.facts["moved"]), (Severity::Info, &Fact::Flag(true)));
    assert_eq!(story.pages().count(), 0);
    for n in 0..100 {
        story.request(14.0 * 24.0 + 8.0 + f64::from(n) / 20.0, OFFICE[0], "okhttp", 200);
        story.request(14.0 * 24.0 + 8.0 + f64::from(n) / 20.0, "10.0.1", "Go-http-client", 200);
    }
    assert!(story.pages().count() > 0, "both at a time are no move");
}

#[test]
fn a_customer_that_scales_by_itself_and_an_app_of_the_public_are_silent() {
    let mut scaling = Story::of(2400.0);
    let mut random = 7u64;
    for n in 0..28 * 2400 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let day = n / 2400;
        // Four to nine machines a day, from a cloud's many networks.
        let machines = 4 + (day * 5) % 6;
        let network = format!("10.{day}.{}", (random >> 40) % machines as u64);
        scaling.request(f64::from(n) / 100.0, &network, "Go-http-client", 200);
    }
    let late = scaling.pages().filter(|(time, _)| *time > hours(7.0 * 24.0)).count();
    assert_eq!(late, 0);

    let mut public = Story::of(2400.0);
    for n in 0..10 * 2400 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        public.request(f64::from(n) / 100.0, &format!("{}", (random >> 40) % 9000), "okhttp", 200);
    }
    assert!(public.told.is_empty());
    assert!(public.novelty.is_public());
    assert!((1000..3500).contains(&public.novelty.networks_today()), "{}", public.novelty.networks_today());
}

#[test]
fn a_new_agent_on_the_old_networks_is_silent() {
    let mut story = Story::of(480.0);
    story.usual(0..14 * 24, 20, &OFFICE);
    for n in 0..2000 {
        story.request(14.0 * 24.0 + f64::from(n) / 20.0, OFFICE[n as usize % 2], "okhttp5", 200);
    }
    assert!(story.told.is_empty());
}

#[test]
fn on_its_first_day_a_key_is_compared_with_its_peers() {
    let first_day = |peers: &Peers, networks: u32| {
        let mut story = Story::of(0.0);
        story.peers = peers.clone();
        story.watched_from = START - Span::from_days(20);
        for n in 0..2000 {
            story.request(f64::from(n) / 1000.0, &format!("net {}", n % networks), "okhttp", 200);
        }
        story.pages().count()
    };
    let mut peers = Peers::default();
    for _ in 0..20 {
        for n in 0..100u32 {
            peers.enter(Kind::Key, Peak::Networks, f64::from(1 + n % 8));
        }
        peers.end_day();
    }
    assert_eq!(first_day(&peers, 6), 0);
    assert!(first_day(&peers, 300) > 0);
    for _ in 0..20 {
        peers.enter(Kind::Key, Peak::Networks, 400.0);
        peers.end_day();
    }
    assert_eq!(first_day(&peers, 300), 0, "where another key is public too it is no news");
}

#[test]
fn newcomers_stay_new_while_held_and_are_forgotten_or_accepted_after() {
    let attack = |accepted| {
        let mut story = Story::of(480.0);
        story.usual(0..14 * 24, 20, &OFFICE);
        for n in 0..72 * 60 {
            story.request(14.0 * 24.0 + f64::from(n) / 60.0, &format!("45.83.{}", n % 10), "curl", 200);
            if n % 3 == 0 {
                story.request(14.0 * 24.0 + f64::from(n) / 60.0, OFFICE[0], "okhttp", 200);
            }
        }
        let end = hours(17.0 * 24.0);
        assert_eq!(story.novelty.newcomers(START).networks, 10, "three days do not make them old");
        assert!(story.novelty.known_networks() <= 2);
        let last = finding_at(&story, end);
        assert_eq!((last.started_at, last.impact.requests), (hours(14.0 * 24.0), 72 * 60));
        assert!((last.observed - 4.0 / 3.0).abs() < 0.05, "{}", last.observed);
        let rate = story.novelty.rates().0.per_day(17.0);
        assert!(rate < 1.5, "an incident teaches little: {rate}");
        assert!(still(&story.novelty, end + Span::from_hours(5), &Settings::default()));
        assert!(!still(&story.novelty, end + Span::from_hours(7), &Settings::default()));
        story.novelty.release(accepted);
        let before = story.told.len();
        for n in 0..60 {
            story.request(17.0 * 24.0 + f64::from(n) / 60.0, &format!("45.83.{}", n % 10), "curl", 200);
        }
        story.told.len() > before
    };
    assert!(attack(false), "strangers that come back are strangers");
    assert!(!attack(true));
}

#[test]
fn a_rotated_key_is_the_end_of_it() {
    let mut story = Story::of(480.0);
    story.usual(0..14 * 24, 20, &OFFICE);
    let burst = |story: &mut Story, from: f64, status: u16| {
        for n in 0..300 {
            story.request(from + f64::from(n) / 600.0, &format!("45.83.{}", n % 20), "curl", status);
            if n % 30 == 0 {
                story.request(from + f64::from(n) / 600.0, OFFICE[0], "okhttp", status);
            }
        }
    };
    burst(&mut story, 14.0 * 24.0, 200);
    assert!(story.pages().count() > 0);
    assert!(still(&story.novelty, hours(14.0 * 24.0 + 0.5), &Settings::default()));
    burst(&mut story, 14.0 * 24.0 + 0.5, 401);
    assert!(!still(&story.novelty, hours(14.0 * 24.0 + 1.0), &Settings::default()));
    let last = finding_at(&story, hours(14.0 * 24.0 + 1.0));
    assert_eq!(last.facts["rotated"], Fact::Flag(true));
    let Fact::Share(rejected) = last.facts["rejected_share"] else { panic!() };
    assert!((0.45..0.55).contains(&rejected), "{rejected}");
}

#[test]
fn saved_and_read_back_it_judges_the_same() {
    let mut story = Story::of(480.0);
    story.usual(0..10 * 24, 20, &OFFICE);
    let bytes = postcard::to_allocvec(&story.novelty).unwrap();
    let mut again = Story::of(480.0);
    again.novelty = postcard::from_bytes(&bytes).unwrap();
    again.recent = story.recent.clone();
    for each in [&mut story, &mut again] {
        for n in 0..100 {
            each.request(240.0 + f64::from(n) / 100.0, &format!("45.83.{}", n % 9), "curl", 200);
        }
    }
    assert!(!story.told.is_empty());
    assert_eq!(story.told, again.told);
}

#[test]
fn rates_and_windows_are_those_of_the_design() {
    // A key of 30 days with hardly a newcomer: five networks at once are beyond doubt, one is not.
    let mut story = Story::of(480.0);
    story.usual(0..30 * 24, 20, &OFFICE);
    let rate = story.novelty.rates().0.per_day(30.0);
    assert!((0.02..0.06).contains(&rate), "{rate}");
    let usual = 1.5 * 4.0 * rate / 24.0;
    let spread = story.novelty.rates().0.spread(30.0);
    assert!(nb_tail_bits(1.0, usual, spread) < 10.0);
    assert!(nb_tail_bits(5.0, usual, spread) > 20.0);
}
