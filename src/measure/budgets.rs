//! What was spent, exactly: requests, tokens and cost of each subject in each period of a budget.
//!
//! Nothing is estimated and nothing is forgotten within a period. A budget counts a bounded number of subjects; those
//! that find no place are not counted, and their requests are, so that it can be said. Periods that are over are kept for
//! as long again (at least six hours), for lines that come late.

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use crate::event::{Id, as_written};
use crate::time::{Span, Timestamp};

/// Cost is counted in billionths of the currency: sums of prices stay exact.
pub const NANOS: f64 = 1e9;
/// Lines of a period that is over are waited for at least this long.
const WAITED: Span = Span::from_hours(6);
/// Hours whose requests are told apart: the one that runs and three before it.
const HOURS: usize = 4;

/// What was spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Spent {
    /// Requests.
    pub requests: u64,
    /// Tokens read and written by models, as far as logged.
    pub tokens: u64,
    /// Cost in billionths of the currency, as far as known.
    pub nanos: u64,
}

impl Spent {
    /// What one request spends; a cost that makes no sense is none.
    pub fn of_request(tokens: u64, cost: f32) -> Self {
        Spent { requests: 1, tokens, nanos: nanos(cost) }
    }

    /// The cost in the currency.
    pub fn cost(&self) -> f64 {
        self.nanos as f64 / NANOS
    }

    fn add(&mut self, other: Spent) {
        self.requests = self.requests.saturating_add(other.requests);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.nanos = self.nanos.saturating_add(other.nanos);
    }
}

/// A cost in billionths, as it was written.
fn nanos(cost: f32) -> u64 {
    if cost.is_finite() { (as_written(cost) * NANOS).round() as u64 } else { 0 }
}

/// One subject in one period.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The subject.
    pub id: Id,
    /// Its name as people know it.
    pub name: Box<str>,
    /// What it spent in the period.
    pub spent: Spent,
    /// The highest step that was told, in percent of the limit; 0 for none.
    pub told: u16,
    hour: i64,
    hours: [u32; HOURS],
}

impl Account {
    fn add(&mut self, charge: Spent, t: Timestamp) {
        self.spent.add(charge);
        let hour = t.bucket(Span::HOUR);
        if hour > self.hour {
            let passed = (hour - self.hour).min(HOURS as i64) as usize;
            self.hours.copy_within(..HOURS - passed, passed);
            self.hours[..passed].fill(0);
            self.hour = hour;
        }
        if let Some(count) = usize::try_from(self.hour - hour).ok().and_then(|ago| self.hours.get_mut(ago)) {
            *count = count.saturating_add(1);
        }
    }

    /// Requests of the hour that runs at `now` and of the three before it, and since when they are counted.
    pub fn recent(&self, now: Timestamp) -> (u64, Timestamp) {
        let hour = now.bucket(Span::HOUR);
        let behind = usize::try_from(hour - self.hour).unwrap_or(0).min(HOURS);
        let requests = self.hours[..HOURS - behind].iter().map(|&n| u64::from(n)).sum();
        (requests, Timestamp::of_bucket(hour - HOURS as i64 + 1, Span::HOUR))
    }
}

/// All subjects of a budget in one period.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "SavedPage")]
pub struct Page {
    /// The first instant of the period.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    accounts: Vec<Account>,
    #[serde(skip)]
    index: HashTable<u32>,
}

/// The saved form: the index is made anew.
#[derive(Deserialize)]
struct SavedPage {
    start: Timestamp,
    end: Timestamp,
    accounts: Vec<Account>,
}

impl From<SavedPage> for Page {
    fn from(saved: SavedPage) -> Self {
        let mut page = Page { accounts: saved.accounts, ..Page::new(saved.start, saved.end) };
        for (place, account) in page.accounts.iter().enumerate() {
            let accounts = &page.accounts;
            page.index.insert_unique(account.id.0, place as u32, |&i| accounts[i as usize].id.0);
        }
        page
    }
}

impl Page {
    fn new(start: Timestamp, end: Timestamp) -> Self {
        Page { start, end, accounts: Vec::new(), index: HashTable::new() }
    }

    fn find(&self, id: Id) -> Option<usize> {
        self.index.find(id.0, |&i| self.accounts[i as usize].id == id).map(|&i| i as usize)
    }

    fn open(&mut self, id: Id, name: &str) -> usize {
        let place = self.accounts.len();
        self.accounts.push(Account {
            id,
            name: name.into(),
            spent: Spent::default(),
            told: 0,
            hour: i64::MIN / 2,
            hours: [0; HOURS],
        });
        let accounts = &self.accounts;
        self.index.insert_unique(id.0, place as u32, |&i| accounts[i as usize].id.0);
        place
    }
}

/// One budget.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// What it counts, as a hash: a budget that counts other things begins anew.
    shape: Id,
    /// Since when it counts.
    since: Option<Timestamp>,
    /// Periods, the newest first.
    pages: Vec<Page>,
    /// Periods that end here or before are forgotten.
    forgotten: Timestamp,
    /// Requests of subjects for which there was no place.
    pub uncounted: u64,
    /// Requests that came after their period had been forgotten.
    pub too_late: u64,
}

/// One request that is charged to a subject.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// The subject.
    pub id: Id,
    /// Its name.
    pub name: &'a str,
    /// When, by the log.
    pub time: Timestamp,
    /// What it spends.
    pub spent: Spent,
}

impl Ledger {
    fn new(shape: Id) -> Self {
        Ledger { shape, since: None, pages: Vec::new(), forgotten: Timestamp::MIN, uncounted: 0, too_late: 0 }
    }

    /// When it began to count, if that was after the period had begun.
    pub fn since(&self, start: Timestamp) -> Option<Timestamp> {
        self.since.filter(|since| *since > start)
    }

    /// Subjects counted in the newest period.
    pub fn subjects(&self) -> usize {
        self.pages.first().map_or(0, |page| page.accounts.len())
    }

    /// The account of a subject in the period that begins at `start`.
    pub fn account(&self, start: Timestamp, id: Id) -> Option<&Account> {
        let page = self.pages.iter().find(|page| page.start == start)?;
        page.find(id).and_then(|place| page.accounts.get(place))
    }

    /// Charges one request. Answers the account as it is now, its period, and what was spent before; nothing if it
    /// could not be counted. `bounds` says which period an instant belongs to, `most` how many subjects there may be.
    pub fn charge(
        &mut self,
        charge: &Charge<'_>,
        bounds: impl FnOnce(Timestamp) -> (Timestamp, Timestamp),
        most: usize,
    ) -> Option<(&mut Account, (Timestamp, Timestamp), Spent)> {
        let t = charge.time;
        let since = self.since.get_or_insert(t);
        *since = (*since).min(t);
        let found = self.pages.iter().position(|page| page.start <= t && t < page.end);
        let index = match found {
            Some(index) => index,
            None => self.turn(bounds(t))?,
        };
        let page = self.pages.get_mut(index)?;
        let place = match page.find(charge.id) {
            Some(place) => place,
            None if page.accounts.len() >= most => {
                self.uncounted += 1;
                return None;
            }
            None => page.open(charge.id, charge.name),
        };
        let account = page.accounts.get_mut(place)?;
        let before = account.spent;
        account.add(charge.spent, t);
        Some((account, (page.start, page.end), before))
    }

    /// Begins a period, newer or older than those there are, unless it was forgotten already.
    fn turn(&mut self, (start, end): (Timestamp, Timestamp)) -> Option<usize> {
        let kept = (end - start).max(WAITED);
        let newest = self.pages.first().map_or(start, |page| page.start).max(start);
        if newest - end >= kept || end <= self.forgotten {
            self.too_late += 1;
            return None;
        }
        let forgotten = &mut self.forgotten;
        self.pages.retain(|page| {
            let waited_for = newest - page.end < kept;
            if !waited_for {
                *forgotten = (*forgotten).max(page.end);
            }
            waited_for
        });
        let index = self.pages.iter().position(|page| page.start < start).unwrap_or(self.pages.len());
        self.pages.insert(index, Page::new(start, end));
        Some(index)
    }
}

/// All budgets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Budgets {
    ledgers: Vec<Ledger>,
}

impl Budgets {
    /// Takes the budgets that are configured, in their order; what is known of others is forgotten.
    pub fn arrange(&mut self, shapes: &[Id]) {
        let mut old = std::mem::take(&mut self.ledgers);
        self.ledgers = shapes
            .iter()
            .map(|&shape| match old.iter().position(|ledger| ledger.shape == shape) {
                Some(index) => old.swap_remove(index),
                None => Ledger::new(shape),
            })
            .collect();
    }

    /// One budget by its place in the configuration.
    pub fn ledger(&self, index: usize) -> Option<&Ledger> {
        self.ledgers.get(index)
    }

    /// One budget by its place in the configuration, to charge.
    pub fn ledger_mut(&mut self, index: usize) -> Option<&mut Ledger> {
        self.ledgers.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn day(t: Timestamp) -> (Timestamp, Timestamp) {
        (t.floor(Span::DAY), t.floor(Span::DAY) + Span::DAY)
    }

    fn charge(id: u64, time: &str) -> Charge<'static> {
        Charge { id: Id(id), name: "acme", time: at(time), spent: Spent::of_request(10, 0.7) }
    }

    fn budgets() -> Budgets {
        let mut budgets = Budgets::default();
        budgets.arrange(&[Id(7)]);
        budgets
    }

    #[test]
    fn every_request_is_counted_in_its_own_period_also_late() {
        let mut budgets = budgets();
        let ledger = budgets.ledger_mut(0).unwrap();
        let mut take = |time: &str| {
            ledger.charge(&charge(1, time), day, 9).map(|(account, page, _)| (account.spent.requests, page.0))
        };
        assert_eq!(take("2026-03-02T23:59:59Z"), Some((1, at("2026-03-02"))));
        assert_eq!(take("2026-03-03T00:00:00Z"), Some((1, at("2026-03-03"))));
        assert_eq!(take("2026-03-02T23:59:59Z"), Some((2, at("2026-03-02"))));
        assert_eq!(take("2026-03-03T12:00:00Z"), Some((2, at("2026-03-03"))));
        assert_eq!(take("2026-03-01T12:00:00Z"), None, "the day before the last is forgotten");
        assert_eq!(take("2026-03-05T12:00:00Z"), Some((1, at("2026-03-05"))));
        assert_eq!(
            take("2026-03-04T12:00:00Z"),
            Some((1, at("2026-03-04"))),
            "the last day, though nothing came on it"
        );
        assert_eq!(take("2026-03-03T13:00:00Z"), None, "forgotten: never begun anew");
        assert_eq!((ledger.too_late, ledger.pages.len()), (2, 2));
    }

    #[test]
    fn costs_add_up_exactly() {
        for (cost, times, sum) in
            [(0.7, 1000, 700.0), (1.58, 1000, 1580.0), (0.1, 30_000, 3000.0), (158.37, 100, 15_837.0)]
        {
            let mut spent = Spent::default();
            (0..times).for_each(|_| spent.add(Spent::of_request(0, cost)));
            assert_eq!(spent.cost(), sum, "{times} x {cost}");
        }
        assert_eq!(nanos(0.000_031_875), 31_875);
        for odd in [f32::NAN, f32::INFINITY, -1.0, 0.0, f32::MIN_POSITIVE] {
            assert_eq!(nanos(odd), 0);
        }
        let mut most = Spent::of_request(u64::MAX, f32::MAX);
        most.add(most);
        assert_eq!((most.tokens, most.nanos), (u64::MAX, u64::MAX));
    }

    #[test]
    fn who_finds_no_place_is_counted_as_such_and_nobody_is_put_out() {
        let mut budgets = budgets();
        let ledger = budgets.ledger_mut(0).unwrap();
        for id in 1..=100 {
            ledger.charge(&charge(id, "2026-03-02T10:00:00Z"), day, 10);
        }
        for id in 1..=10 {
            assert_eq!(ledger.charge(&charge(id, "2026-03-02T11:00:00Z"), day, 10).unwrap().0.spent.requests, 2);
        }
        assert_eq!((ledger.uncounted, ledger.subjects()), (90, 10));
    }

    #[test]
    fn the_last_hours_are_known() {
        let mut budgets = budgets();
        let ledger = budgets.ledger_mut(0).unwrap();
        for (time, times) in [
            ("2026-03-02T06:30:00Z", 9),
            ("2026-03-02T09:30:00Z", 5),
            ("2026-03-02T11:30:00Z", 3),
            ("2026-03-02T09:59:00Z", 1),
        ] {
            assert!((0..times).all(|_| ledger.charge(&charge(1, time), day, 10).is_some()));
        }
        let account = ledger.account(at("2026-03-02"), Id(1)).unwrap();
        let recent = |now: &str| account.recent(at(now));
        assert_eq!(recent("2026-03-02T11:45:00Z"), (9, at("2026-03-02T08:00:00Z")));
        assert_eq!(recent("2026-03-02T13:10:00Z").0, 3);
        assert_eq!(recent("2026-03-03T13:10:00Z").0, 0);
    }

    #[test]
    fn saved_and_arranged_anew_the_counts_stay() {
        let mut budgets = budgets();
        budgets.ledger_mut(0).unwrap().charge(&charge(1, "2026-03-02T10:00:00Z"), day, 10).unwrap().0.told = 50;
        let bytes = postcard::to_stdvec(&budgets).unwrap();
        let mut again: Budgets = postcard::from_bytes(&bytes).unwrap();
        again.arrange(&[Id(8), Id(7)]);
        let (account, _, before) = again.ledgers[1].charge(&charge(1, "2026-03-02T11:00:00Z"), day, 10).unwrap();
        assert_eq!((before.requests, account.spent.requests, account.told), (1, 2, 50));
        assert_eq!(again.ledgers[0].subjects(), 0);
    }
}
