//! Apache `LogFormat` strings (also of varnishncsa, lighttpd and other servers that took them over), as pasted: the
//! whole directive or the bare text.

use super::field::{Escape, Unit};
use super::instant::TimeShape;
use super::nginx::unescape;
use super::role::{self, Known, Role};
use super::template::{FormatError, Piece, TimePart};

/// The pieces of a `LogFormat`.
pub(super) fn pieces(text: &str) -> Result<(Vec<Piece>, Escape), FormatError> {
    let (start, end) = unwrap(text)?;
    let characters = unescape(&text[start..end], start);
    if characters.is_empty() {
        let message = "the log format is empty: paste what stands in the LogFormat line".to_owned();
        return Err(FormatError::at(message, 0..text.len()));
    }
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(&(c, place)) = characters.get(at) {
        at += 1;
        if c != '%' {
            literal.push(c);
            continue;
        }
        let (directive, after) = directive(&characters, at, place)?;
        at = after;
        let span = place..characters.get(at - 1).map_or(text.len(), |(c, p)| p + c.len_utf8());
        match directive {
            None => literal.push('%'),
            Some(directive) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into_bytes()));
                }
                directive.push(&mut pieces, span)?;
            }
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into_bytes()));
    }
    Ok((pieces, Escape::Backslash))
}

/// One `%` directive: its letter and what stands in braces.
struct Directive {
    letter: String,
    argument: Option<String>,
}

/// Takes `LogFormat "..." name` or `CustomLog file "..."` off: the bytes of the format itself.
fn unwrap(text: &str) -> Result<(usize, usize), FormatError> {
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len().max(start);
    let body = &text[start..end];
    let named = ["LogFormat", "CustomLog", "accesslog.format", "-F"].into_iter().find(|name| {
        body.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
            && body[name.len()..].starts_with([' ', '\t', '='])
    });
    if named.is_none() {
        return Ok((start, end));
    }
    let Some(open) = body.find(['"', '\'']) else {
        let message = "expected the format in quotes, as in LogFormat \"%h %l %u %t\" common".to_owned();
        return Err(FormatError::at(message, start..end));
    };
    let quote = &body[open..=open];
    let inner = open + 1;
    let mut escaped = false;
    for (at, c) in body[inner..].char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if quote.starts_with(c) => return Ok((start + inner, start + inner + at)),
            _ => {}
        }
    }
    Err(FormatError::at(
        format!("this quote is not closed: expected {quote} before the end"),
        start + open..start + inner,
    ))
}

/// Reads a directive behind its `%`; `None` is `%%`.
fn directive(
    characters: &[(char, usize)],
    mut at: usize,
    place: usize,
) -> Result<(Option<Directive>, usize), FormatError> {
    let broken = |message: &str, at: usize| {
        let end =
            characters.get(at.min(characters.len().saturating_sub(1))).map_or(place + 1, |(c, p)| p + c.len_utf8());
        FormatError::at(message.to_owned(), place..end)
    };
    let mut argument = None;
    loop {
        let Some(&(c, _)) = characters.get(at) else {
            return Err(broken(
                "expected a directive after %, as in %h or %{Referer}i (a percent sign itself is %%)",
                at,
            ));
        };
        at += 1;
        match c {
            '%' if argument.is_none() => return Ok((None, at)),
            // Conditions (%!200,304{Referer}i, %>s) change when a value is written, not what it is.
            '<' | '>' | '!' | ',' | '0'..='9' => {}
            '{' => {
                let length = characters[at..].iter().position(|(c, _)| *c == '}');
                let length = length.ok_or_else(|| broken("this brace is not closed: expected } before the end", at))?;
                argument = Some(characters[at..at + length].iter().map(|(c, _)| *c).collect());
                at += length + 1;
            }
            '^' => {
                let letters: String = characters[at..].iter().take(2).map(|(c, _)| *c).collect();
                return Ok((
                    Some(Directive { letter: format!("^{letters}"), argument }),
                    (at + 2).min(characters.len()),
                ));
            }
            c if c.is_ascii_alphabetic() => return Ok((Some(Directive { letter: c.to_string(), argument }), at)),
            other => {
                let message = format!("expected a letter after %, found \"{other}\" (a percent sign itself is %%)");
                return Err(broken(&message, at - 1));
            }
        }
    }
}

impl Directive {
    /// What the directives mean (httpd.apache.org, `mod_log_config`, "Custom Log Formats").
    fn push(self, pieces: &mut Vec<Piece>, span: std::ops::Range<usize>) -> Result<(), FormatError> {
        let argument = self.argument.as_deref();
        let known = match (self.letter.as_str(), argument) {
            ("t", argument) => return push_time(pieces, argument.unwrap_or_default(), span),
            ("h", _) | ("a", None) => Known::new(Role::Client, 0),
            ("a", Some("c")) => Known::new(Role::Client, 1),
            ("l", _) => Known::new(Role::Ignored, 0),
            ("u", _) => Known::new(Role::User, 0),
            ("r", _) => Known::new(Role::Request, 0),
            ("m", _) => Known::new(Role::Method, 0),
            ("U", _) => Known::new(Role::Path, 0),
            ("q", _) => Known::new(Role::Query, 0),
            ("H", _) => Known::new(Role::Protocol, 0),
            ("s", _) => Known::new(Role::Status, 0),
            ("b" | "B", _) => Known::new(Role::BytesOut, 0),
            ("O", _) => Known::new(Role::BytesOut, 1),
            ("I", _) => Known::new(Role::BytesIn, 0),
            ("D", _) | ("T", Some("us")) => Known::duration(Unit::Micros, 0),
            ("T", None | Some("s")) => Known::duration(Unit::Seconds, 2),
            ("T", Some("ms")) => Known::duration(Unit::Millis, 1),
            ("V", _) => Known::new(Role::Host, 0),
            ("v", _) => Known::new(Role::Host, 1),
            ("L", _) => Known::new(Role::RequestId, 1),
            ("i" | "^ti", Some(header)) => header_role(header),
            // Notes, environment and response headers are how applications hand a consumer or token counts to the log.
            ("n" | "e" | "x" | "o", Some(name)) => role::by_header(name.as_bytes())
                .filter(|known| {
                    matches!(
                        known.role,
                        Role::Consumer
                            | Role::ApiKey
                            | Role::TokensIn
                            | Role::TokensOut
                            | Role::Cost
                            | Role::Model
                            | Role::Country
                            | Role::RequestId
                            | Role::User
                    )
                })
                .unwrap_or(Known::EXTRA),
            _ => Known::EXTRA,
        };
        let name = argument.map_or_else(|| self.letter.clone(), ToOwned::to_owned);
        pieces.push(match self.letter.as_str() {
            "l" => Piece::ident(span),
            _ => Piece::field(&name, known, span),
        });
        Ok(())
    }
}

fn header_role(header: &str) -> Known {
    role::by_header(header.as_bytes())
        .filter(|known| known.role.is_header() || known.role == Role::BytesIn)
        .unwrap_or(Known::EXTRA)
}

/// `%t` writes its own brackets; `%{...}t` takes strftime's letters, or a unit, with `begin:` or `end:` before it.
fn push_time(pieces: &mut Vec<Piece>, argument: &str, span: std::ops::Range<usize>) -> Result<(), FormatError> {
    let format = argument.strip_prefix("begin:").or_else(|| argument.strip_prefix("end:")).unwrap_or(argument);
    match format {
        "" => {
            pieces.push(Piece::Literal(b"[".to_vec()));
            pieces.push(Piece::time(TimePart::Whole(TimeShape::Zoned), span));
            pieces.push(Piece::Literal(b"]".to_vec()));
        }
        "sec" | "msec" | "usec" => pieces.push(Piece::time(TimePart::Whole(TimeShape::Any), span)),
        "msec_frac" => pieces.push(Piece::time(TimePart::Pattern("%3f".to_owned()), span)),
        "usec_frac" => pieces.push(Piece::time(TimePart::Pattern("%6f".to_owned()), span)),
        pattern => {
            if chrono::format::StrftimeItems::new(pattern).any(|item| item == chrono::format::Item::Error) {
                let message = format!("\"{pattern}\" is not a time format that strftime knows");
                return Err(FormatError::at(message, span));
            }
            pieces.push(Piece::time(TimePart::Pattern(pattern.to_owned()), span));
        }
    }
    Ok(())
}
