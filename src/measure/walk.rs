//! Whether numbers follow each other: somebody who goes through ids one by one, told from chance.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// Evidence for a walk that a step of one to three in its direction adds, and that anything else takes away.
const STEP: (f32, f32) = (5.3, -2.3);
/// From so much evidence and so many steps on it is a walk.
const WALK: (f32, u32) = (40.0, 30);

/// The numbers on one route, as far as they follow each other.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Numbers {
    /// Which route.
    pub route: u32,
    /// How far the walk has come; while there is none, the number before the newest.
    front: u32,
    /// The newest number where that is another: others call on the same route between the steps, and a walk may go on
    /// elsewhere. Known anew after one number, so it is not saved.
    #[serde(skip)]
    newest: Option<NonZeroU32>,
    /// Where the unbroken part of the walk began that leads to `front`, if that is known.
    #[serde(skip)]
    from: Option<NonZeroU32>,
    up: bool,
    /// How much speaks for a walk.
    pub evidence: f32,
    /// Numbers that followed the one before.
    pub steps: u32,
    /// Numbers seen.
    pub seen: u32,
}

/// What the next number on a route was, beside those before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The first, the same again, one that does not follow the one before, or one where the walk has been: no walk is broken
    /// off by it.
    Nothing,
    /// It follows the one before.
    Step,
    /// What looked like a walk on this route was chance, or its place was needed for another.
    Stray(u32),
}

impl Numbers {
    /// The first number on a route.
    fn new(route: u32, number: u32) -> Self {
        let from = NonZeroU32::new(number);
        Numbers { route, front: number, newest: None, from, up: true, evidence: 0.0, steps: 0, seen: 1 }
    }

    fn next(&mut self, number: u32) -> Next {
        self.seen = self.seen.saturating_add(1);
        let newest = self.newest.take();
        if number == self.front || newest.is_some_and(|newest| newest.get() == number) {
            self.newest = newest;
            return Next::Nothing;
        }
        let follows = |before: u32| {
            let step = number.wrapping_sub(before) as i32;
            ((1..=3).contains(&step.unsigned_abs()) && (self.steps == 0 || self.up == (step > 0))).then_some(step > 0)
        };
        let elsewhere = newest.and_then(|begin| Some((begin.get(), follows(begin.get())?)));
        if let Some(up) = follows(self.front) {
            self.up = up;
            self.advance(number);
            return Next::Step;
        }
        if let Some((begin, up)) = elsewhere {
            if self.has_been_at(begin) && self.has_been_at(number) {
                // Whoever goes in a circle gets no further, and two that others read by chance break nothing off.
                (self.newest, self.seen) = (NonZeroU32::new(number), self.seen - 1);
                return Next::Nothing;
            }
            (self.up, self.from) = (up, newest);
            self.advance(number);
            return Next::Step;
        }
        self.newest = NonZeroU32::new(number);
        self.evidence += STEP.1;
        if self.evidence > 0.0 {
            return Next::Nothing;
        }
        // A walk may begin after either of the last two numbers.
        self.front = newest.map_or(self.front, NonZeroU32::get);
        self.from = NonZeroU32::new(self.front);
        (self.evidence, self.steps, self.seen) = (0.0, 0, 1);
        Next::Stray(self.route)
    }

    fn advance(&mut self, number: u32) {
        self.front = number;
        self.evidence = (self.evidence + STEP.0).min(1000.0);
        self.steps = self.steps.saturating_add(1);
    }

    /// Whether the walk came by a number on its way to where it is.
    fn has_been_at(&self, number: u32) -> bool {
        let way = |from: NonZeroU32| from.get().min(self.front)..=from.get().max(self.front);
        self.from.is_some_and(|from| way(from).contains(&number))
    }

    /// Whether so much speaks for a walk that it is none by chance, however short.
    pub fn is_likely(&self) -> bool {
        self.evidence >= WALK.0
    }

    /// Share of the numbers that follow each other, if it is a walk.
    pub fn share(&self) -> Option<f64> {
        let is_one = self.is_likely() && self.steps >= WALK.1;
        is_one.then(|| f64::from(self.steps) / f64::from(self.seen.max(1)))
    }
}

/// Takes the next number on a route into a list of at most `most` routes; a new one takes the place of the weakest.
pub fn note(walks: &mut Vec<Numbers>, most: usize, route: u32, number: u32) -> Next {
    if let Some(walk) = walks.iter_mut().find(|walk| walk.route == route) {
        return walk.next(number);
    }
    let new = Numbers::new(route, number);
    if walks.len() < most {
        walks.push(new);
    } else if let Some(least) = walks.iter_mut().min_by(|a, b| a.evidence.total_cmp(&b.evidence)) {
        return Next::Stray(std::mem::replace(least, new).route);
    }
    Next::Nothing
}
