//! The renderer: changes to notices, notices to messages. Made once with checked templates; after that it never fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use minijinja::value::{Serde, Value};
use serde::Serialize;
use serde_json::Value as Json;

use super::email::{Email, EmailSettings};
use super::layout::{Layout, layout};
use super::template::{TemplateError, Templates};
use super::terminal::{Ink, Style, ink};
use super::{Note, Notice, Whose, compose, email, rule_words, safe, sample, slack, webhook};
use crate::event::SubjectKind;
use crate::incident::{Change, Incident};
use crate::rule::words::Words;
use crate::time::{Timestamp, Zone};

/// A key that makes this share of an incident answers for it.
const MOST: f64 = 0.5;

/// How notices are worded.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    /// The zone in which times are told.
    pub zone: Zone,
    /// ISO 4217 code of all costs; empty means USD.
    pub currency: String,
    /// A directory whose files replace the built-in templates of the same name.
    pub templates: Option<PathBuf>,
    /// The users' own rules, each with the detector that its notices name, and its words.
    pub rules: Vec<(String, String, Words)>,
    /// Who the keys belong to, by the names that notices show.
    pub consumers: Arc<BTreeMap<String, Whose>>,
}

/// Makes notices and messages.
#[derive(Debug)]
pub struct Renderer {
    templates: Templates,
    settings: Settings,
}

/// A layout with what a single receiver adds to it.
#[derive(Serialize)]
struct OnTerminal<'a, T> {
    #[serde(flatten)]
    content: &'a T,
    width: usize,
    ink: Ink,
}

#[derive(Serialize)]
struct NoteView<'a> {
    title: &'a str,
    body: &'a str,
    items: &'a [String],
    footer: &'static str,
}

impl Renderer {
    /// Reads all templates, and tries each with a sample of every notice if some are the user's own. (The built-in ones are
    /// tried by a test: it takes a tenth of a second, as long as counting millions of lines.)
    ///
    /// # Errors
    /// The first template that cannot be read or would not work, with file and line.
    pub fn new(settings: &Settings) -> Result<Self, TemplateError> {
        let mut templates = Templates::load(settings.templates.as_deref(), &settings.currency)?;
        for (rule, detector, words) in &settings.rules {
            let own = format!("words/{detector}.txt");
            let base = if rule != detector && templates.has(&own) { own.as_str() } else { "words/rule.txt" };
            let text = rule_words::template(base, words);
            templates.add(&format!("words/{rule}.txt"), &format!("rule:{rule}"), text)?;
        }
        let renderer = Renderer { templates, settings: settings.clone() };
        if settings.templates.is_some() {
            renderer.check()?;
        }
        Ok(renderer)
    }

    /// The notice of a change.
    pub fn compose(&self, change: &Change) -> Notice {
        compose::notice(&self.templates, change, self.whose(&change.incident), self.settings.zone)
    }

    /// Who an incident's key belongs to: of its subject, or of the key that makes most of it.
    fn whose(&self, incident: &Incident) -> Option<&Whose> {
        if incident.subject.kind == SubjectKind::Key {
            return self.settings.consumers.get(&incident.subject.name);
        }
        let most = incident.parts.keys.first().filter(|key| key.share >= MOST)?;
        self.settings.consumers.get(&most.name)
    }

    /// One opening of each detector that has a sample (or of `detector` only), as of `at` and marked as drills.
    pub fn drills(&self, detector: Option<&str>, at: Timestamp) -> Vec<Notice> {
        sample::detectors()
            .iter()
            .filter(|name| detector.is_none_or(|wanted| wanted == name.as_str()))
            .filter_map(|name| sample::drill(name, at))
            .map(|change| Notice { drill: true, ..self.compose(&change) })
            .collect()
    }

    /// A Slack message with blocks.
    pub fn slack(&self, notice: &Notice) -> Json {
        self.try_slack(notice).unwrap_or_else(|_| self.slack_plain(notice))
    }

    /// A Slack message without blocks, for when Slack refuses them.
    pub fn slack_plain(&self, notice: &Notice) -> Json {
        slack::plain(&plain(&layout(notice, &self.settings)))
    }

    /// A mail.
    pub fn email(&self, notice: &Notice, settings: &EmailSettings) -> Email {
        let layout = layout(notice, &self.settings);
        let bodies = self.bodies("email", &layout).unwrap_or_else(|_| plain_bodies(&plain(&layout)));
        let topic = compose::topic(&self.templates, notice, self.settings.zone);
        email::of_notice(notice, &topic, &layout, bodies, settings)
    }

    /// The notice as one line of JSON.
    pub fn webhook(&self, notice: &Notice) -> String {
        webhook::notice(notice)
    }

    /// A block of lines for the terminal, without a line feed at its end.
    pub fn terminal(&self, notice: &Notice, style: Style) -> String {
        let layout = layout(notice, &self.settings);
        self.try_terminal(&layout, style).unwrap_or_else(|_| plain(&layout))
    }

    /// Many notices as one Slack message.
    pub fn digest_slack(&self, notices: &[Notice]) -> Json {
        self.note_slack(&Note::digest(notices))
    }

    /// The same without blocks.
    pub fn digest_slack_plain(&self, notices: &[Notice]) -> Json {
        self.note_slack_plain(&Note::digest(notices))
    }

    /// Many notices as one mail.
    pub fn digest_email(&self, notices: &[Notice], settings: &EmailSettings) -> Email {
        self.note_email(&Note::digest(notices), settings)
    }

    /// Many notices as one line of JSON.
    pub fn digest_webhook(&self, notices: &[Notice]) -> String {
        webhook::digest(&Note::digest(notices), notices)
    }

    /// Many notices as lines for the terminal.
    pub fn digest_terminal(&self, notices: &[Notice], style: Style) -> String {
        self.note_terminal(&Note::digest(notices), style)
    }

    /// A note as a Slack message.
    pub fn note_slack(&self, note: &Note) -> Json {
        self.try_note_slack(note).unwrap_or_else(|_| self.note_slack_plain(note))
    }

    /// The same without blocks.
    pub fn note_slack_plain(&self, note: &Note) -> Json {
        slack::plain(&note.clean().text())
    }

    /// A note as a mail.
    pub fn note_email(&self, note: &Note, settings: &EmailSettings) -> Email {
        let note = note.clean();
        let bodies = self.bodies("email-note", &view(&note)).unwrap_or_else(|_| plain_bodies(&note.text()));
        email::of_note(&note, bodies, settings)
    }

    /// A note as one line of JSON.
    pub fn note_webhook(&self, note: &Note) -> String {
        webhook::note(note)
    }

    /// A note as lines for the terminal.
    pub fn note_terminal(&self, note: &Note, style: Style) -> String {
        let note = note.clean();
        self.try_note_terminal(&note, style).unwrap_or_else(|_| note.text())
    }

    fn try_slack(&self, notice: &Notice) -> Result<Json, TemplateError> {
        self.json("slack.json.j2", &layout(notice, &self.settings))
    }

    fn try_note_slack(&self, note: &Note) -> Result<Json, TemplateError> {
        self.json("slack-note.json.j2", &view(&note.clean()))
    }

    fn json(&self, name: &str, content: &impl Serialize) -> Result<Json, TemplateError> {
        let rendered = self.templates.render(name, &Value::from(Serde(content)))?;
        slack::checked(&rendered).map_err(|reason| self.templates.refuse(name, reason))
    }

    fn bodies(&self, name: &str, content: &impl Serialize) -> Result<(String, String), TemplateError> {
        let content = Value::from(Serde(content));
        let text = self.templates.render(&format!("{name}.txt.j2"), &content)?;
        let html = self.templates.render(&format!("{name}.html.j2"), &content)?;
        Ok((format!("{}\n", text.trim_end()), html))
    }

    fn try_terminal(&self, layout: &Layout, style: Style) -> Result<String, TemplateError> {
        let content = OnTerminal { content: layout, width: style.columns(), ink: ink(style, Some(layout)) };
        let text = self.templates.render("terminal.txt.j2", &Value::from(Serde(content)))?;
        Ok(text.trim_end().to_owned())
    }

    fn try_note_terminal(&self, note: &Note, style: Style) -> Result<String, TemplateError> {
        let content = OnTerminal { content: &view(note), width: style.columns(), ink: ink(style, None) };
        let text = self.templates.render("terminal-note.txt.j2", &Value::from(Serde(content)))?;
        Ok(text.trim_end().to_owned())
    }

    /// Tries every template with a sample of everything it may meet.
    pub(super) fn check(&self) -> Result<(), TemplateError> {
        let changes: Vec<Change> = sample::changes().into_iter().chain(sample::bare_changes()).collect();
        let words = self.templates.names().filter(|name| name.starts_with("words/") && *name != "words/base.txt");
        for name in words {
            let detector = name.trim_start_matches("words/").trim_end_matches(".txt");
            // A template of a detector is tried with that detector's samples, a user's own with all.
            let own = changes.iter().any(|c| c.incident.detector == detector);
            for change in changes.iter().filter(|c| !own || c.incident.detector == detector) {
                compose::check(&self.templates, name, change, self.settings.zone)?;
            }
        }
        let notices: Vec<Notice> = changes.iter().map(|change| self.compose(change)).collect();
        for notice in &notices {
            let layout = layout(notice, &self.settings);
            self.try_slack(notice)?;
            self.bodies("email", &layout)?;
            self.try_terminal(&layout, Style::default())?;
        }
        for note in [Note::new("t", "", Timestamp::default()), Note::digest(&notices)] {
            self.try_note_slack(&note)?;
            self.bodies("email-note", &view(&note.clean()))?;
            self.try_note_terminal(&note.clean(), Style::default())?;
        }
        Ok(())
    }
}

fn view(note: &Note) -> NoteView<'_> {
    NoteView { title: &note.title, body: &note.body, items: &note.items, footer: "Lapwing" }
}

/// A message without any template.
fn plain(layout: &Layout) -> String {
    let mut lines = vec![format!("{}: {}", layout.state, layout.title), layout.summary.clone()];
    lines.extend(layout.rows.iter().map(|row| format!("{}: {}", row.name, row.text)));
    lines.extend(layout.actions.iter().map(|action| format!("- {action}")));
    lines.push(layout.footer.clone());
    lines.join("\n")
}

fn plain_bodies(text: &str) -> (String, String) {
    (format!("{}\n", safe::wrap(text, 72, 0)), email::plain_html(text))
}
