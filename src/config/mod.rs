//! What the user wrote, read once: the file and its drop-ins become each module's settings.
//!
//! `lapwing.toml` and `conf.d/*.toml` beside it are merged key by key; everything that is wrong is shown at once, each
//! with file, line and column. Nothing below this module knows that there is a file.

mod budgets;
mod channel;
mod consumers;
mod expectations;
mod load;
mod maintenance;
mod rules;
mod secret;
mod servers;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod user_rules;

use std::path::PathBuf;
use std::sync::Arc;

use crate::detect::budget;
use crate::detect::rule::Rule;
use crate::diag::{Diagnostic, Place};
use crate::event::Severity;
use crate::incident::allowance::Allowance;
use crate::rule::spec::Rule as UserRule;
use crate::source as reading;
use crate::time::{Span, Zone};

pub use channel::{Channel, ChannelKind, MailSecurity};
pub use load::Environment;
pub use rules::built_in as built_in_rules;
pub use settings::SourcePlan;
pub use source::Source;
pub use user_rules::{Expected, RuleTest, TestLine};

/// Where the configuration is looked for when none is named.
pub const DEFAULT_PATH: &str = "/etc/lapwing/lapwing.toml";

/// Everything that is configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the state lies.
    pub state_dir: PathBuf,
    /// The control socket; `None` means the default place (`RUNTIME_DIRECTORY`, else the state directory).
    pub socket: Option<PathBuf>,
    /// The zone of hours and days.
    pub zone: Zone,
    /// The currency of costs.
    pub currency: String,
    /// Log formats that override or add to the built-in ones.
    pub parsers_dir: PathBuf,
    /// Rules that override the built-in ones.
    pub rules_dir: PathBuf,
    /// Alert templates that override the built-in ones.
    pub templates_dir: PathBuf,
    /// How much rotated history the first start reads; zero for none.
    pub backfill: Span,
    /// What is read.
    pub sources: Vec<Source>,
    /// Limits of reading.
    pub limits: reading::Limits,
    /// Who is told.
    pub channels: Vec<Channel>,
    /// Which severity goes to which channels; a severity that is not named goes to all.
    pub route: Vec<(Severity, Vec<String>)>,
    /// Reminders of one incident come no closer than this.
    pub cooldown: Span,
    /// How many incidents people want to hear of.
    pub budget: Allowance,
    /// When the daily summary is sent, after midnight; `None` for never.
    pub summary: Option<Span>,
    /// What an incident must have cost to be critical.
    pub critical_cost: f64,
    /// Bytes that the whole process may take.
    pub memory: usize,
    /// What is looked for.
    pub rules: Vec<Rule>,
    /// What the rules of `budget` count.
    pub budgets: Vec<budget::Settings>,
    /// The users' own rules that run.
    pub user_rules: Arc<[UserRule]>,
    /// The tests that stand beside them.
    pub rule_tests: Vec<RuleTest>,
    /// Who the keys belong to.
    pub consumers: Vec<Consumer>,
    /// What calls cost.
    pub costs: Vec<Cost>,
    /// Where addresses are found on the map.
    pub geoip: Option<GeoIp>,
    /// What models cost, by their names.
    pub models: Vec<Cost>,
    /// Times at which nobody wants to hear of what is expected then.
    pub maintenance: Vec<crate::notify::Maintenance>,
    /// Route templates that the user declared.
    pub routes: Vec<String>,
    /// The files it was read from, in the order of merging.
    pub files: Vec<PathBuf>,
}

/// Databases in MaxMind's format, which the user gives.
#[derive(Clone, Debug, Default)]
pub struct GeoIp {
    /// One of cities.
    pub path: PathBuf,
    /// One of networks (autonomous systems): tells hosters and tunnels apart.
    pub asn: Option<PathBuf>,
    /// Where they are written.
    pub path_place: Option<Place>,
    /// See `path_place`.
    pub asn_place: Option<Place>,
}

/// Who some keys belong to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Consumer {
    /// The name that alerts show.
    pub name: String,
    /// What is known of it.
    pub known: crate::intake::consumer::Consumer,
}

/// What the calls of one endpoint cost, in the configured currency.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Cost {
    /// The route template, or a prefix that ends in `*`; of a model, its name.
    pub endpoint: String,
    /// Per request.
    pub per_request: Option<f64>,
    /// Per thousand tokens that a model reads.
    pub per_1k_tokens_in: Option<f64>,
    /// Per thousand tokens that a model writes.
    pub per_1k_tokens_out: Option<f64>,
    /// Per million bytes sent.
    pub per_mb: Option<f64>,
}

/// A configuration that was read, and what is odd about it though it works.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What is probably not as meant.
    pub warnings: Vec<Diagnostic>,
}

/// A configuration that cannot be used: everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(Diagnostic::short).collect::<Vec<_>>().join("\n"))]
pub struct Invalid(pub Vec<Diagnostic>);

impl Default for Config {
    /// What holds when nothing is written: no source, no channel, every detector on.
    fn default() -> Self {
        Config {
            state_dir: PathBuf::from("/var/lib/lapwing"),
            socket: None,
            zone: Zone::Local,
            currency: "USD".to_owned(),
            parsers_dir: PathBuf::from("/etc/lapwing/parsers"),
            rules_dir: PathBuf::from("/etc/lapwing/rules"),
            templates_dir: PathBuf::from("/etc/lapwing/alert-templates"),
            backfill: Span::from_days(28),
            sources: Vec::new(),
            limits: reading::Limits::default(),
            channels: Vec::new(),
            route: Vec::new(),
            cooldown: Span::from_mins(30),
            budget: Allowance::default(),
            summary: Some(Span::from_hours(9)),
            critical_cost: 100.0,
            memory: 256 << 20,
            rules: rules::built_in(),
            budgets: Vec::new(),
            user_rules: Arc::default(),
            rule_tests: Vec::new(),
            consumers: Vec::new(),
            costs: Vec::new(),
            geoip: None,
            models: Vec::new(),
            maintenance: Vec::new(),
            routes: Vec::new(),
            files: Vec::new(),
        }
    }
}

impl Config {
    /// The channels that hear of a severity: the routed ones, or all when the severity is not routed.
    pub fn channels_for(&self, severity: Severity) -> Vec<&Channel> {
        match self.route.iter().find(|(s, _)| *s == severity) {
            None => self.channels.iter().collect(),
            Some((_, names)) => self.channels.iter().filter(|c| names.contains(&c.name)).collect(),
        }
    }
}
