//! An event as `lapwing parse --json` shows it.

use std::collections::BTreeMap;

use serde::Serialize;

/// One event for people and scripts: the public form of `lapwing parse --json`, its fields in this order. Absent values
/// are null, but for those after `format`, which few logs have: they are left out. Secrets are masked, in the target, the
/// referer and extra fields too.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct EventView {
    /// The number of the line, from 1; set by the caller.
    pub line: u64,
    /// RFC 3339 in UTC with milliseconds.
    pub time: String,
    /// The client behind trusted proxies.
    pub client: Option<String>,
    /// The consumer, masked if it is a secret.
    pub key: Option<String>,
    /// Where the key was found: `user`, `query:api_key`, `json:consumer`.
    pub key_source: Option<String>,
    /// The method as it stands.
    pub method: Option<String>,
    /// The request target.
    pub target: Option<String>,
    /// Its route template.
    pub endpoint: Option<String>,
    /// `HTTP/1.1` and the like.
    pub protocol: Option<String>,
    /// The status.
    pub status: Option<u16>,
    /// Bytes sent to the client.
    pub bytes_out: Option<u64>,
    /// Bytes received from the client.
    pub bytes_in: Option<u64>,
    /// Seconds.
    pub duration: Option<f64>,
    /// The Referer header.
    pub referer: Option<String>,
    /// The User-Agent header.
    pub user_agent: Option<String>,
    /// The Host header or virtual host.
    pub host: Option<String>,
    /// Tokens read by a model.
    pub tokens_in: Option<u64>,
    /// Tokens written by a model.
    pub tokens_out: Option<u64>,
    /// In the configured currency, as logged or by the configured prices.
    pub cost: Option<f64>,
    /// The format that read the line; set by the caller.
    pub format: String,
    /// The model that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The request id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The client's country.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The Origin header: the page whose script made the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The servers behind, as logged: several with commas between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_addr: Option<String>,
    /// Their status, as logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<String>,
    /// Their times, as logged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_time: Option<String>,
    /// The session, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The tenant, where the source maps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Who the caller says to be, where the source maps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Every other field of the line by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
}

impl EventView {
    /// What the contract has no column for, by name: for people.
    pub fn further(&self) -> impl Iterator<Item = (&str, &str)> {
        let known = [
            ("model", &self.model),
            ("request_id", &self.request_id),
            ("country", &self.country),
            ("origin", &self.origin),
            ("upstream_addr", &self.upstream_addr),
            ("upstream_status", &self.upstream_status),
            ("upstream_time", &self.upstream_time),
            ("session", &self.session),
            ("tenant", &self.tenant),
            ("subject", &self.subject),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        known.chain(self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}
