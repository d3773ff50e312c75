//! The users' own rules at work: every hit is counted in its group, told at once where a line can decide, and judged on
//! ticks where time does.

use hashbrown::HashMap;

use crate::detect::Parts;
use crate::detect::user_rule::{self, Counted, Met, Told};
use crate::engine::arrival::Texts;
use crate::engine::names::subject_of;
use crate::engine::rules::earlier;
use crate::engine::{Engine, Settings};
use crate::event::{Event, Hit, Id, SubjectKind};
use crate::incident::Change;
use crate::incident::entry::{About, Candidate, Entry as BookEntry};
use crate::incident::kept::Reason;
use crate::measure::chain::{Chain, Completed};
use crate::measure::few::Few;
use crate::measure::groups::{Group, Harm, State};
use crate::measure::window::{Entry, Window};
use crate::rule::Field;
use crate::rule::spec::{Rule, What};
use crate::time::{Span, Timestamp};

/// Memory of all groups together is at most this part of what tables may take.
const MEMORY_PART: usize = 4;
/// What is calm for so long and has no open incident is over.
const CALM: Span = Span::from_mins(5);
/// Groups of sequences and of windows that know nothing any more are let go this often.
const SWEEP: Span = Span::HOUR;

/// What a group did that is to be told.
enum News {
    Met(Met),
    Completed(Completed, u32),
}

impl Engine {
    /// Counts what the rules see in one event.
    pub(super) fn follow_rules<'a>(
        &mut self,
        event: &Event,
        texts: Texts<'_>,
        hits: impl Iterator<Item = (&'a Hit, &'a str)>,
        out: &mut Vec<Change>,
    ) {
        let mut told = false;
        for (hit, name) in hits {
            told |= self.follow_rule(event, texts, hit, name).is_some();
        }
        if told {
            let now = self.latest(event.time);
            self.price_incidents(now);
            self.tick_book(now, out);
        }
    }

    /// `Some` if there is something to tell at once.
    fn follow_rule(&mut self, event: &Event, texts: Texts<'_>, hit: &Hit, name: &str) -> Option<()> {
        let index = usize::from(hit.rule);
        let rules = self.settings.rules.clone();
        let rule = rules.get(index)?;
        let place = self.group_of(index, rule, event, texts, hit, name)?;
        let zone = self.settings.zone;
        let counted = self.rules.counted.get(index)?;
        let groups = self.rules.kept.groups.get_mut(index)?;
        let failed = u64::from(event.status >= 400);
        // As it is counted, where the site has too many routes.
        let endpoint = self.route_ids.get(&event.endpoint.id).copied().unwrap_or(event.endpoint.id);
        let (news, due) = groups.change(place, |group| {
            group.last = group.last.max(event.time);
            group.endpoints.add(endpoint);
            group.clients.add(event.client.id);
            if let Some(harm) = &mut group.harm {
                harm.requests += 1;
                harm.errors += failed;
                harm.cost += event.cost_or_zero();
            }
            match (counted, &mut group.state, &rule.what) {
                (Counted::Window { shape, at_once, .. }, State::Window(window), What::Measured(measured)) => {
                    let entry = Entry {
                        time: event.time,
                        value: hit.value,
                        thing: hit.thing.0,
                        part: hit.parts & 2 != 0,
                        failed: event.status >= 400,
                        cost: event.cost_or_zero(),
                    };
                    window.add(shape, &entry, zone);
                    let decides = *at_once && group.harm.is_none() && window.is_light(shape);
                    let met = decides.then(|| user_rule::judge(measured, shape, window, event.time, zone)).flatten();
                    (met.map(News::Met), None)
                }
                (Counted::Chain(plan), State::Chain(chain), _) => {
                    chain.note(plan, hit.parts, event.time, event.cost_or_zero(), failed > 0);
                    let completed = chain.take(plan, hit.parts, event.time, group.harm.is_some());
                    (completed.map(|completed| News::Completed(completed, 1)), chain.due())
                }
                _ => (None, None),
            }
        })?;
        if let Some(known) = self.rules.due.get_mut(index) {
            *known = earlier(*known, due);
        }
        if matches!(counted, Counted::Window { .. }) {
            self.rules.touched.insert((index, hit.group));
        }
        self.tell_rule(index, place, &news?, self.latest(event.time))
    }

    /// The place of a hit's group, which is made if it is new.
    fn group_of(
        &mut self,
        index: usize,
        rule: &Rule,
        event: &Event,
        texts: Texts<'_>,
        hit: &Hit,
        name: &str,
    ) -> Option<usize> {
        if let Some(place) = self.rules.kept.groups.get(index)?.find(hit.group) {
            return Some(place);
        }
        self.rules.make_room(index, rule.most, self.settings.memory / MEMORY_PART);
        let counted = self.rules.counted.get(index)?;
        let groups = self.rules.kept.groups.get_mut(index)?;
        let kind = rule.subject();
        let (id, subject) = subject_of(&self.settings, kind, event, texts.all(event));
        let also = rule.group.iter().filter_map(|field| match field {
            Field::Key => Some((SubjectKind::Key, event.key.id)),
            Field::Client => Some((SubjectKind::Client, event.client.id)),
            Field::Endpoint => Some((SubjectKind::Endpoint, event.endpoint.id)),
            _ => None,
        });
        let state = match counted {
            Counted::Window { shape, learns, .. } => State::Window(Window::new(shape, event.time, *learns)),
            Counted::Chain(_) => State::Chain(Chain::new(groups.watched.unwrap_or(event.time))),
        };
        let group = Group {
            id: hit.group,
            subject: (kind, id, subject.into()),
            also: also.filter(|(other, _)| *other != kind).collect(),
            name: name.into(),
            last: event.time,
            state,
            endpoints: Few::default(),
            clients: Few::default(),
            harm: None,
            quiet_until: Timestamp::MIN,
        };
        Some(groups.insert(group))
    }

    /// Puts what a group did into the book, unless it was told a moment ago.
    fn tell_rule(&mut self, index: usize, place: usize, news: &News, now: Timestamp) -> Option<()> {
        let rules = self.settings.rules.clone();
        let rule = rules.get(index)?;
        let counted = self.rules.counted.get(index)?;
        let groups = self.rules.kept.groups.get_mut(index)?;
        let (id, harm, quiet) = groups.change(place, |group| {
            let harm = match news {
                News::Met(met) => {
                    let first = match (counted, &group.state) {
                        (Counted::Window { shape, .. }, State::Window(window)) => {
                            let since = window.begin(shape, now).unwrap_or(now - shape.length());
                            let (errors, cost) = window.harm(shape, now);
                            Harm { since, requests: met.lines, errors, cost, ..Harm::default() }
                        }
                        _ => Harm { since: now, ..Harm::default() },
                    };
                    Harm { active: now, times: 1, ..group.harm.unwrap_or(first) }
                }
                News::Completed(completed, times) => {
                    let requests = match counted {
                        Counted::Chain(plan) => plan.wanted.iter().map(|(_, times)| u64::from(*times)).sum(),
                        Counted::Window { .. } => 1,
                    };
                    let (errors, cost) = match &group.state {
                        State::Chain(chain) => chain.harm(completed),
                        State::Window(_) => (0, 0.0),
                    };
                    let first = Harm { since: completed.start, requests, errors, cost, ..Harm::default() };
                    let known = group.harm.unwrap_or(first);
                    let times = known.times + u64::from(*times);
                    Harm { active: completed.end.max(known.active), times, ..known }
                }
            };
            group.harm = Some(harm);
            (group.id, harm, now < group.quiet_until)
        })?;
        self.rules.harmed.insert((index, id));
        let met = match news {
            News::Met(met) => Some(*met),
            News::Completed(..) => None,
        };
        let candidate = self.candidate_of(index, place, met, &harm)?;
        if quiet && self.book.of_rule(&rule.name, id.0).is_none() {
            if !self.quiet {
                self.book.keep_of_rule(&candidate, (&rule.name, &rule.detector), Reason::Repeat, now);
            }
            return None;
        }
        let limit = self.settings.book.limit;
        self.book.rule(candidate, (&rule.name, &rule.detector), now, harm.active, limit);
        Some(())
    }

    fn candidate_of(&self, index: usize, place: usize, met: Option<Met>, harm: &Harm) -> Option<Candidate> {
        let rule = self.settings.rules.get(index)?;
        let group = self.rules.kept.groups.get(index)?.get(place)?;
        let (kind, id, name) = &group.subject;
        let about = About { kind: *kind, id: *id };
        // Of the lines that the rule is about, not of all that the subject does.
        let mut known =
            Parts { endpoints: group.endpoints.shares(), clients: group.clients.shares(), ..Parts::default() };
        let keys = group.also.iter().filter(|(kind, _)| *kind == SubjectKind::Key);
        known.keys.extend(keys.map(|(_, id)| (*id, 1.0)));
        let values: Vec<&str> = group.name.split('\u{1f}').collect();
        let named = rule.group.iter().zip(values).filter(|(_, value)| !value.is_empty());
        let words: Vec<String> = named.map(|(field, value)| format!("{} {value}", field.name())).collect();
        let cooldown = rule.cooldown.unwrap_or(self.settings.book.cooldown);
        let told = Told { rule, met, harm, group: &words, cooldown, parts: &known };
        let finding = user_rule::finding(&told);
        let (parts, spread) = self.parts(about, &finding.parts);
        let history = self.row(about).map_or(Span::ZERO, |row| harm.active - row.first_seen);
        Some(Candidate {
            about,
            name: name.to_string(),
            tag: group.id.0,
            finding,
            parts,
            spread,
            history: history.max(Span::ZERO),
            window: Span::ZERO,
            urgent: true,
            patient: false,
        })
    }

    /// Judges what time decides: on every tick what was touched and what is told, every minute what may be too little.
    pub(super) fn judge_rules(&mut self, end: Timestamp) {
        if self.rules.counted.is_empty() {
            return;
        }
        let minute = end.millis() % Span::MINUTE.millis() == 0;
        for (index, id) in std::mem::take(&mut self.rules.touched) {
            self.judge_window(index, id, end);
        }
        for index in 0..self.rules.counted.len() {
            let downward = matches!(self.rules.counted.get(index), Some(Counted::Window { downward: true, .. }));
            if downward && minute {
                for id in self.groups_where(index, |group| group.harm.is_none()) {
                    self.judge_window(index, id, end);
                }
            }
            if self.rules.due.get(index).copied().flatten().is_some_and(|due| due < end) {
                self.judge_chains(index, end);
            }
        }
        let open = self.book.ruled();
        for (index, id) in self.rules.harmed.clone() {
            self.follow_harm(index, id, end, minute, &open);
        }
        if end.millis() % SWEEP.millis() == 0 {
            self.sweep_rules(end);
        }
    }

    fn groups_where(&self, index: usize, choose: impl Fn(&Group) -> bool) -> Vec<Id> {
        let Some(groups) = self.rules.kept.groups.get(index) else { return Vec::new() };
        let all = (0..groups.len()).filter_map(|place| groups.get(place));
        all.filter(|group| choose(group)).map(|group| group.id).collect()
    }

    /// What a group's window comes to by now, learning from those that are over.
    fn met_by(&mut self, index: usize, id: Id, end: Timestamp) -> Option<(usize, Option<Met>)> {
        let zone = self.settings.zone;
        let rules = self.settings.rules.clone();
        let What::Measured(measured) = &rules.get(index)?.what else { return None };
        let Counted::Window { shape, downward, .. } = self.rules.counted.get(index)? else { return None };
        // A silence of the whole log says nothing of anybody in it.
        let void = *downward && self.calendar.is_void(end, shape.length());
        let scheduled = !*downward || self.is_scheduled(rules.get(index)?, end);
        let groups = self.rules.kept.groups.get_mut(index)?;
        let place = groups.find(id)?;
        // The tick's last moment: its end belongs to the next bucket.
        let now = end - Span::from_millis(1);
        let met = groups.change(place, |group| {
            let State::Window(window) = &mut group.state else { return None };
            let most = user_rule::most_learned(measured, window, now, zone);
            window.roll(shape, now, most, zone);
            if void || !scheduled { None } else { user_rule::judge(measured, shape, window, now, zone) }
        })?;
        Some((place, met))
    }

    fn is_scheduled(&self, rule: &Rule, now: Timestamp) -> bool {
        let local = now + self.settings.zone.offset(now);
        let minute = local.millis().rem_euclid(Span::DAY.millis()) / Span::MINUTE.millis();
        // Monday is 0; the epoch was a Thursday.
        let weekday = (local.bucket(Span::DAY) + 3).rem_euclid(7);
        rule.schedule.covers(weekday as usize, minute as u16)
    }

    fn judge_window(&mut self, index: usize, id: Id, end: Timestamp) {
        let Some((place, Some(met))) = self.met_by(index, id, end) else { return };
        let harmed = self.rules.kept.groups.get(index).and_then(|g| g.get(place)).is_some_and(|g| g.harm.is_some());
        if !harmed {
            self.tell_rule(index, place, &News::Met(met), end);
        }
    }

    fn judge_chains(&mut self, index: usize, end: Timestamp) {
        let due = |group: &Group| matches!(&group.state, State::Chain(chain) if chain.due().is_some_and(|t| t < end));
        for id in self.groups_where(index, due) {
            let Some(Counted::Chain(plan)) = self.rules.counted.get(index) else { return };
            let Some(groups) = self.rules.kept.groups.get_mut(index) else { return };
            let Some(place) = groups.find(id) else { continue };
            let completed = groups.change(place, |group| match &mut group.state {
                State::Chain(chain) => chain.judge(plan, end),
                State::Window(_) => None,
            });
            if let Some((completed, times)) = completed.flatten() {
                self.tell_rule(index, place, &News::Completed(completed, times), end);
            }
        }
        let next = self.groups_due(index);
        if let Some(due) = self.rules.due.get_mut(index) {
            *due = next;
        }
    }

    fn groups_due(&self, index: usize) -> Option<Timestamp> {
        let groups = self.rules.kept.groups.get(index)?;
        let due = (0..groups.len()).filter_map(|place| match &groups.get(place)?.state {
            State::Chain(chain) => chain.due(),
            State::Window(_) => None,
        });
        due.min()
    }

    /// Whether what is told of a group goes on; once a minute its numbers are brought up to date.
    fn follow_harm(&mut self, index: usize, id: Id, end: Timestamp, minute: bool, open: &HashMap<u64, Vec<usize>>) {
        let rules = self.settings.rules.clone();
        let Some(rule) = rules.get(index) else { return };
        let met = self.met_by(index, id, end).and_then(|(_, met)| met);
        let of_rule = |at: &usize| self.book.entries().get(*at).is_some_and(|e| e.incident.rule == rule.name);
        let open = open.get(&id.0).and_then(|places| places.iter().copied().find(of_rule));
        let told = open.and_then(|at| self.book.entries().get(at)).is_some_and(BookEntry::is_told);
        let cooldown = rule.cooldown.unwrap_or(self.settings.book.cooldown);
        let Some(groups) = self.rules.kept.groups.get_mut(index) else { return };
        let Some(place) = groups.find(id) else {
            self.rules.harmed.remove(&(index, id));
            return;
        };
        let harm = groups.change(place, |group| {
            let mut harm = group.harm?;
            if met.is_some() {
                harm.active = harm.active.max(end);
            }
            if told {
                group.quiet_until = harm.active + cooldown;
            }
            group.harm = (open.is_some() || end - harm.active < CALM).then_some(harm);
            group.harm
        });
        let Some(harm) = harm.flatten() else {
            self.rules.harmed.remove(&(index, id));
            return;
        };
        if open.is_none() || !(met.is_some() || minute) {
            return;
        }
        let fresh = (minute && (met.is_some() || matches!(rule.what, What::Sequence(_)))) || met.is_some_and(|_| !told);
        let limit = self.settings.book.limit;
        if fresh {
            if let Some(candidate) = self.candidate_of(index, place, met, &harm) {
                self.book.rule(candidate, (&rule.name, &rule.detector), end, harm.active, limit);
            }
        } else if let Some(evidence) =
            open.and_then(|at| self.book.entries_mut().get_mut(at)).and_then(|entry| entry.evidence.first_mut())
        {
            evidence.active_at = evidence.active_at.max(harm.active);
        }
    }

    /// Lets go of groups that know nothing any more.
    fn sweep_rules(&mut self, end: Timestamp) {
        let Settings { rules, .. } = &self.settings;
        for ((groups, counted), rule) in self.rules.kept.groups.iter_mut().zip(&self.rules.counted).zip(rules.iter()) {
            groups.retain(|group| {
                let known = match (&group.state, counted) {
                    (State::Window(window), Counted::Window { shape, learns, downward, .. }) => {
                        *learns || *downward || !window.is_empty(shape, end)
                    }
                    (State::Chain(chain), Counted::Chain(plan)) => !chain.is_idle(plan, end),
                    _ => false,
                };
                known || group.harm.is_some() || group.quiet_until > end || end - group.last < rule.over
            });
        }
    }
}
