//! What an Authorization value or API key says about its owner, read without trusting it.

use std::borrow::Cow;

use serde::Deserialize;

/// The longest token whose payload is read.
const MAX_TOKEN_BYTES: usize = 16 << 10;

/// The part of a credential that tells consumers apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Credential<'a> {
    /// A name inside it: the user of Basic, the subject of a JSON Web Token.
    Name(String),
    /// The secret itself, without its scheme.
    Secret(Cow<'a, [u8]>),
}

/// Takes a credential apart.
///
/// A JSON Web Token (RFC 7519) is known by its subject (else its `client_id` or `azp`), since a fresh token each hour is
/// no new consumer; its signature is not verified, which is the server's business: a forged token shows up under the
/// name it claims, with the server's 401. Basic (RFC 7617) is known by its user, unless there is no password: then the
/// user is the key. An AWS signature is known by its access key.
pub(super) fn credential(value: &[u8]) -> Credential<'_> {
    let value = value.trim_ascii();
    let (scheme, rest) = match value.iter().position(|b| matches!(b, b' ' | b'+')) {
        Some(at) => (&value[..at], value[at + 1..].trim_ascii()),
        None => (&b""[..], value),
    };
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    if is("basic")
        && let Some(credential) = basic(rest)
    {
        return credential;
    }
    if is("aws4-hmac-sha256") {
        const FIELD: &[u8] = b"Credential=";
        if let Some(at) = rest.windows(FIELD.len()).position(|w| w == FIELD) {
            let key = rest[at + FIELD.len()..].split(|b| matches!(b, b'/' | b',' | b' ')).next();
            return Credential::Secret(Cow::Borrowed(key.unwrap_or_default()));
        }
    }
    let known = ["bearer", "basic", "token", "apikey", "api-key", "key", "negotiate"].iter().any(|s| is(s));
    let secret = if known && !rest.is_empty() { rest } else { value };
    subject(secret).map_or(Credential::Secret(Cow::Borrowed(secret)), Credential::Name)
}

/// Whether a value has the scheme of an Authorization header before it: then it is a credential wherever it stands.
pub(super) fn has_scheme(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let scheme = value.split(|b| matches!(b, b' ' | b'+')).next().unwrap_or_default();
    let known = ["bearer", "basic", "token", "apikey", "api-key", "negotiate", "digest", "aws4-hmac-sha256"];
    scheme.len() < value.len() && known.iter().any(|known| scheme.eq_ignore_ascii_case(known.as_bytes()))
}

fn basic(encoded: &[u8]) -> Option<Credential<'static>> {
    let decoded = base64(encoded)?;
    let colon = decoded.iter().position(|b| *b == b':')?;
    let (user, password) = (&decoded[..colon], &decoded[colon + 1..]);
    Some(match (user.is_empty(), password.is_empty()) {
        (true, _) => Credential::Secret(Cow::Owned(password.to_vec())),
        (false, true) => Credential::Secret(Cow::Owned(user.to_vec())),
        (false, false) => {
            let name = String::from_utf8_lossy(user);
            if crate::sanitize::known_secret(&name) {
                Credential::Secret(Cow::Owned(user.to_vec()))
            } else {
                Credential::Name(name.into_owned())
            }
        }
    })
}

/// Claims that say who calls, the best first (RFC 7519, 4.1.2; RFC 8693, 4.3; OpenID Connect; the names that Azure and
/// Okta have for `client_id`).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    sub: Claim,
    client_id: Claim,
    azp: Claim,
    appid: Claim,
    cid: Claim,
}

/// A claim; those that are neither text nor number say no name.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Claim {
    Text(String),
    Number(serde_json::Number),
    Other(serde::de::IgnoredAny),
    #[default]
    None,
}

impl Claim {
    fn name(self) -> Option<String> {
        let name = match self {
            Claim::Text(text) => text.trim().to_owned(),
            Claim::Number(number) => number.to_string(),
            Claim::Other(_) | Claim::None => return None,
        };
        (!name.is_empty() && !crate::sanitize::known_secret(&name)).then_some(name)
    }
}

/// The subject in the payload of a JSON Web Token.
fn subject(token: &[u8]) -> Option<String> {
    if !token.starts_with(b"eyJ") || token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split(|b| *b == b'.');
    let payload = base64(parts.nth(1)?)?;
    parts.next()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    [claims.sub, claims.client_id, claims.azp, claims.appid, claims.cid].into_iter().find_map(Claim::name)
}

/// Base64 in either alphabet, with or without padding (RFC 4648, sections 4 and 5).
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let text = &text[..text.len() - padding];
    if text.len() > MAX_TOKEN_BYTES || text.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &'static str) -> Credential<'static> {
        Credential::Secret(Cow::Borrowed(text.as_bytes()))
    }

    #[test]
    fn schemes_are_no_part_of_the_secret() {
        assert_eq!(credential(b"Bearer abc"), secret("abc"));
        assert_eq!(credential(b"token  abc "), secret("abc"));
        assert_eq!(credential(b"abc"), secret("abc"));
        assert_eq!(credential(b"Custom abc"), secret("Custom abc"));
        assert_eq!(credential(b"Bearer"), secret("Bearer"));
        let aws = b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260302/eu/s3/aws4_request, Signature=ab";
        assert_eq!(credential(aws), secret("AKIAIOSFODNN7EXAMPLE"));
    }

    #[test]
    fn basic_is_its_user_and_never_its_password() {
        assert_eq!(credential(b"Basic YWNtZTpodW50ZXIy"), Credential::Name("acme".to_owned()));
        // "sk_x:" as some payment services take it.
        assert_eq!(credential(b"basic c2tfeDo="), secret("sk_x"));
        assert_eq!(credential(b"Basic ???"), secret("???"));
    }

    /// Base64url of up to three bytes, without padding.
    fn encoded(bytes: &[u8]) -> String {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = bytes.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - bytes.len()));
        (0..=bytes.len()).map(|i| LETTERS[(bits >> (18 - 6 * i)) as usize & 63] as char).collect()
    }

    #[test]
    fn tokens_are_their_subject() {
        // {"alg":"none"} . {"sub":"acme","iat":1} . sig
        let token = b"Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhY21lIiwiaWF0IjoxfQ.c2ln";
        assert_eq!(credential(token), Credential::Name("acme".to_owned()));
        let token = |claims: &str| {
            let encoded: String = claims.as_bytes().chunks(3).map(encoded).collect();
            format!("Bearer eyJhbGciOiJub25lIn0.{encoded}.c2ln")
        };
        for (claims, name) in [
            (r#"{"sub":4711,"iat":1}"#, "4711"),
            (r#"{"sub":"","client_id":"batch-job"}"#, "batch-job"),
            (r#"{"aud":["a","b"],"azp":"web","sub":null}"#, "web"),
            (r#"{"sub":{"no":"name"},"appid":"8f2e"}"#, "8f2e"),
            (r#"{"sub":"sk_live_4eC39HqLyjWDarjtT1zd9f3a","cid":"okta"}"#, "okta"),
        ] {
            assert_eq!(credential(token(claims).as_bytes()), Credential::Name(name.to_owned()), "{claims}");
        }
        assert!(matches!(credential(token(r#"{"iat":1}"#).as_bytes()), Credential::Secret(_)));
        assert!(matches!(credential(b"eyJhbGciOiJub25lIn0.e30.c2ln"), Credential::Secret(_)));
        assert!(matches!(credential(b"eyJhbGciOiJub25lIn0.eyJzd"), Credential::Secret(_)));
    }
}
