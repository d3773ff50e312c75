//! What to paste into a server's configuration, and into Lapwing's own, so that more can be seen.

use super::super::sight::Sight;
use super::Paste;
use crate::config::{Config, Source};
use crate::format::{Choice, Lacking, MOST_FORMATS, Registry, Syntax, extend};
use crate::sanitize;

/// The default format of nginx, in its own words.
const NGINX_COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

/// Where the lines of a source's table belong.
pub(super) fn under(source: &Source) -> String {
    format!("the configuration of Lapwing, under [source.{}]", source.files.name)
}

/// What to paste into the server's configuration, and into that of Lapwing for it to read the new lines.
pub(super) fn lines_to_paste(
    config: &Config,
    source: &Source,
    registry: &Registry,
    sight: &Sight,
    lacking: &[Lacking],
) -> Vec<Paste> {
    let choice = config.plan(source).choice;
    let known = sight.format.clone().unwrap_or_default();
    // What is read now, each as it stands in a list, the newest first.
    let mut read: Vec<String> = choice.each().iter().filter_map(|one| as_written(one, &known)).collect();
    read.extend(sight.unread_look_like.as_ref().map(|name| literal(name)).filter(|one| !read.contains(one)));
    let (name, texts) = match choice.each().first() {
        Some(Choice::Template(text)) => (String::new(), vec![(Syntax::of(text), text.clone())]),
        Some(Choice::TemplateOf(syntax, text)) => (String::new(), vec![(*syntax, text.clone())]),
        Some(Choice::Named(name)) => (name.clone(), of_known(name, registry)),
        _ => (known.clone(), of_known(&known, registry)),
    };
    let mut paste = Vec::new();
    let mut written = Vec::new();
    for (syntax, text) in texts {
        // Of several texts of one server the first that lacks it.
        if written.contains(&syntax) {
            continue;
        }
        let Some(more) = extend(&text, syntax, lacking) else { continue };
        written.push(syntax);
        let into = match syntax {
            Syntax::Nginx => "nginx.conf, inside http { }; its access_log has to name it",
            Syntax::Apache => "the configuration of Apache; its CustomLog has to name it",
            Syntax::Haproxy => "haproxy.cfg, in the frontend",
            _ => "the server's log format",
        };
        if syntax == Syntax::Haproxy && lacking.contains(&Lacking::Key) {
            let text = "http-request set-var(txn.api_key) req.hdr(X-Api-Key)".to_owned();
            paste.push(Paste { into: "haproxy.cfg, in the frontend".to_owned(), text });
        }
        paste.push(Paste { into: into.to_owned(), text: sanitize::terminal(&more.directive) });
        // Lines that were written before stand in the same files.
        let all = std::iter::once(literal(&more.log_format)).chain(read.iter().cloned());
        paste.push(Paste { into: under(source), text: format!("log_format = {}", list(all)) });
    }
    if paste.is_empty() {
        paste.extend(lacking.iter().filter_map(|one| of_server(&name, *one)));
        paste.dedup();
        if sight.unread_look_like.is_some() && choice != Choice::Auto {
            paste.push(Paste { into: under(source), text: format!("log_format = {}", list(read.into_iter())) });
        }
    }
    paste
}

/// A format as it stands in a list of them; one that was not said is one that was found.
fn as_written(choice: &Choice, found: &str) -> Option<String> {
    match choice {
        Choice::Named(name) => Some(literal(name)),
        Choice::Template(text) | Choice::TemplateOf(_, text) => Some(literal(text)),
        Choice::Auto | Choice::AnyOf(_) => Some(literal(found)).filter(|_| !found.is_empty()),
    }
}

fn list(texts: impl Iterator<Item = String>) -> String {
    format!("[{}]", texts.take(MOST_FORMATS).collect::<Vec<_>>().join(", "))
}

/// A text as TOML: between three quotes, where it does not hold them.
fn literal(text: &str) -> String {
    let clean = sanitize::terminal(text);
    if clean.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return format!("\"{clean}\"");
    }
    if clean.contains("'''") { format!("{clean:?}") } else { format!("'''{clean}'''") }
}

/// The text of a format that comes with Lapwing, for each server that writes it.
fn of_known(name: &str, registry: &Registry) -> Vec<(Syntax, String)> {
    let Some(entry) = registry.get(name) else { return Vec::new() };
    let file: toml::Table = entry.text.parse().unwrap_or_default();
    let texts: Vec<String> = match file.get("log_format") {
        Some(toml::Value::String(text)) => vec![text.clone()],
        Some(toml::Value::Array(all)) => all.iter().filter_map(|text| text.as_str()).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let text = texts.first().cloned();
    let apache = |text: Option<String>| text.map(|text| (Syntax::Apache, text));
    match entry.name.as_str() {
        "combined" => [Some((Syntax::Nginx, NGINX_COMBINED.to_owned())), apache(text)].into_iter().flatten().collect(),
        "common" | "vhost-combined" | "apache-io" | "common-referer" => apache(text).into_iter().collect(),
        "nginx-main" | "nginx-timed" => text.map(|text| (Syntax::Nginx, text)).into_iter().collect(),
        "nginx-lapwing" => texts.into_iter().map(|text| (Syntax::Nginx, text)).collect(),
        "envoy" => text.map(|text| (Syntax::Envoy, text)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// What makes a server with a format of its own write more.
pub(super) fn of_server(format: &str, lacking: Lacking) -> Option<Paste> {
    let paste = |into: &str, text: &str| Some(Paste { into: into.to_owned(), text: text.to_owned() });
    match (format, lacking) {
        ("caddy", Lacking::Key) => paste("the Caddyfile, in the global options", "servers { log_credentials }"),
        ("traefik" | "traefik-json", Lacking::Key) => paste(
            "the static configuration of Traefik (accessLog with format: json)",
            "accessLog.fields.headers.names.X-Api-Key: keep",
        ),
        ("traefik" | "traefik-json", Lacking::UserAgent) => paste(
            "the static configuration of Traefik (accessLog with format: json)",
            "accessLog.fields.headers.names.User-Agent: keep",
        ),
        ("traefik-json", Lacking::Referer) => paste(
            "the static configuration of Traefik (accessLog with format: json)",
            "accessLog.fields.headers.names.Referer: keep",
        ),
        ("haproxy", Lacking::Key) => {
            paste("haproxy.cfg, in the frontend", "http-request capture req.hdr(X-Api-Key) len 64")
        }
        ("w3c", Lacking::Duration) => paste("the fields of the W3C log", "time-taken"),
        ("w3c", Lacking::BytesIn) => paste("the fields of the W3C log", "cs-bytes"),
        ("w3c", Lacking::BytesOut) => paste("the fields of the W3C log", "sc-bytes"),
        ("w3c", Lacking::Host) => paste("the fields of the W3C log", "cs-host"),
        ("w3c", Lacking::UserAgent) => paste("the fields of the W3C log", "cs(User-Agent)"),
        ("w3c", Lacking::Referer) => paste("the fields of the W3C log", "cs(Referer)"),
        ("w3c", Lacking::Key) => paste("the fields of the W3C log", "cs-username"),
        ("w3c", Lacking::ForwardedFor) => paste("the fields of the W3C log", "cs(X-Forwarded-For)"),
        ("nginx-json", one) => {
            let text = extend("{\"a\":\"$status\"}", Syntax::Nginx, &[one])?.directive;
            let pair = text.split_once("\"$status\",").and_then(|(_, rest)| rest.split_once('}'))?.0.to_owned();
            paste("the log_format of nginx, inside its object", &format!(",{pair}"))
        }
        ("json" | "kong-json" | "litellm", one) => {
            paste("what writes the log, as a field of each object", json_field(one))
        }
        _ => None,
    }
}

fn json_field(lacking: Lacking) -> &'static str {
    match lacking {
        Lacking::Key => "\"consumer\": \"acme\"",
        Lacking::ForwardedFor => "\"x_forwarded_for\": \"203.0.113.9, 10.0.0.5\"",
        Lacking::Duration => "\"duration_ms\": 31",
        Lacking::BytesIn => "\"bytes_in\": 512",
        Lacking::BytesOut => "\"bytes_out\": 1412",
        Lacking::Host => "\"host\": \"api.example.com\"",
        Lacking::UserAgent => "\"user_agent\": \"okhttp/4.12.0\"",
        Lacking::Referer => "\"referer\": \"https://example.com/\"",
    }
}
