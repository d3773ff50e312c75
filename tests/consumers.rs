//! Consumers and money as users meet them: who owns a key stands in the alert, what a consumer was never meant to do is
//! told, and every notice says what the incident costs.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Replays a log under a configuration; the notices.
fn replay(config: &str, files: &[(&str, &str)]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("lapwing.toml", &format!("state_dir = \"state\"\n{config}"));
    for (name, text) in files {
        write(name, text);
    }
    let told = lapwing(folder.path(), &["replay", "access.log", "--config", "lapwing.toml", "--json"]);
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lapwing(folder: &Path, arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("TZ", "UTC")
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

/// One line; minutes count from Friday, 2026-03-06 00:00.
fn line(minute: u32, second: u32, client: &str, key: &str, request: &str, status: u16) -> String {
    let (day, hour, minute) = (6 + minute / 1440, minute / 60 % 24, minute % 60);
    format!(
        "{client} - {key} [{day:02}/Mar/2026:{hour:02}:{minute:02}:{second:02} +0000] \"{request} HTTP/1.1\" {status} 80 \"-\" \"okhttp/4.12.0\"\n"
    )
}

fn opened<'a>(told: &'a [Value], rule: &str) -> Vec<&'a Value> {
    told.iter().filter(|n| n["rule"] == rule && n["type"] == "opened").collect()
}

const SOURCE: &str = "[source.api]\npath = \"access.log\"\nenvironment = \"production\"\n";

#[test]
fn what_a_consumer_was_never_meant_to_do_is_told_with_its_owner() {
    let file = "name,keys,tier,owner,contact,environment,networks,methods,quiet_hours\n\
                acme,acme,gold,payments team,pay@example.com,production,198.51.100.0/24,GET,\n\
                acme-staging,acme-stg,,platform team,#platform,staging,,,\n\
                nightly,nightly,,data team,,production,,,08:00-20:00\n\
                quiet,quiet,,,,prod,203.0.113.0/24,GET POST,22:00-06:00\n";
    let mut log = String::new();
    for minute in 0..600 {
        // Nothing is odd about these two.
        log += &line(minute, 1, "198.51.100.7", "acme", "GET /v1/orders", 200);
        if minute > 400 {
            log += &line(minute, 2, "203.0.113.5", "quiet", "POST /v1/orders", 200);
        }
        if (500..520).contains(&minute) {
            log += &line(minute, 3, "203.0.113.66", "acme", "GET /v1/orders", 200);
            log += &line(minute, 4, "203.0.113.9", "nightly", "GET /v1/exports", 200);
        }
        // Refused: nothing was done from elsewhere or otherwise.
        log += &line(minute, 5, "203.0.113.77", "quiet", "DELETE /v1/orders", 403);
    }
    log += &line(601, 0, "198.51.100.7", "acme", "DELETE /v1/orders", 204);
    log += &line(602, 0, "192.0.2.4", "acme-stg", "GET /v1/orders", 200);
    log += &line(640, 0, "198.51.100.7", "acme", "GET /v1/orders", 200);
    let told = replay(&format!("consumers_file = \"who.csv\"\n{SOURCE}"), &[("access.log", &log), ("who.csv", file)]);

    let foreign = opened(&told, "wrong-environment");
    assert_eq!(foreign.len(), 1, "{told:?}");
    assert_eq!(foreign[0]["title"], "Key acme-staging is a key for staging and is used on source api");
    assert_eq!(foreign[0]["consumer"]["owner"], "platform team");
    assert!(
        foreign[0]["actions"][0].as_str().unwrap().contains("the owner of key acme-staging (platform team, #platform)")
    );
    assert_eq!(foreign[0]["detected_at"], "2026-03-06T10:02:00Z", "told by its first line");

    let elsewhere = opened(&told, "unexpected-network");
    assert_eq!(elsewhere.len(), 1, "{told:?}");
    assert_eq!((&elsewhere[0]["subject"]["name"], &elsewhere[0]["severity"]), (&"acme".into(), &"critical".into()));
    assert!(elsewhere[0]["summary"].as_str().unwrap().contains("203.0.113.66"), "{}", elsewhere[0]);
    assert_eq!(elsewhere[0]["consumer"]["contact"], "pay@example.com");

    let otherwise = opened(&told, "unexpected-method");
    assert_eq!(otherwise.len(), 1);
    assert_eq!(otherwise[0]["detected_at"], "2026-03-06T10:01:00Z");

    let early = opened(&told, "quiet-hours");
    assert_eq!(early.len(), 1);
    assert_eq!(early[0]["subject"]["name"], "nightly");
    let own = ["wrong-environment", "unexpected-network", "unexpected-method", "quiet-hours"];
    let quiet = |n: &&Value| n["subject"]["name"] == "quiet" && own.iter().any(|rule| n["rule"] == *rule);
    assert_eq!(told.iter().find(quiet), None);
}

#[test]
fn a_key_made_for_tests_is_noticed_in_production_and_nothing_is_where_nobody_asks() {
    let mut log = String::new();
    for minute in 0..30 {
        log += &line(minute, 1, "203.0.113.9", "-", "GET /v1/a?api_key=sk_test_4eC39HqLyjWDarjtT1zd9f3a", 200);
    }
    let told = replay(SOURCE, &[("access.log", &log)]);
    let foreign = opened(&told, "wrong-environment");
    assert_eq!(foreign.len(), 1, "{told:?}");
    assert!(foreign[0]["title"].as_str().unwrap().contains("is a key for tests and is used on source api"));
    assert!(!format!("{told:?}").contains("4eC39HqLyjWDar"), "the key itself is never shown");
    for quiet in
        ["[source.api]\npath = \"access.log\"\n", "[source.api]\npath = \"access.log\"\nenvironment = \"staging\"\n"]
    {
        assert!(opened(&replay(quiet, &[("access.log", &log)]), "wrong-environment").is_empty());
    }
    let off = format!("{SOURCE}[rule.wrong-environment]\nenabled = false\n");
    assert!(opened(&replay(&off, &[("access.log", &log)]), "wrong-environment").is_empty());
}

#[test]
fn rules_ask_for_the_facts_of_consumers() {
    let config = "[source.api]\npath = \"access.log\"\n[consumers.acme]\nkeys = \"acme\"\nenvironment = \"production\"\n\
        contact = \"pay@example.com\"\nnetworks = \"198.51.100.0/24\"\n\
        [rule.mine]\nwhen = 'environment == \"Production\" and contact endswith \"@example.com\" and unexpected_network'\n\
        per = \"key\"\nover = \"1m\"\nevent_count = { gte = 2 }\n";
    let log: String = (0..9).map(|n| line(n / 6, n % 6 * 10, "203.0.113.9", "acme", "GET /v1/a", 200)).collect();
    assert_eq!(opened(&replay(config, &[("access.log", &log)]), "mine").len(), 1);
}

/// A JSON line of a call to a model.
fn call(second: u32, key: &str, client: &str, path: &str, tokens: u32) -> String {
    let (day, hour, minute) = (6 + second / 86_400, second / 3600 % 24, second / 60 % 60);
    format!(
        "{{\"time\":\"2026-03-{day:02}T{hour:02}:{minute:02}:{:02}Z\",\"client_ip\":\"{client}\",\"user\":\"{key}\",\"method\":\"POST\",\"path\":\"{path}\",\"status\":200,\"model\":\"gpt-4o-2026\",\"tokens_in\":{tokens},\"tokens_out\":100}}\n",
        second % 60
    )
}

#[test]
fn every_notice_says_what_it_cost_what_it_costs_an_hour_and_what_by_monday() {
    let config = "[source.api]\npath = \"access.log\"\n\
        [cost.models.\"gpt-4o*\"]\nper_1k_tokens_in = 0.005\nper_1k_tokens_out = 0.01\n[rule.spend]\nwhen = 'cost > 0'\nper = \"key\"\n\
        over = \"10m\"\nvalue_sum = { field = \"cost\", gte = 5 }\n";
    let mut log = String::new();
    // Friday from noon on: a call every ten seconds at (5,800 · 0.005 + 100 · 0.01) / 1,000 = 0.03; then a hundred times dearer.
    for n in 0..360 {
        log += &call(43_200 + n * 10, "acme", "203.0.113.9", &format!("/v1/chat/{n}"), 5_800);
    }
    for n in 360..1080 {
        log += &call(43_200 + n * 10, "acme", "203.0.113.9", &format!("/v1/chat/{n}"), 599_800);
    }
    for n in 0..360 {
        log += &call(54_000 + n * 10, "acme", "203.0.113.9", &format!("/v1/chat/{n}"), 5_800);
    }
    let told = replay(config, &[("access.log", &log)]);
    let spend: Vec<_> = told.iter().filter(|n| n["rule"] == "spend").collect();
    let first = spend[0];
    assert_eq!(first["type"], "opened");
    let money = &first["money"];
    assert!((5.0..9.0).contains(&money["so_far"].as_f64().unwrap()), "{first}");
    assert_eq!(money["projected_at"], "2026-03-09T09:00:00Z", "nobody is at work before Monday");
    let (so_far, per_hour) = (money["so_far"].as_f64().unwrap(), money["per_hour"].as_f64().unwrap());
    assert!(money["projected"].as_f64().unwrap() > so_far + 60.0 * per_hour, "{money}");
    assert!(first["summary"].as_str().unwrap().contains("an hour now; if nobody acts it comes to $"), "{first}");
    assert!(first["summary"].as_str().unwrap().contains("by Monday 09:00 UTC"), "{first}");
    let later = spend.iter().rev().find(|n| n["type"] == "updated").unwrap();
    let per_hour = later["money"]["per_hour"].as_f64().unwrap();
    assert!((700.0..1100.0).contains(&per_hour), "3 every ten seconds are 1,080 an hour: {later}");
    let last = spend.iter().find(|n| n["type"] == "resolved").unwrap();
    let total = last["money"]["so_far"].as_f64().unwrap();
    assert!((2100.0..2200.0).contains(&total), "720 calls at 3: {last}");
    assert!(
        last["money"]["per_hour"].is_null() && last["summary"].as_str().unwrap().contains("at a cost of $2,1"),
        "{last}"
    );
}

#[test]
fn detectors_that_know_no_prices_say_what_their_subject_spent() {
    let config = "[source.api]\npath = \"access.log\"\n[cost.\"/v1/*\"]\nper_request = 0.02\n";
    let mut log = String::new();
    // Three days of one call a minute by ten keys, then one of them calls fifty times a minute for half an hour.
    for minute in 0..4 * 1440u32 {
        for key in 0..10 {
            log += &line(
                minute,
                key,
                &format!("203.0.113.{key}"),
                &format!("k{key}"),
                &format!("GET /v1/orders/{minute}"),
                200,
            );
        }
        if (5000..5030).contains(&minute) {
            for n in 0..50 {
                log += &line(
                    minute,
                    10 + n % 50,
                    "203.0.113.3",
                    "k3",
                    &format!("GET /v1/orders/{}", minute * 50 + n),
                    200,
                );
            }
        }
    }
    let told = replay(config, &[("access.log", &log)]);
    let of_key: Vec<_> = told.iter().filter(|n| n["subject"]["name"] == "k3").collect();
    let first = of_key.first().unwrap_or_else(|| panic!("{told:?}"));
    let per_hour = first["money"]["per_hour"].as_f64().unwrap();
    assert!((40.0..100.0).contains(&per_hour), "51 calls a minute at 0.02: {first}");
    let last = of_key.iter().find(|n| n["type"] == "resolved").unwrap();
    let total = last["money"]["so_far"].as_f64().unwrap();
    assert!((28.0..60.0).contains(&total), "1,500 calls and a few: {last}");
    // Two cents a call are cents in all, and what is reckoned is no finer than it is known.
    for notice in &of_key {
        let cents = |n: &serde_json::Value| n.to_string().split('.').nth(1).map_or(0, str::len);
        assert!(cents(&notice["impact"]["cost"]) <= 2 && cents(&notice["money"]["so_far"]) <= 2, "{notice}");
        assert!(cents(&notice["observed"]) <= 8 && cents(&notice["expected"]) <= 8, "{notice}");
        assert!(notice["money"]["per_hour"].to_string().len() <= 7, "{notice}");
        assert!(notice["money"]["projected"].to_string().len() <= 7, "{notice}");
    }
}

#[test]
fn prices_of_models_that_are_wrong_are_shown_at_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = "[cost.models.\"gpt 4\"]\nper_1k_tokens_in = 1\n[cost.models.good]\nper_1k_token_in = 1\n";
    std::fs::write(folder.path().join("lapwing.toml"), wrong).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["check", "--config", "lapwing.toml"])
        .current_dir(folder.path())
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let mut said = String::new();
    write!(said, "{}", String::from_utf8_lossy(&done.stdout)).unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(said.contains("lapwing.toml:1:14") && said.contains("expected a model"), "{said}");
    assert!(said.contains("lapwing.toml:4:1") && said.contains("did you mean \"per_1k_tokens_in\"?"), "{said}");
}

#[test]
fn a_few_calls_more_of_a_key_that_does_not_belong_here_are_no_worse() {
    let mut log = String::new();
    for minute in 0..600 {
        log += &line(minute, 1, "198.51.100.7", "acme", "GET /v1/orders", 200);
        if (300..400).contains(&minute) && minute % 12 == 0 {
            log += &line(minute, 2, "192.0.2.4", "acme-stg", "GET /v1/orders", 200);
        }
    }
    let config = format!("{SOURCE}[consumers.acme-staging]\nkeys = \"acme-stg\"\nenvironment = \"staging\"\n");
    let told = replay(&config, &[("access.log", &log)]);
    let of: Vec<_> = told.iter().filter(|n| n["rule"] == "wrong-environment").collect();
    assert_eq!(of.iter().filter(|n| n["title"].as_str().unwrap().starts_with("Worse")).count(), 0, "{of:#?}");
    // The ninth and last came at 06:36.
    assert_eq!(of.last().unwrap()["ended_at"], "2026-03-06T06:36:02Z");
}

#[test]
fn a_budget_that_is_used_up_does_not_run_out_any_more() {
    let log: String = (0..300).map(|minute| line(minute, 0, "198.51.100.7", "acme", "GET /v1/orders", 200)).collect();
    let config = "[source.api]\npath = \"access.log\"\n[rule.quota]\ndetector = \"budget\"\nper = \"key\"\nperiod = \"1d\"\n\
                  limit = { requests = 200 }\n";
    let told = replay(config, &[("access.log", &log)]);
    let says = |n: &Value| n["summary"].as_str().unwrap().contains("runs out");
    let steps: Vec<_> = told.iter().filter(|n| n["rule"] == "quota" && n["type"] != "resolved").map(says).collect();
    assert_eq!(steps, [true, true, false], "{told:#?}");
}
