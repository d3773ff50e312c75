//! From changes to notices, and from notices to the messages of each kind of channel.

use std::sync::Arc;

use crate::config::{Channel, ChannelKind as Configured, Config};
use crate::incident::Change;
use crate::notice::email::{Email, EmailSettings};
use crate::notice::terminal::Style;
use crate::notice::{Notice, Renderer, TemplateError, words};
use crate::notify::{ChannelKind, Message, Render};
use crate::time::{Span, Timestamp};

/// What is told longer after it happened is told late.
const LATE: Span = Span::from_mins(10);

/// What every message of a second look says.
const HINDSIGHT: &str = " What is usual was learned from the whole log first (two-pass).";

/// Words changes as the configuration wants them.
#[derive(Debug)]
pub struct Teller {
    renderer: Arc<Renderer>,
    config: Arc<Config>,
    /// Whether the usual was learned from the whole log first: said in every message.
    hindsight: bool,
}

impl Teller {
    /// With the configuration's templates.
    ///
    /// # Errors
    /// A template that would not work.
    pub fn new(config: Arc<Config>) -> Result<Self, TemplateError> {
        Ok(Teller { renderer: Arc::new(Renderer::new(&config.render_settings())?), config, hindsight: false })
    }

    /// The same for a second look at a log that was read to its end.
    #[must_use]
    pub fn with_hindsight(self, hindsight: bool) -> Self {
        Teller { hindsight, ..self }
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.clone()
    }

    /// The notice of a change, with the severity that its rule wants; good news is for information.
    pub fn notice(&self, change: &Change) -> Notice {
        let mut notice = self.renderer.compose(change);
        if let Some(severity) = self.config.severity_of(&notice.rule).filter(|_| !notice.is_good_news()) {
            notice.severity = severity;
        }
        if self.hindsight {
            notice.summary.push_str(HINDSIGHT);
        }
        notice
    }

    /// Says so in a notice that is told long after what it tells of: after downtime, or behind a backlog. `wall` is now.
    pub fn mark_late(&self, notice: &mut Notice, wall: Timestamp) {
        if wall - notice.at > LATE {
            let now = words::clock(wall, wall, self.config.zone);
            notice.summary.push_str(" Told late: Lapwing read of it only at ");
            notice.summary.push_str(&now);
            notice.summary.push('.');
        }
    }

    /// The notice as it stands on a terminal.
    pub fn terminal(&self, notice: &Notice, style: Style) -> String {
        self.renderer.terminal(notice, style)
    }

    /// What the outbox renders with.
    pub fn messages(&self) -> Messages {
        // Message ids and the list's name live in the sender's domain, which receivers know.
        let domain = self.config.channels.iter().find_map(|channel| match &channel.kind {
            Configured::Email { from, .. } => Some(from.email.domain().to_owned()),
            _ => None,
        });
        Messages {
            renderer: self.renderer.clone(),
            email: domain.map_or_else(EmailSettings::default, |host| EmailSettings { host }),
        }
    }
}

/// Makes messages for the outbox.
#[derive(Debug)]
pub struct Messages {
    renderer: Arc<Renderer>,
    email: EmailSettings,
}

impl Messages {
    fn mail(mail: Email) -> Message {
        Message::Email {
            subject: mail.subject,
            text: mail.text,
            html: mail.html,
            message_id: mail.message_id,
            in_reply_to: mail.in_reply_to,
            references: (!mail.references.is_empty()).then(|| mail.references.join(" ")),
            headers: mail.headers,
        }
    }
}

impl Render for Messages {
    fn message(&self, notice: &Notice, channel: &ChannelKind) -> Message {
        match channel {
            ChannelKind::Slack => {
                Message::Slack { body: self.renderer.slack(notice), plain: self.renderer.slack_plain(notice) }
            }
            ChannelKind::Email => Messages::mail(self.renderer.email(notice, &self.email)),
            ChannelKind::Webhook => {
                Message::Webhook { body: self.renderer.webhook(notice), incident: notice.incident.clone() }
            }
            ChannelKind::File => Message::Line(self.renderer.webhook(notice)),
            ChannelKind::Terminal => Message::Text(self.renderer.terminal(notice, Style::default())),
        }
    }

    fn digest(&self, notices: &[Notice], channel: &ChannelKind) -> Message {
        match channel {
            ChannelKind::Slack => Message::Slack {
                body: self.renderer.digest_slack(notices),
                plain: self.renderer.digest_slack_plain(notices),
            },
            ChannelKind::Email => Messages::mail(self.renderer.digest_email(notices, &self.email)),
            ChannelKind::Webhook => Message::Webhook {
                body: self.renderer.digest_webhook(notices),
                incident: notices.first().map(|n| n.incident.clone()).unwrap_or_default(),
            },
            ChannelKind::File => Message::Line(self.renderer.digest_webhook(notices)),
            ChannelKind::Terminal => Message::Text(self.renderer.digest_terminal(notices, Style::default())),
        }
    }
}

/// What a channel is called in messages about it.
pub fn describe(channel: &Channel) -> String {
    format!("{} ({})", channel.name, channel.kind.name())
}
