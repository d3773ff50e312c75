//! What is remembered of a subject that is active enough to be judged.

use serde::{Deserialize, Serialize};

use crate::measure::failures::{Failures, most_lately};
use crate::measure::mix::Mix;
use crate::measure::normal::{Normal, Surroundings};
use crate::measure::ring::{Counts, Ring, TICK, When};
use crate::time::{Span, Timestamp};

/// The longest window that is judged between minutes.
pub(super) const FIVE: Span = Span::from_mins(5);

/// What is remembered of a subject that is active enough to be judged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Full {
    /// Requests.
    pub counts: Counts,
    /// The usual.
    pub normal: Normal,
    /// Failures by class, where there were any.
    pub failures: [Option<Box<Failures>>; 4],
    /// Which keys (of an endpoint, client, source or the site).
    pub keys: Mix,
    /// Which endpoints (of a key, client, source or the site).
    pub endpoints: Mix,
    /// Which clients.
    pub clients: Mix,
    /// Which agents.
    pub agents: Mix,
    /// Requests of the current local day, and at most in 5 and 60 minutes of it: for the comparison with peers.
    pub today: Today,
    /// Whether the next three hold: they were made from the classes once, and take every failure since.
    #[serde(skip)]
    known: bool,
    /// No failure is newer than this.
    #[serde(skip)]
    pub(super) failed_at: Timestamp,
    /// Failures of all classes by hour, the newest two.
    #[serde(skip)]
    failed: Ring<2>,
    /// The same by five minutes.
    #[serde(skip)]
    failed_lately: Ring<3>,
    /// No class of failures is in an incident; false where nobody has looked.
    #[serde(skip)]
    sound: bool,
}

/// The current local day of a subject.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Today {
    /// Local day number.
    pub day: i64,
    /// Requests so far.
    pub requests: u32,
    /// Largest 5-minute total so far.
    pub five: u32,
    /// Largest 60-minute total so far.
    pub sixty: u32,
    /// Days on which it was active, this one included.
    pub active_days: u16,
    /// Whether an incident touched the day: such days are not entered among the peers.
    pub incident: bool,
}

impl Today {
    /// Notes totals over 5 and 60 minutes.
    pub fn reach(&mut self, five: u32, sixty: u32) {
        self.five = self.five.max(five);
        self.sixty = self.sixty.max(sixty);
    }
}

impl Full {
    pub(super) fn new(t: Timestamp) -> Self {
        Full {
            counts: Counts::default(),
            normal: Normal::new(t),
            failures: [None, None, None, None],
            keys: Mix::default(),
            endpoints: Mix::default(),
            clients: Mix::default(),
            agents: Mix::default(),
            today: Today::default(),
            known: false,
            failed_at: Timestamp::MIN,
            failed: Ring::default(),
            failed_lately: Ring::default(),
            sound: false,
        }
    }

    /// Takes over what another stream of the same requests is made of, and how they fail.
    pub(super) fn take_parts(&mut self, other: &Full) {
        self.failures.clone_from(&other.failures);
        self.keys.clone_from(&other.keys);
        self.endpoints.clone_from(&other.endpoints);
        self.clients.clone_from(&other.clients);
        self.agents.clone_from(&other.agents);
        (self.sound, self.known) = (false, false);
    }

    /// Notes whether some class of failures may be in an incident.
    pub fn note_sound(&mut self, sound: bool) {
        if sound && !self.sound && !self.known {
            self.known = true;
            self.failed_at = self.failures.iter().flatten().map(|f| f.newest()).max().unwrap_or(Timestamp::MIN);
            (self.failed, self.failed_lately) = (Ring::default(), Ring::default());
            for failures in self.failures.iter().flatten() {
                failures.add_hours_to(&mut self.failed);
                failures.add_fives_to(&mut self.failed_lately);
            }
        }
        self.sound = sound;
    }

    /// Notes a failure of any class.
    pub(super) fn note_failure(&mut self, when: &When) {
        self.failed_at = self.failed_at.max(when.time);
        self.failed.add(when.hour(), 1);
        self.failed_lately.add(when.time.bucket(FIVE), 1);
    }

    /// Whether no class of failures is in an incident, and all of them together hold fewer than `floor` failures in the
    /// five minutes that end with tick `tick`.
    pub fn fails_little_lately(&self, tick: i64, floor: f64) -> bool {
        let of = |tick: i64| Timestamp::of_bucket(tick, TICK).bucket(FIVE);
        let (first, last) = (of(tick - 29), of(tick));
        // What lies further back is not known any more.
        self.sound && self.failed_lately.newest() <= first + 2 && (self.failed_lately.sum(first, last) as f64) < floor
    }

    /// Whether no class of failures is in an incident, and all of them together hold fewer than `floor` failures in the hour
    /// of minutes that ends with `minute`, and so in any shorter window.
    pub fn fails_little(&self, minute: i64, floor: f64) -> bool {
        self.sound && most_lately(&self.failed, minute).is_some_and(|most| (most as f64) < floor)
    }

    /// Whether no class of failures is in an incident, and none holds a failure at or after `since`.
    pub fn is_sound_since(&self, since: Timestamp) -> bool {
        self.sound && self.failed_at < since
    }

    /// Reads a little of everything that counting an event changes; the answer means nothing.
    pub(super) fn warm(&self, when: &When) -> u64 {
        let mixes = self.keys.warm() ^ self.endpoints.warm() ^ self.clients.warm() ^ self.agents.warm();
        u64::from(self.counts.warm(when)) ^ mixes ^ u64::from(self.today.requests) ^ self.normal.learned_hour() as u64
    }
}

impl Full {
    /// Learns everything up to the hour before `t`.
    pub fn learn(&mut self, t: Timestamp, around: &Surroundings<'_>) {
        for failures in self.failures.iter_mut().flatten() {
            failures.learn(&self.counts, t);
        }
        self.normal.learn(&self.counts, t, around);
    }
}
