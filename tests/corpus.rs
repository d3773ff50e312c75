//! Formats against lines of real servers and of other projects' tests, where the corpus lies beside the repository.
//!
//! Expectations are what the other project states; where it reads a value differently on purpose, `DIFFERENCES` says so.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapwing::format::Format as _;
use lapwing::format::{Choice, Record, Registry, SAMPLE_LINES, SourceParser, Template};
use lapwing::time::{Timestamp, Zone};
use serde_json::Value;

/// The corpus; absent on machines that do not have it.
fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if path.is_dir() {
        return Some(path);
    }
    println!("no corpus at {}: nothing was tested", path.display());
    None
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::File::open(path).unwrap();
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|ending| ending == "gz") {
        flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    } else {
        { file }.read_to_end(&mut bytes).unwrap();
    }
    bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

fn auto(lines: &[Vec<u8>]) -> (SourceParser, String) {
    let registry = Arc::new(Registry::built_in().unwrap());
    let mut parser = SourceParser::new(Choice::Auto, registry, Zone::UTC).unwrap();
    let sample: Vec<&[u8]> = lines.iter().take(SAMPLE_LINES).map(Vec::as_slice).collect();
    let reason = parser.offer(&sample).reason;
    (parser, reason)
}

#[test]
fn whole_real_logs_are_read_nearly_to_the_last_line() {
    let Some(corpus) = corpus() else { return };
    let mut files: Vec<PathBuf> = ["real", "labelled"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(corpus.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "gz"))
        .collect();
    files.sort();
    let mut failures = Vec::new();
    println!("{:<34} {:>7} {:>8}  formats", "file", "lines", "read");
    for file in files {
        let lines = lines(&file);
        let (mut parser, reason) = auto(&lines);
        let mut formats: BTreeMap<String, usize> = BTreeMap::new();
        let mut rejected = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            if parser.wants_sample() {
                let sample: Vec<&[u8]> = lines[at..].iter().take(SAMPLE_LINES).map(Vec::as_slice).collect();
                parser.offer(&sample);
            }
            match parser.parse(line) {
                Ok(record) => *formats.entry(record.format.to_owned()).or_default() += 1,
                Err(reject) => rejected.push((reject, String::from_utf8_lossy(line).into_owned())),
            }
        }
        let share = (lines.len() - rejected.len()) as f64 / lines.len() as f64;
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        println!("{name:<34} {:>7} {:>7.2}%  {formats:?}", lines.len(), share * 100.0);
        for (reject, line) in rejected.iter().take(3) {
            println!("    column {}: {}: {}", reject.column, reject.reason, line.chars().take(160).collect::<String>());
        }
        // Formats that nobody else has: their owner pastes the log_format (below).
        let own_format = name.starts_with("gonx") || name.starts_with("webbot");
        if share < 0.995 && !own_format {
            failures.push(format!("{name}: {:.2} % read; {reason}", share * 100.0));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn logs_in_their_owners_format_are_read_when_it_is_pasted() {
    let Some(corpus) = corpus() else { return };
    for (file, format) in [
        (
            "real/gonx_images_2015.log.gz",
            r#"$remote_addr [$time_local] "$request" $status $request_length $body_bytes_sent $request_time "$t_size" $read_time $gen_time"#,
        ),
        (
            "labelled/webbot_phase1_humans_3.log.gz",
            r#"- $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" $session "$http_user_agent""#,
        ),
    ] {
        let template = Template::new("log_format", format, Zone::UTC).unwrap();
        let lines = lines(&corpus.join(file));
        let read = lines.iter().filter(|line| template.parse(line).is_ok()).count();
        println!("{file}: {read} of {}", lines.len());
        assert!(read as f64 / lines.len() as f64 >= 0.995, "{file}: {read} of {}", lines.len());
    }
}

#[test]
fn lines_without_expectations_are_read_as_far_as_their_formats_are_known() {
    let Some(corpus) = corpus() else { return };
    // The least number of lines that must be read; the rest is broken on purpose or no access log line.
    let least: BTreeMap<&str, usize> = [
        ("lnav_access.log", 3),
        ("lnav_bad_access.log", 2),
        ("lnav_shop_access.log", 1000),
        ("mtail_apache-combined.log", 5),
        ("apachelogs_vhost_combined.log", 6),
        ("beats_nginx_access_log.log", 5),
        ("beats_ingress_nginx_odd.log", 4),
        ("fail2ban_traefik-auth.log", 6),
        ("lnav_cloudflare.jsonl", 1),
    ]
    .into();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpus.join("parsers")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut failures = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains("expected") {
            continue;
        }
        let lines = lines(&file);
        let (parser, _) = auto(&lines);
        let mut formats: BTreeMap<String, usize> = BTreeMap::new();
        for line in &lines {
            if let Ok(record) = parser.parse(line) {
                *formats.entry(record.format.to_owned()).or_default() += 1;
            }
        }
        let read: usize = formats.values().sum();
        println!("{name:<42} {read:>5} of {:>5}  {formats:?}", lines.len());
        if read < least.get(name.as_str()).copied().unwrap_or(0) {
            failures.push(format!("{name}: {read} of {} lines", lines.len()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Files whose formats are shipped, with lines that are meant to be refused, or are not access log lines, left out.
const EXPECTED: &[&str] = &[
    "crowdsec_nginx_http-logs",
    "crowdsec_nginx-http-malformed",
    "crowdsec_apache2-logs",
    "crowdsec_caddy-logs",
    "crowdsec_traefik_clf",
    "crowdsec_traefik_json",
    "crowdsec_haproxy-logs",
    "datadog_nginx",
    "datadog_haproxy",
    "logstash_httpd",
    "opsagent_nginx-access",
    "opsagent_varnish",
    "vrl_parse_nginx_log",
    "fail2ban_nginx-botsearch",
    "fail2ban_apache-badbots",
];

/// Lines in formats of nobody else: the user and dash left out, the request time before the referer.
const OWN_FORMATS: &[(&str, usize)] = &[("crowdsec_nginx_http-logs", 8), ("datadog_nginx", 6)];

/// Fields that we read differently from the other project, and why.
fn differs_on_purpose(file: &str, field: &str, expected: &Value) -> bool {
    match (file, field) {
        // The first puts noise into the path, escapes and all; here it is an odd request, with escapes undone. The
        // second takes Traefik's nanoseconds for microseconds.
        ("crowdsec_nginx-http-malformed", "path") | ("crowdsec_traefik_json", "request_time") => true,
        // Noise, escapes undone.
        ("vrl_parse_nginx_log", "request") => expected.as_str().is_some_and(|text| text.contains('\\')),
        _ => false,
    }
}

#[test]
fn lines_of_other_projects_tests_say_what_they_expect() {
    let Some(corpus) = corpus() else { return };
    let mut failures = Vec::new();
    for name in EXPECTED {
        let lines = lines(&corpus.join(format!("parsers/{name}.log")));
        let expected = lines_of_json(&corpus.join(format!("parsers/{name}.expected.jsonl")));
        let (mut read, mut asked) = (0, 0);
        for expected in expected {
            let number = expected["line"].as_u64().unwrap() as usize;
            let line = &lines[number - 1];
            // Each of these lines is a test case of its own, so each is guessed by itself.
            let (parser, _) = auto(std::slice::from_ref(line));
            let is_access = matches!(expected.get("log_type").and_then(Value::as_str), None | Some("http_access-log"))
                && expected.get("ok").and_then(Value::as_bool) != Some(false)
                && !matches!(expected.get("format").and_then(Value::as_str), Some("error"))
                && (expected.get("method").is_some() || expected.get("status").is_some() || line.contains(&b'"'))
                && !line.windows(8).any(|part| part == b" [error]")
                && !OWN_FORMATS.contains(&(*name, number));
            if !is_access {
                continue;
            }
            asked += 1;
            match parser.parse(line) {
                Ok(record) => {
                    read += 1;
                    for (field, value) in expected.as_object().unwrap() {
                        if let Some(found) = compare(&record, field, value)
                            && !differs_on_purpose(name, field, value)
                        {
                            failures.push(format!(
                                "{name}:{number}: {field}: expected {value}, found {found} ({})",
                                record.format
                            ));
                        }
                    }
                }
                Err(reject) => failures.push(format!("{name}:{number}: column {}: {}", reject.column, reject.reason)),
            }
        }
        println!("{name}: {read} of {asked} access lines");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn lines_of_json(path: &Path) -> Vec<Value> {
    lines(path).iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// What was found where it is not what was expected; fields that records do not have are not compared.
fn compare(record: &Record<'_>, field: &str, expected: &Value) -> Option<String> {
    let text = |name: &str| record.field(name).map(|v| String::from_utf8_lossy(&v).into_owned());
    let found = match field {
        "remote_addr" => text("client").map(|client| without_port(&client)),
        "remote_user" => text("user"),
        "method" => text("method"),
        "path" => text("target"),
        "protocol" => text("protocol"),
        "status" => text("status"),
        "bytes" => text("bytes_out"),
        "referer" => text("referer"),
        "user_agent" => text("user_agent"),
        "request" => text("odd_request"),
        "forwarded" => text("forwarded_for"),
        "request_time" => {
            let found = record.duration.unwrap_or(-1.0);
            return (expected.as_f64().is_some_and(|e| (e - found).abs() > 1e-6)).then(|| found.to_string());
        }
        "time" => {
            let wanted = Timestamp::parse(expected.as_str()?)?;
            // Some projects keep seconds only.
            return (wanted.secs() != record.time.secs()).then(|| record.time.to_rfc3339_millis());
        }
        _ => return None,
    };
    let wanted = match expected {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    (wanted != found).then(|| format!("{found:?}"))
}

fn without_port(client: &str) -> String {
    match client.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => host.to_owned(),
        _ => client.to_owned(),
    }
}

#[test]
fn pasted_log_formats_of_another_project_read_their_lines() {
    let Some(corpus) = corpus() else { return };
    for (number, case) in lines_of_json(&corpus.join("logformat/basjes_nginx_edge_jetty.jsonl")).iter().enumerate() {
        let (format, line) = (case["log_format"].as_str().unwrap(), case["line"].as_str().unwrap());
        let expected = &case["expected"];
        if format == "common" {
            // The peer reads any line that begins as the format does. Here a line that goes on is of another format, which
            // is said with the place where the named one ends.
            let template = Template::new("log_format", format, Zone::UTC).unwrap_or_else(|e| panic!("{number}: {e}"));
            let end = line.find(" \"-\"").unwrap();
            let reject = template.parse(line.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(
                (reject.reason.as_str(), reject.column as usize),
                ("not a number", line[..end].rfind(' ').unwrap() + 2)
            );
            let record = template.parse(&line.as_bytes()[..end]).unwrap();
            assert_eq!(
                (record.status, record.bytes_out, record.odd_request.as_deref()),
                (Some(404), Some(419), Some(&b"\x16\x03\x01"[..]))
            );
            continue;
        }
        let template = Template::new("log_format", format, Zone::UTC).unwrap_or_else(|e| panic!("{number}: {e}"));
        let record = template.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{number}: {e:?}"));
        let check = |peer: &str, ours: &str| {
            if let Some(value) = expected.get(peer) {
                let found = record.field(ours).map(|v| String::from_utf8_lossy(&v).into_owned());
                assert_eq!(found.as_deref(), value.as_str(), "case {number}: {peer}");
            }
        };
        check("UNKNOWN_NGINX_VARIABLE:nginx.unknown.foobar", "foobar");
        check("UNKNOWN_NGINX_VARIABLE:nginx.unknown.remote_user_age", "remote_user_age");
        check("STRING:request.status.last", "status");
        check("HTTP.METHOD:request.firstline.method", "method");
        check("HTTP.URI:request.firstline.uri", "target");
        check("HTTP.PROTOCOL_VERSION:request.firstline.protocol", "protocol");
        check("HTTP.USERAGENT:request.user-agent", "user_agent");
        check("STRING:connection.client.user", "user");
        check("IP:nginxmodule.kubernetes.the_real_ip", "client");
        check("IP:connection.client.host", "client");
        check("STRING:nginxmodule.kubernetes.proxy_upstream_name", "proxy_upstream_name");
        if let Some(epoch) = expected.get("TIME.EPOCH:request.receive.time.epoch").and_then(Value::as_str) {
            assert_eq!(record.time.millis().to_string(), epoch, "case {number}");
        }
        if record.method.is_none()
            && let Some(odd) = expected.get("HTTP.FIRSTLINE:request.firstline").and_then(Value::as_str)
        {
            assert_eq!(record.odd_request.as_deref(), Some(odd.as_bytes()), "case {number}");
        }
    }
}
