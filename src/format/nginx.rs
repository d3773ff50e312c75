//! nginx `log_format`, as pasted: the whole directive, its quoted pieces, or the bare text.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{char, multispace1};
use nom::sequence::delimited;
use nom::{IResult, Parser};

use super::field::{Escape, Unit};
use super::role::{self, Known, Role};
use super::template::{FormatError, Piece};

/// The pieces of a `log_format` and how it escapes.
pub(super) fn pieces(text: &str) -> Result<(Vec<Piece>, Escape), FormatError> {
    let (escape, characters) = unwrap(text)?;
    Ok((variables(&characters)?, escape))
}

/// A character of the format and where it stands in what was pasted.
type Placed = (char, usize);

/// Takes `log_format name escape=json '...' '...';` off, or the quotes, or nothing.
fn unwrap(text: &str) -> Result<(Escape, Vec<Placed>), FormatError> {
    let body = text.trim_start();
    let mut at = text.len() - body.len();
    let mut escape = Escape::Backslash;
    let directive = body.strip_prefix("log_format").filter(|rest| rest.starts_with(|c: char| c.is_ascii_whitespace()));
    if directive.is_some() {
        at = skip_space(text, at + "log_format".len());
        at = skip_word(text, at);
        at = skip_space(text, at);
        if text[at..].starts_with("escape=") {
            let end = skip_word(text, at);
            escape = match &text[at + "escape=".len()..end] {
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
    Ok((if as_json && directive.is_none() { Escape::Json } else { escape }, characters))
}

fn skip_space(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}

fn skip_word(text: &str, at: usize) -> usize {
    at + text[at..].find(|c: char| c.is_whitespace() || c == '\'' || c == '"').unwrap_or(text.len() - at)
}

/// Quoted pieces one after the other, up to the semicolon; nginx joins them.
fn quoted_pieces(text: &str, mut at: usize) -> Result<Vec<Placed>, FormatError> {
    let mut all = Vec::new();
    while let Some(quote) = text[at..].chars().next() {
        match quote {
            '\'' | '"' => {
                let inner = at + 1;
                let length = end_of_quoted(&text[inner..], quote).ok_or_else(|| {
                    FormatError::at(format!("this quote is not closed: expected {quote} before the end"), at..inner)
                })?;
                all.extend(unescape(&text[inner..inner + length], inner));
                at = inner + length + 1;
            }
            ';' => break,
            '#' => at += text[at..].find('\n').unwrap_or(text.len() - at),
            c if c.is_whitespace() => at += c.len_utf8(),
            other => {
                let message = format!("expected a quoted piece or ; here, found \"{other}\"");
                return Err(FormatError::at(message, at..at + other.len_utf8()));
            }
        }
    }
    Ok(all)
}

fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(at);
        }
    }
    None
}

/// nginx's own escapes in configuration strings: `\"`, `\'`, `\\`, `\t`, `\r`, `\n`; also for Apache.
pub(super) fn unescape(text: &str, offset: usize) -> Vec<Placed> {
    let mut out = Vec::with_capacity(text.len());
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let plain = match (c, characters.peek().map(|(_, next)| *next)) {
            ('\\', Some(next @ ('"' | '\'' | '\\'))) => Some(next),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('n')) => Some('\n'),
            _ => None,
        };
        if plain.is_some() {
            characters.next();
        }
        out.push((plain.unwrap_or(c), offset + at));
    }
    out
}

fn variables(characters: &[Placed]) -> Result<Vec<Piece>, FormatError> {
    let joined: String = characters.iter().map(|(c, _)| *c).collect();
    // Byte position in `joined` to position in what was pasted.
    let places: Vec<usize> = characters.iter().flat_map(|(c, at)| std::iter::repeat_n(*at, c.len_utf8())).collect();
    let place = |at: usize| places.get(at).copied().unwrap_or_else(|| places.last().map_or(0, |last| last + 1));
    let mut pieces = Vec::new();
    let mut rest = joined.as_str();
    while !rest.is_empty() {
        let at = joined.len() - rest.len();
        let literal = rest.find('$').unwrap_or(rest.len());
        if literal > 0 {
            pieces.push(Piece::Literal(rest.as_bytes()[..literal].to_vec()));
            rest = &rest[literal..];
            continue;
        }
        let Ok((after, name)) = variable(rest) else {
            let message = "expected the name of a variable after $, as in $remote_addr".to_owned();
            return Err(FormatError::at(message, place(at)..place(at) + 1));
        };
        let end = joined.len() - after.len();
        pieces.push(Piece::field(name, known(name), place(at)..place(end.saturating_sub(1)) + 1));
        rest = after;
    }
    Ok(pieces)
}

fn variable(text: &str) -> IResult<&str, &str> {
    let name = |text| take_while1(|c: char| c.is_ascii_alphanumeric() || c == '_').parse(text);
    let (rest, _) = char('$').parse(text)?;
    alt((delimited(tag("{"), name, tag("}")), name)).parse(rest)
}

/// What nginx's variables mean (nginx.org, "Alphabetical index of variables"); where several say the same, the more
/// exact one leads.
fn known(name: &str) -> Known {
    match name {
        "msec" => Known::new(Role::Time, 0),
        "time_iso8601" => Known::new(Role::Time, 1),
        "time_local" => Known::new(Role::Time, 2),
        "remote_addr" => Known::new(Role::Client, 0),
        "the_real_ip" => Known::new(Role::Client, 1),
        "proxy_protocol_addr" => Known::new(Role::ForwardedFor, 3),
        "request" => Known::new(Role::Request, 0),
        "request_uri" => Known::new(Role::Target, 0),
        "uri" | "document_uri" => Known::new(Role::Path, 0),
        "args" | "query_string" => Known::new(Role::Query, 0),
        "request_time" => Known::duration(Unit::Seconds, 0),
        "upstream_response_time" => Known::duration(Unit::Seconds, 1),
        "host" => Known::new(Role::Host, 0),
        "http_host" => Known::new(Role::Host, 1),
        "server_name" => Known::new(Role::Host, 2),
        // Times of parts of a request, the server's own start and the peer before real_ip are no substitute.
        "realip_remote_addr" | "server_addr" | "hostname" | "is_args" | "request_filename" | "request_body" => {
            Known::EXTRA
        }
        _ if name.starts_with("upstream_") && !name.starts_with("upstream_http_") => Known::EXTRA,
        _ if name.starts_with("sent_http_") || name.starts_with("ssl_") || name.starts_with("cookie_") => Known::EXTRA,
        _ => {
            let plain = name.strip_prefix("upstream_http_").unwrap_or(name);
            let plain = plain.strip_prefix("http_").filter(|p| !matches!(*p, "host")).unwrap_or(plain);
            let header = plain.len() < name.len();
            role::by_header(plain.as_bytes())
                .filter(|known| {
                    !header
                        || known.role.is_header()
                        || matches!(known.role, Role::TokensIn | Role::TokensOut | Role::Cost | Role::BytesIn)
                })
                .or_else(|| role::by_name(name.as_bytes()))
                .filter(|known| known.role != Role::Time)
                .unwrap_or(Known::EXTRA)
        }
    }
}

/// Whether the text is a directive or a bare format of nginx rather than of Apache.
pub(super) fn is_nginx(text: &str) -> bool {
    text.trim_start().starts_with("log_format") || (text.contains('$') && space_or_variable(text).is_ok())
}

fn space_or_variable(text: &str) -> IResult<&str, &str> {
    let start = text.find('$').unwrap_or(text.len());
    alt((variable, multispace1)).parse(&text[start..])
}
