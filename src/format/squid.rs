//! Squid's `logformat`: `%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt`.

use super::field::{Escape, Unit};
use super::instant::TimeShape;
use super::pasted::Pasted;
use super::role::{self, Known, Role};
use super::steps::Shape;
use super::strftime;
use super::template::{FormatError, Piece, TimePart};

/// Codes with a name (squid.conf.documented, `logformat`). Longer ones stand before those they begin with.
#[rustfmt::skip]
const CODES: &[(&str, &str)] = &[
    ("ssl::>sni", "ssl_sni"), ("ssl::bump_mode", "ssl_bump_mode"), ("ssl::>cert_subject", "ssl_cert_subject"),
    ("ssl::>cert_issuer", "ssl_cert_issuer"), ("ssl::<cert_subject", "ssl_server_cert_subject"),
    ("ssl::<cert_issuer", "ssl_server_cert_issuer"), ("ssl::<cert_errors", "ssl_cert_errors"), ("ssl::<cert", "ssl_server_cert"),
    ("ssl::>negotiated_version", "ssl_version"), ("ssl::<negotiated_version", "ssl_server_version"),
    ("ssl::>received_hello_version", "ssl_hello_version"), ("ssl::>received_supported_version", "ssl_supported_version"),
    ("ssl::>negotiated_cipher", "ssl_cipher"), ("ssl::<negotiated_cipher", "ssl_server_cipher"),
    ("ssl::<received_hello_version", "ssl_server_hello_version"), ("ssl::<received_supported_version", "ssl_server_supported_version"),
    ("icap::tt", "icap_total_time"), ("icap::<last_h", "icap_last_header"), ("adapt::<last_h", "adapt_last_header"),
    ("adapt::sum_trs", "adapt_sum"), ("adapt::all_trs", "adapt_all"), ("icap::tr", "icap_time"), ("icap::tio", "icap_io_time"),
    ("icap::to", "icap_outcome"), ("icap::Hs", "icap_status"), ("icap::ru", "icap_uri"), ("icap::rm", "icap_method"),
    ("icap::>st", "icap_bytes_in"), ("icap::<st", "icap_bytes_out"), ("icap::<bs", "icap_body_bytes"), ("icap::>h", "icap_request_header"),
    ("icap::<h", "icap_response_header"), ("icap::<A", "icap_server"), ("icap::<service_name", "icap_service"),
    ("proxy_protocol::>h", "proxy_protocol_header"), ("tls_sni", "ssl_sni"), ("sn", "sequence_number"), ("err_code", "error_code"), ("err_detail", "error_detail"),
    ("master_xaction", "transaction"), ("credentials", "credentials"), ("note", "note"), ("et", "error_tag"), ("ea", "error_log"), ("oa", "outgoing_addr"),
    ("byte", "byte"), ("transport::>connection_id", "connection_id"), ("busy_time", "busy_time"), ("err", "error"),
    (">eui", "client_eui"), (">qos", "client_qos"), ("<qos", "server_qos"), (">nfmark", "client_nfmark"), ("<nfmark", "server_nfmark"),
    (">la", "listen_addr"), (">lp", "listen_port"), ("<la", "outgoing_addr"), ("<lp", "outgoing_port"), ("la", "local_addr"), ("lp", "local_port"),
    (">handshake", "handshake"), (">a", "client"), (">A", "client_host"), (">p", "client_port"), ("<a", "upstream_addr"), ("<A", "upstream_host"), ("<p", "upstream_port"),
    ("un", "user"), ("ul", "user"), ("ue", "user"), ("us", "user"), ("ui", "ident"), ("uc", "user"),
    (">Hs", "status"), ("<Hs", "upstream_status"), ("Hs", "status"), ("<bs", "upstream_bytes"), (">rm", "method"), ("<rm", "method"), ("rm", "method"),
    (">ru", "uri"), ("<ru", "upstream_uri"), ("ru", "uri"), (">rs", "scheme"), ("<rs", "scheme"), (">rd", "host"), ("<rd", "host"), (">rP", "port"), ("<rP", "port"),
    (">rp", "path"), ("<rp", "path"), ("rp", "path"), ("rG", "uri"), (">rv", "protocol"), ("<rv", "protocol"), ("rv", "protocol"),
    (">st", "bytes_in"), ("<st", "bytes_out"), (">sh", "header_bytes_in"), ("<sh", "header_bytes_out"), ("<sb", "body_bytes"), (">sb", "body_bytes_in"), ("st", "bytes_total"),
    ("Ss", "cache_status"), ("Sh", "hierarchy"), ("mt", "mime_type"), (">ha", "request_header"), ("<h", "response_header"), (">h", "request_header"),
    ("ts", "time"), ("tu", "time"), ("tl", "time"), ("tg", "time"), ("tr", "response_time"), ("tS", "start_time"), ("dt", "dns_time"), ("<tt", "upstream_time"), ("<pt", "peer_time"),
];

/// How many codes stand in the text that neither Apache nor HAProxy writes.
pub(super) fn codes_in(text: &str) -> usize {
    let own = |code: &str| {
        const SHORT: [&str; 16] =
            ["ts", "tu", "tl", "tg", "tr", "Ss", "Sh", "mt", "un", "ui", "ul", "ue", "rm", "ru", "rv", "rp"];
        code.starts_with(['>', '<']) || SHORT.contains(&code)
    };
    let mut count = 0;
    for (at, _) in text.match_indices('%') {
        if let Ok(Some(found)) = read(text, at)
            && own(found.code)
        {
            count += 1;
        }
    }
    count
}

/// One directive.
struct Found<'t> {
    code: &'t str,
    name: &'t str,
    argument: Option<&'t str>,
    /// `"`: written in quotes, as the quoted-string of HTTP.
    quoted: bool,
    end: usize,
}

/// Reads a directive at its `%`: `%[quotes]-0width.precision{argument}code{argument}`. `None` is `%%`; the error is where
/// it stopped.
fn read(text: &str, start: usize) -> Result<Option<Found<'_>>, usize> {
    let mut at = start + 1;
    if text[at..].starts_with('%') {
        return Ok(None);
    }
    let skip = |at: usize, set: &[char]| at + text[at..].len() - text[at..].trim_start_matches(set).len();
    let flags = at;
    at = skip(at, &['"', '\'', '#', '[', '/', '-']);
    let quoted = text[flags..at].contains('"');
    at = skip(at, &['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.']);
    let braces = |at: usize| -> Result<(Option<&str>, usize), usize> {
        match text[at..].strip_prefix('{') {
            None => Ok((None, at)),
            Some(inner) => {
                let length = inner.find('}').ok_or(text.len())?;
                Ok((Some(&inner[..length]), at + length + 2))
            }
        }
    };
    let (mut argument, after) = braces(at)?;
    at = after;
    let Some((code, name)) = CODES.iter().find(|(code, _)| text[at..].starts_with(code)) else { return Err(at) };
    at += code.len();
    if argument.is_none()
        && matches!(*code, "tl" | "tg" | ">h" | "<h" | ">ha" | "note" | "icap::>h" | "icap::<h" | "adapt::<last_h")
    {
        (argument, at) = braces(at)?;
    }
    Ok(Some(Found { code, name, argument, quoted, end: at }))
}

/// The pieces of a `logformat`.
pub(super) fn pieces(pasted: &Pasted) -> Result<(Vec<Piece>, Escape), FormatError> {
    let text = pasted.text.as_str();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let literal = text[at..].find('%').unwrap_or(text.len() - at);
        if literal > 0 {
            pieces.push(Piece::Literal(text.as_bytes()[at..at + literal].to_vec()));
            at += literal;
            continue;
        }
        match read(text, at) {
            Ok(None) => {
                pieces.push(Piece::Literal(b"%".to_vec()));
                at += 2;
            }
            Ok(Some(found)) => {
                let span = pasted.span(at..found.end);
                at = found.end;
                let quote = || Piece::Literal(b"\"".to_vec());
                pieces.extend(found.quoted.then(quote));
                let piece = found.piece(span)?;
                pieces.extend([Some(piece), found.quoted.then(quote)].into_iter().flatten());
            }
            Err(stop) => {
                let end = (stop..=text.len()).find(|&e| e > stop && text.is_char_boundary(e)).unwrap_or(text.len());
                let message =
                    "expected a code of Squid after %, as in %>a or %{Referer}>h (a percent sign itself is %%)";
                return Err(FormatError::at(message.to_owned(), pasted.span(at..end.max(at + 1))));
            }
        }
    }
    Ok((pieces, Escape::Backslash))
}

impl Found<'_> {
    fn piece(&self, span: std::ops::Range<usize>) -> Result<Piece, FormatError> {
        let field = |name: &str, known| Piece::field(name, known, span.clone());
        let role = |role, rank| field(self.name, Known::new(role, rank));
        let number = || field(self.name, Known::EXTRA).shaped(Some(Shape::Number));
        Ok(match self.code {
            "ts" => Piece::time(TimePart::Whole(TimeShape::Any), span.clone()),
            "tu" => Piece::time(TimePart::Fraction("%3f"), span.clone()),
            "tl" | "tg" => match self.argument {
                None => Piece::time(TimePart::Whole(TimeShape::Zoned), span.clone()),
                Some(pattern) => {
                    let pattern = strftime::checked(pattern).map_err(|m| FormatError::at(m, span.clone()))?;
                    Piece::time(TimePart::Pattern { pattern, utc: self.code == "tg" }, span.clone())
                }
            },
            "tr" => field(self.name, Known::duration(Unit::Millis, 0)),
            "dt" | "<tt" | "<pt" | "busy_time" | "sn" | ">p" | "<p" | ">lp" | "<lp" | "lp" | ">sh" | "<sh" | "st" => {
                number()
            }
            ">a" => role(Role::Client, 0),
            ">A" => role(Role::Client, 1),
            "un" => role(Role::User, 0),
            "ul" => role(Role::User, 1),
            "ue" | "us" | "uc" => role(Role::User, 2),
            "ui" => Piece::ident(span.clone()),
            "rm" | ">rm" => role(Role::Method, 0),
            "ru" | ">ru" => role(Role::Target, 0),
            "rp" | ">rp" => role(Role::Target, 2),
            ">rd" => role(Role::Host, 0),
            "rv" | ">rv" => role(Role::Protocol, 0),
            ">Hs" | "Hs" => role(Role::Status, 0),
            "<st" => role(Role::BytesOut, 0),
            ">st" => role(Role::BytesIn, 0),
            "Ss" | "Sh" | "<a" | "<A" | ">rs" | ">la" | "<la" | "la" => {
                field(self.name, Known::EXTRA).shaped(Some(Shape::Word))
            }
            ">h" | ">ha" => {
                let header = self.argument.unwrap_or(self.name);
                let known = role::by_header(header.as_bytes()).filter(|known| known.role.is_header());
                field(header, known.unwrap_or(Known::EXTRA))
            }
            "<h" => field(&format!("sent_http_{}", plain(self.argument.unwrap_or("headers"))), Known::EXTRA),
            "note" => {
                let known = self.argument.and_then(|name| role::by_name(name.as_bytes()));
                let said = known.filter(|k| {
                    matches!(k.role, Role::Consumer | Role::TokensIn | Role::TokensOut | Role::Cost | Role::User)
                });
                field(self.argument.unwrap_or("note"), said.unwrap_or(Known::EXTRA))
            }
            _ => field(self.name, Known::EXTRA),
        })
    }
}

fn plain(header: &str) -> String {
    header.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::template::Template;
    use crate::format::{Format as _, Syntax};
    use crate::time::Zone;

    fn read_line(format: &str, line: &str, fields: &[(&str, &str)]) {
        let template = Template::with_syntax("x", Some(Syntax::Squid), format, Zone::UTC)
            .unwrap_or_else(|e| panic!("{e} at {:?}", e.span));
        let record = template.parse(line.as_bytes()).unwrap_or_else(|e| panic!("{format}: {e:?}"));
        for (field, expected) in fields {
            let found =
                record.field(field).map_or_else(|| "-".to_owned(), |v| String::from_utf8_lossy(&v).into_owned());
            assert_eq!(found, *expected, "{format}: {field}");
        }
    }

    #[test]
    fn the_formats_of_the_manual_read_lines_of_squid() {
        let native = "%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt";
        assert_eq!(Syntax::of(native), Syntax::Squid);
        read_line(
            native,
            "1206507160.234    331 198.51.100.7 TCP_MISS/200 1487 GET http://example.com/a?b=c frank DIRECT/192.0.2.5 text/html",
            &[
                ("time", "2008-03-26T04:52:40.234Z"),
                ("duration", "0.331"),
                ("client", "198.51.100.7"),
                ("cache_status", "TCP_MISS"),
                ("status", "200"),
                ("bytes_out", "1487"),
                ("method", "GET"),
                ("target", "http://example.com/a?b=c"),
                ("user", "frank"),
                ("hierarchy", "DIRECT"),
                ("upstream_addr", "192.0.2.5"),
                ("mime_type", "text/html"),
            ],
        );
        read_line(
            &format!("logformat squid {native}"),
            "1206507160.234      0 198.51.100.7 TCP_DENIED/407 17 CONNECT example.com:443 - HIER_NONE/- text/html",
            &[("method", "CONNECT"), ("target", "example.com:443"), ("user", "-"), ("status", "407")],
        );
        read_line(
            r#"%>a %[ui %[un [%tl] "%rm %ru HTTP/%rv" %>Hs %<st "%{Referer}>h" "%{User-Agent}>h" %Ss:%Sh"#,
            r#"198.51.100.7 - - [26/Mar/2008:04:52:40 +0000] "GET http://a.example/ HTTP/1.1" 200 17 "-" "curl/8" TCP_HIT:NONE"#,
            &[
                ("protocol", "HTTP/1.1"),
                ("user_agent", "curl/8"),
                ("target", "http://a.example/"),
                ("hierarchy", "NONE"),
            ],
        );
        read_line(
            r#"%tg{%Y-%m-%d %H:%M:%S} %>a %>Hs %rm %ru %"{X-Tenant}>h %{consumer}note"#,
            r#"2026-03-02 14:31:07 198.51.100.7 200 GET / "acme x" bob"#,
            &[("time", "2026-03-02T14:31:07.000Z"), ("consumer", "bob")],
        );
    }

    #[test]
    fn every_code_is_known() {
        for (code, _) in CODES {
            let format = format!("%tl %>a %rm %ru %>Hs x=%{code}");
            let template = Template::with_syntax("x", Some(Syntax::Squid), &format, Zone::UTC);
            assert!(template.is_ok(), "{code}: {:?}", template.err());
        }
        let error = Template::with_syntax("x", Some(Syntax::Squid), "%tl %>a %zz", Zone::UTC).map(|_| ()).unwrap_err();
        assert!(error.message.contains("code of Squid"), "{}", error.message);
        assert_eq!(&"%tl %>a %zz"[error.span.unwrap()], "%z");
    }
}
