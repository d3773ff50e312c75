//! Envoy's text format: `[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE%`.

use super::field::{Escape, Unit};
use super::instant::TimeShape;
use super::pasted::Pasted;
use super::role::{self, Known, Role};
use super::steps::Shape;
use super::strftime;
use super::template::{FormatError, Piece, TimePart};

/// Whether the text has an operator of Envoy: `%WORD%` or `%WORD(...)%`.
pub(super) fn is_envoy(text: &str) -> bool {
    text.match_indices('%').any(|(at, _)| {
        let rest = &text[at + 1..];
        let word = word(rest);
        // HAProxy has words of up to three letters, and a percent sign may follow them.
        let long = word.len() > 5 && rest[word.len()..].starts_with('%');
        let called = word.len() > 2 && rest[word.len()..].starts_with('(');
        word.starts_with(|c: char| c.is_ascii_uppercase()) && (long || called)
    })
}

fn word(rest: &str) -> &str {
    let end = rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
    &rest[..end]
}

/// The pieces of a format.
pub(super) fn pieces(pasted: &Pasted) -> Result<(Vec<Piece>, Escape), FormatError> {
    let text = pasted.text.trim_end();
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
        let operator = word(&text[at + 1..]);
        let mut end = at + 1 + operator.len();
        let broken = |message: String, end: usize| FormatError::at(message, pasted.span(at..end.max(at + 1)));
        if operator.is_empty() {
            let message = "expected an operator after %, as in %RESPONSE_CODE% (a percent sign itself is %%)";
            return Err(broken(message.to_owned(), end));
        }
        let mut argument = "";
        if text[end..].starts_with('(') {
            let Some(length) = text[end..].find(')') else {
                return Err(broken("this parenthesis is not closed: expected ) before the end".to_owned(), text.len()));
            };
            argument = &text[end + 1..end + length];
            end += length + 1;
        }
        // At most so many characters are written: `%REQ(USER-AGENT):40%`.
        if text[end..].starts_with(':') {
            end += 1 + text[end + 1..].len() - text[end + 1..].trim_start_matches(|c: char| c.is_ascii_digit()).len();
        }
        if !text[end..].starts_with('%') {
            return Err(broken(format!("expected % behind {operator}, as in %{operator}%"), end));
        }
        end += 1;
        pieces.push(operator_piece(operator, argument, pasted.span(at..end))?);
        at = end;
    }
    Ok((pieces, Escape::None))
}

/// What the operators say (envoyproxy.io, "Access logging", "Format strings"). Unknown ones are kept under their names.
fn operator_piece(operator: &str, argument: &str, span: std::ops::Range<usize>) -> Result<Piece, FormatError> {
    let name = operator.to_ascii_lowercase();
    let field = |known| Piece::field(&name, known, span.clone());
    let role = |role, rank| field(Known::new(role, rank));
    let shaped = |shape| field(Known::EXTRA).shaped(Some(shape));
    Ok(match operator {
        "START_TIME" | "START_TIME_LOCAL" | "EMIT_TIME" | "EMIT_TIME_LOCAL" => {
            return time(&name, argument, u8::from(operator.starts_with("EMIT")), operator.ends_with("TIME"), span);
        }
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => role(Role::Client, 0),
        "DOWNSTREAM_REMOTE_ADDRESS" => role(Role::Client, 1),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => role(Role::Client, 2),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => role(Role::Client, 3),
        "PROTOCOL" => role(Role::Protocol, 0),
        "RESPONSE_CODE" => role(Role::Status, 0),
        "BYTES_SENT" => role(Role::BytesOut, 0),
        "BYTES_RECEIVED" => role(Role::BytesIn, 0),
        "DURATION" => field(Known::duration(Unit::Millis, 0)),
        "REQUESTED_SERVER_NAME" => role(Role::Host, 3),
        "STREAM_ID" | "UNIQUE_ID" => role(Role::RequestId, 2),
        "TRACE_ID" => role(Role::RequestId, 3),
        "DOWNSTREAM_PEER_SUBJECT" => role(Role::Consumer, 3),
        "PATH" => role(Role::Target, 1),
        "UPSTREAM_HOST" => Piece::field("upstream_addr", Known::EXTRA, span.clone()).shaped(Some(Shape::Word)),
        "REQ" | "REQUEST_HEADER" => header(argument, span.clone()),
        "RESP" | "TRAILER" | "RESPONSE_HEADER" => {
            let header = argument.split('?').next().unwrap_or_default();
            let known = role::by_header(header.as_bytes()).filter(|known| said(*known));
            let plain: String =
                header.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
            let prefix = if operator == "TRAILER" { "sent_trailer_" } else { "sent_http_" };
            Piece::field(&format!("{prefix}{plain}"), known.unwrap_or(Known::EXTRA), span.clone())
        }
        "DYNAMIC_METADATA" | "UPSTREAM_METADATA" | "CLUSTER_METADATA" | "FILTER_STATE" | "UPSTREAM_FILTER_STATE" => {
            let last = argument.rsplit(':').next().unwrap_or_default();
            let known = role::by_header(last.as_bytes()).filter(|known| said(*known));
            Piece::field(
                if argument.is_empty() { &name } else { argument },
                known.unwrap_or(Known::EXTRA),
                span.clone(),
            )
        }
        "ENVIRONMENT" | "QUERY_PARAM" | "CUSTOM_FLAGS" | "CEL" | "METADATA" => {
            let known = role::by_header(argument.as_bytes()).filter(|known| operator == "QUERY_PARAM" && said(*known));
            Piece::field(
                if argument.is_empty() { &name } else { argument },
                known.unwrap_or(Known::EXTRA),
                span.clone(),
            )
        }
        _ if operator.ends_with("_DURATION")
            || operator.ends_with("_BYTES")
            || operator.contains("BYTES_")
            || operator.ends_with("_COUNT") =>
        {
            shaped(Shape::Number)
        }
        "RESPONSE_FLAGS" | "RESPONSE_FLAGS_LONG" | "UPSTREAM_CLUSTER" | "HOSTNAME" | "ROUTE_NAME" => {
            shaped(Shape::Word)
        }
        _ => field(Known::EXTRA),
    })
}

/// What applications say of a call in headers of their responses.
fn said(known: Known) -> bool {
    use Role::{Consumer, Cost, Model, RequestId, TokensIn, TokensOut, User};
    matches!(known.role, Consumer | Cost | Model | RequestId | TokensIn | TokensOut | User)
}

/// `REQ(:METHOD)`, `REQ(X-ENVOY-ORIGINAL-PATH?:PATH)`: the second is written where the first is not there.
fn header(argument: &str, span: std::ops::Range<usize>) -> Piece {
    let (first, second) = argument.split_once('?').unwrap_or((argument, ""));
    let main =
        if first.eq_ignore_ascii_case("x-envoy-original-path") || second.starts_with(':') { second } else { first };
    let main = if main.is_empty() { first } else { main };
    let known = match main.to_ascii_lowercase().as_str() {
        ":method" => Known::new(Role::Method, 0),
        ":path" => Known::new(Role::Target, 0),
        ":authority" => Known::new(Role::Host, 0),
        "host" => Known::new(Role::Host, 1),
        "x-envoy-original-path" => Known::new(Role::Target, 2),
        "x-forwarded-for" | "x-envoy-external-address" => {
            Known::new(Role::ForwardedFor, u8::from(main.starts_with(['x', 'X']) && main.len() > 16))
        }
        _ => role::by_header(main.as_bytes()).filter(|known| known.role.is_header()).unwrap_or(Known::EXTRA),
    };
    let name = main.trim_start_matches(':').to_ascii_lowercase();
    Piece::field(&name, known, span)
}

/// Without a format Envoy writes ISO 8601; `%3f` and the like are fractions, `%s` is the epoch.
fn time(name: &str, argument: &str, rank: u8, utc: bool, span: std::ops::Range<usize>) -> Result<Piece, FormatError> {
    let part = match argument {
        "" | "%s" | "%s.%3f" | "%s.%6f" | "%s.%9f" | "%s%3f" => TimePart::Whole(TimeShape::Any),
        pattern => {
            let pattern = strftime::checked(pattern).map_err(|message| FormatError::at(message, span.clone()))?;
            TimePart::Pattern { pattern, utc }
        }
    };
    Ok(Piece::ranked_time(name, part, rank, span))
}

#[cfg(test)]
mod tests {
    use crate::format::template::Template;
    use crate::format::{Format as _, Syntax};
    use crate::time::Zone;

    const DEFAULT: &str = r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"
"#;

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
    fn the_default_format_reads_the_line_of_the_manual() {
        let line = r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2http" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "tcp://10.0.2.1:80""#;
        let expected = [
            ("time", "2016-04-15T20:17:00.310Z"),
            ("method", "POST"),
            ("target", "/api/v1/locations"),
            ("protocol", "HTTP/2"),
            ("status", "204"),
            ("bytes_in", "154"),
            ("bytes_out", "0"),
            ("duration", "0.226"),
            ("forwarded_for", "10.0.35.28"),
            ("user_agent", "nsq2http"),
            ("request_id", "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2"),
            ("host", "locations"),
            ("upstream_addr", "tcp://10.0.2.1:80"),
            ("sent_http_x_envoy_upstream_service_time", "100"),
        ];
        read(DEFAULT, line, &expected);
        read(&format!("text_format: '{}'", DEFAULT.trim_end()), line, &expected);
    }

    #[test]
    fn operators_take_arguments_and_times_their_formats() {
        read(
            "%START_TIME(%Y/%m/%dT%H:%M:%S%z)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %REQ(:METHOD)% %REQ(:PATH):64% %RESPONSE_CODE% %DYNAMIC_METADATA(ai:usage:prompt_tokens)% %UPSTREAM_REQUEST_ATTEMPT_COUNT%",
            "2026/03/02T14:31:07+0000 192.0.2.1 GET /a 200 12 1",
            &[
                ("time", "2026-03-02T14:31:07.000Z"),
                ("client", "192.0.2.1"),
                ("target", "/a"),
                ("tokens_in", "12"),
                ("upstream_request_attempt_count", "1"),
            ],
        );
        read(
            "%START_TIME(%s.%3f)% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%",
            "1772461867.031 GET /a 200",
            &[("time", "2026-03-02T14:31:07.031Z")],
        );
        read(
            "%START_TIME(%s%3f)% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%",
            "1772461867031 GET /a 200",
            &[("time", "2026-03-02T14:31:07.031Z")],
        );
        assert_eq!(Syntax::of(DEFAULT), Syntax::Envoy);
    }

    #[test]
    fn errors_name_the_place() {
        for (format, words, at) in [
            ("%START_TIME% %REQ(:METHOD", "not closed", "%REQ(:METHOD"),
            ("%START_TIME% %RESPONSE_CODE x", "behind RESPONSE_CODE", "%RESPONSE_CODE"),
            ("%START_TIME% % x", "after %", "%"),
            ("%START_TIME(%Q%!)% %RESPONSE_CODE%", "not a time format", "%START_TIME(%Q%!)%"),
        ] {
            let error = Template::with_syntax("x", Some(Syntax::Envoy), format, Zone::UTC).map(|_| ()).unwrap_err();
            assert!(error.message.contains(words), "{format}: {}", error.message);
            assert_eq!(&format[error.span.unwrap()], at, "{format}");
        }
    }
}
