//! `detector = "workflow"`: steps that need the one before them.

use std::collections::BTreeSet;

use super::{Common, Own, text};
use crate::detect::workflow;
use crate::diag::Diagnostic;
use crate::event::Severity;
use crate::options::{Entry, Kind, Options};
use crate::rule::spec::{MOST_STEPS, What};
use crate::rule::{Condition, compile};

/// Steps of one workflow.
const MOST: usize = 20;

/// Reads a workflow with its tests: a rule for each pair of steps. The rule `workflow` itself holds what all have in
/// common, and needs no steps.
pub(in crate::config) fn read(name: &str, options: Options<'_>, channels: &BTreeSet<String>) -> Own {
    let common = Common::read(name, &options, channels);
    let least = if common.severity == Severity::Critical { 1 } else { 3 };
    let times = options.integer("times", 1..=i64::from(MOST_STEPS)).unwrap_or(least) as u32;
    let times = if common.severity == Severity::Critical { 1 } else { times };
    let only_defaults = name == workflow::NAME && !options.has("steps");
    let steps = if only_defaults { Some(Vec::new()) } else { steps(&options) };
    let sound = !options.report().has_errors();
    options.finish();
    let sequences = workflow::sequences(&steps.unwrap_or_default(), times);
    let rules = sequences.into_iter().filter(|_| sound);
    let rules = rules.filter_map(|sequence| common.rule(name, workflow::NAME, What::Sequence(sequence))).collect();
    Own { enabled: common.enabled, most: common.most, rules, tests: common.tests }
}

fn steps(options: &Options<'_>) -> Option<Vec<(String, Condition)>> {
    let example = "steps = [\"/initiate-transfer\", \"/validate-account\", \"/confirm-transfer\"]";
    let Some(entry) = options.entry("steps") else {
        options.missing("steps", example);
        return None;
    };
    let steps: Vec<Option<(String, Condition)>> = match &entry.value.kind {
        Kind::Table(table) => {
            let one = |step: &Entry| {
                let condition = text::condition(&step.value, &step.key, options.report());
                condition.map(|condition| (step.key.clone(), condition))
            };
            table.entries.iter().map(one).collect()
        }
        Kind::List(_) => {
            let one = |(path, place): (String, crate::diag::Place)| {
                let made = path.starts_with('/').then(|| of_path(&path)).flatten();
                if made.is_none() {
                    let message = format!("expected a path such as \"/validate-account\", found \"{path}\"");
                    let help = "conditions have names: steps = { validate = 'path == \"/validate-account\"', … }";
                    options.report().push(Diagnostic::error(message).at(&place, "").help(help));
                }
                made.map(|condition| (path, condition))
            };
            options.texts("steps")?.into_iter().map(one).collect()
        }
        other => {
            let help = Some(format!("for example {example}"));
            options.error("steps", "\"steps\" should be paths, or conditions by name", other.name(), help);
            return None;
        }
    };
    if !(2..=MOST).contains(&steps.len()) {
        options.error("steps", format!("\"steps\" should name 2 to {MOST} steps"), "", None);
        return None;
    }
    steps.into_iter().collect()
}

/// Calls to a path, or to a route template, that did not fail.
fn of_path(path: &str) -> Option<Condition> {
    let quoted = path.replace('\\', "\\\\").replace('"', "\\\"");
    compile(&format!("(endpoint == \"{quoted}\" or path == \"{quoted}\") and not status >= 400")).ok()
}
