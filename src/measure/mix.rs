//! What a stream is made of: its few largest parts now, and what share they usually have.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::event::Id;
use crate::time::{Span, Timestamp};

/// Half-life of "now".
const RECENT: Span = Span::from_mins(3);
/// Half-life of "usually".
const USUAL: Span = Span::DAY;
/// What was halved more often than this is nothing: the least `f32` above zero is 2 to the power of -149.
const NOTHING_AFTER: f64 = 151.0;
/// Parts kept.
const PARTS: usize = 8;

/// A part as it is saved.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Entry {
    id: Id,
    recent: f32,
    usual: f32,
}

/// The heaviest parts of a stream in one dimension, with decayed counts. A newcomer takes the place of the lightest
/// part, so a part with a large share is always among them soon; a part's share is therefore a lower bound.
///
/// Ids and counts lie apart, and places that nobody has taken are zero: every event looks at all of them, several at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Mix {
    ids: [Id; PARTS],
    recent: [f32; PARTS],
    usual: [f32; PARTS],
    taken: u8,
    /// Where the part that came last lies: what comes in a row is found at once.
    last: u8,
    /// One more than the place of the part that is known to be the lightest; 0 where it has to be looked for.
    lightest: u8,
    recent_total: f32,
    usual_total: f32,
    decayed_at: Timestamp,
}

/// Which part came last makes no difference.
impl PartialEq for Mix {
    fn eq(&self, other: &Self) -> bool {
        let counts = |mix: &Mix| (mix.ids, mix.recent, mix.usual, mix.taken);
        let totals = |mix: &Mix| (mix.recent_total, mix.usual_total, mix.decayed_at);
        counts(self) == counts(other) && totals(self) == totals(other)
    }
}

/// The saved form.
#[derive(Serialize, Deserialize)]
struct Saved {
    entries: SmallVec<[Entry; PARTS]>,
    recent_total: f32,
    usual_total: f32,
    decayed_at: Timestamp,
}

impl From<Mix> for Saved {
    fn from(mix: Mix) -> Self {
        let Mix { recent_total, usual_total, decayed_at, .. } = mix;
        Saved { entries: mix.entries().collect(), recent_total, usual_total, decayed_at }
    }
}

impl From<Saved> for Mix {
    fn from(saved: Saved) -> Self {
        let Saved { entries, recent_total, usual_total, decayed_at } = saved;
        let mut mix = Mix { recent_total, usual_total, decayed_at, ..Mix::default() };
        for (at, entry) in entries.into_iter().take(PARTS).enumerate() {
            mix.put(at, entry);
            mix.taken = at as u8 + 1;
        }
        mix
    }
}

/// A part of a stream now, against its usual share.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    /// Which part.
    pub id: Id,
    /// Its share now, 0 to 1.
    pub now: f64,
    /// Its usual share, 0 to 1.
    pub usual: f64,
}

/// What is left of old counts after some time. The mixes of one stream decay together, so that what was reckoned for one
/// of them holds for the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fade {
    since: Span,
    recent: f32,
    usual: f32,
}

impl Fade {
    fn over(&mut self, since: Span) -> Fade {
        if self.since != since {
            let seconds = since.millis() / 1000;
            // Most logs have whole seconds.
            *self = match FADES.get(usize::try_from(seconds).unwrap_or(usize::MAX)) {
                Some(fade) if fade.since == since => *fade,
                _ => Fade::reckoned(since),
            };
        }
        *self
    }

    fn reckoned(since: Span) -> Fade {
        let seconds = since.secs_f64();
        let left = |half: Span| {
            let halved = seconds / half.secs_f64();
            // Less than the least that is told from nothing need not be reckoned.
            if halved > NOTHING_AFTER { 0.0 } else { (-halved).exp2() as f32 }
        };
        Fade { since, recent: left(RECENT), usual: left(USUAL) }
    }
}

/// What is left after each number of seconds up to a quarter of an hour.
static FADES: LazyLock<Vec<Fade>> =
    LazyLock::new(|| (0..900).map(|seconds| Fade::reckoned(Span::from_secs(seconds))).collect());

impl Mix {
    /// Counts one event of part `id` at `t`. Absent parts count for the total only.
    pub fn add(&mut self, id: Id, t: Timestamp, fade: &mut Fade) {
        // Decay in steps of 10 s: exact enough for half-lives of minutes, and rarely due.
        if t - self.decayed_at >= Span::from_secs(10) {
            self.decay(t, fade);
        }
        self.recent_total += 1.0;
        self.usual_total += 1.0;
        if !id.is_some() {
            return;
        }
        let last = usize::from(self.last) % PARTS;
        if self.ids[last] == id {
            self.recent[last] += 1.0;
            self.usual[last] += 1.0;
            self.grew(last);
            return;
        }
        // Without branches within: where a part lies cannot be guessed. Of damaged state with one id twice the first counts.
        let mut at = PARTS;
        for (place, known) in self.ids.iter().enumerate().rev() {
            at = if *known == id { place } else { at };
        }
        if let (Some(recent), Some(usual)) = (self.recent.get_mut(at), self.usual.get_mut(at)) {
            *recent += 1.0;
            *usual += 1.0;
            self.last = at as u8;
            self.grew(at);
            return;
        }
        let entry = Entry { id, recent: 1.0, usual: 1.0 };
        let taken = usize::from(self.taken);
        if taken < PARTS {
            self.put(taken, entry);
            self.taken += 1;
            return;
        }
        let lightest = match self.lightest.checked_sub(1) {
            Some(known) => usize::from(known) % PARTS,
            None => lightest(&self.recent, &self.usual),
        };
        if weigh(self.recent[lightest], self.usual[lightest]) <= 40.0 || self.recent[lightest] < 1.0 {
            self.put(lightest, entry);
        } else {
            // A heavy set gives way slowly: whoever stays away loses ground to many knocks. It stays the lightest by that.
            self.recent[lightest] -= 0.5;
            self.lightest = lightest as u8 + 1;
        }
    }

    /// A part has grown: if it was the lightest, another one may be now.
    fn grew(&mut self, at: usize) {
        if usize::from(self.lightest) == at + 1 {
            self.lightest = 0;
        }
    }

    fn put(&mut self, at: usize, entry: Entry) {
        (self.ids[at], self.recent[at], self.usual[at]) = (entry.id, entry.recent, entry.usual);
        self.lightest = 0;
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let counts = self.recent.iter().zip(&self.usual);
        let entries = self.ids.iter().zip(counts).map(|(&id, (&recent, &usual))| Entry { id, recent, usual });
        entries.take(usize::from(self.taken))
    }

    /// The parts by their share now, largest first.
    pub fn shares(&self) -> SmallVec<[Share; PARTS]> {
        let share = |n: f32, total: f32| if total > 0.0 { f64::from(n / total).clamp(0.0, 1.0) } else { 0.0 };
        // What counts for now is part of what counts for usually; take it out, so that an incident is compared with before.
        let before = (self.usual_total - self.recent_total).max(0.0);
        let mut shares: SmallVec<[Share; PARTS]> = self
            .entries()
            .map(|e| Share {
                id: e.id,
                now: share(e.recent.max(0.0), self.recent_total),
                usual: share((e.usual - e.recent).max(0.0), before),
            })
            .filter(|s| s.now > 0.0)
            .collect();
        shares.sort_by(|a, b| b.now.total_cmp(&a.now).then(a.id.cmp(&b.id)));
        shares
    }

    /// Reads a little of all that [`Mix::add`] looks at.
    pub(super) fn warm(&self) -> u64 {
        let few = |at: usize| u64::from(self.recent[at].to_bits());
        self.ids[0].0 ^ few(0) ^ few(PARTS - 1) ^ self.decayed_at.millis() as u64
    }

    /// The share of one part now.
    pub fn share_of(&self, id: Id) -> f64 {
        match self.entries().find(|e| e.id == id) {
            Some(e) if self.recent_total > 0.0 => f64::from(e.recent.max(0.0) / self.recent_total).clamp(0.0, 1.0),
            _ => 0.0,
        }
    }

    /// How many parts are active now (at most the number kept).
    pub fn active(&self) -> usize {
        self.entries().filter(|e| e.recent >= 0.5).count()
    }

    fn decay(&mut self, t: Timestamp, fade: &mut Fade) {
        let Fade { recent, usual, .. } = fade.over(t - self.decayed_at);
        // Places that nobody has taken stay at zero.
        self.recent.iter_mut().for_each(|count| *count *= recent);
        self.usual.iter_mut().for_each(|count| *count *= usual);
        self.recent_total *= recent;
        self.usual_total *= usual;
        self.decayed_at = t;
        self.lightest = 0;
    }
}

/// The place of the lightest part of a full set, of equals the first, found without branches.
fn lightest(recent: &[f32; PARTS], usual: &[f32; PARTS]) -> usize {
    let (mut place, mut least) = (0, weigh(recent[0], usual[0]));
    for at in 1..PARTS {
        let weight = weigh(recent[at], usual[at]);
        let lighter = weight < least;
        least = if lighter { weight } else { least };
        place = if lighter { at } else { place };
    }
    place
}

/// Now counts ten times as much as usually: the parts of an incident must find their place.
fn weigh(recent: f32, usual: f32) -> f32 {
    10.0 * recent + usual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_reckoned_would_come_to_nothing() {
        let reckoned = |seconds: i64, half: Span| (-(seconds as f64) / half.secs_f64()).exp2() as f32;
        for seconds in (0..20_000_000).step_by(997).chain(26_000..28_000) {
            let fade = Fade::reckoned(Span::from_secs(seconds));
            let told = (reckoned(seconds, RECENT), reckoned(seconds, USUAL));
            assert_eq!(
                (fade.recent.to_bits(), fade.usual.to_bits()),
                (told.0.to_bits(), told.1.to_bits()),
                "{seconds}"
            );
        }
    }

    #[test]
    fn a_part_that_takes_over_is_seen_against_its_usual_share() {
        let mut mix = Mix::default();
        let mut t = Timestamp::from_secs(1_700_000_000);
        for i in 0..5000u64 {
            mix.add(Id(1 + i % 4), t, &mut Fade::default());
            t += Span::from_secs(6);
        }
        for i in 0..2000u64 {
            mix.add(if i % 10 < 9 { Id(77) } else { Id(1 + i % 4) }, t, &mut Fade::default());
            t += Span::from_millis(200);
        }
        let top = mix.shares()[0];
        assert_eq!(top.id, Id(77));
        assert!(top.now > 0.8 && top.usual < 0.2, "{top:?}");
    }

    #[test]
    fn of_equals_the_first_is_the_lightest() {
        let mut random = 11u64;
        for _ in 0..5_000 {
            let mut some = || {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 62) as f32 / 3.0
            };
            let (recent, usual): ([f32; PARTS], [f32; PARTS]) =
                (std::array::from_fn(|_| some()), std::array::from_fn(|_| some()));
            let weight = |at: &usize| weigh(recent[*at], usual[*at]);
            let by_order = (0..PARTS).min_by(|a, b| weight(a).total_cmp(&weight(b)));
            assert_eq!(Some(lightest(&recent, &usual)), by_order, "{recent:?} {usual:?}");
        }
    }

    #[test]
    fn what_is_remembered_of_the_parts_changes_nothing() {
        let (mut mix, mut random) = (Mix::default(), 3u64);
        let mut plain = mix.clone();
        let mut t = Timestamp::from_secs(1_700_000_000);
        for _ in 0..50_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            t += Span::from_millis((random >> 52) as i64);
            let among = [3, 12, 4000][(random >> 33) as usize % 3];
            let id = Id((random >> 40) % among);
            mix.add(id, t, &mut Fade::default());
            (plain.last, plain.lightest) = (0, 0);
            plain.add(id, t, &mut Fade::default());
            assert_eq!(mix, plain);
        }
    }

    #[test]
    fn many_small_parts_leave_the_large_one_in_place() {
        let (mut mix, mut fade) = (Mix::default(), Fade::default());
        let t = Timestamp::from_secs(1_700_000_000);
        for i in 0..20_000u64 {
            let id = if i % 3 == 0 { Id(5) } else { Id(1000 + i) };
            mix.add(id, t + Span::from_millis(i as i64 * 20), &mut fade);
        }
        let top = mix.shares()[0];
        assert_eq!(top.id, Id(5));
        assert!((top.now - 0.33).abs() < 0.05, "{top:?}");
    }
}
