//! How events come in: each by its source's clock, and what is ahead of it waits for company.

use crate::engine::Engine;
use crate::engine::clocks::Reading;
use crate::engine::count::{AT_ONCE, Hint};
use crate::event::{Batch, Event, Text};
use crate::fault;
use crate::incident::Change;
use crate::time::Timestamp;

/// Events ahead of their source's clock that wait for company.
const WAITING: usize = 32;

/// An event ahead of its source's clock, with its texts.
pub(super) type Waiting = (Event, [Box<str>; 5]);

/// Where the texts of an event are, which are asked for only where something is met for the first time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Texts<'a> {
    /// With the batch that it came in.
    Carried(&'a Batch),
    /// By themselves: key, client, endpoint, agent, network.
    Kept(&'a [Box<str>; 5]),
}

impl<'a> Texts<'a> {
    pub(super) fn key(self, event: &Event) -> &'a str {
        self.one(event.key, 0)
    }

    pub(super) fn client(self, event: &Event) -> &'a str {
        self.one(event.client, 1)
    }

    pub(super) fn endpoint(self, event: &Event) -> &'a str {
        self.one(event.endpoint, 2)
    }

    pub(super) fn agent(self, event: &Event) -> &'a str {
        self.one(event.agent, 3)
    }

    /// All of them.
    pub(super) fn all(self, event: &Event) -> [&'a str; 5] {
        let [at0, at1, at2, at3, at4] = [event.key, event.client, event.endpoint, event.agent, event.network];
        [self.one(at0, 0), self.one(at1, 1), self.one(at2, 2), self.one(at3, 3), self.one(at4, 4)]
    }

    fn one(self, text: Text, at: usize) -> &'a str {
        match self {
            Texts::Carried(batch) => batch.text(text),
            Texts::Kept(texts) => texts.get(at).map_or("", |text| text),
        }
    }
}

impl Engine {
    /// Takes events in, in the order of their lines, and judges every tick that they complete.
    pub fn absorb(&mut self, batch: &Batch, out: &mut Vec<Change>) {
        self.absorb_from(batch, 0, out);
    }

    /// The same from the event with this number on.
    pub fn absorb_from(&mut self, batch: &Batch, from: usize, out: &mut Vec<Change>) {
        let mut number = from;
        if !batch.places.is_empty() {
            self.note_places(&batch.places);
        }
        for events in batch.events.get(from..).unwrap_or_default().chunks(AT_ONCE) {
            self.at_event = number;
            let mut hints = [Hint::default(); AT_ONCE];
            self.warm(events, &mut hints);
            for (event, hint) in events.iter().zip(hints) {
                self.at_event = number;
                number += 1;
                fault::point("engine.event");
                match self.clocks.read(event, self.wall) {
                    Reading::Trusted => {
                        if !self.waiting.is_empty() {
                            self.take_back(event.time, out);
                        }
                        self.step(event, hint, batch, out);
                    }
                    Reading::Ahead => self.wait(event, batch, out),
                    Reading::Jumped => {
                        self.release(out);
                        self.step(event, hint, batch, out);
                    }
                }
            }
        }
    }

    /// After a panic in [`Engine::absorb_from`] or [`Engine::advance`]: passes over the event or the tick that it came
    /// from. The number of the event to go on with.
    pub fn recover(&mut self) -> usize {
        if let Some(tick) = self.at_tick.take() {
            self.judged = Some(tick);
            // The event itself was not to blame, and is not counted yet.
            return self.at_event;
        }
        self.at_event + 1
    }

    /// One event whose time is trusted.
    fn step(&mut self, event: &Event, hint: Hint, batch: &Batch, out: &mut Vec<Change>) {
        self.judge_until(event.time - self.settings.lateness, out);
        self.count(event, hint, Texts::Carried(batch), out);
        if self.rules.is_empty() {
            return;
        }
        self.rules.watch(event.time - self.known_before);
        let hits = batch.hits_of(self.at_event);
        if !hits.is_empty() {
            let texts = Texts::Carried(batch);
            self.follow_rules(event, texts, hits.iter().map(|hit| (hit, batch.text(hit.name))), out);
        }
    }

    fn wait(&mut self, event: &Event, batch: &Batch, out: &mut Vec<Change>) {
        let texts = [event.key, event.client, event.endpoint, event.agent, event.network].map(|t| batch.text(t).into());
        self.waiting.push_back((*event, texts));
        self.rules.wait(batch.hits_of(self.at_event), batch);
        if self.waiting.len() > WAITING {
            let now = self.clocks.newest().unwrap_or(event.time);
            self.take_back(now, out);
        }
    }

    /// What waited was right: it is counted in its own time.
    pub(super) fn release(&mut self, out: &mut Vec<Change>) {
        while let Some((event, texts)) = self.waiting.pop_front() {
            self.judge_until(event.time - self.settings.lateness, out);
            self.count_waited(&event, &texts, out);
        }
    }

    /// What waited was wrong: it is counted now.
    fn take_back(&mut self, now: Timestamp, out: &mut Vec<Change>) {
        while let Some((mut event, texts)) = self.waiting.pop_front() {
            event.time = now;
            self.totals.future += 1;
            self.count_waited(&event, &texts, out);
        }
    }

    fn count_waited(&mut self, event: &Event, texts: &[Box<str>; 5], out: &mut Vec<Change>) {
        let texts = Texts::Kept(texts);
        // Taken first: should counting fall over, the hits do not stay behind for another event.
        let hits = self.rules.waited();
        self.count(event, Hint::default(), texts, out);
        if !hits.is_empty() {
            self.follow_rules(event, texts, hits.iter().map(|(hit, name)| (hit, &**name)), out);
        }
    }
}
