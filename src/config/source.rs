//! `[source.NAME]`: which files, in which format, and whose key counts.

use std::path::Path;

use globset::GlobBuilder;
use ipnet::IpNet;

use super::load::{Environment, plain};
use crate::diag::{Diagnostic, Origin, Place, Report};
use crate::format::Registry;
use crate::options::{Entry, Options};
use crate::source as reading;
use crate::source::Start;
use crate::time::Zone;

/// How the lines of a source are read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum FormatChoice {
    /// By looking at the first lines.
    #[default]
    Auto,
    /// A format of `parsers/`.
    Named(String),
    /// An nginx `log_format` or Apache `LogFormat`, as pasted.
    Template(String),
}

/// One source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Which files, and where to begin.
    pub files: reading::Settings,
    /// How their lines are read.
    pub format: FormatChoice,
    /// The zone of times that are written without one; `None` for the zone of the configuration.
    pub zone: Option<Zone>,
    /// Where the consumer's key is looked for; empty for the default order.
    pub key: Vec<String>,
    /// Proxies whose forwarded-for is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// Where a key may be looked for, for messages.
const KEY_PLACES: &str = "\"user\", \"query:NAME\", \"json:NAME\", \"field:NAME\", \"header:NAME\" or \"client\"";

pub(super) fn read(
    entry: &Entry,
    options: Options<'_>,
    environment: &Environment<'_>,
    known_formats: &[String],
) -> Source {
    let mut source = Source::default();
    source.files.name.clone_from(&entry.key);
    super::load::check_name(entry, options.report());
    match options.texts("path") {
        None if !options.has("path") => options.missing("path", "path = [\"/var/log/nginx/access.log*\"]"),
        None => {}
        Some(list) if list.is_empty() => options.error("path", "\"path\" is empty", "nothing would be read", None),
        Some(_) => source.files.path = globs(&options, "path", environment),
    }
    if options.has("rotated") {
        source.files.rotated = globs(&options, "rotated", environment);
    }
    if let Some(start) = options.choice("start", &[("beginning", Start::Beginning), ("end", Start::End)]) {
        source.files.start = start;
    }
    source.format = format(&options, environment, known_formats);
    source.zone = options.parsed("timezone", Zone::parse);
    source.key = options.parsed_list("key", key_place).unwrap_or_default();
    source.trusted_proxies = options.parsed_list("trusted_proxies", network).unwrap_or_default();
    options.finish();
    source
}

/// The names that `format` may have.
pub(super) fn known_formats(parsers_dir: &Path, report: &Report) -> Vec<String> {
    match Registry::with_dir(parsers_dir) {
        Ok(registry) => registry.iter().map(|entry| entry.name.clone()).collect(),
        Err(error) => {
            let place = error.span.map(|span| Place { origin: Origin::new(error.origin.as_str(), error.text), span });
            let diagnostic = Diagnostic::error(error.message);
            report.push(match &place {
                Some(place) => diagnostic.at(place, ""),
                None => diagnostic.help(format!("in {}", error.origin)),
            });
            Vec::new()
        }
    }
}

/// Globs, each checked; relative ones lie beside the configuration.
fn globs(options: &Options<'_>, key: &str, environment: &Environment<'_>) -> Vec<String> {
    let read = |text: &str| {
        if text.is_empty() {
            return Err("a path is empty".to_owned());
        }
        GlobBuilder::new(text)
            .literal_separator(true)
            .build()
            .map_err(|e| format!("\"{text}\" is not a path or glob: {}", e.kind()))?;
        Ok(environment.resolve(text).to_string_lossy().into_owned())
    };
    options.parsed_list(key, read).unwrap_or_default()
}

fn format(options: &Options<'_>, environment: &Environment<'_>, known_formats: &[String]) -> FormatChoice {
    let given = options.only(&["format", "log_format", "log_format_from"]);
    let choice = given.and_then(|key| match (key, options.text(key)?) {
        ("format", name) => named_format(options, name, known_formats),
        ("log_format", text) if text.trim().is_empty() => {
            options.error(key, "\"log_format\" is empty", "", None);
            None
        }
        ("log_format", text) => Some(FormatChoice::Template(text)),
        (_, from) => {
            let (path, name) = from.split_once('#').map_or((from.as_str(), None), |(p, n)| (p, Some(n)));
            let found = log_format_from(&environment.resolve(path), name);
            found
                .map_err(|(message, help)| options.error(key, message, "", Some(help)))
                .ok()
                .map(FormatChoice::Template)
        }
    });
    choice.unwrap_or(FormatChoice::Auto)
}

fn named_format(options: &Options<'_>, name: String, known_formats: &[String]) -> Option<FormatChoice> {
    if name == "auto" {
        return Some(FormatChoice::Auto);
    }
    if known_formats.contains(&name) {
        return Some(FormatChoice::Named(name));
    }
    let known = known_formats.iter().map(String::as_str).chain(["auto"]);
    let help = crate::diag::suggest(&name, known)
        .unwrap_or_else(|| "`lapwing formats` lists them; or paste a log_format".to_owned());
    options.error("format", format!("no format is called \"{name}\""), "", Some(help));
    None
}

/// The `log_format` directive of an nginx configuration: the only one there, or the one of that name.
fn log_format_from(path: &Path, name: Option<&str>) -> Result<String, (String, String)> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|e| {
        (format!("cannot read {shown}: {}", plain(&e)), "name the file with the log_format line".to_owned())
    })?;
    let text = String::from_utf8_lossy(&text);
    let found = directives(&text);
    let names = || found.iter().map(|(n, _)| format!("{shown}#{n}")).collect::<Vec<_>>().join(" or ");
    match (name, found.as_slice()) {
        (_, []) => Err((format!("{shown} has no log_format line"), "name the file that has it".to_owned())),
        (None, [(_, one)]) => Ok(one.clone()),
        (None, _) => Err((format!("{shown} has {} log_format lines", found.len()), format!("say which: {}", names()))),
        (Some(wanted), _) => found
            .iter()
            .find(|(n, _)| n == wanted)
            .map(|(_, text)| text.clone())
            .ok_or_else(|| (format!("{shown} has no log_format \"{wanted}\""), format!("it has {}", names()))),
    }
}

/// The `log_format` directives of an nginx configuration by name, each whole, comments and quotes respected.
fn directives(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '#' => while chars.next_if(|&(_, c)| c != '\n').is_some() {},
            ';' | '{' | '}' => {
                if c == ';' && words.len() >= 3 && words[0] == "log_format" {
                    found.push((words[1].clone(), text[start..=at].to_owned()));
                }
                words.clear();
            }
            c if c.is_whitespace() => {}
            first => {
                if words.is_empty() {
                    start = at;
                }
                let mut word = String::new();
                if first == '"' || first == '\'' {
                    while let Some((_, c)) = chars.next() {
                        match c {
                            '\\' => drop(chars.next()),
                            c if c == first => break,
                            c => word.push(c),
                        }
                    }
                } else {
                    word.push(first);
                    while let Some((_, c)) = chars.next_if(|&(_, c)| !c.is_whitespace() && !";{}".contains(c)) {
                        word.push(c);
                    }
                }
                words.push(word);
            }
        }
    }
    found
}

fn key_place(text: &str) -> Result<String, String> {
    let known = match text.split_once(':') {
        None => ["user", "consumer", "client", "api_key"].contains(&text),
        Some((kind, name)) => ["query", "json", "field", "header"].contains(&kind) && !name.is_empty(),
    };
    if known { Ok(text.to_owned()) } else { Err(format!("expected {KEY_PLACES}, found \"{text}\"")) }
}

/// A CIDR block, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Ok(IpNet::from(address));
    }
    text.parse::<IpNet>()
        .map_err(|_| format!("expected a network such as \"10.0.0.0/8\" or one address, found \"{text}\""))
}

/// Warns of two sources that name the same glob: lines would count for the first alone.
pub(super) fn warn_of_twins(sources: &[Source], report: &Report) {
    for (i, source) in sources.iter().enumerate() {
        for glob in &source.files.path {
            if let Some(twin) = sources.iter().take(i).find(|s| s.files.path.contains(glob)) {
                report.push(Diagnostic::warning(format!(
                    "the sources \"{}\" and \"{}\" both read {glob}; its lines count for \"{}\"",
                    twin.files.name, source.files.name, twin.files.name
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_format_lines_are_found_whole_among_quotes_and_comments() {
        let nginx = "http { # log_format no '$x';\n  log_format main '$remote_addr \"$request\"'\n   ' $status;';\n log_format j escape=json '{\"a\":\"$b\"}';\n server { access_log x main; } }";
        let found = directives(nginx);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].0, "main");
        assert_eq!(found[0].1, "log_format main '$remote_addr \"$request\"'\n   ' $status;';");
        assert_eq!(found[1].1, "log_format j escape=json '{\"a\":\"$b\"}';");
        assert!(directives("log_format 'never ends").is_empty());
    }

    #[test]
    fn key_places_and_networks_say_what_was_expected() {
        assert!(key_place("query:api_key").is_ok() && key_place("user").is_ok());
        assert!(key_place("cookie").is_err() && key_place("query:").is_err());
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert!(network("10.0.0.0/33").unwrap_err().contains("10.0.0.0/8"));
    }
}
