//! Secrets: how one is recognised, and how little of it is shown.

use super::{ELLIPSIS, clip, terminal};

/// The longest sample of a rejected line, in characters.
const SAMPLE_CHARS: usize = 400;
/// The most bytes of a rejected line that are looked at.
const SAMPLE_BYTES: usize = 4096;
/// A secret part shorter than this shows nothing of itself.
const SHOWN_FROM_CHARS: usize = 9;
/// A run of token characters this long that looks random is masked in samples.
const LONG_TOKEN_BYTES: usize = 20;

/// Public prefixes by which issuers mark their keys, longest first where one begins another. They say what a key is
/// for and nothing of the key. Sources: the issuers' documentation and GitHub's list of secret scanning patterns.
const PREFIXES: &[&str] = &[
    "Bearer ",
    "sk-ant-api03-",
    "sk-ant-",
    "sk-proj-",
    "sk-svcacct-",
    "sk-or-v1-",
    "sk_live_",
    "sk_test_",
    "pk_live_",
    "pk_test_",
    "rk_live_",
    "rk_test_",
    "github_pat_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxr-",
    "xapp-",
    "shpat_",
    "shpss_",
    "dop_v1_",
    "whsec_",
    "lin_api_",
    "npm_",
    "pypi-",
    "hf_",
    "gsk_",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "SG.",
    "sk-",
    "sk_",
    "pk_",
    "rk_",
];

/// What of a secret may be shown: its public prefix if it has a known one (`sk_live_`, `ghp_`, `AKIA`, `Bearer`), an
/// ellipsis, and its last four characters: `sk_live_…9f3a`. Without a known prefix up to four characters stand before
/// the ellipsis as well. Never more than a third of the secret part; nothing of one shorter than nine characters.
pub fn mask(value: &str) -> String {
    let (prefix, secret) = split_prefix(value);
    let chars = secret.chars().count();
    let shown = if chars < SHOWN_FROM_CHARS { 0 } else { (chars / 3).min(8) };
    let (head, tail) = if prefix.is_empty() { (shown / 2, shown.div_ceil(2)) } else { (0, shown.min(4)) };
    let mut out = String::with_capacity(prefix.len() + 16);
    out.push_str(prefix);
    out.extend(secret.chars().take(head).map(plain));
    out.push(ELLIPSIS);
    out.extend(secret.chars().skip(chars - tail).map(plain));
    out
}

/// Whether a value bears the mark of a secret wherever it stands: a known prefix with a long rest, or the form of a
/// JSON Web Token.
pub fn known_secret(value: &str) -> bool {
    let (prefix, secret) = split_prefix(value);
    if prefix.is_empty() || prefix == "Bearer " {
        return is_jwt(secret);
    }
    let token = secret.bytes().all(is_token_byte);
    let needed = match prefix {
        // Two letters may begin any word; then the rest must look random.
        "sk-" | "sk_" | "pk_" | "rk_" | "hf_" | "npm_" | "SG." | "pypi-" => {
            return token && secret.len() >= LONG_TOKEN_BYTES - 4 && secret.bytes().any(|b| b.is_ascii_digit());
        }
        _ => 12,
    };
    token && secret.len() >= needed
}

/// Whether a field, header or query parameter of this name holds a secret. Case, separators and brackets do not
/// matter: `X-Api-Key`, `apikey` and `user[api_key]` are alike.
pub fn is_secret_name(name: &str) -> bool {
    // Longer names are no names that anybody gave to a parameter; the end of one decides.
    let mut folded = String::with_capacity(name.len().min(64));
    let start = name.char_indices().rev().nth(63).map_or(0, |(at, _)| at);
    let tail = name.get(start..).unwrap_or(name);
    folded.extend(tail.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()));
    if let Some(first) = folded.strip_suffix("key") {
        const PLAIN: &[&str] = &[
            "sort",
            "partition",
            "primary",
            "foreign",
            "order",
            "group",
            "cache",
            "hot",
            "mon",
            "tur",
            "don",
            "start",
            "end",
            "last",
            "next",
            "row",
            "object",
            "public",
            "range",
            "idempotency",
        ];
        return !PLAIN.iter().any(|p| first.ends_with(p));
    }
    if let Some(first) = folded.strip_suffix("token") {
        const PLAIN: &[&str] = &["page", "continuation", "sync", "next", "delta", "cursor"];
        return !PLAIN.iter().any(|p| first.ends_with(p));
    }
    const ENDS: &[&str] = &[
        "secret",
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "signature",
        "credential",
        "credentials",
        "authorization",
        "jwt",
        "bearer",
        "sessionid",
        "jsessionid",
        "phpsessid",
        "cookie",
        "accesskeyid",
        "keyid",
        "apikeys",
    ];
    const WHOLE: &[&str] = &["auth", "sig", "pass", "pw", "sid", "appid", "session", "assertion", "otp", "pin"];
    ENDS.iter().any(|end| folded.ends_with(end)) || WHOLE.contains(&folded.as_str())
}

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
    let mut scan = Scan { text, bytes: text.as_bytes(), long_tokens, at: 0, out: String::with_capacity(text.len()) };
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
        let raw = self.text.get(self.at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
        let len = unit(self.bytes, self.at).map_or(raw, |u| if u.level > 0 { u.len } else { raw });
        self.copy_to(self.at + len);
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
        while let Some(unit) = unit(self.bytes, at) {
            match unit.byte {
                b' ' => spaced = true,
                b'"' | b'\'' => quote = Some(unit.byte),
                b'\\' => {}
                _ => break,
            }
            at += unit.len;
            if quote.is_some() || at - end > 64 {
                break;
            }
        }
        // In a path a colon is no separator: /v1/password:reset.
        let separates = separator.byte == b'=' || self.long_tokens || quoted_name || spaced || quote.is_some();
        separates.then_some((at, separator.level, quote))
    }

    /// Where a value that begins at `from` ends: at its quote, or at a delimiter encoded no deeper than its separator.
    fn value_end(&self, from: usize, level: u8, quote: Option<u8>) -> usize {
        let mut at = from;
        while let Some(unit) = unit(self.bytes, at) {
            let ends = match quote {
                Some(quote) => unit.byte == quote,
                None => matches!(
                    unit.byte,
                    b'&' | b';' | b'#' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'\'' | b',' | b'}' | b')' | b'<' | b'>'
                ),
            };
            if ends && unit.level <= level {
                break;
            }
            at += unit.len;
        }
        at.min(self.text.len())
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

pub(super) fn split_prefix(value: &str) -> (&str, &str) {
    let found = PREFIXES.iter().find(|p| value.len() > p.len() && value.starts_with(**p));
    found.map_or(("", value), |p| value.split_at(p.len()))
}

/// Only characters that mean nothing anywhere come out of a mask.
fn plain(c: char) -> char {
    if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '?' }
}

/// Three parts in base64url, the first a JSON object (RFC 7519: `{"` is `eyJ`).
fn is_jwt(value: &str) -> bool {
    value.starts_with("eyJ") && value.len() >= 30 && value.contains('.') && value.bytes().all(is_token_byte)
}

fn is_word_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%' | b'~')
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
}

/// A long run with digits among its letters, as keys, hashes and UUIDs have.
fn looks_random(word: &str) -> bool {
    word.len() >= LONG_TOKEN_BYTES
        && word.bytes().filter(u8::is_ascii_digit).count() >= 3
        && word.bytes().any(|b| b.is_ascii_alphabetic())
}
