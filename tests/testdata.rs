//! The test data: the logs are what the labels say, they hold nobody's data, and a replay tells exactly the incidents
//! that are in them.

mod support;

use std::collections::BTreeSet;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use support::labels::{self, Labelled};

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_none_or(|e| e != "gz") {
        return String::from_utf8(bytes).unwrap();
    }
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn logs_hold_reserved_addresses_only() {
    let blocks: Vec<ipnet::IpNet> =
        ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "2001:db8::/32"]
            .iter()
            .map(|block| block.parse().unwrap())
            .collect();
    let mut directories = 0;
    for labelled in labels::all() {
        directories += 1;
        for file in &labelled.files {
            let mut clients = BTreeSet::new();
            for line in read(file).lines() {
                clients.insert(client(&labelled.format, line).unwrap_or_else(|| panic!("{}: {line}", file.display())));
            }
            assert!(clients.len() > 3, "{}: {clients:?}", file.display());
            for address in clients {
                assert!(blocks.iter().any(|b| b.contains(&address)), "{}: {address} is somebody's", file.display());
            }
        }
    }
    assert!(directories >= 6, "testdata/README.md speaks of six directories");
}

/// The client of a line, read apart from Lapwing's own parsers.
fn client(format: &str, line: &str) -> Option<IpAddr> {
    match format {
        "caddy" => serde_json::from_str::<Value>(line).ok()?["request"]["remote_ip"].as_str()?.parse().ok(),
        "nginx-json" => serde_json::from_str::<Value>(line).ok()?["remote_addr"].as_str()?.parse().ok(),
        "haproxy" => line.split(' ').next()?.rsplit_once(':')?.0.parse().ok(),
        _ => line.split(' ').next()?.parse().ok(),
    }
}

#[test]
fn every_line_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for labelled in labels::all() {
        let newest = labelled.files.last().expect("files");
        let text = read(newest);
        let plain = folder.path().join("access.log");
        std::fs::write(&plain, &text).unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_lapwing")).args(["parse", "--json"]).arg(&plain).output().unwrap();
        assert!(done.status.success(), "{}: {}", labelled.name, String::from_utf8_lossy(&done.stderr));
        let events: Vec<Value> =
            done.stdout.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!(events.len(), text.lines().count(), "{}: one object a line", labelled.name);
        for (event, line) in events.iter().zip(text.lines()) {
            assert!(event.get("rejected").is_none(), "{}: {event} for {line}", labelled.name);
            assert_eq!(event["client"], client(&labelled.format, line).unwrap().to_string(), "{line}");
            assert!(event["status"].as_u64().is_some_and(|s| (200..600).contains(&s)), "{event} for {line}");
        }
    }
}

#[test]
fn nginx_leak_is_told() {
    replay_tells_the_labelled_incidents("nginx");
}

#[test]
fn nginx_json_retry_loop_is_told() {
    replay_tells_the_labelled_incidents("nginx-json");
}

#[test]
fn apache_errors_after_a_deploy_are_told_and_a_restart_is_not() {
    replay_tells_the_labelled_incidents("apache");
}

#[test]
fn caddy_burst_is_told() {
    replay_tells_the_labelled_incidents("caddy");
}

#[test]
fn haproxy_silence_is_told() {
    replay_tells_the_labelled_incidents("haproxy");
}

#[test]
fn lighttpd_ordinary_days_are_silent() {
    replay_tells_the_labelled_incidents("lighttpd");
}

/// Replays a directory as a user would, with nothing configured, and compares what is opened with the labels.
fn replay_tells_the_labelled_incidents(name: &str) {
    let all = labels::all();
    let labelled = all.iter().find(|l| l.name == name).expect("a directory with labels");
    let done = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["replay", "--json"])
        .args(&labelled.files)
        .env("TZ", "UTC")
        .output()
        .expect("lapwing starts");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "lapwing replay: {}\n{errors}", done.status);
    let notices: Vec<Value> =
        done.stdout.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    compare(labelled, &notices);
}

fn compare(labelled: &Labelled, notices: &[Value]) {
    let of_type = |kind: &'static str| notices.iter().filter(move |n| n["type"] == kind);
    let opened: Vec<&Value> = of_type("opened").collect();
    let titles =
        || opened.iter().map(|n| format!("{} {}", n["detected_at"], n["title"])).collect::<Vec<_>>().join("\n");
    assert_eq!(
        opened.len(),
        labelled.incidents.len(),
        "{}: incidents told against incidents in it; told:\n{}",
        labelled.name,
        titles()
    );
    for expected in &labelled.incidents {
        let found = opened.iter().find(|n| n["detector"] == expected.detector.as_str());
        let notice = found.unwrap_or_else(|| panic!("{}: no {} among\n{}", labelled.name, expected.detector, titles()));
        let kind = notice["subject"]["kind"].as_str().unwrap_or("");
        assert!(expected.kinds.iter().any(|k| k == kind), "{notice:#}");
        if kind == expected.kinds[0] && !expected.name.is_empty() {
            assert_eq!(notice["subject"]["name"], expected.name.as_str(), "{notice:#}");
        }
        let started = time(&notice["started_at"]);
        let off = (started - expected.started_at).abs();
        assert!(off <= TimeDelta::minutes(5), "began {started}, in truth {}", expected.started_at);
        let detected = time(&notice["detected_at"]);
        assert!(detected <= expected.told_by, "told at {detected}, not by {}", expected.told_by);
        if let Some(ended) = expected.ended_at {
            let resolved = of_type("resolved").find(|n| n["incident"] == notice["incident"]);
            let resolved = resolved.unwrap_or_else(|| panic!("never resolved: {notice:#}"));
            assert!(time(&resolved["ended_at"]) >= ended - TimeDelta::minutes(5), "{resolved:#}");
        }
    }
    for (from, until) in &labelled.quiet {
        let false_alarm = opened.iter().find(|n| (*from..=*until).contains(&time(&n["started_at"])));
        assert!(false_alarm.is_none(), "nothing was to be told: {false_alarm:#?}");
    }
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|t| t.parse().ok()).unwrap_or_else(|| panic!("{value} is not a time"))
}
