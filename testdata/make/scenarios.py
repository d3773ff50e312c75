"""What is made: for each directory of testdata/ its server, its traffic in parts (one a log file), and its labels."""

from dataclasses import dataclass, field

from traffic import DAY, Call, Consumer, generator, one, ordinary, poisson, probe, utc


@dataclass
class Scenario:
    """One directory of testdata/."""

    name: str
    server: str
    config: str
    format: str
    parts: list  # (file name, calls), oldest first
    about: str
    incidents: list = field(default_factory=list)  # dicts: what must be told
    quiet: list = field(default_factory=list)  # dicts: what must not

    def labels(self):
        """The text of incident.toml."""
        out = ["# Made by testdata/make; what Lapwing must say about these logs, and what it must not.", "",
               f"about = {quoted(self.about)}", f"format = {quoted(self.format)}",
               "files = [" + ", ".join(quoted(name) for name, _ in self.parts) + "] # oldest first"]
        for table, entries in (("incident", self.incidents), ("quiet", self.quiet)):
            for entry in entries:
                out += ["", f"[[{table}]]"] + [f"{key} = {value_of(value)}" for key, value in entry.items()]
        return "\n".join(out) + "\n"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def value_of(value):
    """A TOML value; times are given as seconds since the epoch."""
    if isinstance(value, float):
        from datetime import datetime, timezone
        return datetime.fromtimestamp(value, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {value_of(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(value_of(inner) for inner in value) + "]"
    return quoted(value) if isinstance(value, str) else str(value)


def split(calls, *cuts):
    """Cuts calls in time order at instants."""
    parts, begin = [], 0
    for cut in cuts:
        end = next((i for i, call in enumerate(calls) if call.at >= cut), len(calls))
        parts.append(calls[begin:end])
        begin = end
    return parts + [calls[begin:]]


def merged(*groups):
    return sorted((call for group in groups for call in group), key=lambda call: call.at)


def leaked_key():
    """Ten days; on the tenth, the key `wayne` turns up at 37 new addresses while its owner goes on."""
    rng = generator("nginx")
    start = utc("2026-10-12T00:00:00")
    end = utc("2026-10-21T16:30:00")
    consumers = [
        Consumer("acme", 900, "office", ["203.0.113.9", "203.0.113.10"], "okhttp/4.12.0"),
        Consumer("wayne", 420, "office", ["198.51.100.21", "198.51.100.22"], "python-requests/2.31.0",
                 ["orders", "order", "customer", "invoice", "new-order"]),
        Consumer("globex", 700, "shop", ["203.0.113.77", "2001:db8:77::5"], "GuzzleHttp/7.8"),
        Consumer("initech", 380, "night", ["192.0.2.33"], "Apache-HttpClient/4.5.14 (Java/17.0.9)", weekend=1.0),
        Consumer("hooli", 820, "shop", ["2001:db8:40::11", "2001:db8:40::12", "203.0.113.140"], "axios/1.6.7"),
        Consumer("stark", 300, "flat", ["198.51.100.201"], "Go-http-client/2.0", ["product", "products", "shipment"], weekend=1.0),
        Consumer("wonka", 260, "office", ["192.0.2.118", "192.0.2.119"], "Faraday v2.9.0"),
        Consumer("tyrell", 340, "shop", ["203.0.113.201"], "node-fetch/3.3.2", query_key="ak_9Jt2mQ4rXw7Zb1Lc8Vd5"),
        Consumer("aperture", 280, "office", ["198.51.100.88"], "curl/7.88.1", query_key="ak_3Hs6pN0fGy2Ke9Ua4Ti7"),
    ]
    usual = [call for call in ordinary(rng, consumers, start, 10) if call.at < end]
    wayne = consumers[1]
    began = utc("2026-10-21T13:07:12")
    addresses = [f"198.{18 + rng.randint(0, 1)}.{rng.randint(0, 255)}.{rng.randint(2, 250)}" for _ in range(37)]
    agents = ["python-requests/2.32.3", "Go-http-client/1.1", "curl/8.5.0", "python-httpx/0.27.0"]
    leak, at = [], began
    while at < end:
        known = addresses[: max(3, min(37, 3 + int((at - began) / 30)))]  # all 37 within 17 minutes
        number = rng.randrange(len(known))
        leak.append(one(rng, wayne, at, known[number], agents[number % 4], rng.choice(["orders", "order", "customer", "invoice"])))
        at += rng.expovariate(min(12, 4 + (at - began) / 120) / 60)
    calls = merged(usual, probe(start, end, 60), leak)
    cut = utc("2026-10-20T00:00:00"), utc("2026-10-21T00:00:00")
    names = ["access.log.2.gz", "access.log.1", "access.log"]
    return Scenario(
        "nginx", "nginx", "nginx-combined.conf", "combined", list(zip(names, split(calls, *cut))),
        "Ten days of an API with nine keys; on the last afternoon the key wayne leaks.",
        [{"detector": "leaked-key", "subject": {"kind": "key", "name": "wayne"}, "started_at": leak[0].at,
          "told_by": leak[0].at + 600, "addresses": len({call.client for call in leak}), "requests": len(leak),
          "reads": "the key wayne is suddenly used from 37 new addresses, with new agents, while its two usual addresses go on"}])


def retry_loop():
    """Four days; then one POST is tried again every three minutes for fourteen hours, each time for a minute in vain."""
    rng = generator("nginx-json")
    start, end = utc("2026-10-12T00:00:00"), utc("2026-10-15T18:00:00")
    consumers = [
        Consumer("acme", 700, "office", ["203.0.113.9"], "okhttp/4.12.0"),
        Consumer("hooli", 500, "shop", ["2001:db8:40::11", "203.0.113.140"], "axios/1.6.7"),
        Consumer("initech", 300, "night", ["192.0.2.33"], "Apache-HttpClient/4.5.14 (Java/17.0.9)"),
        Consumer("stark", 350, "flat", ["198.51.100.201"], "Go-http-client/2.0"),
        Consumer("wonka", 250, "office", ["192.0.2.118"], "Faraday v2.9.0"),
    ]
    usual = [call for call in ordinary(rng, consumers, start, 4) if call.at < end]
    documents = []  # the same endpoint as others use it: other documents, other lengths, good answers
    for call in usual:
        if call.user in ("acme", "hooli") and rng.random() < 0.05:
            documents.append(Call(call.at + 1, call.client, "POST", "/v1/documents/process", 200, rng.randint(900, 4000),
                                  round(rng.uniform(2, 9), 3), call.agent, call.user, rng.randint(20_000, 90_000), gate=True))
    loop, at = [], utc("2026-10-15T02:14:05")
    while at < utc("2026-10-15T16:20:00"):
        loop.append(Call(at, "203.0.113.140", "POST", "/v1/documents/process", 504, 92, 60.0, "axios/1.6.7", "hooli", 48_211, gate=True))
        at += 60 + rng.uniform(110, 118)
    calls = merged(usual, documents, loop)
    cut = utc("2026-10-15T00:00:00")
    return Scenario(
        "nginx-json", "nginx", "nginx-json.conf", "nginx-json",
        list(zip(["access.log.1.gz", "access.log.gz"], split(calls, cut))),
        "Four days of JSON log with request_time and request_length; on the last, a job tries one document again and again.",
        [{"detector": "retry-loop", "subject": {"kind": "key", "name": "hooli"}, "started_at": loop[0].at + 60.0,
          "told_by": loop[0].at + 2.0 * 3600, "requests": len(loop), "endpoint": "/v1/documents/process",
          "reads": "the key hooli sends the same POST /v1/documents/process about every 3 minutes, each fails with 504 after 60 s"}])


def error_spike():
    """Four days; a deploy at 14:02 of the last breaks the search for 20 minutes; a restart at 10:31 blips for 25 seconds."""
    rng = generator("apache")
    start, end = utc("2026-10-12T00:00:00"), utc("2026-10-15T17:00:00")
    consumers = [
        Consumer("acme", 1300, "office", ["203.0.113.9"], "okhttp/4.12.0"),
        Consumer("globex", 1100, "office", ["203.0.113.77", "2001:db8:77::5"], "GuzzleHttp/7.8"),
        Consumer("hooli", 1400, "shop", ["2001:db8:40::11", "203.0.113.140"], "axios/1.6.7"),
        Consumer("stark", 800, "flat", ["198.51.100.201"], "Go-http-client/2.0"),
        Consumer("wonka", 600, "office", ["192.0.2.118"], "Faraday v2.9.0"),
        Consumer("initech", 700, "office", ["192.0.2.33"], "Apache-HttpClient/4.5.14 (Java/17.0.9)"),
    ]
    searches = [Consumer(c.name, c.per_day * 0.7, c.rhythm, c.clients, c.agent, ["search"]) for c in consumers]
    calls = [call for call in merged(ordinary(rng, consumers, start, 4), ordinary(rng, searches, start, 4)) if call.at < end]
    blip, broken = utc("2026-10-15T10:31:05"), utc("2026-10-15T14:02:00")
    # Clients try again at once while the restart lasts, and give up.
    calls = merged(calls, [one(rng, rng.choice(consumers), blip + rng.random() * 25) for _ in range(60)])
    failed, first = 0, None
    for call in calls:
        if blip <= call.at < blip + 25:
            call.status, call.size = 503, 178
        if broken <= call.at < broken + 1200 and call.target.startswith("/v1/search") and rng.random() < 0.62:
            call.status, call.size, failed = 500, 178, failed + 1
            first = first or call.at
    return Scenario(
        "apache", "apache", "apache-combined.conf", "combined",
        list(zip(["access.log.1.gz", "access.log"], split(calls, utc("2026-10-15T00:00:00")))),
        "Four days of Apache; after a deploy on the last the search fails for 20 minutes.",
        [{"detector": "error-spike", "subject": {"kind": "endpoint", "name": "/v1/search"}, "started_at": first,
          "ended_at": broken + 1200, "told_by": broken + 480, "errors": failed,
          "reads": "about 60 % of the calls to /v1/search fail with 500, usually under 1 %; every key is hit"}],
        [{"from": blip, "until": blip + 25, "why": "a restart: 25 seconds of 503 are no news"}])


def burst():
    """Five days; at 11:20 of the last the key globex calls forty times as often for 20 minutes."""
    rng = generator("caddy")
    start, end = utc("2026-10-12T00:00:00"), utc("2026-10-16T13:00:00")
    consumers = [
        Consumer("acme", 700, "office", ["203.0.113.9"], "okhttp/4.12.0"),
        Consumer("globex", 900, "office", ["203.0.113.77", "2001:db8:77::5"], "GuzzleHttp/7.8", ["product", "products", "search"]),
        Consumer("hooli", 600, "shop", ["2001:db8:40::11", "203.0.113.140"], "axios/1.6.7"),
        Consumer("initech", 300, "night", ["192.0.2.33"], "Apache-HttpClient/4.5.14 (Java/17.0.9)"),
        Consumer("stark", 400, "flat", ["198.51.100.201"], "Go-http-client/2.0"),
        Consumer("wonka", 250, "office", ["192.0.2.118"], "Faraday v2.9.0"),
    ]
    usual = [call for call in ordinary(rng, consumers, start, 5) if call.at < end]
    began, extra = utc("2026-10-16T11:20:00"), []
    for second in range(1200):
        for _ in range(poisson(rng, 1.3)):
            extra.append(one(rng, consumers[1], began + second + rng.random()))
    extra.sort(key=lambda call: call.at)
    calls = merged(usual, probe(start, end, 60), extra)
    return Scenario(
        "caddy", "caddy", "Caddyfile", "caddy",
        list(zip(["access.log.1.gz", "access.log.gz"], split(calls, utc("2026-10-16T00:00:00")))),
        "Five days of Caddy's JSON log; on the last the key globex bursts for 20 minutes.",
        [{"detector": "burst", "subject": {"kind": "key", "name": "globex"}, "started_at": extra[0].at, "ended_at": began + 1200,
          "told_by": began + 180, "requests": len(extra),
          "reads": "the key globex makes about 78 requests a minute, usually 2 at this hour"}])


def traffic_drop():
    """Twelve days; from 14:10 to 14:55 of the last nothing but the health probe gets through."""
    rng = generator("haproxy")
    start, end = utc("2026-10-05T00:00:00"), utc("2026-10-16T17:00:00")
    groups = [(["203.0.113.9", "203.0.113.10", "203.0.113.77"], "okhttp/4.12.0", "office", 2000),
              (["2001:db8:40::11", "203.0.113.140", "198.51.100.7"], "axios/1.6.7", "shop", 1900),
              (["198.51.100.201", "192.0.2.118"], "Go-http-client/2.0", "office", 1200)]
    consumers = [Consumer(agent, per_day, rhythm, clients, agent) for clients, agent, rhythm, per_day in groups]
    quiet = utc("2026-10-16T14:10:00"), utc("2026-10-16T14:55:00")
    calls = [call for call in ordinary(rng, consumers, start, 12) if call.at < end and not quiet[0] <= call.at < quiet[1]]
    for call in calls:
        call.user = None
    calls = merged(calls, probe(start, end, 60))
    return Scenario(
        "haproxy", "haproxy", "haproxy.cfg", "haproxy",
        list(zip(["access.log.1.gz", "access.log.gz"], split(calls, utc("2026-10-16T00:00:00")))),
        "Twelve days of HAProxy; on the last afternoon only the health probe gets through for 45 minutes.",
        [{"detector": "traffic-drop", "subject": {"kind": "site", "name": ""}, "also_right": ["source", "endpoint"],
          "started_at": quiet[0], "ended_at": quiet[1], "told_by": quiet[0] + 1800,
          "reads": "usually about 7 requests a minute at this hour, now 1: only the health probe"}])


def ordinary_days():
    """Five days without anything to tell: a nightly job, a lunchtime dip, one 20-second flurry."""
    rng = generator("lighttpd")
    start, end = utc("2026-10-12T00:00:00"), utc("2026-10-16T18:00:00")
    visitors = [f"203.0.113.{n}" for n in range(20, 60)] + [f"2001:db8:{n}::1" for n in range(10, 30)]
    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
    consumers = [Consumer("visitors", 3400, "shop", visitors, browser, ["products", "product", "search"]),
                 Consumer("partner", 900, "office", ["198.51.100.30"], "Java-http-client/21.0.2")]
    calls = ordinary(rng, consumers, start, 5)
    nightly = []
    for day in range(5):  # the nightly export: 260 calls from 03:30, every night
        at = start + day * DAY + 3.5 * 3600
        for _ in range(260):
            at += rng.uniform(0.8, 2.4)
            nightly.append(one(rng, consumers[1], at, "192.0.2.61", "Wget/1.21.3", "product"))
    flurry_at = utc("2026-10-16T11:05:10")
    flurry = [one(rng, consumers[1], flurry_at + rng.random() * 20, endpoint="order") for _ in range(70)]
    calls = [call for call in merged(calls, nightly, flurry, probe(start, end, 60)) if call.at < end]
    for call in calls:
        call.user = None
    return Scenario(
        "lighttpd", "lighttpd", "lighttpd.conf", "lighttpd",
        list(zip(["access.log.1.gz", "access.log"], split(calls, utc("2026-10-16T00:00:00")))),
        "Five ordinary days of lighttpd: nothing to tell.", [],
        [{"from": start, "until": end, "why": "nothing happens"},
         {"from": flurry_at, "until": flurry_at + 20, "why": "70 requests within 20 seconds are over before anybody could look"}])


SCENARIOS = [leaked_key(), retry_loop(), error_spike(), burst(), traffic_drop(), ordinary_days()]
