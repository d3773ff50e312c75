//! The users' own rules as users meet them: the ten that ship with their tests, what `lapwing check` says of a test that
//! fails and of a condition that is wrong, and what a rule tells live, through a restart, and to whom.

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use lapwing::app::pipeline::{Pipeline, Secrets};
use lapwing::config::Config;
use lapwing::engine::Matter;
use lapwing::format::Registry;
use lapwing::incident::Change;
use lapwing::source::Skipped;
use support::tree;

/// Runs `lapwing check` on a configuration with some rule files beside it.
fn check(files: &[(&str, &str)]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let done = lapwing(folder.path(), &["check", "--config", "lapwing.toml"]);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

fn lapwing(folder: &Path, arguments: &[&str]) -> Output {
    let config = folder.join("lapwing.toml");
    if !config.exists() {
        std::fs::write(&config, "state_dir = \"state\"\n").unwrap();
    }
    Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("TZ", "UTC")
        .output()
        .unwrap()
}

fn sample() -> String {
    std::fs::read_to_string(tree::repository().join("examples/rules/team.toml")).unwrap()
}

#[test]
fn the_ten_rules_that_ship_pass_their_tests() {
    let text = sample();
    let table: toml::Table = text.parse().unwrap();
    let rules = table["rule"].as_table().unwrap();
    assert_eq!(rules.len(), 10);
    let tests: usize = rules.values().map(|rule| rule["test"].as_array().map_or(0, Vec::len)).sum();
    assert!(rules.values().all(|rule| rule.get("test").is_some()), "every one has a test");
    let (code, out, err) = check(&[("rules/team.toml", &text)]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains(&format!("tests of rules: {tests} passed")), "{err}");
}

#[test]
fn each_of_the_ten_would_fail_if_it_saw_nothing() {
    // With bounds that are never met, every test that expects a notice fails: none passes for want of looking.
    let text = sample();
    let table: toml::Table = text.parse().unwrap();
    let deaf = text.replace("gte = 40", "gte = 4000000").replace("gte = 20 }", "gte = 2000000 }");
    let deaf = deaf.replace("gt = \"2s\"", "gt = \"2000s\"").replace("gt = \"25%\"", "gt = \"100%\"");
    let deaf = deaf.replace("gte = 1 }", "gte = 1000000 }").replace("10 x fail", "900 x fail");
    let deaf = deaf.replace("[\"not validate\", \"confirm\"]", "[\"not validate\", \"900 x confirm\"]");
    let deaf = deaf
        .replace("lt = 1 }", "lt = 0 }")
        .replace("gte = 25 }", "gte = 2500000 }")
        .replace("5 x usual", "900 x usual");
    let (code, out, _) = check(&[("rules/team.toml", &deaf)]);
    assert_eq!(code, 2);
    for rule in table["rule"].as_table().unwrap().keys() {
        assert!(out.contains(&format!("of the rule \"{rule}\": expected a notice")), "{rule}:\n{out}");
    }
}

#[test]
fn a_test_that_fails_says_what_was_expected_and_what_was_told() {
    let rule = r#"
when = 'path == "/v1/pay" and status >= 500'
per = "key"
over = "5m"
event_count = { gte = 3 }

[[test]]
name = "three failures"
lines = [{ times = 3, line = '203.0.113.9 - acme [{time}] "POST /v1/pay HTTP/1.1" 503 20 "-" "okhttp/4"' }]
expect = [{ subject = "key globex" }]

[[test]]
name = "two failures"
lines = [{ times = 2, line = '203.0.113.9 - acme [{time}] "POST /v1/pay HTTP/1.1" 503 20 "-" "okhttp/4"' }]
expect = [{ subject = "key acme" }]

[[test]]
name = "silence"
lines = [{ times = 5, line = '203.0.113.9 - acme [{time}] "POST /v1/pay HTTP/1.1" 503 20 "-" "okhttp/4"' }]
expect = []

[[test]]
name = "no line of a log"
lines = ["what is this"]
expect = []
"#;
    let (code, out, err) = check(&[("rules/pay-fails.toml", rule)]);
    assert_eq!(code, 2, "{out}");
    assert!(
        out.contains(
            "test \"three failures\" of the rule \"pay-fails\": expected the subject \"key globex\", found \"key acme\""
        ),
        "{out}"
    );
    assert!(out.contains("rules/pay-fails.toml:10:11"), "points at the expectation: {out}");
    assert!(out.contains("expected a notice that is opened about key acme, but nothing was told"), "{out}");
    assert!(
        out.contains("expected silence, but told was \"Key acme: 3 requests within 5 min (rule pay-fails)\""),
        "{out}"
    );
    assert!(out.contains("1 of its 1 lines cannot be read"), "{out}");
    assert!(err.contains("4 errors"), "{err}");
}

#[test]
fn what_is_wrong_with_a_rule_is_shown_at_its_very_place() {
    let cases: [(&str, &str, &str); 12] = [
        ("when = 'statsu >= 500'\nover = \"5m\"\nevent_count = { gte = 3 }", "r.toml:1:9", "did you mean \"status\"?"),
        (
            "when = \"path == \\\"/a\\\" and durtion > 2s\"\nover = \"5m\"\nevent_count = { gte = 3 }",
            "r.toml:1:28",
            "did you mean \"duration\"?",
        ),
        (
            "when = '''\nstatus >= 500\n  and path = \"/a\"'''\nover = \"5m\"\nevent_count = { gte = 3 }",
            "r.toml:3:12",
            "equality is written ==",
        ),
        (
            "when = 'static'\nper = \"kye\"\nover = \"5m\"\nevent_count = { gte = 3 }",
            "r.toml:2:7",
            "did you mean \"key\"?",
        ),
        (
            "when = 'static'\nover = \"5m\"\nvalue_sum = { field = \"path\", gte = 3 }",
            "r.toml:3:23",
            "cannot be added up",
        ),
        (
            "when = 'static'\nover = \"5m\"\nevent_share = { of = 'status >= 500', gt = 0.05 }",
            "r.toml:3:44",
            "a share such as \"5%\"",
        ),
        (
            "when = 'static'\nover = \"5m\"\nevent_count = { gte = \"5 x usuall\" }",
            "r.toml:3:23",
            "did you mean \"usual\"?",
        ),
        (
            "when = 'static'\nover = \"5m\"\nevent_count = { gte = 3 }\ntitle = \"{whoo} did it\"",
            "r.toml:4:11",
            "did you mean \"who\"?",
        ),
        (
            "when = 'static'\nover = \"5m\"\nevent_count = { gte = 3 }\nroute = [\"ops\"]",
            "r.toml:4:10",
            "add a table [channel.ops]",
        ),
        (
            "when = 'static'\nover = \"5m\"\nevent_count = { gte = 3 }\nschedule = \"mon-fry\"",
            "r.toml:4:12",
            "did you mean \"fri\"?",
        ),
        (
            "events = { a = 'static' }\nover = \"5m\"\ntemporal_ordered = [\"not a\"]",
            "r.toml:3:20",
            "names nothing that must come",
        ),
        ("when = 'static'\nover = \"5m\"\nevent_cuont = { gte = 3 }", "r.toml:3:1", "did you mean \"event_count\"?"),
    ];
    for (rule, place, help) in cases {
        let (code, out, _) = check(&[("rules/r.toml", rule)]);
        assert_eq!(code, 2, "{rule}\n{out}");
        assert!(out.contains(place), "{rule}\nexpected {place}\n{out}");
        assert!(out.contains(help), "{rule}\nexpected {help}\n{out}");
        assert_eq!(out.matches("error:").count(), 1, "one slip is one error: {rule}\n{out}");
    }
    let (code, out, _) = check(&[("lapwing.toml", "state_dir = \"state\"\n[rule.brust]\nfloor = 5\n")]);
    assert!(code == 2 && out.contains("did you mean \"burst\"?"), "{out}");
}

/// A day of one request a minute by two keys, and skipped steps of one of them.
fn transfers() -> String {
    let mut log = String::new();
    for minute in 0..24 * 60 {
        let (hour, min) = (minute / 60, minute % 60);
        for key in ["fair", "sly"] {
            let line = |path: &str, second: u32| {
                format!(
                    "203.0.113.9 - {key} [02/Mar/2026:{hour:02}:{min:02}:{second:02} +0000] \"POST {path} HTTP/1.1\" 200 20 \"-\" \"okhttp/4.12.0\"\n"
                )
            };
            log.push_str(&line("/v1/orders", 1));
            if minute % 30 == 5 && minute > 700 {
                if key == "fair" {
                    log.push_str(&line("/validate-account", 2));
                }
                log.push_str(&line("/confirm-transfer", 3));
            }
        }
    }
    log
}

fn workflow() -> &'static str {
    "[rule.transfers]\ndetector = \"workflow\"\nover = \"2h\"\nsteps = [\"/validate-account\", \"/confirm-transfer\"]\n"
}

fn notices(folder: &Path) -> Vec<serde_json::Value> {
    let done = lapwing(folder, &["replay", "access.log", "--config", "lapwing.toml", "--json"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let all = String::from_utf8(done.stdout).unwrap();
    all.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn confirm_without_validate_is_told_with_the_third() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), transfers()).unwrap();
    std::fs::write(folder.path().join("lapwing.toml"), format!("state_dir = \"state\"\n{}", workflow())).unwrap();
    let told: Vec<_> = notices(folder.path()).into_iter().filter(|n| n["rule"] == "transfers").collect();
    let opened: Vec<_> = told.iter().filter(|n| n["type"] == "opened").collect();
    assert!(!opened.is_empty(), "{told:?}");
    assert_eq!(opened[0]["detector"], "workflow");
    assert_eq!(opened[0]["subject"]["name"], "sly");
    assert_eq!(opened[0]["started_at"], "2026-03-02T12:05:03Z");
    assert_eq!(opened[0]["detected_at"], "2026-03-02T13:05:10Z", "the third, once later lines are in");
    assert!(
        opened[0]["title"].as_str().unwrap().contains("skipped a step: /confirm-transfer without /validate-account")
    );
    assert!(told.iter().all(|n| n["subject"]["name"] == "sly"), "who validates is not told of: {told:?}");
}

#[test]
fn the_end_of_a_workflow_counts_every_skipped_step_and_says_when_the_last_was() {
    let folder = tempfile::tempdir().unwrap();
    // Five at noon, ten minutes apart: the third is told, two more come before it is over.
    let day = transfers();
    let kept =
        |line: &&str| !line.contains("/confirm-transfer") || line.contains(" fair ") || line.contains("2026:12:35");
    let mut lines: Vec<String> = day.lines().filter(kept).map(|line| format!("{line}\n")).collect();
    let skip = |minute: u32| {
        format!(
            "203.0.113.9 - sly [02/Mar/2026:12:{minute:02}:03 +0000] \"POST /confirm-transfer HTTP/1.1\" 200 20 \"-\" \"okhttp/4.12.0\"\n"
        )
    };
    lines.extend([5, 15, 25, 45].map(skip));
    lines.sort_by_key(|line| line.split('[').nth(1).map(|rest| rest[..20].to_owned()));
    std::fs::write(folder.path().join("access.log"), lines.concat()).unwrap();
    std::fs::write(folder.path().join("lapwing.toml"), format!("state_dir = \"state\"\n{}", workflow())).unwrap();
    let told: Vec<_> = notices(folder.path()).into_iter().filter(|n| n["rule"] == "transfers").collect();
    let end = told.iter().find(|n| n["type"] == "resolved").unwrap_or_else(|| panic!("{told:?}"));
    assert_eq!(end["ended_at"], "2026-03-02T12:45:03Z", "{end}");
    let summary = end["summary"].as_str().unwrap();
    assert!(summary.contains("from 12:05 to 12:45 UTC"), "{summary}");
    assert!(summary.contains("A step was skipped 5 times in all, and not since."), "{summary}");
}

#[test]
fn secrets_in_what_rules_group_by_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = String::new();
    for second in 0..30 {
        writeln!(log, "{{\"time\":\"2026-03-02T09:00:{second:02}Z\",\"client_ip\":\"203.0.113.9\",\"method\":\"GET\",\"path\":\"/v1/a?api_key=sk_live_4eC39HqLyjWDarjtT1zd9f3a\",\"status\":200,\"session\":\"0123456789abcdef0123\"}}").unwrap();
    }
    std::fs::write(folder.path().join("access.log"), log).unwrap();
    let rules = "state_dir = \"state\"\n[source.api]\npath = \"access.log\"\nsession = [\"session\"]\n\
        [rule.by-session]\nper = [\"session\", \"query.api_key\"]\nover = \"1m\"\nevent_count = { gte = 10 }\ntitle = \"{group}\"\n";
    std::fs::write(folder.path().join("lapwing.toml"), rules).unwrap();
    let told = notices(folder.path());
    let text = format!("{told:?}");
    assert!(told.iter().any(|n| n["rule"] == "by-session"), "{text}");
    assert!(
        text.contains("query.api_key sk_live_")
            && !text.contains("4eC39HqLyjWDar")
            && !text.contains("0123456789abcdef"),
        "{text}"
    );
}

/// What the ten of the team do not show: each measure and each kind of step, with the edge at which it speaks.
const MORE: &str = r#"
[rule.bytes-out]
per = "key"
over = "10m"
value_sum = { field = "bytes_out", gt = "1MB" }
[[rule.bytes-out.test]]
name = "the line that goes beyond a million"
lines = [{ times = 12, every = "10s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 100000 "-" "okhttp/4"' }]
expect = [{ subject = "key acme", observed = 1100000, at = "2026-03-02T09:01:40Z" }]
[[rule.bytes-out.test]]
name = "a window that slides holds no more than ten of them"
lines = [{ times = 50, every = "61s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 100000 "-" "okhttp/4"' }]
expect = []

[rule.slow-mean]
when = 'duration exists'
group-by = "endpoint"
timespan = "5m"
value_avg = { field = "duration", gte = "800ms", least = 10 }
[[rule.slow-mean.test]]
name = "Sigma's words do as well"
lines = [{ times = 30, every = "5s", line = '{"time":"{iso}","client_ip":"203.0.113.9","method":"GET","path":"/v1/a","status":200,"duration":0.9}' }]
expect = [{ subject = "endpoint /v1/a", summary = "the mean of duration" }]
[[rule.slow-mean.test]]
name = "nine lines are too few"
lines = [{ times = 9, every = "5s", line = '{"time":"{iso}","client_ip":"203.0.113.9","method":"GET","path":"/v1/a","status":200,"duration":0.9}' }]
expect = []

[rule.three-times-before]
per = "key"
over = "10m"
event_count = { gte = "3 x before", least = 30 }
[[rule.three-times-before.test]]
name = "from six in ten minutes to sixty"
lines = [
  { times = 30, every = "100s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"' },
  { times = 60, every = "10s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"' },
]
expect = [{ subject = "key acme", summary = "in the window before" }]
[[rule.three-times-before.test]]
name = "steady, however many"
lines = [{ times = 600, every = "10s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"' }]
expect = []

[rule.pair]
per = ["key", "client"]
over = "5m"
events.read = 'path == "/v1/secrets"'
events.write = 'method == "PUT"'
temporal = ["write", "2 x read"]
title = "{group}"
[[rule.pair.test]]
name = "in any order, and within the time"
lines = """
203.0.113.9 - acme [02/Mar/2026:09:00:00 +0000] "GET /v1/secrets HTTP/1.1" 200 10 "-" "okhttp/4"
203.0.113.8 - acme [02/Mar/2026:09:01:00 +0000] "PUT /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"
203.0.113.9 - acme [02/Mar/2026:09:02:00 +0000] "PUT /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"
203.0.113.9 - acme [02/Mar/2026:09:03:00 +0000] "GET /v1/secrets HTTP/1.1" 200 10 "-" "okhttp/4"
203.0.113.9 - globex [02/Mar/2026:09:04:00 +0000] "GET /v1/secrets HTTP/1.1" 200 10 "-" "okhttp/4"
203.0.113.9 - globex [02/Mar/2026:09:12:00 +0000] "PUT /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"
"""
expect = [{ subject = "key acme", title = "key acme and client 203.0.113.9", at = "2026-03-02T09:03:00Z" }]

[rule.never-confirmed]
per = "key"
over = "30m"
events.order = 'path == "/v1/order"'
events.confirm = 'path == "/v1/confirm"'
temporal_ordered = ["order", "not confirm"]
severity = "critical"
[[rule.never-confirmed.test]]
name = "told when the time is over"
lines = [
  '203.0.113.9 - acme [02/Mar/2026:09:00:00 +0000] "POST /v1/order HTTP/1.1" 200 10 "-" "okhttp/4"',
  '203.0.113.9 - globex [02/Mar/2026:09:01:00 +0000] "POST /v1/order HTTP/1.1" 200 10 "-" "okhttp/4"',
  '203.0.113.9 - globex [02/Mar/2026:09:20:00 +0000] "POST /v1/confirm HTTP/1.1" 200 10 "-" "okhttp/4"',
  '203.0.113.9 - other [02/Mar/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 10 "-" "okhttp/4"',
]
expect = [{ subject = "key acme", title = "order without confirm after it", at = "2026-03-02T09:30:10Z" }]

[rule.told-once]
per = "key"
over = "1m"
event_count = { gte = 5 }
cooldown = "4h"
[[rule.told-once.test]]
name = "one opening, one end, and silence for four hours"
lines = [
  { times = 5, every = "2s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"' },
  { after = "30m", times = 5, every = "2s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"' },
  { after = "5h", times = 5, every = "2s", line = '203.0.113.9 - acme [{time}] "GET /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"' },
]
expect = [
  { subject = "key acme", at = "2026-03-02T09:00:08Z" },
  { type = "resolved" },
  { subject = "key acme", at = "2026-03-02T14:30:24Z" },
]

[rule.of-everything]
over = "1m"
event_count = { gt = 9 }
[[rule.of-everything.test]]
name = "without per, all is one group"
lines = [{ times = 12, every = "2s", line = '203.0.113.{i} - k{i} [{time}] "GET /v1/a HTTP/1.1" 200 10 "-" "okhttp/4"' }]
expect = [{ subject = "site", observed = 10 }]

[rule.of-the-query]
when = 'query.page > 90 and field.pool == "blue"'
per = "field.pool"
over = "1m"
event_count = { gte = 2 }
title = "{group}"
[[rule.of-the-query.test]]
name = "parameters and other fields"
lines = [
  { times = 2, line = '{"time":"{iso}","client_ip":"203.0.113.9","method":"GET","path":"/v1/a?page=9","status":200,"pool":"blue"}' },
  { times = 2, line = '{"time":"{iso}","client_ip":"203.0.113.9","method":"GET","path":"/v1/a?page=91","status":200,"pool":"green"}' },
  { times = 2, line = '{"time":"{iso}","client_ip":"203.0.113.9","method":"GET","path":"/v1/a?page=9%31","status":200,"pool":"blue"}' },
]
expect = [{ subject = "site", title = "field.pool blue", severity = "warning" }]
"#;

#[test]
fn every_measure_and_every_kind_of_step_does_as_documented() {
    let (code, out, err) = check(&[("rules/more.toml", MORE)]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("tests of rules: 11 passed"), "{err}");
}

fn read(folder: &Path, config: &str) -> (Config, Arc<Registry>) {
    let path = folder.join("lapwing.toml");
    std::fs::write(&path, config).unwrap();
    let config = Config::load(&path).unwrap().config;
    let registry = Arc::new(Registry::with_dir(&config.parsers_dir).unwrap());
    (config, registry)
}

fn take(pipeline: &mut Pipeline, text: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    pipeline.take(0, text.as_bytes(), Skipped::default(), &mut changes);
    changes
}

#[test]
fn what_is_counted_outlives_restarts_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let rules: String = MORE.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let head = format!("state_dir = \"state\"\n[source.api]\npath = \"none.log\"\n{}{rules}", workflow());
    let (config, registry) = read(folder.path(), &head);
    let start =
        |snapshot: Option<&[u8]>| Pipeline::new(&config, registry.clone(), &Secrets::for_replay(), snapshot).unwrap().0;
    let log = transfers();
    let mut whole = start(None);
    let mut expected = take(&mut whole, &log);
    whole.finish(&mut expected);
    let own = |changes: &[Change]| {
        changes.iter().filter(|c| c.incident.rule == "transfers" || c.incident.rule == "of-everything").count()
    };
    assert!(own(&expected) > 2, "{expected:?}");

    // The same with a restart after every 97 lines.
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let (mut found, mut state) = (Vec::new(), None::<Vec<u8>>);
    for part in lines.chunks(97) {
        let mut pipeline = start(state.as_deref());
        found.extend(take(&mut pipeline, &part.concat()));
        state = Some(pipeline.save(Vec::new()));
    }
    start(state.as_deref()).finish(&mut found);
    assert_eq!(found, expected);
}

#[test]
fn a_flood_of_groups_stays_within_its_places_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (config, registry) = read(
        folder.path(),
        "state_dir = \"state\"\n[source.api]\npath = \"none.log\"\n\
         [rule.many]\nper = \"client\"\nover = \"1d\"\nevent_count = { gte = 100 }\nmost = 500\n",
    );
    let mut pipeline = Pipeline::new(&config, registry, &Secrets::for_replay(), None).unwrap().0;
    let mut log = String::new();
    for n in 0..20_000u32 {
        let (hour, minute, second) = (n / 3600, n / 60 % 60, n % 60);
        let mut line = |client: String| {
            writeln!(log, "{client} - - [02/Mar/2026:{hour:02}:{minute:02}:{second:02} +0000] \"GET /v1/a HTTP/1.1\" 200 10 \"-\" \"okhttp/4\"").unwrap();
        };
        line(format!("10.{}.{}.{}", n / 60_000, n / 250 % 250, n % 250));
        if n % 100 == 0 {
            line("203.0.113.9".to_owned());
        }
    }
    let changes = take(&mut pipeline, &log);
    let status = pipeline.status();
    let rule = &status.rules[0];
    assert!(rule.groups <= 500 && rule.evicted > 19_000, "{rule:?}");
    let left_out = status.judging.iter().find(|line| line.matter == Matter::LeftOut).expect("said");
    assert!(left_out.says.contains("rule many") && left_out.says.contains("had to give way"));
    let told: Vec<_> =
        changes.iter().filter(|c| c.incident.rule == "many").map(|c| c.incident.subject.name.as_str()).collect();
    assert_eq!(told.first(), Some(&"203.0.113.9"), "who comes again and again keeps its place");
}
