//! Text from logs made safe for the place where it is shown.

pub(crate) use sanitize::{clip, terminal};
use unicode_width::UnicodeWidthStr;

/// The most characters of one log value inside an alert.
pub(crate) const VALUE_CHARS: usize = 80;

/// For Slack, line by line: no mention, channel, link or end of a code span can come out of data.
pub(crate) fn slack(text: &str) -> String {
    by_line(text, sanitize::slack)
}

/// For HTML text and attributes, line by line.
pub(crate) fn html(text: &str) -> String {
    by_line(text, sanitize::html)
}

/// For one mail header: one line without control characters, at most `max` characters.
pub(crate) fn header(text: &str, max: usize) -> String {
    clip_end(&terminal(text), max)
}

/// Text of several lines: line feeds stay, everything else as for a [`terminal`].
pub(crate) fn lines(text: &str) -> String {
    by_line(text, terminal)
}

fn by_line(text: &str, safe: impl Fn(&str) -> String) -> String {
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n")
}

/// At most `max` characters, shortened at the end; never cuts inside an escape.
pub(crate) fn clip_end(text: &str, max: usize) -> String {
    let pieces = pieces(text);
    if length(&pieces) <= max {
        return text.to_owned();
    }
    let (head, _) = take(pieces.into_iter(), max.saturating_sub(1));
    head.into_iter().chain(std::iter::once("…")).collect()
}

/// A name from the log as it stands in a sentence: cleaned, at most `max` characters, in quotes where it holds spaces
/// (so that a name cannot pass for our words).
pub(crate) fn name(text: &str, max: usize) -> String {
    // Shortened before and after: a long value is cut once, and its escapes count too.
    let clean = value(text, max);
    if clean.is_empty() || clean.contains(char::is_whitespace) {
        return format!("“{}”", clean.replace(['“', '”', '"'], "'"));
    }
    clean
}

/// A text that a detector gave (a status, a method, "for this hour"): cleaned and bounded, without quotes.
pub(crate) fn value(text: &str, max: usize) -> String {
    clip(&terminal(&clip(text, max)), max)
}

/// Breaks text into lines of at most `width` columns at spaces; words that are longer stand alone, and a number stays
/// with its `%`. Line feeds of the text stay; lines after the first begin with `indent` spaces.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for (i, paragraph) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        }
        let mut column = indent;
        let mut words = paragraph.split(' ').filter(|w| !w.is_empty()).peekable();
        while let Some(word) = words.next() {
            let mut word = word.to_owned();
            while let Some(percent) = words.next_if(|next| next.starts_with('%')) {
                word.push(' ');
                word.push_str(percent);
            }
            let columns = word.width();
            if column > indent && column + 1 + columns > width {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = indent;
            } else if column > indent {
                out.push(' ');
                column += 1;
            }
            out.push_str(&word);
            column += columns;
        }
    }
    out
}

/// The text cut to whole escapes and characters: `\x1b`, `\u{202e}` and `&amp;` are one piece each.
fn pieces(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = escape_len(rest).unwrap_or(first.len_utf8());
        let (piece, after) = rest.split_at(len);
        out.push(piece);
        rest = after;
    }
    out
}

fn escape_len(text: &str) -> Option<usize> {
    for escape in ["&amp;", "&lt;", "&gt;"] {
        if text.starts_with(escape) {
            return Some(escape.len());
        }
    }
    if ["\\n", "\\r", "\\t"].iter().any(|escape| text.starts_with(escape)) {
        return Some(2);
    }
    if let Some(hex) = text.strip_prefix("\\x") {
        let digits = hex.bytes().take(2).filter(u8::is_ascii_hexdigit).count();
        return (digits == 2).then_some(4);
    }
    let hex = text.strip_prefix("\\u{")?;
    let digits = hex.bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    (digits > 0 && hex.as_bytes().get(digits) == Some(&b'}')).then_some(3 + digits + 1)
}

fn length(pieces: &[&str]) -> usize {
    pieces.iter().map(|p| p.chars().count()).sum()
}

fn take<'a>(pieces: impl Iterator<Item = &'a str>, room: usize) -> (Vec<&'a str>, usize) {
    let mut used = 0;
    let mut taken = Vec::new();
    for piece in pieces {
        let more = piece.chars().count();
        if used + more > room {
            break;
        }
        used += more;
        taken.push(piece);
    }
    (taken, used)
}

/// The single forms: what the module of the same name at the top of the crate offers.
mod sanitize {
    use std::fmt::Write;

    /// For a terminal and for plain sentences: control, direction-changing and invisible characters become visible escapes
    /// (`\x1b`, `\u{202e}`), so that nothing moves the cursor, hides, or reverses what follows.
    pub(crate) fn terminal(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => _ = write!(out, "\\x{:02x}", c as u32),
                c if invisible(c) => _ = write!(out, "\\u{{{:x}}}", c as u32),
                c => out.push(c),
            }
        }
        out
    }

    /// For Slack: exactly `&`, `<` and `>` are escaped, so that no mention, channel or link can come out of data, and
    /// backticks are replaced, so that it may stand in a code span.
    pub(crate) fn slack(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in terminal(text).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '`' => out.push('\''),
                c => out.push(c),
            }
        }
        out
    }

    /// For HTML text and attributes.
    pub(crate) fn html(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in terminal(text).chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\'' => out.push_str("&#39;"),
                c => out.push(c),
            }
        }
        out
    }

    /// At most `max` characters, shortened in the middle; never cuts inside an escape.
    pub(crate) fn clip(text: &str, max: usize) -> String {
        let pieces = super::pieces(text);
        if super::length(&pieces) <= max {
            return text.to_owned();
        }
        let room = max.saturating_sub(1);
        let (head, _) = super::take(pieces.iter().copied(), room.div_ceil(2));
        let (tail, _) = super::take(pieces.iter().rev().copied(), room / 2);
        head.into_iter().chain(std::iter::once("…")).chain(tail.into_iter().rev()).collect()
    }

    /// Characters without ink that change how their neighbours are shown or hide text (Unicode bidirectional controls,
    /// zero-width characters, line and paragraph separators, variation selectors, tags, soft hyphen, fillers).
    fn invisible(c: char) -> bool {
        matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_as_text() {
        assert_eq!(terminal("a\x1b[31mb\u{202e}c"), "a\\x1b[31mb\\u{202e}c");
        assert_eq!(slack("<!channel> `x` & y"), "&lt;!channel&gt; 'x' &amp; y");
        assert_eq!(header("a\r\nBcc: b", 40), "a\\r\\nBcc: b");
        assert_eq!(name("all is well", 40), "“all is well”");
        assert_eq!(name("", 40), "“”");
    }

    #[test]
    fn clipping_keeps_both_ends_and_whole_escapes() {
        assert_eq!(clip("abcdefghij", 7), "abc…hij");
        assert_eq!(clip("short", 7), "short");
        assert_eq!(clip_end("ab&lt;cd", 5), "ab…");
        for max in 0..20 {
            let clipped = clip("x\\u{202e}\\x1b&lt;é&amp;y", max);
            assert!(clipped.chars().count() <= max.max(1), "{max}: {clipped}");
            assert!(!clipped.replace("&lt;", "").replace("&amp;", "").contains('&'), "{clipped}");
        }
    }

    #[test]
    fn wrapping_keeps_words_and_percents_whole() {
        assert_eq!(wrap("one two three", 7, 0), "one two\nthree");
        assert_eq!(wrap("fails for 38 % of it", 12, 2), "fails for\n  38 % of it");
        assert_eq!(wrap("averyverylongword b", 5, 0), "averyverylongword\nb");
    }
}
