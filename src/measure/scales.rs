//! Series of sizes of many subjects, within a limit of memory.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::event::Id;
use crate::measure::sizes::{Sizes, Value, What};
use crate::time::{Span, Timestamp};

/// Subjects are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (128, 20_000);
/// Bytes a series takes, about.
const BYTES: usize = 480;

/// What is measured of one subject.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Series {
    of: [Option<Box<Sizes>>; 5],
    listed: bool,
}

/// Series of many subjects, within a limit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scales {
    subjects: HashMap<Id, Series>,
    listed: Vec<Id>,
    series: usize,
}

impl Scales {
    /// How many series fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / BYTES).clamp(MOST.0, MOST.1)
    }

    /// Reads a little of what [`Scales::take`] will look at; the answer means nothing.
    pub fn warm(&self, id: Id) -> u64 {
        let Some(series) = self.subjects.get(&id) else { return 0 };
        series.of.iter().flatten().fold(0, |read, sizes| read ^ sizes.warm())
    }

    /// Takes values of a subject, all of one request. `most` series are kept. Answers with the middle of what was usual of
    /// each, 0 where that is not known. `by`: whose request it was, or on which route.
    pub fn take(&mut self, about: (Id, Id), values: &[Value], when: (Timestamp, i64), most: usize) -> [f32; 5] {
        self.put::<false>(about, values, when, most)
    }

    /// The same, and lists the subject if many of its newest values are far out: for those who ask with
    /// [`Scales::take_listed`] which ones are.
    pub fn take_and_list(&mut self, about: (Id, Id), values: &[Value], when: (Timestamp, i64), most: usize) {
        self.put::<true>(about, values, when, most);
    }

    fn put<const LIST: bool>(
        &mut self,
        (id, by): (Id, Id),
        values: &[Value],
        when: (Timestamp, i64),
        most: usize,
    ) -> [f32; 5] {
        let mut middles = [0.0; 5];
        if self.series >= most && !self.subjects.contains_key(&id) {
            self.make_room(most);
        }
        let series = self.subjects.entry(id).or_default();
        let mut many = false;
        for value in values {
            let Some(place) = series.of.get_mut(value.what.index()) else { continue };
            let added = &mut self.series;
            let sizes = place.get_or_insert_with(|| {
                *added += 1;
                Box::new(Sizes::new(when.0))
            });
            middles[value.what.index()] = sizes.middle() as f32;
            many |= sizes.take(value, when, by);
        }
        if LIST && many && !series.listed {
            series.listed = true;
            self.listed.push(id);
        }
        middles
    }

    /// Everything known of one kind.
    pub fn all(&self, what: What) -> impl Iterator<Item = (Id, &Sizes)> {
        self.subjects.iter().filter_map(move |(id, series)| Some((*id, series.of.get(what.index())?.as_deref()?)))
    }

    /// What is known of a subject.
    pub fn of(&self, id: Id, what: What) -> Option<&Sizes> {
        self.subjects.get(&id)?.of[what.index()].as_deref()
    }

    /// The same, to hold it.
    pub fn of_mut(&mut self, id: Id, what: What) -> Option<&mut Sizes> {
        self.subjects.get_mut(&id)?.of[what.index()].as_deref_mut()
    }

    /// Takes the list of subjects of whose newest values many are far out, that had one since the last call.
    pub fn take_listed(&mut self) -> Vec<Id> {
        let mut listed = std::mem::take(&mut self.listed);
        listed.sort_unstable();
        for id in &listed {
            if let Some(series) = self.subjects.get_mut(id) {
                series.listed = false;
            }
        }
        listed
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.series * BYTES + self.subjects.capacity() * 64
    }

    /// Those that were measured most, and lately, stay.
    fn make_room(&mut self, most: usize) {
        let worth = |series: &Series| {
            let all = series.of.iter().flatten();
            all.map(|s| (s.last_at().bucket(Span::DAY), s.weight() as u64)).max().unwrap_or_default()
        };
        let mut order: Vec<((i64, u64), Id, usize)> =
            self.subjects.iter().map(|(id, s)| (worth(s), *id, s.of.iter().flatten().count())).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut left = most - most / 4;
        for (_, id, n) in order {
            if n <= left {
                left -= n;
            } else {
                left = 0;
                self.series -= n;
                self.subjects.remove(&id);
            }
        }
    }
}

impl Serialize for Scales {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut subjects: Vec<(&Id, &Series)> = self.subjects.iter().collect();
        subjects.sort_unstable_by_key(|(id, _)| **id);
        (subjects, &self.listed).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Scales {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut subjects = HashMap::new();
        let (saved, listed) = <(Vec<(Id, Series)>, Vec<Id>)>::deserialize(d)?;
        for (id, mut series) in saved {
            series.of.iter_mut().flatten().for_each(|sizes| sizes.fit());
            subjects.insert(id, series);
        }
        let series = subjects.values().map(|s| s.of.iter().flatten().count()).sum();
        Ok(Scales { subjects, listed, series })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::sizes::Far;

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn of(what: What, value: u32) -> Value {
        Value { what, value, step: 1.0, far: Far::Most }
    }

    fn put(scales: &mut Scales, n: i64, value: u32) {
        let t = START + Span::from_mins(n);
        scales.take_and_list((Id(1), Id::NONE), &[of(What::TokensIn, value)], (t, t.bucket(Span::DAY)), 1000);
    }

    #[test]
    fn eight_thousand_tokens_are_far_from_five_hundred() {
        let mut scales = Scales::default();
        for n in 0..3000 {
            put(&mut scales, n, 300 + (n as u32 * 7919) % 500);
        }
        let sizes = scales.of(Id(1), What::TokensIn).unwrap();
        assert!((520.0..580.0).contains(&sizes.quantile(0.5)), "{}", sizes.quantile(0.5));
        assert_eq!(sizes.far_of_newest(64), 0);
        let before = sizes.quantile(0.99);
        for n in 3000..3300 {
            put(&mut scales, n, 8000);
        }
        assert_eq!((scales.take_listed(), scales.take_listed()), (vec![Id(1)], vec![]));
        let t = START + Span::from_mins(3300);
        scales.take((Id(1), Id::NONE), &[of(What::TokensIn, 8000)], (t, t.bucket(Span::DAY)), 1000);
        assert!(scales.take_listed().is_empty(), "listed where somebody asks only");
        let sizes = scales.of(Id(1), What::TokensIn).unwrap();
        assert_eq!((sizes.far_of_newest(32), sizes.far().1), (32, 301));
        assert!((sizes.far().2 / 8000.0 - 1.0).abs() < 0.01 && sizes.quantile(0.99) <= 2.0 * before);
        assert_eq!(sizes.far().0, START + Span::from_mins(3000));
    }

    #[test]
    fn memory_is_bounded_and_saved() {
        let mut scales = Scales::default();
        for n in 0..2000u64 {
            let t = START + Span::from_secs(n as i64);
            for _ in 0..3 {
                scales.take((Id(1), Id::NONE), &[of(What::Response, 1000)], (t, 1), 128);
            }
            scales.take((Id(10 + n), Id::NONE), &[of(What::Response, 1000)], (t, 1), 128);
            assert!(scales.series <= 128 + 1);
        }
        assert!(scales.of(Id(1), What::Response).is_some_and(|s| s.weight() > 5000.0));
        let bytes = postcard::to_stdvec(&scales).unwrap();
        assert_eq!(postcard::from_bytes::<Scales>(&bytes).unwrap().subjects, scales.subjects);
    }
}
