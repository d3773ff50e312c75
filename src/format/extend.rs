//! A log format with what it lacks put behind what it has: what to paste into the server's configuration.

use super::dialect::{self, Syntax};
use super::field::Escape;
use super::nginx;

/// What lines may lack though the server could write it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum Lacking {
    Key,
    ForwardedFor,
    Duration,
    BytesIn,
    BytesOut,
    Host,
    UserAgent,
    Referer,
}

impl Lacking {
    /// All of them.
    pub const ALL: [Lacking; 8] = [
        Lacking::Key,
        Lacking::ForwardedFor,
        Lacking::Duration,
        Lacking::BytesIn,
        Lacking::BytesOut,
        Lacking::Host,
        Lacking::UserAgent,
        Lacking::Referer,
    ];
}

/// A format that says more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extended {
    /// For the server's configuration: the whole directive, where the server has one.
    pub directive: String,
    /// For `log_format` of the source: the format as it is from then on.
    pub log_format: String,
}

/// The name that a format gets which has none.
const NAME: &str = "lapwing";

/// What each server calls it. Texts that clients choose stand in quotes.
// One server after the other, whatever two of them have in common.
#[allow(clippy::match_same_arms)]
fn variable(syntax: Syntax, lacking: Lacking) -> Option<&'static str> {
    use Lacking::{BytesIn, BytesOut, Duration, ForwardedFor, Host, Key, Referer, UserAgent};
    Some(match (syntax, lacking) {
        (Syntax::Nginx, Key) => "\"$http_x_api_key\"",
        (Syntax::Nginx, ForwardedFor) => "\"$http_x_forwarded_for\"",
        (Syntax::Nginx, Duration) => "$request_time",
        (Syntax::Nginx, BytesIn) => "$request_length",
        (Syntax::Nginx, BytesOut) => "$body_bytes_sent",
        (Syntax::Nginx, Host) => "$host",
        (Syntax::Nginx, UserAgent) => "\"$http_user_agent\"",
        (Syntax::Nginx, Referer) => "\"$http_referer\"",
        (Syntax::Apache, Key) => "\"%{X-Api-Key}i\"",
        (Syntax::Apache, ForwardedFor) => "\"%{X-Forwarded-For}i\"",
        (Syntax::Apache, Duration) => "%D",
        // mod_logio has it.
        (Syntax::Apache, BytesIn) => "%I",
        (Syntax::Apache, BytesOut) => "%B",
        (Syntax::Apache, Host) => "%V",
        (Syntax::Apache, UserAgent) => "\"%{User-Agent}i\"",
        (Syntax::Apache, Referer) => "\"%{Referer}i\"",
        // With `http-request set-var(txn.api_key) req.hdr(X-Api-Key)` before it.
        (Syntax::Haproxy, Key) => "\"%[var(txn.api_key)]\"",
        (Syntax::Haproxy, Duration) => "%Ta",
        (Syntax::Haproxy, BytesIn) => "%U",
        (Syntax::Haproxy, BytesOut) => "%B",
        (Syntax::Envoy, Key) => "\"%REQ(X-API-KEY)%\"",
        (Syntax::Envoy, ForwardedFor) => "\"%REQ(X-FORWARDED-FOR)%\"",
        (Syntax::Envoy, Duration) => "%DURATION%",
        (Syntax::Envoy, BytesIn) => "%BYTES_RECEIVED%",
        (Syntax::Envoy, BytesOut) => "%BYTES_SENT%",
        (Syntax::Envoy, Host) => "\"%REQ(:AUTHORITY)%\"",
        (Syntax::Envoy, UserAgent) => "\"%REQ(USER-AGENT)%\"",
        (Syntax::Envoy, Referer) => "\"%REQ(REFERER)%\"",
        _ => return None,
    })
}

/// The format of `text`, in its own order, with what is lacking behind it. `None` if the text is no format of its server,
/// or there is nothing that could be added.
pub fn extend(text: &str, syntax: Syntax, lacking: &[Lacking]) -> Option<Extended> {
    // What stands there already and says nothing would say nothing twice.
    let added = lacking.iter().filter_map(|lacking| variable(syntax, *lacking)).filter(|added| !stands(text, added));
    let added: Vec<&str> = added.collect();
    if added.is_empty() {
        return None;
    }
    if syntax == Syntax::Nginx {
        return extend_nginx(text, &added);
    }
    let format = dialect::plain_text(text, syntax)?;
    let format = format!("{} {}", format.trim_end(), added.join(" "));
    dialect::compile(&format, syntax).ok()?;
    let quoted = |further: &[char]| {
        let escape = |c: char| if c == '"' || c == '\\' || further.contains(&c) { vec!['\\', c] } else { vec![c] };
        format.chars().flat_map(escape).collect::<String>()
    };
    let directive = match syntax {
        Syntax::Apache => format!("LogFormat \"{}\" {}", quoted(&[]), name_of_apache(text)),
        Syntax::Haproxy => format!("log-format \"{}\"", quoted(&['$'])),
        _ => format.clone(),
    };
    Some(Extended { directive, log_format: format })
}

/// Whether a format has a variable, and not only a longer one.
fn stands(text: &str, variable: &str) -> bool {
    let bare = variable.trim_matches('"');
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(bare).any(|(at, _)| text.get(at + bare.len()..).is_some_and(ends))
}

fn extend_nginx(text: &str, variables: &[&str]) -> Option<Extended> {
    let (escape, format) = nginx::plain_text(text).ok()?;
    let bare = |variable: &str| variable.trim_matches('"').to_owned();
    let format = match format.trim_end().strip_suffix('}') {
        Some(object) if format.starts_with('{') => {
            let pairs: Vec<String> = variables
                .iter()
                .map(|variable| format!("\"{}\":\"{}\"", bare(variable).trim_start_matches('$'), bare(variable)))
                .collect();
            format!("{},{}}}", object.trim_end(), pairs.join(","))
        }
        _ => format!("{} {}", format.trim_end(), variables.join(" ")),
    };
    let escape = match escape {
        Escape::Json => " escape=json",
        Escape::None => " escape=none",
        Escape::Backslash => "",
    };
    let quoted: String =
        format.chars().flat_map(|c| if c == '\'' || c == '\\' { vec!['\\', c] } else { vec![c] }).collect();
    let directive = format!("log_format {}{escape} '{quoted}';", name_of_nginx(text));
    dialect::compile(&directive, Syntax::Nginx).ok()?;
    Some(Extended { log_format: directive.clone(), directive })
}

/// The name that a directive of nginx gives its format.
fn name_of_nginx(text: &str) -> &str {
    let name = text.trim_start().strip_prefix("log_format").and_then(|rest| rest.split_whitespace().next());
    // nginx knows this one by itself and takes no other by its name.
    name.filter(|name| is_name(name) && *name != "combined").unwrap_or(NAME)
}

/// The name behind a directive of Apache.
fn name_of_apache(text: &str) -> &str {
    let directive = text.trim_start().get(..9).is_some_and(|head| head.eq_ignore_ascii_case("LogFormat"));
    let name = text.trim_end().rsplit([' ', '\t']).next().filter(|_| directive);
    name.filter(|name| is_name(name)).unwrap_or(NAME)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::super::role::Role;
    use super::super::template::Piece;
    use super::*;

    fn role(lacking: Lacking) -> Role {
        match lacking {
            Lacking::Key => Role::ApiKey,
            Lacking::ForwardedFor => Role::ForwardedFor,
            Lacking::Duration => Role::Duration,
            Lacking::BytesIn => Role::BytesIn,
            Lacking::BytesOut => Role::BytesOut,
            Lacking::Host => Role::Host,
            Lacking::UserAgent => Role::UserAgent,
            Lacking::Referer => Role::Referer,
        }
    }

    #[test]
    fn nginx_keeps_its_order_its_name_and_its_way_to_escape() {
        let text = "log_format main '$remote_addr [$time_local] \"$request\" '\n    '$status it\\'s';";
        let more = extend(text, Syntax::Nginx, &[Lacking::Duration, Lacking::BytesIn]).unwrap();
        assert_eq!(
            more.directive,
            "log_format main '$remote_addr [$time_local] \"$request\" $status it\\'s $request_time $request_length';"
        );
        let json = "log_format j escape=json '{\"ip\":\"$remote_addr\",\"t\":\"$time_iso8601\"}';";
        let more = extend(json, Syntax::Nginx, &[Lacking::Host]).unwrap();
        assert_eq!(
            more.directive,
            "log_format j escape=json '{\"ip\":\"$remote_addr\",\"t\":\"$time_iso8601\",\"host\":\"$host\"}';"
        );
        assert_eq!(extend("log_format combined '$status';", Syntax::Nginx, &[Lacking::Host]).unwrap().directive, {
            "log_format lapwing '$status $host';"
        });
    }

    #[test]
    fn what_stands_there_is_not_added_once_more() {
        let lacking = [Lacking::Host, Lacking::Duration];
        let more = extend("$remote_addr $http_host $hostname $request_time", Syntax::Nginx, &lacking).unwrap();
        assert!(more.directive.ends_with("$request_time $host';"), "{more:?}");
        assert_eq!(extend("$remote_addr $host $request_time", Syntax::Nginx, &lacking), None);
    }

    #[test]
    fn apache_keeps_its_order_and_its_name() {
        let text = "LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b\" common";
        let more = extend(text, Syntax::Apache, &[Lacking::Duration, Lacking::UserAgent]).unwrap();
        assert_eq!(more.directive, "LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b %D \\\"%{User-Agent}i\\\"\" common");
        assert_eq!(more.log_format, "%h %l %u %t \"%r\" %>s %b %D \"%{User-Agent}i\"");
        assert!(extend("%h \"%r", Syntax::Apache, &[]).is_none());
    }

    #[test]
    fn what_is_added_is_read_as_what_was_lacking() {
        for (syntax, text) in [
            (Syntax::Nginx, "$remote_addr [$time_local] \"$request\" $status"),
            (Syntax::Nginx, "log_format x escape=json '{\"ip\":\"$remote_addr\",\"t\":\"$time_iso8601\"}';"),
            (Syntax::Apache, "%h %t \"%r\" %>s"),
            (Syntax::Haproxy, "%ci:%cp [%tr] %ST %{+Q}r"),
            (Syntax::Envoy, "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE%"),
        ] {
            for lacking in Lacking::ALL {
                let Some(more) = extend(text, syntax, &[lacking]) else {
                    assert!(syntax == Syntax::Haproxy, "{syntax:?} {lacking:?}");
                    continue;
                };
                for pasted in [&more.directive, &more.log_format] {
                    let compiled = dialect::compile(pasted, syntax).unwrap_or_else(|e| panic!("{pasted}: {e}"));
                    let has = compiled
                        .pieces
                        .iter()
                        .any(|piece| matches!(piece, Piece::Field { known, .. } if known.role == role(lacking)));
                    assert!(has, "{syntax:?} {lacking:?}: {pasted}");
                }
            }
        }
    }
}
