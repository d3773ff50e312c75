//! Stories: each begins somewhere in the life of a town, adds something to it, and says what is true.

use std::path::Path;

use super::baseline::Alarm;
use super::label::Label;
use super::people::{Size, town};
use super::play::Play;
use super::score::{Run, score, score_alarms};
use super::shape::{DAY, HOUR, MINUTE};
use super::stage::{Kept, Stage};
use super::world::World;
use super::write::{self, Form};

/// How long the town has been watched when a story begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum History {
    /// The log begins with the story.
    None,
    Hour,
    /// Twenty hours.
    Day,
    Days3,
    Days6,
    /// Fifteen days; nine in the small town.
    Long,
}

/// A story.
pub struct Story {
    pub name: &'static str,
    pub history: History,
    /// Part of the short form.
    pub short: bool,
    pub tell: fn(&mut Play),
}

/// A Monday, 00:00 in the service's zone. Europe's clocks go forward twenty days later.
pub const MONDAY: i64 = 1_773_010_800_000;

/// Where stories begin: an hour of a working day in which everybody works.
const CLOCK: i64 = 9 * HOUR + 40 * MINUTE;

/// A town and how it was after each length of history.
pub struct Town {
    seed: u64,
    kept: Vec<(History, f64, Kept)>,
    /// What was told while it was raised: nothing should have been.
    pub raised: Run,
}

impl Town {
    /// Lets a town live for as long as the longest history.
    pub fn raise(seed: u64, size: Size) -> Self {
        Town::raise_to(seed, size, History::Long)
    }

    /// The same for no longer than it takes.
    pub fn raise_to(seed: u64, size: Size, last: History) -> Self {
        let begin = MONDAY + 8 * HOUR;
        let mut stage = Stage::new(town(seed, size, begin));
        let mut kept = Vec::new();
        for (history, age) in ages(size).into_iter().filter(|(history, _)| *history <= last) {
            stage.run_until(begin + age);
            kept.push((history, age as f64 / DAY as f64, stage.keep()));
        }
        let mut raised = score(super::report::RAISED, seed, &[], &stage.changes);
        let alarms: Vec<Alarm> = std::mem::take(&mut stage.alarms);
        score_alarms(&mut raised, &alarms, &stage.key_names());
        raised.length = stage.world.now - begin;
        raised.events = stage.feed.events;
        Town { seed, kept, raised }
    }

    /// The beginning of a story.
    pub fn begin(&self, story: &Story) -> (&Kept, Play) {
        let (_, age, kept) = self.kept.iter().find(|k| k.0 == story.history).expect("every history is kept");
        let world: World = kept.world.clone();
        (kept, Play::new(world, *age, story.name))
    }

    /// Tells a story and scores what was told about it.
    pub fn tell(&self, story: &Story) -> Run {
        let (kept, mut play) = self.begin(story);
        (story.tell)(&mut play);
        let Play { world, labels, start, until, .. } = play;
        let mut stage = Stage::resume(kept, world);
        stage.run_until(until);
        stage.finish();
        let mut run = score(story.name, self.seed, &labels, &stage.changes);
        score_alarms(&mut run, &stage.alarms, &stage.key_names());
        run.length = until - start;
        run.events = stage.feed.events;
        run
    }
}

/// Writes the traffic of a story and of all that came before it; how many lines, and what is true.
///
/// # Errors
/// What the file system says.
pub fn write(story: &Story, seed: u64, size: Size, form: Form, folder: &Path) -> std::io::Result<(u64, Vec<Label>)> {
    let begin = MONDAY + 8 * HOUR;
    let age = ages(size).into_iter().find(|a| a.0 == story.history).map_or(0, |a| a.1);
    // What a story adds depends on how the town is when it begins: once to get there, once to write.
    let mut ahead = town(seed, size, begin);
    let mut calls = Vec::new();
    while ahead.now < begin + age {
        ahead.minute(&mut calls);
    }
    let mut play = Play::new(ahead, age as f64 / DAY as f64, story.name);
    (story.tell)(&mut play);
    let mut world = town(seed, size, begin);
    let before = write::write(&mut world, begin + age, form, folder, false)?;
    let after = write::write(&mut play.world, play.until, form, folder, true)?;
    Ok((before + after, play.labels))
}

/// Lengths of history, in milliseconds.
fn ages(size: Size) -> [(History, i64); 6] {
    let long = if size == Size::Small { 9 } else { 15 };
    [
        (History::None, 0),
        (History::Hour, HOUR),
        (History::Day, 20 * HOUR),
        (History::Days3, 2 * DAY + CLOCK - 8 * HOUR),
        (History::Days6, 7 * DAY + CLOCK - 8 * HOUR),
        (History::Long, long * DAY + CLOCK - 8 * HOUR),
    ]
}

/// All stories, in the order of the report.
pub fn all() -> Vec<&'static Story> {
    use super::{
        stories_bursts, stories_days, stories_errors, stories_leaks, stories_loops, stories_ordinary, stories_probes,
        stories_rest, stories_sizes, stories_travel, stories_users, stories_young,
    };
    [
        stories_ordinary::STORIES,
        stories_bursts::STORIES,
        stories_errors::STORIES,
        stories_leaks::STORIES,
        stories_loops::STORIES,
        stories_rest::STORIES,
        stories_probes::STORIES,
        stories_sizes::STORIES,
        stories_users::STORIES,
        stories_travel::STORIES,
        stories_days::STORIES,
        stories_young::STORIES,
    ]
    .into_iter()
    .flatten()
    .collect()
}
