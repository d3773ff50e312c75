//! What a call costs: as logged, else by the prices of the configuration.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Hasher, Id};
use crate::format::Record;

use super::routes::Patterns;
use super::target::Target;

/// The price of calls to one endpoint, in the configured currency. What is given adds up.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Price {
    /// For each call.
    pub per_request: Option<f64>,
    /// For a thousand tokens that a model read.
    pub per_1k_tokens_in: Option<f64>,
    /// For a thousand tokens that a model wrote.
    pub per_1k_tokens_out: Option<f64>,
    /// For a megabyte (1,000,000 bytes) sent to the client.
    pub per_mb: Option<f64>,
}

impl Price {
    /// What the call of a record costs; `None` if nothing that is priced was logged.
    pub fn cost(&self, record: &Record<'_>) -> Option<f64> {
        let parts = [
            self.per_request,
            times(self.per_1k_tokens_in, record.tokens_in, 1e3),
            times(self.per_1k_tokens_out, record.tokens_out, 1e3),
            times(self.per_mb, record.bytes_out, 1e6),
        ];
        parts.into_iter().flatten().reduce(|a, b| a + b)
    }

    /// The same with the prices of a model, which knows best what its tokens cost.
    fn with_model(self, model: Option<&Price>) -> Price {
        let Some(model) = model else { return self };
        let both = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or(0.0)));
        Price {
            per_request: both(self.per_request, model.per_request),
            per_1k_tokens_in: model.per_1k_tokens_in.or(self.per_1k_tokens_in),
            per_1k_tokens_out: model.per_1k_tokens_out.or(self.per_1k_tokens_out),
            per_mb: both(self.per_mb, model.per_mb),
        }
    }
}

fn times(price: Option<f64>, amount: Option<u64>, unit: f64) -> Option<f64> {
    Some(price? * amount? as f64 / unit)
}

/// The prices of all endpoints.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    templates: HashMap<Id, Price>,
    patterns: Patterns<Price>,
    /// By the model's name in small letters, the longest first; a last `*` stands for any ending.
    models: Vec<(String, Price)>,
}

impl Prices {
    /// From endpoints to prices. An endpoint is a route template as alerts show it (`/v1/orders/{id}`), a path in which
    /// `{anything}` stands for one segment, or with a last `*` all that begins so.
    pub fn new(prices: &BTreeMap<String, Price>, models: &BTreeMap<String, Price>, hasher: &Hasher) -> Self {
        let mut all = Prices::default();
        for (endpoint, price) in prices {
            all.templates.insert(hasher.id(endpoint.as_bytes()), *price);
            all.patterns.insert(endpoint, *price);
        }
        all.models = models.iter().map(|(name, price)| (name.to_ascii_lowercase(), *price)).collect();
        // The name itself goes before what only begins so.
        all.models.sort_by_key(|(name, _)| std::cmp::Reverse((!name.ends_with('*'), name.len())));
        all
    }

    fn model(&self, record: &Record<'_>) -> Option<&Price> {
        if self.models.is_empty() {
            return None;
        }
        let called = record.model.as_deref()?;
        let fits = |name: &str| match name.strip_suffix('*') {
            Some(start) => called.get(..start.len()).is_some_and(|c| c.eq_ignore_ascii_case(start.as_bytes())),
            None => called.eq_ignore_ascii_case(name.as_bytes()),
        };
        self.models.iter().find(|(name, _)| fits(name)).map(|(_, price)| price)
    }

    /// What a call costs: what the log states, else by the price of its endpoint. Nonsense is `None`.
    pub fn cost(&self, record: &Record<'_>, template: Id, target: Option<Target<'_>>) -> Option<f64> {
        if record.cost.is_none() && self.templates.is_empty() && self.models.is_empty() {
            return None;
        }
        let cost = record.cost.or_else(|| {
            let own = self.templates.get(&template).or_else(|| self.patterns.find(target?)).copied();
            let model = self.model(record);
            own.map_or_else(|| model.copied(), |own| Some(own.with_model(model)))?.cost(record)
        });
        cost.filter(|c| c.is_finite() && *c >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(record: &Record<'_>, target: &str) -> Option<f64> {
        let hasher = Hasher::new(1);
        let each = |per_request| Price { per_request: Some(per_request), ..Price::default() };
        let prices = BTreeMap::from([
            ("/v1/documents/process".to_owned(), each(1.58)),
            ("/v1/users/{user}".to_owned(), each(0.5)),
            ("/v2/*".to_owned(), each(0.25)),
            (
                "/v1/chat".to_owned(),
                Price {
                    per_1k_tokens_in: Some(0.01),
                    per_1k_tokens_out: Some(0.03),
                    per_mb: Some(2.0),
                    ..Price::default()
                },
            ),
        ]);
        let mut template = String::new();
        super::super::route::template(target.as_bytes(), &mut template);
        let target = Target::split(target.as_bytes());
        let models = BTreeMap::from([
            (
                "gpt-4o*".to_owned(),
                Price { per_1k_tokens_in: Some(0.005), per_1k_tokens_out: Some(0.015), ..Price::default() },
            ),
            ("GPT-4o-mini".to_owned(), Price { per_1k_tokens_in: Some(0.001), ..Price::default() }),
        ]);
        Prices::new(&prices, &models, &hasher).cost(record, hasher.id(template.as_bytes()), Some(target))
    }

    #[test]
    fn prices_are_found_and_add_up() {
        let none = Record::default();
        assert_eq!(cost(&none, "/v1/documents/process?x=1"), Some(1.58));
        assert_eq!(cost(&none, "/v1/documents/process/12"), None);
        assert_eq!(cost(&none, "/v1/users/bob"), Some(0.5));
        assert_eq!(cost(&none, "/v2/a/b"), Some(0.25));
        assert_eq!(cost(&none, "/v1/chat"), None);
        let chat =
            Record { tokens_in: Some(2000), tokens_out: Some(1000), bytes_out: Some(500_000), ..Record::default() };
        assert!((cost(&chat, "/v1/chat").unwrap() - 1.05).abs() < 1e-12);
    }

    #[test]
    fn a_model_has_its_own_price_of_tokens() {
        let of = |model: &'static str, target: &str| {
            let record = Record {
                model: Some(model.as_bytes().into()),
                tokens_in: Some(2000),
                tokens_out: Some(1000),
                ..Record::default()
            };
            cost(&record, target).map(|cost| (cost * 1e6).round() / 1e6)
        };
        assert_eq!(of("gpt-4o-2026-01", "/anything"), Some(0.025));
        assert_eq!(of("gpt-4o-mini", "/anything"), Some(0.002), "the name itself goes before its beginning");
        assert_eq!(of("claude-x", "/anything"), None);
        assert_eq!(of("claude-x", "/v1/chat"), Some(0.05), "unknown models cost what the endpoint costs");
        assert_eq!(of("gpt-4o-mini", "/v1/chat"), Some(0.032), "what the model does not say, the endpoint does");
        assert_eq!(of("gpt-4o", "/v1/documents/process"), Some(1.605), "a call and its tokens");
    }

    #[test]
    fn the_log_knows_best_unless_it_is_nonsense() {
        let logged = |cost| Record { cost: Some(cost), ..Record::default() };
        assert_eq!(cost(&logged(0.0), "/v2/x"), Some(0.0));
        assert_eq!(cost(&logged(f64::NAN), "/v2/x"), None);
        assert_eq!(cost(&logged(-1.0), "/v2/x"), None);
    }
}
