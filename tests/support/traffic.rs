//! Ordinary life of four callers in the combined format, and what goes wrong with them.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use chrono::DateTime;

/// The keys, their addresses, and the seconds between two requests of each.
pub(crate) const USUAL: [(&str, &str, i64); 4] = [
    ("acme", "203.0.113.9", 40),
    ("wayne", "198.51.100.21", 60),
    ("wayne", "198.51.100.22", 120),
    ("initech", "192.0.2.33", 45),
];

/// One day, in seconds.
pub(crate) const DAY: i64 = 86_400;

/// A line with its time in seconds since the epoch.
pub(crate) type Timed = (i64, String);

/// Ordinary life from one moment to another, each gap between half and one and a half of the usual one.
pub(crate) fn usual(from: i64, until: i64) -> Vec<Timed> {
    let mut lines = Vec::new();
    for (key, client, period) in USUAL {
        let mut chance = u64::from(client.as_bytes().iter().map(|b| u32::from(*b)).sum::<u32>());
        let mut at = from;
        while at < until {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let target = format!("/v1/orders/{}", 1000 + (chance >> 40) % 9000);
            lines.push((at, line(at, client, key, "GET", &target, 200, "okhttp/4.12.0")));
            at += (period / 2 + (chance >> 33).cast_signed() % (period + 1)).max(1);
        }
    }
    lines
}

/// A key used from 37 new networks, a request every five seconds.
pub(crate) fn leak(key: &str, from: i64, until: i64) -> Vec<Timed> {
    (from..until).step_by(5).enumerate().map(|(i, at)| leaked(key, i, at)).collect()
}

/// One request of a leak: the `i`th.
pub(crate) fn leaked(key: &str, i: usize, at: i64) -> Timed {
    let client = format!("198.18.{}.{}", i % 37 * 5 + 3, i % 37 + 20);
    (at, line(at, &client, key, "GET", &format!("/v1/orders/{}", 40_000 + i), 200, "python-requests/2.32.3"))
}

/// One ordinary request.
pub(crate) fn request(at: i64, key: &str, client: &str, order: i64) -> Timed {
    (at, line(at, client, key, "GET", &format!("/v1/orders/{order}"), 200, "okhttp/4.12.0"))
}

/// One request for any path, answered with any status.
pub(crate) fn call(at: i64, client: &str, key: &str, path: &str, status: u16) -> Timed {
    (at, line(at, client, key, "GET", path, status, "okhttp/4.12.0"))
}

/// The same failing request again and again, every ten seconds.
pub(crate) fn retry_loop(key: &str, client: &str, from: i64, until: i64) -> Vec<Timed> {
    let times = (from..until).step_by(10);
    times.map(|at| (at, line(at, client, key, "POST", "/v1/charges/77", 503, "okhttp/4.12.0"))).collect()
}

/// Appends lines to a log in the order of their times.
pub(crate) fn append(path: &Path, mut lines: Vec<Timed>) {
    lines.sort();
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    let mut file = File::options().create(true).append(true).open(path).expect("the log");
    file.write_all(text.as_bytes()).expect("the log is written");
}

fn line(at: i64, client: &str, key: &str, method: &str, target: &str, status: u16, agent: &str) -> String {
    let time = DateTime::from_timestamp(at, 0).unwrap().format("%d/%b/%Y:%H:%M:%S +0000");
    format!("{client} - {key} [{time}] \"{method} {target} HTTP/1.1\" {status} 13 \"-\" \"{agent}\"\n")
}
