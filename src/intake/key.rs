//! Whose call it is: where the consumer's key stands, and the name it is counted and shown under.
//!
//! A value from a place that holds secrets never leaves this file in clear. It becomes a masked form with a stable
//! fingerprint (`sk_live_…9f3a·7c41e0`), and an [`Id`] made from its keyed digest.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::event::{Hasher, Id};
use crate::format::{FieldPlace, Record, Value, alike, find as find_byte};
use crate::sanitize;

use super::consumer::Consumer;
use super::credential::{Credential, credential, has_scheme};
use super::fingerprint::{FingerprintKey, short};
use super::memo::Memo;
use super::target::{Target, percent_decoded};
use super::{clipped, lossy};

/// Half of the secrets whose masked form is remembered, since a keyed digest for each line would be dear.
const MEMO_ENTRIES: usize = 57_344;
/// A name this short is never taken for a secret by its looks.
const SECRET_FROM_BYTES: usize = 16;

/// Query parameters that name the consumer, best first.
#[rustfmt::skip]
const PARAMETERS: &[&str] = &[
    "api_key", "apikey", "api-key", "x-api-key", "x_api_key", "access_key", "accesskey", "access_token", "auth_token",
    "api_token", "subscription-key", "ocp-apim-subscription-key", "app_key", "appkey", "key", "token", "appid",
    "client_id", "clientid", "consumer", "consumer_id",
];

/// From this place of [`PARAMETERS`] on they may as well say what is asked for: `/kv?key=a` and `/kv?key=b` are two requests.
const AMBIGUOUS: usize = 14;

/// From this place of [`PARAMETERS`] on they hold a name and no secret.
const NAMES: usize = 17;

/// The places of [`PARAMETERS`] with a name of so many bytes, as bits.
const OF_LENGTH: [u32; 32] = {
    let mut places = [0; 32];
    let mut at = 0;
    while at < PARAMETERS.len() {
        places[PARAMETERS[at].len()] |= 1 << at;
        at += 1;
    }
    places
};

/// A place of a line where the consumer's key may stand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyPlace {
    /// The consumer or client id that the format found: a name.
    Consumer,
    /// The API key or Authorization value that the format found: a secret.
    ApiKey,
    /// The authenticated user: a name.
    User,
    /// The first key-like query parameter.
    AnyParameter,
    /// This query parameter; a secret if its name says so.
    Parameter(String),
    /// This field of the line, header as nginx and JSON logs name it, or cookie; a secret if its name says so.
    Field(FieldPlace),
}

impl KeyPlace {
    /// From configuration: `user`, `consumer`, `api_key`, `query` (any key-like parameter), `query:NAME`, `json:NAME` or
    /// `json:/PO/INTER`, `field:NAME`, `header:NAME`, `cookie:NAME`, and `tenant`, `subject`, `session` as the source maps
    /// them.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, name) = text.trim().split_once(':').map_or((text.trim(), None), |(k, n)| (k, Some(n.trim())));
        match (kind, name) {
            ("user", None) => Ok(KeyPlace::User),
            ("consumer", None) | ("json" | "field", Some("consumer")) => Ok(KeyPlace::Consumer),
            ("api_key", None) => Ok(KeyPlace::ApiKey),
            ("query", None) => Ok(KeyPlace::AnyParameter),
            ("query", Some(name)) if !name.is_empty() => Ok(KeyPlace::Parameter(name.to_owned())),
            ("json" | "field" | "header" | "cookie", Some(name)) if !name.is_empty() => {
                FieldPlace::parse(text).map(KeyPlace::Field)
            }
            ("tenant" | "subject" | "session", None) => FieldPlace::parse(kind).map(KeyPlace::Field),
            _ => Err(format!(
                "expected \"user\", \"query:NAME\", \"json:NAME\", \"field:NAME\", \"header:NAME\", \"cookie:NAME\", \"tenant\", \"subject\" or \"session\", found \"{text}\""
            )),
        }
    }

    /// The field that must be read for it, if it is one.
    pub fn field(&self) -> Option<&FieldPlace> {
        match self {
            KeyPlace::Field(place) => Some(place),
            _ => None,
        }
    }

    /// The order of the contract: a consumer or key field, the authenticated user, a key-like query parameter.
    pub fn default_order() -> Vec<KeyPlace> {
        vec![KeyPlace::Consumer, KeyPlace::ApiKey, KeyPlace::User, KeyPlace::AnyParameter]
    }
}

/// A key as it was found in a line.
#[derive(Clone, Debug)]
pub struct Found<'r> {
    value: Cow<'r, [u8]>,
    secret: bool,
    origin: Origin<'r>,
}

#[derive(Clone, Copy, Debug)]
enum Origin<'r> {
    Consumer,
    ApiKey,
    User,
    Parameter(&'r [u8]),
    Field(&'r str),
}

impl<'r> Found<'r> {
    /// Where it was found, as configuration writes it: `user`, `query:api_key`, `json:consumer`.
    pub fn source(&self) -> String {
        match self.origin {
            Origin::Consumer => "json:consumer".to_owned(),
            Origin::ApiKey => "json:api_key".to_owned(),
            Origin::User => "user".to_owned(),
            Origin::Parameter(name) => format!("query:{}", clipped(&lossy(&percent_decoded(name)))),
            Origin::Field(name) => format!("json:{name}"),
        }
    }

    /// Whether it stood in a place that holds secrets.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// The query parameter it stood in, undecoded.
    pub fn parameter(&self) -> Option<&'r [u8]> {
        match self.origin {
            Origin::Parameter(name) => Some(name),
            _ => None,
        }
    }
}

/// Looks through `places` in order; the first that holds anything wins.
pub fn find<'r>(record: &'r Record<'_>, target: Option<Target<'r>>, places: &'r [KeyPlace]) -> Option<Found<'r>> {
    places.iter().find_map(|place| match place {
        KeyPlace::Consumer => field(record.consumer.as_ref(), false, Origin::Consumer),
        KeyPlace::ApiKey => field(record.api_key.as_ref(), true, Origin::ApiKey),
        KeyPlace::User => field(record.user.as_ref(), false, Origin::User),
        KeyPlace::AnyParameter => any_parameter(target?),
        KeyPlace::Parameter(name) => target?.parameters().find_map(|p| {
            let same = percent_decoded(p.name).eq_ignore_ascii_case(name.as_bytes());
            same.then(|| parameter(p.name, p.value, sanitize::is_secret_name(name))).flatten()
        }),
        KeyPlace::Field(name) => named_field(record, name),
    })
}

/// Whether a query parameter of this (decoded) name holds nothing but the caller's key.
pub fn is_key_parameter(name: &[u8]) -> bool {
    rank(name).is_some_and(|rank| rank < AMBIGUOUS)
}

/// The same of a name as it stands, with its escapes.
fn rank_of_written(name: &[u8]) -> Option<usize> {
    // With escapes a name is at most three times as long.
    if name.len() > 3 * LONGEST_PARAMETER {
        return None;
    }
    if find_byte(b'%', name).is_some() { rank(&percent_decoded(name)) } else { rank(name) }
}

/// The longest of [`PARAMETERS`], in bytes.
const LONGEST_PARAMETER: usize = 25;

fn rank(name: &[u8]) -> Option<usize> {
    // Most names are settled by their length, or by their first letter.
    let first = name.first()?.to_ascii_lowercase();
    let mut places = OF_LENGTH.get(name.len()).copied().unwrap_or(0);
    while places != 0 {
        let at = places.trailing_zeros() as usize;
        let known = PARAMETERS.get(at)?.as_bytes();
        if known.first() == Some(&first) && (name == known || name.eq_ignore_ascii_case(known)) {
            return Some(at);
        }
        places &= places - 1;
    }
    None
}

fn any_parameter(target: Target<'_>) -> Option<Found<'_>> {
    let mut best = None;
    for p in target.parameters() {
        if let Some(rank) = rank_of_written(p.name)
            && !p.value.is_empty()
            && best.is_none_or(|(least, _)| rank < least)
        {
            best = Some((rank, p));
        }
    }
    let (rank, p) = best?;
    parameter(p.name, p.value, rank < NAMES)
}

fn parameter<'r>(name: &'r [u8], value: &'r [u8], secret: bool) -> Option<Found<'r>> {
    let value = percent_decoded(value);
    is_present(&value).then_some(Found { value, secret, origin: Origin::Parameter(name) })
}

fn field<'r>(value: Option<&'r Value<'_>>, secret: bool, origin: Origin<'r>) -> Option<Found<'r>> {
    value.filter(|v| is_present(v)).map(|v| Found { value: Cow::Borrowed(v.trim_ascii()), secret, origin })
}

/// A field by the name that the configuration gives it: exactly, else without regard to case and separators, so that
/// `X-Api-Key` finds nginx's `http_x_api_key` and JSON's `request.headers.x-api-key`.
fn named_field<'r>(record: &'r Record<'_>, place: &'r FieldPlace) -> Option<Found<'r>> {
    let name = place.name();
    let origin = Origin::Field(name);
    let secret = sanitize::is_secret_name(name) || place.is_cookie();
    let agreeing = record.extra.iter().filter_map(|(n, value)| Some((place.agrees(n)?, value)));
    let best = agreeing.filter(|(_, value)| is_present(value)).min_by_key(|(rank, _)| *rank);
    if let Some((0 | 1, value)) = best {
        return field(Some(value), secret, origin);
    }
    if place.is_cookie() {
        return None;
    }
    let is = |known: &[&str]| known.iter().any(|known| alike(name, known));
    let known = if is(&["consumer", "consumer_id", "consumer_name", "client_id", "tenant", "tenant_id"]) {
        field(record.consumer.as_ref(), false, origin)
    } else if is(&["api_key", "x_api_key", "authorization", "http_authorization", "http_x_api_key"]) {
        field(record.api_key.as_ref(), true, origin)
    } else if is(&["user", "remote_user", "user_name"]) {
        field(record.user.as_ref(), false, origin)
    } else if is(&["host", "http_host"]) {
        field(record.host.as_ref(), false, origin)
    } else if is(&["model"]) {
        field(record.model.as_ref(), false, origin)
    } else if is(&["country"]) {
        field(record.country.as_ref(), false, origin)
    } else {
        None
    };
    known.or_else(|| field(Some(best?.1), secret, origin))
}

/// Whether a value says anything: empty ones, placeholders and what a server has already crossed out do not.
fn is_present(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    // Most values are told from all of those by their length and first letter.
    let first = value.first().map(u8::to_ascii_lowercase);
    if !value.is_empty()
        && (value.len() > 10 || !matches!(first, Some(b'-' | b'n' | b'u' | b'r' | b'[' | b'<')))
        && first != Some(b'*')
    {
        return true;
    }
    let absent = ["-", "null", "undefined", "redacted", "[redacted]", "<redacted>", "[filtered]"];
    !value.is_empty()
        && !value.iter().all(|b| *b == b'*')
        && !absent.iter().any(|a| value.len() == a.len() && value.eq_ignore_ascii_case(a.as_bytes()))
}

/// The name a call is counted and shown under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named<'a> {
    /// What it is counted under: made from the whole name, or from the keyed digest of a secret.
    pub id: Id,
    /// What people see.
    pub text: &'a str,
}

/// Turns found keys into names.
#[derive(Debug)]
pub struct Names {
    key: FingerprintKey,
    hasher: Hasher,
    /// By the id of a name or secret as it stands in the log, or of `fp:` and six digits: the configured consumer.
    consumers: HashMap<Id, (Id, String)>,
    /// By the id of the secret as it stands in the line.
    memo: Memo<(Id, Box<str>), MEMO_ENTRIES>,
    scratch: String,
}

impl Names {
    /// With the configured consumers.
    pub fn new(key: FingerprintKey, hasher: Hasher, consumers: &BTreeMap<String, Consumer>) -> Self {
        let mut known = HashMap::new();
        for (name, consumer) in consumers {
            for key in &consumer.keys {
                let key = if key.starts_with("fp:") { key.to_ascii_lowercase() } else { key.clone() };
                known.insert(hasher.id(key.as_bytes()), (hasher.id(name.as_bytes()), name.clone()));
            }
        }
        Names { key, hasher, consumers: known, memo: Memo::default(), scratch: String::new() }
    }

    /// The name of a found key.
    pub fn name(&mut self, found: &Found<'_>) -> Named<'_> {
        let looks_secret = || found.value.len() >= SECRET_FROM_BYTES && sanitize::known_secret(&lossy(&found.value));
        if found.secret || has_scheme(&found.value) || looks_secret() {
            return self.secret(&found.value);
        }
        let id = self.hasher.id(&found.value);
        if let Some((id, text)) = self.consumers.get(&id) {
            return Named { id: *id, text };
        }
        self.scratch.clear();
        self.scratch.push_str(&clipped(&lossy(&found.value)));
        Named { id, text: &self.scratch }
    }

    /// A value from a place that holds secrets, as it may be shown: the name inside it if it has one (the subject of a
    /// token), else masked, with its fingerprint.
    pub fn masked(&mut self, value: &[u8]) -> String {
        self.secret(value).text.to_owned()
    }

    fn secret(&mut self, value: &[u8]) -> Named<'_> {
        let Names { key, hasher, consumers, memo, .. } = self;
        let (id, text) = memo.get_or_insert_with(hasher.id(value), || learn(value, key, hasher, consumers));
        Named { id: *id, text }
    }
}

/// What a value from a place of secrets is called.
fn learn(value: &[u8], key: &FingerprintKey, hasher: &Hasher, consumers: &HashMap<Id, (Id, String)>) -> (Id, Box<str>) {
    let known = |name: &[u8]| {
        // Most configurations know none.
        let found = if consumers.is_empty() { None } else { consumers.get(&hasher.id(name)) };
        found.map(|(id, name)| (*id, name.as_str().into()))
    };
    match credential(value) {
        Credential::Name(name) => known(name.as_bytes())
            .unwrap_or_else(|| (hasher.id(name.as_bytes()), clipped(&name).into_owned().into_boxed_str())),
        Credential::Secret(secret) => {
            let digest = key.digest(&secret);
            let short = short(&digest);
            let by_print = || if consumers.is_empty() { None } else { known(format!("fp:{short}").as_bytes()) };
            known(&secret).or_else(by_print).unwrap_or_else(|| {
                let mut text = sanitize::mask(&lossy(&secret));
                text.push('·');
                text.push_str(&short);
                (hasher.id(&digest), text.into_boxed_str())
            })
        }
    }
}
