//! The formats that are known: the files of `parsers/`, and those of a directory on disk that replace or join them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::dialect::Syntax;
use super::field::Unit;
use super::fields::Context;
use super::json::Json;
use super::role::{Known, Role};
use super::template::{Override, Template};
use super::{Format, Record};
use crate::assets::{self, Asset, Folder};
use crate::time::{Timestamp, Zone};

/// Ranks of paths that a format file maps; those of usual names come after them.
pub(super) const MAPPED_RANKS: u8 = 64;

/// Every known format, by name.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One format file, compiled.
#[derive(Debug)]
pub struct Entry {
    /// The name in `format = "..."`.
    pub name: String,
    /// One sentence for `lapwing formats`.
    pub description: String,
    /// Where it comes from: `built-in:parsers/combined.toml` or a path.
    pub origin: String,
    /// The format file as it was written, for `lapwing formats show`.
    pub text: String,
    /// Lines that the format must take, with what they say.
    pub samples: Vec<Sample>,
    compiled: Compiled,
    /// The format states its own zone, which the source's does not replace.
    own_zone: Option<Zone>,
}

/// A line with the fields that must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The line.
    pub line: String,
    /// Field names of [`Record::field`] and their values; `""` in quotes where nothing may be read is written `"-"`.
    #[serde(default)]
    pub expect: BTreeMap<String, toml::Value>,
}

/// A format file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {message}")]
pub struct FileError {
    /// Which file: `built-in:parsers/combined.toml` or a path.
    pub origin: String,
    /// The file's content, for drawing the line; empty where it could not be read.
    pub text: String,
    /// What was expected, what was found, what to do.
    pub message: String,
    /// Where in the file, in bytes.
    pub span: Option<Range<usize>>,
}

#[derive(Debug)]
enum Compiled {
    Template(Arc<Template>),
    Json(Arc<Json>),
}

/// A format file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<Spanned<String>>,
    #[serde(default)]
    description: String,
    kind: Spanned<String>,
    log_format: Option<Spanned<String>>,
    zone: Option<Spanned<String>>,
    /// What ends a header of syslog or a container runtime before the line, where there is one.
    header_end: Option<String>,
    #[serde(default)]
    fields: BTreeMap<Spanned<String>, Spanned<Paths>>,
    #[serde(default)]
    units: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    require: Vec<String>,
    #[serde(default)]
    samples: Vec<Sample>,
}

/// What is wrong, and where in the file.
type Wrong = (String, Range<usize>);

/// One path or several, the best first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Paths {
    One(String),
    Many(Vec<String>),
}

impl Registry {
    /// The formats inside the binary.
    ///
    /// # Errors
    /// None in a binary whose tests passed: every built-in file is compiled there.
    pub fn built_in() -> Result<Registry, FileError> {
        Registry::load(None)
    }

    /// The formats inside the binary, replaced and joined by the `*.toml` files of a directory.
    ///
    /// # Errors
    /// [`FileError`] with the place in the file that cannot be used.
    pub fn with_dir(directory: &Path) -> Result<Registry, FileError> {
        Registry::load(Some(directory))
    }

    fn load(directory: Option<&Path>) -> Result<Registry, FileError> {
        let files = assets::load(Folder::Parsers, directory).map_err(|e| FileError {
            origin: directory.map(|d| d.display().to_string()).unwrap_or_default(),
            text: String::new(),
            message: e.to_string(),
            span: None,
        })?;
        let mut entries: Vec<Entry> = Vec::with_capacity(files.len());
        for file in files {
            let entry = Entry::compile(&file)?;
            // A file on disk may take the name of a built-in format under another file name: it wins as well.
            entries.retain(|old| old.name != entry.name);
            entries.push(entry);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Registry { entries })
    }

    /// A format by its name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// All formats, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The known name that looks most like one that is not known.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        let wanted = name.to_lowercase();
        let distance = |entry: &&Entry| distance(&wanted, &entry.name);
        let contained = self
            .entries
            .iter()
            .find(|entry| !wanted.is_empty() && (entry.name.contains(&wanted) || wanted.contains(&entry.name)));
        let nearest = self.entries.iter().min_by_key(distance).filter(|entry| distance(entry) <= 1 + wanted.len() / 3);
        nearest.or(contained).map(|entry| entry.name.as_str())
    }
}

impl Entry {
    /// Compiles a format file.
    ///
    /// # Errors
    /// [`FileError`] with the place in the file.
    pub fn compile(asset: &Asset) -> Result<Entry, FileError> {
        let failed = |message: String, span: Option<Range<usize>>| FileError {
            origin: asset.origin.clone(),
            text: asset.text.clone(),
            message,
            span,
        };
        let file: File = toml::from_str(&asset.text).map_err(|e| failed(e.message().to_owned(), e.span()))?;
        let name = file.name.as_ref().map_or_else(|| asset.stem().to_owned(), |name| name.get_ref().clone());
        let zone = match &file.zone {
            Some(zone) => Zone::parse(zone.get_ref()).map_err(|message| failed(message, Some(zone.span())))?,
            None => Zone::Local,
        };
        let fields = file.mapping().map_err(|(message, span)| failed(message, Some(span)))?;
        let syntax = match (file.kind.get_ref().as_str(), Syntax::parse(file.kind.get_ref())) {
            ("json", _) => None,
            (_, Some(syntax)) => Some(syntax),
            (other, None) => {
                let known = Syntax::names().collect::<Vec<_>>().join("\", \"");
                let message = format!("expected kind = \"json\" or one of \"{known}\", found \"{other}\"");
                return Err(failed(message, Some(file.kind.span())));
            }
        };
        let compiled = match (syntax, &file.log_format) {
            (None, None) => Compiled::Json(Arc::new(Json::new(&name, fields, &file.require, zone))),
            (None, Some(text)) => {
                return Err(failed("a JSON format has [fields], no log_format".to_owned(), Some(text.span())));
            }
            (Some(_), None) => {
                let message = "expected log_format = '...' as it stands in the server's configuration".to_owned();
                return Err(failed(message, Some(file.kind.span())));
            }
            (Some(syntax), Some(text)) => {
                let overrides: Vec<Override> =
                    fields.into_iter().map(|(name, known)| Override { name, known }).collect();
                let template = Template::compile(&name, syntax, text.get_ref(), &overrides, zone);
                let template = template.map_err(|e| failed(e.message, Some(place(&asset.text, text, e.span))))?;
                Compiled::Template(Arc::new(template.behind_header(file.header_end.as_deref().unwrap_or_default())))
            }
        };
        Ok(Entry {
            name,
            description: file.description,
            origin: asset.origin.clone(),
            text: asset.text.clone(),
            samples: file.samples,
            compiled,
            own_zone: file.zone.is_some().then_some(zone),
        })
    }

    /// The format, compiled. Times without zone are read in the format's own, or in the system's.
    pub fn format(&self) -> Arc<dyn Format> {
        match &self.compiled {
            Compiled::Template(template) => template.clone(),
            Compiled::Json(json) => json.clone(),
        }
    }

    /// The format for one source; a zone that the format states goes before the source's.
    pub fn format_within(&self, context: &Context) -> Arc<dyn Format> {
        let own;
        let context = match self.own_zone {
            Some(zone) => {
                own = context.in_zone(zone);
                &own
            }
            None => context,
        };
        match &self.compiled {
            Compiled::Template(template) => Arc::new(template.within(context)),
            Compiled::Json(json) => Arc::new(json.within(context)),
        }
    }

    /// How much a line must look like this format to fit it: of two formats that fit, the higher one says more.
    pub fn specificity(&self) -> u32 {
        match &self.compiled {
            Compiled::Template(template) => template.specificity(),
            Compiled::Json(json) => json.specificity(),
        }
    }

    /// What is not wrong but will make lines ambiguous or forgeable.
    pub fn warnings(&self) -> &[String] {
        self.template().map_or(&[], Template::warnings)
    }

    /// The compiled template; `None` of a JSON format.
    pub fn template(&self) -> Option<&Template> {
        match &self.compiled {
            Compiled::Template(template) => Some(template),
            Compiled::Json(_) => None,
        }
    }

    /// Reads every sample and compares: what differs, in words.
    pub fn check_samples(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.samples.is_empty() {
            wrong.push(format!("{}: no [[samples]]: a format without a line that proves it is refused", self.origin));
        }
        let format = self.format();
        for sample in &self.samples {
            match format.parse(sample.line.as_bytes()) {
                Err(reject) => {
                    wrong
                        .push(format!("{}: column {}: {}: {}", self.origin, reject.column, reject.reason, sample.line));
                }
                Ok(record) => {
                    for (field, expected) in &sample.expect {
                        let found = record
                            .field(field)
                            .map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(&v).into_owned());
                        if !same(field, &found, expected) {
                            wrong.push(format!(
                                "{}: {field}: expected {expected}, found {found}: {}",
                                self.origin, sample.line
                            ));
                        }
                    }
                    if sample.expect.is_empty() {
                        wrong.push(format!("{}: a sample without expect proves little: {}", self.origin, sample.line));
                    }
                }
            }
        }
        wrong
    }
}

/// Compares what a record says with what a format file expects.
fn same(field: &str, found: &str, expected: &toml::Value) -> bool {
    match expected {
        toml::Value::Integer(n) => found == n.to_string(),
        toml::Value::Float(n) => found.parse::<f64>().is_ok_and(|f| (f - n).abs() < 1e-9),
        toml::Value::String(text) if field == "time" => {
            Timestamp::parse(text).is_some_and(|t| t.to_rfc3339_millis() == found)
        }
        toml::Value::String(text) => found == text,
        _ => false,
    }
}

impl File {
    /// `[fields]` and `[units]` to meanings by path.
    fn mapping(&self) -> Result<Vec<(String, Known)>, Wrong> {
        let mut mapping = Vec::new();
        for (name, paths) in &self.fields {
            let role = Role::parse(name.get_ref()).ok_or_else(|| {
                let known: Vec<&str> = Role::names().collect();
                (format!("expected one of {}, found \"{}\"", known.join(", "), name.get_ref()), name.span())
            })?;
            let unit = self.unit(name.get_ref())?;
            let paths = match paths.get_ref() {
                Paths::One(path) => std::slice::from_ref(path),
                Paths::Many(paths) => paths,
            };
            for (rank, path) in paths.iter().enumerate() {
                mapping.push((path.clone(), Known { role, rank: rank.min(usize::from(MAPPED_RANKS) - 1) as u8, unit }));
            }
        }
        if let Some((name, _)) = self.units.iter().find(|(name, _)| !self.fields.contains_key(*name)) {
            return Err((format!("[fields] has no {} for this unit", name.get_ref()), name.span()));
        }
        Ok(mapping)
    }

    fn unit(&self, field: &str) -> Result<Unit, Wrong> {
        let Some((_, unit)) = self.units.iter().find(|(name, _)| name.get_ref() == field) else {
            return Ok(Unit::Guess);
        };
        Unit::parse(unit.get_ref()).ok_or_else(|| {
            (format!("expected \"s\", \"ms\", \"us\" or \"ns\", found \"{}\"", unit.get_ref()), unit.span())
        })
    }
}

/// The place of an error inside `log_format` as a place in the file. Exact where the text is written without escapes.
fn place(file: &str, text: &Spanned<String>, inner: Option<Range<usize>>) -> Range<usize> {
    let whole = text.span();
    let (Some(inner), Some(at)) = (inner, file.get(whole.clone()).and_then(|raw| raw.find(text.get_ref().as_str())))
    else {
        return whole;
    };
    whole.start + at + inner.start..whole.start + at + inner.end
}

/// How many letters must be changed, added or taken away: Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let change = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = change.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

impl Record<'_> {
    /// A field by its name as events and format files have it (`client`, `status`, ...), or an extra field by its own;
    /// numbers as decimals, the time as RFC 3339.
    pub fn field(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
        use std::borrow::Cow;
        fn text<'a>(value: Option<&'a super::Value<'_>>) -> Option<Cow<'a, [u8]>> {
            value.map(|v| Cow::Borrowed(&**v))
        }
        fn number<'a, N: ToString>(value: Option<N>) -> Option<Cow<'a, [u8]>> {
            value.map(|n| Cow::Owned(n.to_string().into_bytes()))
        }
        match name {
            "time" => Some(Cow::Owned(self.time.to_rfc3339_millis().into_bytes())),
            "client" => text(self.client.as_ref()),
            "forwarded_for" => text(self.forwarded_for.as_ref()),
            "user" => text(self.user.as_ref()),
            "consumer" => text(self.consumer.as_ref()),
            "api_key" => text(self.api_key.as_ref()),
            "method" => text(self.method.as_ref()),
            "target" => text(self.target.as_ref()),
            "protocol" => text(self.protocol.as_ref()),
            "odd_request" => text(self.odd_request.as_ref()),
            "referer" => text(self.referer.as_ref()),
            "user_agent" => text(self.user_agent.as_ref()),
            "host" => text(self.host.as_ref()),
            "request_id" => text(self.request_id.as_ref()),
            "body_digest" => text(self.body_digest.as_ref()),
            "model" => text(self.model.as_ref()),
            "country" => text(self.country.as_ref()),
            "status" => number(self.status),
            "bytes_out" => number(self.bytes_out),
            "bytes_in" => number(self.bytes_in),
            "tokens_in" => number(self.tokens_in),
            "tokens_out" => number(self.tokens_out),
            "duration" => number(self.duration),
            "cost" => number(self.cost),
            other => text(self.extra.iter().find(|(extra, _)| *extra == other).map(|(_, value)| value)),
        }
    }
}
