//! Templates: where they come from, what they may do, and how their errors point at file and line.
//!
//! The built-in ones lie in `alert-templates/` and inside the binary; a file of the same name in the user's directory
//! replaces the whole built-in one. Templates are bounded by fuel and know no files but each other. Names that do not
//! exist are errors, not blanks: a typing error shows when the daemon starts, not at night.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};

use super::{safe, words};
use crate::assets::{self, AssetError, Folder};
use crate::incident::Part;
use crate::time::Span;

/// What one rendering may do, in template instructions; the largest built-in template needs some 3,000.
const FUEL: u64 = 200_000;

/// Why templates cannot be used; its words name file and line.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A file in the user's directory cannot be read.
    #[error(transparent)]
    Unreadable(#[from] AssetError),
    /// What should be the user's directory is none.
    #[error("cannot read the templates in {path}: expected a directory", path = path.display())]
    NotDirectory {
        /// What was given.
        path: PathBuf,
    },
    /// A template is wrong, or does not work with a notice that will come one day.
    #[error("{origin}:{line}: {reason}")]
    Invalid {
        /// The file, or `built-in:alert-templates/…`.
        origin: String,
        /// Line in it, from 1.
        line: usize,
        /// What was found, and a suggestion where there is one.
        reason: String,
    },
}

/// All templates, compiled.
#[derive(Debug)]
pub(crate) struct Templates {
    environment: Environment<'static>,
    origins: BTreeMap<String, String>,
}

impl Templates {
    /// Reads and compiles all templates.
    ///
    /// # Errors
    /// A file that cannot be read, or a syntax error with its line.
    pub(crate) fn load(directory: Option<&Path>, currency: &str) -> Result<Self, TemplateError> {
        if let Some(path) = directory.filter(|d| !d.is_dir()) {
            return Err(TemplateError::NotDirectory { path: path.to_owned() });
        }
        let mut templates = Templates { environment: environment(currency), origins: BTreeMap::new() };
        for asset in assets::load(Folder::AlertTemplates, directory)? {
            let name = asset.file;
            templates.origins.insert(name.clone(), asset.origin);
            templates.environment.set_syntax(syntax(&name));
            if let Err(error) = templates.environment.add_template_owned(name.clone(), asset.text) {
                return Err(templates.error(&name, &error));
            }
        }
        Ok(templates)
    }

    /// Adds a template that no file holds; a file of its name wins.
    ///
    /// # Errors
    /// A syntax error with its line.
    pub(crate) fn add(&mut self, name: &str, origin: &str, text: String) -> Result<(), TemplateError> {
        if self.has(name) {
            return Ok(());
        }
        self.origins.insert(name.to_owned(), origin.to_owned());
        self.environment.set_syntax(syntax(name));
        self.environment.add_template_owned(name.to_owned(), text).map_err(|error| self.error(name, &error))
    }

    /// Whether there is a template of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.origins.contains_key(name)
    }

    /// All names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.origins.keys().map(String::as_str)
    }

    /// The whole template as text.
    pub(crate) fn render(&self, name: &str, context: &Value) -> Result<String, TemplateError> {
        let template = self.environment.get_template(name).map_err(|e| self.error(name, &e))?;
        template.render(context.clone()).map_err(|e| self.error(name, &e))
    }

    /// Some blocks of a template, each as text.
    pub(crate) fn blocks<const N: usize>(
        &self,
        name: &str,
        context: &Value,
        blocks: [&str; N],
    ) -> Result<[String; N], TemplateError> {
        let wrong = |e: Error| self.error(name, &e);
        let template = self.environment.get_template(name).map_err(wrong)?;
        let mut captured = template.render_captured(context.clone()).map_err(wrong)?;
        let mut out = [const { String::new() }; N];
        for (text, block) in out.iter_mut().zip(blocks) {
            *text = captured.with_state_mut(|state| state.render_block(block)).map_err(wrong)?;
        }
        Ok(out)
    }

    /// An error about a template that renders, but not to what it should.
    pub(crate) fn refuse(&self, name: &str, reason: impl Into<String>) -> TemplateError {
        TemplateError::Invalid { origin: self.origin(name), line: 1, reason: reason.into() }
    }

    fn origin(&self, name: &str) -> String {
        self.origins.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// The innermost place that minijinja knows of, in words.
    fn error(&self, name: &str, error: &Error) -> TemplateError {
        let mut innermost = error;
        let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(cause) = next {
            if let Some(e) = cause.downcast_ref::<Error>().filter(|e| e.line().is_some()) {
                innermost = e;
            }
            next = cause.source();
        }
        let reason = match (innermost.kind(), innermost.detail()) {
            (minijinja::ErrorKind::UndefinedError, detail) => format!(
                "this name does not exist{}; alert-templates/README.md lists the names there are",
                detail.map_or(String::new(), |d| format!(" ({d})"))
            ),
            (minijinja::ErrorKind::OutOfFuel, _) => {
                "this template does too much work; expected fewer or shorter loops".to_owned()
            }
            (kind, Some(detail)) => format!("{kind}: {detail}"),
            (kind, None) => kind.to_string(),
        };
        TemplateError::Invalid {
            origin: self.origin(innermost.name().unwrap_or(name)),
            line: innermost.line().unwrap_or(1),
            reason,
        }
    }
}

/// In layouts, tags on a line of their own leave no blank line behind. In words every line end counts: as a space.
fn syntax(name: &str) -> SyntaxConfig {
    let layout = !name.starts_with("words/");
    let syntax = SyntaxConfig::builder().trim_blocks(layout).lstrip_blocks(layout).build();
    // The delimiters are the usual ones, which always build.
    syntax.unwrap_or_default()
}

/// What templates can call: the words for numbers and the safe forms of texts.
fn environment(currency: &str) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(40);
    environment.set_debug(true);
    environment.set_auto_escape_callback(|name| match name {
        n if n.ends_with(".json.j2") => AutoEscape::Json,
        n if n.ends_with(".html.j2") => AutoEscape::Html,
        _ => AutoEscape::None,
    });
    // As minijinja does it, but with our escapes: readable source where the text is harmless.
    environment.set_formatter(|out, state, value| match state.auto_escape() {
        AutoEscape::Html if !value.is_safe() => Ok(out.write_str(&safe::html(&value.to_string()))?),
        _ => minijinja::escape_formatter(out, state, value),
    });

    let span = |seconds: f64| Span::from_millis((seconds * 1000.0) as i64);
    environment.add_filter("count", words::count);
    environment.add_filter("about", words::about);
    environment.add_filter("rate", words::rate);
    environment.add_filter("times", words::times);
    environment.add_filter("percent", words::percent);
    environment.add_filter("seconds", move |seconds: f64| words::latency(span(seconds)));
    environment.add_filter("duration", move |seconds: f64| words::duration(span(seconds)));
    environment.add_filter("every", move |seconds: f64| words::every(span(seconds)));
    environment.add_filter("measured", |value: f64, unit: String| words::measured(value, &unit));
    environment.add_filter("usual", |value: f64, unit: String| words::usual(value, &unit));
    environment.add_filter("plural", |n: f64, one: String, many: String| words::plural(n, &one, &many));
    environment.add_filter("harm", |detector: String| words::harm(&detector));
    environment.add_filter("capital", |text: String| words::capital(&text));
    environment.add_filter("list", |names: Vec<String>, shown: usize| words::list(&names, shown));
    environment.add_filter("parts", |parts: Serde<Vec<Part>>, shown: usize| parts_list(&parts, shown));
    environment.add_filter("list_names", |parts: Serde<Vec<Part>>, shown: usize| {
        let names: Vec<&str> = parts.iter().map(|p| p.name.as_str()).collect();
        in_a_row(&parts, &names, shown)
    });
    environment.add_filter("requests", words::requests);
    environment.add_filter("of_requests", words::of_requests);
    environment.add_filter("clip", |text: String, max: usize| safe::clip(&text, max));
    environment.add_filter("wrap", |text: String, width: usize, indent: Option<usize>| {
        safe::wrap(&text, width, indent.unwrap_or(0))
    });
    environment.add_filter("slack", |text: String, max: Option<usize>| {
        let text = safe::slack(&text);
        max.map_or_else(|| text.clone(), |max| safe::clip_end(&text, max))
    });
    let currency = currency.to_owned();
    environment.add_filter("money", move |amount: f64| words::money(amount, &currency));
    environment
}

/// Names with their shares where these say something: `/v1/orders (82 %), /v1/users (9 %) and 3 more`.
pub(crate) fn parts_list(parts: &[Part], shown: usize) -> String {
    let telling = parts.first().is_some_and(|p| (0.1..0.995).contains(&p.share));
    let names: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(i, p)| {
            let share = telling && p.share >= 0.01 && i < shown;
            if share { format!("{} ({})", p.name, words::percent(p.share)) } else { p.name.clone() }
        })
        .collect();
    in_a_row(parts, &names, shown)
}

/// Names of parts in a row. Parts are the largest few; where their shares leave a rest, how many more there are is not
/// known.
fn in_a_row<S: AsRef<str>>(parts: &[Part], names: &[S], shown: usize) -> String {
    let rest = 1.0 - parts.iter().map(|p| p.share).sum::<f64>();
    if parts.len() > shown && rest > 0.01 { words::list_of_many(names, shown) } else { words::list(names, shown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, text: &str) -> (tempfile::TempDir, Result<Templates, TemplateError>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        let templates = Templates::load(Some(directory.path()), "USD");
        (directory, templates)
    }

    #[test]
    fn syntax_errors_name_file_and_line() {
        let (directory, templates) = with("words/burst.txt", "one\n{% if %}\n");
        let error = templates.unwrap_err().to_string();
        let expected = format!("{}:2: ", directory.path().join("words/burst.txt").display());
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn a_name_that_does_not_exist_is_an_error_with_its_line() {
        let (_directory, templates) = with("words/mine.txt", "one\ntwo {{ nonsense }}\n");
        let error = templates.unwrap().render("words/mine.txt", &Value::from(Serde(()))).unwrap_err().to_string();
        assert!(error.contains("words/mine.txt:2: this name does not exist"), "{error}");
    }

    #[test]
    fn endless_work_is_stopped() {
        let (_directory, templates) = with(
            "words/mine.txt",
            "{% for i in range(9999) %}{% for j in range(9999) %}{{ i + j }}{% endfor %}{% endfor %}",
        );
        let error = templates.unwrap().render("words/mine.txt", &Value::from(Serde(()))).unwrap_err().to_string();
        assert!(error.contains("too much work"), "{error}");
    }

    #[test]
    fn a_file_of_the_user_replaces_the_built_in_one_and_others_stay() {
        let (_directory, templates) = with("words/other.txt", "mine");
        let templates = templates.unwrap();
        assert_eq!(templates.render("words/other.txt", &Value::from(Serde(()))).unwrap(), "mine");
        assert!(templates.has("words/burst.txt") && templates.has("slack.json.j2"));
    }

    #[test]
    fn what_is_no_template_file_is_refused_in_words() {
        let (_directory, templates) = with("words/burst.txt", &"x".repeat(300 * 1024));
        assert!(templates.unwrap_err().to_string().contains("at most 256 KiB"));
        assert!(Templates::load(Some(Path::new("/nonexistent")), "USD").unwrap_err().to_string().contains("directory"));
    }
}
