//! Why a detector spoke, or nearly did: for `lapwing explain` and for weighing one finding against another, never for an
//! alert.

use serde::{Deserialize, Serialize};

/// What evidence is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// Surprise: -log2 of the probability under the subject's own model.
    #[default]
    Bits,
    /// Calls of a run, distinct things, or whatever else is simply counted against a limit.
    Count,
}

/// What was asked for, what there was, and how it was found.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Grounds {
    /// What evidence is counted in.
    pub measure: Measure,
    /// Evidence that there was.
    pub had: f64,
    /// Evidence that was asked for.
    pub needed: f64,
    /// The steps of the judgement in plain sentences, one a line, without texts from the log.
    pub lines: Vec<String>,
}

impl Grounds {
    /// So much surprise, of so much that was asked for.
    pub fn bits(had: f64, needed: f64) -> Self {
        Grounds { measure: Measure::Bits, had: finite(had), needed: finite(needed), lines: Vec::new() }
    }

    /// So many, of so many that were asked for.
    pub fn count(had: f64, needed: f64) -> Self {
        Grounds { measure: Measure::Count, ..Grounds::bits(had, needed) }
    }

    /// With one more step.
    #[must_use]
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }

    /// Bits beyond what was asked for; negative where they were missing. A count has none: no budget changes it.
    pub fn surplus(&self) -> Option<f64> {
        (self.measure == Measure::Bits).then_some(self.had - self.needed)
    }

    /// What it came to, in words.
    pub fn verdict(&self) -> String {
        let (had, needed) = (self.had.round(), self.needed.round());
        match (self.measure, self.had >= self.needed) {
            (Measure::Bits, true) => format!("Evidence: {had} bits of surprise; {needed} were needed."),
            (Measure::Bits, false) => format!(
                "Evidence: {:.1} bits of surprise; {:.1} were needed, so {:.1} were lacking.",
                self.had,
                self.needed,
                self.needed - self.had
            ),
            (Measure::Count, true) => format!("Counted: {had}; {needed} were needed."),
            (Measure::Count, false) => {
                format!("Counted: {had}; {needed} were needed, so {} were lacking.", needed - had)
            }
        }
    }
}

fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lacking_is_said() {
        let near = Grounds::bits(24.5, 28.0);
        assert_eq!(near.surplus(), Some(-3.5));
        assert!(near.verdict().contains("3.5 were lacking"), "{}", near.verdict());
        assert!(Grounds::count(15.0, 20.0).verdict().contains("5 were lacking"));
        assert_eq!(Grounds::count(15.0, 20.0).surplus(), None);
        assert!(Grounds::bits(31.0, f64::INFINITY).needed == 0.0);
    }
}
