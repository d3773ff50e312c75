//! An event as `lapwing parse --json` shows it.

use serde::Serialize;

/// One event for people and scripts: the public form of `lapwing parse --json`, its fields in this order. Absent values
/// are null; secrets are masked, in the target and the referer too.
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
}
