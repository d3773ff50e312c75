//! Envelopes that are a JSON object with the line as one of its values: Docker, the journal, log shippers.
//!
//! Only the keys of the outer object are looked at, and the scan is one pass over the bytes, whatever they hold.

use std::borrow::Cow;

use super::{Coding, Envelope, Opened, Piece};
use crate::format::instant;
use crate::format::wall::Wall;
use crate::time::{Timestamp, Zone};

/// Docker cuts a line into pieces of so many bytes; a piece without a line feed that long is not the last.
const DOCKER_PIECE_BYTES: usize = 16 << 10;
/// Keys of one object that are looked at.
const KEYS: usize = 256;

/// Takes the object off; `None` where none of its keys holds a line.
pub(super) fn open(line: &[u8]) -> Option<Opened<'_>> {
    let found = scan(line)?;
    let (kind, value) = match (found.message, found.log, found.text) {
        (Some(value), _, _) if found.trusted => (Envelope::Journald, value),
        (_, Some(value), _) if found.stream.is_some() && found.time.is_some() => (Envelope::Docker, value),
        (_, _, Some(value)) | (_, Some(value), None) => (Envelope::Message, value),
        _ => return None,
    };
    let inner = line.get(value.0..value.1)?;
    let (mut text, coding) = match inner.first()? {
        b'"' => (decode(inner.get(1..inner.len() - 1)?), Coding::Text),
        b'[' => (Cow::Owned(bytes(inner)?), Coding::Bytes),
        _ => return None,
    };
    let whole = text.ends_with(b"\n");
    let is_piece = kind == Envelope::Docker && !whole && text.len() >= DOCKER_PIECE_BYTES;
    let kept = text.len() - text.iter().rev().take_while(|b| matches!(b, b'\n' | b'\r')).count();
    match &mut text {
        Cow::Borrowed(text) => *text = &text[..kept],
        Cow::Owned(text) => text.truncate(kept),
    }
    Some(Opened {
        text,
        kind,
        time: found.time.and_then(|(start, end)| time(line.get(start..end)?)),
        piece: if is_piece { Piece::More } else { Piece::Last },
        stream: usize::from(found.stream.is_some_and(|(start, end)| line.get(start..end) == Some(b"\"stderr\""))),
        start: value.0 + 1,
        coding,
    })
}

type Span = (usize, usize);

/// Values of the outer object.
#[derive(Default)]
struct Found {
    log: Option<Span>,
    text: Option<Span>,
    message: Option<Span>,
    stream: Option<Span>,
    time: Option<Span>,
    /// A field that the journal adds by itself is there.
    trusted: bool,
}

fn scan(line: &[u8]) -> Option<Found> {
    let mut found = Found::default();
    let mut at = skip_space(line, 1);
    for _ in 0..KEYS {
        if line.get(at) != Some(&b'"') {
            break;
        }
        let end = string(line, at)?;
        let key = line.get(at + 1..end - 1)?;
        at = skip_space(line, end);
        if line.get(at) != Some(&b':') {
            return None;
        }
        let start = skip_space(line, at + 1);
        let end = value(line, start)?;
        let span = Some((start, end));
        let is_text = line.get(start) == Some(&b'"');
        match key {
            b"log" if is_text => found.log = span,
            b"message" if is_text => found.text = span,
            b"MESSAGE" => found.message = span,
            b"stream" => found.stream = span,
            b"time" | b"timestamp" | b"@timestamp" | b"date" | b"__REALTIME_TIMESTAMP" => found.time = span,
            [b'_', ..] => found.trusted = true,
            _ => {}
        }
        at = skip_space(line, end);
        match line.get(at) {
            Some(b',') => at = skip_space(line, at + 1),
            _ => break,
        }
    }
    // An object that is cut off is still an object with the keys that were there.
    Some(found)
}

fn skip_space(line: &[u8], at: usize) -> usize {
    at + line.get(at..).unwrap_or_default().iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// The end of the string that begins at `at` with its quote.
fn string(line: &[u8], at: usize) -> Option<usize> {
    let mut next = at + 1;
    loop {
        next += memchr::memchr2(b'"', b'\\', line.get(next..)?)?;
        if line[next] == b'"' {
            return Some(next + 1);
        }
        next += 2;
    }
}

/// The end of the value that begins at `at`.
fn value(line: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut next = at;
    loop {
        match *line.get(next)? {
            b'"' => next = string(line, next)?,
            b'{' | b'[' => {
                depth += 1;
                next += 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                next += 1;
            }
            b',' | b'}' | b']' if depth == 0 => return Some(next),
            _ => {
                next += 1;
                continue;
            }
        }
        if depth == 0 {
            return Some(next);
        }
    }
}

/// A time in quotes, or a number.
fn time(value: &[u8]) -> Option<Timestamp> {
    let text = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
    instant::by_look(text.trim_ascii(), &Wall::new(Zone::UTC))
}

/// A JSON string without its quotes; what is no escape stays as it stands.
fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &raw[at..]) {
        out.extend_from_slice(&raw[at..at + found]);
        at += found;
        at += escape(&raw[at..], &mut out);
    }
    out.extend_from_slice(&raw[at..]);
    Cow::Owned(out)
}

/// Undoes the escape at the beginning of `raw`; its length.
fn escape(raw: &[u8], out: &mut Vec<u8>) -> usize {
    let plain = match raw.get(1) {
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(other @ (b'"' | b'\\' | b'/')) => *other,
        Some(b'u') => {
            let Some(first) = hex(raw) else {
                out.push(b'\\');
                return 1;
            };
            let (code, length) = match raw.get(6..).and_then(hex) {
                Some(second) if (0xd800..0xdc00).contains(&first) && (0xdc00..0xe000).contains(&second) => {
                    (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
                }
                _ => (first, 6),
            };
            let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return length;
        }
        _ => {
            out.push(b'\\');
            return 1;
        }
    };
    out.push(plain);
    2
}

/// The four digits of `\u00e9`.
fn hex(raw: &[u8]) -> Option<u32> {
    let digits = raw.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |n, b| Some(n * 16 + (*b as char).to_digit(16)?))
}

/// `[49, 50]` of the journal, which writes so what is not UTF-8 or holds control characters.
fn bytes(raw: &[u8]) -> Option<Vec<u8>> {
    let inner = raw.strip_prefix(b"[")?.strip_suffix(b"]")?;
    if inner.trim_ascii().is_empty() {
        return Some(Vec::new());
    }
    inner.split(|b| *b == b',').map(|n| std::str::from_utf8(n.trim_ascii()).ok()?.parse().ok()).collect()
}

/// How many bytes of a JSON string make `decoded` bytes of its text.
pub(super) fn raw_length(raw: &[u8], decoded: usize) -> usize {
    let (mut at, mut scratch) = (0, Vec::new());
    let mut made = 0;
    while made < decoded && at < raw.len() {
        if raw[at] == b'\\' {
            scratch.clear();
            at += escape(&raw[at..], &mut scratch);
            made += scratch.len();
        } else {
            at += 1;
            made += 1;
        }
    }
    at
}

/// How many bytes of a JSON list make `decoded` bytes of its text.
pub(super) fn raw_bytes_length(raw: &[u8], decoded: usize) -> usize {
    match decoded.checked_sub(1) {
        None => 0,
        Some(commas) => memchr::memchr_iter(b',', raw).nth(commas).map_or(raw.len(), |at| at + 1),
    }
}
