//! Apache: `LogFormat`, `CustomLog`, `TransferLog`, `Include`, `Define` and the variables of `envvars`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::reading::{DEPTH, Reader, expand};
use super::{Format, Found, Log, Named, Place, Problem};
use crate::format::Syntax;

/// Directives that nginx and others do not have.
const OWN: [&str; 8] =
    ["LogFormat", "CustomLog", "TransferLog", "ServerRoot", "IncludeOptional", "LoadModule", "DocumentRoot", "Define"];

/// Whether a configuration is one of Apache.
pub(super) fn is_apache(text: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        // Squid writes logformat in lower case, without quotes.
        OWN.contains(&first)
            || ["<VirtualHost", "<IfModule", "<Directory"].iter().any(|s| first.starts_with(s))
            || (first.eq_ignore_ascii_case("logformat") && line[first.len()..].trim_start().starts_with('"'))
            || (first.eq_ignore_ascii_case("customlog") && !line.ends_with(';'))
    })
}

/// What is known while reading.
struct State<'r> {
    root: PathBuf,
    variables: BTreeMap<String, String>,
    reader: &'r mut Reader,
    found: Found,
    /// The last `LogFormat` without a name, which `TransferLog` takes.
    unnamed: Option<String>,
}

/// What Apache's configuration says about its logs.
pub(super) fn read(path: &Path, text: &str, reader: &mut Reader) -> Result<Found, Problem> {
    let root = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut variables = BTreeMap::from([("APACHE_LOG_DIR".to_owned(), "/var/log/apache2".to_owned())]);
    // Debian's variables.
    if let Ok(Some(text)) = reader.include(&root.join("envvars")) {
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("export ")) {
            if let Some((name, value)) = line.split_once('=') {
                let value = value.trim().trim_matches(['"', '\'']);
                // `$SUFFIX` is empty but for further instances.
                let value = value.split('$').next().unwrap_or_default();
                variables.insert(name.trim().to_owned(), value.to_owned());
            }
        }
    }
    let found = Found { built_in: &["common", "combined", "vhost_combined", "combinedio"], ..Found::default() };
    let mut state = State { root, variables, reader, found, unnamed: None };
    state.walk(path, text, 0)?;
    Ok(state.found)
}

impl State<'_> {
    fn walk(&mut self, path: &Path, text: &str, depth: usize) -> Result<(), Problem> {
        for (line, text) in directives(text) {
            let words = words(&text);
            let place = Place { file: path.to_path_buf(), line };
            let Some((name, arguments)) = words.split_first() else { continue };
            let argument = |n: usize| arguments.get(n).map(String::as_str);
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            match (argument(0), argument(1)) {
                (Some(root), _) if is("ServerRoot") => self.root = PathBuf::from(self.filled(root)),
                (Some(variable), Some(value)) if is("Define") => {
                    let value = self.filled(value);
                    self.variables.insert(variable.to_owned(), value);
                }
                (Some(_), Some(nick)) if is("LogFormat") => {
                    self.found.formats.push(Named { name: nick.to_owned(), text, syntax: Syntax::Apache, place });
                }
                (Some(format), None) if is("LogFormat") => self.unnamed = Some(format.to_owned()),
                (Some(target), Some(format)) if is("CustomLog") || is("GlobalLog") => {
                    let format = if format.contains('%') {
                        Format::Text(format.to_owned())
                    } else {
                        Format::Name(format.to_owned())
                    };
                    self.log(target, format, place);
                }
                (Some(target), None) if is("TransferLog") => {
                    let format = self.unnamed.clone().map_or(Format::Name("common".to_owned()), Format::Text);
                    self.log(target, format, place);
                }
                (Some(pattern), _) if (is("Include") || is("IncludeOptional")) && depth < DEPTH => {
                    let pattern = self.root.join(self.filled(pattern));
                    self.include(&pattern, is("IncludeOptional"), depth)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Files, or all files of a directory.
    fn include(&mut self, pattern: &Path, optional: bool, depth: usize) -> Result<(), Problem> {
        for path in expand(pattern) {
            let files = if path.is_dir() { expand(&path.join("*")) } else { vec![path] };
            for file in files.into_iter().filter(|file| !file.is_dir()) {
                if optional && !file.exists() {
                    continue;
                }
                if let Some(text) = self.reader.include(&file)? {
                    self.walk(&file, &text, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// A log file, or the one behind a pipe: `|/usr/bin/rotatelogs /var/log/access.%Y%m%d 86400`.
    fn log(&mut self, target: &str, format: Format, place: Place) {
        let target = self.filled(target);
        let path = match target.strip_prefix('|') {
            Some(command) => {
                let words = words(command);
                let file = words.iter().skip(1).find(|word| word.contains('/') && !word.starts_with('-'));
                let Some(file) = file else { return };
                strftime_as_wildcard(file)
            }
            None => target,
        };
        let path = if path.starts_with('/') || path.starts_with('*') {
            path
        } else {
            self.root.join(path).to_string_lossy().into_owned()
        };
        self.found.logs.push(Log { path, format, place });
    }

    /// With `${NAME}` filled in; what is not known may be anything.
    fn filled(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                rest = after;
                break;
            };
            match self.variables.get(name) {
                Some(value) => out.push_str(value),
                None => out.push('*'),
            }
            rest = behind;
        }
        out.push_str(rest);
        out
    }
}

/// `access.%Y%m%d` may be any of these days.
fn strftime_as_wildcard(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            chars.next();
            if !out.ends_with('*') {
                out.push('*');
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Directives with the number of their first line; a backslash at the end of a line joins the next to it.
fn directives(text: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (at, line) in text.lines().enumerate() {
        let (start, mut whole) = open.take().unwrap_or((at + 1, String::new()));
        whole.push_str(line);
        if let Some(part) = whole.strip_suffix('\\') {
            open = Some((start, part.to_owned()));
            continue;
        }
        let directive = whole.trim();
        if !directive.is_empty() && !directive.starts_with(['#', '<']) {
            found.push((start, directive.to_owned()));
        }
    }
    found.extend(open.map(|(start, text)| (start, text.trim().to_owned())));
    found
}

/// The words of a directive, out of their quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        let mut word = String::new();
        let quote = (c == '"' || c == '\'').then(|| chars.next()).flatten();
        while let Some(c) = chars.next_if(|c| quote.map_or(!c.is_whitespace(), |_| true)) {
            match c {
                '\\' if quote.is_some() && chars.peek().is_some_and(|next| matches!(next, '"' | '\'' | '\\')) => {
                    word.extend(chars.next());
                }
                c if Some(c) == quote => break,
                c => word.push(c),
            }
        }
        words.push(word);
    }
    words
}
