//! Secrets: how one is recognised, and how little of it is shown.

use super::ELLIPSIS;

/// A secret part shorter than this shows nothing of itself.
const SHOWN_FROM_CHARS: usize = 9;
/// A run of token characters this long that looks random may be a secret.
pub(super) const LONG_TOKEN_BYTES: usize = 20;

/// Public prefixes by which issuers mark their keys, longest first where one begins another. They say what a key is
/// for and nothing of the key. Sources: the issuers' documentation and GitHub's list of secret scanning patterns.
#[rustfmt::skip]
const PREFIXES: &[&str] = &[
    "Bearer ", "sk-ant-api03-", "sk-ant-", "sk-proj-", "sk-svcacct-", "sk-or-v1-", "sk_live_", "sk_test_", "pk_live_",
    "pk_test_", "rk_live_", "rk_test_", "github_pat_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "glpat-", "xoxb-",
    "xoxp-", "xoxa-", "xoxr-", "xapp-", "shpat_", "shpss_", "dop_v1_", "whsec_", "lin_api_", "npm_", "pypi-", "hf_",
    "gsk_", "AKIA", "ASIA", "AIza", "ya29.", "SG.", "sk-", "sk_", "pk_", "rk_",
];

/// What stands before `key` in names of things that are no secret.
#[rustfmt::skip]
const PLAIN_KEYS: &[&str] = &[
    "sort", "partition", "primary", "foreign", "order", "group", "cache", "hot", "mon", "tur", "don", "start", "end",
    "last", "next", "row", "object", "public", "range", "idempotency",
];
/// What stands before `token` in names of places in a list.
const PLAIN_TOKENS: &[&str] = &["page", "continuation", "sync", "next", "delta", "cursor"];
/// How names of secrets end, besides `key` and `token`.
#[rustfmt::skip]
const SECRET_ENDS: &[&str] = &[
    "secret", "password", "passwd", "passphrase", "pwd", "signature", "credential", "credentials", "authorization",
    "jwt", "bearer", "sessionid", "phpsessid", "cookie", "keyid", "apikeys",
];
/// Names of secrets that would say nothing as an ending.
const SECRET_NAMES: &[&str] = &["auth", "sig", "pass", "pw", "sid", "appid", "session", "assertion", "otp", "pin"];

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
    // Nobody gives a parameter a longer name; the end of one decides.
    let start = name.char_indices().rev().nth(63).map_or(0, |(at, _)| at);
    let tail = name.get(start..).unwrap_or(name);
    let folded: String = tail.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    if let Some(first) = folded.strip_suffix("key") {
        return !PLAIN_KEYS.iter().any(|p| first.ends_with(p));
    }
    if let Some(first) = folded.strip_suffix("token") {
        return !PLAIN_TOKENS.iter().any(|p| first.ends_with(p));
    }
    SECRET_ENDS.iter().any(|end| folded.ends_with(end)) || SECRET_NAMES.contains(&folded.as_str())
}

/// The bytes with which [`PREFIXES`] begin: most values are told from all of them by their first one.
const FIRST_OF_PREFIXES: [bool; 256] = {
    let mut first = [false; 256];
    let mut at = 0;
    while at < PREFIXES.len() {
        first[PREFIXES[at].as_bytes()[0] as usize] = true;
        at += 1;
    }
    first
};

pub(super) fn split_prefix(value: &str) -> (&str, &str) {
    if !value.bytes().next().is_some_and(|first| FIRST_OF_PREFIXES[usize::from(first)]) {
        return ("", value);
    }
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

pub(super) fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'~' | b'+' | b'/' | b'=')
}
