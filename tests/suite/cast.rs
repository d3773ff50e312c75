//! The names of the play: routes of the service and agents that call it.

use lapwing::event::Method;

/// A route of the service.
pub struct Route {
    pub method: Method,
    /// `{id}` stands for a number.
    pub path: &'static str,
    /// Typical milliseconds.
    pub ms: u32,
    /// Typical bytes of an answer.
    pub bytes: u32,
    /// What a call costs; 0 where none is configured.
    pub cost: f32,
}

const fn route(method: Method, path: &'static str, ms: u32, bytes: u32) -> Route {
    Route { method, path, ms, bytes, cost: 0.0 }
}

const fn costed(path: &'static str, ms: u32, bytes: u32, cost: f32) -> Route {
    Route { method: Method::Post, path, ms, bytes, cost }
}

use Method::{Delete, Get, Head, Patch, Post, Put};

/// Routes of the API come first, then what only browsers, scanners and machines call.
pub const ROUTES: [Route; 59] = [
    route(Get, "/v1/orders", 45, 9_000),
    route(Get, "/v1/orders/{id}", 25, 1_400),
    route(Post, "/v1/orders", 80, 400),
    route(Patch, "/v1/orders/{id}", 60, 500),
    route(Get, "/v1/customers", 50, 12_000),
    route(Get, "/v1/customers/{id}", 22, 1_800),
    route(Post, "/v1/customers", 70, 350),
    route(Get, "/v1/items", 60, 22_000),
    route(Get, "/v1/items/{id}", 18, 2_400),
    route(Get, "/v1/items/{id}/price", 12, 120),
    route(Get, "/v1/items/{id}/stock", 14, 140),
    route(Put, "/v1/items/{id}", 65, 300),
    route(Get, "/v1/invoices", 55, 8_000),
    route(Get, "/v1/invoices/{id}", 35, 30_000),
    route(Post, "/v1/invoices", 120, 420),
    route(Get, "/v1/payments/{id}", 30, 700),
    route(Post, "/v1/payments", 240, 300),
    route(Post, "/v1/payments/{id}/refund", 260, 250),
    route(Get, "/v1/shipments", 48, 7_000),
    route(Get, "/v1/shipments/{id}", 26, 1_100),
    route(Get, "/v1/shipments/{id}/track", 150, 900),
    route(Post, "/v1/shipments", 110, 600),
    route(Get, "/v1/users/{id}", 20, 900),
    route(Get, "/v1/users/{id}/settings", 20, 500),
    route(Put, "/v1/users/{id}/settings", 40, 200),
    route(Post, "/v1/events", 8, 20),
    route(Post, "/v1/search", 140, 14_000),
    route(Get, "/v1/search", 130, 14_000),
    route(Get, "/v1/reports", 400, 60_000),
    route(Get, "/v1/reports/{id}", 700, 240_000),
    route(Post, "/v1/reports", 900, 300),
    route(Get, "/v1/jobs/{id}", 9, 180),
    route(Post, "/v1/jobs", 50, 200),
    route(Delete, "/v1/jobs/{id}", 30, 20),
    route(Get, "/v1/config", 6, 2_000),
    route(Get, "/v1/rates", 7, 1_200),
    route(Get, "/v1/webhooks", 16, 900),
    route(Post, "/v1/webhooks", 40, 200),
    route(Post, "/v1/tokens", 90, 700),
    route(Get, "/v1/files/{id}", 90, 400_000),
    route(Post, "/v1/files", 300, 200),
    costed("/v1/documents/process", 4_000, 6_000, 1.58),
    costed("/v1/completions", 1_800, 2_500, 0.02),
    costed("/v1/embeddings", 120, 12_000, 0.001),
    route(Get, "/healthz", 1, 2),
    route(Get, "/", 30, 18_000),
    route(Get, "/products/{id}", 60, 32_000),
    route(Get, "/blog/{id}", 40, 26_000),
    route(Get, "/pricing", 35, 21_000),
    route(Get, "/docs/{id}", 25, 40_000),
    route(Get, "/assets/app.js", 3, 180_000),
    route(Get, "/wp-login.php", 4, 150),
    route(Get, "/.env", 2, 150),
    route(Get, "/phpmyadmin/index.php", 4, 150),
    route(Head, "/admin", 4, 0),
    route(Post, "/login", 120, 300),
    route(Get, "/v1/admin/accounts", 40, 6_000),
    route(Post, "/v1/users/{id}/roles", 50, 200),
    route(Delete, "/v1/webhooks/{id}", 30, 20),
];

/// Routes that keys call.
pub const API: u16 = 44;

/// The number of a route.
pub fn number(method: Method, path: &str) -> u16 {
    let found = ROUTES.iter().position(|r| r.method == method && r.path == path);
    found.unwrap_or_else(|| panic!("no route {} {path}", method.as_str())) as u16
}

/// The number of the route with this path that only reads.
pub fn read(path: &str) -> u16 {
    number(Get, path)
}

/// Families of agents, and what they write.
pub const AGENTS: [(&str, &str); 20] = [
    ("okhttp", "okhttp/4.12.0"),
    ("python-requests", "python-requests/2.32.3"),
    ("axios", "axios/1.7.2"),
    ("Go-http-client", "Go-http-client/1.1"),
    ("Java", "Java/17.0.9"),
    ("node-fetch", "node-fetch/3.3.2"),
    ("GuzzleHttp", "GuzzleHttp/7"),
    ("Faraday", "Faraday v2.9.0"),
    ("curl", "curl/8.5.0"),
    ("AcmeApp", "AcmeApp/7.3 (iPhone; iOS 17.5)"),
    ("Dart", "Dart/3.4 (dart:io)"),
    ("PostmanRuntime", "PostmanRuntime/7.39.0"),
    (
        "Chrome",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
    ),
    ("Firefox", "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0"),
    (
        "Safari",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
    ),
    ("Googlebot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
    ("bingbot", "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)"),
    ("kube-probe", "kube-probe/1.29"),
    ("zgrab", "Mozilla/5.0 zgrab/0.x"),
    ("aiohttp", "Python/3.12 aiohttp/3.9.5"),
];

/// Agents that declare themselves crawlers.
pub const CRAWLERS: [u8; 2] = [15, 16];

/// The number of an agent.
pub fn agent(family: &str) -> u8 {
    AGENTS.iter().position(|(name, _)| *name == family).unwrap_or_else(|| panic!("no agent {family}")) as u8
}
