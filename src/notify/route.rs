//! Which severity goes to which channel.

use std::collections::BTreeMap;

use super::silence::Maintenance;
use crate::event::Severity;

/// The `[route]` table. A severity that is not named goes to every channel; an empty list means nowhere.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Routes {
    /// Channels for critical notices.
    pub critical: Option<Vec<String>>,
    /// Channels for warnings.
    pub warning: Option<Vec<String>>,
    /// Channels for notices that are good to know.
    pub info: Option<Vec<String>>,
    /// Channels of rules that have their own, whatever the severity.
    pub rules: BTreeMap<String, Vec<String>>,
    /// Times at which nobody wants to hear of what is expected then.
    pub maintenance: Vec<Maintenance>,
    /// In which costs are told.
    pub currency: String,
}

impl Routes {
    /// Whether notices of this severity go to this channel.
    pub fn leads_to(&self, channel: &str, severity: Severity) -> bool {
        let named = match severity {
            Severity::Critical => &self.critical,
            Severity::Warning => &self.warning,
            Severity::Info => &self.info,
        };
        named.as_ref().is_none_or(|channels| channels.iter().any(|name| name == channel))
    }

    /// Whether notices of a rule with this severity go to this channel.
    pub fn rule_leads_to(&self, channel: &str, rule: &str, severity: Severity) -> bool {
        match self.rules.get(rule) {
            Some(channels) => channels.iter().any(|name| name == channel),
            None => self.leads_to(channel, severity),
        }
    }

    /// Names in the table that are no channel, for `lapwing check`.
    pub fn unknown<'a>(&'a self, channels: &[String]) -> Vec<&'a str> {
        let named = [&self.critical, &self.warning, &self.info].into_iter().flatten().flatten();
        named.filter(|name| !channels.contains(name)).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unnamed_severities_go_everywhere_and_empty_lists_nowhere() {
        let routes = Routes {
            critical: Some(vec!["ops".into(), "male".into()]),
            warning: Some(Vec::new()),
            ..Routes::default()
        };
        assert!(routes.leads_to("ops", Severity::Critical));
        assert!(!routes.leads_to("mail", Severity::Critical));
        assert!(!routes.leads_to("ops", Severity::Warning));
        assert!(routes.leads_to("mail", Severity::Info));
        let own = Routes { rules: [("exports".to_owned(), vec!["data".to_owned()])].into(), ..routes.clone() };
        assert!(own.rule_leads_to("data", "exports", Severity::Critical));
        assert!(!own.rule_leads_to("ops", "exports", Severity::Critical));
        assert!(own.rule_leads_to("ops", "burst", Severity::Critical));
        assert_eq!(routes.unknown(&["ops".into(), "mail".into()]), ["male"]);
    }
}
