//! Whose way of writing formats it is, told by the text itself or said by the user, and the format out of its directive.

use super::field::Escape;
use super::pasted::{self, Pasted};
use super::template::{FormatError, Piece};
use super::{apache, envoy, haproxy, nginx, python, squid};

/// Whose way of writing formats it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Syntax {
    /// nginx's `log_format`: `$remote_addr - $remote_user`.
    Nginx,
    /// Apache's `LogFormat`: `%h %l %u`.
    Apache,
    /// lighttpd's `accesslog.format`, which is nearly Apache's.
    Lighttpd,
    /// `varnishncsa -F`, which is nearly Apache's.
    Varnish,
    /// Tomcat's `AccessLogValve` since version 10: `%D` is microseconds.
    Tomcat,
    /// Tomcat's `AccessLogValve` up to version 9: `%D` is milliseconds.
    Tomcat9,
    /// Jetty's `CustomRequestLog`.
    Jetty,
    /// HAProxy's `log-format`: `%ci:%cp [%tr] %{+Q}r`.
    Haproxy,
    /// Squid's `logformat`: `%ts.%03tu %>a %>Hs`.
    Squid,
    /// Envoy's text format: `%START_TIME% %REQ(:METHOD)%`.
    Envoy,
    /// Gunicorn's `access_log_format` and other formats of Python: `%(h)s %(r)s`.
    Gunicorn,
    /// uWSGI's `log-format`: `%(addr) %(method) %(uri)`.
    Uwsgi,
}

/// By their names in format files and in `log_format_kind`.
const NAMES: &[(&str, Syntax)] = &[
    ("nginx", Syntax::Nginx),
    ("apache", Syntax::Apache),
    ("lighttpd", Syntax::Lighttpd),
    ("varnish", Syntax::Varnish),
    ("tomcat", Syntax::Tomcat),
    ("tomcat9", Syntax::Tomcat9),
    ("jetty", Syntax::Jetty),
    ("haproxy", Syntax::Haproxy),
    ("squid", Syntax::Squid),
    ("envoy", Syntax::Envoy),
    ("gunicorn", Syntax::Gunicorn),
    ("uwsgi", Syntax::Uwsgi),
];

impl Syntax {
    /// By its name: `nginx`, `haproxy`, ...
    pub fn parse(name: &str) -> Option<Syntax> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, syntax)| *syntax)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(_, syntax)| *syntax == self).map_or("apache", |(name, _)| name)
    }

    /// All names, in a fixed order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Told by the text: by its directive if it was pasted with it, else by what only one server writes.
    pub fn of(text: &str) -> Syntax {
        by_directive(text).map_or_else(|| by_look(text), |(syntax, _)| syntax)
    }
}

/// A format text taken apart.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) pieces: Vec<Piece>,
    pub(super) escape: Escape,
    pub(super) warnings: Vec<String>,
}

/// Takes a format text apart in the given way of writing.
pub(super) fn compile(text: &str, syntax: Syntax) -> Result<Compiled, FormatError> {
    let mut warnings = Vec::new();
    let (pieces, escape) = match syntax {
        Syntax::Nginx => nginx::pieces(text, &mut warnings)?,
        other => {
            let pasted = unwrap(text, other)?;
            if pasted.text.trim().is_empty() {
                let message = "the log format is empty: paste what stands in the server's configuration".to_owned();
                return Err(FormatError::at(message, 0..text.len()));
            }
            match other {
                Syntax::Haproxy => haproxy::pieces(&pasted)?,
                Syntax::Squid => squid::pieces(&pasted)?,
                Syntax::Envoy => envoy::pieces(&pasted)?,
                Syntax::Gunicorn | Syntax::Uwsgi => python::pieces(&pasted, other == Syntax::Uwsgi)?,
                flavour => apache::pieces(&pasted, flavour, &mut warnings)?,
            }
        }
    };
    Ok(Compiled { pieces, escape, warnings })
}

/// The format itself, out of its directive and its quotes.
pub(super) fn plain_text(text: &str, syntax: Syntax) -> Option<String> {
    unwrap(text, syntax).ok().map(|pasted| pasted.text)
}

/// Names that servers themselves give to formats, where one is pasted instead of a format.
const BY_NAME: &[(&str, &str)] = &[
    ("common", "%h %l %u %t \"%r\" %>s %b"),
    ("combined", "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""),
    ("vhost_combined", "%v:%p %h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""),
    ("combinedio", "%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\" %I %O"),
];

/// How directives begin, in lower case, and whose they are. The longer of two that begin alike stands first.
const DIRECTIVES: &[(&str, Syntax)] = &[
    ("log_format", Syntax::Nginx),
    ("logformat", Syntax::Apache),
    ("customlog", Syntax::Apache),
    ("accesslog.format", Syntax::Lighttpd),
    ("log-format", Syntax::Haproxy),
    ("access_log_format", Syntax::Gunicorn),
    ("access-logformat", Syntax::Gunicorn),
    ("--access-logformat", Syntax::Gunicorn),
    ("varnishncsa", Syntax::Varnish),
    ("-f", Syntax::Varnish),
    ("<valve", Syntax::Tomcat),
    ("pattern", Syntax::Tomcat),
    ("server.tomcat.accesslog.pattern", Syntax::Tomcat),
    ("server.jetty.accesslog.custom-format", Syntax::Jetty),
    ("jetty.customrequestlog.formatstring", Syntax::Jetty),
    ("text_format", Syntax::Envoy),
    ("inline_string", Syntax::Envoy),
    ("format", Syntax::Envoy),
];

/// The directive that the text begins with, and where its name ends.
fn by_directive(text: &str) -> Option<(Syntax, usize)> {
    let start = text.len() - text.trim_start().len();
    let body = &text[start..];
    let (name, syntax) = DIRECTIVES.iter().find(|(name, _)| {
        body.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
            && body[name.len()..].starts_with([' ', '\t', '\n', '=', ':', '\r'])
    })?;
    let end = start + name.len();
    let next = text[end..].trim_start();
    let syntax = match *syntax {
        // uWSGI has both names, with an equals sign behind them.
        Syntax::Haproxy | Syntax::Apache if next.starts_with('=') => Syntax::Uwsgi,
        // Apache's format is quoted, Squid's has its name first.
        Syntax::Apache if *name == "logformat" && body.starts_with("logformat") && !next.starts_with(['"', '\'']) => {
            Syntax::Squid
        }
        Syntax::Tomcat if text.contains("milliseconds") => Syntax::Tomcat9,
        other => other,
    };
    Some((syntax, end))
}

/// Told by what only one server writes.
fn by_look(text: &str) -> Syntax {
    if haproxy::has_sample(text) {
        return Syntax::Haproxy;
    }
    if nginx::is_nginx(text) {
        return Syntax::Nginx;
    }
    if text.contains("%(") {
        return if python::has_conversions(text) { Syntax::Gunicorn } else { Syntax::Uwsgi };
    }
    if envoy::is_envoy(text) {
        return Syntax::Envoy;
    }
    let (haproxy, squid) = (haproxy::aliases_in(text), squid::codes_in(text));
    if haproxy > 0 && haproxy >= squid {
        return Syntax::Haproxy;
    }
    if squid > 0 {
        return Syntax::Squid;
    }
    apache::flavour_of(text)
}

/// The format without its directive, quotes and escapes.
fn unwrap(text: &str, syntax: Syntax) -> Result<Pasted, FormatError> {
    let trimmed = text.trim();
    let of_apache_s_family =
        !matches!(syntax, Syntax::Haproxy | Syntax::Squid | Syntax::Envoy | Syntax::Gunicorn | Syntax::Uwsgi);
    if let Some((_, format)) = BY_NAME.iter().find(|(name, _)| of_apache_s_family && *name == trimmed) {
        return Ok(Pasted::plain(format, 0));
    }
    let end = text.trim_end().len();
    let Some((_, mut at)) = by_directive(text) else { return Ok(bare(text, end)) };
    at = pasted::skip_space(text, at);
    let assigned = text[at..].starts_with(['=', ':']);
    if assigned {
        at = pasted::skip_space(text, at + 1);
    }
    match syntax {
        Syntax::Apache => return of_apache(text, at),
        Syntax::Squid => {
            // The format's own name.
            at = pasted::skip_space(text, pasted::skip_word(text, at));
            return Ok(Pasted::plain(&text[at.min(end)..end], at));
        }
        Syntax::Tomcat | Syntax::Tomcat9 if !assigned => {
            let Some(attribute) = text.find("pattern") else {
                let message = "this Valve has no pattern: expected pattern=\"%h %l %u %t ...\"".to_owned();
                return Err(FormatError::at(message, 0..end));
            };
            at = text[attribute..].find(['"', '\'']).map_or(end, |quote| attribute + quote);
        }
        Syntax::Varnish => {
            at = text.find("-F").map_or(at, |option| pasted::skip_space(text, option + 2));
        }
        _ => {}
    }
    // Raw strings of Python.
    if syntax == Syntax::Gunicorn && text[at.min(end)..].starts_with(['r', 'u', 'f']) {
        at += usize::from(text[at + 1..].starts_with(['"', '\'']));
    }
    if !text[at.min(end)..].starts_with(['"', '\'']) {
        return Ok(escaped(&text[at.min(end)..end], at.min(end), syntax));
    }
    let (inner, _) = pasted::quoted(text, at)?;
    let body = &text[inner.clone()];
    if matches!(syntax, Syntax::Tomcat | Syntax::Tomcat9) && body.contains('&') {
        return Ok(Pasted::new(&pasted::without_entities(body, inner.start)));
    }
    Ok(escaped(body, inner.start, syntax))
}

fn escaped(body: &str, at: usize, syntax: Syntax) -> Pasted {
    let further: &[char] = if syntax == Syntax::Haproxy { &[' ', '[', ']', '{', '}', '#'] } else { &[] };
    Pasted::new(&pasted::unescape_all(body, at, further))
}

/// A format without directive: as it stands, or between quotes that hold all of it.
fn bare(text: &str, end: usize) -> Pasted {
    let start = (text.len() - text.trim_start().len()).min(end);
    let body = &text[start..end];
    if let Some(quote) = body.chars().next().filter(|c| matches!(c, '"' | '\''))
        && let Some(length) = pasted::end_of_quoted(&body[1..], quote)
        && length + 2 == body.len()
    {
        return Pasted::new(&pasted::unescape_all(&body[1..=length], start + 1, &[' ']));
    }
    if body.contains("&quot;") {
        return Pasted::new(&pasted::without_entities(body, start));
    }
    Pasted::new(&pasted::unescape(body, start))
}

/// `LogFormat "..." name` has the format first, `CustomLog path "..."` behind the path.
fn of_apache(text: &str, mut at: usize) -> Result<Pasted, FormatError> {
    let start = text.len() - text.trim_start().len();
    let whole = start..text.trim_end().len();
    let custom = text[start..].get(..9).is_some_and(|head| head.eq_ignore_ascii_case("CustomLog"));
    if custom {
        at = if text[at..].starts_with(['"', '\'']) {
            pasted::quoted(text, at)?.0.end + 1
        } else {
            pasted::skip_word(text, at)
        };
        at = pasted::skip_space(text, at);
    }
    if text[at..].starts_with(['"', '\'']) {
        let (inner, _) = pasted::quoted(text, at)?;
        return Ok(Pasted::new(&pasted::unescape(&text[inner.clone()], inner.start)));
    }
    let word = &text[at..pasted::skip_word(text, at)];
    if let Some((_, format)) = BY_NAME.iter().find(|(name, _)| *name == word) {
        return Ok(Pasted::plain(format, 0));
    }
    if word.contains('%') {
        return Ok(Pasted::plain(word, at));
    }
    let message = if custom && !word.is_empty() {
        format!("this is the name of a format: paste the line LogFormat \"...\" {word} instead")
    } else {
        "expected the format in quotes, as in LogFormat \"%h %l %u %t\" common".to_owned()
    };
    Err(FormatError::at(message, whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syntax_is_told_by_its_text() {
        for (text, expected) in [
            ("$remote_addr [$time_local] \"$request\" $status", Syntax::Nginx),
            ("log_format main '$status';", Syntax::Nginx),
            ("%h %l %u %t \"%r\" %>s %b \"%{Referer}i\"", Syntax::Apache),
            ("%{%Y-%m-%d}t %<s %{Foo}e %{SSL_PROTOCOL}x", Syntax::Apache),
            ("LogFormat \"%v:%p %h %t\" vhost", Syntax::Apache),
            ("CustomLog /var/log/x.log \"%h %t\"", Syntax::Apache),
            ("accesslog.format = \"%h %V %u %t \\\"%r\\\" %>s %b\"", Syntax::Lighttpd),
            ("varnishncsa -a -F '%h %t %{Varnish:hitmiss}x'", Syntax::Varnish),
            ("%h %{VCL_Log:x}x %t %r", Syntax::Varnish),
            ("<Valve className=\"x\" pattern=\"%h %t\"/>", Syntax::Tomcat),
            ("%h %l %u %t &quot;%r&quot; %s %b %{x}s %F", Syntax::Tomcat),
            ("%{client}a - %u %{dd/MMM/yyyy:HH:mm:ss ZZZ|GMT}t \"%r\" %s %O", Syntax::Jetty),
            ("%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %{+Q}r", Syntax::Haproxy),
            ("%[src] %[capture.req.uri] %t", Syntax::Haproxy),
            ("log-format %ci\\ [%t]\\ %ST", Syntax::Haproxy),
            ("%ts.%03tu %6tr %>a %Ss/%03>Hs %<st %rm %ru %[un %Sh/%<a %mt", Syntax::Squid),
            ("%>a %[ui %[un [%tl] \"%rm %ru HTTP/%rv\" %>Hs %<st \"%{Referer}>h\"", Syntax::Squid),
            ("logformat mine %ts %>a", Syntax::Squid),
            ("[%START_TIME%] \"%REQ(:METHOD)% %PROTOCOL%\" %RESPONSE_CODE%", Syntax::Envoy),
            ("%(h)s %(l)s %(u)s %(t)s \"%(r)s\" %(s)s", Syntax::Gunicorn),
            ("%(addr) [%(ltime)] \"%(method) %(uri) %(proto)\" %(status)", Syntax::Uwsgi),
            ("log-format = %(addr) %(ltime)", Syntax::Uwsgi),
            ("common", Syntax::Apache),
        ] {
            assert_eq!(Syntax::of(text), expected, "{text}");
        }
        for name in Syntax::names() {
            assert_eq!(Syntax::parse(name).map(Syntax::as_str), Some(name));
        }
    }

    #[test]
    fn formats_come_out_of_their_directives() {
        let inner = |text: &str| unwrap(text, Syntax::of(text)).map_or_else(|e| e.message, |p| p.text);
        assert_eq!(inner("LogFormat \"%h \\\"%r\\\"\" nick"), "%h \"%r\"");
        assert_eq!(inner("CustomLog \"/a b\" \"%h %t\" env=x"), "%h %t");
        assert_eq!(inner("CustomLog /a combined"), BY_NAME[1].1);
        assert!(inner("CustomLog /a mine").contains("LogFormat \"...\" mine"));
        assert_eq!(inner("logformat mine %ts %>a\n"), "%ts %>a");
        assert_eq!(inner("log-format %ci\\ [%t]\\ %ST"), "%ci [%t] %ST");
        assert_eq!(inner("log-format \"%ci %{+Q}r\""), "%ci %{+Q}r");
        assert_eq!(inner("<Valve x=\"y\" pattern=\"%h &quot;%r&quot;\" />"), "%h \"%r\"");
        assert_eq!(inner("access_log_format = '%(h)s %(r)s'"), "%(h)s %(r)s");
        assert_eq!(inner("varnishncsa -n x -F '%h %t'"), "%h %t");
        assert_eq!(inner("\"%h \\\"%r\\\" %t\""), "%h \"%r\" %t");
        assert_eq!(inner("\"%r\" %t \"%h\""), "\"%r\" %t \"%h\"");
        assert_eq!(inner("text_format: \"[%START_TIME%]\\n\""), "[%START_TIME%]\n");
        assert!(inner("LogFormat \"%h").contains("not closed"));
    }
}
