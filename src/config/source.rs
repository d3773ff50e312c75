//! `[source.NAME]`: which files, in which format, and whose key counts.

use std::path::Path;

use globset::GlobBuilder;
use ipnet::IpNet;

use super::load::Environment;
use super::servers;
use crate::diag::{Diagnostic, Origin, Place, Report};
use crate::format::{Choice, FieldPlace, FormatError, MAPPABLE, MOST_FORMATS, PASTED, Registry, Syntax, Template};
use crate::intake::key::KeyPlace;
use crate::options::{Entry, Options};
use crate::source as reading;
use crate::source::Start;
use crate::time::Zone;

/// One source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Source {
    /// Which files, and where to begin.
    pub files: reading::Settings,
    /// How their lines are read.
    pub format: Choice,
    /// The zone of times that are written without one; `None` for the zone of the configuration.
    pub zone: Option<Zone>,
    /// Where the consumer's key is looked for; empty for the default order.
    pub key: Vec<String>,
    /// Where tokens, cost, tenant and the like stand, each with its places, the best first.
    pub fields: Vec<(&'static str, Vec<FieldPlace>)>,
    /// Proxies whose forwarded-for is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Where its requests are served: `production`, `staging`.
    pub environment: Option<String>,
}

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
    source.format = format(&options, environment, known_formats, &source.files.path);
    source.zone = options.parsed("timezone", Zone::parse);
    source.key = options.parsed_list("key", |text| KeyPlace::parse(text).map(|_| text.to_owned())).unwrap_or_default();
    for target in MAPPABLE {
        if let Some(places) = options.parsed_list(target, FieldPlace::parse).filter(|places| !places.is_empty()) {
            source.fields.push((target, places));
        }
    }
    source.trusted_proxies = options.parsed_list("trusted_proxies", network).unwrap_or_default();
    source.environment = options.parsed("environment", super::consumers::shown);
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

fn format(options: &Options<'_>, environment: &Environment<'_>, known_formats: &[String], files: &[String]) -> Choice {
    let given = options.only(&["format", "log_format", "log_format_from"]);
    let kind = options.parsed("log_format_kind", |name| {
        Syntax::parse(name).ok_or_else(|| {
            let known = Syntax::names().collect::<Vec<_>>().join("\", \"");
            format!("expected one of \"{known}\", found \"{name}\"")
        })
    });
    let name = options.text("log_format_name");
    for (key, of, there) in
        [("log_format_kind", "log_format", kind.is_some()), ("log_format_name", "log_format_from", name.is_some())]
    {
        let fits = given == Some(of) || (key == "log_format_kind" && given == Some("log_format_from"));
        if there && !fits {
            options.error(key, format!("\"{key}\" belongs to \"{of}\""), "which is not given", None);
        }
    }
    let choice = given.and_then(|key| match key {
        "log_format" => pasted_formats(options, kind, known_formats),
        "format" => named_format(options, options.text(key)?, known_formats),
        _ => format_from(options, environment, kind, name.as_deref(), files),
    });
    choice.unwrap_or(Choice::Auto)
}

/// The format that stands in the configuration of the server.
fn format_from(
    options: &Options<'_>,
    environment: &Environment<'_>,
    kind: Option<Syntax>,
    name: Option<&str>,
    files: &[String],
) -> Option<Choice> {
    let key = "log_format_from";
    let from = options.text(key)?;
    let (path, after) = from.split_once('#').map_or((from.as_str(), None), |(path, name)| (path, Some(name)));
    let path = environment.resolve(path);
    let found = servers::log_format(&path, name.or(after), files)
        .map_err(|(message, help)| options.error(key, message, "", Some(help)))
        .ok()?;
    let (syntax, text) = match &found {
        Choice::TemplateOf(syntax, text) => (kind.or(Some(*syntax)), text),
        Choice::Template(text) => (kind, text),
        _ => return Some(found),
    };
    if let Err(error) = Template::with_syntax(PASTED, syntax, text, Zone::UTC) {
        let help = format!("it stands in {}: {text}", path.display());
        options.error(key, format!("the log format cannot be used: {error}"), "", Some(help));
        return None;
    }
    Some(found)
}

/// One pasted format or several, among which names may stand.
fn pasted_formats(options: &Options<'_>, kind: Option<Syntax>, known_formats: &[String]) -> Option<Choice> {
    let key = "log_format";
    let texts = options.texts(key)?;
    if texts.is_empty() || texts.len() > MOST_FORMATS {
        let message = format!("\"{key}\" holds {} formats", texts.len());
        options.error(key, message, &format!("expected one to {MOST_FORMATS}"), None);
        return None;
    }
    let several = texts.len() > 1;
    let one = |(text, place): (String, Place)| {
        if text.trim().is_empty() {
            options.report().push(Diagnostic::error(format!("\"{key}\" is empty")).at(&place, ""));
            return None;
        }
        if let Choice::Named(name) = Choice::parse(&text)
            && several
        {
            if known_formats.contains(&name) {
                return Some(Choice::Named(name));
            }
            let help = crate::diag::suggest(&name, known_formats.iter().map(String::as_str));
            let message = format!("no format is called \"{name}\"");
            options.report().push(Diagnostic::error(message).at(&place, "").maybe_help(help));
            return None;
        }
        if let Err(error) = Template::with_syntax(PASTED, kind, &text, Zone::UTC) {
            report_format(options, key, &place, &text, error);
            return None;
        }
        Some(match kind {
            Some(kind) => Choice::TemplateOf(kind, text),
            None => Choice::Template(text),
        })
    };
    let mut formats: Vec<Choice> = texts.into_iter().filter_map(one).collect();
    if several { Some(Choice::AnyOf(formats)) } else { formats.pop() }
}

/// A format that cannot be compiled, with the place inside its text where that is written without escapes.
fn report_format(options: &Options<'_>, key: &str, place: &Place, text: &str, error: FormatError) {
    let raw = place.origin.text.get(place.span.clone()).and_then(|raw| raw.find(text));
    let span = match (raw, error.span) {
        (Some(at), Some(inner)) => {
            let start = place.span.start + at;
            start + inner.start..start + inner.end.max(inner.start)
        }
        _ => place.span.clone(),
    };
    let place = Place { origin: place.origin.clone(), span };
    options.report().push(Diagnostic::error(format!("\"{key}\" cannot be read: {}", error.message)).at(&place, ""));
}

fn named_format(options: &Options<'_>, name: String, known_formats: &[String]) -> Option<Choice> {
    if name == "auto" {
        return Some(Choice::Auto);
    }
    if known_formats.contains(&name) {
        return Some(Choice::Named(name));
    }
    let known = known_formats.iter().map(String::as_str).chain(["auto"]);
    let help = crate::diag::suggest(&name, known)
        .unwrap_or_else(|| "`lapwing formats` lists them; or paste a log_format".to_owned());
    options.error("format", format!("no format is called \"{name}\""), "", Some(help));
    None
}

/// A CIDR block, or one address.
/// A network, or one address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
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
    fn networks_say_what_was_expected() {
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert!(network("10.0.0.0/33").unwrap_err().contains("10.0.0.0/8"));
    }
}
