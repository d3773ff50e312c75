//! What texts from logs need inside a message, beyond [`crate::sanitize`]: several lines, names in a sentence, wrapping.

use unicode_width::UnicodeWidthStr;

use crate::sanitize;
pub(crate) use crate::sanitize::{clip, clip_end, terminal};

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
    clip_end(&sanitize::header(text), max)
}

/// Text of several lines: line feeds stay, everything else as for a [`terminal`].
pub(crate) fn lines(text: &str) -> String {
    by_line(text, terminal)
}

fn by_line(text: &str, safe: impl Fn(&str) -> String) -> String {
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n")
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
/// with its `%`, `h`, `min` or `s`. Line feeds of the text stay; lines after the first begin with `indent` spaces.
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
            while let Some(unit) = words.next_if(|next| is_unit(&word, next)) {
                word.push(' ');
                word.push_str(unit);
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

/// Whether a word is the unit of the number before it.
fn is_unit(number: &str, word: &str) -> bool {
    let bare = word.trim_end_matches([',', '.', ';', ':', ')']);
    number.ends_with(|c: char| c.is_ascii_digit()) && (word.starts_with('%') || matches!(bare, "h" | "min" | "s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_as_text() {
        assert_eq!(terminal("a\x1b[31mb\u{202e}c"), "a\\x1b[31mb\\u{202e}c");
        assert_eq!(slack("<!channel> `x` & y"), "&lt;!channel&gt; 'x' &amp; y");
        assert_eq!(header("a\r\nBcc: b", 40), "a Bcc: b");
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
            assert!(clipped.chars().count() <= max, "{max}: {clipped}");
            assert!(!clipped.replace("&lt;", "").replace("&amp;", "").contains('&'), "{clipped}");
        }
    }

    #[test]
    fn wrapping_keeps_words_and_percents_whole() {
        assert_eq!(wrap("one two three", 7, 0), "one two\nthree");
        assert_eq!(wrap("fails for 38 % of it", 12, 2), "fails for\n  38 % of it");
        assert_eq!(wrap("only 4 days 11 h.", 15, 0), "only 4 days\n11 h.");
        assert_eq!(wrap("averyverylongword b", 5, 0), "averyverylongword\nb");
    }
}
