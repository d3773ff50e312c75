//! HAProxy's `log-format`: `%ci:%cp [%tr] %ft %{+Q}r %[capture.req.hdr(0)]`.

use super::field::{Escape, Unit};
use super::instant::TimeShape;
use super::pasted::Pasted;
use super::role::{self, Known, Role};
use super::steps::Shape;
use super::strftime;
use super::template::{FormatError, Piece, TimePart};

/// The aliases (configuration manual, 8.2.6 "Custom log format"): alias, name of the field.
#[rustfmt::skip]
const ALIASES: &[(&str, &str)] = &[
    ("B", "bytes_read"), ("CC", "request_cookie"), ("CS", "response_cookie"), ("H", "hostname"), ("HM", "request_method"),
    ("HP", "path"), ("HPO", "path_only"), ("HQ", "query"), ("HU", "request_uri"), ("HV", "protocol"), ("ID", "unique_id"),
    ("OG", "origin"), ("ST", "status"), ("T", "gmt_date_time"), ("Ta", "time_active"), ("Tc", "time_connect"),
    ("Td", "time_data"), ("Th", "time_handshake"), ("Ti", "time_idle"), ("Tl", "local_date_time"), ("Tq", "time_request_all"),
    ("TR", "time_request"), ("Tr", "time_response"), ("Ts", "timestamp"), ("Tt", "time_total"), ("Tu", "time_user"), ("Tw", "time_wait"),
    ("U", "bytes_uploaded"), ("ac", "actconn"), ("b", "backend"), ("bc", "beconn"), ("bi", "backend_source_addr"),
    ("bp", "backend_source_port"), ("bq", "backend_queue"), ("ci", "client_ip"), ("cp", "client_port"), ("f", "frontend"),
    ("fc", "feconn"), ("fi", "frontend_addr"), ("fp", "frontend_port"), ("ft", "frontend"), ("hr", "captured_request_headers"),
    ("hrl", "captured_request_headers"), ("hs", "captured_response_headers"), ("hsl", "captured_response_headers"),
    ("lc", "log_counter"), ("ms", "millis"), ("pid", "pid"), ("r", "request"), ("rc", "retries"), ("rt", "request_counter"),
    ("s", "server"), ("sc", "srvconn"), ("si", "server_ip"), ("sp", "server_port"), ("sq", "srv_queue"), ("sslc", "ssl_ciphers"),
    ("sslv", "ssl_version"), ("t", "accept_date"), ("tr", "request_date"), ("trg", "request_date_gmt"), ("trl", "request_date_local"),
    ("ts", "termination_state"), ("tsc", "termination_state"), ("Bi", "backend_source_addr"), ("Bp", "backend_source_port"), ("Ci", "client_ip"), ("Cp", "client_port"),
    ("Fi", "frontend_addr"), ("Fp", "frontend_port"), ("Si", "server_ip"), ("Sp", "server_port"), ("cc", "request_cookie"), ("cs", "response_cookie"),
    ("st", "status"), ("o", ""),
];

/// Whether the text has a sample expression, `%[...]`, which only HAProxy writes.
pub(super) fn has_sample(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find("%[") {
        rest = &rest[at + 2..];
        let end = rest.find([']', '%', ' ']).unwrap_or(rest.len());
        if rest[end..].starts_with(']') && rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return true;
        }
    }
    text.contains("%{+") || text.contains("%{-")
}

/// How many aliases of two letters and more stand in the text: those that Apache does not write.
pub(super) fn aliases_in(text: &str) -> usize {
    text.split('%')
        .skip(1)
        .filter(|rest| {
            let letters = letters(rest);
            letters.len() > 1 && letters != "tl" && ALIASES.iter().any(|(alias, _)| *alias == letters)
        })
        .count()
}

fn letters(rest: &str) -> &str {
    &rest[..rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())]
}

/// What `%{...}` switches on and off, for one directive or, with `%{...}o`, for all that follow.
#[derive(Clone, Copy, Default)]
struct Flags {
    quoted: bool,
}

impl Flags {
    fn with(mut self, text: &str) -> Flags {
        for flag in text.split(',') {
            match flag.trim() {
                "+Q" => self.quoted = true,
                "-Q" => self.quoted = false,
                _ => {}
            }
        }
        self
    }
}

/// The pieces of a `log-format`.
pub(super) fn pieces(pasted: &Pasted) -> Result<(Vec<Piece>, Escape), FormatError> {
    let text = pasted.text.as_str();
    let mut pieces = Vec::new();
    let mut all = Flags::default();
    let mut at = 0;
    while at < text.len() {
        let literal = text[at..].find('%').unwrap_or(text.len() - at);
        if literal > 0 {
            pieces.push(Piece::Literal(text.as_bytes()[at..at + literal].to_vec()));
            at += literal;
            continue;
        }
        let start = at;
        at += 1;
        if text[at..].starts_with('%') {
            pieces.push(Piece::Literal(b"%".to_vec()));
            at += 1;
            continue;
        }
        let mut flags = all;
        if text[at..].starts_with('{') {
            let end = closing(pasted, start, at, '}')?;
            flags = flags.with(&text[at + 1..end]);
            at = end + 1;
        }
        // A name of one's own: `%(name:type)[sample]`.
        let mut own = None;
        if text[at..].starts_with('(') {
            let end = closing(pasted, start, at, ')')?;
            own = text[at + 1..end].split(':').next().filter(|name| !name.is_empty());
            at = end + 1;
            if text[at..].starts_with('{') {
                let end = closing(pasted, start, at, '}')?;
                flags = flags.with(&text[at + 1..end]);
                at = end + 1;
            }
        }
        let piece = if text[at..].starts_with('[') {
            let end = end_of_sample(text, at).ok_or_else(|| {
                let message = "this sample is not closed: expected ] before the end".to_owned();
                FormatError::at(message, pasted.span(start..text.len()))
            })?;
            let expression = text[at + 1..end].trim();
            at = end + 1;
            sample(expression, own, pasted.span(start..at))?
        } else {
            let letters = letters(&text[at..]);
            at += letters.len();
            if letters == "o" {
                all = flags;
                continue;
            }
            let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == letters) else {
                return Err(unknown(pasted, start, at, letters));
            };
            alias(letters, own.unwrap_or(name), pasted.span(start..at))
        };
        if flags.quoted {
            pieces.push(Piece::Literal(b"\"".to_vec()));
        }
        pieces.push(piece);
        if flags.quoted {
            pieces.push(Piece::Literal(b"\"".to_vec()));
        }
    }
    Ok((pieces, Escape::Backslash))
}

fn unknown(pasted: &Pasted, start: usize, end: usize, letters: &str) -> FormatError {
    let message = if letters.is_empty() {
        "expected a variable after %, as in %ci or %[src] (a percent sign itself is %%)".to_owned()
    } else {
        format!("HAProxy has no variable %{letters}")
    };
    FormatError::at(message, pasted.span(start..end.max(start + 1)))
}

fn closing(pasted: &Pasted, start: usize, at: usize, close: char) -> Result<usize, FormatError> {
    let end = pasted.text[at..].find(close).map(|length| at + length);
    end.ok_or_else(|| {
        FormatError::at(format!("expected {close} before the end"), pasted.span(start..pasted.text.len()))
    })
}

/// Brackets may stand inside of quotes and of other brackets.
fn end_of_sample(text: &str, open: usize) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0u32, None, false);
    for (at, c) in text[open..].char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', _) => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            ('[', None) => depth += 1,
            (']', None) if depth == 1 => return Some(open + at),
            (']', None) => depth -= 1,
            _ => {}
        }
    }
    None
}

fn alias(letters: &str, name: &str, span: std::ops::Range<usize>) -> Piece {
    let whole = |shape| Piece::named_time(name, TimePart::Whole(shape), span.clone());
    let field = |known| Piece::field(name, known, span.clone());
    let shaped = |shape| Piece::field(name, Known::EXTRA, span.clone()).shaped(Some(shape));
    match letters {
        "t" | "tr" => whole(TimeShape::Any),
        "T" | "Tl" | "trg" | "trl" => whole(TimeShape::Zoned),
        "Ts" => Piece::ranked_time(name, TimePart::Whole(TimeShape::Any), 1, span),
        "ms" => Piece::ranked_time(name, TimePart::Fraction("%3f"), 1, span),
        "ci" | "Ci" => field(Known::new(Role::Client, 0)),
        "r" => field(Known::new(Role::Request, 0)),
        "HM" => field(Known::new(Role::Method, 0)),
        "HU" => field(Known::new(Role::Target, 0)),
        "HP" | "HPO" => field(Known::new(Role::Path, u8::from(letters == "HPO"))),
        "HQ" => field(Known::new(Role::Query, 0)),
        "HV" => field(Known::new(Role::Protocol, 0)),
        "ST" | "st" => field(Known::new(Role::Status, 0)),
        "B" => field(Known::new(Role::BytesOut, 0)),
        "U" => field(Known::new(Role::BytesIn, 0)),
        "ID" => field(Known::new(Role::RequestId, 0)),
        "Ta" => field(Known::duration(Unit::Millis, 0)),
        "Tt" => field(Known::duration(Unit::Millis, 1)),
        "Tu" => field(Known::duration(Unit::Millis, 2)),
        "Tc" | "Td" | "Th" | "Ti" | "Tq" | "TR" | "Tr" | "Tw" | "ac" | "bc" | "bp" | "bq" | "cp" | "fc" | "fp"
        | "lc" | "pid" | "rc" | "rt" | "sc" | "sp" | "sq" | "Bp" | "Cp" | "Fp" | "Sp" => shaped(Shape::Number),
        "b" | "f" | "ft" | "s" | "H" | "ts" | "tsc" | "sslc" | "sslv" | "fi" | "bi" | "si" => shaped(Shape::Word),
        _ => field(Known::EXTRA),
    }
}

/// What a sample expression says, by its first fetch.
fn sample(expression: &str, own: Option<&str>, span: std::ops::Range<usize>) -> Result<Piece, FormatError> {
    let fetch = expression.split(',').next().unwrap_or_default().trim();
    let (function, argument) = match fetch.split_once('(') {
        Some((function, rest)) => (function, rest.trim_end_matches(')').trim().trim_matches(['"', '\''])),
        None => (fetch, ""),
    };
    let name = own.unwrap_or(expression);
    let field = |known| Ok(Piece::field(name, known, span.clone()));
    // A time written by a converter: `date,utime("%Y-%m-%d")`.
    for converter in ["utime(", "ltime(", "ms_utime(", "ms_ltime(", "us_utime(", "us_ltime("] {
        if let Some((_, rest)) = expression.split_once(&format!(",{converter}"))
            && !argument.contains(',')
        {
            let pattern = rest.trim_start().trim_start_matches(['"', '\'']);
            let end = pattern.find(['"', '\'', ')', ',']).unwrap_or(pattern.len());
            let pattern = strftime::checked(&pattern[..end]).map_err(|m| FormatError::at(m, span.clone()))?;
            let utc = converter.contains("utime");
            return Ok(Piece::named_time(name, TimePart::Pattern { pattern: pattern.replace("%N", "%f"), utc }, span));
        }
    }
    match function {
        "src" => field(Known::new(Role::Client, 0)),
        "method" | "capture.req.method" => field(Known::new(Role::Method, 1)),
        "url" | "pathq" | "capture.req.uri" | "base" => field(Known::new(Role::Target, 1)),
        "path" => field(Known::new(Role::Path, 2)),
        "query" => field(Known::new(Role::Query, 1)),
        "req.ver" | "capture.req.ver" | "http_version" => field(Known::new(Role::Protocol, 1)),
        "status" | "txn.status" => field(Known::new(Role::Status, 1)),
        "unique-id" | "uuid" => field(Known::new(Role::RequestId, 1)),
        "http_auth_user" | "http_auth_bearer" => {
            field(Known::new(if function.ends_with("user") { Role::User } else { Role::ApiKey }, 0))
        }
        "ssl_c_s_dn" => field(Known::new(Role::Consumer, 3)),
        "bytes_out" | "res.bytes_out" => field(Known::new(Role::BytesOut, 1)),
        "bytes_in" | "req.bytes_in" => field(Known::new(Role::BytesIn, 1)),
        "txn.timer.total" => field(Known::duration(Unit::Millis, 1)),
        "fc.timer.total" => field(Known::duration(Unit::Millis, 2)),
        "date" | "accept_date" | "request_date" => {
            Ok(Piece::ranked_time(name, TimePart::Whole(TimeShape::Any), 2, span.clone()))
        }
        "req.hdr" | "req.fhdr" | "hdr" | "fhdr" | "req.hdr_ip" | "hdr_ip" | "var" => {
            let header = argument.split(',').next().unwrap_or_default();
            let header = if function == "var" { header.rsplit('.').next().unwrap_or(header) } else { header };
            let known = role::by_header(header.as_bytes()).filter(|known| {
                known.role.is_header()
                    || matches!(known.role, Role::TokensIn | Role::TokensOut | Role::Cost | Role::User)
            });
            Ok(Piece::field(own.unwrap_or(header), known.unwrap_or(Known::EXTRA), span.clone()))
        }
        _ => {
            let known = own.and_then(|own| role::by_header(own.as_bytes())).filter(|known| known.role.is_header());
            field(known.unwrap_or(Known::EXTRA))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::template::Template;
    use crate::format::{Format as _, Syntax};
    use crate::time::Zone;

    const HTTPLOG: &str =
        "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";

    fn read(format: &str, line: &str, fields: &[(&str, &str)]) {
        let template = Template::new("x", format, Zone::UTC).unwrap_or_else(|e| panic!("{e} at {:?}", e.span));
        let record = template.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{format}: {e:?}"));
        for (field, expected) in fields {
            let found =
                record.field(field).map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(&v).into_owned());
            assert_eq!(found, *expected, "{format}: {field}");
        }
    }

    #[test]
    fn the_format_of_the_manual_reads_the_line_of_the_manual() {
        let line = r#"10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#;
        let expected = [
            ("client", "10.0.1.2"),
            ("client_port", "33317"),
            ("time", "2009-02-06T12:14:14.655Z"),
            ("frontend", "http-in"),
            ("backend", "static"),
            ("server", "srv1"),
            ("duration", "0.109"),
            ("time_response", "69"),
            ("status", "200"),
            ("bytes_out", "2750"),
            ("termination_state", "----"),
            ("srv_queue", "0"),
            ("captured_request_headers", "{1wt.eu}"),
            ("method", "GET"),
            ("target", "/index.html"),
            ("protocol", "HTTP/1.1"),
        ];
        read(HTTPLOG, line, &expected);
        read(&format!("log-format \"{HTTPLOG}\""), line, &expected);
        read(&format!("log-format {}", HTTPLOG.replace(' ', "\\ ")), line, &expected);
    }

    #[test]
    fn every_alias_is_known_and_flags_hold() {
        for (alias, _) in ALIASES {
            let format = format!("%ci [%tr] %ST \"%r\" x=%{alias}");
            let template = Template::with_syntax("x", Some(Syntax::Haproxy), &format, Zone::UTC);
            assert!(template.is_ok(), "{alias}: {:?}", template.err());
        }
        read(
            "%{+Q}o %ci [%t] %ST %r %{-Q}s",
            r#" "192.0.2.1" ["06/Feb/2009:12:14:14.655"] "200" "GET /a b HTTP/1.1" srv"#,
            &[("client", "192.0.2.1"), ("target", "/a b"), ("server", "srv"), ("status", "200")],
        );
        read(
            "%Ts.%ms %ci %ST %HM %HU %HV",
            "1772461867.031 192.0.2.1 200 GET /a?b=c HTTP/1.1",
            &[("time", "2026-03-02T14:31:07.031Z"), ("method", "GET"), ("target", "/a?b=c"), ("protocol", "HTTP/1.1")],
        );
        read(
            "%T %ci %HM %HPO%HQ %ST %U",
            "02/Mar/2026:15:31:07 +0100 192.0.2.1 GET /a?b 200 44",
            &[("time", "2026-03-02T14:31:07.000Z"), ("target", "/a?b"), ("bytes_in", "44")],
        );
    }

    #[test]
    fn samples_are_read_by_their_names() {
        read(
            r#"%[src] %[date,utime("%Y-%m-%dT%H:%M:%SZ")] %[capture.req.method] %[capture.req.uri] %ST %[var(txn.consumer)] "%[req.hdr(User-Agent),lower]" %(who)[capture.req.hdr(0)] %[ssl_fc_protocol]"#,
            r#"192.0.2.1 2026-03-02T14:31:07Z GET /a 200 acme "curl/8 x" bob TLSv1.3"#,
            &[
                ("client", "192.0.2.1"),
                ("time", "2026-03-02T14:31:07.000Z"),
                ("target", "/a"),
                ("consumer", "acme"),
                ("user_agent", "curl/8 x"),
                ("who", "bob"),
                ("ssl_fc_protocol", "TLSv1.3"),
            ],
        );
        // As HAProxy writes JSON.
        read(
            r#"{"time":%Ts,"ip":"%ci","m":"%HM","uri":"%HU","s":%ST,"host":"%[capture.req.hdr(0),json(utf8s)]"}"#,
            r#"{"time":1772461867,"ip":"192.0.2.1","m":"GET","uri":"/a","s":200,"host":"a.example"}"#,
            &[("client", "192.0.2.1"), ("target", "/a"), ("capture.req.hdr(0),json(utf8s)", "a.example")],
        );
    }

    #[test]
    fn errors_name_the_place() {
        for (format, words, at) in [
            ("%ci [%tr] %zz %{+Q}r", "no variable %zz", "%zz"),
            ("%ci [%tr] %{+Q", "expected }", "%{+Q"),
            ("%ci [%tr] %[src", "not closed", "%[src"),
            ("%ci [%tr] %ST % x", "after %", "%"),
        ] {
            let error = Template::with_syntax("x", Some(Syntax::Haproxy), format, Zone::UTC).map(|_| ()).unwrap_err();
            assert!(error.message.contains(words), "{format}: {}", error.message);
            assert_eq!(&format[error.span.unwrap()], at, "{format}");
        }
    }
}
