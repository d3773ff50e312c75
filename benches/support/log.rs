//! Access logs for measurements: deterministic and seeded, the same arguments give the same bytes on any machine.
//!
//! Shape: day and night with quieter weekends, Zipf keys, Zipf endpoints whose paths carry ids, one to four home
//! addresses a key and a share of strangers, agents that stick to a key, statuses, log-normal sizes and times. Addresses
//! come only from ranges that nobody owns on the public internet (198.18.0.0/15, 100.64.0.0/10, 2001:db8::/32).

use std::collections::HashMap;
use std::f64::consts::PI;
use std::io::{self, Write};

use chrono::{DateTime, Datelike, Timelike};
use sha2::{Digest, Sha256};

use super::random::Random;

/// What is to be generated.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Lines.
    pub(crate) lines: usize,
    /// Different API keys, and as many addresses.
    pub(crate) keys: usize,
    /// Days that the lines are spread over.
    pub(crate) days: f64,
    /// The seed.
    pub(crate) seed: u64,
    /// JSON as nginx writes it instead of the combined format.
    pub(crate) json: bool,
    /// Every key is seen at least once.
    pub(crate) cover: bool,
    /// Every request is refused: a flood in which every line counts.
    pub(crate) refused: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { lines: 200_000, keys: 10_000, days: 7.0, seed: 1, json: false, cover: true, refused: false }
    }
}

/// 2026-01-01.
const START: i64 = 1_767_225_600;
/// Every so manieth address is IPv6.
const IPV6_EVERY: u64 = 12;

/// Method, path (`{n}` number, `{u}` uuid, `{h}` hexadecimal), mean bytes, mean seconds, status of success.
#[rustfmt::skip]
const ENDPOINTS: [(&str, &str, f64, f64, u16); 40] = [
    ("GET", "/v1/items/{n}", 900.0, 0.020, 200), ("GET", "/v1/items", 6200.0, 0.045, 200),
    ("POST", "/v1/events", 64.0, 0.012, 202), ("GET", "/v1/users/{n}", 700.0, 0.018, 200),
    ("GET", "/v1/search", 8400.0, 0.120, 200), ("POST", "/v1/completions", 3100.0, 1.900, 200),
    ("GET", "/v1/orders/{u}", 1500.0, 0.030, 200), ("POST", "/v1/orders", 420.0, 0.085, 201),
    ("GET", "/v1/orders/{u}/lines", 2600.0, 0.040, 200), ("POST", "/v1/auth/token", 310.0, 0.060, 200),
    ("GET", "/health", 2.0, 0.001, 200), ("POST", "/v1/documents/process", 5200.0, 4.200, 200),
    ("GET", "/v1/documents/{h}", 24000.0, 0.090, 200), ("PUT", "/v1/items/{n}", 180.0, 0.050, 200),
    ("PATCH", "/v1/users/{n}/settings", 96.0, 0.040, 200), ("GET", "/v2/accounts/{n}/balance", 240.0, 0.025, 200),
    ("GET", "/v2/accounts/{n}/transactions", 11800.0, 0.110, 200), ("POST", "/v2/payments", 510.0, 0.210, 201),
    ("GET", "/v2/payments/{u}", 620.0, 0.022, 200), ("DELETE", "/v1/items/{n}", 0.0, 0.030, 204),
    ("GET", "/v1/files/{h}/download", 480_000.0, 0.700, 200), ("POST", "/v1/files", 130.0, 0.450, 201),
    ("GET", "/v1/reports/daily", 38000.0, 0.800, 200), ("POST", "/v1/embeddings", 12300.0, 0.150, 200),
    ("GET", "/v1/models", 3400.0, 0.006, 200), ("POST", "/graphql", 2800.0, 0.075, 200),
    ("GET", "/v1/webhooks/{n}", 540.0, 0.014, 200), ("POST", "/v1/webhooks/{n}/test", 77.0, 0.240, 200),
    ("GET", "/v1/teams/{n}/members", 2100.0, 0.028, 200), ("GET", "/v1/geo/lookup", 330.0, 0.009, 200),
    ("POST", "/v1/batch", 900.0, 0.330, 202), ("GET", "/v1/exports/{u}", 92000.0, 0.500, 200),
    ("GET", "/static/app.{h}.js", 184_000.0, 0.002, 200), ("GET", "/openapi.json", 61000.0, 0.004, 200),
    ("GET", "/v1/limits", 160.0, 0.003, 200), ("OPTIONS", "/v1/items", 0.0, 0.001, 204),
    ("GET", "/v1/audit/events", 15500.0, 0.140, 200), ("POST", "/v1/messages", 1900.0, 1.300, 200),
    ("GET", "/v1/messages/{u}", 1400.0, 0.020, 200), ("GET", "/favicon.ico", 1150.0, 0.001, 200),
];

const AGENTS: [&str; 21] = [
    "python-requests/2.32.3",
    "axios/1.7.9",
    "okhttp/4.12.0",
    "Go-http-client/2.0",
    "curl/8.7.1",
    "python-httpx/0.28.1",
    "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
    "Java/21.0.4",
    "PostmanRuntime/7.43.0",
    "aiohttp/3.11.11 Python/3.12 aiohttp/3.11.11",
    "GuzzleHttp/7",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Apache-HttpClient/5.3.1 (Java/17.0.12)",
    "Ruby",
    "reqwest/0.12",
    "kube-probe/1.31",
    "-",
];

/// Share of each answer that is no success.
const ERRORS: [(f64, u16); 13] = [
    (0.030, 304),
    (0.012, 400),
    (0.010, 401),
    (0.004, 403),
    (0.025, 404),
    (0.002, 409),
    (0.003, 422),
    (0.008, 429),
    (0.003, 499),
    (0.003, 500),
    (0.002, 502),
    (0.001, 503),
    (0.001, 504),
];

/// What a key is like.
#[derive(Clone)]
struct Key {
    name: String,
    homes: f64,
    agent: &'static str,
    turn: usize,
}

/// Writes the lines of a plan.
///
/// # Errors
/// What `out` fails with.
pub(crate) fn write(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    let mut random = Random::new(plan.seed);
    let minutes = ((plan.days * 1440.0) as i64).max(1);
    let weight: Vec<f64> = (0..minutes)
        .map(|minute| {
            let t = START + minute * 60;
            let day = (2.0 * PI * ((t % 86_400) as f64 / 86_400.0 - 0.33)).sin();
            let weekend = if (t / 86_400 + 3) % 7 >= 5 { 0.55 } else { 1.0 };
            (1.0 + 0.75 * day) * weekend * (0.9 + 0.2 * random.next())
        })
        .collect();
    let scale = plan.lines as f64 / weight.iter().sum::<f64>();
    let (key_cdf, ip_cdf, route_cdf) = (zipf(plan.keys, 1.0), zipf(plan.keys, 0.9), zipf(ENDPOINTS.len(), 0.9));
    let mut sum = 0.0;
    let errors = ERRORS.map(|(share, _)| {
        sum += share;
        sum
    });
    let every = if plan.cover && plan.keys <= plan.lines { plan.lines / plan.keys } else { 0 };
    let mut keys: HashMap<usize, Key> = HashMap::new();
    let (mut done, mut covered, mut carry) = (0, 0, 0.0);
    for minute in 0..minutes {
        carry += weight[minute as usize] * scale;
        let left = plan.lines - done;
        let count = if minute == minutes - 1 { left } else { (carry as usize).min(left) };
        carry -= count as f64;
        for n in 0..count {
            let t = START + minute * 60 + (n * 60 / count) as i64;
            let k = if every > 0 && done % every == 0 && covered < plan.keys {
                covered += 1;
                covered - 1
            } else {
                at(&key_cdf, random.next())
            };
            let key = keys.entry(k).or_insert_with(|| Key::new(plan.seed, k)).clone();
            line(plan, &mut random, (&key, k, t), (&ip_cdf, &route_cdf, &errors), out)?;
            done += 1;
        }
    }
    Ok(())
}

fn line(
    plan: &Plan,
    random: &mut Random,
    (key, k, t): (&Key, usize, i64),
    (ips, routes, errors): (&[f64], &[f64], &[f64]),
    out: &mut dyn Write,
) -> io::Result<()> {
    let r = random.next();
    let mut i = if r < 0.9 { (k + (r * 11.0 * key.homes) as usize * 9973) % plan.keys } else { at(ips, random.next()) };
    if r < 0.72 {
        i = k % plan.keys;
    }
    let ip = address(i as u64);
    let (method, path, size, seconds, success) = ENDPOINTS[(at(routes, random.next()) + key.turn) % ENDPOINTS.len()];
    let r = random.next();
    let (mut path, mut query) = (path.to_owned(), String::new());
    if path.contains("{n}") {
        path = path.replace("{n}", &(1000 + (r * r * 900_000.0) as u64).to_string());
    } else if path.contains('{') {
        let h = format!("{:016x}", (r * 18_446_744_073_709_551_616.0) as u64);
        let uuid = format!("{}-{}-4{}-8{}-{}{}", &h[..8], &h[8..12], &h[12..15], &h[1..4], &h[4..12], &h[..4]);
        path = path.replace("{u}", &uuid).replace("{h}", &h);
    } else if method == "GET" && r < 0.6 {
        let number = (r * 9973.0) as u64;
        query = match (r * 5.0) as u64 {
            0 => format!("page={number}"),
            1 => format!("limit={number}"),
            2 => format!("cursor={number}"),
            3 => format!("since=17{number:08}"),
            _ => format!("q=term%20{number}"),
        };
    }
    let separator = if query.is_empty() { "" } else { "&" };
    let uri = format!("{path}?{query}{separator}api_key={}", key.name);
    let mut status = ERRORS.get(at(errors, random.next())).map_or(success, |(_, status)| *status);
    if plan.refused {
        status = 401;
    }
    let r = random.next();
    let spread = if r > 0.0 && r < 1.0 { (r / (1.0 - r)).ln() * 0.45 } else { 0.0 };
    let size = match status {
        204 | 304 => 0,
        400.. => 60 + (r * 400.0) as u64,
        _ => (size * spread.exp()) as u64,
    };
    let seconds = seconds * spread.exp();
    let protocol = if k & 1 == 1 { "HTTP/2.0" } else { "HTTP/1.1" };
    let when = DateTime::from_timestamp(t, 0).unwrap_or_default();
    if plan.json {
        let agent = if key.agent == "-" { "" } else { key.agent };
        return writeln!(
            out,
            "{{\"time_iso8601\":\"{}\",\"remote_addr\":\"{ip}\",\"remote_user\":\"\",\"request_method\":\"{method}\",\
             \"request_uri\":\"{uri}\",\"server_protocol\":\"{protocol}\",\"status\":{status},\"body_bytes_sent\":{size},\
             \"request_time\":{seconds:.3},\"upstream_response_time\":\"{:.3}\",\"host\":\"api.example.com\",\
             \"request_id\":\"{:016x}\",\"http_referer\":\"\",\"http_user_agent\":\"{agent}\"}}",
            when.format("%Y-%m-%dT%H:%M:%S+00:00"),
            seconds * 0.97,
            (r * 18_446_744_073_709_551_616.0) as u64,
        );
    }
    let referer = if key.agent.starts_with("Mozilla") && r < 0.5 { "https://console.example.com/" } else { "-" };
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][when.month0() as usize];
    writeln!(
        out,
        "{ip} - - [{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000] \"{method} {uri} {protocol}\" {status} {size} \"{referer}\" \"{}\"",
        when.day(),
        when.year(),
        when.hour(),
        when.minute(),
        when.second(),
        key.agent
    )
}

impl Key {
    fn new(seed: u64, k: usize) -> Key {
        let traits = digest(seed, "trait", k);
        Key {
            name: name(seed, k),
            homes: f64::from(1 + (traits[0] & 3)),
            agent: AGENTS[usize::from(traits[1]) % AGENTS.len()],
            turn: usize::from(traits[2]) % ENDPOINTS.len(),
        }
    }
}

/// `lw_` and 24 digits of a number of 160 bits in base 62, lowest first.
fn name(seed: u64, k: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number: Vec<u32> = digest(seed, "key", k)[..20].iter().map(|&byte| u32::from(byte)).collect();
    let mut name = "lw_".to_owned();
    for _ in 0..24 {
        let mut rest = 0;
        for byte in &mut number {
            let all = rest * 256 + *byte;
            (*byte, rest) = (all / 62, all % 62);
        }
        name.push(char::from(DIGITS[rest as usize]));
    }
    name
}

fn digest(seed: u64, kind: &str, k: usize) -> [u8; 32] {
    Sha256::digest(format!("{seed}/{kind}/{k}")).into()
}

fn address(i: u64) -> String {
    if i % IPV6_EVERY == IPV6_EVERY - 1 {
        return format!("2001:db8:{:x}:{:x}::{:x}", (i >> 16) & 0xffff, i & 0xffff, (i * 7919) % 65521);
    }
    let n = (i * 48271) % 131_071;
    if i < 131_071 {
        return format!("198.{}.{}.{}", 18 + (n >> 16), (n >> 8) & 255, n & 255);
    }
    let n = i - 131_071;
    format!("100.{}.{}.{}", 64 + ((n >> 16) & 63), (n >> 8) & 255, n & 255)
}

fn zipf(n: usize, exponent: f64) -> Vec<f64> {
    let mut total = 0.0;
    let sums: Vec<f64> = (1..=n)
        .map(|i| {
            total += (i as f64).powf(-exponent);
            total
        })
        .collect();
    sums.into_iter().map(|sum| sum / total).collect()
}

/// The place of a random number in sums of shares.
fn at(sums: &[f64], r: f64) -> usize {
    sums.partition_point(|&sum| sum < r)
}
