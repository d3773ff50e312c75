//! Hostile cardinality against the real binary: every line a new key, a new client and a new path. The process stays
//! within the memory it was given, who was known stays known, and somebody is told once.
//!
//! `LAPWING_FLOOD_LINES` sets the number of lines; `scripts/long-tests` runs five million of them.

mod support;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::daemon::{Home, binary, notices};
use support::machine::{Running, every, most_resident, unix_now, wait_for};
use support::traffic::{self, DAY, Timed, USUAL};

/// Lines of the flood where nothing else is said, and the ceiling, in MiB; of a long flood, the default ceiling.
const LINES: u64 = 300_000;
const CEILINGS: (u64, u64) = (128, 256);
/// The flood comes in so many parts.
const PARTS: u64 = 30;

fn flood_lines() -> u64 {
    std::env::var("LAPWING_FLOOD_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(LINES)
}

fn ceiling(lines: u64) -> u64 {
    if lines > LINES { CEILINGS.1 } else { CEILINGS.0 }
}

fn long(seconds: u64) -> Duration {
    Duration::from_secs(if flood_lines() > LINES { 60 * seconds } else { seconds })
}

/// The `n`th line of the flood: no two of them have a key, a client or a path in common.
fn flooded(n: u64, at: i64) -> Timed {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (a, b, c) = (mixed >> 56, mixed >> 48 & 255, mixed >> 40 & 255);
    let client = if n.is_multiple_of(3) {
        format!("2001:db8:{:x}:{:x}::{n:x}", mixed >> 48, mixed >> 32 & 0xffff)
    } else {
        format!("{}.{a}.{b}.{c}", 1 + n % 200)
    };
    traffic::call(at, &client, &format!("k{mixed:016x}"), &format!("/x{mixed:016x}/{n:x}-page"), 401)
}

fn open(path: &Path) -> BufWriter<File> {
    let file = File::options().create(true).append(true).open(path).expect("the log");
    BufWriter::with_capacity(1 << 20, file)
}

fn write(log: &mut BufWriter<File>, line: &Timed) {
    log.write_all(line.1.as_bytes()).expect("the log is written");
}

/// What was opened, by detector and subject.
fn opened(told: &[Value]) -> Vec<String> {
    let words = |n: &Value| format!("{} {}", n["detector"].as_str().unwrap(), n["subject"]["name"].as_str().unwrap());
    told.iter().filter(|n| n["type"] == "opened").map(words).collect()
}

#[test]
fn a_flood_of_keys_clients_and_paths_stays_within_the_ceiling_and_is_told_once() {
    let lines = flood_lines();
    let ceiling = ceiling(lines);
    let home = Home::new(&format!("[limits]\nmemory = \"{ceiling} MiB\"\n"));
    let now = unix_now();
    traffic::append(&home.log(), traffic::usual(now - 9 * DAY, now));
    let mut written = std::fs::read_to_string(home.log()).unwrap().lines().count() as u64;
    let mut daemon = home.start();
    let calm = most_resident(daemon.id());
    let (mut flood, part) = (0, lines.div_ceil(PARTS));
    every("the flood is written", Duration::from_millis(200), long(120), || {
        daemon.must_run();
        // As fast as it is read, and no faster.
        if home.counted().is_some_and(|counted| counted + 2 * part >= written) {
            let mut log = open(&home.log());
            let (until, now) = ((flood + part).min(lines), unix_now());
            (flood..until).for_each(|n| write(&mut log, &flooded(n, now)));
            // The callers of old go on.
            for (key, client, _) in USUAL {
                write(&mut log, &traffic::request(now, key, client, 7));
            }
            log.flush().expect("the log is written");
            written += until - flood + USUAL.len() as u64;
            flood = until;
        }
        flood == lines
    });
    wait_for("every line is counted", long(120), || {
        daemon.must_run();
        (home.counted()? == written).then_some(())
    });
    wait_for("it is told", Duration::from_secs(60), || {
        let flood = |n: &Value| n["title"].as_str().is_some_and(|title| title.contains("flood of unknown keys"));
        home.told().iter().any(flood).then_some(())
    });
    let status = home.status().expect("an answer");
    let most = most_resident(daemon.id());
    let memory = &status["memory"];
    println!("{lines} lines: {calm} MiB before, {most} MiB at most, ceiling {ceiling} MiB; {memory}");
    assert!(most < ceiling, "{most} MiB of {ceiling}: {memory}");
    assert!(memory["used"].as_u64().unwrap() <= memory["limit"].as_u64().unwrap(), "{memory}");
    assert!(memory["evicted"].as_u64().unwrap() > lines / 10, "what had to go is counted: {status:#}");
    assert_eq!(status["lines_total"], written);
    let said = String::from_utf8(home.run(&["status"]).stdout).unwrap();
    assert!(said.contains("subjects had to give way"), "and said: {said}");
    assert!(status["engine"]["endpoints"].as_u64().unwrap() <= 2_100, "paths become templates");
    // The callers of old are known as before: a leak of one of them is seen against its own history, though the flood is
    // not over.
    let leak_began = unix_now();
    traffic::append(&home.log(), traffic::leak("wayne", leak_began - 300, leak_began));
    wait_for("the leak is told", Duration::from_secs(60), || {
        opened(&home.told()).contains(&"leaked-key wayne".to_owned()).then_some(())
    });
    assert_eq!(opened(&home.told()), ["burst site", "leaked-key wayne"], "one incident each");
    let why = String::from_utf8(home.run(&["explain", "wayne"]).stdout).unwrap();
    assert!(why.contains("known for 9.0 days, from 1 networks"), "nine days are not forgotten: {why}");
    daemon.kill();
    let daemon = home.start();
    assert!(most_resident(daemon.id()) < ceiling, "nor does a restart take more");
}

#[test]
fn a_replayed_flood_stays_within_the_ceiling_and_is_one_incident() {
    let lines = flood_lines();
    let ceiling = ceiling(lines);
    let home = Home::new(&format!("[limits]\nmemory = \"{ceiling} MiB\"\n"));
    let log = home.path().join("flood.log");
    // Nine days of ordinary life; twenty minutes of a flood in it; two hours and a leak afterwards.
    let end = unix_now() / DAY * DAY - DAY / 2;
    let (from, minutes) = (end - 2 * 3600 - 1200, 20);
    let mut usual = traffic::usual(end - 9 * DAY, end);
    usual.extend(traffic::leak("wayne", end - 900, end));
    usual.sort();
    let mut file = open(&log);
    let mut usual = usual.into_iter().peekable();
    for n in 0..lines {
        let flood = flooded(n, from + (n * minutes * 60 / lines).cast_signed());
        while let Some(line) = usual.next_if(|line| line.0 <= flood.0) {
            write(&mut file, &line);
        }
        write(&mut file, &flood);
    }
    usual.for_each(|line| write(&mut file, &line));
    file.flush().expect("the log is written");
    let mut command = binary(home.path());
    command.args(["replay", "--json", "--config"]).arg(home.config()).arg(&log);
    let mut replay = Running::start("replay", &mut command, home.path());
    let mut most = 0;
    let status = wait_for("the replay ends", long(120), || {
        most = most.max(most_resident(replay.id()));
        replay.has_ended()
    });
    let said = replay.said();
    assert!(status.success(), "{said}");
    let told: String = said.lines().filter(|line| line.starts_with('{')).flat_map(|line| [line, "\n"]).collect();
    println!("{lines} lines: {most} MiB at most, ceiling {ceiling} MiB");
    assert!(most < ceiling, "{most} MiB of {ceiling}");
    let told = notices(told.as_bytes());
    assert_eq!(opened(&told), ["burst site", "leaked-key wayne"], "{said}");
    let end = told.iter().find(|n| n["type"] == "resolved" && n["detector"] == "burst").expect("the flood is over");
    let counted = end["impact"]["requests"].as_u64().unwrap();
    assert!((counted as f64 / lines as f64 - 1.0).abs() < 0.05, "{counted} new keys of {lines}: {end:#}");
    assert!(said.contains("gave way to keep within the memory"), "what had to go is said: {said}");
}
