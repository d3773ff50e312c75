//! Databases of places as users give them: found, damaged, missing; and one key in two places, from the log to the notice.

mod support;

use std::fmt::Write;
use std::path::Path;

use assert_cmd::Command;
use support::mmdb::{city, database, network};

/// Singapore, Frankfurt, a hoster in Frankfurt.
fn write_databases(dir: &Path) {
    let singapore = || city("Singapore", "SG", 1.3521, 103.8198);
    let frankfurt = || city("Frankfurt am Main", "DE", 50.1109, 8.6821);
    let cities = database(
        "Test-City",
        &[("203.0.113.0/24", singapore()), ("198.51.100.0/25", frankfurt()), ("192.0.2.0/24", frankfurt())],
    );
    std::fs::write(dir.join("city.mmdb"), cities).unwrap();
    let networks = database("Test-ASN", &[("192.0.2.0/24", network(24940, "Hetzner Online GmbH"))]);
    std::fs::write(dir.join("asn.mmdb"), networks).unwrap();
}

/// A morning in Singapore; from 11:20 on elsewhere.
fn write_log(dir: &Path, key: &str, elsewhere: &str, agent: &str) {
    let mut log = String::new();
    let mut line = |client: &str, minute: i64| {
        let (hour, minute) = (8 + minute / 60, minute % 60);
        let _ = writeln!(
            log,
            "{client} - {key} [02/Mar/2026:{hour:02}:{minute:02}:07 +0000] \"GET /v1/orders/{minute} HTTP/1.1\" 200 512 \"-\" \"{agent}\""
        );
    };
    for minute in 0..160 {
        line("203.0.113.9", minute);
    }
    for minute in 200..206 {
        line(elsewhere, minute);
    }
    std::fs::write(dir.join("access.log"), log).unwrap();
}

fn write_config(dir: &Path, geoip: &str) {
    std::fs::write(
        dir.join("lapwing.toml"),
        format!("timezone = \"UTC\"\nstate_dir = \"state\"\n[source.api]\npath = [\"access.log\"]\n[channel.here]\nkind = \"terminal\"\n{geoip}"),
    )
    .unwrap();
}

fn lapwing(dir: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::cargo_bin("lapwing").unwrap().current_dir(dir).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

fn notices(dir: &Path) -> Vec<serde_json::Value> {
    let (done, text) = lapwing(dir, &["replay", "access.log", "--config", "lapwing.toml", "--json"]);
    assert!(done, "{text}");
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

const GEOIP: &str = "[geoip]\npath = \"city.mmdb\"\n";

#[test]
fn singapore_then_frankfurt_within_the_hour() {
    let dir = tempfile::tempdir().unwrap();
    write_databases(dir.path());
    write_log(dir.path(), "wayne", "198.51.100.7", "curl/8.5.0");
    write_config(dir.path(), GEOIP);
    let told = notices(dir.path());
    let opened: Vec<_> = told.iter().filter(|n| n["type"] == "opened").collect();
    assert_eq!(opened.len(), 1, "{told:?}");
    let notice = opened[0];
    assert_eq!((&notice["detector"], &notice["subject"]["name"]), (&"impossible-travel".into(), &"wayne".into()));
    // The third request there.
    assert_eq!(notice["detected_at"], "2026-03-02T11:22:07Z");
    let title = notice["title"].as_str().unwrap();
    assert!(title.contains("Singapore (SG)") && title.contains("Frankfurt am Main (DE)"), "{title}");
    assert!(notice["summary"].as_str().unwrap().contains("10,2"), "{notice}");
}

#[test]
fn a_servers_key_on_phones_is_seen_with_a_database_of_networks() {
    let phones = |operator: &'static str, geoip: &str| {
        let dir = tempfile::tempdir().unwrap();
        let germany = || city("Frankfurt am Main", "DE", 50.1109, 8.6821);
        let cities = database("Test-City", &[("100.64.0.0/10", germany()), ("203.0.113.0/24", germany())]);
        std::fs::write(dir.path().join("city.mmdb"), cities).unwrap();
        let networks = database("Test-ASN", &[("100.64.0.0/10", network(3320, operator))]);
        std::fs::write(dir.path().join("asn.mmdb"), networks).unwrap();
        let mut log = String::new();
        for hour in 0..5 * 24 {
            let (day, hour) = (2 + hour / 24, hour % 24);
            let mut line = |client: &str, key: &str, minute: u32, agent: &str| {
                let _ = writeln!(
                    log,
                    "{client} - {key} [{day:02}/Mar/2026:{hour:02}:{minute:02}:07 +0000] \"GET /v1/orders/{minute} HTTP/1.1\" 200 512 \"-\" \"{agent}\""
                );
            };
            for minute in (0..60).step_by(4) {
                line("203.0.113.9", "plant", minute, "python-requests/2.32.3");
                line("100.64.200.9", "somebody", minute + 1, "okhttp/4.12.0");
                if day == 6 && hour == 10 {
                    line(&format!("100.64.{minute}.7"), "plant", minute + 2, "okhttp/4.12.0");
                }
            }
        }
        std::fs::write(dir.path().join("access.log"), log).unwrap();
        write_config(dir.path(), geoip);
        notices(dir.path())
            .into_iter()
            .filter(|n| n["type"] == "opened" && n["detector"] == "front-end-exposure")
            .collect::<Vec<_>>()
    };
    let both = format!("{GEOIP}asn = \"asn.mmdb\"\n");
    let told = phones("Deutsche Telekom AG", &both);
    assert_eq!(told.len(), 1, "{told:?}");
    let title = told[0]["title"].as_str().unwrap();
    assert!(title.contains("homes and phones") && !title.contains("browsers"), "{title}");
    for (operator, geoip) in
        [("Hetzner Online GmbH", &*both), ("Acme University", &*both), ("Deutsche Telekom AG", GEOIP)]
    {
        assert!(phones(operator, geoip).is_empty(), "{operator} {geoip}");
    }
}

#[test]
fn servers_hosters_and_no_database_are_no_travellers() {
    for (elsewhere, agent, geoip) in [
        ("198.51.100.7", "python-requests/2.32.3", GEOIP.to_owned()),
        ("192.0.2.7", "curl/8.5.0", format!("{GEOIP}asn = \"asn.mmdb\"\n")),
        ("198.51.100.200", "curl/8.5.0", GEOIP.to_owned()),
        ("198.51.100.7", "curl/8.5.0", String::new()),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write_databases(dir.path());
        write_log(dir.path(), "wayne", elsewhere, agent);
        write_config(dir.path(), &geoip);
        let told = notices(dir.path());
        assert!(told.is_empty(), "{elsewhere} {agent} {geoip}: {told:?}");
    }
}

#[test]
fn a_database_that_cannot_be_used_is_an_error_of_the_check_and_a_warning_at_work() {
    let dir = tempfile::tempdir().unwrap();
    write_databases(dir.path());
    write_log(dir.path(), "wayne", "198.51.100.7", "curl/8.5.0");
    write_config(dir.path(), &format!("{GEOIP}asn = \"asn.mmdb\"\n"));
    let (fine, text) = lapwing(dir.path(), &["check", "--config", "lapwing.toml"]);
    assert!(fine, "{text}");
    std::fs::write(dir.path().join("bad.mmdb"), b"<html>moved</html>").unwrap();
    let countries = database("GeoLite2-Country", &[("203.0.113.0/24", city("Singapore", "SG", 1.3521, 103.8198))]);
    std::fs::write(dir.path().join("country.mmdb"), countries).unwrap();
    for (geoip, place, words) in [
        ("[geoip]\npath = \"country.mmdb\"\n", "lapwing.toml:8", "too coarse to tell how far apart two places are"),
        ("[geoip]\npath = \"country.mmdb\"\n", "lapwing.toml:8", "GeoLite2-City"),
        ("[geoip]\npath = \"bad.mmdb\"\n", "lapwing.toml:8", "it is no database in MaxMind's format"),
        ("[geoip]\npath = \"none.mmdb\"\n", "lapwing.toml:8", "there is no such file"),
        ("[geoip]\npath = \"asn.mmdb\"\n", "lapwing.toml:8", "expected one of cities"),
        ("[geoip]\npath = \"city.mmdb\"\nasn = \"city.mmdb\"\n", "lapwing.toml:9", "expected one of networks"),
        ("[geoip]\nasn = \"asn.mmdb\"\n", "lapwing.toml:7", "path"),
        ("[geoip]\npath = \"city.mmdb\"\ncity = \"x\"\n", "lapwing.toml:9", "unknown key \"city\""),
    ] {
        write_config(dir.path(), geoip);
        let (fine, text) = lapwing(dir.path(), &["check", "--config", "lapwing.toml"]);
        assert!(!fine && text.contains(place) && text.contains(words), "{geoip}: {text}");
    }
    write_config(dir.path(), "[geoip]\npath = \"bad.mmdb\"\n");
    let (done, text) = lapwing(dir.path(), &["replay", "access.log", "--config", "lapwing.toml", "--json"]);
    assert!(done && text.contains("impossible travel is not noticed"), "{text}");
}
