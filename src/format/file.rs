//! A format file: what may stand in it, and how it becomes a format.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::Format;
use super::dialect::Syntax;
use super::family::Family;
use super::field::Unit;
use super::fields::Context;
use super::json::Json;
use super::role::{Known, Role};
use super::template::{FormatError, Override, Template};
use super::w3c::W3c;
use crate::assets::Asset;
use crate::time::Zone;

/// Ranks of paths that a format file maps; those of usual names come after them.
pub(super) const MAPPED_RANKS: u8 = 64;
/// Variants of one format.
const VARIANTS: usize = 32;

/// A line with the fields that must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Lines that must have come before: `#Fields` of a W3C log.
    #[serde(default)]
    pub before: Vec<String>,
    /// The line.
    pub line: String,
    /// Field names of [`super::Record::field`] and their values; `""` in quotes where nothing may be read is written
    /// `"-"`.
    #[serde(default)]
    pub expect: BTreeMap<String, toml::Value>,
    /// The line is understood, but is no request: the reason in words, as [`super::Reason::as_str`] has them.
    pub rejected: Option<String>,
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

/// A format of any kind, compiled.
#[derive(Debug)]
pub(super) enum Compiled {
    Template(Arc<Template>),
    Family(Arc<Family>),
    Json(Arc<Json>),
    W3c(Arc<W3c>),
}

/// A format file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    #[serde(default)]
    pub(super) description: String,
    kind: Spanned<String>,
    log_format: Option<Spanned<Texts>>,
    zone: Option<Spanned<String>>,
    /// What ends a header before the line, where there is one.
    header_end: Option<String>,
    #[serde(default)]
    fields: BTreeMap<Spanned<String>, Spanned<Texts>>,
    #[serde(default)]
    units: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    require: Vec<String>,
    /// Formats of lines beside those about requests.
    #[serde(default)]
    not_http: Vec<Spanned<String>>,
    /// The lines do not say when.
    #[serde(default)]
    timeless: bool,
    /// Fields that together are the time a request took, in seconds.
    #[serde(default)]
    phases: Vec<String>,
    /// Statuses that are written as words.
    #[serde(default)]
    statuses: BTreeMap<String, u16>,
    #[serde(default)]
    pub(super) samples: Vec<Sample>,
}

/// What is wrong, and where in the file.
pub(super) type Wrong = (String, Option<Range<usize>>);

/// One text or several, the best first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Texts {
    fn as_slice(&self) -> &[String] {
        match self {
            Texts::One(text) => std::slice::from_ref(text),
            Texts::Many(texts) => texts,
        }
    }
}

impl Compiled {
    /// As it was compiled. A W3C format comes as for a log of which nothing is known yet.
    pub(super) fn format(&self) -> Arc<dyn Format> {
        match self {
            Compiled::Template(template) => template.clone(),
            Compiled::Family(family) => family.clone(),
            Compiled::Json(json) => json.clone(),
            Compiled::W3c(w3c) => Arc::new(w3c.anew()),
        }
    }

    /// For one source.
    pub(super) fn format_within(&self, context: &Context) -> Arc<dyn Format> {
        match self {
            Compiled::Template(template) => Arc::new(template.within(context)),
            Compiled::Family(family) => Arc::new(family.within(context)),
            Compiled::Json(json) => Arc::new(json.within(context)),
            Compiled::W3c(w3c) => Arc::new(w3c.within(context)),
        }
    }
}

impl File {
    /// Reads a format file.
    pub(super) fn parse(asset: &Asset) -> Result<File, Wrong> {
        toml::from_str(&asset.text).map_err(|e| (e.message().to_owned(), e.span()))
    }

    /// The zone that it states.
    pub(super) fn zone(&self) -> Result<Option<Zone>, Wrong> {
        let read = |zone: &Spanned<String>| Zone::parse(zone.get_ref()).map_err(|message| (message, Some(zone.span())));
        self.zone.as_ref().map(read).transpose()
    }

    /// Compiles what it describes.
    pub(super) fn compile(&self, name: &str, zone: Zone, asset: &Asset) -> Result<Compiled, Wrong> {
        let at = |message: &str, span: Range<usize>| (message.to_owned(), Some(span));
        let fields = self.mapping()?;
        let texts = self.log_format.as_ref().map(|texts| texts.get_ref().as_slice());
        let kind = self.kind.get_ref().as_str();
        match (kind, texts, Syntax::parse(kind)) {
            ("json", None, _) => {
                let json = Json::new(name, fields, &self.require, zone).with_statuses(&self.statuses);
                Ok(Compiled::Json(Arc::new(json)))
            }
            ("json", Some(_), _) => {
                let span = self.log_format.as_ref().map_or(0..0, Spanned::span);
                Err(at("a JSON format has [fields], no log_format", span))
            }
            ("w3c", texts, _) => {
                let w3c = W3c::new(name, texts.unwrap_or_default(), fields, &self.require, zone);
                Ok(Compiled::W3c(Arc::new(w3c)))
            }
            (_, None | Some([]), Some(_)) => {
                let message = "expected log_format = '...' as it stands in the server's configuration";
                Err(at(message, self.kind.span()))
            }
            (_, Some(texts), Some(syntax)) => self.templates(name, syntax, texts, fields, zone, asset),
            (other, _, None) => {
                let known = Syntax::names().collect::<Vec<_>>().join("\", \"");
                let message = format!("expected kind = \"json\", \"w3c\" or one of \"{known}\", found \"{other}\"");
                Err((message, Some(self.kind.span())))
            }
        }
    }

    fn templates(
        &self,
        name: &str,
        syntax: Syntax,
        texts: &[String],
        fields: Vec<(String, Known)>,
        zone: Zone,
        asset: &Asset,
    ) -> Result<Compiled, Wrong> {
        let overrides: Vec<Override> = fields.into_iter().map(|(name, known)| Override { name, known }).collect();
        let whole = self.log_format.as_ref().map_or(0..0, Spanned::span);
        let wrong = |e: FormatError, text: &str| (e.message, Some(place(&asset.text, whole.clone(), text, e.span)));
        let end = self.header_end.as_deref().unwrap_or_default();
        if texts.len() > VARIANTS {
            return Err((format!("at most {VARIANTS} variants are taken, found {}", texts.len()), Some(whole)));
        }
        if let ([text], [], [], false) = (texts, &*self.not_http, &*self.phases, self.timeless) {
            let template = Template::compile(name, syntax, text, &overrides, zone).map_err(|e| wrong(e, text))?;
            return Ok(Compiled::Template(Arc::new(template.behind_header(end))));
        }
        let mut variants = Vec::with_capacity(texts.len());
        let mut absent: Option<Vec<String>> = None;
        for text in texts {
            let (template, missing) =
                Template::compile_any(name, syntax, text, &overrides, zone).map_err(|e| wrong(e, text))?;
            template.check_variant(text, self.timeless).map_err(|e| wrong(e, text))?;
            absent = Some(match absent {
                None => missing,
                Some(before) => before.into_iter().filter(|name| missing.contains(name)).collect(),
            });
            variants.push(template.behind_header(end));
        }
        if let Some(name) = absent.unwrap_or_default().first() {
            return Err((format!("the format has no variable \"{name}\""), Some(whole)));
        }
        let other = |text: &Spanned<String>| {
            Template::compile_any(name, syntax, text.get_ref(), &[], zone)
                .map(|(template, _)| template)
                .map_err(|e| (e.message, Some(text.span())))
        };
        let others = self.not_http.iter().map(other).collect::<Result<Vec<_>, _>>()?;
        let family = Family::new(name, variants, others, self.phases.clone(), self.timeless);
        Ok(Compiled::Family(Arc::new(family)))
    }

    /// `[fields]` and `[units]` to meanings by path.
    fn mapping(&self) -> Result<Vec<(String, Known)>, Wrong> {
        let mut mapping = Vec::new();
        for (name, paths) in &self.fields {
            let role = Role::parse(name.get_ref()).ok_or_else(|| {
                let known: Vec<&str> = Role::names().collect();
                (format!("expected one of {}, found \"{}\"", known.join(", "), name.get_ref()), Some(name.span()))
            })?;
            let unit = self.unit(name.get_ref())?;
            for (rank, path) in paths.get_ref().as_slice().iter().enumerate() {
                mapping.push((path.clone(), Known { role, rank: rank.min(usize::from(MAPPED_RANKS) - 1) as u8, unit }));
            }
        }
        if let Some((name, _)) = self.units.iter().find(|(name, _)| !self.fields.contains_key(*name)) {
            return Err((format!("[fields] has no {} for this unit", name.get_ref()), Some(name.span())));
        }
        Ok(mapping)
    }

    fn unit(&self, field: &str) -> Result<Unit, Wrong> {
        let Some((_, unit)) = self.units.iter().find(|(name, _)| name.get_ref() == field) else {
            return Ok(Unit::Guess);
        };
        Unit::parse(unit.get_ref()).ok_or_else(|| {
            (format!("expected \"s\", \"ms\", \"us\" or \"ns\", found \"{}\"", unit.get_ref()), Some(unit.span()))
        })
    }
}

/// The place of an error inside one text of `log_format` as a place in the file. Exact where the text is written without
/// escapes.
fn place(file: &str, whole: Range<usize>, text: &str, inner: Option<Range<usize>>) -> Range<usize> {
    let (Some(inner), Some(at)) = (inner, file.get(whole.clone()).and_then(|raw| raw.find(text))) else {
        return whole;
    };
    whole.start + at + inner.start..whole.start + at + inner.end
}
