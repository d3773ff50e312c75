//! What consumers declare is held against what comes: rules in the users' own language, which run as soon as a consumer
//! or a source says what they ask for. They are tuned and turned off like any rule, under `[rule.NAME]`.

use super::{Consumer, Source};
use crate::diag::{Origin, Report};
use crate::options::{Kind, Table};

/// The rules, and their words where no file of `alert-templates/words/` has more.
const RULES: &str = r#"
[wrong-environment]
when = 'wrong_environment'
per = ["key", "source"]
over = "1h"
event_count = { gte = 1 }
severity = "warning"
cooldown = "12h"

[unexpected-network]
when = 'unexpected_network and status < 400'
per = "key"
over = "10m"
event_count = { gte = 3 }
severity = "critical"
title = "{who} is used from outside its expected networks"
summary = "Since {started} there were {requests} from {clients}, which are in none of the networks declared for {subject}."
actions = ["Ask the owner of {subject} whether these addresses are theirs.", "If not, rotate the key {subject} now.", "If they are, add them to \"networks\" of [consumers]."]

[unexpected-method]
when = 'unexpected_method and status < 400'
per = "key"
over = "1h"
event_count = { gte = 1 }
severity = "warning"
title = "{who} does what it was never meant to do"
summary = "Since {started} there were {requests} with methods that are not declared for {subject}, on {endpoints}."
actions = ["Ask the owner of {subject} whether this is planned.", "If not, take the right to change things from the key until it is clear.", "If it is, add the method to \"methods\" of [consumers]."]

[quiet-hours]
when = 'quiet_hours and status < 400'
per = "key"
over = "15m"
event_count = { gte = 10 }
severity = "warning"
title = "{who} calls in its quiet hours"
summary = "Since {started} there were {requests} at hours in which {subject} is declared not to call."
actions = ["Ask the owner of {subject} whether a job runs at a new time.", "If nobody knows of it, treat the key {subject} as leaked."]
"#;

/// The rules as tables by their names, each with whether anything asks for it.
pub(super) fn tables(consumers: &[Consumer], sources: &[Source]) -> Vec<(String, Table, bool)> {
    let report = Report::new();
    let whole = Table::parse(&Origin::new("built-in:expectations", RULES), &report);
    let any = |fact: &dyn Fn(&Consumer) -> bool| consumers.iter().any(fact);
    let here = sources.iter().any(|source| source.environment.is_some());
    whole
        .entries
        .into_iter()
        .filter_map(|entry| {
            let Kind::Table(table) = entry.value.kind else { return None };
            let asked = match entry.key.as_str() {
                // Keys that are made for tests say so themselves.
                "wrong-environment" => here,
                "unexpected-network" => any(&|c| !c.known.networks.is_empty()),
                "unexpected-method" => any(&|c| !c.known.methods.is_empty()),
                _ => any(&|c| c.known.quiet_hours.is_some()),
            };
            Some((entry.key, table, asked))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_can_be_read_and_run_when_they_are_asked_for() {
        let report = Report::new();
        let found = tables(&[], &[]);
        assert_eq!(found.len(), 4);
        for (name, table, asked) in found {
            assert!(!asked, "{name}");
            let options = crate::options::Options::new(&table, None, name.clone(), &report);
            let own = super::super::user_rules::read(&name, options, &std::collections::BTreeSet::new());
            assert_eq!(own.rules.len(), 1, "{name}");
        }
        assert_eq!(report.into_list(), []);
    }
}
