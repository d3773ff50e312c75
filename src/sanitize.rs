//! Text from logs made safe for the place where it is shown, and secrets made unreadable.
//!
//! Every byte of a log is hostile: it was written by whoever sent the request. The functions here are the only way
//! such text reaches a terminal ([`terminal`]), a Slack message ([`slack`]), a page or an HTML mail ([`html`]) or a
//! mail header ([`header`]). What must not be shown at all is cut down by [`mask`] and [`redact()`].

mod redact;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

pub use redact::{redact, redact_line};
pub use secret::{is_secret_name, known_secret, mask};

/// The longest text [`header`] returns, in characters.
pub const HEADER_CHARS: usize = 200;

/// The sign that stands for what was left out.
pub const ELLIPSIS: char = '…';

/// For a terminal or a log of our own: control, bidirectional, zero-width and other invisible characters become
/// visible escapes (`\n`, `\x1b`, `\u{202e}`), all else stays.
pub fn terminal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut out, c);
    }
    out
}

/// For Slack, in `plain_text` objects, in mrkdwn and inside code spans: exactly `&`, `<` and `>` are escaped, invisible
/// characters become escapes as in [`terminal`], a backtick becomes an apostrophe (it would end a code span), and an
/// `@` or `#` that could begin a mention or a channel becomes its full-width twin. An `@` inside a word, as in an
/// e-mail address, stays.
pub fn slack(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '`' => out.push('\''),
            '@' | '#' if begins_mention(before, chars.peek().copied()) => {
                out.push(if c == '@' { '＠' } else { '＃' });
            }
            c => push_visible(&mut out, c),
        }
        before = c;
    }
    out
}

/// For HTML, in text and in quoted attributes: the five special characters become entities, invisible characters
/// become escapes as in [`terminal`].
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => push_visible(&mut out, c),
        }
    }
    out
}

/// For the value of a mail header: one line of at most [`HEADER_CHARS`] characters. Line ends, other control
/// characters and runs of white space become one space, invisible characters are left out.
pub fn header(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * HEADER_CHARS));
    let mut chars = 0;
    let mut space = false;
    for c in text.chars() {
        if c.is_control() || c.is_whitespace() {
            space = chars > 0;
        } else if !is_invisible(c) {
            let needed = 1 + usize::from(space);
            if chars + needed > HEADER_CHARS - 1 {
                out.push(ELLIPSIS);
                break;
            }
            if space {
                out.push(' ');
                space = false;
            }
            out.push(c);
            chars += needed;
        }
    }
    out
}

/// At most `max_chars` characters of a text: if it is longer, its middle becomes an ellipsis. Never cuts inside a
/// character, an escape (`\x1b`, `\u{202e}`) or an HTML entity (`&amp;`), so it may be used after the functions above.
pub fn clip(text: &str, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text.to_owned();
    }
    if max_chars == 0 {
        return String::new();
    }
    let head_chars = max_chars / 2;
    let tail_chars = max_chars - 1 - head_chars;
    let units = units(text);
    let head_end = head_end(&units, head_chars);
    let mut used = 0;
    let mut tail_start = text.len();
    for &(start, _, chars) in units.iter().rev() {
        if used + chars > tail_chars || start < head_end {
            break;
        }
        used += chars;
        tail_start = start;
    }
    format!("{}{ELLIPSIS}{}", text.get(..head_end).unwrap_or(""), text.get(tail_start..).unwrap_or(""))
}

/// At most `max_chars` characters of a text: if it is longer, its end becomes an ellipsis. As careful as [`clip`].
pub fn clip_end(text: &str, max_chars: usize) -> String {
    if text.chars().nth(max_chars).is_none() {
        return text.to_owned();
    }
    let Some(room) = max_chars.checked_sub(1) else { return String::new() };
    format!("{}{ELLIPSIS}", text.get(..head_end(&units(text), room)).unwrap_or(""))
}

/// Where the whole pieces end that fit into so many characters.
fn head_end(units: &[(usize, usize, usize)], room_chars: usize) -> usize {
    let mut used = 0;
    let fits = units.iter().take_while(|(_, _, chars)| {
        used += chars;
        used <= room_chars
    });
    fits.last().map_or(0, |(_, end, _)| *end)
}

/// The indivisible pieces of a text as (start, end, characters).
fn units(text: &str) -> Vec<(usize, usize, usize)> {
    let mut units = Vec::new();
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let escape = match rest {
            [b'\\', b'x', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => Some(4),
            [b'\\', b'n' | b'r' | b't', ..] => Some(2),
            [b'\\', b'u', b'{', digits @ ..] => closing(digits, b'}', u8::is_ascii_hexdigit).map(|n| n + 3),
            [b'&', name @ ..] => closing(name, b';', |b| b.is_ascii_alphanumeric() || *b == b'#').map(|n| n + 1),
            _ => None,
        };
        // Escapes are ASCII: as many characters as bytes.
        let (len, chars) = escape.map_or((c.len_utf8(), 1), |n| (n, n));
        units.push((at, at + len, chars));
        at += len;
    }
    units
}

/// The length up to and with the closing byte, if it comes within 8 bytes that all pass.
fn closing(bytes: &[u8], close: u8, inside: impl Fn(&u8) -> bool) -> Option<usize> {
    let end = bytes.iter().take(8).position(|b| *b == close)?;
    (end > 0 && bytes.iter().take(end).all(inside)).then_some(end + 1)
}

/// Whether an `@` or `#` between these characters could be read as the start of a mention.
fn begins_mention(before: char, after: Option<char>) -> bool {
    let inside_word = before.is_alphanumeric() || matches!(before, '/' | '.' | '-' | '_' | '+');
    !inside_word && after.is_some_and(char::is_alphabetic)
}

/// Writes a character so that it can be seen.
fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Writing to a String does not fail.
        '\0'..='\x1f' | '\x7f' => {
            let _ = write!(out, "\\x{:02x}", c as u32);
        }
        c if c.is_control() || is_invisible(c) => {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
        c => out.push(c),
    }
}

/// Characters that take no room or change the order of others: Unicode's `Default_Ignorable_Code_Point`, bidirectional
/// controls, line and paragraph separators, and annotation marks.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
