//! Who a key belongs to, as far as the configuration says, and how alerts say it.

use serde::{Deserialize, Serialize};

use super::safe;

/// What is known of the consumer that a notice is about.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Whose {
    /// Its name, as notices show its keys.
    pub name: String,
    /// What it pays for.
    pub tier: Option<String>,
    /// Whom to ask.
    pub owner: Option<String>,
    /// How to reach them.
    pub contact: Option<String>,
    /// Where its keys are for.
    pub environment: Option<String>,
}

impl Whose {
    /// Whom to ask and how: `payments team, pay@example.com`.
    pub(super) fn reach(&self) -> Option<String> {
        let known: Vec<String> = [&self.owner, &self.contact]
            .into_iter()
            .flatten()
            .map(|text| safe::value(text, safe::VALUE_CHARS))
            .collect();
        (!known.is_empty()).then(|| known.join(", "))
    }

    /// All of it in a line: `payments team, pay@example.com; tier gold; production`.
    pub(super) fn line(&self) -> String {
        let shown = |text: &String| safe::value(text, safe::VALUE_CHARS);
        let parts = [
            self.reach(),
            self.tier.as_ref().map(|tier| format!("tier {}", shown(tier))),
            self.environment.as_ref().map(shown),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_said_and_nothing_else() {
        let text = |text: &str| Some(text.to_owned());
        let all = Whose {
            name: "acme".to_owned(),
            tier: text("gold"),
            owner: text("payments team"),
            contact: text("pay@example.com"),
            environment: text("production"),
        };
        assert_eq!(all.line(), "payments team, pay@example.com; tier gold; production");
        let only = Whose { contact: text("#payments"), ..Whose::default() };
        assert_eq!((only.reach().as_deref(), only.line().as_str()), (Some("#payments"), "#payments"));
        assert_eq!((Whose::default().reach(), Whose::default().line().as_str()), (None, ""));
    }
}
