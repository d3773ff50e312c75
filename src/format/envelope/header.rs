//! Envelopes that are text before the line: syslog and CRI.

use std::borrow::Cow;

use super::{Coding, Envelope, Opened, Piece};
use crate::format::instant;
use crate::format::wall::Wall;
use crate::time::{Timestamp, Zone};

/// Host names, tags and the like are at most so long.
const TOKEN_BYTES: usize = 255;
/// Structured data of RFC 5424 is at most so long.
const STRUCTURED_BYTES: usize = 4096;

/// Names of months, without anything between.
const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

/// Takes a header off whose beginning is one of `<`, a digit or a capital letter.
pub(super) fn open(line: &[u8]) -> Option<Opened<'_>> {
    let (priority, at) = priority(line)?;
    let rest = line.get(at..)?;
    if let [b'1', b' ', ..] = rest {
        return rfc5424(line, at + 2);
    }
    if rest.get(4) == Some(&b'-') && rest.get(7) == Some(&b'-') {
        return iso(line, at, priority);
    }
    rfc3164(line, at)
}

/// `<190>`, if there is one: whether, and what stands behind it.
fn priority(line: &[u8]) -> Option<(bool, usize)> {
    if line.first() != Some(&b'<') {
        return Some((false, 0));
    }
    let digits = line[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    ((1..=3).contains(&digits) && line.get(1 + digits) == Some(&b'>')).then_some((true, digits + 2))
}

fn plain(line: &[u8], start: usize, kind: Envelope, time: Option<Timestamp>) -> Option<Opened<'_>> {
    let text = line.get(start..).filter(|text| !text.is_empty())?;
    Some(Opened { text: Cow::Borrowed(text), kind, time, piece: Piece::Last, stream: 0, start, coding: Coding::Plain })
}

/// A word from `at` on: its end.
fn word(line: &[u8], at: usize) -> Option<usize> {
    let rest = line.get(at..)?;
    let end = memchr::memchr(b' ', rest.get(..rest.len().min(TOKEN_BYTES))?)?;
    (end > 0).then_some(at + end)
}

fn blanks(line: &[u8], at: usize) -> usize {
    at + line.get(at..).unwrap_or_default().iter().take_while(|b| **b == b' ').count()
}

/// `2026-03-02T14:31:07.1Z stdout F text` of a container, or `2026-03-02T14:31:07.1+00:00 host tag: text` of rsyslog.
fn iso(line: &[u8], at: usize, priority: bool) -> Option<Opened<'_>> {
    let end = word(line, at)?;
    let time = instant::iso(line.get(at..end)?, &Wall::new(Zone::UTC))?;
    let next = blanks(line, end);
    let rest = line.get(next..)?;
    let stream = match rest {
        [b's', b't', b'd', b'o', b'u', b't', b' ', ..] => Some(0),
        [b's', b't', b'd', b'e', b'r', b'r', b' ', ..] => Some(1),
        _ => None,
    };
    if let Some(stream) = stream.filter(|_| !priority)
        && let Some(&[tag @ (b'F' | b'P'), after, ..]) = rest.get(7..)
        && matches!(after, b' ' | b':')
    {
        // Further tags may follow: `F:tag:tag`.
        let start = word(line, next + 7)? + 1;
        let piece = if tag == b'P' { Piece::More } else { Piece::Last };
        let text = Cow::Borrowed(line.get(start..)?);
        let kind = Envelope::Cri;
        return Some(Opened { text, kind, time: Some(time), piece, stream, start, coding: Coding::Plain });
    }
    plain(line, behind_host(line, next)?, Envelope::Syslog, Some(time))
}

/// `Mar  2 14:31:07 host tag[31]: text`, also with the year behind the day.
fn rfc3164(line: &[u8], at: usize) -> Option<Opened<'_>> {
    let [m1, m2, m3, b' ', ..] = *line.get(at..)? else { return None };
    if !MONTHS.chunks_exact(3).any(|month| month == [m1, m2, m3]) {
        return None;
    }
    let day = blanks(line, at + 3);
    let mut next = word(line, day).filter(|end| is_number(line, day, *end, 2))? + 1;
    if let Some(end) = word(line, next).filter(|end| is_number(line, next, *end, 4)) {
        next = end + 1;
    }
    let end = word(line, next)?;
    let clock = line.get(next..end)?.strip_suffix(b":").unwrap_or(line.get(next..end)?);
    let [_, _, b':', _, _, b':', _, _, ..] = clock else { return None };
    plain(line, behind_host(line, blanks(line, end))?, Envelope::Syslog, None)
}

fn is_number(line: &[u8], start: usize, end: usize, most: usize) -> bool {
    (1..=most).contains(&(end - start)) && line[start..end].iter().all(u8::is_ascii_digit)
}

/// Where the text begins behind host and tag, of which either may be missing.
fn behind_host(line: &[u8], at: usize) -> Option<usize> {
    let Some(first) = word(line, at) else { return Some(at) };
    if line[at..first].ends_with(b":") {
        return Some(blanks(line, first));
    }
    // An address followed by a dash is the client of the line, not the host that logged it.
    let second = blanks(line, first);
    if line.get(second..)?.starts_with(b"- ") {
        return Some(at);
    }
    match word(line, second) {
        Some(end) if line[second..end].ends_with(b":") => Some(blanks(line, end)),
        _ => Some(second),
    }
}

/// Behind `1 `: time, host, program, process, message id, structured data, text.
fn rfc5424(line: &[u8], at: usize) -> Option<Opened<'_>> {
    let end = word(line, at)?;
    let time = match line.get(at..end)? {
        b"-" => None,
        text => Some(instant::iso(text, &Wall::new(Zone::UTC))?),
    };
    let mut next = end + 1;
    for _ in 0..4 {
        next = word(line, next)? + 1;
    }
    let rest = line.get(next..)?;
    let data = match rest.first()? {
        b'-' => 1,
        b'[' => structured(rest)?,
        _ => return None,
    };
    let mut start = next + data;
    start += usize::from(line.get(start) == Some(&b' '));
    start += if line.get(start..)?.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    plain(line, start, Envelope::Syslog5424, time)
}

/// The length of `[id name="value"][...]`; a bracket inside quotes or behind a backslash ends nothing.
fn structured(text: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in text.iter().take(STRUCTURED_BYTES).enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b']' if !quoted && text.get(at + 1) != Some(&b'[') => return Some(at + 1),
            _ => {}
        }
    }
    None
}
