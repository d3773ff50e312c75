//! Maintenance in a replay: what live would have kept silence about is not told there either.

use std::collections::BTreeSet;

use super::route::Routes;
use super::silence::{Maintenance, above, covers, in_spite_of};
use crate::notice::{Notice, NoticeType};
use crate::store::Silence;

/// Keeps silence in windows of maintenance, by the log's clock.
#[derive(Debug, Default)]
pub struct Upkeep {
    windows: Vec<Maintenance>,
    currency: String,
    /// Incidents that were told.
    told: BTreeSet<String>,
    /// Incidents that would have been told.
    held: BTreeSet<String>,
    /// Windows and incidents that went beyond their ceilings.
    broken: BTreeSet<(String, String)>,
}

impl Upkeep {
    /// Of the windows, and in the currency, by which notices are routed.
    pub fn new(routes: Routes) -> Self {
        Upkeep { windows: routes.maintenance, currency: routes.currency, ..Upkeep::default() }
    }

    /// Whether a notice is told. One that is told in spite of a window says so; the first one of an incident that is heard
    /// opens it.
    pub fn hear(&mut self, notice: &mut Notice) -> bool {
        if self.windows.is_empty() {
            return true;
        }
        let incident = notice.incident.clone();
        if notice.kind == NoticeType::Resolved {
            self.held.remove(&incident);
            self.broken.retain(|(_, known)| *known != incident);
            return self.told.contains(&incident);
        }
        let mut silenced = false;
        for silence in self.covering(notice) {
            let name = (silence.window.clone().unwrap_or_default(), incident.clone());
            if self.broken.contains(&name) {
                continue;
            }
            match above(&silence, notice, &self.currency) {
                Some(why) => {
                    notice.summary.push_str(&in_spite_of(&silence, &why));
                    self.broken.insert(name);
                }
                None => silenced = true,
            }
        }
        let over = notice.ended_at.is_some();
        if silenced || over && !self.told.contains(&incident) {
            if !over {
                self.held.insert(incident);
            }
            return false;
        }
        self.held.remove(&incident);
        if self.told.insert(incident) {
            notice.kind = NoticeType::Opened;
        }
        true
    }

    /// Whether anything may have to be told by and by.
    pub fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Of what goes on, with its newest numbers, that about which silence was kept until now.
    pub fn overdue(&mut self, open: impl Iterator<Item = Notice>) -> Vec<Notice> {
        let mut due = Vec::new();
        for mut notice in open {
            if !self.held.contains(&notice.incident) {
                continue;
            }
            let free = self.covering(&notice).is_empty();
            if self.hear(&mut notice) {
                if free {
                    notice.summary.push_str(" Silence was kept about it until now.");
                }
                due.push(notice);
            }
        }
        due
    }

    fn covering(&self, notice: &Notice) -> Vec<Silence> {
        let at = notice.at;
        let windows = self.windows.iter().flat_map(|window| window.silences(at));
        windows.filter(|silence| covers(silence, notice, at)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::sample::notice;
    use crate::time::Span;

    #[test]
    fn a_window_holds_back_until_its_end_or_its_ceiling_and_what_ended_in_it_is_never_told() {
        let first = notice("A", NoticeType::Opened);
        let window = Maintenance {
            name: "backup".to_owned(),
            until: Some(first.at + Span::HOUR),
            times: Some(100.0),
            ..Maintenance::default()
        };
        let mut upkeep = Upkeep::new(Routes { maintenance: vec![window], ..Routes::default() });
        assert!(!upkeep.hear(&mut first.clone()) && upkeep.is_holding());
        assert!(!upkeep.hear(&mut Notice { kind: NoticeType::Resolved, ..first.clone() }) && !upkeep.is_holding());
        let second = notice("B", NoticeType::Opened);
        assert!(!upkeep.hear(&mut second.clone()));
        let mut beyond = Notice { kind: NoticeType::Updated, observed: 1000.0, ..second.clone() };
        assert!(upkeep.hear(&mut beyond) && beyond.kind == NoticeType::Opened, "the first one that is heard opens");
        assert!(beyond.summary.contains("in spite of the maintenance \"backup\""), "{}", beyond.summary);
        assert!(upkeep.hear(&mut Notice { kind: NoticeType::Resolved, ..second }));
        let third = notice("C", NoticeType::Opened);
        assert!(!upkeep.hear(&mut third.clone()));
        assert!(upkeep.overdue([third.clone()].into_iter()).is_empty());
        let later = Notice { at: third.at + Span::HOUR, kind: NoticeType::Updated, ..third };
        let due = upkeep.overdue([later].into_iter());
        assert_eq!((due.len(), due[0].kind), (1, NoticeType::Opened));
        assert!(due[0].summary.ends_with("Silence was kept about it until now."));
    }
}
