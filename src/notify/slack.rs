//! Slack incoming webhooks. How answers are read: <https://api.slack.com/messaging/webhooks#handling_errors>.

use std::sync::Arc;

use super::http::{Answer, HttpSettings, Post};
use super::{ChannelKind, Message, Notifier, NotifierKind, Outcome, Sending, SettingsError, mismatch};
use crate::time::Clock;

pub(super) const KIND: NotifierKind =
    NotifierKind { name: "slack", tells: "A Slack channel, through an incoming webhook.", kind: ChannelKind::Slack };

pub(super) struct Slack {
    post: Post,
}

impl Slack {
    pub(super) fn new(settings: &HttpSettings, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        Ok(Slack { post: Post::new(settings, clock)? })
    }
}

impl Notifier for Slack {
    fn send<'a>(&'a self, message: &'a Message, _settled: &'a [String]) -> Sending<'a> {
        Box::pin(async move {
            let Message::Slack { body, .. } = message else { return mismatch(ChannelKind::Slack) };
            match self.post.json(body.to_string(), &[]).await {
                Ok(answer) => judge(&answer, self.post.describe(&answer)),
                Err(outcome) => outcome,
            }
        })
    }
}

/// A proxy's page with status 200 is no delivery: only the body `ok` is.
fn judge(answer: &Answer, why: String) -> Outcome {
    let body = answer.body.trim();
    match answer.status.as_u16() {
        200 if body == "ok" => Outcome::Delivered,
        200..=299 => Outcome::Doubtful { why: format!("{why}, but the answer of Slack would be \"ok\"") },
        300..=399 => Outcome::Broken { why: format!("{why}: it redirects elsewhere, which Slack does not") },
        408 | 425 | 429 | 500..=599 => Outcome::Retry { after: answer.retry_after, why },
        401 | 403 | 404 | 410 => {
            Outcome::Broken { why: format!("{why}: make a new webhook URL in Slack and configure it") }
        }
        400 if matches!(body, "invalid_token" | "no_service" | "channel_not_found" | "channel_is_archived") => {
            Outcome::Broken { why: format!("{why}: make a new webhook URL in Slack and configure it") }
        }
        400 | 413 => Outcome::ResendPlain { why },
        _ => Outcome::GiveUp { why },
    }
}
