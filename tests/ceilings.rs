//! Hostile cardinality against the real daemon: every line a new key, a new client and a new path. The process stays
//! within the memory it was given, who was known stays known, and somebody is told once.
//!
//! `LAPWING_FLOOD_LINES` sets the number of lines; `scripts/long-tests` runs five million of them.

mod support;

use std::io::Write;
use std::time::Duration;

use support::daemon::Home;
use support::machine::{every, resident, unix_now, wait_for};
use support::traffic;

/// Lines of the flood where nothing else is said, and the ceiling, in MiB.
const LINES: u64 = 300_000;
const CEILING: u64 = 128;

fn flood_lines() -> u64 {
    std::env::var("LAPWING_FLOOD_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(LINES)
}

/// Writes lines of which no two have a key, a client or a path in common, as if they came now.
fn write_flood(home: &Home, from: u64, count: u64) {
    let file = std::fs::File::options().append(true).open(home.log()).expect("the log");
    let mut log = std::io::BufWriter::with_capacity(1 << 20, file);
    for n in from..from + count {
        let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (a, b, c) = (mixed >> 56, mixed >> 48 & 255, mixed >> 40 & 255);
        let client = if n % 3 == 0 {
            format!("2001:db8:{:x}:{:x}::{n:x}", mixed >> 48, mixed >> 32 & 0xffff)
        } else {
            format!("{}.{a}.{b}.{c}", 1 + n % 200)
        };
        let path = format!("/x{mixed:016x}/{n:x}-page");
        let (_, line) = traffic::call(unix_now(), &client, &format!("k{mixed:016x}"), &path, 401);
        log.write_all(line.as_bytes()).expect("the log is written");
    }
    log.flush().expect("the log is written");
}

#[test]
fn a_flood_of_keys_clients_and_paths_stays_within_the_ceiling_and_is_told_once() {
    let lines = flood_lines();
    let ceiling = if lines > LINES { 256 } else { CEILING };
    let home = Home::new(&format!("[limits]\nmemory = \"{ceiling} MiB\"\n"));
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - 9 * traffic::DAY, now));
    let before = std::fs::read_to_string(home.log()).unwrap().lines().count() as u64;
    let mut daemon = home.start();
    let calm = resident(daemon.id());
    let mut most = calm;
    let mut written = 0;
    // A flood that lasts: two minutes, in steps of four seconds or as fast as it is read.
    let part = (lines / 30).max(1);
    every("the flood is written", Duration::from_secs(4), Duration::from_secs(3600), || {
        daemon.must_run();
        most = most.max(resident(daemon.id()));
        let behind = home.counted().is_none_or(|counted| counted + 2 * part < before + written);
        if !behind {
            let count = part.min(lines - written);
            write_flood(&home, written, count);
            written += count;
        }
        written == lines
    });
    wait_for("every line is counted", Duration::from_secs(900), || {
        daemon.must_run();
        most = most.max(resident(daemon.id()));
        (home.counted()? == before + written).then_some(())
    });
    wait_for("it is told", Duration::from_secs(90), || {
        most = most.max(resident(daemon.id()));
        let told = home.told();
        told.iter().any(|n| n["title"].as_str().is_some_and(|t| t.contains("flood of unknown keys"))).then_some(())
    });
    let told = home.told();
    let floods: Vec<_> = told.iter().filter(|n| n["type"] == "opened").collect();
    assert_eq!(floods.len(), 1, "one incident, told once: {told:#?}");
    let status = home.status().expect("an answer");
    let memory = &status["memory"];
    println!("{lines} lines: {calm} MiB before, {most} MiB at most, ceiling {ceiling} MiB; {memory}");
    assert!(most < ceiling, "{most} MiB of {ceiling}: {memory}");
    assert!(memory["used"].as_u64().unwrap() <= memory["limit"].as_u64().unwrap(), "{memory}");
    assert!(status["engine"]["evicted"].as_u64().unwrap() > lines / 10, "what had to go is counted: {status:#}");
    assert!(status["engine"]["endpoints"].as_u64().unwrap() <= 2_100, "paths become templates");
    // The four callers of old are known as before: a leak of one of them is seen against its own history.
    let leak_began = unix_now();
    traffic::append(&home.log(), traffic::leak("wayne", leak_began - 300, leak_began));
    wait_for("the leak is told", Duration::from_secs(60), || {
        let told = home.told();
        told.iter().any(|n| n["detector"] == "leaked-key" && n["subject"]["name"] == "wayne").then_some(())
    });
    daemon.kill();
    let daemon = home.start();
    assert!(resident(daemon.id()) < ceiling, "nor does a restart take more");
}
