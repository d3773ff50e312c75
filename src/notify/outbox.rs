//! The workers: one per channel, each with its own circuit, so that a slow channel delays no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::health::{ChannelState, ChannelStatus, about_channel};
use super::lane::{Lane, Step, Turned, Verdict};
use super::{ChannelKind, Message, Notifier, Outcome, PaceSettings, Render, Routes, covers};
use crate::event::{Hasher, Severity};
use crate::fault;
use crate::notice::{Notice, NoticeType};
use crate::store::{Held, OutboxRow, Store, StoreError};
use crate::time::{Clock, Span, Timestamp};

/// A message in flight gets this long when the daemon stops.
const GRACE: Span = Span::from_secs(5);
/// The longest sleep: a wall clock that jumped is noticed after it.
const LONGEST_SLEEP: Span = Span::MINUTE;

/// A channel that is ready to send.
#[derive(Clone)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    /// Its kind: what messages for it look like.
    pub kind: ChannelKind,
    /// What sends.
    pub notifier: Arc<dyn Notifier>,
}

/// Sees messages through. Dropping it stops the workers; what waits stays in the store.
pub struct Outbox {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
}

pub(super) struct Shared {
    pub(super) channels: Vec<Channel>,
    pub(super) routes: Routes,
    pub(super) pace: PaceSettings,
    pub(super) store: Arc<Store>,
    pub(super) render: Arc<dyn Render>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) states: Mutex<BTreeMap<String, ChannelState>>,
    /// One bell for each channel.
    pub(super) bells: Vec<Notify>,
    /// Rung for a channel that should be tried at once.
    pub(super) repaired: Mutex<Vec<String>>,
    /// What silence was kept about.
    pub(super) hush: Mutex<Held>,
}

impl Outbox {
    /// Starts the workers on the current tokio runtime. Messages of channels that are no longer configured are given
    /// up, with that reason.
    pub fn start(
        channels: Vec<Channel>,
        routes: Routes,
        pace: PaceSettings,
        store: Arc<Store>,
        render: Arc<dyn Render>,
        clock: Arc<dyn Clock>,
    ) -> Outbox {
        for (number, row) in store.outbox() {
            if !channels.iter().any(|channel| channel.name == row.channel) {
                let why = format!("the channel \"{}\" is no longer configured", row.channel);
                note(&row.channel, store.give_up(number, &why));
            }
        }
        let bells = channels.iter().map(|_| Notify::new()).collect();
        let states = Mutex::new(BTreeMap::new());
        let held = store.held();
        let shared = Arc::new(Shared {
            channels,
            routes,
            pace,
            store,
            render,
            clock,
            states,
            bells,
            repaired: Mutex::new(Vec::new()),
            hush: Mutex::new(held),
        });
        let (stop, stopped) = watch::channel(false);
        let workers = (0..shared.channels.len())
            .map(|index| tokio::spawn(supervise(shared.clone(), index, stopped.clone())))
            .collect();
        Outbox { shared, stop, workers }
    }

    /// The messages that notices lead to, rendered: for [`crate::store::Store::tell`]. Silences and routes are
    /// applied here. A channel that heard of an incident hears its end, whatever the routes say; one that did not is
    /// told of an update as of an opening, and of an end not at all.
    pub fn decide(&self, notices: &[Notice]) -> Vec<OutboxRow> {
        self.shared.decide(notices)
    }

    /// The messages of a daily summary: one for each channel that information is routed to. What is silenced is left out.
    pub fn summarise(&self, notices: &[Notice]) -> Vec<OutboxRow> {
        self.shared.summarise(notices)
    }

    /// Of open incidents those to be told now: what went beyond the ceiling of its silence, and what still goes on when
    /// its silence ends.
    pub fn overdue(&self, open: &[Notice]) -> Vec<Notice> {
        self.shared.overdue(open)
    }

    /// Whether [`Outbox::overdue`] may have an answer.
    pub fn keeps_silence(&self) -> bool {
        self.shared.keeps_silence()
    }

    /// Tells the workers that the store has new messages for them.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Tries a channel at once that waits or is broken; whether there is one by that name.
    pub fn retry_now(&self, channel: &str) -> bool {
        let known = self.shared.channels.iter().any(|c| c.name == channel);
        if known {
            self.shared.repaired.lock().unwrap_or_else(PoisonError::into_inner).push(channel.to_owned());
            self.wake();
        }
        known
    }

    /// How each channel is doing, in the order of the configuration.
    pub fn status(&self) -> Vec<ChannelStatus> {
        self.shared.status()
    }

    /// Stops: a message in flight gets 5 s; what waits stays in the store.
    pub async fn stop(mut self) {
        // No receiver is left only if every worker has ended already.
        let _ = self.stop.send(true);
        for worker in self.workers.drain(..) {
            let _ = worker.await;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.abort();
        }
    }
}

impl Shared {
    fn decide(&self, notices: &[Notice]) -> Vec<OutboxRow> {
        let now = self.clock.now();
        let silences = self.store.silences();
        let mut rows: Vec<OutboxRow> = Vec::new();
        for notice in notices {
            let (silenced, in_spite) = self.hushed(notice, &silences, now);
            self.note_held(notice, silenced);
            for channel in &self.channels {
                let heard = self.store.was_opened(&channel.name, &notice.incident)
                    || rows.iter().any(|row| row.channel == channel.name && row.is_about(&notice.incident));
                let routed = self.routes.rule_leads_to(&channel.name, &notice.rule, notice.severity);
                let mut notice = notice.clone();
                let wanted = match notice.kind {
                    NoticeType::Resolved => heard,
                    // Good news goes where the bad news went.
                    NoticeType::Updated if notice.is_good_news() => heard && !silenced,
                    // What becomes of it after its end is told to those who heard of it.
                    NoticeType::Updated if notice.ended_at.is_some() => heard && routed && !silenced,
                    NoticeType::Opened | NoticeType::Updated => routed && !silenced,
                };
                if !wanted {
                    continue;
                }
                if !heard {
                    notice.kind = NoticeType::Opened;
                }
                if let Some(in_spite) = &in_spite {
                    notice.summary.push_str(in_spite);
                }
                rows.push(self.row(channel, vec![notice], now));
            }
        }
        rows
    }

    fn summarise(&self, notices: &[Notice]) -> Vec<OutboxRow> {
        let now = self.clock.now();
        let silences = self.store.silences();
        let heard = |notice: &&Notice| {
            let windows = self.routes.maintenance.iter().flat_map(|window| window.silences(notice.at));
            !silences.iter().cloned().chain(windows).any(|silence| covers(&silence, notice, now))
        };
        let notices: Vec<Notice> = notices.iter().filter(heard).cloned().collect();
        if notices.is_empty() {
            return Vec::new();
        }
        let channels = self.channels.iter().filter(|c| self.routes.leads_to(&c.name, Severity::Info));
        channels.map(|channel| self.row(channel, notices.clone(), now)).collect()
    }

    fn row(&self, channel: &Channel, mut notices: Vec<Notice>, now: Timestamp) -> OutboxRow {
        let message = match notices.as_slice() {
            [one] if one.kept.is_none() => self.render.message(one, &channel.kind),
            all => self.render.digest(all, &channel.kind),
        };
        // Messages are plain data: they always serialise.
        let message = serde_json::to_string(&message).unwrap_or_default();
        let first = notices.remove(0);
        let mut row = OutboxRow::new(&channel.name, first, message, now);
        row.notices.extend(notices);
        row
    }

    fn wake(&self) {
        for bell in &self.bells {
            bell.notify_one();
        }
    }

    /// Whether somebody asked to try this channel at once; asks only once.
    fn is_repaired(&self, name: &str) -> bool {
        let mut repaired = self.repaired.lock().unwrap_or_else(PoisonError::into_inner);
        let before = repaired.len();
        repaired.retain(|other| other != name);
        repaired.len() < before
    }

    fn status(&self) -> Vec<ChannelStatus> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let status = |channel: &Channel| {
            let (queued, oldest) = self.store.backlog(&channel.name);
            let row = self.store.channel(&channel.name);
            let remembered = row.broken.map(|(since, because)| ChannelState::Broken { since, because });
            ChannelStatus {
                name: channel.name.clone(),
                kind: channel.kind,
                state: states.get(&channel.name).cloned().or(remembered).unwrap_or_default(),
                queued,
                oldest,
                last_delivered: row.last_delivered,
                delivered: row.delivered,
            }
        };
        self.channels.iter().map(status).collect()
    }

    fn show(&self, name: &str, lane: &Lane) {
        let monotonic = self.clock.monotonic();
        let state = match (&lane.broken, lane.waits_until(monotonic)) {
            (Some((since, because)), _) => ChannelState::Broken { since: *since, because: because.clone() },
            (None, Some(until)) => ChannelState::Waiting {
                until: self.clock.now() + (until - monotonic),
                because: lane.last_error.clone().unwrap_or_default(),
            },
            (None, None) => ChannelState::Ok,
        };
        self.states.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), state);
    }

    /// Tells the other channels that one broke or works again.
    fn tell_others(&self, broken: &Channel, since: Timestamp, kind: NoticeType, why: &str) {
        let now = self.clock.now();
        let notice = about_channel(broken, since, now, kind, why);
        let others = self.channels.iter().filter(|channel| channel.name != broken.name);
        let rows = others
            .filter(|channel| kind == NoticeType::Opened || self.store.was_opened(&channel.name, &notice.incident))
            .map(|channel| self.row(channel, vec![notice.clone()], now))
            .collect();
        note(&broken.name, self.store.tell(Vec::new(), rows));
        self.wake();
    }
}

/// Keeps a channel's worker alive: a defect in a template or a sender must not silence it.
async fn supervise(shared: Arc<Shared>, index: usize, stopped: watch::Receiver<bool>) {
    loop {
        // Dropped with this task, the set takes the worker along.
        let mut running = JoinSet::new();
        running.spawn(work(shared.clone(), index, stopped.clone()));
        match running.join_next().await {
            Some(Err(e)) if e.is_panic() => {
                tracing::error!("internal error in the worker of a channel; it is started again");
                tokio::time::sleep(Span::SECOND.to_std()).await;
            }
            _ => return,
        }
    }
}

/// One channel's worker: asks its lane, does as it says, until it is told to stop.
async fn work(shared: Arc<Shared>, index: usize, mut stopped: watch::Receiver<bool>) {
    let (Some(channel), Some(bell)) = (shared.channels.get(index).cloned(), shared.bells.get(index)) else { return };
    let name = &channel.name;
    let seed = Hasher::new(shared.store.secret().hash_seed).id(name.as_bytes()).0;
    let began = (shared.clock.now(), shared.clock.monotonic());
    let mut lane = Lane::new(channel.kind, shared.pace.clone(), shared.store.channel(name), began, seed);
    while !*stopped.borrow() {
        if shared.is_repaired(name) {
            lane.try_now();
            let now = shared.clock.now();
            let waiting: Vec<u64> = shared.store.queued(name).into_iter().map(|(number, _)| number).collect();
            on_disk(&shared, name, move |store| {
                waiting.iter().try_for_each(|number| store.change(*number, |row| row.next_try = now))
            })
            .await;
        }
        let queue = shared.store.queued(name);
        let (now, monotonic) = (shared.clock.now(), shared.clock.monotonic());
        match lane.next(&queue, now, monotonic) {
            Step::Idle => rest(bell, &mut stopped, LONGEST_SLEEP).await,
            Step::Wait(until) => rest(bell, &mut stopped, (until - monotonic).min(LONGEST_SLEEP)).await,
            Step::GiveUp(numbers) => {
                tracing::warn!(channel = %name, messages = numbers.len(), "given up: not accepted for 72 hours");
                on_disk(&shared, name, move |store| {
                    numbers.iter().try_for_each(|number| store.give_up(*number, "not accepted for 72 hours"))
                })
                .await;
            }
            Step::Merge { numbers, groups } => {
                let rows = groups.into_iter().map(|notices| shared.row(&channel, notices, now));
                let mut rows: Vec<OutboxRow> = rows.collect();
                let newest = queue.iter().filter(|(number, _)| numbers.contains(number)).map(|(_, row)| row.decided_at);
                let newest = newest.max().unwrap_or(now);
                // It is as old as the newest word in it: 72 hours count from there.
                for row in &mut rows {
                    row.decided_at = newest;
                }
                let (owned, pace) = (name.clone(), lane.remembered(now, monotonic));
                on_disk(&shared, name, move |store| {
                    store.replace(&numbers, rows)?;
                    store.set_pace(&owned, pace)
                })
                .await;
            }
            Step::Send(number) => {
                let Some((_, row)) = queue.into_iter().find(|(queued, _)| *queued == number) else { continue };
                fault::point("send.before");
                let Some(outcome) = send(&channel, &row, &mut stopped).await else { return };
                fault::point("send.after");
                settle(&shared, &channel, &mut lane, (number, row), outcome).await;
                fault::point("send.settled");
            }
        }
        shared.show(name, &lane);
    }
}

/// Sleeps until there is something to do.
async fn rest(bell: &Notify, stopped: &mut watch::Receiver<bool>, longest: Span) {
    tokio::select! {
        () = tokio::time::sleep(longest.max(Span::from_millis(1)).to_std()) => {}
        () = bell.notified() => {}
        _ = stopped.changed() => {}
    }
}

/// Sends on a task of its own, so that a panic in it is a failed try and not the end of the channel. Nothing is
/// returned if the daemon stops meanwhile: the message goes out again after the next start.
async fn send(channel: &Channel, row: &OutboxRow, stopped: &mut watch::Receiver<bool>) -> Option<Outcome> {
    let Ok(message) = serde_json::from_str::<Message>(&row.message) else {
        return Some(Outcome::GiveUp { why: "the saved message could not be understood".to_owned() });
    };
    let (notifier, settled) = (channel.notifier.clone(), row.settled.clone());
    let mut sending = tokio::spawn(async move { notifier.send(&message, &settled).await });
    let failed = || Outcome::Retry { after: None, why: "an internal error while sending".to_owned() };
    tokio::select! {
        outcome = &mut sending => return Some(outcome.unwrap_or_else(|_| failed())),
        _ = stopped.changed() => {}
    }
    let outcome = tokio::time::timeout(GRACE.to_std(), &mut sending).await;
    sending.abort();
    outcome.ok().map(|outcome| outcome.unwrap_or_else(|_| failed()))
}

/// Writes down how a sending ended.
async fn settle(shared: &Arc<Shared>, channel: &Channel, lane: &mut Lane, sent: (u64, OutboxRow), outcome: Outcome) {
    let (number, row) = sent;
    let name = &channel.name;
    let was_broken = lane.broken.clone();
    if let Outcome::Partly { left: 0, why, .. } = &outcome {
        tracing::warn!(channel = %name, "not accepted for every recipient: {why}");
    }
    let (now, monotonic) = (shared.clock.now(), shared.clock.monotonic());
    let (verdict, turned) = lane.ended(outcome, &row, now, monotonic);
    let (owned, pace) = (name.clone(), lane.remembered(now, monotonic));
    if verdict == Verdict::Delivered {
        on_disk(shared, name, move |store| store.delivered(&owned, &[number], pace)).await;
    } else {
        on_disk(shared, name, move |store| store.set_pace(&owned, pace)).await;
    }
    match verdict {
        Verdict::Delivered => {}
        Verdict::Later { next_try, why, settled } => {
            tracing::info!(channel = %name, "not delivered, tried again at {next_try}: {why}");
            on_disk(shared, name, move |store| {
                store.change(number, |row| {
                    row.attempts = row.attempts.saturating_add(1);
                    row.next_try = next_try;
                    row.last_error = Some(why);
                    row.settled.extend(settled);
                })
            })
            .await;
        }
        Verdict::Plain { why } => {
            let plain = serde_json::from_str::<Message>(&row.message).ok().and_then(Message::into_plain);
            let Some(message) = plain.and_then(|message| serde_json::to_string(&message).ok()) else {
                tracing::warn!(channel = %name, "given up: {why}");
                return on_disk(shared, name, move |store| store.give_up(number, &why)).await;
            };
            tracing::warn!(channel = %name, "refused, sent again as plain text: {why}");
            on_disk(shared, name, move |store| {
                store.change(number, |row| {
                    row.plain = true;
                    row.message = message;
                    row.attempts = row.attempts.saturating_add(1);
                    row.last_error = Some(why);
                })
            })
            .await;
        }
        Verdict::Dead { why } => {
            tracing::warn!(channel = %name, "given up: {why}");
            on_disk(shared, name, move |store| store.give_up(number, &why)).await;
        }
    }
    let (broken, kind, why) = match turned {
        Turned::Same => return,
        Turned::Broken { why } => (lane.broken.clone(), NoticeType::Opened, why),
        Turned::Repaired => (None, NoticeType::Resolved, String::new()),
    };
    let since = broken.as_ref().or(was_broken.as_ref()).map_or_else(|| shared.clock.now(), |(since, _)| *since);
    if kind == NoticeType::Resolved {
        tracing::info!(channel = %name, "works again");
    } else {
        tracing::error!(channel = %name, "broken: {why}");
    }
    let owned = name.clone();
    on_disk(shared, name, move |store| store.set_broken(&owned, broken)).await;
    let (shared, channel) = (shared.clone(), channel.clone());
    // Rendering and writing, off the workers' threads; a panic in a template must not end this channel.
    let _ = tokio::task::spawn_blocking(move || shared.tell_others(&channel, since, kind, &why)).await;
}

/// Writes to the store away from the runtime's threads: a busy disk may take its time.
async fn on_disk(
    shared: &Arc<Shared>,
    channel: &str,
    write: impl FnOnce(&Store) -> Result<(), StoreError> + Send + 'static,
) {
    let store = shared.store.clone();
    if let Ok(written) = tokio::task::spawn_blocking(move || write(&store)).await {
        note(channel, written);
    }
}

/// The store keeps what it could not write and writes it later: only the log hears of it.
fn note(channel: &str, written: Result<(), StoreError>) {
    if let Err(e) = written {
        tracing::warn!(%channel, "kept in memory only: {e}");
    }
}
