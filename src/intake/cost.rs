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
}

fn times(price: Option<f64>, amount: Option<u64>, unit: f64) -> Option<f64> {
    Some(price? * amount? as f64 / unit)
}

/// The prices of all endpoints.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    templates: HashMap<Id, Price>,
    patterns: Patterns<Price>,
}

impl Prices {
    /// From endpoints to prices. An endpoint is a route template as alerts show it (`/v1/orders/{id}`), a path in which
    /// `{anything}` stands for one segment, or with a last `*` all that begins so.
    pub fn new(prices: &BTreeMap<String, Price>, hasher: &Hasher) -> Self {
        let mut all = Prices::default();
        for (endpoint, price) in prices {
            all.templates.insert(hasher.id(endpoint.as_bytes()), *price);
            all.patterns.insert(endpoint, *price);
        }
        all
    }

    /// What a call costs: what the log states, else by the price of its endpoint. Nonsense is `None`.
    pub fn cost(&self, record: &Record<'_>, template: Id, target: Option<Target<'_>>) -> Option<f64> {
        let price = || self.templates.get(&template).or_else(|| self.patterns.find(target?));
        let cost = record.cost.or_else(|| if self.templates.is_empty() { None } else { price()?.cost(record) });
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
        Prices::new(&prices, &hasher).cost(record, hasher.id(template.as_bytes()), Some(target))
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
    fn the_log_knows_best_unless_it_is_nonsense() {
        let logged = |cost| Record { cost: Some(cost), ..Record::default() };
        assert_eq!(cost(&logged(0.0), "/v2/x"), Some(0.0));
        assert_eq!(cost(&logged(f64::NAN), "/v2/x"), None);
        assert_eq!(cost(&logged(-1.0), "/v2/x"), None);
    }
}
