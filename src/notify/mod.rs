//! Who hears it: the ways out, and the outbox that sees every message through.
//!
//! A message that was decided is rendered at once and kept in the store exactly as it will be sent. One worker per
//! channel takes it from there: it paces, retries, merges what piled up, and notices when its channel is broken for
//! good. A [`Notifier`] only sends one message once and says what the answer means.

mod email;
mod file;
mod health;
mod http;
mod hush;
mod lane;
mod outbox;
mod pace;
mod retry;
mod route;
mod silence;
mod slack;
mod terminal;
mod upkeep;
mod webhook;

#[cfg(test)]
mod hush_tests;
#[cfg(test)]
mod outbox_tests;
#[cfg(test)]
mod receivers;
#[cfg(test)]
mod storm_tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use email::{EmailSettings, MailSecurity};
pub use file::FileSettings;
pub use health::{ChannelState, ChannelStatus};
pub use http::HttpSettings;
pub use outbox::{Channel, Outbox};
pub use pace::PaceSettings;
pub use route::Routes;
pub use silence::{Maintenance, covers, with_levels};
pub use terminal::{Terminal, TerminalSettings};
pub use upkeep::Upkeep;
pub use webhook::WebhookSettings;

use crate::notice::Notice;
use crate::time::{Clock, Span};

/// The kinds of channels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// A Slack incoming webhook.
    Slack,
    /// E-mail over SMTP.
    Email,
    /// The notice as JSON, posted to a URL.
    Webhook,
    /// The notice as a line of JSON, appended to a file.
    File,
    /// Plain text on standard output or standard error.
    Terminal,
}

/// A kind of channel as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct NotifierKind {
    /// As `kind` in the configuration.
    pub name: &'static str,
    /// Where it tells, in one sentence.
    pub tells: &'static str,
    /// Which it is.
    pub kind: ChannelKind,
}

/// All kinds of channels.
pub const NOTIFIERS: &[NotifierKind] = &[slack::KIND, email::KIND, webhook::KIND, file::KIND, terminal::KIND];

impl ChannelKind {
    /// As `kind` in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            ChannelKind::Slack => slack::KIND.name,
            ChannelKind::Email => email::KIND.name,
            ChannelKind::Webhook => webhook::KIND.name,
            ChannelKind::File => file::KIND.name,
            ChannelKind::Terminal => terminal::KIND.name,
        }
    }

    /// By its name in the configuration.
    pub fn parse(name: &str) -> Option<ChannelKind> {
        NOTIFIERS.iter().find(|listed| listed.name == name).map(|listed| listed.kind)
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One configured way out.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// Its name in the configuration: `ops`.
    pub name: String,
    /// Where it goes.
    pub target: Target,
}

/// Where a channel goes, with the settings of its kind.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Target {
    Slack(HttpSettings),
    Email(EmailSettings),
    Webhook(WebhookSettings),
    File(FileSettings),
    Terminal(TerminalSettings),
}

impl ChannelSettings {
    /// Which kind it is.
    pub fn kind(&self) -> ChannelKind {
        match self.target {
            Target::Slack(_) => ChannelKind::Slack,
            Target::Email(_) => ChannelKind::Email,
            Target::Webhook(_) => ChannelKind::Webhook,
            Target::File(_) => ChannelKind::File,
            Target::Terminal(_) => ChannelKind::Terminal,
        }
    }

    /// Makes the sender. Nothing is connected yet.
    ///
    /// # Errors
    /// Settings that cannot work or are not allowed, without any secret.
    pub fn build(&self, clock: Arc<dyn Clock>) -> Result<Channel, SettingsError> {
        let notifier: Arc<dyn Notifier> = match &self.target {
            Target::Slack(settings) => Arc::new(slack::Slack::new(settings, clock)?),
            Target::Email(settings) => Arc::new(email::Email::new(settings, clock)?),
            Target::Webhook(settings) => Arc::new(webhook::Webhook::new(settings, clock)?),
            Target::File(settings) => Arc::new(file::JsonLines::new(settings)),
            Target::Terminal(settings) => Arc::new(Terminal::new(settings)),
        };
        Ok(Channel { name: self.name.clone(), kind: self.kind(), notifier })
    }
}

/// Settings of a channel that cannot work. The text holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct SettingsError {
    /// The setting's name in the configuration.
    pub setting: &'static str,
    /// What was expected, what was found, what to do.
    pub problem: String,
}

impl SettingsError {
    fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        SettingsError { setting, problem: problem.into() }
    }
}

/// What is sent, rendered to the last character. Kept in the store as JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// For a Slack webhook.
    Slack {
        /// The rich form with blocks.
        body: serde_json::Value,
        /// The same as text only, for when Slack refuses the rich form.
        plain: serde_json::Value,
    },
    /// For e-mail.
    Email {
        /// At most 120 characters, most important first.
        subject: String,
        /// The complete text at 72 columns.
        text: String,
        /// The same as HTML; empty if there is only text.
        html: String,
        /// The id of this mail, with or without angle brackets.
        message_id: String,
        /// The id of the incident's first mail, in later ones.
        in_reply_to: Option<String>,
        /// Ids of the thread, separated by blanks.
        references: Option<String>,
        /// More headers: `X-Lapwing-Incident`, `List-Id`.
        headers: Vec<(String, String)>,
    },
    /// For a webhook.
    Webhook {
        /// JSON.
        body: String,
        /// The incident's id, for receivers that collapse what comes twice.
        incident: String,
    },
    /// For a file: one line of JSON, without line end.
    Line(String),
    /// For a terminal: text, already safe to show.
    Text(String),
}

impl Message {
    /// The same in its plain form, where there is another.
    #[must_use]
    pub fn into_plain(self) -> Option<Message> {
        match self {
            Message::Slack { plain, body } if !plain.is_null() && plain != body => {
                Some(Message::Slack { body: plain, plain: serde_json::Value::Null })
            }
            _ => None,
        }
    }
}

/// What the answer to a message means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was accepted.
    Delivered,
    /// Accepted for some recipients, or refused by some for good: these are settled.
    Partly {
        /// Recipients that need no further try.
        settled: Vec<String>,
        /// Recipients that do.
        left: usize,
        /// What was said about those that did not get it.
        why: String,
    },
    /// Not now; later it may work.
    Retry {
        /// How long the receiver asks to wait.
        after: Option<Span>,
        /// What happened.
        why: String,
    },
    /// Something answered that does not behave like the receiver. Tried again for an hour, then the channel counts as
    /// broken.
    Doubtful {
        /// What happened.
        why: String,
    },
    /// This message will never be accepted; others may be.
    GiveUp {
        /// What happened.
        why: String,
    },
    /// No message will be accepted until somebody repairs the channel.
    Broken {
        /// What happened.
        why: String,
    },
    /// Its form was refused: once more as plain text.
    ResendPlain {
        /// What happened.
        why: String,
    },
}

/// A send on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Sends one message once. Bounded in time (10 s over HTTP, 30 s over SMTP) and in what it reads.
pub trait Notifier: Send + Sync {
    /// Sends it to everyone but the recipients already `settled` (only e-mail has several), and judges the answer.
    /// No text of the outcome holds a secret.
    fn send<'a>(&'a self, message: &'a Message, settled: &'a [String]) -> Sending<'a>;
}

/// Makes messages from notices.
pub trait Render: Send + Sync {
    /// The message about one notice.
    fn message(&self, notice: &Notice, channel: &ChannelKind) -> Message;
    /// One message about several incidents, each in its newest state, worst first.
    fn digest(&self, notices: &[Notice], channel: &ChannelKind) -> Message;
}

/// Makes ring the TLS provider of the process, once; reqwest comes without one.
pub fn install_tls() {
    // An error means that one is installed already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Words of a stranger (an answer, an error) on one line without control characters, cut to what one reads.
fn words(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let invisible =
            matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        let c = if c.is_control() || invisible { ' ' } else { c };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        out.push(c);
        if out.len() >= 160 {
            out.push('…');
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// A message that this kind of channel cannot send: a defect, told instead of hidden.
fn mismatch(kind: ChannelKind) -> Outcome {
    Outcome::GiveUp { why: format!("the message was rendered for another kind of channel than {kind}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_under_its_name() {
        for listed in NOTIFIERS {
            assert_eq!(ChannelKind::parse(listed.name), Some(listed.kind));
            assert_eq!(listed.kind.to_string(), listed.name);
        }
        assert_eq!(ChannelKind::parse("pigeon"), None);
    }

    #[test]
    fn strangers_words_are_short_and_tame() {
        assert_eq!(words("a\r\n\x1b[31mred\u{202e}\tb "), "a [31mred b");
        assert!(words(&"x".repeat(10_000)).len() < 170);
    }
}
