//! What software called: the family of a user agent, without its version.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::event::{Hasher, Id};

use super::lossy;
use super::memo::Memo;

/// The most bytes of a user agent that are looked at.
const MAX_BYTES: usize = 512;
/// The most characters of the family of an agent that is not in [`FAMILIES`].
const MAX_NAME_CHARS: usize = 40;
/// Half of the user agents whose family is remembered.
const MEMO_ENTRIES: usize = 4096;

/// One family: its name, what its user agents contain (in lower case), and whether it declares itself a crawler.
/// Where several families fit, the first of this list is meant: agents pretend to be those further down.
#[rustfmt::skip]
const FAMILIES: &[(&str, &str, bool)] = &[
    // Crawlers that say so.
    ("Googlebot", "googlebot", true), ("Google-InspectionTool", "google-inspectiontool", true),
    ("AdsBot-Google", "adsbot-google", true), ("GoogleOther", "googleother", true), ("bingbot", "bingbot", true),
    ("YandexBot", "yandex.com/bots", true), ("Baiduspider", "baiduspider", true), ("DuckDuckBot", "duckduckbot", true),
    ("Applebot", "applebot", true), ("GPTBot", "gptbot", true), ("ChatGPT-User", "chatgpt-user", true),
    ("OAI-SearchBot", "oai-searchbot", true), ("ClaudeBot", "claudebot", true), ("Claude-User", "claude-user", true),
    ("anthropic-ai", "anthropic-ai", true), ("PerplexityBot", "perplexitybot", true), ("CCBot", "ccbot", true),
    ("Amazonbot", "amazonbot", true), ("Bytespider", "bytespider", true), ("meta-externalagent", "meta-externalagent", true),
    ("facebookexternalhit", "facebookexternalhit", true), ("Twitterbot", "twitterbot", true),
    ("LinkedInBot", "linkedinbot", true), ("Slackbot", "slackbot", true), ("TelegramBot", "telegrambot", true),
    ("Discordbot", "discordbot", true), ("AhrefsBot", "ahrefsbot", true), ("SemrushBot", "semrushbot", true),
    ("MJ12bot", "mj12bot", true), ("DotBot", "dotbot", true), ("PetalBot", "petalbot", true), ("SeznamBot", "seznambot", true),
    ("DataForSeoBot", "dataforseobot", true), ("archive.org_bot", "archive.org_bot", true), ("Scrapy", "scrapy/", true),
    // Probes and monitors.
    ("kube-probe", "kube-probe", false), ("ELB-HealthChecker", "elb-healthchecker", false),
    ("GoogleHC", "googlehc", false), ("UptimeRobot", "uptimerobot", false), ("Pingdom", "pingdom", false),
    ("StatusCake", "statuscake", false), ("Site24x7", "site24x7", false), ("Datadog", "datadog", false),
    ("Prometheus", "prometheus/", false), ("Blackbox Exporter", "blackbox", false), ("check_http", "check_http", false),
    ("NewRelic", "newrelic", false),
    // Scanners.
    ("sqlmap", "sqlmap", false), ("Nikto", "nikto", false), ("Nmap", "nmap scripting engine", false),
    ("Nuclei", "nuclei", false), ("WPScan", "wpscan", false), ("masscan", "masscan", false), ("zgrab", "zgrab", false),
    ("CensysInspect", "censysinspect", true), ("Expanse", "expanse", false), ("gobuster", "gobuster", false),
    ("w3af", "w3af", false), ("hydra", "hydra", false),
    // Libraries and tools.
    ("python-requests", "python-requests", false), ("aiohttp", "aiohttp", false), ("python-httpx", "python-httpx", false),
    ("Python-urllib", "python-urllib", false), ("urllib3", "urllib3", false), ("OpenAI SDK", "openai/", false),
    ("Anthropic SDK", "anthropic/", false), ("Boto3", "boto3", false), ("Go-http-client", "go-http-client", false),
    ("go-resty", "go-resty", false), ("okhttp", "okhttp", false), ("axios", "axios", false),
    ("node-fetch", "node-fetch", false), ("undici", "undici", false), ("got", "got (https://github.com", false),
    ("Apache-HttpClient", "apache-httpclient", false), ("Java-http-client", "java-http-client", false),
    ("Java", "java/", false), ("Jetty", "jetty/", false), ("Dart", "dart/", false), ("Dalvik", "dalvik/", false),
    ("CFNetwork", "cfnetwork", false), ("Alamofire", "alamofire", false), ("reqwest", "reqwest/", false),
    ("Guzzle", "guzzlehttp", false), ("Faraday", "faraday", false), ("Ruby", "ruby", false),
    ("libwww-perl", "libwww-perl", false), ("RestSharp", "restsharp", false), ("PowerShell", "powershell", false),
    ("PostmanRuntime", "postmanruntime", false), ("Insomnia", "insomnia/", false), ("HTTPie", "httpie", false),
    ("curl", "curl/", false), ("Wget", "wget", false), ("ApacheBench", "apachebench", false), ("k6", "k6/", false),
    ("WordPress", "wordpress/", false), ("git", "git/", false),
    // Browsers: nearly all claim to be Safari and Mozilla.
    ("HeadlessChrome", "headlesschrome", false), ("Electron", "electron/", false), ("Edge", "edg/", false),
    ("Edge", "edge/", false), ("Edge", "edga/", false), ("Edge", "edgios/", false), ("Opera", "opr/", false),
    ("Opera", "opera", false), ("Samsung Internet", "samsungbrowser", false), ("Yandex Browser", "yabrowser", false),
    ("Vivaldi", "vivaldi", false), ("UC Browser", "ucbrowser", false), ("Firefox", "fxios/", false),
    ("Firefox", "firefox/", false), ("Chrome", "crios/", false), ("Chrome", "chrome/", false),
    ("Chromium", "chromium", false), ("Internet Explorer", "msie ", false), ("Internet Explorer", "trident/", false),
    ("Safari", "safari/", false), ("WebKit", "applewebkit", false),
];

/// Families that are browsers in people's hands: those that are driven by programs, and apps made of one, are not.
const BROWSERS: &[&str] = &[
    "Edge",
    "Opera",
    "Samsung Internet",
    "Yandex Browser",
    "Vivaldi",
    "UC Browser",
    "Firefox",
    "Chrome",
    "Chromium",
    "Internet Explorer",
    "Safari",
    "WebKit",
];

/// Families that are of apps, or tools in people's hands. What else is listed and no browser runs on servers.
const HANDS: &[&str] = &[
    "okhttp",
    "Dart",
    "Dalvik",
    "CFNetwork",
    "Alamofire",
    "PowerShell",
    "PostmanRuntime",
    "Insomnia",
    "HTTPie",
    "curl",
    "Wget",
    "git",
    "Electron",
];

/// Words by which a crawler that is not listed declares itself.
const CRAWLER_WORDS: &[&str] = &["bot/", "bot;", "bot)", "crawler", "spider", "+http"];

/// The family of a user agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Family<'a> {
    /// `okhttp`, `Chrome`; of an unknown agent its first product token without version.
    pub name: Cow<'a, str>,
    /// Whether it declares itself a crawler.
    pub crawler: bool,
}

/// What kind of software called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A browser, as people use them.
    Browser,
    /// What runs on servers: a library, a monitor, a crawler, a scanner.
    Server,
    /// An app, a tool of developers, or unknown.
    Other,
}

/// Finds families; remembers the agents it met.
#[derive(Debug)]
pub struct Agents {
    /// Patterns of [`FAMILIES`], then [`CRAWLER_WORDS`]. `None` only if the table were too large to compile.
    words: Option<AhoCorasick>,
    hasher: Hasher,
    memo: Memo<(Verdict, Id, Class), MEMO_ENTRIES>,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Listed(u8),
    Unknown { crawler: bool },
}

impl Agents {
    /// With the built-in table.
    pub fn new(hasher: Hasher) -> Self {
        let words = FAMILIES.iter().map(|(_, word, _)| *word).chain(CRAWLER_WORDS.iter().copied());
        let words = AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(words);
        Agents { words: words.ok(), hasher, memo: Memo::default() }
    }

    /// The family of a user agent; `None` of an empty one and of `-`.
    pub fn family<'a>(&mut self, agent: &'a [u8]) -> Option<Family<'a>> {
        self.known(agent).map(|(family, ..)| family)
    }

    /// What kind of software a user agent is; `None` of an empty one and of `-`.
    pub fn class(&mut self, agent: &[u8]) -> Option<Class> {
        self.known(agent).map(|(.., class)| class)
    }

    /// Its family, with the id of its name and what kind of software it is.
    pub(super) fn known<'a>(&mut self, agent: &'a [u8]) -> Option<(Family<'a>, Id, Class)> {
        let agent = agent.trim_ascii();
        if agent.is_empty() || agent == b"-" {
            return None;
        }
        let head = agent.get(..MAX_BYTES).unwrap_or(agent);
        let Agents { words, hasher, memo } = self;
        let (verdict, id, class) = *memo.get_or_insert_with(hasher.id(head), || {
            let verdict = judge(words.as_ref(), head);
            (verdict, hasher.id(verdict.family(head).name.as_bytes()), verdict.class())
        });
        Some((verdict.family(head), id, class))
    }
}

impl Verdict {
    fn family(self, agent: &[u8]) -> Family<'_> {
        match self {
            Verdict::Listed(at) => {
                let (name, _, crawler) = FAMILIES[usize::from(at)];
                Family { name: Cow::Borrowed(name), crawler }
            }
            Verdict::Unknown { crawler } => Family { name: product(agent), crawler },
        }
    }

    fn class(self) -> Class {
        match self {
            Verdict::Listed(at) => match FAMILIES[usize::from(at)].0 {
                name if BROWSERS.contains(&name) => Class::Browser,
                name if HANDS.contains(&name) => Class::Other,
                _ => Class::Server,
            },
            Verdict::Unknown { crawler: true } => Class::Server,
            Verdict::Unknown { crawler: false } => Class::Other,
        }
    }
}

fn judge(words: Option<&AhoCorasick>, agent: &[u8]) -> Verdict {
    let found = words.iter().flat_map(|w| w.find_overlapping_iter(agent)).map(|m| m.pattern().as_usize()).min();
    match found {
        Some(at) if at < FAMILIES.len() => {
            // A browser's name does not hide a crawler that says what it is: `compatible; FooBot/1.0`.
            let browser = FAMILIES[at].0 == "Chrome" || FAMILIES[at].0 == "Safari" || FAMILIES[at].0 == "WebKit";
            if browser && says_crawler(words, agent) {
                return Verdict::Unknown { crawler: true };
            }
            Verdict::Listed(at as u8)
        }
        found => Verdict::Unknown { crawler: found.is_some() },
    }
}

fn says_crawler(words: Option<&AhoCorasick>, agent: &[u8]) -> bool {
    let mut found = words.iter().flat_map(|w| w.find_overlapping_iter(agent));
    found.any(|m| m.pattern().as_usize() >= FAMILIES.len())
}

/// The product token that an unlisted agent goes by: the first one, or what stands after `compatible;` where the first
/// is Mozilla. The version behind the slash is dropped.
fn product(agent: &[u8]) -> Cow<'_, str> {
    let mut name = agent;
    if agent.starts_with(b"Mozilla/") {
        const MARK: &[u8] = b"compatible;";
        match agent.windows(MARK.len()).position(|w| w.eq_ignore_ascii_case(MARK)) {
            Some(at) => name = agent[at + MARK.len()..].trim_ascii_start(),
            None => return Cow::Borrowed("Mozilla"),
        }
    }
    let in_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+') || !b.is_ascii();
    let end = name.iter().position(|b| !in_name(b));
    let name = &name[..end.unwrap_or(name.len())];
    if name.is_empty() {
        return Cow::Borrowed("other");
    }
    if sanitized_away(name) { Cow::Borrowed("other") } else { clip_chars(lossy(name)) }
}

/// Names that are keys or random runs would tell every call apart.
fn sanitized_away(name: &[u8]) -> bool {
    crate::sanitize::known_secret(&lossy(name)) || super::shape::placeholder(name).is_some()
}

fn clip_chars(name: Cow<'_, str>) -> Cow<'_, str> {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        None => name,
        Some(_) => Cow::Owned(name.chars().take(MAX_NAME_CHARS).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_found() {
        let mut agents = Agents::new(Hasher::new(1));
        for (agent, name, crawler) in [
            ("okhttp/4.12.0", "okhttp", false),
            ("python-requests/2.32.3", "python-requests", false),
            ("curl/8.5.0", "curl", false),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
                "Chrome",
                false,
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Safari/537.36 Edg/125.0",
                "Edge",
                false,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1",
                "Safari",
                false,
            ),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot", true),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.1; +https://openai.com/gptbot)",
                "GPTBot",
                true,
            ),
            ("Mozilla/5.0 (compatible; FooBot/1.0; +http://foo.example)", "FooBot", true),
            ("Mozilla/5.0 AppleWebKit/537.36 (compatible; Foo/2; +http://x) Chrome/1 Safari/1", "Foo", true),
            ("acme-billing-sync/3.2 (linux)", "acme-billing-sync", false),
            ("Mozilla/5.0", "Mozilla", false),
            ("MyApp 7", "MyApp", false),
            ("/", "other", false),
            ("}__test|O:21:x", "other", false),
            ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "other", false),
        ] {
            for _ in 0..2 {
                assert_eq!(agents.family(agent.as_bytes()), Some(Family { name: name.into(), crawler }), "{agent}");
            }
        }
        assert_eq!((agents.family(b" "), agents.family(b"-")), (None, None));
    }

    #[test]
    fn browsers_servers_and_what_is_in_peoples_hands_are_told_apart() {
        let mut agents = Agents::new(Hasher::new(1));
        for name in BROWSERS.iter().chain(HANDS) {
            assert!(FAMILIES.iter().any(|(family, ..)| family == name), "{name} is no family");
        }
        for (agent, class) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0", Class::Browser),
            ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/125.0 Safari/537.36", Class::Server),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Class::Server),
            ("Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", Class::Server),
            ("python-requests/2.32.3", Class::Server),
            ("curl/8.5.0", Class::Other),
            ("acme-billing-sync/3.2 (linux)", Class::Other),
        ] {
            assert_eq!(agents.class(agent.as_bytes()), Some(class), "{agent}");
        }
    }

    #[test]
    fn the_table_is_in_order_and_fits_its_index() {
        assert!(FAMILIES.len() < 256);
        for (name, word, _) in FAMILIES {
            assert_eq!(*word, word.to_ascii_lowercase(), "{name}");
            let mut agents = Agents::new(Hasher::new(1));
            let family = agents.family(word.trim().as_bytes()).unwrap();
            assert!(family.name == *name || word.ends_with(' '), "{word} is taken by {}", family.name);
        }
    }

    #[test]
    fn names_are_short_and_memory_is_bounded() {
        let mut agents = Agents::new(Hasher::new(1));
        let long = agents.family("Zählprogramm-mit-einem-sehr-langen-Namen-der-nie-endet".as_bytes()).unwrap();
        assert_eq!(long.name.chars().count(), MAX_NAME_CHARS);
        for n in 0..3 * MEMO_ENTRIES {
            agents.family(format!("agent{n}").as_bytes());
        }
        assert!(agents.memo.len() <= 2 * MEMO_ENTRIES);
    }
}
