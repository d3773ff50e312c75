//! What a field means: the roles that a record has, and the names under which servers write them.

use super::field::Unit;

/// What a field of a line is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Role {
    Time,
    Client,
    ForwardedFor,
    User,
    Consumer,
    ApiKey,
    /// The whole request line.
    Request,
    Method,
    /// Path with query.
    Target,
    /// The path alone; joined with the query.
    Path,
    /// The query alone, with or without its question mark.
    Query,
    Protocol,
    Status,
    BytesOut,
    BytesIn,
    Duration,
    Referer,
    /// The page whose script made the request.
    Origin,
    UserAgent,
    Host,
    RequestId,
    BodyDigest,
    TokensIn,
    TokensOut,
    Cost,
    Model,
    Country,
    UpstreamAddr,
    UpstreamStatus,
    UpstreamTime,
    Session,
    Tenant,
    Subject,
    /// Kept under its name.
    Extra,
    /// Read over.
    Ignored,
}

/// How many roles there are, for tables by role.
pub(super) const ROLES: usize = Role::Ignored as usize + 1;

/// A role under one of its names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) role: Role,
    /// Where several fields have one role the lowest rank wins, and the others are kept under their names.
    pub(super) rank: u8,
    /// The unit of a duration.
    pub(super) unit: Unit,
}

impl Known {
    /// Kept under its name.
    pub(super) const EXTRA: Known = Known::new(Role::Extra, 0);

    /// A role of which there is no better source.
    pub(super) const fn new(role: Role, rank: u8) -> Known {
        Known { role, rank, unit: Unit::Guess }
    }

    /// A duration in `unit`.
    pub(super) const fn duration(unit: Unit, rank: u8) -> Known {
        Known { role: Role::Duration, rank, unit }
    }
}

impl Role {
    /// The role's name in format files and expectations.
    pub(super) fn parse(name: &str) -> Option<Role> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }

    /// The role's name; empty for a field that is kept under its own.
    pub(super) fn name(self) -> &'static str {
        NAMES.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// Every name that a format file may give a field.
    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Whether a request header can have this role; `Date` and `From` in a request are not the line's time and client.
    pub(super) const fn is_header(self) -> bool {
        matches!(
            self,
            Role::UserAgent
                | Role::Referer
                | Role::Origin
                | Role::Host
                | Role::ApiKey
                | Role::Consumer
                | Role::ForwardedFor
                | Role::RequestId
                | Role::BodyDigest
                | Role::Country
                | Role::Model
        )
    }
}

const NAMES: &[(&str, Role)] = &[
    ("time", Role::Time),
    ("client", Role::Client),
    ("forwarded_for", Role::ForwardedFor),
    ("user", Role::User),
    ("consumer", Role::Consumer),
    ("api_key", Role::ApiKey),
    ("request", Role::Request),
    ("method", Role::Method),
    ("target", Role::Target),
    ("path", Role::Path),
    ("query", Role::Query),
    ("protocol", Role::Protocol),
    ("status", Role::Status),
    ("bytes_out", Role::BytesOut),
    ("bytes_in", Role::BytesIn),
    ("duration", Role::Duration),
    ("referer", Role::Referer),
    ("origin", Role::Origin),
    ("user_agent", Role::UserAgent),
    ("host", Role::Host),
    ("request_id", Role::RequestId),
    ("body_digest", Role::BodyDigest),
    ("tokens_in", Role::TokensIn),
    ("tokens_out", Role::TokensOut),
    ("cost", Role::Cost),
    ("model", Role::Model),
    ("country", Role::Country),
    ("upstream_addr", Role::UpstreamAddr),
    ("upstream_status", Role::UpstreamStatus),
    ("upstream_time", Role::UpstreamTime),
    ("session", Role::Session),
    ("tenant", Role::Tenant),
    ("subject", Role::Subject),
    ("ignored", Role::Ignored),
];

/// What a field of this name usually is. Case, dashes, dots and underscores do not matter: `User-Agent`,
/// `http_user_agent` and `userAgent` are one name.
pub(super) fn by_name(name: &[u8]) -> Option<Known> {
    let mut plain = [0u8; 40];
    let mut len = 0;
    for b in name.iter().filter(|b| b.is_ascii_alphanumeric()) {
        *plain.get_mut(len)? = b.to_ascii_lowercase();
        len += 1;
    }
    by_plain_name(plain.get(..len)?)
}

/// What a header of this name usually is; the `X-` before the names of private headers does not matter.
pub(super) fn by_header(name: &[u8]) -> Option<Known> {
    let plain = name
        .strip_prefix(b"X-")
        .or_else(|| name.strip_prefix(b"x-"))
        .or_else(|| name.strip_prefix(b"x_"))
        .or_else(|| name.strip_prefix(b"X_"));
    by_name(name).or_else(|| by_name(plain?))
}

// Rows of one role stand in several lines where one would be too long.
#[allow(clippy::match_same_arms)]
fn by_plain_name(name: &[u8]) -> Option<Known> {
    use Role::{
        ApiKey, BodyDigest, BytesIn, BytesOut, Client, Consumer, Cost, Country, ForwardedFor, Host, Method, Model,
        Origin, Path, Protocol, Query, Referer, Request, RequestId, Status, Target, Time, TokensIn, TokensOut, User,
        UserAgent,
    };
    let (role, rank) = match name {
        b"time" | b"timestamp" | b"ts" | b"msec" | b"datetime" | b"eventtime" | b"startutc" | b"timegenerated" => {
            (Time, 0)
        }
        b"timeiso8601" | b"timems" | b"timestampms" | b"asctime" | b"logtime" | b"requesttimestamp" => (Time, 1),
        b"timelocal" | b"starttime" | b"startlocal" | b"edgestarttimestamp" | b"date" | b"receivetimestamp" | b"t" => {
            (Time, 2)
        }
        b"remoteaddr" | b"clientip" | b"clientaddress" | b"clientaddr" | b"sourceip" | b"srcip" | b"cip" => (Client, 0),
        b"clienthost" | b"client" => (Client, 0),
        b"remoteip" | b"remotehost" | b"ip" | b"ipaddress" | b"peer" | b"remote" | b"peeraddr" => (Client, 1),
        b"downstreamremoteaddress" | b"callerip" | b"requesteripaddress" => (Client, 1),
        b"xforwardedfor" | b"httpxforwardedfor" | b"forwardedfor" | b"proxyaddxforwardedfor" | b"xff" => {
            (ForwardedFor, 0)
        }
        b"httpcfconnectingip" | b"cfconnectingip" | b"httptrueclientip" | b"trueclientip" => (ForwardedFor, 1),
        b"httpxrealip" | b"xrealip" | b"httpxclientip" | b"xclientip" => (ForwardedFor, 2),
        b"remoteuser" | b"user" | b"username" | b"authuser" | b"clientusername" | b"csusername" => (User, 0),
        b"userid" | b"authenticateduser" | b"principal" => (User, 1),
        b"consumer" | b"consumername" | b"consumerusername" | b"apikeyname" | b"keyname" | b"tenant" => (Consumer, 0),
        b"clientid" | b"consumerid" | b"apikeyid" | b"keyid" | b"customer" | b"account" | b"xclientid" => (Consumer, 1),
        b"customerid" | b"accountid" | b"tenantid" | b"appid" | b"app" | b"application" => (Consumer, 2),
        b"userapikeyalias" | b"keyalias" | b"virtualkey" | b"virtualkeyname" => (Consumer, 1),
        b"xconsumerusername" | b"xconsumerid" | b"xtenant" | b"xtenantid" | b"xcustomerid" => (Consumer, 1),
        b"httpxconsumerusername" | b"httpxclientid" | b"httpxtenantid" | b"jwtclaimsub" | b"sub" => (Consumer, 1),
        b"apikey" | b"xapikey" | b"httpxapikey" | b"argapikey" | b"key" | b"httpapikey" | b"httpapikeyid" => {
            (ApiKey, 0)
        }
        b"argkey" | b"argtoken" | b"argaccesstoken" | b"accesstoken" | b"token" | b"accesskey" => (ApiKey, 1),
        b"authorization" | b"httpauthorization" | b"httpxauthtoken" | b"xauthtoken" => (ApiKey, 2),
        b"request" | b"requestline" => (Request, 0),
        b"requestfirstline" | b"firstline" => (Request, 1),
        b"requestmethod" | b"method" | b"httpmethod" | b"verb" | b"httprequestmethod" => (Method, 0),
        b"clientrequestmethod" | b"csmethod" => (Method, 0),
        b"requesturi" | b"uri" | b"requesturl" | b"httprequestrequesturl" | b"clientrequesturi" | b"target" => {
            (Target, 0)
        }
        b"url" | b"urloriginal" | b"originalurl" | b"fullpath" | b"httpurl" => (Target, 1),
        b"path" | b"requestpath" | b"urlpath" | b"uripath" | b"documenturi" | b"httppath" | b"csuristem" => (Path, 0),
        b"query" | b"querystring" | b"args" | b"urlquery" | b"requestquery" | b"uriquery" | b"csuriquery" => (Query, 0),
        b"serverprotocol" | b"protocol" | b"proto" | b"httpversion" | b"requestprotocol" | b"requestproto" => {
            (Protocol, 0)
        }
        b"clientrequestprotocol" | b"httpprotocol" => (Protocol, 0),
        b"status" | b"statuscode" | b"httpstatus" | b"responsestatus" | b"httpresponsestatuscode" | b"code" => {
            (Status, 0)
        }
        b"downstreamstatus" | b"edgeresponsestatus" | b"responsecode" | b"scstatus" | b"httpstatuscode" => (Status, 0),
        b"originstatus" | b"responsestatuscode" => (Status, 1),
        b"bodybytessent" | b"size" | b"downstreamcontentsize" | b"edgeresponsebytes" | b"responsesize" => (BytesOut, 0),
        b"httpresponsebodybytes" | b"responsebytes" | b"bytesout" | b"scbytes" | b"responsebodysize" => (BytesOut, 0),
        b"bytessent" | b"bytes" | b"responselength" | b"length" | b"contentlengthout" | b"bodybytes" => (BytesOut, 1),
        b"requestlength" | b"bytesread" | b"bytesreceived" | b"bytesin" | b"requestsize" | b"csbytes" => (BytesIn, 0),
        b"httprequestbodybytes" | b"requestcontentsize" | b"clientrequestbytes" => (BytesIn, 0),
        b"contentlength" | b"httpcontentlength" => (BytesIn, 1),
        b"httpreferer" | b"referer" | b"referrer" | b"requestreferer" | b"clientrequestreferer" => (Referer, 0),
        b"httporigin" | b"origin" | b"requestorigin" | b"requestheadersorigin" => (Origin, 0),
        b"httpuseragent" | b"useragent" | b"requestuseragent" | b"useragentoriginal" => (UserAgent, 0),
        b"clientrequestuseragent" | b"agent" | b"httprequestuseragent" | b"ua" => (UserAgent, 1),
        b"host" | b"vhost" | b"requesthost" | b"virtualhost" | b"clientrequesthost" | b"domain" => (Host, 0),
        b"httphost" | b"authority" | b"urldomain" | b"xhostheader" => (Host, 1),
        b"servername" | b"hostname" => (Host, 2),
        b"requestid" | b"reqid" | b"xrequestid" | b"httpxrequestid" | b"httprequestid" => (RequestId, 0),
        b"traceid" | b"correlationid" | b"rayid" | b"xcorrelationid" | b"httpxcorrelationid" => (RequestId, 1),
        b"idempotencykey" | b"httpidempotencykey" | b"contentdigest" | b"bodydigest" | b"bodyhash" => (BodyDigest, 0),
        b"bodysha256" | b"requesthash" | b"contentmd5" | b"httpcontentdigest" | b"httpcontentmd5" => (BodyDigest, 1),
        b"tokensin" | b"prompttokens" | b"inputtokens" | b"requesttokens" => (TokensIn, 0),
        b"genaiusageinputtokens" | b"genaiusageprompttokens" | b"llmtokencountprompt" | b"prompttokencount" => {
            (TokensIn, 1)
        }
        b"inputtokencount" | b"llmusageprompttokens" | b"numprompttokens" | b"ntokensin" => (TokensIn, 1),
        b"tokensout" | b"completiontokens" | b"outputtokens" | b"generatedtokens" | b"responsetokens" => (TokensOut, 0),
        b"genaiusageoutputtokens" | b"genaiusagecompletiontokens" | b"llmtokencountcompletion" => (TokensOut, 1),
        b"candidatestokencount" | b"outputtokencount" | b"llmusagecompletiontokens" | b"ntokensout" => (TokensOut, 1),
        b"cost" | b"costusd" | b"responsecost" | b"totalcost" | b"spend" => (Cost, 0),
        b"totalcostusd" | b"costinusd" | b"requestcost" | b"apicost" => (Cost, 1),
        b"model" | b"modelname" | b"llmmodel" => (Model, 0),
        b"genairequestmodel" | b"genairesponsemodel" | b"requestmodel" | b"modelid" | b"llmmodelname" => (Model, 1),
        b"responsemodel" | b"modelgroup" => (Model, 2),
        b"country" | b"countrycode" | b"geoipcountrycode" | b"clientcountry" | b"cfipcountry" => (Country, 0),
        b"geoip2datacountrycode" | b"geoip2countrycode" | b"httpcfipcountry" | b"geocountryisocode" => (Country, 0),
        other => return duration_by_name(other),
    };
    Some(Known::new(role, rank))
}

fn duration_by_name(name: &[u8]) -> Option<Known> {
    let (unit, rank) = match name {
        b"requesttime" | b"durations" | b"durationseconds" | b"latencyseconds" | b"timetaken" | b"elapsedseconds" => {
            (Unit::Seconds, 0)
        }
        b"duration" | b"latency" | b"elapsed" | b"responsetime" | b"took" | b"elapsedtime" => (Unit::Guess, 1),
        b"durationms" | b"latencyms" | b"elapsedms" | b"responsetimems" | b"requesttimems" | b"tookms"
        | b"timetakenms" => (Unit::Millis, 0),
        b"durationus" | b"latencyus" | b"durationmicros" | b"elapsedus" => (Unit::Micros, 0),
        b"durationns" | b"latencyns" | b"durationnanos" | b"eventduration" | b"elapsedns" => (Unit::Nanos, 0),
        b"upstreamresponsetime" => (Unit::Seconds, 2),
        _ => return None,
    };
    Some(Known::duration(unit, rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_any_spelling() {
        for name in ["User-Agent", "user_agent", "http_user_agent", "userAgent"] {
            assert_eq!(by_name(name.as_bytes()).map(|k| k.role), Some(Role::UserAgent), "{name}");
        }
        assert_eq!(by_name(b"@timestamp").map(|k| k.role), Some(Role::Time));
        assert_eq!(by_name(b"duration_ms").map(|k| k.unit), Some(Unit::Millis));
        assert_eq!(by_header(b"X-Tokens-In").map(|k| k.role), Some(Role::TokensIn));
        assert_eq!(by_name(b"something_else"), None);
        assert_eq!(by_name(&[b'x'; 500]), None);
    }

    #[test]
    fn every_role_of_a_format_file_reads_back() {
        for name in Role::names() {
            assert!(Role::parse(name).is_some(), "{name}");
        }
    }
}
