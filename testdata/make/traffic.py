"""Ordinary traffic: who calls what, how often, at which hours. All chance comes from one seeded generator."""

import datetime
import math
import random
from dataclasses import dataclass, field

DAY = 86_400

RHYTHMS = {
    # Share of a day's calls in each hour, not yet scaled to 1.
    "office": [1, 1, 1, 1, 1, 2, 5, 14, 26, 32, 33, 31, 25, 29, 32, 30, 26, 17, 8, 5, 4, 3, 2, 1],
    "shop": [7, 4, 3, 2, 2, 3, 6, 10, 13, 15, 16, 17, 19, 18, 17, 17, 18, 21, 25, 28, 29, 25, 18, 11],
    "flat": [10] * 24,
    "night": [14, 26, 30, 26, 14, 8, 5, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 7, 9],
}

# Weight, method, path (N is an id, W a word, P a page), usual bytes, usual seconds, bytes of the request's body.
ENDPOINTS = {
    "orders": (30, "GET", "/v1/orders?status=open&page=P", 2900, 0.045, 0),
    "order": (34, "GET", "/v1/orders/N", 1350, 0.018, 0),
    "new-order": (9, "POST", "/v1/orders", 420, 0.085, 640),
    "customer": (18, "GET", "/v1/customers/N", 980, 0.014, 0),
    "change-customer": (3, "PATCH", "/v1/customers/N", 310, 0.041, 260),
    "products": (16, "GET", "/v1/products?page=P", 5200, 0.060, 0),
    "product": (24, "GET", "/v1/products/N", 1800, 0.012, 0),
    "search": (12, "GET", "/v1/search?q=W&limit=20", 3600, 0.130, 0),
    "payment": (6, "POST", "/v1/payments", 350, 0.240, 410),
    "invoice": (7, "GET", "/v1/invoices/N", 24000, 0.090, 0),
    "shipment": (8, "GET", "/v1/shipments/N/events", 740, 0.022, 0),
}

WORDS = ["lamp", "desk", "chair", "kettle", "rope", "paint", "ladder", "hammer", "screws", "shelf", "wire", "glue",
         "blue+chair", "garden+hose", "oak+table", "wall+paint", "door+handle", "tile", "brush", "bucket"]


@dataclass
class Call:
    """One planned request."""

    at: float
    client: str
    method: str
    target: str
    status: int
    size: int
    seconds: float
    agent: str
    user: str | None = None
    body: int = 0
    gate: bool = False  # others go on while it waits for its answer


@dataclass
class Consumer:
    """Somebody who calls the API in a regular way."""

    name: str
    per_day: float
    rhythm: str
    clients: list
    agent: str
    endpoints: list = field(default_factory=lambda: list(ENDPOINTS))
    weekend: float = 0.45
    query_key: str | None = None  # the key goes in the query instead of a basic-auth user
    failing: float = 0.004  # share of 5xx
    mistaken: float = 0.03  # share of 4xx


def utc(text):
    """Seconds since the epoch of `2026-10-12T09:30:00`."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()


def poisson(rng, mean):
    """A Poisson variate: by counting for small means, by the normal limit for large ones."""
    if mean > 60:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    count, product, limit = 0, rng.random(), math.exp(-mean)
    while product > limit:
        count += 1
        product *= rng.random()
    return count


def ordinary(rng, consumers, start, days):
    """The calls of `consumers` over whole days, in time order."""
    calls = []
    for consumer in consumers:
        shape = RHYTHMS[consumer.rhythm]
        for hour in range(round(days * 24)):
            begin = start + hour * 3600
            moment = datetime.datetime.fromtimestamp(begin, datetime.timezone.utc)
            mean = consumer.per_day * shape[moment.hour] / sum(shape) * rng.lognormvariate(0, 0.1)
            if moment.weekday() >= 5:
                mean *= consumer.weekend
            for _ in range(poisson(rng, mean)):
                calls.append(one(rng, consumer, begin + rng.random() * 3600))
    calls.sort(key=lambda call: call.at)
    return calls


def one(rng, consumer, at, client=None, agent=None, endpoint=None):
    """One ordinary call of a consumer."""
    name = endpoint or rng.choices(consumer.endpoints, [ENDPOINTS[name][0] for name in consumer.endpoints])[0]
    _, method, path, size, seconds, body = ENDPOINTS[name]
    target = path.replace("N", str(rng.randint(10_000, 99_999))).replace("=P", f"={min(12, 1 + int(rng.expovariate(0.6)))}")
    target = target.replace("=W", "=" + rng.choice(WORDS))
    if consumer.query_key:
        target += ("&" if "?" in target else "?") + "api_key=" + consumer.query_key
    status = 201 if method == "POST" else 200
    luck = rng.random()
    if luck < consumer.failing:
        status, size = rng.choice([500, 502, 503]), 178
    elif luck < consumer.failing + consumer.mistaken:
        status, size = (rng.choice([400, 422]) if method in ("POST", "PATCH") else 404), 96
    else:
        size = max(2, round(size * rng.lognormvariate(0, 0.25)))
    return Call(at, client or rng.choice(consumer.clients), method, target, status, size,
                round(min(5.0, seconds * rng.lognormvariate(0, 0.4)), 3), agent or consumer.agent,
                None if consumer.query_key else consumer.name,
                round(body * rng.lognormvariate(0, 0.2)) if body else 0)


def probe(start, end, every=30, client="192.0.2.4"):
    """The load balancer's or the monitor's health probe, as regular as a clock."""
    at = start + 7
    while at < end:
        yield Call(at, client, "GET", "/healthz", 200, 15, 0.001, "kube-probe/1.29")
        at += every


def generator(name):
    """A generator of chance for one scenario; its name is the seed."""
    return random.Random("lapwing " + name)
