//! What the directives of `LogFormat` mean (httpd.apache.org: mod_log_config, mod_logio, mod_ssl; and the manuals of
//! lighttpd, Varnish, Tomcat and Jetty where they differ).

use super::apache::Directive;
use super::dialect::Syntax;
use super::field::Unit;
use super::role::{self, Known, Role};
use super::steps::Shape;

/// Directives of Jetty that are words, after braces.
pub(super) const WORDS: &[&str] = &["attr", "uri", "ti", "to"];

/// What a directive becomes.
pub(super) enum Meaning {
    Time,
    /// The dash of an ident server.
    Ident,
    Field(String, Known),
    Shaped(String, Known, Shape),
}

/// What a directive means.
pub(super) fn meaning(directive: &Directive, flavour: Syntax) -> Meaning {
    let argument = directive.argument.as_deref();
    let letter = directive.letter.as_str();
    let java = matches!(flavour, Syntax::Tomcat | Syntax::Tomcat9 | Syntax::Jetty);
    let field = |name: &str, known| Meaning::Field(name.to_owned(), known);
    let number = |name: &str| Meaning::Shaped(name.to_owned(), Known::EXTRA, Shape::Number);
    let word = |name: &str| Meaning::Shaped(name.to_owned(), Known::EXTRA, Shape::Word);
    let role = |name: &str, role, rank| Meaning::Field(name.to_owned(), Known::new(role, rank));
    let count = |name: &str, role, rank| Meaning::Shaped(name.to_owned(), Known::new(role, rank), Shape::Whole);
    match (letter, argument) {
        ("t", _) => Meaning::Time,
        ("l", _) => Meaning::Ident,
        ("a", argument) => address(argument, flavour),
        ("h", None) => role("remote_host", Role::Client, 0),
        ("h", Some("c")) => role("remote_host", Role::Client, 1),
        ("h", Some(_)) => field("remote_host", Known::EXTRA),
        ("A", _) => word("server_addr"),
        ("u", _) => role("remote_user", Role::User, 0),
        ("r", None) => role("request", Role::Request, 0),
        // Tomcat's attributes of the request and of the session, Jetty's of the request.
        ("r" | "s" | "attr", Some(name)) => named(name, said_by_server),
        ("m", _) => role("request_method", Role::Method, 0),
        ("U", _) => role("uri", Role::Path, 0),
        ("q", _) => role("query_string", Role::Query, 0),
        ("uri", None) => role("uri", Role::Target, 0),
        ("uri", Some(part)) if part.contains("query") && !part.contains("path") => role("uri", Role::Path, 0),
        ("uri", Some(_)) => role("uri", Role::Target, 1),
        ("H", _) => role("protocol", Role::Protocol, 0),
        ("s", None) => role("status", Role::Status, 0),
        ("b", _) => role("bytes_sent", Role::BytesOut, 0),
        // Counts, which are whole: a time with a fraction in their place belongs to another format.
        ("B", _) => count("bytes_sent", Role::BytesOut, 0),
        ("O", _) => count("bytes_out", Role::BytesOut, 1),
        ("I", None) if matches!(flavour, Syntax::Tomcat | Syntax::Tomcat9) => word("thread"),
        ("I", _) => count("bytes_in", Role::BytesIn, 0),
        ("S", _) if matches!(flavour, Syntax::Tomcat | Syntax::Tomcat9) => word("session"),
        ("S", _) => number("bytes_total"),
        ("D", _) if flavour == Syntax::Tomcat9 => field("duration", Known::duration(Unit::Millis, 0)),
        ("D", _) | ("T", Some("us")) => field("duration", Known::duration(Unit::Micros, 0)),
        ("T", Some("ns")) => field("duration", Known::duration(Unit::Nanos, 0)),
        ("T", Some("ms")) => field("duration", Known::duration(Unit::Millis, 1)),
        ("T", _) => field("duration", Known::duration(Unit::Seconds, 2)),
        ("F", _) if java => number("time_to_commit"),
        ("f" | "F", _) => field("filename", Known::EXTRA),
        ("V", _) => role("server_name", Role::Host, 0),
        ("v", _) => role("virtual_host", Role::Host, 1),
        ("p", None | Some("canonical")) => number("server_port"),
        ("p", Some("remote" | "client")) => number("remote_port"),
        ("p", Some("local")) => number("local_port"),
        ("p", Some(other)) => number(&format!("{other}_port")),
        ("P", None | Some("pid")) => number("pid"),
        ("P", Some("tid" | "hextid")) => word("tid"),
        ("P", Some(format)) => word(format),
        ("k", _) => number("keepalive_requests"),
        ("X", _) | ("c", None) => word("connection_status"),
        ("R", _) => word("handler"),
        ("L", _) => role("log_id", Role::RequestId, 1),
        ("^FB", _) => number("first_byte_us"),
        ("^FU", _) => number("handler_us"),
        ("i" | "^ti" | "ti", Some(header)) => {
            named(header, |known| known.role.is_header() || known.role == Role::BytesIn)
        }
        ("o" | "^to" | "to", Some(header)) => {
            let plain: String =
                header.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
            let known = role::by_header(header.as_bytes()).filter(|known| said_by_server(*known));
            field(&format!("sent_http_{plain}"), known.unwrap_or(Known::EXTRA))
        }
        ("C", Some(name)) => field(&format!("cookie_{name}"), Known::EXTRA),
        // Tomcat's cookie; Apache 1.3's state of the connection, mod_ssl's old form of %{...}x.
        ("c", Some(name)) if java => field(&format!("cookie_{name}"), Known::EXTRA),
        ("c", Some(name)) => field(&format!("ssl_{name}"), Known::EXTRA),
        // Notes, environment and expressions are how applications hand a consumer or token counts to the log.
        ("n" | "e" | "x" | "z", Some(name)) => variable(name),
        (letter, argument) => field(argument.unwrap_or(letter), Known::EXTRA),
    }
}

fn address(argument: Option<&str>, flavour: Syntax) -> Meaning {
    let role = |name: &str, role, rank| Meaning::Field(name.to_owned(), Known::new(role, rank));
    match argument {
        None | Some("remote" | "client") => role("remote_addr", Role::Client, 0),
        Some("c" | "peer") => role("peer_addr", Role::Client, 1),
        Some(other) => {
            let name = if flavour == Syntax::Jetty { format!("{other}_addr") } else { other.to_owned() };
            Meaning::Shaped(name, Known::EXTRA, Shape::Word)
        }
    }
}

/// A name that says by itself what it holds, if `may` agrees.
fn named(name: &str, may: impl Fn(Known) -> bool) -> Meaning {
    let known = role::by_header(name.as_bytes()).filter(|known| may(*known));
    Meaning::Field(name.to_owned(), known.unwrap_or(Known::EXTRA))
}

/// What applications and response headers say of a call.
fn said_by_server(known: Known) -> bool {
    matches!(
        known.role,
        Role::Consumer
            | Role::ApiKey
            | Role::TokensIn
            | Role::TokensOut
            | Role::Cost
            | Role::Model
            | Role::Country
            | Role::RequestId
            | Role::User
    )
}

/// `%{...}x`, `%{...}e` and `%{...}n`.
fn variable(name: &str) -> Meaning {
    let field = |name: &str, known| Meaning::Field(name.to_owned(), known);
    // Varnish: `VCL_Log:key` is what VCL logged under that key; `VSL:Begin[2]` a record of its own log.
    if let Some(key) = name.strip_prefix("VCL_Log:") {
        return named(key, said_by_server);
    }
    match name {
        "Varnish:time_firstbyte" => field("time_firstbyte", Known::EXTRA),
        "Varnish:vxid" => field("vxid", Known::new(Role::RequestId, 2)),
        "UNIQUE_ID" => field(name, Known::new(Role::RequestId, 0)),
        "SSL_CLIENT_S_DN_CN" => field(name, Known::new(Role::Consumer, 3)),
        "REMOTE_USER" | "SSL_CLIENT_S_DN_Email" | "SSL_CLIENT_SAN_Email_0" => field(name, Known::new(Role::User, 2)),
        "MM_COUNTRY_CODE" | "GEOIP_COUNTRY_CODE" => field(name, Known::new(Role::Country, 0)),
        _ => match name.strip_prefix("Varnish:") {
            Some(own) => field(own, Known::EXTRA),
            None => named(name, said_by_server),
        },
    }
}

/// What a directive leaves open: a sentence for `lapwing check`.
pub(super) fn doubt(directive: &Directive, flavour: Syntax) -> Option<String> {
    (directive.letter == "D" && flavour == Syntax::Tomcat).then(|| {
        "Tomcat writes %D in microseconds since version 10 and in milliseconds before; it is read as microseconds: \
         set log_format_kind = \"tomcat9\" for the older ones, or log %{ms}T"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::super::template::Template;
    use crate::format::{Format as _, Syntax};
    use crate::time::Zone;

    /// Every directive of the manuals with a value that its server writes.
    #[rustfmt::skip]
    const HTTPD: &[(&str, &str, &str, &str)] = &[
        // directive, value, field, what it says
        ("%a", "192.0.2.7", "client", "192.0.2.7"), ("%{c}a", "192.0.2.7", "client", "192.0.2.7"),
        ("%A", "10.0.0.1", "server_addr", "10.0.0.1"), ("%B", "17", "bytes_out", "17"), ("%b", "-", "bytes_out", "-"),
        ("%{sid}C", "abc", "cookie_sid", "abc"), ("%D", "31000", "duration", "0.031"),
        ("%{FOO}e", "bar", "FOO", "bar"), ("%{X_TOKENS_IN}e", "12", "tokens_in", "12"), ("%f", "/srv/a.html", "filename", "/srv/a.html"),
        ("%h", "host.example", "client", "host.example"), ("%{c}h", "host.example", "client", "host.example"),
        ("%H", "HTTP/1.1", "protocol", "HTTP/1.1"), ("%{Foo-Bar}i", "x", "Foo-Bar", "x"),
        ("%{Host}i", "a.example", "host", "a.example"), ("%k", "3", "keepalive_requests", "3"), ("%L", "XyZ", "request_id", "XyZ"),
        ("%m", "GET", "method", "GET"), ("%{note}n", "x y", "note", "x y"), ("%{X-Foo}o", "x", "sent_http_x_foo", "x"),
        ("%p", "443", "server_port", "443"), ("%{canonical}p", "443", "server_port", "443"), ("%{local}p", "443", "local_port", "443"),
        ("%{remote}p", "5123", "remote_port", "5123"), ("%P", "712", "pid", "712"), ("%{pid}P", "712", "pid", "712"),
        ("%{tid}P", "1395", "tid", "1395"), ("%{hextid}P", "7f3a", "tid", "7f3a"), ("%R", "proxy-server", "handler", "proxy-server"),
        ("%<s", "404", "status", "404"), ("%>s", "404", "status", "404"), ("%s", "404", "status", "404"),
        ("%T", "2", "duration", "2"), ("%{ms}T", "31", "duration", "0.031"), ("%{us}T", "31000", "duration", "0.031"),
        ("%{s}T", "2", "duration", "2"), ("%u", "frank", "user", "frank"), ("%v", "a.example", "host", "a.example"),
        ("%V", "a.example", "host", "a.example"), ("%X", "+", "connection_status", "+"), ("%I", "400", "bytes_in", "400"),
        ("%O", "700", "bytes_out", "700"), ("%S", "1100", "bytes_total", "1100"), ("%^FB", "120", "first_byte_us", "120"),
        ("%{VAR}^ti", "x", "VAR", "x"), ("%{VAR}^to", "x", "sent_http_var", "x"), ("%!200,304{Referer}i", "http://a/", "referer", "http://a/"),
        ("%400,501{User-agent}i", "curl", "user_agent", "curl"), ("%{SSL_PROTOCOL}x", "TLSv1.3", "SSL_PROTOCOL", "TLSv1.3"),
        ("%{SSL_CIPHER}x", "TLS_AES_256_GCM_SHA384", "SSL_CIPHER", "TLS_AES_256_GCM_SHA384"), ("%{version}c", "TLSv1.3", "ssl_version", "TLSv1.3"),
        ("%{SSL_CLIENT_S_DN_CN}x", "acme", "consumer", "acme"), ("%{UNIQUE_ID}e", "Yz1", "request_id", "Yz1"),
        ("%{Authorization}i", "Bearer x", "api_key", "Bearer x"),
    ];

    fn check(syntax: Syntax, directive: &str, value: &str, field: &str, expected: &str) {
        let format = format!("[{directive}] %{{%Y-%m-%d %H:%M:%S}}t \"%r\"");
        let template = Template::with_syntax("x", Some(syntax), &format, Zone::UTC)
            .unwrap_or_else(|e| panic!("{format}: {e} at {:?}", e.span));
        let line = format!("[{value}] 2026-03-02 14:31:07 \"GET /a HTTP/1.1\"");
        let record = template.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{format}: {line}: {e:?}"));
        let found = record.field(field).map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(&v).into_owned());
        assert_eq!(found, expected, "{syntax:?} {directive}");
        assert_eq!(record.time.to_rfc3339_millis(), "2026-03-02T14:31:07.000Z", "{directive}");
    }

    #[test]
    fn directives_of_apache_mean_what_its_manual_says() {
        for (directive, value, field, expected) in HTTPD {
            check(Syntax::Apache, directive, value, field, expected);
            check(Syntax::Lighttpd, directive, value, field, expected);
        }
    }

    #[test]
    fn servers_that_took_them_over_differ_where_their_manuals_say() {
        check(Syntax::Tomcat9, "%D", "31", "duration", "0.031");
        check(Syntax::Tomcat, "%D", "31000", "duration", "0.031");
        check(Syntax::Tomcat, "%I", "http-nio-8080-exec-1", "thread", "http-nio-8080-exec-1");
        check(Syntax::Tomcat, "%S", "9F1B", "session", "9F1B");
        check(Syntax::Tomcat, "%F", "12", "time_to_commit", "12");
        check(Syntax::Tomcat, "%{JSESSIONID}c", "9F1B", "cookie_JSESSIONID", "9F1B");
        check(Syntax::Tomcat, "%{consumer}r", "acme", "consumer", "acme");
        check(Syntax::Tomcat, "%{tenant}s", "acme", "consumer", "acme");
        check(Syntax::Jetty, "%{client}a", "192.0.2.7", "client", "192.0.2.7");
        check(Syntax::Jetty, "%{server}a", "10.0.0.1", "server_addr", "10.0.0.1");
        check(Syntax::Jetty, "%{CLF}O", "-", "bytes_out", "-");
        check(Syntax::Jetty, "%D", "31000", "duration", "0.031");
        check(Syntax::Jetty, "%{org.app.Tenant}attr", "x", "org.app.Tenant", "x");
        check(Syntax::Varnish, "%{Varnish:hitmiss}x", "hit", "hitmiss", "hit");
        check(Syntax::Varnish, "%{Varnish:time_firstbyte}x", "0.003", "time_firstbyte", "0.003");
        check(Syntax::Varnish, "%{VCL_Log:tokens_in}x", "12", "tokens_in", "12");
        check(Syntax::Varnish, "%I", "400", "bytes_in", "400");
        let warnings = |format: &str| Template::with_syntax("x", Some(Syntax::Tomcat), format, Zone::UTC).unwrap();
        assert!(warnings("%h %t %r %D").warnings()[0].contains("tomcat9"));
        assert!(warnings("%h %t %r %{ms}T").warnings().is_empty());
    }

    #[test]
    fn times_come_in_every_way_that_servers_write_them() {
        for (format, time) in [
            ("%t", "[02/Mar/2026:14:31:07 +0000]"),
            ("%{%d/%b/%Y:%H:%M:%S %z}t", "02/Mar/2026:15:31:07 +0100"),
            ("%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t", "2026-03-02T14:31:07.000999"),
            ("%{begin:%F %T}t", "2026-03-02 14:31:07"),
            ("%{end:sec}t", "1772461867"),
            ("%{msec}t", "1772461867000"),
            ("%{usec}t", "1772461867000000"),
            ("%{sec}t.%{msec_frac}t", "1772461867.000"),
            ("%{%s}t", "1772461867"),
            ("%{%e/%b/%Y %k:%M:%S}t", " 2/Mar/2026 14:31:07"),
            ("%{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}t", "2026-03-02T15:31:07.000+01:00"),
            ("%{dd/MMM/yyyy:HH:mm:ss ZZZ}t", "02/Mar/2026:14:31:07 +0000"),
            ("%{%D %T}t", "03/02/26 14:31:07"),
        ] {
            let template = Template::new("x", &format!("%h {format} \"%r\" %s"), Zone::UTC)
                .unwrap_or_else(|e| panic!("{format}: {e}"));
            let line = format!("192.0.2.1 {time} \"GET / HTTP/1.1\" 200");
            let record = template.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{format}: {e:?}"));
            assert_eq!(record.time.to_rfc3339(), "2026-03-02T14:31:07Z", "{format}");
        }
        for (format, words) in [
            ("%{%T}t", "does not say the day"),
            ("%{%Q}t", "not a time format"),
            ("%{yyyy-bb}t", "letter"),
            ("%{%Y-%m-%d}t %{nonsense}t", "letter"),
        ] {
            let error = Template::new("x", &format!("%h {format} \"%r\" %s"), Zone::UTC).map(|_| ()).unwrap_err();
            assert!(error.message.contains(words), "{format}: {}", error.message);
            assert!(error.span.is_some(), "{format}");
        }
    }
}
