//! What the configuration means to each module: its settings, filled.

use std::sync::Arc;

use super::{Channel, ChannelKind, Config, MailSecurity, Source};
use crate::detect::credential_stuffing::outcome::{Door, Failure};
use crate::detect::rule::Rule;
use crate::detect::scene::Sensitivity;
use crate::engine;
use crate::event::{Hasher, Severity};
use crate::format::{Choice, FieldPlace, Fields};
use crate::intake::cost::Price;
use crate::intake::key::KeyPlace;
use crate::intake::{self, SourceSettings};
use crate::rule::spec::Rule as UserRule;
use crate::time::Zone;
use crate::{notice, notify};

/// How the lines of a source are read.
#[derive(Clone, PartialEq, Debug)]
pub struct SourcePlan {
    /// The source.
    pub name: String,
    /// Its format.
    pub choice: Choice,
    /// The zone of times without one.
    pub zone: Zone,
    /// Which fields are what, and which are asked for by name.
    pub fields: Fields,
}

/// What alerts say of a consumer.
fn whose(consumer: &super::Consumer) -> (String, notice::Whose) {
    let intake::consumer::Consumer { tier, owner, contact, environment, .. } = consumer.known.clone();
    (consumer.name.clone(), notice::Whose { name: consumer.name.clone(), tier, owner, contact, environment })
}

impl Config {
    /// How the lines of a source are read.
    pub fn plan(&self, source: &Source) -> SourcePlan {
        SourcePlan {
            name: source.files.name.clone(),
            choice: source.format.clone(),
            zone: source.zone.unwrap_or(self.zone),
            fields: fields(source, &self.user_rules),
        }
    }

    /// Whose calls they are, for one source.
    pub fn intake_source(&self, source: &Source) -> SourceSettings {
        let places: Vec<KeyPlace> = source.key.iter().filter_map(|text| KeyPlace::parse(text).ok()).collect();
        SourceSettings {
            key: if places.is_empty() { KeyPlace::default_order() } else { places },
            trusted_proxies: source.trusted_proxies.clone(),
            environment: source.environment.clone(),
        }
    }

    /// What lines mean, for all sources by their ids, with their names in the same order.
    pub fn intake_settings(&self, sources: Vec<SourceSettings>, names: Vec<String>) -> intake::Settings {
        let consumer = |c: &super::Consumer| (c.name.clone(), c.known.clone());
        let price = |c: &super::Cost| {
            let price = Price {
                per_request: c.per_request,
                per_1k_tokens_in: c.per_1k_tokens_in,
                per_1k_tokens_out: c.per_1k_tokens_out,
                per_mb: c.per_mb,
            };
            (c.endpoint.clone(), price)
        };
        intake::Settings {
            sources,
            consumers: self.consumers.iter().map(consumer).collect(),
            routes: self.routes.clone(),
            cost: self.costs.iter().map(price).collect(),
            models: self.models.iter().map(price).collect(),
            rules: self.user_rules.clone(),
            zone: self.zone,
            names,
        }
    }

    fn rule(&self, detector: &str) -> Option<&Rule> {
        self.rules.iter().find(|r| r.detector == detector)
    }

    /// The severity that a rule's notices have instead of the detector's.
    pub fn severity_of(&self, rule: &str) -> Option<Severity> {
        self.rules.iter().find(|r| r.name == rule).and_then(|r| r.severity)
    }

    /// How the engine is tuned, for sources by their ids.
    pub fn engine_settings(&self, sources: Vec<String>, hasher: Hasher) -> engine::Settings {
        let mut settings = engine::Settings { zone: self.zone, sources, hasher, ..engine::Settings::default() };
        settings.memory = engine::share_of(self.memory);
        settings.book.cooldown = self.cooldown;
        settings.book.allowance = self.budget;
        settings.book.summary = self.summary;
        settings.book.critical_cost = self.critical_cost;
        settings.book.tells_info = self.route.iter().any(|(severity, _)| *severity == Severity::Info);
        // A rule of the user's own has its severity from the beginning.
        settings.severities = self.rules.iter().filter_map(|r| Some((r.detector.clone(), r.severity?))).collect();
        // The alert budget decides how much evidence every detector asks for; a rule's own sensitivity comes on top.
        let extra = self.budget.extra_bits();
        settings.burst.extra_bits = extra;
        settings.error_spike.extra_bits = extra;
        settings.traffic_drop.extra_bits = extra;
        settings.harvesting.extra_bits = extra;
        settings.leaked_key.need += extra;
        settings.budgets.clone_from(&self.budgets);
        settings.rules = self.user_rules.clone();
        if let Some(rule) = self.rule("burst") {
            let burst = &mut settings.burst;
            burst.enabled = rule.enabled;
            burst.sensitivity = rule.sensitivity;
            burst.floor = rule.number("floor", burst.floor);
            burst.site_floor = rule.number("floor_site", burst.site_floor);
            burst.tolerance = rule.number("tolerance", burst.tolerance).max(1.0);
        }
        if let Some(rule) = self.rule("error-spike") {
            let errors = &mut settings.error_spike;
            errors.enabled = rule.enabled;
            errors.sensitivity = rule.sensitivity;
            errors.floor = rule.number("floor", errors.floor);
            errors.caller_floor = rule.number("floor_caller", errors.caller_floor);
            errors.least_share = rule.number("least_share", errors.least_share);
            errors.callers = rule.number("callers", errors.callers as f64) as usize;
        }
        if let Some(rule) = self.rule("leaked-key") {
            settings.leaked_key_enabled = rule.enabled;
            let leak = &mut settings.leaked_key;
            leak.need *= match rule.sensitivity {
                Sensitivity::Low => 1.5,
                Sensitivity::Normal => 1.0,
                Sensitivity::High => 0.75,
            };
            leak.requests = rule.number("requests", leak.requests);
            leak.networks = rule.number("networks", f64::from(leak.networks)) as u32;
            leak.networks_requests = rule.number("networks_requests", leak.networks_requests as f64) as u64;
            leak.over_after = rule.span("over_after", leak.over_after);
        }
        if let Some(rule) = self.rule("front-end-exposure") {
            let exposure = &mut settings.front_end_exposure;
            exposure.enabled = rule.enabled;
            exposure.sensitivity = rule.sensitivity;
            exposure.known_for = rule.span("known_for", exposure.known_for);
            exposure.networks = rule.count("networks", exposure.networks).max(2);
            exposure.requests = rule.count("requests", exposure.requests);
            exposure.page_requests = rule.count("page_requests", exposure.page_requests);
            exposure.critical_networks = rule.count("critical_networks", exposure.critical_networks);
            exposure.over_after = rule.span("over_after", exposure.over_after);
        }
        settings.knows_places = self.geoip.is_some();
        settings.knows_networks = self.geoip.as_ref().is_some_and(|geoip| geoip.asn.is_some());
        if let Some(rule) = self.rule("impossible-travel") {
            let travel = &mut settings.impossible_travel;
            travel.enabled = rule.enabled;
            travel.sensitivity = rule.sensitivity;
            travel.bounds.km = rule.number("distance_km", travel.bounds.km).max(200.0);
            travel.bounds.speed = rule.number("speed_kmh", travel.bounds.speed).max(1.0);
            travel.requests = rule.count("requests", travel.requests).max(1);
            travel.gateway_keys = rule.count("gateway_keys", travel.gateway_keys).clamp(2, 6);
            travel.new_networks = rule.number("new_networks", travel.new_networks);
            travel.over_after = rule.span("over_after", travel.over_after);
        }
        if let Some(rule) = self.rule("shared-key") {
            let shared = &mut settings.shared_key;
            shared.enabled = rule.enabled;
            shared.sensitivity = rule.sensitivity;
            shared.networks = rule.count("networks", shared.networks).max(2);
            shared.factor = rule.number("factor", shared.factor).max(1.0);
        }
        if let Some(rule) = self.rule("drift") {
            let drift = &mut settings.drift;
            drift.enabled = rule.enabled;
            drift.sensitivity = rule.sensitivity;
            drift.requests = rule.count("requests", drift.requests);
            drift.days = rule.count("days", drift.days);
            drift.distance = rule.number("distance", drift.distance);
        }
        if let Some(rule) = self.rule("retry-loop") {
            settings.retry_loop_enabled = rule.enabled;
            let loops = &mut settings.retry_loop;
            let factor = match rule.sensitivity {
                Sensitivity::Low => 2.0,
                Sensitivity::Normal => 1.0,
                Sensitivity::High => 2.0 / 3.0,
            };
            let calls = |key: &str, default: u32| {
                (rule.number(key, f64::from(default)) * factor).round().clamp(12.0, 1e9) as u32
            };
            loops.failing_calls = calls("failing_calls", loops.failing_calls);
            loops.unsafe_calls = calls("unsafe_calls", loops.unsafe_calls);
            loops.weak_calls = calls("weak_calls", loops.weak_calls);
            loops.safe_calls = calls("safe_calls", loops.safe_calls);
            loops.spent = rule.number("spent", loops.spent);
            loops.slow = rule.span("slow", loops.slow);
        }
        if let Some(rule) = self.rule("harvesting") {
            let harvesting = &mut settings.harvesting;
            harvesting.enabled = rule.enabled;
            harvesting.sensitivity = rule.sensitivity;
            harvesting.least = rule.number("least", harvesting.least);
            harvesting.beyond = rule.number("beyond", harvesting.beyond);
            harvesting.tolerance = rule.number("tolerance", harvesting.tolerance).max(1.0);
        }
        settings.credential_stuffing.extra_bits = extra;
        if let Some(rule) = self.rule("enumeration") {
            let probing = &mut settings.enumeration;
            probing.enabled = rule.enabled;
            probing.sensitivity = rule.sensitivity;
            probing.things = rule.number("things", probing.things);
            probing.things_key = rule.number("things_key", probing.things_key);
            probing.least_share = rule.number("least_share", probing.least_share);
            probing.scanner_paths = rule.list("scanner_paths").to_vec();
        }
        if let Some(rule) = self.rule("credential-stuffing") {
            let guessing = &mut settings.credential_stuffing;
            guessing.enabled = rule.enabled;
            guessing.sensitivity = rule.sensitivity;
            guessing.failures = rule.number("failures", f64::from(guessing.failures)) as u32;
            guessing.failures_slow = rule.number("failures_slow", f64::from(guessing.failures_slow)) as u32;
            // Checked where they were read, with their places.
            guessing.paths = rule.list("paths").iter().filter_map(|text| Door::parse(text).ok()).collect();
            guessing.failed = rule.list("failed").iter().filter_map(|text| Failure::parse(text).ok()).collect();
        }
        settings.scope_creep.extra_bits = extra;
        if let Some(rule) = self.rule("scope-creep") {
            let scope = &mut settings.scope_creep;
            scope.enabled = rule.enabled;
            scope.sensitivity = rule.sensitivity;
            scope.known_for = rule.span("known_for", scope.known_for);
            scope.requests = rule.number("requests", scope.requests);
            scope.sensitive = rule.list("sensitive").to_vec();
        }
        if let Some(rule) = self.rule("payload-size") {
            let sizes = &mut settings.payload_size;
            sizes.enabled = rule.enabled;
            sizes.sensitivity = rule.sensitivity;
            sizes.calls = rule.number("calls", f64::from(sizes.calls)).clamp(1.0, 32.0) as u32;
            sizes.factor = rule.number("factor", sizes.factor).max(1.0);
            sizes.least_bytes = rule.number("least_bytes", sizes.least_bytes);
            sizes.least_tokens = rule.number("least_tokens", sizes.least_tokens);
        }
        if let Some(rule) = self.rule("slow-response") {
            let slow = &mut settings.slow_response;
            slow.enabled = rule.enabled;
            slow.sensitivity = rule.sensitivity;
            slow.factor = rule.number("factor", slow.factor).max(1.0);
            slow.least = rule.span("least", slow.least);
            slow.lasts = rule.span("lasts", slow.lasts);
            slow.waiting = rule.list("waiting").to_vec();
        }
        if let Some(rule) = self.rule("traffic-drop") {
            let drop = &mut settings.traffic_drop;
            drop.enabled = rule.enabled;
            drop.sensitivity = rule.sensitivity;
            drop.least_expected = rule.number("least_expected", drop.least_expected);
            drop.ratio = rule.number("ratio", drop.ratio);
        }
        settings
    }

    /// How notices are worded.
    pub fn render_settings(&self) -> notice::Settings {
        notice::Settings {
            zone: self.zone,
            currency: self.currency.clone(),
            // Nothing there is nothing to override.
            templates: self.templates_dir.exists().then(|| self.templates_dir.clone()),
            rules: {
                let words = |rule: &UserRule| (rule.name.clone(), rule.detector.clone(), rule.words.clone());
                self.user_rules.iter().map(words).collect()
            },
            consumers: Arc::new(self.consumers.iter().map(whose).collect()),
        }
    }

    /// Which severity goes where.
    pub fn routes(&self) -> notify::Routes {
        let of = |severity: Severity| self.route.iter().find(|(s, _)| *s == severity).map(|(_, names)| names.clone());
        let own = self.user_rules.iter().filter_map(|rule| Some((rule.name.clone(), rule.route.clone()?)));
        notify::Routes {
            critical: of(Severity::Critical),
            warning: of(Severity::Warning),
            info: of(Severity::Info),
            rules: own.collect(),
            maintenance: self.maintenance.clone(),
            currency: self.currency.clone(),
        }
    }
}

/// What a source says about its fields: where tokens, cost and the like stand, and those in which its keys are.
fn fields(source: &Source, rules: &[UserRule]) -> Fields {
    let mut fields = Fields::default();
    for (target, places) in &source.fields {
        fields.map(target, places.clone());
    }
    let keys = source.key.iter().filter_map(|text| KeyPlace::parse(text).ok());
    for place in keys.filter_map(|place| place.field().cloned()) {
        fields.ask(place);
    }
    // What rules name is read as well.
    for field in rules.iter().flat_map(UserRule::fields) {
        if let Some(place) = field.asked().and_then(|name| FieldPlace::parse(name).ok()) {
            fields.ask(place);
        }
    }
    fields
}

impl Channel {
    /// What the sender needs.
    pub fn settings(&self) -> notify::ChannelSettings {
        use secrecy::ExposeSecret;
        let http = |url: &secrecy::SecretString| notify::HttpSettings {
            // Checked where it was read, with its place.
            allow_private: true,
            ..notify::HttpSettings::to(url.expose_secret())
        };
        let target = match &self.kind {
            ChannelKind::Slack { url } => notify::Target::Slack(http(url)),
            ChannelKind::Webhook { url, authorization } => notify::Target::Webhook(notify::WebhookSettings {
                http: http(url),
                authorization: authorization.clone(),
                signing_key: None,
            }),
            ChannelKind::Email { host, port, security, username, password, from, to } => {
                let to = to.iter().map(ToString::to_string).collect();
                notify::Target::Email(notify::EmailSettings {
                    tls: match security {
                        MailSecurity::StartTls => notify::MailSecurity::StartTls,
                        MailSecurity::Tls => notify::MailSecurity::Tls,
                        MailSecurity::None => notify::MailSecurity::None,
                    },
                    username: username.clone(),
                    password: password.clone(),
                    ..notify::EmailSettings::over(format!("{host}:{port}"), from.to_string(), to)
                })
            }
            ChannelKind::File { path } => notify::Target::File(notify::FileSettings { path: path.clone() }),
            ChannelKind::Terminal => notify::Target::Terminal(notify::TerminalSettings { to_stderr: false }),
        };
        notify::ChannelSettings { name: self.name.clone(), target }
    }
}
