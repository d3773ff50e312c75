//! `temporal` and `temporal_ordered`: events one after the other or together, and those that must not come.

use super::{steps_fit, text};
use crate::diag::Diagnostic;
use crate::options::{Entry, Kind, Options};
use crate::rule::Condition;
use crate::rule::spec::{MOST_EVENTS, MOST_STEPS, Sequence, Step, parse_step};

/// Reads the sequence under `look`.
pub(super) fn read(options: &Options<'_>, look: &str) -> Option<Sequence> {
    let events = events(options)?;
    let names: Vec<String> = events.iter().map(|(name, _)| name.clone()).collect();
    let mut steps: Vec<Step> = Vec::new();
    let mut sound = true;
    for (text, place) in options.texts(look)? {
        match parse_step(&text, &names) {
            Ok(step) => steps.push(step),
            Err(sentence) => {
                sound = false;
                options.report().push(Diagnostic::error(format!("in \"{look}\": {sentence}")).at(&place, ""));
            }
        }
    }
    let times: u32 = steps.iter().filter(|step| !step.absent).map(|step| step.times).sum();
    if sound && times == 0 {
        let message = format!("\"{look}\" names nothing that must come");
        options.error(look, message, "", Some("for example [\"not validate\", \"confirm\"]".to_owned()));
        sound = false;
    }
    if !steps_fit(times) {
        options.error(look, format!("\"{look}\" asks for more than {MOST_STEPS} events"), "", None);
        sound = false;
    }
    let unused = names.iter().enumerate().find(|(at, _)| !steps.iter().any(|step| step.event == *at));
    if let Some((_, name)) = unused.filter(|_| sound) {
        let message = format!("the event \"{name}\" is in no step of \"{look}\"");
        options.error("events", message, "", None);
        sound = false;
    }
    sound.then_some(Sequence { events, steps, ordered: look == "temporal_ordered" })
}

/// The named conditions.
fn events(options: &Options<'_>) -> Option<Vec<(String, Condition)>> {
    let example = "events = { validate = 'path == \"/validate\"', confirm = 'path == \"/confirm\"' }";
    let Some(entry) = options.entry("events") else {
        options.missing("events", example);
        return None;
    };
    let Kind::Table(table) = &entry.value.kind else {
        let help = Some(format!("for example {example}"));
        options.error("events", "\"events\" should be conditions by name", entry.value.kind.name(), help);
        return None;
    };
    if table.entries.is_empty() || table.entries.len() > MOST_EVENTS {
        options.error("events", format!("\"events\" should name one to {MOST_EVENTS} conditions"), "", None);
        return None;
    }
    let one = |event: &Entry| {
        let condition = text::condition(&event.value, &event.key, options.report());
        condition.map(|condition| (event.key.clone(), condition))
    };
    // All of them, so that all that is wrong is shown.
    let read: Vec<Option<(String, Condition)>> = table.entries.iter().map(one).collect();
    read.into_iter().collect()
}
