//! Silences, maintenance and deploys with the real daemon: what is asked for on the command line is what people hear.

mod support;

use std::time::Duration;

use support::daemon::Home;
use support::machine::{unix_now, wait_for};
use support::traffic;

const SOON: Duration = Duration::from_secs(60);
/// What is counted anew each minute.
const LATER: Duration = Duration::from_secs(180);

/// Rules that speak with the fifth line.
const RULES: &str = "[rule.imports]\nwhen = 'path startswith \"/v1/imports/\"'\nper = \"key\"\nover = \"10m\"\nevent_count = { gte = 5 }\n\
    [rule.orders]\nwhen = 'path startswith \"/v1/orders/\"'\nper = \"key\"\nover = \"10m\"\nevent_count = { gte = 5 }\n\
    [rule.reports]\nwhen = 'path startswith \"/v1/reports/\"'\nper = \"key\"\nover = \"10m\"\nevent_count = { gte = 5 }\n\
    [maintenance.reports]\nfrom = 2020-01-01T00:00:00Z\nuntil = 2090-01-01T00:00:00Z\ndetectors = [\"reports\"]\nreason = \"they are rebuilt\"\n";

fn five(home: &Home, what: &str) {
    let now = unix_now();
    let lines = (0..5).map(|n| traffic::call(now, "203.0.113.9", "acme", &format!("/v1/{what}/{n}"), 200));
    traffic::append(&home.log(), lines.collect());
}

#[test]
fn what_is_silenced_is_not_told_and_what_begins_with_a_deploy_says_so() {
    let home = Home::new(RULES);
    five(&home, "others");
    let daemon = home.start();
    let run = |arguments: &[&str]| {
        let done = home.run(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    run(&["mark", "deploy", "v1.4.2", "--author", "ana"]);
    assert!(run(&["mark", "list"]).contains("deploy v1.4.2  ana"));
    run(&[
        "silence",
        "add",
        "--rule",
        "imports",
        "--for",
        "1h",
        "--reason",
        "load test",
        "--author",
        "ben",
        "--unless-times",
        "3x",
        "--unless-cost",
        "$200",
    ]);
    let listed = run(&["silence", "list"]);
    assert!(
        listed.contains("rule imports")
            && listed.contains("unless it reaches 3 times its level or a cost of 200")
            && listed.contains("load test  (by ben)"),
        "{listed}"
    );
    five(&home, "imports");
    five(&home, "reports");
    five(&home, "orders");
    let told = wait_for("the alert", SOON, || Some(home.told()).filter(|told| !told.is_empty()));
    assert_eq!(told.len(), 1, "neither the silenced nor the maintained: {told:?}");
    assert_eq!(told[0]["rule"], "orders");
    let summary = told[0]["summary"].as_str().unwrap();
    assert!(summary.contains("the deploy v1.4.2 (by ana), marked at "), "{summary}");
    assert!(told[0]["actions"][0].as_str().unwrap().contains("roll it back"), "{told:?}");
    // They are watched all the same.
    let open = run(&["incidents", "list"]);
    assert!(open.matches("acme").count() >= 3, "{open}");
    drop(daemon);
    let _again = home.start();
    assert!(run(&["mark", "list", "--json"]).contains("\"what\":\"v1.4.2\""), "marks outlive a restart");
    assert!(run(&["silence", "list", "--json"]).contains("\"author\":\"ben\""));
}

#[test]
fn a_silence_is_kept_up_to_its_ceiling_and_what_goes_beyond_is_told_with_the_reason() {
    let home = Home::new(
        &format!("{RULES}[cost.\"/v1/imports/*\"]\nper_request = 10\n")
            .replace("[maintenance.reports]", "[maintenance.none]")
            .replace("[\"reports\"]", "[\"none\"]"),
    );
    five(&home, "others");
    let _daemon = home.start();
    let told_of = |rule: &str| home.told().into_iter().filter(|n| n["rule"] == rule).collect::<Vec<_>>();
    let silence = |arguments: &[&str]| {
        let all = [&["silence", "add", "--for", "1h", "--reason", "load test", "--author", "ben"], arguments].concat();
        let done = home.run(&all);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    // One is open at five requests when silence is asked for; the other has not begun.
    five(&home, "reports");
    wait_for("the opening", SOON, || Some(told_of("reports")).filter(|told| told.len() == 1));
    silence(&["--rule", "reports", "--unless-times", "3x"]);
    silence(&["--rule", "imports", "--unless-cost", "$120"]);
    five(&home, "reports");
    five(&home, "imports");
    five(&home, "imports");
    five(&home, "orders");
    wait_for("what is not silenced", SOON, || Some(told_of("orders")).filter(|told| !told.is_empty()));
    assert_eq!((told_of("reports").len(), told_of("imports").len()), (1, 0), "{:?}", home.told());
    // Ten of each until now: fifteen are three times five, and cost 150.
    five(&home, "reports");
    five(&home, "imports");
    let told = wait_for("what went beyond", LATER, || {
        Some((told_of("reports"), told_of("imports")))
            .filter(|(reports, imports)| reports.len() > 1 && !imports.is_empty())
    });
    let said = |notice: &serde_json::Value| notice["summary"].as_str().unwrap().to_owned();
    let (reports, imports) = (said(&told.0[1]), said(&told.1[0]));
    assert!(
        reports.contains("3.0 times what it was when the silence was made, and 3 times was the limit"),
        "{reports}"
    );
    assert!(imports.contains("it has cost $150, and $120 was the limit"), "{imports}");
    assert!(imports.contains("load test") && imports.contains("ben"), "whose silence, and why: {imports}");
    assert_eq!(told.1[0]["type"], "opened", "nobody has heard of it yet: {:?}", told.1);
}

#[test]
fn a_replay_keeps_the_same_maintenance_and_knows_the_same_deploys() {
    let home = Home::new(RULES);
    let now = unix_now() / 3600 * 3600 - 7200;
    let lines = ["imports", "reports", "orders"].iter().enumerate().flat_map(|(at, what)| {
        (0..5).map(move |n| {
            traffic::call(now + 60 * at as i64 + n, "203.0.113.9", "acme", &format!("/v1/{what}/{n}"), 200)
        })
    });
    traffic::append(&home.log(), lines.collect());
    let log = home.log();
    let deploy = format!("{}=v1.4.2", lapwing::time::Timestamp::from_secs(now - 120));
    let arguments = ["replay", "--json", "--deploy", &deploy, log.to_str().unwrap()];
    let done = home.run(&arguments);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let told = support::daemon::notices(&done.stdout);
    let opened: Vec<&str> = told.iter().filter(|n| n["type"] == "opened").filter_map(|n| n["rule"].as_str()).collect();
    assert_eq!(opened, ["imports", "orders"], "reports are maintained: {told:?}");
    assert!(told.iter().all(|n| n["rule"] != "reports"), "nor is their end told");
    let summary = told[0]["summary"].as_str().unwrap();
    assert!(summary.contains("the deploy v1.4.2, marked at "), "{summary}");
    let wrong = home.run(&["replay", "--deploy", "yesterday=x", log.to_str().unwrap()]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("expected a time such as"));
}
