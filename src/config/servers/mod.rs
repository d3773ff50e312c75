//! `log_format_from`: the log format out of the server's own configuration, which is followed through its includes.

mod apache;
mod nginx;
mod reading;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use crate::format::Choice;
use crate::format::Syntax;
use reading::Reader;

/// A log format by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Named {
    name: String,
    /// As it stands there, directive and all.
    text: String,
    syntax: Syntax,
    place: Place,
}

/// A log that the server writes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Log {
    /// Where to; variables in it are `*`.
    path: String,
    format: Format,
    place: Place,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Format {
    Name(String),
    Text(String),
}

/// File and line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Place {
    file: PathBuf,
    line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// What a server's configuration says about its logs.
#[derive(Debug, Default)]
struct Found {
    formats: Vec<Named>,
    logs: Vec<Log>,
    /// Formats that the server knows by itself.
    built_in: &'static [&'static str],
}

/// Why there is no format: what is wrong, and what to do.
pub(super) type Problem = (String, String);

/// The format of the logs that `globs` name, or the one called `name`, out of a configuration of nginx, Apache or another
/// server that writes its formats as directives.
pub(super) fn log_format(path: &Path, name: Option<&str>, globs: &[String]) -> Result<Choice, Problem> {
    let mut reader = Reader::default();
    let text = reader.read(path)?;
    let found = if apache::is_apache(&text) {
        apache::read(path, &text, &mut reader)?
    } else {
        let found = nginx::read(path, &text, &mut reader)?;
        if found.formats.is_empty() && found.logs.is_empty() { others(path, &text) } else { found }
    };
    found.choose(path, name, globs, &reader)
}

/// Servers whose directive stands on one line.
fn others(path: &Path, text: &str) -> Found {
    const DIRECTIVES: [&str; 7] =
        ["log-format", "logformat", "accesslog.format", "access_log_format", "<Valve", "text_format", "inline_string"];
    let mut found = Found::default();
    let mut section = String::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if matches!(first, "frontend" | "defaults" | "listen") {
            section = words.next().unwrap_or(first).to_owned();
        }
        if !DIRECTIVES.iter().any(|directive| line.starts_with(directive))
            || (first == "<Valve" && !line.contains("pattern"))
        {
            continue;
        }
        let syntax = Syntax::of(line);
        let name = match syntax {
            Syntax::Squid => words.next().unwrap_or_default().to_owned(),
            Syntax::Haproxy if !section.is_empty() => section.clone(),
            _ => format!("line {}", at + 1),
        };
        let place = Place { file: path.to_path_buf(), line: at + 1 };
        found.formats.push(Named { name, text: line.to_owned(), syntax, place });
    }
    found
}

impl Found {
    fn choose(&self, path: &Path, name: Option<&str>, globs: &[String], reader: &Reader) -> Result<Choice, Problem> {
        let shown = path.display();
        if let Some(name) = name {
            return self.named(name).ok_or_else(|| {
                (format!("no log format in {shown} is called \"{name}\""), format!("it has {}", self.all(reader)))
            });
        }
        let ours: Vec<&Log> = self.logs.iter().filter(|log| globs.iter().any(|glob| writes(&log.path, glob))).collect();
        let mut choices: Vec<(Choice, &Log)> = Vec::new();
        for log in &ours {
            let choice = match &log.format {
                Format::Text(text) => Choice::Template(text.clone()),
                Format::Name(name) => self.named(name).ok_or_else(|| {
                    let message =
                        format!("{}: {} has the format \"{name}\", which is not defined", log.place, log.path);
                    (message, format!("{shown} has {}", self.all(reader)))
                })?,
            };
            if !choices.iter().any(|(known, _)| *known == choice) {
                choices.push((choice, log));
            }
        }
        match (choices.as_slice(), self.formats.as_slice()) {
            ([(choice, _)], _) => Ok(choice.clone()),
            ([], []) => Err((
                format!("{shown} has no log format"),
                format!("{}; name the file that has log_format or LogFormat", reader.summary()),
            )),
            ([], [only]) => Ok(only.choice()),
            ([], _) => {
                let message =
                    format!("{shown} has {} log formats, and writes none of this source's files", self.formats.len());
                Err((message, format!("say which with log_format_name: {}{}", self.all(reader), self.paths())))
            }
            (several, _) => {
                let list: Vec<String> = several
                    .iter()
                    .map(|(_, log)| {
                        let format = match &log.format {
                            Format::Name(name) => format!("\"{name}\""),
                            Format::Text(_) => "a format of its own".to_owned(),
                        };
                        format!("{} in {format} ({})", log.path, log.place)
                    })
                    .collect();
                let message = format!("the files of this source are written in {} formats", several.len());
                Err((message, format!("make a source of each, or say which with log_format_name: {}", list.join(", "))))
            }
        }
    }

    /// The last of a name counts, as in the servers.
    fn named(&self, name: &str) -> Option<Choice> {
        let own = self.formats.iter().rev().find(|format| format.name == name).map(Named::choice);
        own.or_else(|| self.built_in.contains(&name).then(|| Choice::Template(name.to_owned())))
    }

    fn all(&self, reader: &Reader) -> String {
        if self.formats.is_empty() {
            return format!("none ({})", reader.summary());
        }
        let one = |format: &Named| format!("\"{}\" ({})", format.name, format.place);
        let mut list: Vec<String> = self.formats.iter().take(12).map(one).collect();
        if self.formats.len() > list.len() {
            list.push(format!("{} more", self.formats.len() - list.len()));
        }
        list.join(", ")
    }

    fn paths(&self) -> String {
        if self.logs.is_empty() {
            return String::new();
        }
        let mut list: Vec<&str> = self.logs.iter().map(|log| log.path.as_str()).collect();
        list.sort_unstable();
        list.dedup();
        list.truncate(8);
        format!("; it writes {}", list.join(", "))
    }
}

impl Named {
    fn choice(&self) -> Choice {
        Choice::TemplateOf(self.syntax, self.text.clone())
    }
}

/// Whether a source's glob takes a log's path, in which `*` stands for what the server fills in.
fn writes(log: &str, glob: &str) -> bool {
    let is_match = |pattern: &str, path: &str| {
        GlobBuilder::new(pattern).literal_separator(true).build().is_ok_and(|g| g.compile_matcher().is_match(path))
    };
    if log.starts_with('/') {
        return is_match(glob, log) || is_match(log, glob);
    }
    // Relative to a directory that only the server's build knows.
    let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    is_match(&file(glob), &file(log)) || is_match(&file(log), &file(glob))
}
