//! nginx `log_format`, as pasted: the whole directive, its quoted pieces, or the bare text.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, multispace1};
use nom::sequence::delimited;
use nom::{IResult, Parser};

use super::field::{Escape, Unit};
use super::nginx_variables::{self as variables, Kind};
use super::pasted::{Pasted, Placed, quoted, skip_space, skip_word, unescape};
use super::role::{self, Known, Role};
use super::steps::Shape;
use super::template::{FormatError, Piece};

/// The pieces of a `log_format` and how it escapes.
pub(super) fn pieces(text: &str, warnings: &mut Vec<String>) -> Result<(Vec<Piece>, Escape), FormatError> {
    let (escape, characters) = unwrap(text)?;
    if escape == Escape::None {
        warnings.push("escape=none lets a client write line ends and quotes into the log, and so forge lines; use escape=default or escape=json".to_owned());
    }
    Ok((variables_in(&Pasted::new(&characters), warnings)?, escape))
}

/// The format itself, out of its directive and its quotes, and how it escapes.
pub(super) fn plain_text(text: &str) -> Result<(Escape, String), FormatError> {
    let (escape, characters) = unwrap(text)?;
    Ok((escape, characters.into_iter().map(|(c, _)| c).collect()))
}

/// Takes `log_format name escape=json '...' '...';` off, or the quotes, or nothing.
fn unwrap(text: &str) -> Result<(Escape, Vec<Placed>), FormatError> {
    let body = text.trim_start();
    let mut at = text.len() - body.len();
    let mut escape = Escape::Backslash;
    let mut said = false;
    let directive = body.strip_prefix("log_format").filter(|rest| rest.starts_with(|c: char| c.is_ascii_whitespace()));
    if directive.is_some() {
        at = skip_space(text, at + "log_format".len());
        // The name may be quoted too.
        at = if text[at..].starts_with(['\'', '"']) && !text[at..].contains('$') {
            at
        } else if text[at..].starts_with(['\'', '"']) {
            let (name, _) = quoted(text, at)?;
            if text[name.clone()].contains('$') { at } else { name.end + 1 }
        } else {
            skip_word(text, at)
        };
        at = skip_space(text, at);
        if text[at..].starts_with("escape=") {
            let end = skip_word(text, at);
            said = true;
            escape = match text[at + "escape=".len()..end].trim_end_matches(';') {
                "default" => Escape::Backslash,
                "json" => Escape::Json,
                "none" => Escape::None,
                other => {
                    let message =
                        format!("expected escape=default, escape=json or escape=none, found \"escape={other}\"");
                    return Err(FormatError::at(message, at..end));
                }
            };
            at = skip_space(text, end);
        }
    }
    let quoted = text[at..].starts_with('\'') || (directive.is_some() && text[at..].starts_with('"'));
    let characters = if quoted {
        quoted_pieces(text, at)?
    } else {
        let end = if directive.is_some() {
            text.trim_end().trim_end_matches(';').len().max(at)
        } else {
            text.trim_end().len().max(at)
        };
        unescape(&text[at..end], at)
    };
    if characters.is_empty() {
        return Err(FormatError::at(
            "the log format is empty: paste what stands in nginx.conf after log_format".to_owned(),
            0..text.len(),
        ));
    }
    // A JSON object that is written without saying how it escapes is still JSON for a reader.
    let as_json = characters.first().is_some_and(|(c, _)| *c == '{') && escape == Escape::Backslash;
    Ok((if as_json && !said && directive.is_none() { Escape::Json } else { escape }, characters))
}

/// Quoted pieces one after the other, up to the semicolon; nginx joins them.
fn quoted_pieces(text: &str, mut at: usize) -> Result<Vec<Placed>, FormatError> {
    let mut all = Vec::new();
    while let Some(next) = text[at..].chars().next() {
        match next {
            '\'' | '"' => {
                let (inner, _) = quoted(text, at)?;
                at = inner.end + 1;
                all.extend(unescape(&text[inner.clone()], inner.start));
            }
            ';' => break,
            '#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            c if c.is_whitespace() => at += c.len_utf8(),
            // nginx takes pieces without quotes as well.
            '$' => {
                let end = skip_word(text, at).max(at + 1);
                let piece = text[at..end].trim_end_matches(';');
                all.extend(unescape(piece, at));
                at += piece.len();
            }
            other => {
                let message = format!("expected a quoted piece or ; here, found \"{other}\"");
                return Err(FormatError::at(message, at..at + other.len_utf8()));
            }
        }
    }
    Ok(all)
}

fn variables_in(pasted: &Pasted, warnings: &mut Vec<String>) -> Result<Vec<Piece>, FormatError> {
    let text = pasted.text.as_str();
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        let literal = rest.find('$').unwrap_or(rest.len());
        if literal > 0 {
            pieces.push(Piece::Literal(rest.as_bytes()[..literal].to_vec()));
            rest = &rest[literal..];
            continue;
        }
        let Ok((after, name)) = variable(rest) else {
            let message = "expected the name of a variable after $, as in $remote_addr".to_owned();
            return Err(FormatError::at(message, pasted.span(at..at + 1)));
        };
        let end = text.len() - after.len();
        if let Some(meant) = variables::misspelt(name) {
            warnings.push(format!(
                "nginx has no variable ${name}: it is read as a field of that name; did you mean ${meant}?"
            ));
        }
        let known = known(name);
        pieces.push(Piece::field(name, known, pasted.span(at..end)).shaped(shape(name, known)));
        rest = after;
    }
    Ok(pieces)
}

fn variable(text: &str) -> IResult<&str, &str> {
    let name = |text| take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_').parse(text);
    let (rest, _) = char('$').parse(text)?;
    alt((delimited(tag("{"), name, tag("}")), name)).parse(rest)
}

/// How the values of a variable look that has no part in a record.
fn shape(name: &str, known: Known) -> Option<Shape> {
    if known.role == Role::Duration && name == "request_time" {
        return Some(Shape::Seconds);
    }
    if !matches!(known.role, Role::Extra | Role::ForwardedFor | Role::Duration) {
        return None;
    }
    match variables::kind(name)? {
        Kind::Number => Some(Shape::Number),
        Kind::Word => Some(Shape::Word),
        Kind::List => Some(Shape::List),
        Kind::Text => None,
    }
}

/// What nginx's variables mean (nginx.org, "Alphabetical index of variables"); where several say the same, the more
/// exact one leads.
fn known(name: &str) -> Known {
    match name {
        "msec" => Known::new(Role::Time, 0),
        "time_iso8601" => Known::new(Role::Time, 1),
        "time_local" => Known::new(Role::Time, 2),
        "date_local" | "date_gmt" => Known::new(Role::Time, 3),
        "remote_addr" => Known::new(Role::Client, 0),
        "the_real_ip" => Known::new(Role::Client, 1),
        "proxy_add_x_forwarded_for" => Known::new(Role::ForwardedFor, 0),
        "proxy_protocol_addr" => Known::new(Role::ForwardedFor, 3),
        "remote_user" => Known::new(Role::User, 0),
        "request" => Known::new(Role::Request, 0),
        "request_uri" => Known::new(Role::Target, 0),
        "uri" | "document_uri" => Known::new(Role::Path, 0),
        "args" | "query_string" => Known::new(Role::Query, 0),
        "request_method" => Known::new(Role::Method, 0),
        "server_protocol" => Known::new(Role::Protocol, 0),
        "status" => Known::new(Role::Status, 0),
        "body_bytes_sent" => Known::new(Role::BytesOut, 0),
        "bytes_sent" => Known::new(Role::BytesOut, 1),
        "request_length" => Known::new(Role::BytesIn, 0),
        "content_length" => Known::new(Role::BytesIn, 1),
        "request_time" => Known::duration(Unit::Seconds, 0),
        "upstream_response_time" => Known::duration(Unit::Seconds, 1),
        "session_time" => Known::duration(Unit::Seconds, 2),
        "host" => Known::new(Role::Host, 0),
        "http_host" => Known::new(Role::Host, 1),
        "server_name" => Known::new(Role::Host, 2),
        "request_id" => Known::new(Role::RequestId, 0),
        "req_id" => Known::new(Role::RequestId, 1),
        "otel_trace_id" | "opentracing_context_trace_id" => Known::new(Role::RequestId, 3),
        "geoip_country_code" | "geoip2_country_code" | "geoip2_data_country_code" => Known::new(Role::Country, 0),
        "jwt_claim_sub" => Known::new(Role::Consumer, 1),
        "jwt_claim_client_id" | "jwt_claim_azp" => Known::new(Role::Consumer, 2),
        "ssl_client_s_dn_cn" => Known::new(Role::Consumer, 3),
        _ => by_family(name),
    }
}

/// What the families of variables mean: `$http_...`, `$upstream_http_...`, `$arg_...`.
fn by_family(name: &str) -> Known {
    if let Some(header) = name.strip_prefix("http_") {
        let counts = |role| matches!(role, Role::TokensIn | Role::TokensOut | Role::Cost | Role::BytesIn);
        let known = role::by_header(header.as_bytes()).or_else(|| role::by_name(name.as_bytes()));
        return known.filter(|known| known.role.is_header() || counts(known.role)).unwrap_or(Known::EXTRA);
    }
    // How an application hands a consumer, token counts or costs to the log.
    if let Some(header) = name.strip_prefix("upstream_http_").or_else(|| name.strip_prefix("sent_http_")) {
        let said = |role| {
            use Role::{Consumer, Cost, Model, RequestId, TokensIn, TokensOut};
            matches!(role, Consumer | Cost | Model | RequestId | TokensIn | TokensOut)
        };
        let known = role::by_header(header.as_bytes()).filter(|known| said(known.role));
        return known.map_or(Known::EXTRA, |known| Known { rank: known.rank + 2, ..known });
    }
    if let Some(parameter) = name.strip_prefix("arg_") {
        let known = role::by_name(name.as_bytes()).or_else(|| role::by_name(parameter.as_bytes()));
        return known.filter(|known| matches!(known.role, Role::ApiKey | Role::Consumer)).unwrap_or(Known::EXTRA);
    }
    // Whatever else nginx itself knows has a meaning of its own, and none that a record has a place for.
    if variables::kind(name).is_some() {
        return Known::EXTRA;
    }
    let known = role::by_name(name.as_bytes()).unwrap_or(Known::EXTRA);
    if known.role == Role::Time && !matches!(name, "date" | "time" | "timestamp" | "datetime") {
        return Known::EXTRA;
    }
    known
}

/// Whether the text is a directive or a bare format of nginx rather than of Apache.
pub(super) fn is_nginx(text: &str) -> bool {
    text.trim_start().starts_with("log_format") || (text.contains('$') && space_or_variable(text).is_ok())
}

fn space_or_variable(text: &str) -> IResult<&str, &str> {
    let start = text.find('$').unwrap_or(text.len());
    alt((variable, multispace1)).parse(&text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format as _;
    use crate::format::template::Template;
    use crate::time::Zone;

    fn role_of(name: &str) -> (Role, u8) {
        let known = known(name);
        (known.role, known.rank)
    }

    #[test]
    fn variables_mean_what_nginx_says() {
        for (name, role) in [
            ("remote_addr", Role::Client),
            ("realip_remote_addr", Role::Extra),
            ("http_x_forwarded_for", Role::ForwardedFor),
            ("proxy_add_x_forwarded_for", Role::ForwardedFor),
            ("http_x_request_id", Role::RequestId),
            ("http_authorization", Role::ApiKey),
            ("http_x_api_key", Role::ApiKey),
            ("http_date", Role::Extra),
            ("http_from", Role::Extra),
            ("http_content_length", Role::BytesIn),
            ("arg_api_key", Role::ApiKey),
            ("arg_client_id", Role::Consumer),
            ("arg_time", Role::Extra),
            ("cookie_user", Role::Extra),
            ("sent_http_content_length", Role::Extra),
            ("upstream_http_x_tokens_in", Role::TokensIn),
            ("upstream_http_x_request_id", Role::RequestId),
            ("upstream_http_server", Role::Extra),
            ("upstream_response_time", Role::Duration),
            ("upstream_addr", Role::Extra),
            ("upstream_status", Role::Extra),
            ("jwt_claim_sub", Role::Consumer),
            ("jwt_claim_aud", Role::Extra),
            ("geoip2_data_country_code", Role::Country),
            ("geoip_city", Role::Extra),
            ("server_addr", Role::Extra),
            ("is_args", Role::Extra),
            ("time", Role::Time),
            ("connection", Role::Extra),
            ("my_own", Role::Extra),
            ("consumer", Role::Consumer),
            ("tokens_in", Role::TokensIn),
        ] {
            assert_eq!(role_of(name).0, role, "{name}");
        }
        assert!(role_of("msec").1 < role_of("time_iso8601").1, "the more exact time leads");
        assert!(role_of("request_time").1 < role_of("upstream_response_time").1);
    }

    #[test]
    fn every_variable_of_nginx_compiles_and_reads_a_dash() {
        let head = r#"192.0.2.1 [02/Mar/2026:14:31:07 +0000] "GET /a HTTP/1.1" 200"#;
        for name in variables::all() {
            let format = format!(r#"$remote_addr [$time_local] "$request" $status x=$%{name}"#).replace("$%", "$");
            let template =
                Template::new("x", &format, Zone::UTC).unwrap_or_else(|e| panic!("{name}: {e} at {:?}", e.span));
            assert_eq!(template.warnings(), [] as [String; 0], "{name}");
            // Those that a line always has are not tried empty.
            if matches!(known(&name).role, Role::Time | Role::Client | Role::Request | Role::Status) {
                continue;
            }
            let line = format!("{head} x=-");
            let record = template.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            assert_eq!(record.status, Some(200), "{name}");
        }
    }

    #[test]
    fn misspelt_variables_are_said() {
        let mut warnings = Vec::new();
        pieces("$remote_adr $staus $foobar $upstream_cache_status $my_status", &mut warnings).unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[0].contains("$remote_adr") && warnings[0].contains("did you mean $remote_addr?"));
        assert!(warnings[1].contains("did you mean $status?"));
    }

    #[test]
    fn directives_come_as_they_stand() {
        let text = |pasted: &str| {
            unwrap(pasted).map(|(escape, c)| (escape, c.into_iter().map(|(c, _)| c).collect::<String>())).unwrap()
        };
        let plain = |t: &str| (Escape::Backslash, t.to_owned());
        assert_eq!(text("log_format main '$a '\n\t'$b';"), plain("$a $b"));
        assert_eq!(text("log_format main $a '$b';"), plain("$a$b".replace("$a$b", "$a '$b'").as_str()));
        assert_eq!(text("log_format \"my name\" '$a' ' $b' # why\n ' $c';"), plain("$a $b $c"));
        assert_eq!(text("log_format j escape=json '{\"a\":\"$b\"}';"), (Escape::Json, "{\"a\":\"$b\"}".to_owned()));
        assert_eq!(text("log_format j escape=none \"$a\";"), (Escape::None, "$a".to_owned()));
        assert_eq!(text("'$a \\'$b\\''"), plain("$a '$b'"));
        assert_eq!(text("{\"a\":\"$b\"}").0, Escape::Json);
    }
}
