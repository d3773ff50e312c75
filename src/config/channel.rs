//! `[channel.NAME]`: who is told, and how to get there.

use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};

use super::load::Environment;
use super::secret;
use crate::options::{Entry, Options};

/// A configured way out.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
}

/// What a channel is, with what it needs.
#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// A Slack incoming webhook.
    Slack {
        /// The webhook's address: a secret.
        url: SecretString,
    },
    /// Any HTTP receiver of notices as JSON.
    Webhook {
        /// The receiver's address.
        url: SecretString,
        /// The `Authorization` header to send, whole.
        authorization: Option<SecretString>,
    },
    /// Mail over SMTP.
    Email {
        /// Host of the server.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is protected.
        security: MailSecurity,
        /// Log in as.
        username: Option<String>,
        /// With this password.
        password: Option<SecretString>,
        /// The sender.
        from: Mailbox,
        /// The receivers.
        to: Vec<Mailbox>,
    },
    /// Notices as JSON lines appended to a file.
    File {
        /// Which file.
        path: PathBuf,
    },
    /// Text on standard output.
    Terminal,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MailSecurity {
    /// Begins in clear and must turn to TLS before anything is said.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// In clear; to this machine only.
    None,
}

impl ChannelKind {
    /// As configuration writes it.
    pub const fn name(&self) -> &'static str {
        match self {
            ChannelKind::Slack { .. } => "slack",
            ChannelKind::Webhook { .. } => "webhook",
            ChannelKind::Email { .. } => "email",
            ChannelKind::File { .. } => "file",
            ChannelKind::Terminal => "terminal",
        }
    }
}

pub(super) fn read(entry: &Entry, options: Options<'_>, environment: &Environment<'_>) -> Option<Channel> {
    super::load::check_name(entry, options.report());
    if !options.has("kind") {
        options.missing("kind", "kind = \"slack\"");
        return None;
    }
    let choices = ["slack", "email", "webhook", "file", "terminal"].map(|k| (k, k));
    let kind = options.choice("kind", &choices)?;
    let kind = match kind {
        "slack" => {
            url(&options, environment, "https://hooks.slack.com/services/...").map(|url| ChannelKind::Slack { url })
        }
        "webhook" => {
            let authorization = secret::read(&options, "authorization", environment);
            url(&options, environment, "https://alerts.example.com/lapwing")
                .map(|url| ChannelKind::Webhook { url, authorization })
        }
        "email" => email(&options, environment),
        "file" => {
            if !options.has("path") {
                options.missing("path", "path = \"/var/lib/lapwing/notices.jsonl\"");
            }
            options.text("path").map(|path| ChannelKind::File { path: environment.resolve(&path) })
        }
        _ => Some(ChannelKind::Terminal),
    };
    options.finish();
    kind.map(|kind| Channel { name: entry.key.clone(), kind })
}

fn url(options: &Options<'_>, environment: &Environment<'_>, example: &str) -> Option<SecretString> {
    let given = ["url", "url_file", "url_env", "url_credential"].into_iter().find(|k| options.has(k));
    let allow_private = options.flag("allow_private").unwrap_or(false);
    let Some(given) = given else {
        options.missing("url", &format!("url = \"{example}\""));
        return None;
    };
    let url = secret::read(options, "url", environment)?;
    match check_url(url.expose_secret(), allow_private) {
        Ok(()) => Some(url),
        Err((message, help)) => {
            options.error(given, message, "", Some(help));
            None
        }
    }
}

/// Addresses are static configuration, over TLS unless they stay on this machine. The message never holds the address.
fn check_url(url: &str, allow_private: bool) -> Result<(), (String, String)> {
    let example = "write it as \"https://host/path\"";
    let url = reqwest::Url::parse(url).map_err(|e| (format!("this is not a web address: {e}"), example.to_owned()))?;
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => {
            return Err((
                "plain http is only for receivers on this machine".to_owned(),
                "use https: alerts name keys and addresses, and a webhook's address is a secret".to_owned(),
            ));
        }
        other => return Err((format!("\"{other}\" is not a scheme for a receiver"), example.to_owned())),
    }
    if host.parse::<IpAddr>().is_ok_and(is_private) && !allow_private {
        return Err((
            "this address lies in a private network".to_owned(),
            "if that is meant, add: allow_private = true".to_owned(),
        ));
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|a| a.is_loopback())
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn email(options: &Options<'_>, environment: &Environment<'_>) -> Option<ChannelKind> {
    let choices = [("starttls", MailSecurity::StartTls), ("tls", MailSecurity::Tls), ("none", MailSecurity::None)];
    let security = if options.has("tls") { options.choice("tls", &choices) } else { Some(MailSecurity::StartTls) };
    let port = match security {
        Some(MailSecurity::Tls) => 465,
        Some(MailSecurity::None) => 25,
        _ => 587,
    };
    let server = if options.has("server") {
        options.parsed("server", |text| host_port(text, port))
    } else {
        options.missing("server", "server = \"smtp.example.com:587\"");
        None
    };
    let username = options.text("username");
    let password = secret::read(options, "password", environment);
    let has_password =
        ["password", "password_file", "password_env", "password_credential"].iter().any(|k| options.has(k));
    if username.is_some() && !has_password {
        options.missing("password_file", "password_file = \"/etc/lapwing/smtp.secret\"");
    }
    if username.is_none() && password.is_some() {
        options.missing("username", "username = \"lapwing\"");
    }
    let mailbox = |text: &str| {
        text.parse::<Mailbox>()
            .map_err(|_| format!("expected an address such as \"oncall@example.com\", found \"{text}\""))
    };
    if !options.has("from") {
        options.missing("from", "from = \"lapwing@example.com\"");
    }
    let from = options.parsed("from", mailbox);
    if !options.has("to") {
        options.missing("to", "to = [\"oncall@example.com\"]");
    }
    let to = options.parsed_list("to", mailbox).unwrap_or_default();
    if to.is_empty() && options.texts("to").is_some_and(|list| list.is_empty()) {
        options.error("to", "\"to\" is empty", "nobody would get mail", None);
    }
    let (host, port) = server?;
    if security == Some(MailSecurity::None) && !is_loopback(&host) {
        options.error(
            "tls",
            "mail without TLS is only for a server on this machine",
            "",
            Some("use \"starttls\" or \"tls\"".to_owned()),
        );
        return None;
    }
    let (Some(security), Some(from), false) = (security, from, to.is_empty()) else { return None };
    Some(ChannelKind::Email { host, port, security, username, password, from, to })
}

/// `host`, `host:port`, `[v6]:port`.
fn host_port(text: &str, default: u16) -> Result<(String, u16), String> {
    let expected = || format!("expected \"host:port\", found \"{text}\"");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().map_err(|_| expected())?)
        }
        _ => (text, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let valid = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:_".contains(c));
    if valid && port != 0 { Ok((host.to_owned(), port)) } else { Err(expected()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_are_reached_over_tls_unless_they_are_here() {
        for good in ["https://hooks.slack.com/x", "http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:8080/"] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.slack.com/x",
            "ftp://x/y",
            "file:///etc/passwd",
            "nonsense",
            "http://127.0.0.1.evil.example/",
        ] {
            assert!(check_url(bad, true).is_err(), "{bad}");
        }
        for private in
            ["https://169.254.169.254/", "https://10.0.0.1/", "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/"]
        {
            assert!(check_url(private, false).is_err(), "{private}");
            assert!(check_url(private, true).is_ok(), "{private}");
        }
    }

    #[test]
    fn mail_servers_are_host_and_port() {
        assert_eq!(host_port("smtp.example.com:2525", 587), Ok(("smtp.example.com".to_owned(), 2525)));
        assert_eq!(host_port("smtp.example.com", 587), Ok(("smtp.example.com".to_owned(), 587)));
        assert_eq!(host_port("[::1]:25", 587), Ok(("::1".to_owned(), 25)));
        for bad in ["", ":25", "host:mail", "host:0", "ho st:25"] {
            assert!(host_port(bad, 587).is_err(), "{bad}");
        }
    }
}
