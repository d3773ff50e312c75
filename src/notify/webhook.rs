//! The notice as JSON, posted to a URL of the user's.

use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::http::{Answer, HttpSettings, Post};
use super::{ChannelKind, Message, Notifier, NotifierKind, Outcome, Sending, SettingsError, mismatch};
use crate::time::Clock;

pub(super) const KIND: NotifierKind = NotifierKind {
    name: "webhook",
    tells: "Any program that takes JSON over HTTP: the notice exactly as `lapwing replay --json` prints it.",
    kind: ChannelKind::Webhook,
};

/// A webhook of the user's.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where to post.
    pub http: HttpSettings,
    /// A whole `Authorization` header.
    pub authorization: Option<SecretString>,
    /// Signs each body: `X-Lapwing-Signature: sha256=<HMAC-SHA-256 in hex>`.
    pub signing_key: Option<SecretString>,
}

pub(super) struct Webhook {
    post: Post,
    authorization: Option<SecretString>,
    signing_key: Option<SecretString>,
}

impl Webhook {
    pub(super) fn new(settings: &WebhookSettings, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        if let Some(value) = &settings.authorization
            && reqwest::header::HeaderValue::try_from(value.expose_secret()).is_err()
        {
            return Err(SettingsError::new(
                "authorization",
                "expected one line of visible characters such as \"Bearer …\", found others (not shown: it is a secret)",
            ));
        }
        Ok(Webhook {
            post: Post::new(&settings.http, clock)?,
            authorization: settings.authorization.clone(),
            signing_key: settings.signing_key.clone(),
        })
    }
}

impl Notifier for Webhook {
    fn send<'a>(&'a self, message: &'a Message, _settled: &'a [String]) -> Sending<'a> {
        Box::pin(async move {
            let Message::Webhook { body, incident } = message else { return mismatch(ChannelKind::Webhook) };
            let mut headers = vec![("X-Lapwing-Incident", incident.clone())];
            if let Some(value) = &self.authorization {
                headers.push(("Authorization", value.expose_secret().to_owned()));
            }
            if let Some(signature) = self.signing_key.as_ref().and_then(|key| sign(key.expose_secret(), body)) {
                headers.push(("X-Lapwing-Signature", signature));
            }
            match self.post.json(body.clone(), &headers).await {
                Ok(answer) => judge(&answer, self.post.describe(&answer)),
                Err(outcome) => outcome,
            }
        })
    }
}

fn sign(key: &str, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    mac.update(body.as_bytes());
    let mut signature = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        write!(signature, "{byte:02x}").ok()?;
    }
    Some(signature)
}

fn judge(answer: &Answer, why: String) -> Outcome {
    match answer.status.as_u16() {
        200..=299 => Outcome::Delivered,
        300..=399 => Outcome::Broken { why: format!("{why}: redirects are not followed; configure the final URL") },
        408 | 425 | 429 | 500..=599 => Outcome::Retry { after: answer.retry_after, why },
        401 | 403 | 404 | 410 => Outcome::Broken { why: format!("{why}: check the URL and its authorization") },
        _ => Outcome::GiveUp { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_one_everybody_computes() {
        // RFC 4231, test case 2.
        assert_eq!(
            sign("Jefe", "what do ya want for nothing?").unwrap(),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
