//! `workflow`: a step without the step that must come before it, as the user declares them: `/confirm-transfer` without
//! `/validate-account`.
//!
//! Every call may be right in itself: what is wrong is what did not come before it. Each pair of neighbouring steps is a
//! sequence with an absence, remembered for each key (or session, or whatever the rule groups by) as long as the rule
//! says. It is judged as the users' other rules are; the rule in `rules/` holds the defaults.
//!
//! Facts: those of [`super::user_rule`].

use super::DetectorKind;
use crate::rule::Condition;
use crate::rule::spec::{Sequence, Step};

/// The detector's name in the contract.
pub const NAME: &str = "workflow";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a step without the step that must come before it, in sequences that you declare",
    rank: 95,
};

/// One sequence for each step but the first: that it came so many times and the one before it did not.
pub fn sequences(steps: &[(String, Condition)], times: u32) -> Vec<Sequence> {
    let pair = |pair: &[(String, Condition)]| Sequence {
        events: pair.to_vec(),
        steps: vec![Step { event: 0, times: 1, absent: true }, Step { event: 1, times, absent: false }],
        ordered: true,
    };
    steps.windows(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::compile;

    #[test]
    fn every_step_needs_the_one_before_it() {
        let steps: Vec<(String, Condition)> = ["initiate", "validate", "confirm"]
            .map(|name| (name.to_owned(), compile(&format!("path == \"/{name}\"")).unwrap()))
            .into();
        let sequences = sequences(&steps, 3);
        let names: Vec<Vec<&str>> =
            sequences.iter().map(|s| s.events.iter().map(|(name, _)| name.as_str()).collect()).collect();
        assert_eq!(names, [["initiate", "validate"], ["validate", "confirm"]]);
        assert!(sequences.iter().all(|s| s.steps[0].absent && s.steps[1].times == 3 && s.ordered));
    }
}
