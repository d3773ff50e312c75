//! One POST, bounded: 10 s in all, at most 64 KiB of answer, no redirects, TLS verified, and no URL in any text.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use super::{Outcome, SettingsError, install_tls, words};
use crate::time::{Clock, Span, Timestamp};

/// Bytes of an answer that are read.
const ANSWER_BYTES: usize = 64 << 10;
/// The longest wait that a receiver may ask for.
const LONGEST_WAIT: Span = Span::HOUR;

/// Where to post.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The URL. It is a secret: who knows it can write there.
    pub url: SecretString,
    /// Plain `http://` also beyond this host.
    pub allow_plain: bool,
    /// Addresses of private and link-local networks, where the URL names one.
    pub allow_private: bool,
    /// For the whole exchange.
    pub time_limit: Span,
}

impl HttpSettings {
    /// To this URL, with the usual limits.
    pub fn to(url: impl Into<String>) -> Self {
        HttpSettings {
            url: SecretString::from(url.into()),
            allow_plain: false,
            allow_private: false,
            time_limit: Span::from_secs(10),
        }
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Span>,
    /// At most 64 KiB, as far as it came in time.
    pub(super) body: String,
}

/// A client for one URL.
pub(super) struct Post {
    client: Client,
    url: Url,
    time_limit: Span,
    clock: Arc<dyn Clock>,
}

impl Post {
    pub(super) fn new(settings: &HttpSettings, clock: Arc<dyn Clock>) -> Result<Post, SettingsError> {
        install_tls();
        let refuse = |problem: &str| Err(SettingsError::new("url", problem));
        let Ok(url) = Url::parse(settings.url.expose_secret().trim()) else {
            return refuse(
                "expected a URL such as https://hooks.example.com/…, found something else (not shown: it is a secret)",
            );
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let address: Option<IpAddr> = host.parse().ok();
        let local = host == "localhost" || address.is_some_and(|a| a.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if local || settings.allow_plain => {}
            "http" => {
                return refuse(
                    "expected https://, found http://; plain http is for this host only, unless allow_plain = true",
                );
            }
            _ => return refuse("expected https://, found another scheme"),
        }
        if address.is_some_and(is_private) && !settings.allow_private {
            return refuse("the address is in a private or link-local network; allow it with allow_private = true");
        }
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .timeout(settings.time_limit.to_std())
            .connect_timeout(settings.time_limit.to_std() / 2)
            .pool_idle_timeout(Duration::from_secs(20))
            .user_agent(concat!("lapwing/", env!("CARGO_PKG_VERSION")));
        if local {
            builder = builder.no_proxy();
        }
        match builder.build() {
            Ok(client) => Ok(Post { client, url, time_limit: settings.time_limit, clock }),
            Err(e) => Err(SettingsError::new(
                "url",
                format!("no HTTP client could be made: {}", words(&e.without_url().to_string())),
            )),
        }
    }

    /// Posts JSON. An error is already judged: the receiver may come back.
    pub(super) async fn json(&self, body: String, headers: &[(&str, String)]) -> Result<Answer, Outcome> {
        let mut map = HeaderMap::new();
        map.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(*name), HeaderValue::try_from(value)) {
                value.set_sensitive(true);
                map.insert(name, value);
            }
        }
        let sent = self.client.post(self.url.clone()).headers(map).body(body).send().await;
        let mut response = sent.map_err(|e| self.fault(e))?;
        let status = response.status();
        let now = self.clock.now();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| retry_after(v.to_str().ok()?, now));
        let mut bytes = Vec::new();
        // What was read until the time or the room ran out is judged: a cut answer is not the expected one.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = ANSWER_BYTES - bytes.len();
            bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        Ok(Answer { status, retry_after, body: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// Words for an exchange that did not come to an answer.
    fn fault(&self, error: reqwest::Error) -> Outcome {
        if error.is_timeout() {
            return Outcome::Retry { after: None, why: format!("no answer within {}", self.time_limit) };
        }
        let connecting = error.is_connect();
        let error = error.without_url();
        let mut deepest = error.to_string();
        let mut source = error.source();
        let mut certificate = false;
        while let Some(cause) = source {
            deepest = cause.to_string();
            certificate |= deepest.contains("certificate");
            source = cause.source();
        }
        let deepest = self.without_secrets(&words(&deepest));
        if certificate {
            return Outcome::Doubtful { why: format!("its certificate was not accepted ({deepest})") };
        }
        let what = if connecting { "could not connect" } else { "the connection broke before the answer" };
        Outcome::Retry { after: None, why: format!("{what} ({deepest})") }
    }

    /// Second wall: no part of the URL beyond its scheme in any text, wherever the text comes from.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        let mut text = text.replace(self.url.as_str(), "…");
        let path = self.url.path();
        let parts = path.split('/').chain(self.url.query()).chain(self.url.host_str()).chain(self.url.password());
        for part in parts.filter(|part| part.len() >= 4) {
            text = text.replace(part, "…");
        }
        text
    }

    /// `HTTP 404 (no_service)`.
    pub(super) fn describe(&self, answer: &Answer) -> String {
        let body = self.without_secrets(&words(&answer.body));
        let code = answer.status.as_u16();
        if body.is_empty() { format!("HTTP {code}") } else { format!("HTTP {code} ({body})") }
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(v4.into()),
            None => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified(),
        },
    }
}

/// `Retry-After`: seconds or a date (RFC 9110, 10.2.3), at most an hour.
fn retry_after(value: &str, now: Timestamp) -> Option<Span> {
    let value = value.trim();
    let wait = match value.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() => Span::from_secs_f64(seconds.min(1e6)),
        Ok(_) => return None,
        Err(_) => Timestamp::from_millis(DateTime::parse_from_rfc2822(value).ok()?.timestamp_millis()) - now,
    };
    Some(wait.clamp(Span::ZERO, LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::ManualClock;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_too_long() {
        let now = Timestamp::parse("2026-11-21T06:00:00Z").unwrap();
        assert_eq!(retry_after("30", now), Some(Span::from_secs(30)));
        assert_eq!(retry_after("0.5", now), Some(Span::from_millis(500)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 06:02:00 GMT", now), Some(Span::from_mins(2)));
        assert_eq!(retry_after("Sat, 21 Nov 2026 05:00:00 GMT", now), Some(Span::ZERO));
        assert_eq!(retry_after("999999999999", now), Some(Span::HOUR));
        for nonsense in ["", "soon", "NaN", "inf", "-"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }

    #[test]
    fn urls_are_checked_and_never_shown() {
        let clock = Arc::new(ManualClock::default());
        let check = |url: &str| Post::new(&HttpSettings::to(url), clock.clone()).map(|_| ()).map_err(|e| e.to_string());
        for good in
            ["https://hooks.example.com/SECRETMARK", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "http://hooks.example.com/SECRETMARK",
            "ftp://127.0.0.1/SECRETMARK",
            "file:///SECRETMARK",
            "SECRETMARK",
            "https://169.254.169.254/SECRETMARK",
            "https://10.0.0.1/SECRETMARK",
            "https://[::ffff:10.0.0.1]/SECRETMARK",
        ] {
            let words = check(bad).unwrap_err();
            assert!(words.starts_with("url: ") && !words.contains("SECRETMARK"), "{words}");
        }
    }
}
