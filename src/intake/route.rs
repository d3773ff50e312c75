//! From a path to its route template: what changes from call to call becomes `{id}` and the like, words stay.
//!
//! No list of routes is needed. What cannot be told from its form (a user's name in a path) is left to
//! [`super::routes::Routes`], which learns where a position has too many different words.

use std::borrow::Cow;

use super::shape::{is_hash_length, is_numeric, is_plain_word, is_uuid, placeholder};
use super::target::{Target, percent_decoded};

/// The longest template, in bytes.
pub const MAX_BYTES: usize = 200;
/// The most segments; what follows is `*`.
pub const MAX_SEGMENTS: usize = 12;
/// The longest segment that stays a word, in bytes.
const MAX_SEGMENT_BYTES: usize = 64;

/// Extensions of files that a page loads along with itself.
const STATIC_EXTENSIONS: &[&str] = &[
    "css",
    "js",
    "mjs",
    "map",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "ico",
    "webp",
    "avif",
    "bmp",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "eot",
    "webmanifest",
];

/// Appends the route template of a request target: `/v1/orders/1234?expand=items` gives `/v1/orders/{id}`.
///
/// Query, fragment, matrix parameters, scheme and host are dropped, doubled and trailing slashes too. Percent escapes
/// are undone to recognise a value, and kept in what stays. The template of a template is itself. At most [`MAX_BYTES`] and [`MAX_SEGMENTS`].
pub fn template(target: &[u8], out: &mut String) {
    template_of(Target::split(target), out);
}

/// The same of a target that is cut already.
pub(super) fn template_of(target: Target<'_>, out: &mut String) {
    let start = out.len();
    match target.path {
        b"*" | b"{authority}" => return out.push_str(if target.path == b"*" { "*" } else { "{authority}" }),
        b"" if target.query.is_none() => return,
        path if is_authority(path) => return out.push_str("{authority}"),
        _ => {}
    }
    let mut segments = target.segments().enumerate().peekable();
    while let Some((at, segment)) = segments.next() {
        let before = out.len();
        out.push('/');
        push_segment(segment, at < 2 && segments.peek().is_some(), out);
        if at >= MAX_SEGMENTS || out.len() - start > MAX_BYTES - 2 {
            out.truncate(before);
            out.push_str("/*");
            return;
        }
    }
    if out.len() == start {
        out.push('/');
    }
}

/// What was found out on the way over a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Walk {
    /// The last number in it.
    pub number: Option<u64>,
    /// Whether its last segment may have an extension.
    may_end_in_extension: bool,
}

impl Walk {
    /// As [`is_static`] of the path that was walked over.
    pub(super) fn is_static(self, target: Target<'_>) -> bool {
        self.may_end_in_extension && is_static(target)
    }
}

/// What a byte of a path may be part of: a plain word, a number, hexadecimal; or something else.
const WORD: u8 = 1;
const DIGIT: u8 = 2;
const ELSE: u8 = 4;
const HEX: u8 = 8;
/// Where a segment ends, and what only a more careful look can deal with.
const SLASH: u8 = 16;
const ODD: u8 = 32;

const CLASSES: [u8; 256] = {
    let mut classes = [ELSE; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        classes[b] = match byte {
            b'a'..=b'z' | b'-' | b'_' => WORD,
            b'0'..=b'9' => DIGIT,
            b'/' => SLASH,
            b';' | b'%' => ODD,
            _ => ELSE,
        };
        if byte.is_ascii_hexdigit() {
            classes[b] |= HEX;
        }
        b += 1;
    }
    classes
};

/// As [`template_of`] for paths that are as most paths are, in one go over their bytes: words, numbers, uuids, hexadecimal.
/// `None` where a path asks for more care; what `out` holds then means nothing. `scratch` is working memory.
pub(super) fn walk(path: &[u8], out: &mut Vec<u8>, scratch: &mut String) -> Option<Walk> {
    let (b'/', mut rest) = path.split_first()? else { return None };
    out.clear();
    let (mut walk, mut segments) = (Walk::default(), 0);
    loop {
        let (mut any, mut all, mut length) = (0, !0, 0);
        for &byte in rest {
            let class = CLASSES[usize::from(byte)];
            if class & (SLASH | ODD) != 0 {
                if class & ODD != 0 {
                    return None;
                }
                break;
            }
            any |= class;
            all &= class;
            length += 1;
        }
        let (segment, behind) = rest.split_at(length);
        // Nothing between two slashes, or dots, are left out by those who look closer.
        if matches!(segment.first(), None | Some(b'.')) || segments == MAX_SEGMENTS {
            return None;
        }
        out.push(b'/');
        if any & !(WORD | HEX) == 0 && length < 32 {
            out.extend_from_slice(segment);
        } else if any & !(DIGIT | HEX) == 0 && length <= 18 {
            out.extend_from_slice(b"{id}");
            walk.number = Some(segment.iter().fold(0, |number, b| number * 10 + u64::from(b - b'0')));
        } else if all & HEX != 0 && any & DIGIT != 0 && any & !(DIGIT | HEX) != 0 && is_hexadecimal_id(segment) {
            out.extend_from_slice(if is_hash_length(length) { b"{hash}" } else { b"{id}" });
        } else if length == 36 && is_uuid(segment) {
            out.extend_from_slice(b"{uuid}");
        } else if let [b'v', b'0'..=b'9'] = segment {
            out.extend_from_slice(segment);
        } else {
            scratch.clear();
            push_segment(segment, segments < 2 && behind.len() > 1, scratch);
            out.extend_from_slice(scratch.as_bytes());
        }
        segments += 1;
        if out.len() > MAX_BYTES - 2 {
            return None;
        }
        match behind.split_first() {
            None => {
                walk.may_end_in_extension = any & ELSE != 0;
                return Some(walk);
            }
            Some((_, more)) => rest = more,
        }
    }
}

/// Hexadecimal with letters in it that is an id, or a hash, and nothing else.
fn is_hexadecimal_id(segment: &[u8]) -> bool {
    segment.len() >= 8 && segment.iter().filter(|b| b.is_ascii_digit()).count() >= 2
}

/// Whether the path ends in an extension of page furniture: style sheets, scripts, images, fonts.
pub fn is_static(target: Target<'_>) -> bool {
    let Some(last) = target.path.rsplit(|b| *b == b'/').next() else { return false };
    let last = &last[..last.iter().position(|b| *b == b';').unwrap_or(last.len())];
    let Some(dot) = last.iter().rposition(|b| *b == b'.') else { return false };
    let extension = &last[dot + 1..];
    (2..=11).contains(&extension.len())
        && STATIC_EXTENSIONS.iter().any(|e| extension.eq_ignore_ascii_case(e.as_bytes()))
}

/// `{name}` as templates have it: kept as it is.
pub(super) fn is_placeholder(segment: &str) -> bool {
    let inner = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
    inner.is_some_and(|name| {
        (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn push_segment(raw: &[u8], may_be_version: bool, out: &mut String) {
    if is_plain_word(raw) && raw.len() <= MAX_SEGMENT_BYTES {
        // Lower-case letters, hyphens and underscores: nearly all segments.
        return out.push_str(std::str::from_utf8(raw).unwrap_or_default());
    }
    if (1..=18).contains(&raw.len()) && raw.iter().all(u8::is_ascii_digit) {
        // A number is neither a version nor anything else.
        return out.push_str("{id}");
    }
    let before = out.len();
    let decoded = percent_decoded(raw);
    let word = std::str::from_utf8(&decoded).unwrap_or("");
    if is_placeholder(word) || (may_be_version && is_decimal_version(&decoded)) {
        out.push_str(word);
    } else if let Some(name) = placeholder(&decoded) {
        out.push_str(name);
    } else if raw.len() > MAX_SEGMENT_BYTES || is_title(raw, word) {
        out.push_str("{name}");
    } else if word.contains([',', '|']) {
        out.push_str("{list}");
    } else {
        push_parts(raw, &decoded, out);
    }
    if out.len() - before > MAX_SEGMENT_BYTES {
        out.truncate(before);
        out.push_str("{name}");
    }
}

/// A segment of several parts: `1234.json`, `main.3f2a9b1c.js`, `1234:activate`. A part that is no word becomes its
/// placeholder; a number only in first place (`jquery.min.3.js` stays).
fn push_parts(raw: &[u8], decoded: &[u8], out: &mut String) {
    let is_separator = |b: &u8| matches!(b, b'.' | b':' | b'@' | b'!' | b'$' | b'(' | b')' | b'=');
    // Escaped segments are taken whole: their separators are text.
    if matches!(percent_decoded(raw), Cow::Owned(_)) || !raw.iter().any(is_separator) {
        return out.push_str(&String::from_utf8_lossy(raw));
    }
    let mut rest = decoded;
    let mut first = true;
    loop {
        let end = rest.iter().position(is_separator).unwrap_or(rest.len());
        let part = &rest[..end];
        let name = placeholder(part).filter(|_| first || !is_numeric(part));
        match name {
            Some(name) => out.push_str(name),
            None => out.push_str(&String::from_utf8_lossy(part)),
        }
        let Some(separator) = rest.get(end) else { return };
        out.push(*separator as char);
        rest = &rest[end + 1..];
        first = false;
    }
}

/// Text for people rather than a word of an API: with spaces, or in letters that had to be escaped. Bytes that are no
/// text at all (`word` is empty then) and control characters count as such too.
fn is_title(raw: &[u8], word: &str) -> bool {
    word.is_empty()
        || word.contains(|c: char| c.is_control() || c.is_whitespace())
        || (!word.is_ascii() && raw.is_ascii())
}

/// `host:port` of CONNECT.
fn is_authority(path: &[u8]) -> bool {
    let Some(colon) = path.iter().rposition(|b| *b == b':') else { return false };
    let port = &path[colon + 1..];
    colon > 0 && !path.contains(&b'/') && (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit)
}

/// `1.1`, `2.0` as some APIs begin.
fn is_decimal_version(s: &[u8]) -> bool {
    matches!(s, [a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(target: &[u8]) -> String {
        let mut out = String::new();
        template(target, &mut out);
        out
    }

    #[test]
    fn what_changes_from_call_to_call_is_recognised() {
        for (target, expected) in [
            ("/v1/orders/1234?expand=items", "/v1/orders/{id}"),
            ("/", "/"),
            ("", ""),
            ("/?q=1", "/"),
            ("https://api.example.com", "/"),
            ("https://api.example.com/v1/users/7#top", "/v1/users/{id}"),
            ("*", "*"),
            ("example.com:443", "{authority}"),
            ("//v1///orders/./7/", "/v1/orders/{id}"),
            ("/app/page;jsessionid=0A1B/x", "/app/page/x"),
            ("/u/3f2504e0-4f89-11d3-9a0c-0305e82c3301", "/u/{uuid}"),
            ("/u/joe.doe%40example.com/files", "/u/{email}/files"),
            ("/r/2026-03-02/2026-03/2026-03-02T14:31:07Z", "/r/{date}/{date}/{date}"),
            ("/h/d41d8cd98f00b204e9800998ecf8427e", "/h/{hash}"),
            ("/o/507f1f77bcf86cd799439011", "/o/{id}"),
            ("/t/dBjftJeZ4CVP-mBwW2_dK3xQ9uYt0aZ", "/t/{token}"),
            ("/t/sk_live_4eC39HqLyjWDarjtT1zd9f3a", "/t/{token}"),
            ("/c/cus_9s6XKzkNRiz8i3", "/c/{id}"),
            ("/c/user-1234/INV-2024-0001/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/c/{id}/{id}/{id}"),
            ("/q/1234-how-to-do-it", "/q/{id}"),
            ("/w/dQw4w9WgXcQ", "/w/{id}"),
            ("/orders/1234.json", "/orders/{id}.json"),
            ("/orders/1234:activate", "/orders/{id}:activate"),
            ("/js/main.3f2a9b1c.js", "/js/main.{id}.js"),
            ("/geo/47.3769,8.5417", "/geo/{id}"),
            ("/filter/b1%2Cp62,new", "/filter/{list}"),
            ("/blog/caf%C3%A9/a%20b", "/blog/{name}/{name}"),
        ] {
            assert_eq!(of(target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn words_stay_words() {
        for path in [
            "/v1/orders",
            "/v2beta1/chat/completions",
            "/1.1/statuses/update.json",
            "/oauth2/token",
            "/api/k8s/utf8/i18n/log4j2",
            "/wp-login.php",
            "/.well-known/openid-configuration",
            "/.env",
            "/assets/jquery-3.6.0.min.js",
            "/mp3/h264",
            "/GetUserAccountBalanceByCustomerId",
            "/facade/decade/deadbeef",
            "/en-US/top-10",
            "/@scope/pkg",
            "/über",
            "/how-to-build-a-house-with-your-own-hands",
            "/latest/api-2",
        ] {
            assert_eq!(of(path.as_bytes()), path);
        }
    }

    #[test]
    fn templates_are_bounded_and_clean() {
        assert_eq!(of(&[b'/'; 5000]), "/");
        assert_eq!(of("/a".repeat(500).as_bytes()), format!("{}/*", "/a".repeat(12)));
        assert_eq!(of(format!("/{}", "ab".repeat(300)).as_bytes()), "/{name}");
        assert_eq!(of(b"/a\x1b[0m/\xff/x%00y/z"), "/{name}/{name}/{name}/z");
    }

    #[test]
    fn furniture_is_told_by_its_extension() {
        let is = |t: &'static str| is_static(Target::split(t.as_bytes()));
        assert!(is("/a/app.3f2a.CSS?v=1") && is("/favicon.ico") && is("/x.js;v=2"));
        assert!(!is("/a.css/b") && !is("/report.pdf") && !is("/js") && !is("/a.") && !is("/v1/orders.json"));
    }

    proptest! {
        #[test]
        fn the_template_of_a_template_is_itself(target in proptest::collection::vec(any::<u8>(), 0..200)) {
            let once = of(&target);
            prop_assert_eq!(of(once.as_bytes()), once.as_str());
            prop_assert!(once.len() <= MAX_BYTES && !once.chars().any(char::is_control));
        }

        #[test]
        fn walking_over_a_path_comes_to_the_same(target in "(/|//|/[a-z]{1,9}|/v[0-9]{1,2}|/[0-9]{1,20}|/[0-9a-f]{6,66}|/[0-9A-Fa-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|/[a-zA-Z0-9._%;-]{1,40}|/[0-9]\\.[0-9]|/\\{id\\}){0,14}(\\.js|\\.CSS|/)?(\\?a=1)?") {
            let (mut out, mut scratch) = (Vec::new(), String::new());
            let target = Target::split(target.as_bytes());
            if let Some(walk) = walk(target.path, &mut out, &mut scratch) {
                scratch.clear();
                template_of(target, &mut scratch);
                prop_assert_eq!(String::from_utf8_lossy(&out), scratch.as_str());
                prop_assert_eq!(walk.is_static(target), is_static(target));
                let digits = |s: &&[u8]| (1..=18).contains(&s.len()) && s.iter().all(u8::is_ascii_digit);
                let number = target.segments().filter(digits).last();
                let number = number.and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
                prop_assert_eq!(walk.number, number);
            }
        }

        #[test]
        fn likely_paths_are_stable_too(target in "(http://h)?(/|[a-zA-Z0-9]{1,12}|[0-9]{1,9}|\\.|:|-|_|%[0-9A-F]{2}|%|\\{id\\}|[{}=@~;?+,]|é|20[0-9]{2}-[01][0-9]|[0-9a-f]{30,66}){0,24}") {
            let once = of(target.as_bytes());
            prop_assert_eq!(of(once.as_bytes()), once.as_str());
            prop_assert!(once.len() <= MAX_BYTES);
            prop_assert!(once.split('/').count() <= MAX_SEGMENTS + 2);
        }
    }
}
