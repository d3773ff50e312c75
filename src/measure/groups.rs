//! The groups of one of the users' rules, in bounded memory: who was silent longest gives way.

use hashbrown::HashTable;
use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::few::Few;
use super::window::Window;
use crate::event::{Id, SubjectKind};
use crate::time::Timestamp;

/// What is known of a group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum State {
    Window(Window),
    Chain(Chain),
}

/// What an incident of a group has come to.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Harm {
    /// When it began.
    pub since: Timestamp,
    /// When it was last seen to go on.
    pub active: Timestamp,
    /// Lines since then,
    pub requests: u64,
    /// failed ones among them,
    pub errors: u64,
    /// and what they cost.
    pub cost: f64,
    /// How often a sequence came about.
    pub times: u64,
}

/// One group.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// What it is grouped under.
    pub id: Id,
    /// The subject of its incidents: kind, id and name.
    pub subject: (SubjectKind, Id, Box<str>),
    /// What else it is grouped by that has a name of its own.
    pub also: Vec<(SubjectKind, Id)>,
    /// The values it is grouped by, `\u{1f}` between them; empty where the subject's name says it all.
    pub name: Box<str>,
    /// When its last line came.
    pub last: Timestamp,
    /// What is known of it.
    pub state: State,
    /// The endpoints that its lines were about,
    pub endpoints: Few,
    /// and the clients that they came from.
    pub clients: Few,
    /// What goes on.
    pub harm: Option<Harm>,
    /// It is not told again before.
    pub quiet_until: Timestamp,
}

impl Group {
    fn bytes(&self) -> usize {
        let state = match &self.state {
            State::Window(window) => window.bytes(),
            State::Chain(chain) => chain.bytes(),
        };
        size_of::<Group>()
            + self.subject.2.len()
            + self.name.len()
            + self.also.capacity() * 16
            + 16
            + state
            + self.endpoints.bytes()
            + self.clients.bytes()
    }
}

/// All groups of one rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub struct Groups {
    /// What the rule counts, as a hash: one that counts other things begins anew.
    pub shape: Id,
    /// Since when everything was seen of groups that are not known; `None` before the first line.
    pub watched: Option<Timestamp>,
    /// Groups that had to give way.
    pub evicted: u64,
    groups: Vec<Group>,
    #[serde(skip)]
    index: HashTable<u32>,
    #[serde(skip)]
    bytes: usize,
}

/// The saved form: index and sum are made anew.
#[derive(Deserialize)]
struct Saved {
    shape: Id,
    watched: Option<Timestamp>,
    evicted: u64,
    groups: Vec<Group>,
}

impl From<Saved> for Groups {
    fn from(saved: Saved) -> Self {
        let mut groups =
            Groups { watched: saved.watched, evicted: saved.evicted, groups: saved.groups, ..Groups::new(saved.shape) };
        groups.reindex();
        groups
    }
}

impl Groups {
    /// Of a rule that counts this.
    pub fn new(shape: Id) -> Self {
        Groups { shape, watched: None, evicted: 0, groups: Vec::new(), index: HashTable::new(), bytes: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.bytes + self.index.capacity() * 5
    }

    /// The place of a group.
    pub fn find(&self, id: Id) -> Option<usize> {
        self.index.find(id.0, |&i| self.groups.get(i as usize).is_some_and(|g| g.id == id)).map(|&i| i as usize)
    }

    /// One group by its place.
    pub fn get(&self, place: usize) -> Option<&Group> {
        self.groups.get(place)
    }

    /// Changes one group, and keeps the books of memory.
    pub fn change<T>(&mut self, place: usize, change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let group = self.groups.get_mut(place)?;
        let before = group.bytes();
        let result = change(group);
        let after = group.bytes();
        self.bytes = (self.bytes + after).saturating_sub(before);
        Some(result)
    }

    /// Adds a group that is not there yet; its place.
    pub fn insert(&mut self, group: Group) -> usize {
        let place = self.groups.len();
        self.bytes += group.bytes();
        let id = group.id;
        self.groups.push(group);
        let groups = &self.groups;
        self.index.insert_unique(id.0, place as u32, |&i| groups.get(i as usize).map_or(0, |g| g.id.0));
        place
    }

    /// Makes room where there are more groups than `most` or more bytes than `bytes`: an eighth of them goes, those that
    /// were silent longest, and those about which something is told last. Places change.
    pub fn make_room(&mut self, most: usize, bytes: usize) {
        while !self.groups.is_empty() && (self.groups.len() > most || self.bytes() > bytes) {
            let leaving = (self.groups.len() / 8).max(self.groups.len().saturating_sub(most)).max(1);
            self.groups.sort_by_key(|g| (g.harm.is_none(), std::cmp::Reverse(g.last), g.id));
            let staying = self.groups.len() - leaving.min(self.groups.len());
            for group in self.groups.drain(staying..) {
                self.evicted += 1;
                // What it did before is forgotten, so nobody can say what it did not do.
                self.watched = self.watched.max(Some(group.last));
            }
            self.reindex();
        }
    }

    /// Keeps the groups that `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&mut Group) -> bool) {
        let before = self.groups.len();
        self.groups.retain_mut(|group| keep(group));
        if self.groups.len() != before {
            self.reindex();
        }
    }

    fn reindex(&mut self) {
        self.groups.shrink_to(self.groups.len() * 2);
        self.bytes = self.groups.iter().map(Group::bytes).sum();
        self.index.clear();
        let groups = &self.groups;
        for (place, group) in groups.iter().enumerate() {
            let hash = |&i: &u32| groups.get(i as usize).map_or(0, |g: &Group| g.id.0);
            self.index.insert_unique(group.id.0, place as u32, hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn group(id: u64, last: i64) -> Group {
        Group {
            id: Id(id),
            subject: (SubjectKind::Key, Id(id), format!("key {id}").into()),
            also: Vec::new(),
            name: "".into(),
            last: Timestamp::from_secs(last),
            state: State::Chain(Chain::new(Timestamp::from_secs(0))),
            endpoints: Few::default(),
            clients: Few::default(),
            harm: None,
            quiet_until: Timestamp::MIN,
        }
    }

    #[test]
    fn who_was_silent_longest_gives_way_and_what_is_told_stays() {
        let mut groups = Groups::new(Id(1));
        for id in 1..=1000 {
            let mut one = group(id, id as i64);
            one.harm = (id == 3).then(Harm::default);
            groups.insert(one);
        }
        groups.make_room(1000, usize::MAX);
        assert_eq!((groups.len(), groups.evicted), (1000, 0));
        groups.insert(group(1001, 1001));
        groups.make_room(1000, usize::MAX);
        assert_eq!((groups.len(), groups.evicted), (876, 125));
        assert!(groups.find(Id(3)).is_some() && groups.find(Id(4)).is_none() && groups.find(Id(1001)).is_some());
        assert_eq!(groups.watched, Some(Timestamp::from_secs(126)), "of what is forgotten nothing is said");
        let bytes = groups.bytes();
        groups.make_room(1000, bytes / 2);
        assert!(groups.bytes() <= bytes / 2 && groups.len() > 300);
        let saved = postcard::to_stdvec(&groups).unwrap();
        let again: Groups = postcard::from_bytes(&saved).unwrap();
        let place = again.find(Id(1001)).unwrap();
        assert_eq!((again.len(), again.get(place)), (groups.len(), groups.get(groups.find(Id(1001)).unwrap())));
        groups.make_room(0, 0);
        assert!(groups.is_empty());
    }

    #[test]
    fn the_books_of_memory_agree_after_changes() {
        let mut groups = Groups::new(Id(1));
        let place = groups.insert(group(1, 1));
        let before = groups.bytes();
        groups.change(place, |g| g.name = "x".repeat(100).into());
        assert_eq!(groups.bytes(), before + 100);
        groups.retain(|g| g.last > Timestamp::from_secs(5) - Span::SECOND);
        assert!(groups.is_empty() && groups.find(Id(1)).is_none());
    }
}
