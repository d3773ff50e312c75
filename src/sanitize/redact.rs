//! Secrets inside longer texts: found by the names before them or by their looks, and masked where they stand.

use super::secret::{LONG_TOKEN_BYTES, is_secret_name, is_token_byte, known_secret, mask};
use super::{clip, terminal};

/// The longest sample of a rejected line, in characters.
const SAMPLE_CHARS: usize = 400;
/// The most bytes of a rejected line that are looked at.
const SAMPLE_BYTES: usize = 4096;

/// A rejected log line made fit to be shown as a sample: the value of every key-like parameter, field or header, bearer
/// tokens, JSON Web Tokens and long random runs are masked; what is left is cleaned as by [`terminal`] and clipped.
pub fn redact_line(line: &[u8]) -> String {
    let head = line.get(..SAMPLE_BYTES).unwrap_or(line);
    clip(&terminal(&redact_with(&String::from_utf8_lossy(head), true)), SAMPLE_CHARS)
}

/// A URL, header or other value with every recognisable secret in it masked: values of key-like parameters (also
/// percent-encoded inside another parameter), passwords before a host, known key formats. The rest stays as it is.
pub fn redact(text: &str) -> String {
    redact_with(text, false)
}

fn redact_with(text: &str, long_tokens: bool) -> String {
    let mut scan =
        Scan { text, bytes: text.as_bytes(), long_tokens, at: 0, out: String::with_capacity(text.len()), query: false };
    while scan.at < text.len() {
        scan.step();
    }
    scan.out
}

/// A walk over a text that copies it and masks what must not be shown.
struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    long_tokens: bool,
    at: usize,
    out: String,
    /// Between a question mark and the end of its URL, where only `&` parts parameters.
    query: bool,
}

impl<'a> Scan<'a> {
    /// Copies one word or one delimiter; after a word, masks what it announces.
    fn step(&mut self) {
        let start = self.at;
        let mut end = start;
        while let Some(unit) = unit(self.bytes, end) {
            if !is_word_byte(unit.byte) {
                break;
            }
            end += unit.len;
        }
        if end == start {
            self.delimiter();
            return;
        }
        let word = self.slice(start, end);
        if self.password() {
            return;
        }
        let name = decoded(word);
        if let Some((value, level, quote)) = is_secret_name(&name).then(|| self.value_start(end)).flatten() {
            self.copy_to(value);
            self.mask_value(level, quote);
            return;
        }
        let scheme = ["bearer", "basic", "token", "apikey"].iter().any(|s| name.eq_ignore_ascii_case(s));
        if scheme && let Some(space) = unit(self.bytes, end).filter(|u| u.byte == b' ' || u.byte == b'+') {
            let value = end + space.len;
            let stop = self.value_end(value, space.level, None);
            if stop - value >= 8 {
                self.copy_to(value);
                self.mask_to(stop);
                return;
            }
        }
        if known_secret(word) || (self.long_tokens && looks_random(word)) {
            self.mask_to(end);
            return;
        }
        // Tokens hold dots, slashes and equal signs, which end words. The first bytes decide.
        let token_end = |most: usize| {
            let rest = self.bytes.get(end..).unwrap_or_default();
            end + rest.iter().take(most).take_while(|b| is_token_byte(**b)).count()
        };
        let end = if known_secret(self.slice(start, token_end(128))) { token_end(usize::MAX) } else { end };
        if end > start + word.len() { self.mask_to(end) } else { self.copy_to(end) }
    }

    /// Copies one character between words.
    fn delimiter(&mut self) {
        if self.long_tokens
            && let Some(end) = self.password_hash()
        {
            self.mask_to(end);
            return;
        }
        let raw = self.text.get(self.at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        match unit(self.bytes, self.at).map(|u| u.byte) {
            Some(b'?') => self.query = true,
            Some(b' ' | b'"' | b'\t') => self.query = false,
            _ => {}
        }
        let len = unit(self.bytes, self.at).map_or(raw, |u| if u.level > 0 { u.len } else { raw });
        self.copy_to(self.at + len);
    }

    /// Where a hash as in `/etc/shadow` that begins here ends: `$y$j9T$…`.
    fn password_hash(&self) -> Option<usize> {
        let rest = self.bytes.get(self.at..)?.strip_prefix(b"$")?;
        let id = rest.iter().take(8).take_while(|b| b.is_ascii_alphanumeric()).count();
        let hash = rest.get(id..)?.strip_prefix(b"$").filter(|_| id > 0)?;
        let ends = |b: &&u8| !matches!(**b, b':' | b' ' | b'\t' | b'"' | b'\'');
        let length = hash.iter().take_while(ends).count();
        (length >= 8).then_some(self.at + 1 + id + 1 + length)
    }

    /// Masks `user:password@` when the text so far ends with `//`, and a lone `token@`. Says whether it did.
    fn password(&mut self) -> bool {
        if !self.out.ends_with("//") {
            return false;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let ends = |b: &u8| matches!(b, b'/' | b'?' | b'#' | b'"' | b' ' | b'\t');
        let authority = rest.get(..rest.iter().position(ends).unwrap_or(rest.len())).unwrap_or_default();
        let Some(host) = authority.iter().rposition(|b| *b == b'@') else { return false };
        let colon = authority.iter().take(host).position(|b| *b == b':');
        let stop = self.at + host;
        if let Some(colon) = colon {
            self.copy_to(self.at + colon + 1);
        }
        self.mask_to(stop);
        true
    }

    /// Where the value of a name that ends at `end` begins, how deep its separator is percent-encoded, and the quote
    /// that encloses it.
    fn value_start(&self, end: usize) -> Option<(usize, u8, Option<u8>)> {
        let mut at = end;
        let mut quoted_name = false;
        let separator = loop {
            let unit = unit(self.bytes, at)?;
            at += unit.len;
            match unit.byte {
                b'"' | b'\'' | b'\\' => quoted_name = true,
                b']' | b'[' | b' ' => {}
                b'=' | b':' => break unit,
                _ => return None,
            }
            if at - end > 32 {
                return None;
            }
        };
        let mut spaced = false;
        let mut quote = None;
        let mut quoted = quoted_name;
        while let Some(unit) = unit(self.bytes, at) {
            match unit.byte {
                b' ' => spaced = true,
                // A quote encoded deeper than its separator belongs to the value, which ends where the separator's kind do.
                b'"' | b'\'' if unit.level > separator.level => {
                    quoted = true;
                    break;
                }
                b'"' | b'\'' => {
                    quoted = true;
                    quote = Some(unit.byte);
                }
                b'\\' => {}
                _ => break,
            }
            at += unit.len;
            if quote.is_some() || at - end > 64 {
                break;
            }
        }
        // In a path a colon is no separator: /v1/password:reset.
        let separates = separator.byte == b'=' || self.long_tokens || quoted || spaced;
        separates.then_some((at, separator.level, quote))
    }

    /// Where a value that begins at `from` ends: at its quote, or at a delimiter encoded no deeper than its separator.
    fn value_end(&self, from: usize, level: u8, quote: Option<u8>) -> usize {
        let mut at = from;
        while let Some(unit) = unit(self.bytes, at) {
            let ends = match (quote, unit.byte) {
                (Some(quote), byte) => byte == quote,
                (None, b'&' | b'#' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b'<' | b'>') => true,
                // Either may stand in a value; outside a query they end it where a next name begins.
                (None, b';' | b',') => !self.query && self.begins_pair(at + unit.len),
                _ => false,
            };
            if ends && unit.level <= level {
                break;
            }
            at += unit.len;
        }
        at.min(self.text.len())
    }

    /// Whether `name=` or a quoted name begins here.
    fn begins_pair(&self, at: usize) -> bool {
        let rest = self.bytes.get(at..).unwrap_or_default().trim_ascii_start();
        let name = rest.iter().take(40).take_while(|b| is_word_byte(**b)).count();
        rest.first() == Some(&b'"') || (name > 0 && rest.get(name) == Some(&b'='))
    }

    /// Masks the value that begins here, and with an authentication scheme also what follows the scheme.
    fn mask_value(&mut self, level: u8, quote: Option<u8>) {
        let mut end = self.value_end(self.at, level, quote);
        let scheme = decoded(self.slice(self.at, end));
        let schemes = ["bearer", "basic", "token", "apikey", "digest", "negotiate"];
        if quote.is_none() && schemes.iter().any(|s| scheme.eq_ignore_ascii_case(s)) {
            self.copy_to(end);
            while let Some(space) = unit(self.bytes, self.at).filter(|u| u.byte == b' ') {
                self.copy_to(self.at + space.len);
            }
            end = self.value_end(self.at, level, None);
        }
        self.mask_to(end);
    }

    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or("")
    }

    fn copy_to(&mut self, end: usize) {
        let end = self.boundary(end);
        self.out.push_str(self.text.get(self.at..end).unwrap_or(""));
        self.at = end;
    }

    fn mask_to(&mut self, end: usize) {
        let end = self.boundary(end);
        let value = self.text.get(self.at..end).unwrap_or("");
        if !value.is_empty() {
            self.out.push_str(&mask(value));
        }
        self.at = end;
    }

    fn boundary(&self, end: usize) -> usize {
        (end.max(self.at)..=self.text.len()).find(|at| self.text.is_char_boundary(*at)).unwrap_or(self.text.len())
    }
}

/// One byte of meaning: as it stands, or percent-encoded up to three levels deep (`%253D` is level 2).
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    len: usize,
    level: u8,
}

fn unit(bytes: &[u8], at: usize) -> Option<Unit> {
    let raw = *bytes.get(at)?;
    let mut unit = Unit { byte: raw, len: 1, level: 0 };
    while unit.byte == b'%' && unit.level < 3 {
        let digit = |i: usize| bytes.get(at + i).and_then(|b| (*b as char).to_digit(16));
        let (Some(high), Some(low)) = (digit(unit.len), digit(unit.len + 1)) else { break };
        unit = Unit { byte: (high * 16 + low) as u8, len: unit.len + 2, level: unit.level + 1 };
    }
    Some(unit)
}

fn decoded(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let mut at = 0;
    while let Some(unit) = unit(word.as_bytes(), at) {
        out.push(if unit.byte.is_ascii() { unit.byte as char } else { '\u{fffd}' });
        at += unit.len;
    }
    out
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%' | b'~')
}

/// A long run with digits among its letters, as keys, hashes and UUIDs have.
fn looks_random(word: &str) -> bool {
    word.len() >= LONG_TOKEN_BYTES
        && word.bytes().filter(u8::is_ascii_digit).count() >= 3
        && word.bytes().any(|b| b.is_ascii_alphabetic())
}
