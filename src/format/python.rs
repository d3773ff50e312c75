//! Formats of Python's servers, `%(name)s`: Gunicorn's `access_log_format` (also Hypercorn's), Uvicorn's; and uWSGI's
//! `log-format`, `%(name)`.

use super::field::{Escape, Unit};
use super::instant::TimeShape;
use super::pasted::Pasted;
use super::role::{self, Known, Role};
use super::steps::Shape;
use super::template::{FormatError, Piece, TimePart};

/// Whether names have a conversion behind them, as in Python, but not in uWSGI.
pub(super) fn has_conversions(text: &str) -> bool {
    let mut behind = text.match_indices("%(").filter_map(|(at, _)| text[at..].split_once(')')).map(|(_, rest)| rest);
    let first = behind.next();
    first.is_some_and(|rest| conversion(rest) > 0) && behind.all(|rest| conversion(rest) > 0)
}

/// The length of a conversion: `s`, `d`, `.3f`, `-8s`.
fn conversion(rest: &str) -> usize {
    let flags = rest.len()
        - rest.trim_start_matches(['-', '+', '#', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']).len();
    let letter = rest[flags..].starts_with(['s', 'd', 'f', 'r', 'i']);
    let word = rest[flags..].chars().nth(1).is_some_and(|c| c.is_ascii_alphanumeric());
    if letter && !word { flags + 1 } else { 0 }
}

/// The pieces of a format.
pub(super) fn pieces(pasted: &Pasted, uwsgi: bool) -> Result<(Vec<Piece>, Escape), FormatError> {
    let text = pasted.text.as_str();
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let literal = text[at..].find('%').unwrap_or(text.len() - at);
        if literal > 0 {
            pieces.push(Piece::Literal(text.as_bytes()[at..at + literal].to_vec()));
            at += literal;
            continue;
        }
        if text[at + 1..].starts_with('%') {
            pieces.push(Piece::Literal(b"%".to_vec()));
            at += 2;
            continue;
        }
        let broken = |message: String, end: usize| FormatError::at(message, pasted.span(at..end));
        if !text[at + 1..].starts_with('(') {
            let message = "expected a name in parentheses after %, as in %(h)s (a percent sign itself is %%)";
            return Err(broken(message.to_owned(), at + 1));
        }
        let Some(length) = text[at..].find(')') else {
            return Err(broken("this parenthesis is not closed: expected ) before the end".to_owned(), text.len()));
        };
        let name = &text[at + 2..at + length];
        let mut end = at + length + 1;
        if !uwsgi {
            let conversion = conversion(&text[end..]);
            if conversion == 0 {
                return Err(broken(format!("expected s behind %({name}), as in %({name})s"), end));
            }
            end += conversion;
        }
        if name.is_empty() {
            return Err(broken("expected a name between the parentheses, as in %(h)s".to_owned(), end));
        }
        if uwsgi {
            pieces.push(of_uwsgi(name, pasted.span(at..end)));
        } else {
            of_python(name, pasted.span(at..end), &mut pieces);
        }
        at = end;
    }
    Ok((pieces, Escape::Backslash))
}

/// Gunicorn's atoms (docs.gunicorn.org, `access_log_format`); longer names are those of Python's logging, by their look.
fn of_python(name: &str, span: std::ops::Range<usize>, pieces: &mut Vec<Piece>) {
    let field = |name: &str, known| Piece::field(name, known, span.clone());
    let role = |name: &str, role, rank| Piece::field(name, Known::new(role, rank), span.clone());
    let braces = name.strip_prefix('{').and_then(|inner| inner.rsplit_once('}'));
    let piece = match (name, braces) {
        ("t", _) => {
            // Gunicorn writes the brackets itself.
            pieces.push(Piece::Literal(b"[".to_vec()));
            pieces.push(Piece::time(TimePart::Whole(TimeShape::Zoned), span));
            pieces.push(Piece::Literal(b"]".to_vec()));
            return;
        }
        ("p", _) => {
            pieces.push(Piece::Literal(b"<".to_vec()));
            pieces.push(field("pid", Known::EXTRA).shaped(Some(Shape::Number)));
            pieces.push(Piece::Literal(b">".to_vec()));
            return;
        }
        ("h", _) => role("remote_addr", Role::Client, 0),
        ("l", _) => Piece::ident(span),
        ("u", _) => role("user", Role::User, 0),
        ("r" | "R", _) => role("request", Role::Request, 0),
        ("m", _) => role("method", Role::Method, 0),
        ("U", _) => role("path", Role::Path, 0),
        ("q", _) => role("query", Role::Query, 0),
        ("H", _) => role("protocol", Role::Protocol, 0),
        ("S", _) => field("scheme", Known::EXTRA),
        ("s" | "st", _) => role("status", Role::Status, 0),
        ("B" | "b", _) => role("bytes", Role::BytesOut, u8::from(name == "b")),
        ("f", _) => role("referer", Role::Referer, 0),
        ("a", _) => role("user_agent", Role::UserAgent, 0),
        ("D", _) => field("duration", Known::duration(Unit::Micros, 0)),
        ("L", _) => field("duration", Known::duration(Unit::Seconds, 1)),
        ("M", _) => field("duration", Known::duration(Unit::Millis, 1)),
        ("T", _) => field("duration", Known::duration(Unit::Seconds, 2)),
        (_, Some((header, "i"))) => {
            let known = role::by_header(header.as_bytes());
            field(header, known.filter(|k| k.role.is_header() || k.role == Role::BytesIn).unwrap_or(Known::EXTRA))
        }
        (_, Some((header, "o"))) => {
            let plain: String =
                header.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
            let known = role::by_header(header.as_bytes()).filter(|known| said(*known));
            field(&format!("sent_http_{plain}"), known.unwrap_or(Known::EXTRA))
        }
        (_, Some((variable, _))) => {
            field(variable, role::by_header(variable.as_bytes()).filter(|known| said(*known)).unwrap_or(Known::EXTRA))
        }
        ("client_addr", _) => role(name, Role::Client, 0),
        ("request_line", _) => role(name, Role::Request, 0),
        ("status_code", _) => role(name, Role::Status, 0),
        ("asctime" | "created", _) => Piece::ranked_time(name, TimePart::Whole(TimeShape::Any), 1, span),
        // Of the program that logs, not of the request.
        ("name" | "process" | "thread" | "message" | "levelname" | "levelprefix" | "module" | "msecs", _) => {
            field(name, Known::EXTRA)
        }
        _ => by_name(name, span),
    };
    pieces.push(piece);
}

/// uWSGI's fields (uwsgi-docs, "Formatting uWSGI requests logs").
fn of_uwsgi(name: &str, span: std::ops::Range<usize>) -> Piece {
    let field = |known| Piece::field(name, known, span.clone());
    let role = |role, rank| Piece::field(name, Known::new(role, rank), span.clone());
    let number = || field(Known::EXTRA).shaped(Some(Shape::Number));
    match name {
        "addr" => role(Role::Client, 0),
        "user" => role(Role::User, 0),
        "uri" => role(Role::Target, 0),
        "method" => role(Role::Method, 0),
        "proto" => role(Role::Protocol, 0),
        "status" => role(Role::Status, 0),
        "host" => role(Role::Host, 0),
        "referer" => role(Role::Referer, 0),
        "uagent" => role(Role::UserAgent, 0),
        "size" => role(Role::BytesOut, 0),
        "rsize" => role(Role::BytesOut, 1),
        "cl" => role(Role::BytesIn, 0),
        "micros" => field(Known::duration(Unit::Micros, 0)),
        "msecs" => field(Known::duration(Unit::Millis, 1)),
        "secs" => field(Known::duration(Unit::Seconds, 2)),
        "epoch" | "tmsecs" | "tmicros" | "time" | "unix" => {
            Piece::ranked_time(name, TimePart::Whole(TimeShape::Any), 1, span)
        }
        "ltime" | "ftime" => Piece::ranked_time(name, TimePart::Whole(TimeShape::Any), 2, span),
        "ctime" => Piece::ranked_time(name, TimePart::Whole(TimeShape::Any), 3, span),
        "uuid" => role(Role::RequestId, 1),
        "pid" | "wid" | "vars" | "hsize" | "headers" | "pktsize" | "rss" | "vsz" | "rssM" | "vszM" | "switches"
        | "core" | "async_id" => number(),
        _ => by_name(name.strip_prefix("var.").unwrap_or(name), span),
    }
}

fn by_name(name: &str, span: std::ops::Range<usize>) -> Piece {
    let plain = name.strip_prefix("HTTP_").unwrap_or(name);
    let known = role::by_header(plain.as_bytes()).filter(|known| known.role != Role::Time);
    Piece::field(name, known.unwrap_or(Known::EXTRA), span)
}

fn said(known: Known) -> bool {
    use Role::{Consumer, Cost, Model, RequestId, TokensIn, TokensOut, User};
    matches!(known.role, Consumer | Cost | Model | RequestId | TokensIn | TokensOut | User)
}

#[cfg(test)]
mod tests {
    use crate::format::template::Template;
    use crate::format::{Format as _, Syntax};
    use crate::time::Zone;

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
    fn gunicorns_atoms_are_known() {
        read(
            r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s %(p)s %({x-request-id}i)s %({x-tokens-in}o)s %({consumer}e)s"#,
            r#"192.0.2.1 - acme [02/Mar/2026:14:31:07 +0000] "GET /a?b=c HTTP/1.1" 200 17 "-" "curl/8" 31000 <712> r-1 12 bob"#,
            &[
                ("client", "192.0.2.1"),
                ("user", "acme"),
                ("time", "2026-03-02T14:31:07.000Z"),
                ("target", "/a?b=c"),
                ("status", "200"),
                ("bytes_out", "17"),
                ("user_agent", "curl/8"),
                ("duration", "0.031"),
                ("pid", "712"),
                ("request_id", "r-1"),
                ("tokens_in", "12"),
                ("consumer", "bob"),
            ],
        );
        read(
            r"access_log_format = '%(t)s %(h)s %(m)s %(U)s?%(q)s %(H)s %(s)s %(M)s %(L)s %(T)s %(B)s'",
            "[02/Mar/2026:14:31:07 +0000] 192.0.2.1 GET /a?b=c HTTP/1.1 200 31 0.031000 0 17",
            &[("target", "/a?b=c"), ("duration", "0.031"), ("bytes_out", "17"), ("protocol", "HTTP/1.1")],
        );
        read(
            r#"%(asctime)s %(levelname)s: %(client_addr)s - "%(request_line)s" %(status_code)s"#,
            r#"2026-03-02 14:31:07,031 INFO: 192.0.2.1:5123 - "GET /a HTTP/1.1" 200"#,
            &[
                ("time", "2026-03-02T14:31:07.031Z"),
                ("client", "192.0.2.1:5123"),
                ("levelname", "INFO"),
                ("status", "200"),
            ],
        );
    }

    #[test]
    fn uwsgis_fields_are_known() {
        read(
            r#"%(addr) - %(user) [%(ltime)] "%(method) %(uri) %(proto)" %(status) %(size) "%(referer)" "%(uagent)" %(msecs) %(var.HTTP_X_TENANT)"#,
            r#"192.0.2.1 - acme [02/Mar/2026:15:31:07 +0100] "GET /a?b=c HTTP/1.1" 200 17 "-" "curl/8" 31 t1"#,
            &[
                ("client", "192.0.2.1"),
                ("time", "2026-03-02T14:31:07.000Z"),
                ("target", "/a?b=c"),
                ("duration", "0.031"),
                ("consumer", "t1"),
            ],
        );
        read(
            "log-format = %(ctime) %(addr) %(method) %(uri) %(status)",
            "Mon Mar  2 14:31:07 2026 192.0.2.1 GET /a 200",
            &[("time", "2026-03-02T14:31:07.000Z"), ("client", "192.0.2.1")],
        );
    }

    #[test]
    fn errors_name_the_place() {
        for (format, words, at) in [
            ("%(h)s %(t)s %(r", "not closed", "%(r"),
            ("%(h)s %(t)s %(r) x", "expected s behind %(r)", "%(r)"),
            ("%(h)s %(t)s %r", "in parentheses", "%"),
        ] {
            let error = Template::with_syntax("x", Some(Syntax::Gunicorn), format, Zone::UTC).map(|_| ()).unwrap_err();
            assert!(error.message.contains(words), "{format}: {}", error.message);
            assert_eq!(&format[error.span.unwrap()], at, "{format}");
        }
    }
}
