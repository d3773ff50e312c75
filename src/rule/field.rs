//! The fields that a condition can ask for: their names and what they hold.

use crate::diag::suggest;

/// What a field holds: what it can be compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Characters.
    Text,
    /// A plain number.
    Number,
    /// A length of time, in seconds: compared with `2s`, `500ms`.
    Span,
    /// A number of bytes: compared with `4096`, `10MB`.
    Size,
    /// An address: compared with addresses, and with networks by `cidr`.
    Address,
    /// Yes or no: stands alone.
    Flag,
    /// A field that Lapwing knows nothing about: text, or a number where it is compared with one.
    Loose,
}

impl Kind {
    /// What people call it, with an article.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Text => "a text",
            Kind::Number => "a number",
            Kind::Span => "a length of time",
            Kind::Size => "a number of bytes",
            Kind::Address => "an address",
            Kind::Flag => "either true or false",
            Kind::Loose => "a field of the log",
        }
    }

    /// Whether it can be added up and put in order.
    pub const fn is_number(self) -> bool {
        matches!(self, Kind::Number | Kind::Span | Kind::Size | Kind::Loose)
    }
}

/// A field of a line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum Field {
    Key,
    Client,
    Network,
    Endpoint,
    Source,
    Method,
    Target,
    Path,
    Query,
    Protocol,
    Host,
    Referer,
    Origin,
    UserAgent,
    Agent,
    User,
    Model,
    Country,
    RequestId,
    Session,
    Tenant,
    Subject,
    UpstreamAddr,
    UpstreamStatus,
    UpstreamTime,
    Tier,
    Owner,
    Contact,
    Environment,
    SourceEnvironment,
    Weekday,
    Hour,
    Status,
    BytesIn,
    BytesOut,
    Duration,
    TokensIn,
    TokensOut,
    Tokens,
    Cost,
    Crawler,
    Static,
    WrongEnvironment,
    UnexpectedNetwork,
    UnexpectedMethod,
    QuietHours,
    /// A parameter of the query, by its name.
    Parameter(String),
    /// Any other field of the line, by the name that the log gives it.
    Extra(String),
}

/// Every field with a name of its own: the name, the field, what it holds, and what it is.
#[rustfmt::skip]
pub const FIELDS: &[(&str, Field, Kind, &str)] = &[
    ("key", Field::Key, Kind::Text, "whose call it was, as alerts show it"),
    ("client", Field::Client, Kind::Address, "the client's address behind trusted proxies"),
    ("network", Field::Network, Kind::Text, "its network: the /24 of IPv4, the /48 of IPv6"),
    ("endpoint", Field::Endpoint, Kind::Text, "the route template: /v1/orders/{id}"),
    ("source", Field::Source, Kind::Text, "the configured source"),
    ("method", Field::Method, Kind::Text, "GET, POST"),
    ("target", Field::Target, Kind::Text, "path and query as they stand in the log"),
    ("path", Field::Path, Kind::Text, "the path, percent escapes undone"),
    ("query", Field::Query, Kind::Text, "the query as it stands in the log; query.NAME is one parameter, escapes undone"),
    ("protocol", Field::Protocol, Kind::Text, "HTTP/1.1"),
    ("host", Field::Host, Kind::Text, "the Host header or virtual host"),
    ("referer", Field::Referer, Kind::Text, "the Referer header"),
    ("origin", Field::Origin, Kind::Text, "the Origin header, where the log says it"),
    ("user_agent", Field::UserAgent, Kind::Text, "the User-Agent header"),
    ("agent", Field::Agent, Kind::Text, "its family: okhttp, python-requests, Chrome"),
    ("user", Field::User, Kind::Text, "the authenticated user"),
    ("model", Field::Model, Kind::Text, "the model that was called"),
    ("country", Field::Country, Kind::Text, "the client's country, where the log says it"),
    ("request_id", Field::RequestId, Kind::Text, "the request id"),
    ("session", Field::Session, Kind::Text, "the session, where the source maps one"),
    ("tenant", Field::Tenant, Kind::Text, "the tenant, where the source maps one"),
    ("subject", Field::Subject, Kind::Text, "who the caller says to be, where the source maps it"),
    ("upstream_addr", Field::UpstreamAddr, Kind::Text, "the servers behind"),
    ("upstream_status", Field::UpstreamStatus, Kind::Loose, "their status"),
    ("upstream_time", Field::UpstreamTime, Kind::Loose, "their time in seconds"),
    ("tier", Field::Tier, Kind::Text, "the tier of the key's consumer"),
    ("owner", Field::Owner, Kind::Text, "the owner of the key's consumer"),
    ("contact", Field::Contact, Kind::Text, "how to reach them"),
    ("environment", Field::Environment, Kind::Text, "the environment that the key's consumer is for"),
    ("source_environment", Field::SourceEnvironment, Kind::Text, "the environment of the source"),
    ("weekday", Field::Weekday, Kind::Text, "monday to sunday, in `timezone`"),
    ("hour", Field::Hour, Kind::Number, "0 to 23, in `timezone`"),
    ("status", Field::Status, Kind::Number, "the status"),
    ("bytes_in", Field::BytesIn, Kind::Size, "bytes received from the client"),
    ("bytes_out", Field::BytesOut, Kind::Size, "bytes sent to the client"),
    ("duration", Field::Duration, Kind::Span, "how long the request took"),
    ("tokens_in", Field::TokensIn, Kind::Number, "tokens read by a model"),
    ("tokens_out", Field::TokensOut, Kind::Number, "tokens written by a model"),
    ("tokens", Field::Tokens, Kind::Number, "both together"),
    ("cost", Field::Cost, Kind::Number, "what the call cost, as logged or by [cost]"),
    ("crawler", Field::Crawler, Kind::Flag, "the agent says that it is a crawler"),
    ("static", Field::Static, Kind::Flag, "a static asset, by its extension"),
    ("wrong_environment", Field::WrongEnvironment, Kind::Flag, "a key of one environment in a source of another"),
    ("unexpected_network", Field::UnexpectedNetwork, Kind::Flag, "from none of the `networks` of the key's consumer"),
    ("unexpected_method", Field::UnexpectedMethod, Kind::Flag, "with none of the `methods` of the key's consumer"),
    ("quiet_hours", Field::QuietHours, Kind::Flag, "in the `quiet_hours` of the key's consumer"),
];

/// Other names under which fields are known elsewhere.
const ALIASES: &[(&str, &str)] = &[
    ("ip", "client"),
    ("address", "client"),
    ("route", "endpoint"),
    ("uri", "target"),
    ("url", "target"),
    ("bytes", "bytes_out"),
    ("size", "bytes_out"),
    ("latency", "duration"),
    ("request_time", "duration"),
    ("time", "hour"),
    ("day", "weekday"),
    ("consumer", "key"),
    ("api_key", "key"),
    ("status_code", "status"),
    ("useragent", "user_agent"),
    ("plan", "tier"),
    ("env", "environment"),
];

/// The longest name of a parameter or of a field of the log, in bytes.
const MOST_NAME: usize = 128;

impl Field {
    /// A field by its name.
    ///
    /// # Errors
    /// A sentence that says that there is none, and what was probably meant.
    pub fn parse(name: &str) -> Result<Field, (String, Option<String>)> {
        if let Some((_, field, ..)) = FIELDS.iter().find(|(known, ..)| *known == name) {
            return Ok(field.clone());
        }
        for (prefix, of) in [("query.", Field::Parameter as fn(String) -> Field), ("field.", Field::Extra)] {
            if let Some(rest) = name.strip_prefix(prefix) {
                return if rest.is_empty() || rest.len() > MOST_NAME {
                    Err((format!("\"{prefix}\" needs a name of 1 to {MOST_NAME} characters"), None))
                } else {
                    Ok(of(rest.to_owned()))
                };
            }
        }
        let help = match ALIASES.iter().find(|(other, _)| *other == name) {
            Some((_, meant)) => Some(format!("did you mean \"{meant}\"?")),
            None => suggest(name, FIELDS.iter().map(|(known, ..)| *known)),
        };
        let help =
            help.map(|help| format!("{help} (field.NAME is any other field of the line, query.NAME a parameter)"));
        Err((format!("no field is called \"{name}\""), help))
    }

    /// As conditions write it.
    pub fn name(&self) -> String {
        match self {
            Field::Parameter(name) => format!("query.{name}"),
            Field::Extra(name) => format!("field.{name}"),
            own => FIELDS.iter().find(|(_, field, ..)| field == own).map_or("", |(name, ..)| name).to_owned(),
        }
    }

    /// What it holds.
    pub fn kind(&self) -> Kind {
        match self {
            Field::Parameter(_) | Field::Extra(_) => Kind::Loose,
            own => FIELDS.iter().find(|(_, field, ..)| field == own).map_or(Kind::Text, |(_, _, kind, _)| *kind),
        }
    }

    /// Whether large and small letters are the same in it.
    pub const fn folds(&self) -> bool {
        matches!(
            self,
            Field::Method
                | Field::Host
                | Field::Agent
                | Field::UserAgent
                | Field::Country
                | Field::Model
                | Field::Protocol
                | Field::Weekday
                | Field::Environment
                | Field::SourceEnvironment
        )
    }

    /// The name under which the log must be asked for it, where lines do not carry it unasked.
    pub fn asked(&self) -> Option<&str> {
        match self {
            Field::Extra(name) => Some(name),
            Field::Session => Some("session"),
            Field::Tenant => Some("tenant"),
            Field::Subject => Some("subject"),
            Field::Origin => Some("origin"),
            Field::UpstreamAddr => Some("upstream_addr"),
            Field::UpstreamStatus => Some("upstream_status"),
            Field::UpstreamTime => Some("upstream_time"),
            _ => None,
        }
    }

    /// The only values that it has, where they are few.
    pub const fn values(&self) -> Option<&'static [&'static str]> {
        match self {
            Field::Weekday => Some(&WEEKDAYS),
            _ => None,
        }
    }
}

/// The days as conditions write them.
pub const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
