//! Days that are over: what each subject reached on them is what its peers are measured against.

use crate::event::SubjectKind;
use crate::measure::full::Today;
use crate::measure::peers::{self, Peak, Peers};
use crate::measure::rows::{Full, Rows};

/// Whether most of what a client does is done with keys: those speak for it, and strangers are no peers of it.
pub(super) fn is_keyed(full: &Full) -> bool {
    full.keys.shares().iter().map(|share| share.now).sum::<f64>() >= 0.5
}

/// Enters the finished day of a subject among its peers when a new day begins.
pub(super) fn enter_day(rows: &mut Rows, slot: u32, day: i64, peers: &mut Peers, kind: SubjectKind) {
    let Some(row) = rows.get_mut(slot) else { return };
    let Some(full) = row.full.as_deref_mut() else { return };
    if day > full.today.day {
        let today = full.today;
        // A day with an incident says nothing of what is usual among peers.
        let speaks = kind == SubjectKind::Key || !is_keyed(full);
        if !today.incident && today.requests > 0 && speaks {
            let kind = if kind == SubjectKind::Key { peers::Kind::Key } else { peers::Kind::Client };
            peers.enter(kind, Peak::FiveMinutes, f64::from(today.five));
            peers.enter(kind, Peak::Hour, f64::from(today.sixty));
            peers.enter(kind, Peak::Day, f64::from(today.requests));
        }
        let active_days = full.today.active_days.saturating_add(1);
        full.today = Today { day, active_days, ..Default::default() };
    }
    full.today.requests = full.today.requests.saturating_add(1);
}
