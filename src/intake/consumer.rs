//! Who the keys belong to, and what is expected of them.

use ipnet::IpNet;

use crate::rule::schedule::Schedule;

/// Environments in which real customers are served.
const PRODUCTION: [&str; 3] = ["production", "prod", "live"];
/// What keys made for tests have in them, as payment and AI services write them: `sk_test_…`, `pk_test_…`.
const TEST_MARK: &str = "_test_";

/// A consumer that the configuration knows. Whatever is not given is not known, and nothing follows from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Consumer {
    /// Names, API keys, or fingerprints of API keys (`fp:7c41e0`) that are this consumer.
    pub keys: Vec<String>,
    /// What it pays for, as the user calls it.
    pub tier: Option<String>,
    /// Whom to ask.
    pub owner: Option<String>,
    /// How to reach them: an address, a channel, a number.
    pub contact: Option<String>,
    /// Where its keys are for: `production`, `staging`.
    pub environment: Option<String>,
    /// The networks that it calls from; any if empty.
    pub networks: Vec<IpNet>,
    /// The methods that it uses, in capital letters; any if empty.
    pub methods: Vec<String>,
    /// When it does not call; never if not given.
    pub quiet_hours: Option<Schedule>,
}

/// Whether a key of one environment is used in another. Where its own is not given, a key that says it is for tests
/// is foreign to production.
pub(super) fn is_foreign(own: Option<&str>, shown: &str, here: &str) -> bool {
    let production = |name: &str| PRODUCTION.iter().any(|known| known.eq_ignore_ascii_case(name));
    match own {
        Some(own) => !(own.eq_ignore_ascii_case(here) || production(own) && production(here)),
        None => production(here) && shown.contains(TEST_MARK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_another_environment_are_foreign() {
        assert!(is_foreign(Some("staging"), "acme", "production"));
        assert!(is_foreign(Some("production"), "acme", "staging"));
        assert!(!is_foreign(Some("Production"), "acme", "production"));
        assert!(!is_foreign(Some("prod"), "acme", "live"), "the same by other names");
        assert!(is_foreign(None, "sk_test_…9f3a·7c41e0", "production"));
        assert!(!is_foreign(None, "sk_test_…9f3a·7c41e0", "staging"));
        assert!(!is_foreign(None, "sk_live_…9f3a·7c41e0", "production"), "nothing is known of it");
        assert!(!is_foreign(Some("production"), "sk_test_…9f3a·7c41e0", "production"), "who declares it knows best");
    }
}
