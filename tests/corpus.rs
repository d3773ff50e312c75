//! Formats against lines of real servers and of other projects' tests, where the corpus lies beside the repository.
//!
//! Expectations are what the other project states; where it reads a value differently on purpose, `DIFFERENCES` says so.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lapwing::format::Format as _;
use lapwing::format::{Choice, Reason, Record, Registry, SAMPLE_LINES, SourceParser, Template, guess};
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
    // Uvicorn says no time.
    parser.set_arrival(Some(Timestamp::from_secs(0)));
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
        let own_format = OWNED.iter().any(|(file, _)| file.ends_with(&name));
        if share < 0.995 && !own_format {
            failures.push(format!("{name}: {:.2} % read; {reason}", share * 100.0));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

const WEBBOT: &str =
    r#"- $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" $session "$http_user_agent""#;

/// Logs in formats that nobody else has.
const OWNED: &[(&str, &str)] = &[
    (
        "real/gonx_images_2015.log.gz",
        r#"$remote_addr [$time_local] "$request" $status $request_length $body_bytes_sent $request_time "$t_size" $read_time $gen_time"#,
    ),
    ("labelled/webbot_phase1_humans_2.log.gz", WEBBOT),
    ("labelled/webbot_phase1_humans_3.log.gz", WEBBOT),
    ("labelled/webbot_phase1_humans_4.log.gz", WEBBOT),
];

#[test]
fn logs_in_their_owners_format_are_read_when_it_is_pasted() {
    let Some(corpus) = corpus() else { return };
    for (file, format) in OWNED {
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

/// Lines with expected fields that are no request in our eyes, or in a format of nobody else, and why. 0 is every line.
const NOT_READ: &[(&str, usize, &str)] = &[
    ("crowdsec_nginx_http-logs", 9, "nginx's error log"),
    ("crowdsec_apache2-logs", 8, "Apache's error log"),
    ("crowdsec_apache2-logs", 9, "Apache's error log"),
    ("crowdsec_haproxy-logs", 3, "a connection without a request"),
    ("crowdsec_haproxy-logs", 4, "a connection without a request"),
    ("datadog_nginx", 4, "nginx's error log"),
    ("datadog_nginx", 5, "nginx's error log"),
    ("datadog_haproxy", 2, "option tcplog"),
    ("datadog_haproxy", 3, "a connection without a request"),
    ("fail2ban_nginx-http-auth", 0, "nginx's error log"),
    ("fail2ban_nginx-botsearch", 9, "nginx's error log"),
    ("fail2ban_nginx-botsearch", 10, "nginx's error log"),
    ("fail2ban_nginx-botsearch", 11, "nginx's error log"),
    ("fail2ban_nginx-botsearch", 12, "nginx's error log"),
    ("fail2ban_nginx-botsearch", 13, "nginx's error log"),
    ("fail2ban_nginx-botsearch", 14, "nginx's error log"),
    ("logstash_aws", 7, "cut off behind its time, on purpose"),
];

/// Formats that nobody else has: their owner pastes them.
const PASTED: &[(&str, &[usize], &str)] = &[(
    "crowdsec_nginx_http-catch-npm",
    &[1, 2, 3, 4],
    r#"[$time_local] $host $remote_addr $request_time "$request" $status $body_bytes_sent $request_length $http_referer $http_user_agent"#,
)];

/// Fields that we read differently from the other project on purpose: file, line (0 is every line), field, why.
const DIFFERENCES: &[(&str, usize, &str, &str)] = &[
    ("crowdsec_nginx-http-malformed", 0, "path", "noise is no path here but an odd request, its escapes undone"),
    ("crowdsec_nginx_http-catch-npm", 4, "path", "noise is no path here but an odd request"),
    ("crowdsec_traefik_json", 0, "request_time", "the other takes Traefik's nanoseconds for microseconds"),
    (
        "crowdsec_envoy-logs",
        9,
        "remote_addr",
        "of a list of proxies the other takes the first, which clients forge; here the last",
    ),
    (
        "crowdsec_envoy-logs",
        10,
        "remote_addr",
        "of a list of proxies the other takes the first, which clients forge; here the last",
    ),
];

/// Noise, whose escapes we undo and the other keeps.
fn is_escaped_noise(field: &str, expected: &Value) -> bool {
    field == "request" && expected.as_str().is_some_and(|text| text.contains('\\'))
}

#[test]
fn lines_of_other_projects_tests_say_what_they_expect() {
    let Some(corpus) = corpus() else { return };
    let mut failures = Vec::new();
    println!("{:<42} {:>6} {:>6} {:>8} {:>8} {:>7}", "file", "lines", "read", "refused", "fields", "differ");
    for path in files_of(&corpus, &["parsers", "attacks"]) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let answers = path.with_file_name(format!("{name}.expected.jsonl"));
        if !answers.is_file() || name.starts_with("ossec") {
            continue;
        }
        let lines = lines(&path);
        let (mut read, mut refused, mut fields, mut differ) = (0, 0, 0, 0);
        for expected in lines_of_json(&answers) {
            let number = expected["line"].as_u64().unwrap() as usize;
            let line = &lines[number - 1];
            let listed = NOT_READ.iter().any(|(file, at, _)| *file == name && (*at == 0 || *at == number));
            let error_log = expected.get("format").and_then(Value::as_str) == Some("error");
            let is_access = !listed && !error_log && expected.get("ok").and_then(Value::as_bool) != Some(false);
            // Each of these lines is a test case of its own, so each is guessed by itself.
            let parser = match PASTED.iter().find(|(file, at, _)| *file == name && at.contains(&number)) {
                Some((_, _, format)) => {
                    let registry = Arc::new(Registry::built_in().unwrap());
                    let mut parser =
                        SourceParser::new(Choice::Template((*format).to_owned()), registry, Zone::UTC).unwrap();
                    parser.set_arrival(None);
                    parser
                }
                None => auto(std::slice::from_ref(line)).0,
            };
            match (parser.parse(line), is_access) {
                (Err(reject), false) => {
                    refused += 1;
                    assert!(!reject.reason.as_str().is_empty() && reject.column as usize <= line.len() + 1);
                }
                (Ok(record), false) => failures.push(format!("{name}:{number}: read as {}", record.format)),
                (Err(reject), true) if reject.reason == Reason::NoTime && expected.get("time").is_none() => {
                    failures.push(format!("{name}:{number}: no time"));
                }
                (Err(reject), true) => {
                    failures.push(format!("{name}:{number}: column {}: {}", reject.column, reject.reason));
                }
                (Ok(record), true) => {
                    read += 1;
                    for (field, value) in expected.as_object().unwrap() {
                        fields += 1;
                        let Some(found) = compare(&record, field, value) else { continue };
                        let listed = |(file, at, what, _): &(&str, usize, &str, &str)| {
                            *file == name && (*at == 0 || *at == number) && what == field
                        };
                        if DIFFERENCES.iter().any(listed) || is_escaped_noise(field, value) {
                            differ += 1;
                        } else {
                            let format = record.format;
                            failures
                                .push(format!("{name}:{number}: {field}: expected {value}, found {found} ({format})"));
                        }
                    }
                }
            }
        }
        println!("{name:<42} {:>6} {read:>6} {refused:>8} {fields:>8} {differ:>7}", lines.len());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Logs of one folder or several, without the answers beside them.
fn files_of(corpus: &Path, folders: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(corpus.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            [".log", ".gz", "_log"].iter().any(|end| name.ends_with(end)) || name == "lnav_cloudflare.jsonl"
        })
        .collect();
    files.sort();
    files
}

/// The format of each file; `-` where it has none (an error log, or a format of nobody else). A file of several formats
/// lists those of which any may lead.
const FORMATS: &[(&str, &str)] = &[
    ("apachelogs_vhost_combined.log", "vhost-combined"),
    ("beats_ingress_nginx_odd.log", "ingress-nginx"),
    ("beats_nginx_access_log.log", "combined"),
    ("crowdsec_apache2-logs.log", "combined"),
    ("crowdsec_aws-cloudfront-logs.log", "cloudfront"),
    ("crowdsec_caddy-logs.log", "caddy"),
    ("crowdsec_envoy-logs.log", "envoy-json"),
    ("crowdsec_fastly-logs.log", "fastly"),
    ("crowdsec_haproxy-logs.log", "haproxy"),
    ("crowdsec_litellm-logs.log", "uvicorn"),
    ("crowdsec_nginx-http-malformed.log", "combined"),
    ("crowdsec_nginx_http-catch-npm.log", "nginx-proxy-manager"),
    ("crowdsec_nginx_http-logs.log", "combined"),
    ("crowdsec_traefik_clf.log", "traefik"),
    ("crowdsec_traefik_json.log", "traefik-json"),
    ("datadog_haproxy.log", "haproxy"),
    ("datadog_nginx.log", "combined-more common nginx-main nginx-timed"),
    ("drill_multiformat.access_log", "combined common-referer"),
    ("fail2ban_apache-badbots.log", "combined"),
    ("fail2ban_nginx-botsearch.log", "nginx-main"),
    ("fail2ban_nginx-http-auth.log", "-"),
    ("fail2ban_squid.log", "squid"),
    ("fail2ban_traefik-auth.log", "traefik"),
    ("lnav_access.log", "combined"),
    ("lnav_bad_access.log", "combined"),
    ("lnav_cloudflare.jsonl", "cloudflare"),
    ("lnav_shop_access.log", "nginx-main"),
    ("lnav_uwsgi.log", "uwsgi"),
    ("lnav_w3c_0.log", "w3c"),
    ("lnav_w3c_2.log", "w3c"),
    ("logstash_aws.log", "elb"),
    ("logstash_httpd.log", "combined"),
    ("mtail_apache-combined.log", "combined"),
    ("mtail_lighttpd_access.log", "lighttpd"),
    ("opensearch_cloudfront.log", "cloudfront"),
    ("opsagent_nginx-access.log", "combined"),
    ("opsagent_varnish.log", "combined"),
    ("vrl_parse_nginx_log.log", "combined combined-more ingress-nginx nginx-main"),
    ("crowdsec_aws-alb-http-bad-user-agent.log", "alb"),
    ("crowdsec_envoy-http-crawl-non_statics.log", "envoy-json"),
    ("crowdsec_http-bf-wordpress-bf.log", "combined"),
    ("crowdsec_http-dos-random-uri.log", "combined"),
    ("crowdsec_http-dos-switching-ua.log", "combined"),
    ("crowdsec_http-wordpress-scan.log", "combined"),
    ("crowdsec_nginx-bad-user-agent.log", "combined"),
    ("crowdsec_nginx-http-generic-bf.log", "nginx-main"),
    ("crowdsec_nginx-http-path-traversal.log", "combined"),
    ("crowdsec_nginx-http-sqli-probing.log", "combined"),
    ("crowdsec_sftpgo-impossible-travel.log", "-"),
    ("crowdsec_traefik_base-http-scenario.log", "traefik-json"),
    ("ossec_web_rules.log", "w3c combined"),
    ("almhuette_2019.log.gz", "nginx-main"),
    ("attack_w3af_2016.log.gz", "combined"),
    ("course_site_2015.log.gz", "combined"),
    ("elastic_apache_2015.log.gz", "combined"),
    ("elb_health_2021.log.gz", "combined"),
    ("gonx_images_2015.log.gz", "-"),
    ("hackathon_wp_2025.log.gz", "combined"),
    ("honeypot_2019_day1.log.gz", "combined-more"),
    ("honeypot_2019_day2.log.gz", "combined-more"),
    ("nasa_aug95_first5000.log.gz", "common"),
    ("news_site_2016.log.gz", "combined"),
    ("podcast_2013.log.gz", "combined"),
    ("secrepo_2021-10-22.log.gz", "combined"),
    ("webbot_phase1_humans_2.log.gz", "-"),
    ("webbot_phase1_humans_3.log.gz", "-"),
    ("webbot_phase1_humans_4.log.gz", "-"),
];

#[test]
fn every_file_is_recognised() {
    let Some(corpus) = corpus() else { return };
    let registry = Registry::built_in().unwrap();
    let mut failures = Vec::new();
    for path in files_of(&corpus, &["parsers", "attacks", "real", "labelled"]) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let lines = lines(&path);
        let sample: Vec<&[u8]> = lines.iter().take(SAMPLE_LINES).map(Vec::as_slice).collect();
        let guess = guess(&sample, &registry);
        let found = guess.format.as_deref().unwrap_or("-");
        println!("{name:<42} {found:<20} {}", guess.reason);
        match FORMATS.iter().find(|(file, _)| *file == name) {
            Some((_, formats)) if formats.split(' ').any(|format| format == found) => {}
            Some((_, formats)) => failures.push(format!("{name}: expected {formats}, found {found}: {}", guess.reason)),
            None => failures.push(format!("{name}: not in FORMATS; found {found}")),
        }
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
        // The other's host is without the port.
        "host" => text("host").map(|host| if expected.as_str() == Some(&host) { host } else { without_port(&host) }),
        "request_id" => text("request_id"),
        "forwarded" => text("forwarded_for"),
        "request_time" => {
            let found = record.duration.unwrap_or(-1.0);
            return (expected.as_f64().is_some_and(|e| (e - found).abs() > 1e-6)).then(|| found.to_string());
        }
        "time" | "time_text" => {
            let wanted = Timestamp::parse(expected.as_str()?)?;
            // Some projects keep seconds only.
            let same = wanted == record.time || (wanted.millis() % 1000 == 0 && wanted.secs() == record.time.secs());
            return (!same).then(|| record.time.to_rfc3339_millis());
        }
        // The wall clock of the other project's machine.
        "time_local" => {
            let wall = Zone::parse("Europe/Zurich").unwrap().wall(record.time).format("%Y-%m-%dT%H:%M:%S").to_string();
            return (!expected.as_str()?.starts_with(&wall)).then_some(wall);
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
    let bare = match client.rsplit_once(':') {
        Some((host, port))
            if (!host.contains(':') || host.ends_with(']')) && port.bytes().all(|b| b.is_ascii_digit()) =>
        {
            host
        }
        _ => client,
    };
    bare.trim_start_matches('[').trim_end_matches(']').to_owned()
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
