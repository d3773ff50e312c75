//! Lines as real servers and real clients leave them: each shape through the shipped text formats, a pasted one and JSON,
//! between two good lines. The shape gives its fields or a reject with reason and column; its neighbours are always read.

use std::io::Cursor;
use std::sync::{Arc, OnceLock};

use lapwing::format::{Choice, Record, Registry, Reject, SourceParser};
use lapwing::source::archive::LineReader;
use lapwing::source::lines;
use lapwing::time::Zone;

const LIMIT: usize = 64 << 10;

const PASTED: &str = r#"log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_time "$upstream_addr" $upstream_status "$upstream_response_time"';"#;

/// What a line is made of; the rest of it is the same in every test.
#[derive(Clone, Copy)]
struct Parts<'a> {
    client: &'a [u8],
    user: &'a [u8],
    request: &'a [u8],
    agent: &'a [u8],
}

const USUAL: Parts<'_> = Parts { client: b"203.0.113.9", user: b"-", request: b"GET /a HTTP/1.1", agent: b"curl/8" };

/// A format, and how a server writes a line of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Writer {
    Combined,
    NginxMain,
    Vhost,
    Pasted,
    Json,
    NginxJson,
}

const TEXTS: [Writer; 4] = [Writer::Combined, Writer::NginxMain, Writer::Vhost, Writer::Pasted];
const JSONS: [Writer; 2] = [Writer::Json, Writer::NginxJson];

impl Writer {
    fn choice(self) -> Choice {
        let name = match self {
            Writer::Combined => "combined",
            Writer::NginxMain => "nginx-main",
            Writer::Vhost => "vhost-combined",
            Writer::Json => "json",
            Writer::NginxJson => "nginx-json",
            Writer::Pasted => return Choice::Template(PASTED.to_owned()),
        };
        Choice::Named(name.to_owned())
    }

    fn parser(self) -> SourceParser {
        static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
        let registry = REGISTRY.get_or_init(|| Arc::new(Registry::built_in().unwrap()));
        SourceParser::new(self.choice(), Arc::clone(registry), Zone::UTC).unwrap()
    }

    fn line(self, parts: Parts<'_>) -> Vec<u8> {
        let Parts { client, user, request, agent } = parts;
        let time: &[u8] = match self {
            Writer::Json | Writer::NginxJson => b"2026-03-02T14:31:07+00:00",
            _ => b"02/Mar/2026:14:31:07 +0000",
        };
        let text = [client, b" - ", user, b" [", time, b"] \"", request, b"\" 400 17 \"-\" \"", agent, b"\""].concat();
        match self {
            Writer::Combined => text,
            Writer::NginxMain => [&text[..], b" \"198.51.100.4\""].concat(),
            Writer::Vhost => [b"www.example.com:443 ", &text[..]].concat(),
            Writer::Pasted => [&text[..], b" 0.031 \"10.0.0.1:80\" 400 \"0.030\""].concat(),
            Writer::Json => [
                &br#"{"time":""#[..],
                time,
                br#"","client_ip":""#,
                client,
                br#"","user":""#,
                user,
                br#"","request":""#,
                request,
                br#"","status":400,"bytes":17,"user_agent":""#,
                agent,
                br#""}"#,
            ]
            .concat(),
            Writer::NginxJson => [
                &br#"{"time_iso8601":""#[..],
                time,
                br#"","remote_addr":""#,
                client,
                br#"","remote_user":""#,
                user,
                br#"","request":""#,
                request,
                br#"","status":400,"body_bytes_sent":17,"request_time":0.031,"http_referer":"-","http_user_agent":""#,
                agent,
                br#""}"#,
            ]
            .concat(),
        }
    }
}

fn text(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "absent".to_owned(), |v| String::from_utf8_lossy(v).into_owned())
}

/// Method, target and protocol, or what stood in their place.
fn request_of(record: &Record<'_>) -> String {
    match &record.odd_request {
        Some(odd) => format!("odd {}", text(Some(odd))),
        None => format!(
            "{}|{}|{}",
            text(record.method.as_deref()),
            text(record.target.as_deref()),
            text(record.protocol.as_deref())
        ),
    }
}

/// Reads a file of a good line, the given bytes, and another good line, and holds that the good ones are read. What is
/// told of the middle: one outcome a line.
fn between_neighbours<T>(writer: Writer, middle: &[u8], tell: impl Fn(Result<Record<'_>, Reject>) -> T) -> Vec<T> {
    let neighbour = |path: &str| {
        let request = format!("GET {path} HTTP/1.1");
        writer.line(Parts { request: request.as_bytes(), ..USUAL })
    };
    let file = [&neighbour("/before")[..], b"\n", middle, b"\n", &neighbour("/after"), b"\n"].concat();
    let parser = writer.parser();
    let mut reader = LineReader::new(Cursor::new(file), LIMIT);
    let (mut block, mut all) = (Vec::new(), Vec::new());
    while reader.next_block(&mut block).unwrap() {
        all.extend(lines(&block).map(<[u8]>::to_vec));
    }
    let shown = || format!("{writer:?} {}", String::from_utf8_lossy(middle));
    let (first, rest) = all.split_first().unwrap_or_else(|| panic!("{}", shown()));
    let (last, between) = rest.split_last().unwrap_or_else(|| panic!("{}", shown()));
    for (line, target) in [(first, "/before"), (last, "/after")] {
        let record = parser.parse(line).unwrap_or_else(|r| panic!("{}: neighbour {target}: {r:?}", shown()));
        assert_eq!(request_of(&record), format!("GET|{target}|HTTP/1.1"), "{}", shown());
        assert_eq!(text(record.client.as_deref()), "203.0.113.9", "{}", shown());
    }
    between.iter().map(|line| tell(parser.parse(line))).collect()
}

/// The one line between two neighbours, which must be read; what is told of it.
fn read_between<T>(writer: Writer, middle: &[u8], tell: impl Fn(Record<'_>) -> T) -> T {
    let mut told = between_neighbours(writer, middle, |outcome| {
        tell(outcome.unwrap_or_else(|r| panic!("{writer:?}: {r:?}: {}", String::from_utf8_lossy(middle))))
    });
    assert_eq!(told.len(), 1, "{writer:?}: {}", String::from_utf8_lossy(middle));
    told.remove(0)
}

fn is_read(writers: &[Writer], parts: Parts<'_>, tell: fn(&Record<'_>) -> String, expected: &str) {
    for &writer in writers {
        let line = writer.line(parts);
        let told = read_between(writer, &line, |record| {
            assert_eq!((record.status, record.bytes_out), (Some(400), Some(17)), "{writer:?}");
            assert_eq!(record.time.to_rfc3339_millis(), "2026-03-02T14:31:07.000Z", "{writer:?}");
            tell(&record)
        });
        assert_eq!(told, expected, "{writer:?}: {}", String::from_utf8_lossy(&line));
    }
}

/// As servers log what clients send, and what that is.
const REQUESTS: &[(&[u8], &str)] = &[
    (b"", "odd "),
    (b"-", "odd -"),
    (b" ", "odd  "),
    (b"GET /a b  c HTTP/1.1", "GET|/a b  c|HTTP/1.1"),
    (b"GET  /a HTTP/1.1", "GET|/a|HTTP/1.1"),
    (b" GET /a HTTP/1.1", "GET|/a|HTTP/1.1"),
    (b"GET /a HTTP/1.1 ", "GET|/a|HTTP/1.1"),
    (b"GET /old", "GET|/old|absent"),
    (b"GET /old style", "GET|/old style|absent"),
    (b"GET /a HTTP/", "GET|/a HTTP/|absent"),
    (b"GET", "odd GET"),
    (b"GET HTTP/1.1", "odd GET HTTP/1.1"),
    (b"PRI * HTTP/2.0", "PRI|*|HTTP/2.0"),
    (b"OPTIONS * HTTP/1.0", "OPTIONS|*|HTTP/1.0"),
    (b"CONNECT example.com:443 HTTP/1.1", "CONNECT|example.com:443|HTTP/1.1"),
    (b"GET http://example.com/a?b HTTP/1.1", "GET|http://example.com/a?b|HTTP/1.1"),
    (b"M-SEARCH * HTTP/1.1", "M-SEARCH|*|HTTP/1.1"),
    (b"get /x HTTP/1.1", "get|/x|HTTP/1.1"),
    (b"SSH-2.0-OpenSSH_9.6", "odd SSH-2.0-OpenSSH_9.6"),
    (b"HELP", "odd HELP"),
    (b"JDWP-Handshake", "odd JDWP-Handshake"),
    (b"GET /[x] - [02/Mar/2026:14:31:07 HTTP/1.1", "GET|/[x] - [02/Mar/2026:14:31:07|HTTP/1.1"),
    (b"GET /?a=1' OR '1'='1 HTTP/1.1", "GET|/?a=1' OR '1'='1|HTTP/1.1"),
    (b"GET /${jndi:ldap://a/b}?{} HTTP/1.1", "GET|/${jndi:ldap://a/b}?{}|HTTP/1.1"),
    (b"GET /%22%00%ff%2e%2e HTTP/1.1", "GET|/%22%00%ff%2e%2e|HTTP/1.1"),
    ("GET /é/日本 HTTP/1.1".as_bytes(), "GET|/é/日本|HTTP/1.1"),
    // Escapes of nginx and Apache.
    (br"\x16\x03\x01\x02\x00", "odd \u{16}\u{3}\u{1}\u{2}\u{0}"),
    (br"GET /?q=\x22a b\x22 HTTP/1.1", "GET|/?q=\"a b\"|HTTP/1.1"),
    (br"GET /?q=\x5C HTTP/1.1", "GET|/?q=\\|HTTP/1.1"),
    (br#"GET /a\"b HTTP/1.1"#, "GET|/a\"b|HTTP/1.1"),
    (br#"GET /a\" 200 5 \"x HTTP/1.1"#, "GET|/a\" 200 5 \"x|HTTP/1.1"),
    (br#"GET /a\\\"b HTTP/1.1"#, "GET|/a\\\"b|HTTP/1.1"),
    (br"GET /a\\b HTTP/1.1", "GET|/a\\b|HTTP/1.1"),
    (br"GET /a\\", "GET|/a\\|absent"),
    (br"t3 12.1.2\n", "odd t3 12.1.2\n"),
];

#[test]
fn requests_of_every_kind_are_read_by_every_format() {
    let all = [&TEXTS[..], &JSONS].concat();
    for (request, expected) in REQUESTS {
        is_read(&all, Parts { request, ..USUAL }, request_of, expected);
    }
}

/// What only some servers leave as it is.
#[test]
fn raw_bytes_and_raw_quotes_in_requests_are_read() {
    let all = [&TEXTS[..], &JSONS].concat();
    // A TLS hello, NUL and all: bytes that are no text stand one for one; JSON has characters in their place.
    for writer in all {
        let parts = Parts { request: b"\x16\x03\x01\x00\xfc\xff{|", ..USUAL };
        let bytes = read_between(writer, &writer.line(parts), |record| record.odd_request.map(|v| v.to_vec()));
        let expected: &[u8] = if JSONS.contains(&writer) {
            "\u{16}\u{3}\u{1}\u{0}\u{fc}\u{ff}{|".as_bytes()
        } else {
            b"\x16\x03\x01\x00\xfc\xff{|"
        };
        assert_eq!(bytes.as_deref(), Some(expected), "{writer:?}");
        let parts = Parts { request: b"GET /\xff\xfe?\xe9 HTTP/1.1", agent: b"\xc3\x28 \xf0\x9f\x98", ..USUAL };
        let target = read_between(writer, &writer.line(parts), |record| {
            (text(record.method.as_deref()), text(record.protocol.as_deref()), record.user_agent.is_some())
        });
        assert_eq!(target, ("GET".to_owned(), "HTTP/1.1".to_owned(), true), "{writer:?}");
    }
    for (request, expected) in [
        (&br#"GET /?q="a b" HTTP/1.1"#[..], "GET|/?q=\"a b\"|HTTP/1.1"),
        (br#"GET /a" HTTP/1.1"#, "GET|/a\"|HTTP/1.1"),
        (br#"GET /" b" c" HTTP/1.1"#, "GET|/\" b\" c\"|HTTP/1.1"),
        (br#"""#, "odd \""),
        (br"\", "odd \\"),
        (br#"\""#, "odd \""),
    ] {
        is_read(&TEXTS, Parts { request, ..USUAL }, request_of, expected);
        // In JSON a raw quote ends the string: nobody can tell what comes after it.
        for writer in JSONS {
            let line = writer.line(Parts { request, ..USUAL });
            if std::str::from_utf8(request).is_ok_and(|r| r != "\\\"") {
                let told =
                    between_neighbours(writer, &line, |outcome| outcome.map(|_| ()).map_err(|r| r.column as usize));
                let at = line.windows(request.len()).position(|w| w == request).unwrap();
                assert!(
                    matches!(told[..], [Err(column)] if column > at && column <= line.len()),
                    "{writer:?} {told:?}"
                );
            }
        }
    }
}

#[test]
fn peers_of_every_kind_are_read() {
    let all = [&TEXTS[..], &JSONS].concat();
    let client = |record: &Record<'_>| text(record.client.as_deref());
    for peer in [
        "198.51.100.4",
        "198.51.100.4:50123",
        "2001:db8::7",
        "::1",
        "::ffff:192.0.2.1",
        "[2001:db8::7]:50123",
        "fe80::1%eth0",
        "unix:",
        "unix:/run/app.sock",
        "in24.inetnebr.com",
        "my_container.local",
    ] {
        is_read(&all, Parts { client: peer.as_bytes(), ..USUAL }, client, peer);
    }
    let alone: Vec<Writer> = all.iter().copied().filter(|writer| *writer != Writer::NginxMain).collect();
    is_read(&alone, Parts { client: b"-", ..USUAL }, client, "absent");
    // Where only the chain of proxies is known, its last address is the peer.
    is_read(&[Writer::NginxMain], Parts { client: b"-", ..USUAL }, client, "198.51.100.4");
    is_read(&all, Parts { client: b"203.0.113.7, 10.0.0.1", ..USUAL }, client, "10.0.0.1");
}

#[test]
fn users_of_every_kind_are_read() {
    let all = [&TEXTS[..], &JSONS].concat();
    let user = |record: &Record<'_>| text(record.user.as_deref());
    for (logged, expected) in [
        ("-", "absent"),
        ("acme", "acme"),
        ("john doe", "john doe"),
        ("a - b", "a - b"),
        ("jo@example.com", "jo@example.com"),
        ("CN=x, O=\u{fc}", "CN=x, O=\u{fc}"),
        (r"\x22bob\x22", "\"bob\""),
        (r"DOMAIN\\jo", r"DOMAIN\jo"),
        (r#"\"bob\""#, "\"bob\""),
    ] {
        is_read(&all, Parts { user: logged.as_bytes(), ..USUAL }, user, expected);
    }
    // Apache writes an empty user so.
    is_read(&TEXTS, Parts { user: b"\"\"", ..USUAL }, user, "absent");
    is_read(&JSONS, Parts { user: b"", ..USUAL }, user, "absent");
}

#[test]
fn agents_with_quotes_backslashes_and_blanks_are_read() {
    let all = [&TEXTS[..], &JSONS].concat();
    let agent = |record: &Record<'_>| text(record.user_agent.as_deref());
    for (logged, expected) in [
        (&b""[..], ""),
        (b" ", " "),
        (b" a ", " a "),
        (br"curl\\", "curl\\"),
        (br#"\"curl\""#, "\"curl\""),
        (br"\x22curl\x22", "\"curl\""),
        (br#"a \"b \\\"c\\\"\" d"#, "a \"b \\\"c\\\"\" d"),
        (br"\\x22", r"\x22"),
        (b"() { :; }; echo", "() { :; }; echo"),
        (b"{\\\"a\\\":1}", "{\"a\":1}"),
        (b"a\tb", "a\tb"),
        (b"a\x00b\x1b[2J", "a\0b\x1b[2J"),
        ("Mozilla/5.0 (日本; é)".as_bytes(), "Mozilla/5.0 (日本; é)"),
    ] {
        is_read(&all, Parts { agent: logged, ..USUAL }, agent, expected);
    }
    is_read(&TEXTS, Parts { agent: br#"x "quoted" y"#, ..USUAL }, agent, "x \"quoted\" y");
    is_read(&TEXTS, Parts { agent: br#"x" y"#, ..USUAL }, agent, "x\" y");
}

#[test]
fn lists_of_upstreams_are_read_in_quotes_and_without() {
    let read = |format: &str, line: &str| {
        let registry = Arc::new(Registry::built_in().unwrap());
        let parser = SourceParser::new(Choice::Template(format.to_owned()), registry, Zone::UTC).unwrap();
        let record = parser.parse(line.as_bytes()).unwrap_or_else(|r| panic!("{r:?}: {line}"));
        let extra = |name: &str| text(record.extra.iter().find(|(n, _)| *n == name).map(|(_, v)| &**v));
        (
            extra("upstream_addr"),
            extra("upstream_status"),
            extra("upstream_response_time"),
            record.duration,
            record.status,
        )
    };
    let bare = r#"$remote_addr [$time_iso8601] "$request" $status $upstream_addr $upstream_status $upstream_response_time $request_time"#;
    let quoted = r#"$remote_addr [$time_iso8601] "$request" $status "$upstream_addr" "$upstream_status" "$upstream_response_time" $request_time"#;
    for (addresses, statuses, times) in [
        ("10.0.0.1:80", "200", "0.030"),
        ("10.0.0.1:80, [2001:db8::7]:80", "502, 200", "0.010, 0.020"),
        ("10.0.0.1:80, 10.0.0.2:80 : unix:/run/b.sock", "502, 504 : 200", "0.010, 0.010 : 0.010"),
        ("unix:/run/a.sock", "200", "0.030"),
        ("10.0.0.1:80, 10.0.0.2:80", "502, -", "0.010, -"),
        ("-", "-", "-"),
    ] {
        let head = r#"203.0.113.9 [2026-03-02T14:31:07+00:00] "GET /a HTTP/1.1" 200"#;
        let or_absent = |value: &str| if value == "-" { "absent".to_owned() } else { value.to_owned() };
        let expected = (or_absent(addresses), or_absent(statuses), or_absent(times), Some(0.031), Some(200));
        assert_eq!(read(bare, &format!("{head} {addresses} {statuses} {times} 0.031")), expected);
        assert_eq!(read(quoted, &format!("{head} \"{addresses}\" \"{statuses}\" \"{times}\" 0.031")), expected);
    }
}

#[test]
fn what_surrounds_a_line_does_not_hide_it() {
    for writer in [&TEXTS[..], &JSONS].concat() {
        let line = writer.line(USUAL);
        for (before, after) in [
            (&b""[..], &b"\r"[..]),
            (b"  ", b""),
            (b"", b"  "),
            (b"\t", b" \t\r"),
            (b"\r\n\n  \n", b"\r"),
            (b"\xef\xbb\xbf", b""),
            (b"\0\0\0\0", b""),
        ] {
            let told = between_neighbours(writer, &[before, &line, after].concat(), |outcome| {
                outcome.map(|record| format!("{} {}", text(record.client.as_deref()), request_of(&record))).ok()
            });
            let read: Vec<String> = told.into_iter().flatten().collect();
            assert_eq!(read, ["203.0.113.9 GET|/a|HTTP/1.1"], "{writer:?} {before:?} {after:?}");
        }
        // Some exports put the whole line in quotes: as it is, with its quotes doubled (CSV), or with backslashes.
        let quoted = [b"\"", &line[..], b"\""].concat();
        let line = String::from_utf8(line).unwrap();
        let doubled = format!("\"{}\"", line.replace('"', "\"\""));
        let escaped = serde_json::to_string(&line).unwrap();
        for whole in [&quoted[..], doubled.as_bytes(), escaped.as_bytes()] {
            let got = read_between(writer, whole, |record| {
                (request_of(&record), record.status, text(record.user_agent.as_deref()))
            });
            let expected = ("GET|/a|HTTP/1.1".to_owned(), Some(400), "curl/8".to_owned());
            assert_eq!(got, expected, "{writer:?}: {}", String::from_utf8_lossy(whole));
        }
    }
}

#[test]
fn what_cannot_be_read_is_rejected_with_reason_and_column_and_hides_no_neighbour() {
    let rejected = |writer: Writer, line: &[u8], reason: &str, column: usize| {
        let told = between_neighbours(writer, line, |outcome| {
            outcome.map(|record| request_of(&record)).map_err(|r| (r.reason.as_str(), r.column as usize))
        });
        assert_eq!(told, [Err((reason, column))], "{writer:?}: {}", String::from_utf8_lossy(line));
    };
    for writer in TEXTS {
        let line = writer.line(USUAL);
        let at = |needle: &str| line.windows(needle.len()).position(|w| w == needle.as_bytes()).unwrap();
        let with = |needle: &str, other: &str| {
            let at = at(needle);
            [&line[..at], other.as_bytes(), &line[at + needle.len()..]].concat()
        };
        rejected(writer, &line[..at("HTTP")], "unquoted request", at("GET") + 1);
        rejected(writer, &line[..at(" 400")], "line too short", at(" 400") + 1);
        rejected(writer, &with("\"GET /a HTTP/1.1\"", "GET /a HTTP/1.1"), "unquoted request", at("\"GET") + 1);
        rejected(writer, &with("02/Mar", "02/Mrz"), "not a time", at("02/Mar") + 1);
        rejected(writer, &with("\" 400", "\" 4000"), "not a status", at("400 ") + 1);
        rejected(writer, &with("17", "many"), "not a number", at("17 ") + 1);
    }
    let whole = TEXTS.map(|writer| (writer, writer.line(USUAL)));
    for (writer, line) in whole {
        if writer != Writer::NginxMain {
            rejected(writer, &[&line[..], b" more"].concat(), "text after the end", line.len() + 1);
        }
    }
    for writer in JSONS {
        let line = writer.line(USUAL);
        rejected(writer, &line[..line.len() - 1], "not JSON", line.len() - 1);
        rejected(writer, b"\xff\xfe\x00rubbish", "not JSON", 1);
        rejected(writer, &[&line[..], b"}"].concat(), "not JSON", line.len() + 1);
        let no_time = line.iter().position(|b| *b == b',').unwrap();
        rejected(writer, &[b"{", &line[no_time + 1..]].concat(), "no time field", 1);
    }
    // Binary noise of every byte there is.
    let noise: Vec<u8> = (0..=255u8).filter(|b| !b"\n{".contains(b)).skip(1).collect();
    for writer in [&TEXTS[..], &JSONS].concat() {
        let told = between_neighbours(writer, &noise, |outcome| outcome.map(|_| ()).map_err(|r| r.column as usize));
        assert!(matches!(told[..], [Err(column)] if (1..=noise.len() + 1).contains(&column)), "{writer:?} {told:?}");
        // Too long: passed over and counted, not cut.
        let long = vec![b'x'; LIMIT + 1];
        assert!(between_neighbours(writer, &long, |outcome| outcome.is_ok()).is_empty(), "{writer:?}");
    }
}
