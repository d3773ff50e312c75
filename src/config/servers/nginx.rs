//! nginx: `log_format`, `access_log`, `include`.

use std::path::Path;

use super::reading::{DEPTH, Reader, expand};
use super::{Format, Found, Log, Named, Place, Problem};
use crate::format::Syntax;

/// What nginx's configuration says about its logs.
pub(super) fn read(path: &Path, text: &str, reader: &mut Reader) -> Result<Found, Problem> {
    let mut found = Found { built_in: &["combined"], ..Found::default() };
    let base = path.parent().unwrap_or(Path::new("/"));
    walk(path, base, text, reader, &mut found, 0)?;
    Ok(found)
}

/// Relative includes lie beside the main file, wherever they are written.
fn walk(
    path: &Path,
    base: &Path,
    text: &str,
    reader: &mut Reader,
    found: &mut Found,
    depth: usize,
) -> Result<(), Problem> {
    for Statement { words, text, line } in statements(text) {
        let place = Place { file: path.to_path_buf(), line };
        let word = |n: usize| words.get(n).map(String::as_str);
        match (word(0), word(1)) {
            (Some("log_format"), Some(name)) if words.len() >= 3 => {
                found.formats.push(Named {
                    name: name.to_owned(),
                    text: text.to_owned(),
                    syntax: Syntax::Nginx,
                    place,
                });
            }
            (Some("access_log"), Some(target)) if target != "off" && !target.starts_with("syslog:") => {
                let format = words.get(2).filter(|word| !word.contains('=')).map_or("combined", String::as_str);
                found.logs.push(Log {
                    path: without_variables(target),
                    format: Format::Name(format.to_owned()),
                    place,
                });
            }
            (Some("include"), Some(pattern)) if depth < DEPTH => {
                for file in expand(&base.join(pattern)) {
                    if let Some(text) = reader.include(&file)? {
                        walk(&file, base, &text, reader, found, depth + 1)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `/var/log/nginx/$host.log` may be any file there.
fn without_variables(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        out.push('*');
        rest = &rest[at + 1..];
        rest = match rest.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((_, after)) => after,
            None => rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_'),
        };
    }
    out.push_str(rest);
    out
}

/// One directive, whole.
pub(super) struct Statement<'t> {
    pub(super) words: Vec<String>,
    pub(super) text: &'t str,
    pub(super) line: usize,
}

/// The directives of an nginx configuration, comments and quotes respected; blocks are no more than their contents.
pub(super) fn statements(text: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let (mut start, mut line, mut counted) = (0, 1, 0);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '#' => while chars.next_if(|&(_, c)| c != '\n').is_some() {},
            ';' | '{' | '}' => {
                if c == ';' && !words.is_empty() {
                    line += text[counted..start].matches('\n').count();
                    counted = start;
                    found.push(Statement { words: std::mem::take(&mut words), text: &text[start..=at], line });
                }
                words.clear();
            }
            c if c.is_whitespace() => {}
            first => {
                if words.is_empty() {
                    start = at;
                }
                words.push(word(first, &mut chars));
            }
        }
    }
    found
}

fn word(first: char, chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> String {
    let mut word = String::new();
    if first == '"' || first == '\'' {
        while let Some((_, c)) = chars.next() {
            match c {
                '\\' => word.extend(chars.next().map(|(_, c)| c)),
                c if c == first => break,
                c => word.push(c),
            }
        }
        return word;
    }
    word.push(first);
    // Braces of `${name}` belong to the word.
    let mut before = first;
    while let Some((_, c)) =
        chars.next_if(|&(_, c)| !c.is_whitespace() && (!";{}".contains(c) || (c == '{' && before == '$')))
    {
        word.push(c);
        if c == '{' {
            while let Some((_, c)) = chars.next_if(|&(_, c)| !c.is_whitespace() && c != ';') {
                word.push(c);
                if c == '}' {
                    break;
                }
            }
        }
        before = c;
    }
    word
}
