//! Apache `LogFormat` strings, and those of the servers that took them over: lighttpd, Varnish, Tomcat, Jetty.

use super::apache_directives as directives;
use super::dialect::Syntax;
use super::field::Escape;
use super::instant::TimeShape;
use super::java_time;
use super::pasted::Pasted;
use super::strftime;
use super::template::{FormatError, Piece, TimePart};

/// One `%` directive: its letter and what stands in braces.
pub(super) struct Directive {
    pub(super) letter: String,
    pub(super) argument: Option<String>,
}

/// The pieces of a `LogFormat`.
pub(super) fn pieces(
    pasted: &Pasted,
    flavour: Syntax,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Piece>, Escape), FormatError> {
    let text = pasted.text.as_str();
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c != '%' {
            literal.push(c);
            at += c.len_utf8();
            continue;
        }
        let (directive, after) = read(pasted, at)?;
        let span = pasted.span(at..after);
        at = after;
        match directive {
            None => literal.push('%'),
            Some(directive) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal).into_bytes()));
                }
                warnings.extend(directives::doubt(&directive, flavour));
                match directives::meaning(&directive, flavour) {
                    directives::Meaning::Time => push_time(&mut pieces, &directive, flavour, span)?,
                    directives::Meaning::Ident => pieces.push(Piece::ident(span)),
                    directives::Meaning::Field(name, known) => pieces.push(Piece::field(&name, known, span)),
                    directives::Meaning::Shaped(name, known, shape) => {
                        pieces.push(Piece::field(&name, known, span).shaped(Some(shape)));
                    }
                }
            }
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal.into_bytes()));
    }
    Ok((pieces, Escape::Backslash))
}

/// Reads a directive at its `%`: what it is (`None` is `%%`), and where it ends.
fn read(pasted: &Pasted, start: usize) -> Result<(Option<Directive>, usize), FormatError> {
    let text = pasted.text.as_str();
    let broken = |message: String, end: usize| {
        let end = text.get(..end).map_or(start + 1, |_| end.max(start + 1));
        FormatError::at(message, pasted.span(start..end))
    };
    let mut argument = None;
    let mut at = start + 1;
    loop {
        let Some(c) = text[at..].chars().next() else {
            let message = "expected a directive after %, as in %h or %{Referer}i (a percent sign itself is %%)";
            return Err(broken(message.to_owned(), at));
        };
        at += c.len_utf8();
        match c {
            '%' if argument.is_none() => return Ok((None, at)),
            // Conditions (%!200,304{Referer}i, %>s) change when a value is written, not what it is.
            '<' | '>' | '!' | ',' | '0'..='9' => {}
            '{' => {
                let Some(length) = text[at..].find('}') else {
                    return Err(broken("this brace is not closed: expected } before the end".to_owned(), at));
                };
                argument = Some(text[at..at + length].to_owned());
                at += length + 1;
            }
            // Two letters: %^FB, %{trailer}^ti.
            '^' => {
                let letters: String = text[at..].chars().take_while(char::is_ascii_alphabetic).take(2).collect();
                if letters.len() < 2 {
                    let message = format!("expected two letters after ^, as in %{{X-Foo}}^ti, found \"{letters}\"");
                    return Err(broken(message, at));
                }
                return Ok((Some(Directive { letter: format!("^{letters}"), argument }), at + 2));
            }
            c if c.is_ascii_alphabetic() => {
                // Jetty has a few words.
                let word =
                    directives::WORDS.iter().find(|word| argument.is_some() && text[at - 1..].starts_with(**word));
                let letter = word.map_or_else(|| c.to_string(), |word| (*word).to_owned());
                return Ok((Some(Directive { argument, letter: letter.clone() }), at - 1 + letter.len()));
            }
            other => {
                let message = format!("expected a letter after %, found \"{other}\" (a percent sign itself is %%)");
                return Err(broken(message, at));
            }
        }
    }
}

/// `%t` writes its own brackets; `%{...}t` takes strftime's letters, or a unit, with `begin:` or `end:` before it. In
/// Tomcat and Jetty the letters are those of Java.
fn push_time(
    pieces: &mut Vec<Piece>,
    directive: &Directive,
    flavour: Syntax,
    span: std::ops::Range<usize>,
) -> Result<(), FormatError> {
    let argument = directive.argument.as_deref().unwrap_or_default();
    let format = argument.strip_prefix("begin:").or_else(|| argument.strip_prefix("end:")).unwrap_or(argument);
    match format {
        "" => {
            pieces.push(Piece::Literal(b"[".to_vec()));
            pieces.push(Piece::time(TimePart::Whole(TimeShape::Zoned), span));
            pieces.push(Piece::Literal(b"]".to_vec()));
        }
        "sec" | "msec" | "usec" | "nsec" => pieces.push(Piece::time(TimePart::Whole(TimeShape::Any), span)),
        "msec_frac" => pieces.push(Piece::time(TimePart::Fraction("%3f"), span)),
        "usec_frac" => pieces.push(Piece::time(TimePart::Fraction("%6f"), span)),
        "nsec_frac" => pieces.push(Piece::time(TimePart::Fraction("%9f"), span)),
        java if !java.contains('%') => {
            // Jetty: pattern, zone and locale with bars between. Its default is the common log's stamp.
            let mut parts = java.split('|');
            let pattern = java_time::pattern(parts.next().unwrap_or_default());
            let pattern = pattern.map_err(|message| FormatError::at(message, span.clone()))?;
            let zone = parts.next().filter(|_| matches!(flavour, Syntax::Jetty)).unwrap_or_default();
            let utc = matches!(zone, "GMT" | "UTC" | "Z" | "Etc/UTC");
            pieces.push(Piece::time(TimePart::Pattern { pattern, utc }, span));
        }
        pattern => {
            let pattern = strftime::checked(pattern).map_err(|message| FormatError::at(message, span.clone()))?;
            pieces.push(Piece::time(TimePart::pattern(pattern), span));
        }
    }
    Ok(())
}

/// Which of the servers a bare format is of, told by what only that one writes; Apache otherwise.
pub(super) fn flavour_of(text: &str) -> Syntax {
    if text.contains("%{Varnish:") || text.contains("%{VCL_Log:") || text.contains("%{VSL:") {
        return Syntax::Varnish;
    }
    let jetty = ["%{client}a", "%{server}a", "%{local}a", "%{CLF}O", "%{CLF}I", "%{CLF}S", "}attr", "}uri", "%uri"];
    if jetty.iter().any(|own| text.contains(own)) {
        return Syntax::Jetty;
    }
    if text.contains("&quot;") {
        return Syntax::Tomcat;
    }
    // Of Tomcat alone: session and request attributes, the time until the response was committed.
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        rest = &rest[at + 1..];
        let after = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (argument, letter) = after.map_or(("", rest), |(argument, behind)| (argument, behind));
        let alone = |l: char| letter.starts_with(l) && !letter[1..].starts_with(|c: char| c.is_ascii_alphanumeric());
        let java =
            !argument.is_empty() && !argument.contains('%') && alone('t') && java_time::pattern(argument).is_ok();
        if (argument.is_empty() && alone('F')) || (!argument.is_empty() && (alone('s') || alone('r'))) || java {
            return Syntax::Tomcat;
        }
        rest = rest.strip_prefix('%').unwrap_or(rest);
    }
    Syntax::Apache
}
