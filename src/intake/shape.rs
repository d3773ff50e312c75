//! What a value is by its form alone: an id, a date, a hash, or a word.

/// From this length on, what looks random is a token and no id.
const TOKEN_BYTES: usize = 20;

/// What a value is, if it is no word: `{id}`, `{uuid}`, `{hash}`, `{date}`, `{email}` or `{token}`.
pub(super) fn placeholder(value: &[u8]) -> Option<&'static str> {
    if is_plain_word(value) {
        return None;
    }
    let found = [
        (is_uuid as fn(&[u8]) -> bool, "{uuid}"),
        (is_email, "{email}"),
        (is_date, "{date}"),
        (is_numeric, "{id}"),
        (is_hash, "{hash}"),
        (is_secret, "{token}"),
        (is_id, "{id}"),
        (is_scrambled, "{token}"),
    ];
    found.into_iter().find(|(is, _)| is(value)).map(|(_, name)| name)
}

/// Lower-case letters, hyphens and underscores: what nearly all segments of paths are.
pub(super) fn is_plain_word(s: &[u8]) -> bool {
    s.iter().all(|b| b.is_ascii_lowercase() || matches!(b, b'-' | b'_')) && !is_hash(s)
}

pub(super) fn is_uuid(s: &[u8]) -> bool {
    let s = s.strip_prefix(b"urn:uuid:").unwrap_or(s);
    let s = s.strip_prefix(b"{").and_then(|s| s.strip_suffix(b"}")).unwrap_or(s);
    s.len() == 36
        && s.iter()
            .enumerate()
            .all(|(at, b)| if matches!(at, 8 | 13 | 18 | 23) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_email(s: &[u8]) -> bool {
    let Some(at) = s.iter().rposition(|b| *b == b'@') else { return false };
    let (local, domain) = (&s[..at], &s[at + 1..]);
    let Some(dot) = domain.iter().rposition(|b| *b == b'.') else { return false };
    let top = &domain[dot + 1..];
    !local.is_empty()
        && dot > 0
        && top.len() >= 2
        && top.iter().all(u8::is_ascii_alphabetic)
        && domain.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

/// `2026-03-02`, `2026-03`, with a time behind it too, and `2026-W09`, `2026-Q1`.
fn is_date(s: &[u8]) -> bool {
    let [c1 @ (b'1' | b'2'), c2, y1, y2, b'-', rest @ ..] = s else { return false };
    if ![c1, c2, y1, y2].iter().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let two = |a: &u8, b: &u8| (a.is_ascii_digit() && b.is_ascii_digit()).then(|| (a - b'0') * 10 + (b - b'0'));
    match rest {
        [b'Q', b'1'..=b'4'] => true,
        [b'W', a, b] => two(a, b).is_some_and(|w| (1..=53).contains(&w)),
        [a, b] => two(a, b).is_some_and(|m| (1..=12).contains(&m)),
        [a, b, b'-', c, d, time @ ..] => {
            let time_of_day = |b: &u8| b.is_ascii_digit() || matches!(b, b':' | b'.' | b'Z' | b'+' | b'-');
            two(a, b).is_some_and(|m| (1..=12).contains(&m))
                && two(c, d).is_some_and(|d| (1..=31).contains(&d))
                && match time {
                    [] => true,
                    [b'T' | b't' | b' ' | b'_', time @ ..] => time.len() <= 24 && time.iter().all(time_of_day),
                    _ => false,
                }
        }
        _ => false,
    }
}

/// Digits, also with signs and separators: `42`, `-7`, `47.3,8.5`, `10.0.0.1`, `12-34`.
pub(super) fn is_numeric(s: &[u8]) -> bool {
    let other = |b: &u8| matches!(b, b'.' | b',' | b'-' | b'+' | b'_' | b':');
    s.iter().any(u8::is_ascii_digit) && s.iter().all(|b| b.is_ascii_digit() || other(b))
}

/// So many digits has a digest.
pub(super) fn is_hash_length(digits: usize) -> bool {
    matches!(digits, 32 | 40 | 56 | 64 | 96 | 128)
}

/// Hexadecimal of a digest's length, MD5 to SHA-512.
fn is_hash(s: &[u8]) -> bool {
    is_hash_length(s.len()) && s.iter().all(u8::is_ascii_hexdigit)
}

fn is_secret(s: &[u8]) -> bool {
    s.len() >= 16 && std::str::from_utf8(s).is_ok_and(crate::sanitize::known_secret)
}

/// Ids that are no plain number: hexadecimal (`5f3a9c01b2`), with a prefix (`user-1234`, `ord_8Hk29x`, `INV-2024-001`),
/// a number before a title (`1234-how-to`), a ULID, a short random run.
fn is_id(s: &[u8]) -> bool {
    if !s.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        return false;
    }
    let digits = s.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    let letters = s.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let hexadecimal = s.len() >= 8 && digits + letters == s.len() && s.iter().all(u8::is_ascii_hexdigit);
    let ulid = s.len() == 26 && digits + letters == 26 && matches!(s[0], b'0'..=b'7') && digits >= 3;
    if (hexadecimal && digits >= 2) || ulid {
        return true;
    }
    let leading = s.iter().take_while(|b| b.is_ascii_digit()).count();
    if leading >= 3 && matches!(s.get(leading), Some(b'-' | b'_')) {
        return true;
    }
    let trailing = s.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let before = s.len() - trailing;
    if trailing >= 3 && before > 0 && matches!(s[before - 1], b'-' | b'_') {
        return true;
    }
    if trailing >= 5 && s[..before].iter().all(u8::is_ascii_alphabetic) {
        return true;
    }
    // A short run: at the end behind a prefix, or alone.
    let last = s.iter().rposition(|b| *b == b'_' || *b == b'-').map_or(0, |at| at + 1);
    let run = &s[last..];
    s.len() < TOKEN_BYTES + 4 && is_random_run(run)
}

/// Letters and digits that change so often that no word is among them.
fn is_random_run(run: &[u8]) -> bool {
    let digits = run.iter().filter(|b| b.is_ascii_digit()).count();
    let changes = changes(run);
    match run.len() {
        0..=5 => false,
        6 | 7 => changes >= 4 && digits >= 2,
        _ => changes >= 4 && digits >= 2 || changes >= 3 && digits >= 3,
    }
}

/// A long run of base64 or the like: its class of character changes at least every fourth character.
fn is_scrambled(s: &[u8]) -> bool {
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'=' | b'+' | b'/' | b'~');
    if s.len() < TOKEN_BYTES - 4 || !s.iter().all(allowed) {
        return false;
    }
    let digits = s.iter().any(u8::is_ascii_digit);
    let changes = changes(s);
    if digits { changes * 4 >= s.len() } else { changes * 2 >= s.len() }
}

/// How often a digit, a lower-case or an upper-case letter is followed directly by one of another class.
fn changes(s: &[u8]) -> usize {
    let class = |b: &u8| match b {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    s.windows(2).filter(|w| class(&w[0]) != 0 && class(&w[1]) != 0 && class(&w[0]) != class(&w[1])).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_dates_and_not_every_number() {
        for date in ["2026-03-02", "2026-03", "2026-W09", "2026-Q4", "2026-03-02T14:31:07.5+01:00"] {
            assert_eq!(placeholder(date.as_bytes()), Some("{date}"), "{date}");
        }
        for number in ["20260302", "2026-13-02", "2026-00", "2026", "9026-03-02", "2026-03-02-1"] {
            assert_eq!(placeholder(number.as_bytes()), Some("{id}"), "{number}");
        }
        assert_eq!(placeholder(b"2026-W54"), Some("{id}"));
    }

    #[test]
    fn mail_addresses_have_a_domain() {
        assert_eq!(placeholder(b"joe+x@mail.example.com"), Some("{email}"));
        for word in ["@scope", "joe@", "pkg@next", "a@b"] {
            assert_eq!(placeholder(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn nothing_is_nothing() {
        assert_eq!((placeholder(b""), placeholder(b"-"), placeholder(b"v1")), (None, None, None));
    }
}
