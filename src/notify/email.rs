//! E-mail over SMTP. Encryption is required, except towards this host; the password never travels without it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use lettre::address::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};

use super::{
    ChannelKind, Message, Notifier, NotifierKind, Outcome, Sending, SettingsError, install_tls, mismatch, words,
};
use crate::time::{Clock, Span};

pub(super) const KIND: NotifierKind =
    NotifierKind { name: "email", tells: "Mailboxes, through an SMTP server.", kind: ChannelKind::Email };

/// Characters of a subject.
const SUBJECT_CHARACTERS: usize = 120;

/// How the way to the server is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MailSecurity {
    /// `STARTTLS`, required: a server that does not offer it gets neither message nor password.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None, which is allowed towards this host only.
    None,
}

/// An SMTP route.
#[derive(Clone, Debug)]
pub struct EmailSettings {
    /// `host:port`; without port 587, 465 with [`MailSecurity::Tls`], 25 without security.
    pub server: String,
    /// How it is protected.
    pub tls: MailSecurity,
    /// Who logs in; nobody if absent.
    pub username: Option<String>,
    /// With what.
    pub password: Option<SecretString>,
    /// The sender: `lapwing@example.com` or `Lapwing <lapwing@example.com>`.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// For the whole exchange.
    pub time_limit: Span,
}

impl EmailSettings {
    /// Over this server, with the usual limits and no login.
    pub fn over(server: impl Into<String>, from: impl Into<String>, to: Vec<String>) -> Self {
        EmailSettings {
            server: server.into(),
            tls: MailSecurity::StartTls,
            username: None,
            password: None,
            from: from.into(),
            to,
            time_limit: Span::from_secs(30),
        }
    }
}

pub(super) struct Email {
    host: String,
    port: u16,
    tls: MailSecurity,
    credentials: Option<Credentials>,
    password: Option<SecretString>,
    from: Mailbox,
    to: Vec<Mailbox>,
    hello: ClientId,
    time_limit: Span,
    clock: Arc<dyn Clock>,
}

impl Email {
    pub(super) fn new(settings: &EmailSettings, clock: Arc<dyn Clock>) -> Result<Self, SettingsError> {
        install_tls();
        let (host, port) = address(&settings.server, settings.tls)?;
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback());
        if settings.tls == MailSecurity::None && !local {
            return Err(SettingsError::new(
                "tls",
                format!("\"none\" is for this host only, not for {host}; use \"starttls\" or \"tls\""),
            ));
        }
        let mailbox = |setting, text: &str| {
            text.parse::<Mailbox>().map_err(|_| {
                SettingsError::new(
                    setting,
                    format!("expected an address such as ops@example.com, found \"{}\"", words(text)),
                )
            })
        };
        let to = settings.to.iter().map(|text| mailbox("to", text)).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err(SettingsError::new("to", "expected at least one address, found none"));
        }
        let credentials = match (&settings.username, &settings.password) {
            (Some(user), Some(password)) => Some(Credentials::new(user.clone(), password.expose_secret().to_owned())),
            (None, None) => None,
            (Some(_), None) => {
                return Err(SettingsError::new(
                    "password",
                    "expected a password (or password_file) for the username, found none",
                ));
            }
            (None, Some(_)) => {
                return Err(SettingsError::new("username", "expected a username for the password, found none"));
            }
        };
        Ok(Email {
            host,
            port,
            tls: settings.tls,
            credentials,
            password: settings.password.clone(),
            from: mailbox("from", &settings.from)?,
            to,
            hello: ClientId::default(),
            time_limit: settings.time_limit,
            clock,
        })
    }

    /// The whole exchange for the recipients that are not settled yet.
    async fn deliver(&self, mail: &[u8], settled: &[String]) -> Result<Outcome, Outcome> {
        let waiting: Vec<Address> =
            self.to.iter().map(|to| to.email.clone()).filter(|to| !settled.contains(&to.to_string())).collect();
        if waiting.is_empty() {
            return Ok(Outcome::Delivered);
        }
        let mut server = self.connect().await?;
        if let Err(e) = server.command(Mail::new(Some(self.from.email.clone()), Vec::new())).await {
            return Err(match e.status().map(u16::from) {
                Some(552) => Outcome::GiveUp { why: self.say("the message was refused", &e) },
                _ if e.is_permanent() => Outcome::Broken { why: self.say("the sender was refused", &e) },
                _ => self.later("the sender was not taken", &e),
            });
        }
        let (mut accepted, mut refused, mut deferred) = (Vec::new(), Vec::new(), Vec::new());
        let mut reasons = Vec::new();
        for recipient in waiting {
            let answer = server.command(Rcpt::new(recipient.clone(), Vec::new())).await;
            let recipient = recipient.to_string();
            match answer {
                Ok(_) => accepted.push(recipient),
                Err(e) if e.is_permanent() => {
                    reasons.push(self.say(&format!("{recipient} was refused"), &e));
                    refused.push(recipient);
                }
                Err(e) if e.is_transient() && e.status().map(u16::from) != Some(421) => {
                    reasons.push(self.say(&format!("{recipient} was put off"), &e));
                    deferred.push(recipient);
                }
                Err(e) => return Err(self.later("the connection ended at a recipient", &e)),
            }
        }
        let why = reasons.join("; ");
        if accepted.is_empty() {
            return Err(match (refused.is_empty(), deferred.len()) {
                // Nobody at all takes it: that is no matter of this message, and somebody has to hear of it.
                (_, 0) if settled.is_empty() => Outcome::Broken { why },
                (_, 0) => Outcome::Partly { settled: refused, left: 0, why },
                (true, _) => Outcome::Retry { after: None, why },
                (false, left) => Outcome::Partly { settled: refused, left, why },
            });
        }
        let data = match server.command(Data).await {
            Ok(_) => server.message(mail).await,
            Err(e) => Err(e),
        };
        if let Err(e) = data {
            return Err(if e.is_permanent() {
                Outcome::GiveUp { why: self.say("the message was refused", &e) }
            } else {
                self.later("the message was not taken", &e)
            });
        }
        // It is theirs now: how the connection ends does not matter.
        let _ = server.quit().await;
        if refused.is_empty() && deferred.is_empty() {
            return Ok(Outcome::Delivered);
        }
        accepted.append(&mut refused);
        Ok(Outcome::Partly { settled: accepted, left: deferred.len(), why })
    }

    /// Connected, encrypted and logged in.
    async fn connect(&self) -> Result<AsyncSmtpConnection, Outcome> {
        let parameters = |host: &str| {
            TlsParameters::new(host.to_owned())
                .map_err(|e| Outcome::Broken { why: self.say("TLS could not be prepared", &e) })
        };
        let wrapped = match self.tls {
            MailSecurity::Tls => Some(parameters(&self.host)?),
            MailSecurity::StartTls | MailSecurity::None => None,
        };
        let limit = Some(self.time_limit.to_std());
        let place = (self.host.as_str(), self.port);
        let mut server = AsyncSmtpConnection::connect_tokio1(place, limit, &self.hello, wrapped, None).await.map_err(
            |e| match self.words(&e) {
                why if is_about_tls(&e, &why) => Outcome::Broken { why: format!("no TLS connection ({why})") },
                why if e.is_permanent() => Outcome::Doubtful { why: format!("the server turned us away ({why})") },
                _ => self.later("could not connect", &e),
            },
        )?;
        if self.tls == MailSecurity::StartTls {
            if !server.can_starttls() {
                server.abort().await;
                return Err(Outcome::Broken {
                    why: "the server does not offer STARTTLS, so neither message nor password was sent; use another \
                          port, or tls = \"tls\""
                        .to_owned(),
                });
            }
            server.starttls(parameters(&self.host)?, &self.hello).await.map_err(|e| {
                if e.is_transient() || e.is_timeout() {
                    self.later("STARTTLS is not available now", &e)
                } else {
                    Outcome::Broken { why: self.say("STARTTLS failed", &e) }
                }
            })?;
        }
        if let Some(credentials) = &self.credentials
            && let Err(e) = server.auth(DEFAULT_MECHANISMS, credentials).await
        {
            return Err(if e.is_permanent() || e.is_client() {
                Outcome::Broken { why: without_tokens(&self.say("the login was refused", &e)) }
            } else {
                self.later("no login now", &e)
            });
        }
        Ok(server)
    }

    /// Retry unless it is permanent: a refused connection is neither transient nor permanent to the library.
    fn later(&self, what: &str, error: &SmtpError) -> Outcome {
        Outcome::Retry { after: None, why: self.say(what, error) }
    }

    fn say(&self, what: &str, error: &SmtpError) -> String {
        format!("{what} ({})", self.words(error))
    }

    /// The server's or the system's words; never the password, whatever the server echoes.
    fn words(&self, error: &SmtpError) -> String {
        let mut deepest = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            deepest = cause.to_string();
            source = cause.source();
        }
        if let Some(status) = error.status() {
            deepest = format!("{status} {deepest}");
        }
        let mut text = words(&deepest);
        if let Some(password) = &self.password
            && !password.expose_secret().is_empty()
        {
            text = text.replace(password.expose_secret(), "…");
        }
        text
    }

    /// The mail as bytes for the wire.
    fn compose(&self, message: &Message) -> Result<Vec<u8>, Outcome> {
        let Message::Email { subject, text, html, message_id, in_reply_to, references, headers } = message else {
            return Err(mismatch(ChannelKind::Email));
        };
        let sent_at = SystemTime::UNIX_EPOCH + crate::time::Span::from_millis(self.clock.now().millis()).to_std();
        let mut builder = lettre::Message::builder()
            .from(self.from.clone())
            .date(sent_at)
            .subject(one_line(subject, SUBJECT_CHARACTERS))
            .message_id(Some(id(message_id)));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        if let Some(parent) = in_reply_to {
            builder = builder.in_reply_to(id(parent));
        }
        if let Some(thread) = references {
            let ids: Vec<String> = thread.split_whitespace().map(id).collect();
            builder = builder.references(ids.join(" "));
        }
        let list = format!("<lapwing.{}>", self.from.email.domain());
        let usual = [("Auto-Submitted", "auto-generated"), ("X-Auto-Response-Suppress", "All"), ("List-Id", &list)];
        let given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let usual = usual.into_iter().filter(|(name, _)| !given(name));
        for (name, value) in usual.chain(headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))) {
            // A name that is none cannot be sent; the mail matters more.
            if let Ok(name) = HeaderName::new_from_ascii(name.to_owned()) {
                builder = builder.raw_header(HeaderValue::new(name, one_line(value, 500)));
            }
        }
        let text = body(text);
        let built = if html.is_empty() {
            builder.singlepart(SinglePart::plain(text))
        } else {
            builder.multipart(MultiPart::alternative_plain_html(text, body(html)))
        };
        built
            .map(|mail| mail.formatted())
            .map_err(|e| Outcome::GiveUp { why: format!("the mail could not be built ({e})") })
    }
}

impl Notifier for Email {
    fn send<'a>(&'a self, message: &'a Message, settled: &'a [String]) -> Sending<'a> {
        Box::pin(async move {
            let mail = match self.compose(message) {
                Ok(mail) => mail,
                Err(outcome) => return outcome,
            };
            match tokio::time::timeout(self.time_limit.to_std(), self.deliver(&mail, settled)).await {
                Ok(Ok(outcome) | Err(outcome)) => outcome,
                Err(_) => Outcome::Retry { after: None, why: format!("no end within {}", self.time_limit) },
            }
        })
    }
}

fn address(server: &str, tls: MailSecurity) -> Result<(String, u16), SettingsError> {
    let wrong = || {
        SettingsError::new(
            "server",
            format!("expected host:port such as smtp.example.com:587, found \"{}\"", words(server)),
        )
    };
    let usual = match tls {
        MailSecurity::StartTls => 587,
        MailSecurity::Tls => 465,
        MailSecurity::None => 25,
    };
    let server = server.trim();
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (server, usual),
    };
    let host = host.trim_matches(['[', ']']);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(fits) { Err(wrong()) } else { Ok((host.to_owned(), port)) }
}

fn is_about_tls(error: &SmtpError, words: &str) -> bool {
    error.is_tls()
        || words.contains("certificate")
        || words.contains("InvalidContentType")
        || words.contains("corrupt message")
}

/// A server that repeats a login repeats it in base64: long words of letters and digits are left out.
fn without_tokens(text: &str) -> String {
    let is_token = |word: &&str| {
        word.len() >= 12 && word.bytes().any(|b| b.is_ascii_digit() || b == b'=' || b.is_ascii_uppercase())
    };
    text.split(' ').map(|word| if is_token(&word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

/// With exactly one pair of angle brackets, and nothing that ends a header.
fn id(id: &str) -> String {
    let inner: String = id.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>')).take(200).collect();
    format!("<{inner}>")
}

/// No control character in a header.
fn one_line(text: &str, limit: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(limit).collect()
}

/// Line ends and tabs stay, other control characters go.
fn body(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}
