//! The users' own rules as users meet them: the ten that ship with their tests, what `lapwing check` says of a test that
//! fails and of a condition that is wrong, and what a rule tells live, through a restart, and to whom.

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

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
    let deaf = deaf.replace("lt = 1 }", "lt = 0 }").replace("gte = 25 }", "gte = 2500000 }").replace("5 x usual", "900 x usual");
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
    assert!(out.contains("test \"three failures\" of the rule \"pay-fails\": expected the subject \"key globex\", found \"key acme\""), "{out}");
    assert!(out.contains("rules/pay-fails.toml:10:11"), "points at the expectation: {out}");
    assert!(out.contains("expected a notice that is opened about key acme, but nothing was told"), "{out}");
    assert!(out.contains("expected silence, but told was \"Key acme: 3 requests within 5 min (rule pay-fails)\""), "{out}");
    assert!(out.contains("1 of its 1 lines cannot be read"), "{out}");
    assert!(err.contains("4 errors"), "{err}");
}

#[test]
fn what_is_wrong_with_a_rule_is_shown_at_its_very_place() {
    let cases: [(&str, &str, &str); 12] = [
        ("when = 'statsu >= 500'\nover = \"5m\"\nevent_count = { gte = 3 }", "r.toml:1:9", "did you mean \"status\"?"),
        ("when = \"path == \\\"/a\\\" and durtion > 2s\"\nover = \"5m\"\nevent_count = { gte = 3 }", "r.toml:1:28", "did you mean \"duration\"?"),
        ("when = '''\nstatus >= 500\n  and path = \"/a\"'''\nover = \"5m\"\nevent_count = { gte = 3 }", "r.toml:3:12", "equality is written =="),
        ("when = 'static'\nper = \"kye\"\nover = \"5m\"\nevent_count = { gte = 3 }", "r.toml:2:7", "did you mean \"key\"?"),
        ("when = 'static'\nover = \"5m\"\nvalue_sum = { field = \"path\", gte = 3 }", "r.toml:3:23", "cannot be added up"),
        ("when = 'static'\nover = \"5m\"\nevent_share = { of = 'status >= 500', gt = 0.05 }", "r.toml:3:45", "a share such as \"5%\""),
        ("when = 'static'\nover = \"5m\"\nevent_count = { gte = \"5 x usuall\" }", "r.toml:3:23", "did you mean \"usual\"?"),
        ("when = 'static'\nover = \"5m\"\nevent_count = { gte = 3 }\ntitle = \"{whoo} did it\"", "r.toml:4:11", "did you mean \"who\"?"),
        ("when = 'static'\nover = \"5m\"\nevent_count = { gte = 3 }\nroute = [\"ops\"]", "r.toml:4:10", "add a table [channel.ops]"),
        ("when = 'static'\nover = \"5m\"\nevent_count = { gte = 3 }\nschedule = \"mon-fry\"", "r.toml:4:12", "did you mean \"fri\"?"),
        ("events = { a = 'static' }\nover = \"5m\"\ntemporal_ordered = [\"not a\"]", "r.toml:3:20", "names nothing that must come"),
        ("when = 'static'\nover = \"5m\"\nevent_cuont = { gte = 3 }", "r.toml:3:1", "did you mean \"event_count\"?"),
    ];
    for (rule, place, help) in cases {
        let (code, out, _) = check(&[("rules/r.toml", rule)]);
        assert_eq!(code, 2, "{rule}\n{out}");
        assert!(out.contains(place), "{rule}\nexpected {place}\n{out}");
        assert!(out.contains(help), "{rule}\nexpected {help}\n{out}");
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
                format!("203.0.113.9 - {key} [02/Mar/2026:{hour:02}:{min:02}:{second:02} +0000] \"POST {path} HTTP/1.1\" 200 20 \"-\" \"okhttp/4.12.0\"\n")
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
    assert!(opened[0]["title"].as_str().unwrap().contains("/confirm-transfer without /validate-account before it"));
    assert!(told.iter().all(|n| n["subject"]["name"] == "sly"), "who validates is not told of: {told:?}");
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
    assert!(text.contains("query.api_key sk_live_") && !text.contains("4eC39HqLyjWDar") && !text.contains("0123456789abcdef"), "{text}");
}
