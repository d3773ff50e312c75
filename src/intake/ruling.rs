//! What the users' own rules see in a line: every condition is held against it while its bytes are at hand, and what
//! goes on is a hit, small like the event that it belongs to.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use smallvec::SmallVec;

use super::client::{Client, real_client};
use super::consumer::{Consumer, is_foreign};
use super::key::Names;
use super::target::{Target, percent_decoded};
use super::{Settings, clipped, extra, lossy};
use crate::event::{Batch, Event, Flags, Hasher, Hit, Id, Text};
use crate::format::{FieldPlace, Record, Value};
use crate::rule::field::WEEKDAYS;
use crate::rule::guard::{Guard, Heads};
use crate::rule::spec::{Measure, Rule, What};
use crate::rule::{Field, Line};
use crate::sanitize;
use crate::time::{Span, Zone};

/// The group of what is not grouped.
const ALL: Id = Id(1);
/// The longest value that is shown of a group, in characters.
const SHOWN: usize = 80;

/// The rules, and what conditions ask for beside the line.
#[derive(Debug)]
pub(super) struct Ruling {
    rules: Arc<[Rule]>,
    /// What a line must begin with, of each rule that says so.
    guards: Vec<Option<Vec<Guard>>>,
    zone: Zone,
    hasher: Hasher,
    sources: Vec<String>,
    /// By the id of the consumer's name.
    consumers: HashMap<Id, Consumer>,
    /// The environments of the sources by their numbers.
    environments: Vec<Option<String>>,
    /// Fields that rules name, and where they stand.
    places: Vec<(String, FieldPlace)>,
    /// The path of the line, where escapes had to be undone.
    path: Vec<u8>,
    bytes: Vec<u8>,
}

/// A line with what intake knows about it already.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a, 'r> {
    pub(super) record: &'a Record<'r>,
    pub(super) target: Option<Target<'a>>,
    /// Proxies whose forwarded-for is believed: the client's address is asked for by few rules only.
    pub(super) trusted: &'a [IpNet],
}

impl Ruling {
    pub(super) fn new(settings: &Settings, hasher: Hasher) -> Self {
        let consumer = |(name, c): (&String, &Consumer)| (hasher.id(name.as_bytes()), c.clone());
        let mut places: Vec<(String, FieldPlace)> = Vec::new();
        for field in settings.rules.iter().flat_map(Rule::fields) {
            if let Some(name) = field.asked()
                && !places.iter().any(|(known, _)| known == name)
                && let Ok(place) = FieldPlace::parse(name)
            {
                places.push((name.to_owned(), place));
            }
        }
        Ruling {
            rules: settings.rules.clone(),
            guards: settings.rules.iter().map(Rule::guards).collect(),
            zone: settings.zone,
            hasher,
            sources: settings.names.clone(),
            consumers: settings.consumers.iter().map(consumer).collect(),
            environments: settings.sources.iter().map(|source| source.environment.clone()).collect(),
            places,
            path: Vec::new(),
            bytes: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Holds the last event of a batch against every rule.
    pub(super) fn look(&mut self, seen: &Seen<'_, '_>, batch: &mut Batch, names: &mut Names) {
        let Some(event) = batch.events.last().copied() else { return };
        let number = batch.events.len() as u32 - 1;
        self.path.clear();
        if let Some(Cow::Owned(path)) = seen.target.map(|target| percent_decoded(target.path)) {
            self.path = path;
        }
        let rules = self.rules.clone();
        // Most lines meet few rules: only for those is there more to do.
        let mut met: SmallVec<[(usize, u32); 8]> = SmallVec::new();
        let view = View { seen, event: &event, batch, ruling: self };
        let heads = view.heads();
        for (index, (rule, guards)) in rules.iter().zip(&self.guards).enumerate() {
            if guards.as_ref().is_some_and(|guards| !guards.iter().any(|guard| guard.passes(&heads))) {
                continue;
            }
            let parts = rule.matches(&view);
            if parts != 0 && view.is_scheduled(rule) {
                met.push((index, parts));
            }
        }
        for (index, parts) in met {
            let Some(rule) = rules.get(index) else { continue };
            let mut bytes = std::mem::take(&mut self.bytes);
            let view = View { seen, event: &event, batch, ruling: self };
            let found = view
                .value(rule)
                .and_then(|value| Some((value, view.group(rule, &mut bytes)?, view.thing(rule, &mut bytes)?)));
            let name = found.filter(|_| !says_it_all(rule)).map(|_| view.name(rule, names));
            self.bytes = bytes;
            let Some((value, group, thing)) = found else { continue };
            let name = name.map_or(Text::NONE, |name| batch.put(group, &name));
            let hit = Hit { event: number, rule: index as u16, parts, group, name, value, thing };
            batch.hits.push(hit);
        }
    }

    fn place(&self, name: &str) -> Option<&FieldPlace> {
        self.places.iter().find(|(known, _)| known == name).map(|(_, place)| place)
    }
}

/// Whether the subject's name says all about the group.
fn says_it_all(rule: &Rule) -> bool {
    match rule.group.as_slice() {
        [] => true,
        [only] => matches!(only, Field::Key | Field::Client | Field::Endpoint | Field::Source),
        _ => false,
    }
}

fn known<'v>(value: Option<&'v Value<'_>>) -> Option<Cow<'v, [u8]>> {
    value.map(|value| Cow::Borrowed(&**value))
}

/// One line as rules see it.
struct View<'a, 'r> {
    seen: &'a Seen<'a, 'r>,
    event: &'a Event,
    batch: &'a Batch,
    ruling: &'a Ruling,
}

impl View<'_, '_> {
    fn heads(&self) -> Heads {
        let endpoint = self.event.endpoint;
        let endpoint = endpoint.is_some().then(|| self.batch.bytes(endpoint));
        Heads::of(self.path(), endpoint, self.seen.record.method.as_deref())
    }

    fn path(&self) -> Option<&[u8]> {
        if self.ruling.path.is_empty() { self.seen.target.map(|target| target.path) } else { Some(&self.ruling.path) }
    }

    fn is_scheduled(&self, rule: &Rule) -> bool {
        if rule.schedule.is_always() {
            return true;
        }
        rule.schedule.covers(self.weekday(), self.minute())
    }

    /// The minute of the day.
    fn minute(&self) -> u16 {
        let local = self.event.time + self.ruling.zone.offset(self.event.time);
        (local.millis().rem_euclid(Span::DAY.millis()) / Span::MINUTE.millis()) as u16
    }

    /// Monday is 0; the epoch was a Thursday.
    fn weekday(&self) -> usize {
        let local = self.event.time + self.ruling.zone.offset(self.event.time);
        (local.bucket(Span::DAY) + 3).rem_euclid(7) as usize
    }

    /// The number that a rule measures; `None` where the line does not have it.
    fn value(&self, rule: &Rule) -> Option<f64> {
        match &rule.what {
            What::Measured(measured) => match measured.measure.number() {
                Some(field) => self.number(field).filter(|n| n.is_finite()),
                None => Some(0.0),
            },
            What::Sequence(_) => Some(0.0),
        }
    }

    /// What a line is grouped under; `None` where it lacks a field.
    fn group(&self, rule: &Rule, bytes: &mut Vec<u8>) -> Option<Id> {
        match rule.group.as_slice() {
            [] => Some(ALL),
            [only] => self.id(only),
            several => self.together(several, bytes),
        }
    }

    fn thing(&self, rule: &Rule, bytes: &mut Vec<u8>) -> Option<Id> {
        match &rule.what {
            What::Measured(measured) => match &measured.measure {
                Measure::Distinct(fields) => self.together(fields, bytes),
                _ => Some(Id::NONE),
            },
            What::Sequence(_) => Some(Id::NONE),
        }
    }

    fn together(&self, fields: &[Field], bytes: &mut Vec<u8>) -> Option<Id> {
        bytes.clear();
        for field in fields {
            bytes.extend_from_slice(&self.id(field)?.0.to_le_bytes());
        }
        Some(self.ruling.hasher.id(bytes))
    }

    fn id(&self, field: &Field) -> Option<Id> {
        let own = |text: Text| text.is_some().then_some(text.id);
        match field {
            Field::Key => own(self.event.key),
            Field::Client => own(self.event.client),
            Field::Network => own(self.event.network),
            Field::Endpoint => own(self.event.endpoint),
            Field::Agent => own(self.event.agent),
            Field::Source => Some(Id(2 + u64::from(self.event.source.0))),
            field if self.text(field).is_some() => {
                self.text(field).filter(|text| !text.is_empty()).map(|text| self.ruling.hasher.id(&text))
            }
            field => self.number(field).map(|n| self.ruling.hasher.id(&n.to_le_bytes())),
        }
    }

    /// The values that it is grouped by, without secrets.
    fn name(&self, rule: &Rule, names: &mut Names) -> String {
        let mut name = String::new();
        for (place, field) in rule.group.iter().enumerate() {
            if place > 0 {
                name.push('\u{1f}');
            }
            let shown = match (field, self.text(field)) {
                (Field::Session, Some(text)) => names.masked(&text),
                (Field::Parameter(name) | Field::Extra(name), Some(text)) => extra::shown(name, &text, names),
                (_, Some(text)) => sanitize::redact(&lossy(&text)),
                (_, None) => self.number(field).map_or_else(String::new, |n| n.to_string()),
            };
            name.push_str(&sanitize::clip(&shown.replace('\u{1f}', " "), SHOWN));
        }
        clipped(&name).into_owned()
    }

    fn extra(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let extra = &self.seen.record.extra;
        if let Some((_, value)) = extra.iter().find(|(known, _)| *known == name) {
            return Some(Cow::Borrowed(value));
        }
        let place = self.ruling.place(name)?;
        let agreeing = extra.iter().filter_map(|(known, value)| Some((place.agrees(known)?, value)));
        agreeing.min_by_key(|(rank, _)| *rank).map(|(_, value)| Cow::Borrowed(&**value))
    }

    fn consumer(&self) -> Option<&Consumer> {
        if self.ruling.consumers.is_empty() { None } else { self.ruling.consumers.get(&self.event.key.id) }
    }

    /// What a consumer says of itself.
    fn said(&self, fact: impl Fn(&Consumer) -> Option<&String>) -> Option<Cow<'_, [u8]>> {
        self.consumer().and_then(fact).map(|text| Cow::Borrowed(text.as_bytes()))
    }

    /// The environment of the line's source.
    fn here(&self) -> Option<&str> {
        self.ruling.environments.get(usize::from(self.event.source.0))?.as_deref()
    }

    fn is_foreign(&self) -> bool {
        let own = self.consumer().and_then(|consumer| consumer.environment.as_deref());
        let key = self.event.key;
        self.here().is_some_and(|here| key.is_some() && is_foreign(own, self.batch.text(key), here))
    }

    fn is_from_elsewhere(&self) -> bool {
        let Some(consumer) = self.consumer().filter(|consumer| !consumer.networks.is_empty()) else { return false };
        self.address().is_some_and(|ip| !consumer.networks.iter().any(|net| net.contains(&ip)))
    }

    fn is_done_otherwise(&self) -> bool {
        let Some(consumer) = self.consumer().filter(|consumer| !consumer.methods.is_empty()) else { return false };
        let method = self.seen.record.method.as_deref();
        method.is_some_and(|method| !consumer.methods.iter().any(|known| method.eq_ignore_ascii_case(known.as_bytes())))
    }

    fn is_quiet_hour(&self) -> bool {
        let quiet = self.consumer().and_then(|consumer| consumer.quiet_hours.as_ref());
        quiet.is_some_and(|hours| hours.covers(self.weekday(), self.minute()))
    }
}

impl Line for View<'_, '_> {
    fn text(&self, field: &Field) -> Option<Cow<'_, [u8]>> {
        let record = self.seen.record;
        let own = |text: Text| text.is_some().then(|| Cow::Borrowed(self.batch.bytes(text)));
        match field {
            Field::Key => own(self.event.key),
            Field::Client => own(self.event.client),
            Field::Network => own(self.event.network),
            Field::Endpoint => own(self.event.endpoint),
            Field::Agent => own(self.event.agent),
            Field::Source => {
                let name = self.ruling.sources.get(usize::from(self.event.source.0))?;
                Some(Cow::Borrowed(name.as_bytes()))
            }
            Field::Method => known(record.method.as_ref()),
            Field::Target => known(record.target.as_ref()),
            Field::Path => self.path().map(Cow::Borrowed),
            Field::Query => self.seen.target?.query.map(Cow::Borrowed),
            Field::Parameter(name) => self
                .seen
                .target?
                .parameters()
                .find_map(|p| (*percent_decoded(p.name) == *name.as_bytes()).then(|| percent_decoded(p.value))),
            Field::Protocol => known(record.protocol.as_ref()),
            Field::Host => known(record.host.as_ref()),
            Field::Referer => known(record.referer.as_ref()),
            Field::UserAgent => known(record.user_agent.as_ref()),
            Field::User => known(record.user.as_ref()),
            Field::Model => known(record.model.as_ref()),
            Field::Country => known(record.country.as_ref()),
            Field::RequestId => known(record.request_id.as_ref()),
            Field::Tier => self.said(|consumer| consumer.tier.as_ref()),
            Field::Owner => self.said(|consumer| consumer.owner.as_ref()),
            Field::Contact => self.said(|consumer| consumer.contact.as_ref()),
            Field::Environment => self.said(|consumer| consumer.environment.as_ref()),
            Field::SourceEnvironment => self.here().map(|here| Cow::Borrowed(here.as_bytes())),
            Field::Weekday => WEEKDAYS.get(self.weekday()).map(|day| Cow::Borrowed(day.as_bytes())),
            other => self.extra(other.asked()?),
        }
    }

    fn number(&self, field: &Field) -> Option<f64> {
        let (event, record) = (self.event, self.seen.record);
        let counted = |n: u32| (n != Event::UNKNOWN).then_some(f64::from(n));
        match field {
            Field::Status => record.status.map(f64::from),
            Field::BytesIn => record.bytes_in.map(|n| n as f64),
            Field::BytesOut => record.bytes_out.map(|n| n as f64),
            Field::Duration => record.duration,
            Field::TokensIn => counted(event.tokens_in),
            Field::TokensOut => counted(event.tokens_out),
            Field::Tokens => {
                let (read, written) = (counted(event.tokens_in), counted(event.tokens_out));
                read.or(written).map(|_| read.unwrap_or(0.0) + written.unwrap_or(0.0))
            }
            Field::Cost => (!event.cost.is_nan()).then(|| event.cost_or_zero()),
            Field::Hour => {
                let local = event.time + self.ruling.zone.offset(event.time);
                Some(local.bucket(Span::HOUR).rem_euclid(24) as f64)
            }
            Field::Parameter(_) | Field::Extra(_) | Field::UpstreamStatus | Field::UpstreamTime => {
                let text = self.text(field)?;
                std::str::from_utf8(&text).ok()?.trim().parse().ok().filter(|n: &f64| n.is_finite())
            }
            _ => None,
        }
    }

    fn address(&self) -> Option<IpAddr> {
        let (peer, chain) = (self.seen.record.client.as_deref(), self.seen.record.forwarded_for.as_deref());
        match real_client(peer, chain, self.seen.trusted)? {
            Client::Address(ip) => Some(ip),
            Client::Host(_) => None,
        }
    }

    fn flag(&self, field: &Field) -> bool {
        match field {
            Field::Crawler => self.event.flags.has(Flags::CRAWLER),
            Field::Static => self.event.flags.has(Flags::STATIC),
            Field::WrongEnvironment => self.is_foreign(),
            Field::UnexpectedNetwork => self.is_from_elsewhere(),
            Field::UnexpectedMethod => self.is_done_otherwise(),
            Field::QuietHours => self.is_quiet_hour(),
            _ => false,
        }
    }
}
