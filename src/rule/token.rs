//! A condition's text in words and signs, each with its place.

use std::ops::Range;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::multispace0;
use nom::combinator::{recognize, value};
use nom::sequence::pair;
use nom::{IResult, Parser};

use super::Problem;

/// The longest condition, in bytes.
pub(super) const MOST_BYTES: usize = 8192;

/// One word or sign.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// A name of a field, or a word of the language.
    Word(String),
    /// A quoted text, escapes undone.
    Text(String),
    /// A number with its unit: `500`, `2s`, `10MB`.
    Number { digits: String, unit: String },
    /// `==`, `(` and the like.
    Sign(&'static str),
}

/// A token and where it stands.
pub(super) type Placed = (Token, Range<usize>);

/// Signs, the longer ones first.
const SIGNS: [&str; 15] = ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", "="];

/// Takes a text apart.
///
/// # Errors
/// The first thing that is no token.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Problem> {
    if text.len() > MOST_BYTES {
        return Err(Problem::new(0..text.len(), format!("this condition is longer than {MOST_BYTES} characters"))
            .help("several rules can share the work"));
    }
    let mut found = Vec::new();
    let mut rest = blank(text);
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let (after, token) = next(rest, start)?;
        found.push((token, start..text.len() - after.len()));
        rest = blank(after);
    }
    Ok(found)
}

fn blank(text: &str) -> &str {
    // Blanks are zero or more: this never fails.
    multispace0::<&str, nom::error::Error<&str>>(text).map_or(text, |(rest, _)| rest)
}

fn next(rest: &str, start: usize) -> Result<(&str, Token), Problem> {
    match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(rest, quote, start),
        Some(c) if c.is_ascii_digit() => Ok(number(rest)),
        Some(c) if c.is_ascii_alphabetic() || c == '_' => word(rest, start),
        other => sign(rest).map(|(after, sign)| (after, Token::Sign(sign))).map_err(|_| {
            let c = other.unwrap_or(' ');
            let help = match c {
                '~' => "to compare with a pattern, write: path like \"/v1/*\"",
                '$' => "fields stand without a sign before them: status >= 500",
                '-' => "no field is below zero",
                _ => "texts stand in quotes: path == \"/v1/orders\"",
            };
            Problem::new(start..start + c.len_utf8(), format!("'{}' is not a sign of this language", c.escape_debug()))
                .help(help)
        }),
    }
}

fn sign(text: &str) -> IResult<&str, &'static str> {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = SIGNS.map(|s| value(s, tag(s)));
    alt((alt((a, b, c, d, e, f)), alt((g, h, i, j, k, l)), alt((m, n, o)))).parse(text)
}

/// Names hold letters, digits, `_`, `-`, and dots between their parts; a part in quotes may hold anything.
fn word(rest: &str, start: usize) -> Result<(&str, Token), Problem> {
    let mut name = String::new();
    let mut left = rest;
    loop {
        let (after, part) = plain(left).unwrap_or((left, ""));
        name.push_str(part);
        left = after;
        // `query."a name"`
        if name.ends_with('.')
            && let Some(quote @ ('"' | '\'')) = left.chars().next()
        {
            let (after, inner) = quoted(left, quote, start + rest.len() - left.len())?;
            if let Token::Text(inner) = inner {
                name.push_str(&inner);
            }
            left = after;
            continue;
        }
        return Ok((left, Token::Word(name)));
    }
}

fn plain(text: &str) -> IResult<&str, &str> {
    recognize(take_while1(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).parse(text)
}

/// Digits with `_` between them, a fraction, and the unit that stands right behind.
fn number(text: &str) -> (&str, Token) {
    let digits = |text| take_while::<_, &str, nom::error::Error<&str>>(|c: char| c.is_ascii_digit() || c == '_')(text);
    let (rest, whole) = digits(text).unwrap_or((text, ""));
    let mut written: String = whole.chars().filter(|c| *c != '_').collect();
    let mut rest = rest;
    if let Ok((after, (_, fraction))) = pair(tag::<&str, &str, nom::error::Error<&str>>("."), digits).parse(rest)
        && !fraction.is_empty()
    {
        written.push('.');
        written.extend(fraction.chars().filter(|c| *c != '_'));
        rest = after;
    }
    let unit = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '%').len();
    let (unit, rest) = rest.split_at(unit);
    (rest, Token::Number { digits: written, unit: unit.to_owned() })
}

fn quoted(text: &str, quote: char, start: usize) -> Result<(&str, Token), Problem> {
    let mut inner = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Ok((text.get(at + 1..).unwrap_or(""), Token::Text(inner))),
            '\\' => match chars.next() {
                Some((_, c @ ('\\' | '"' | '\''))) => inner.push(c),
                Some((_, 'n')) => inner.push('\n'),
                Some((_, 't')) => inner.push('\t'),
                Some((_, other)) => {
                    inner.push('\\');
                    inner.push(other);
                }
                None => break,
            },
            c => inner.push(c),
        }
    }
    Err(Problem::new(start..start + text.len(), "this text does not end").label(format!("expected {quote} at its end")))
}
