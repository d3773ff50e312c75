//! Shared pieces of all formats: request lines, addresses, numbers, durations, escapes.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{all_consuming, opt, recognize};
use nom::sequence::preceded;
use nom::{IResult, Parser};

use super::Value;

/// How a log writes bytes that it must not write as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Escape {
    /// `\x22`, `\"`, `\\`, `\n`: nginx by default, Apache, lighttpd.
    #[default]
    Backslash,
    /// JSON string escapes: nginx `escape=json`.
    Json,
    /// Nothing is escaped: nginx `escape=none`. A client can forge what it likes.
    None,
}

/// METHOD TARGET PROTOCOL; method and protocol may be missing from what very old clients send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RequestLine<'a> {
    /// The method token.
    pub(super) method: &'a [u8],
    /// The target, with blanks where the client sent some.
    pub(super) target: &'a [u8],
    /// The protocol, absent in HTTP/0.9.
    pub(super) protocol: Option<&'a [u8]>,
}

/// Takes a request line apart; `None` for anything that is not one.
pub(super) fn request_line(text: &[u8]) -> Option<RequestLine<'_>> {
    let text = text.trim_ascii();
    if let Some(usual) = usual_request_line(text) {
        return Some(usual);
    }
    let (rest, method) = method(text).ok()?;
    let rest = rest.trim_ascii_start();
    let last = memchr::memrchr(b' ', rest).map_or(0, |at| at + 1);
    if last > 0 && protocol(&rest[last..]).is_ok() {
        let target = rest[..last].trim_ascii_end();
        return (!target.is_empty()).then_some(RequestLine { method, target, protocol: Some(&rest[last..]) });
    }
    // Without a protocol only what looks like HTTP/0.9 counts, since words with a blank are common in binary noise.
    let target_like = rest.starts_with(b"/") || rest == b"*" || memchr::memmem::find(rest, b"://").is_some();
    let method_like = method.iter().all(u8::is_ascii_uppercase);
    (target_like && method_like).then_some(RequestLine { method, target: rest, protocol: None })
}

/// What nearly all request lines are, without the ways round: a method of capital letters, one blank, a path, HTTP.
fn usual_request_line(text: &[u8]) -> Option<RequestLine<'_>> {
    let letters = text.iter().take(33).take_while(|b| b.is_ascii_uppercase()).count();
    let (method, rest) = text.split_at(letters);
    let rest = rest.strip_prefix(b" ").filter(|rest| rest.first() == Some(&b'/'))?;
    let (target, end) = rest.split_last_chunk::<9>()?;
    if !matches!(end, b" HTTP/1.1" | b" HTTP/2.0" | b" HTTP/1.0") {
        return None;
    }
    let protocol = &end[1..];
    (1..=32).contains(&letters).then(|| RequestLine {
        method,
        target: target.trim_ascii_end(),
        protocol: Some(protocol),
    })
}

/// A method is a token (RFC 9110, 5.6.2), and begins with a letter in every method there is.
fn method(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let (rest, method) =
        recognize((take_while_m_n(1, 1, |b: u8| b.is_ascii_alphabetic()), take_while_m_n(0, 31, token))).parse(text)?;
    let (rest, _) = char(' ').parse(rest)?;
    Ok((rest, method))
}

/// `HTTP/1.1`, `HTTP/2`, `RTSP/1.0`.
fn protocol(text: &[u8]) -> IResult<&[u8], &[u8]> {
    all_consuming(recognize((
        take_while_m_n(1, 8, |b: u8| b.is_ascii_alphabetic()),
        char('/'),
        take_while_m_n(1, 2, |b: u8| b.is_ascii_digit()),
        opt((char('.'), take_while_m_n(1, 2, |b: u8| b.is_ascii_digit()))),
    )))
    .parse(text)
}

/// Whether the text can be a peer, or the list of proxies that some servers log in its place.
pub(super) fn is_client(text: &[u8]) -> bool {
    // Most are IPv4.
    if (1..=16).contains(&text.len()) && text.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        return true;
    }
    text.split(|b| *b == b',').all(|part| is_address(part.trim_ascii()))
}

/// Whether the text can be a peer: IPv4 or IPv6 address with or without port, `unix:` socket, host name, or `-`.
fn is_address(text: &[u8]) -> bool {
    if text.starts_with(b"unix:") {
        return !text.contains(&b'"');
    }
    // Colons, brackets and a zone index belong to IPv6; an underscore occurs in container names.
    let part = |b: u8| b.is_ascii_alphanumeric() || b".:-_[]%".contains(&b) || b >= 0x80;
    !text.is_empty() && text.len() <= 255 && text.iter().all(|&b| part(b))
}

/// A whole number, saturated; `None` where the text is not one.
pub(super) fn whole(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter()
        .try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n.saturating_mul(10).saturating_add(u64::from(b - b'0'))))
}

/// A decimal number.
pub(super) fn decimal(text: &[u8]) -> Option<f64> {
    let number = recognize((
        opt(one_of("+-")),
        alt((recognize((digits1, opt((char('.'), digits0)))), recognize((char('.'), digits1)))),
        opt((one_of("eE"), opt(one_of("+-")), digits1)),
    ));
    let (_, text) = all_consuming(number).parse(text).ok()?;
    std::str::from_utf8(text).ok()?.parse().ok().filter(|n: &f64| n.is_finite())
}

fn digits1(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b: u8| b.is_ascii_digit()).parse(text)
}

fn digits0(text: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while(|b: u8| b.is_ascii_digit()).parse(text)
}

/// The unit of a duration that is written without one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Unit {
    /// By the look of the number: a fraction means seconds, a whole number milliseconds.
    #[default]
    Guess,
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// From a format file: `s`, `ms`, `us`, `ns`.
    pub(super) fn parse(name: &str) -> Option<Unit> {
        Some(match name {
            "s" => Unit::Seconds,
            "ms" => Unit::Millis,
            "us" => Unit::Micros,
            "ns" => Unit::Nanos,
            _ => return None,
        })
    }

    /// Seconds of a number in this unit; `whole` says that it was written without a fraction.
    pub(super) fn seconds(self, number: f64, whole: bool) -> f64 {
        match self {
            Unit::Seconds => number,
            Unit::Guess if !whole => number,
            Unit::Guess | Unit::Millis => number / 1e3,
            Unit::Micros => number / 1e6,
            Unit::Nanos => number / 1e9,
        }
    }
}

/// A duration in seconds: a number in `unit`, one with its own unit (`12ms`, `1m3.5s`), or a list of upstreams'
/// times (`0.1, 0.2 : 0.3`), which are added. `None` for dashes, `Err` for anything else.
pub(super) fn duration(text: &[u8], unit: Unit) -> Result<Option<f64>, ()> {
    let mut sum = None;
    for part in text.split(|&b| b == b',' || b == b' ') {
        if part.is_empty() || part == b"-" || part == b":" {
            continue;
        }
        let seconds = match decimal(part) {
            Some(number) => unit.seconds(number, !part.contains(&b'.')),
            None => with_unit(part).ok_or(())?,
        };
        // HAProxy writes -1 for a phase that was not reached.
        if seconds >= 0.0 {
            sum = Some(sum.unwrap_or(0.0) + seconds);
        }
    }
    Ok(sum)
}

/// Go's and people's way: `1h2m3.5s`, `357.313µs`, `0ms`.
fn with_unit(mut text: &[u8]) -> Option<f64> {
    let mut sum = 0.0;
    while !text.is_empty() {
        let (rest, number) =
            take_while1::<_, _, nom::error::Error<_>>(|b: u8| b.is_ascii_digit() || b == b'.').parse(text).ok()?;
        let (rest, unit) =
            take_while1::<_, _, nom::error::Error<_>>(|b: u8| !b.is_ascii_digit() && b != b'.').parse(rest).ok()?;
        let scale = match unit {
            b"h" => 3600.0,
            b"m" | b"min" => 60.0,
            b"s" | b"sec" | b"secs" => 1.0,
            b"ms" | b"msec" | b"msecs" => 1e-3,
            b"us" | b"micros" | b"\xC2\xB5s" | b"\xCE\xBCs" => 1e-6,
            b"ns" => 1e-9,
            _ => return None,
        };
        sum += decimal(number)? * scale;
        text = rest;
    }
    Some(sum)
}

/// The value with its escapes undone; borrowed where it has none. What is not a known escape stays as it stands.
pub(super) fn undo(value: &[u8], escape: Escape) -> Value<'_> {
    if escape == Escape::None || memchr::memchr(b'\\', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if let Ok((after, ())) = escape_sequence(rest, escape, &mut out) {
            rest = after;
        } else {
            out.push(b'\\');
            rest = &rest[1..];
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

fn escape_sequence<'a>(text: &'a [u8], escape: Escape, out: &mut Vec<u8>) -> IResult<&'a [u8], ()> {
    let (rest, _) = tag(&b"\\"[..]).parse(text)?;
    let hex = |n| take_while_m_n(n, n, |b: u8| b.is_ascii_hexdigit());
    if let Ok((rest, digits)) = preceded(one_of::<_, _, nom::error::Error<_>>("xX"), hex(2)).parse(rest) {
        out.push(hex_value(digits) as u8);
        return Ok((rest, ()));
    }
    if escape == Escape::Json
        && let Ok((rest, digits)) = preceded(char::<_, nom::error::Error<_>>('u'), hex(4)).parse(rest)
    {
        // nginx writes only control characters so; a half of a surrogate pair has no character of its own.
        let character = char::from_u32(hex_value(digits)).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        return Ok((rest, ()));
    }
    let (rest, letter) = one_of("\"\\/ntrbfv'").parse(rest)?;
    out.push(match letter {
        'n' => b'\n',
        't' => b'\t',
        'r' => b'\r',
        'b' => 8,
        'f' => 12,
        'v' => 11,
        other => other as u8,
    });
    Ok((rest, ()))
}

fn hex_value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |n, b| n * 16 + (*b as char).to_digit(16).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Option<(String, String, String)> {
        let line = request_line(text.as_bytes())?;
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        Some((text(line.method), text(line.target), text(line.protocol.unwrap_or(b"-"))))
    }

    #[test]
    fn request_lines_come_apart() {
        let parts = |m: &str, t: &str, p: &str| Some((m.to_owned(), t.to_owned(), p.to_owned()));
        assert_eq!(request("GET /a?b=1 HTTP/1.1"), parts("GET", "/a?b=1", "HTTP/1.1"));
        assert_eq!(request("GET /a b c HTTP/1.1"), parts("GET", "/a b c", "HTTP/1.1"));
        assert_eq!(request(" GET  /a  HTTP/2 "), parts("GET", "/a", "HTTP/2"));
        assert_eq!(request("GET /old"), parts("GET", "/old", "-"));
        assert_eq!(request("OPTIONS * HTTP/1.0"), parts("OPTIONS", "*", "HTTP/1.0"));
        assert_eq!(request("CONNECT example.com:443 HTTP/1.1"), parts("CONNECT", "example.com:443", "HTTP/1.1"));
        assert_eq!(request("get /x HTTP/1.1"), parts("get", "/x", "HTTP/1.1"));
        for odd in [
            "",
            "-",
            "HELP",
            "SSH-2.0-PUTTY",
            "GET",
            "GET HTTP/1.1",
            "\x16\x03\x01",
            "x00Cookie: mstshash=Administr",
            "a b",
        ] {
            assert_eq!(request(odd), None, "{odd}");
        }
    }

    #[test]
    fn durations_know_units_and_lists() {
        let check = |text: &str, unit, expected: Result<Option<f64>, ()>| {
            let got = duration(text.as_bytes(), unit);
            match (got, expected) {
                (Ok(Some(a)), Ok(Some(b))) => assert!((a - b).abs() < 1e-9, "{text}: {a} is not {b}"),
                (got, expected) => assert_eq!(got, expected, "{text}"),
            }
        };
        check("0.031", Unit::Seconds, Ok(Some(0.031)));
        check("31", Unit::Millis, Ok(Some(0.031)));
        check("357313", Unit::Nanos, Ok(Some(0.000357313)));
        check("0.100, 0.200", Unit::Seconds, Ok(Some(0.3)));
        check("0.1 : 0.2", Unit::Seconds, Ok(Some(0.3)));
        check("0.100, -", Unit::Seconds, Ok(Some(0.1)));
        check("-", Unit::Seconds, Ok(None));
        check("-1", Unit::Millis, Ok(None));
        check("12ms", Unit::Seconds, Ok(Some(0.012)));
        check("1m3.5s", Unit::Guess, Ok(Some(63.5)));
        check("357.313µs", Unit::Guess, Ok(Some(0.000357313)));
        check("soon", Unit::Seconds, Err(()));
    }

    #[test]
    fn escapes_are_undone_only_where_there_are_some() {
        assert!(matches!(undo(b"plain", Escape::Backslash), Cow::Borrowed(_)));
        assert_eq!(&*undo(br"a\x22b\\c\nd", Escape::Backslash), b"a\"b\\c\nd");
        assert_eq!(&*undo(br"end\", Escape::Backslash), br"end\");
        assert_eq!(&*undo(br"\xZZ \q", Escape::Backslash), br"\xZZ \q");
        assert_eq!(&*undo(br#"\u0007\"\u00e9"#, Escape::Json), "\u{7}\"é".as_bytes());
        assert_eq!(&*undo(br"a\x22b", Escape::None), br"a\x22b");
    }

    #[test]
    fn addresses_are_told_from_other_words() {
        for good in [
            "203.0.113.9",
            "2001:db8::1",
            "[2001:db8::1]:443",
            "10.0.0.1:8080",
            "unix:/run/app.sock",
            "in24.inetnebr.com",
            "fe80::1%eth0",
        ] {
            assert!(is_address(good.as_bytes()), "{good}");
        }
        for bad in ["", "a b", "\"x\"", "{"] {
            assert!(!is_address(bad.as_bytes()), "{bad}");
        }
    }
}
