//! Cuts, crashes and damage: what is there after the next start, and what is said about the rest.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::InMemoryBackend;

use super::*;
use crate::event::Severity;
use crate::notice::sample::notice;
use crate::time::ManualClock;

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::parse("2026-11-21T06:00:00Z").unwrap())
}

fn row(incident: &str, kind: NoticeType) -> OutboxRow {
    OutboxRow::new("ops", notice(incident, kind), format!("\"{incident}\""), clock().now())
}

fn opened(incident: &str) -> Vec<IncidentRow> {
    vec![IncidentRow::new(notice(incident, NoticeType::Opened), clock().now())]
}

/// Tells, and then makes a cut, as a session does.
fn cut(store: &Store, state: &str, incident: &str) -> Result<(), StoreError> {
    let told = store.tell(opened(incident), vec![row(incident, NoticeType::Opened)]);
    store.cut(state.as_bytes().to_vec(), store.clock.now())?;
    told
}

fn open(dir: &Path) -> (Store, Recovery) {
    Store::open(dir, Settings::default(), Arc::new(clock())).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn incidents_owed(store: &Store) -> Vec<String> {
    store.queued("ops").into_iter().map(|(_, row)| row.notices[0].incident.clone()).collect()
}

#[test]
fn a_cut_comes_back_whole_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state");
    let (store, recovery) = open(&dir);
    assert!(recovery.first_start && recovery.lost.is_empty() && recovery.state.is_none());
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(dir.join("secret")).unwrap().permissions().mode() & 0o777, 0o600);
    let secret = store.secret().clone();
    cut(&store, "one", "A").unwrap();
    cut(&store, "two", "B").unwrap();
    // For ever is longer than a calendar can write.
    let silence = Silence { subject: Some("key acme".into()), until: Timestamp::MAX, ..Silence::default() };
    let id = store.add_silence(silence).unwrap();
    drop(store);

    let (store, recovery) = open(&dir);
    assert_eq!(recovery.state.as_deref(), Some(&b"two"[..]));
    assert!(recovery.lost.is_empty() && !recovery.first_start, "{:?}", recovery.lost);
    assert_eq!(incidents_owed(&store), ["A", "B"]);
    assert_eq!(store.open_incidents().len(), 2);
    assert_eq!(store.incidents(10).unwrap()[0].notice.incident, "B");
    assert_eq!(store.incident("A").unwrap().unwrap().notice.title, notice("A", NoticeType::Opened).title);
    assert_eq!(store.silences()[0].id, id);
    assert_eq!(store.secret(), &secret);
    assert_eq!(format!("{secret:?}"), "Secret(…)");
    assert!(store.remove_silence(id).unwrap());
    assert!(!store.remove_silence(id).unwrap());
}

#[test]
fn a_crash_between_the_steps_leaves_the_cut_before_or_the_cut_after() {
    let dir = tempfile::tempdir().unwrap();
    let (live, dead) = (dir.path().join("live"), dir.path().join("dead"));
    let (store, _) = open(&live);
    cut(&store, "one", "A").unwrap();
    // The machine dies after the snapshot was renamed and before the journal's commit.
    copy(&live, &dead);
    cut(&store, "two", "B").unwrap();
    fs::copy(snapshot::path(&live, 2), snapshot::path(&dead, 2)).unwrap();
    fs::write(dead.join("state-000000000003.snap.tmp"), b"half").unwrap();
    let (after, recovery) = open(&dead);
    assert_eq!(recovery.state.as_deref(), Some(&b"one"[..]));
    assert_eq!(incidents_owed(&after), ["A"]);
    assert!(recovery.lost.is_empty(), "{:?}", recovery.lost);
    assert!(!dead.join("state-000000000003.snap.tmp").exists());
    // The lines are read again, the same is decided again, and the cut is made once more.
    cut(&after, "two", "B").unwrap();
    assert_eq!(incidents_owed(&after), ["A", "B"]);
    drop(after);
    assert_eq!(open(&dead).1.state.as_deref(), Some(&b"two"[..]));
    // A copy while the daemon runs is what `kill -9` leaves: nothing was closed.
    let killed = dir.path().join("killed");
    copy(&live, &killed);
    let (after, recovery) = open(&killed);
    assert_eq!(recovery.state.as_deref(), Some(&b"two"[..]));
    assert!(recovery.lost.is_empty(), "{:?}", recovery.lost);
    assert_eq!(incidents_owed(&after), ["A", "B"]);
}

#[test]
fn what_was_told_is_not_told_again_even_from_an_older_state() {
    let store = Store::in_memory(Arc::new(clock())).unwrap();
    cut(&store, "one", "A").unwrap();
    let number = store.queued("ops")[0].0;
    store.delivered("ops", &[number], PaceRow::default()).unwrap();
    cut(&store, "one", "A").unwrap();
    assert!(store.queued("ops").is_empty());
    assert!(store.was_opened("ops", "A") && !store.was_opened("mail", "A") && !store.was_opened("ops", "B"));
    store.tell(Vec::new(), vec![row("A", NoticeType::Resolved), row("A", NoticeType::Resolved)]).unwrap();
    assert_eq!(store.queued("ops").len(), 1);
    assert_eq!(store.channel("ops").delivered, 1);
}

#[test]
fn old_snapshots_are_removed_but_three_hourly_ones() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let (store, _) = Store::open(dir.path(), Settings::default(), Arc::new(clock.clone())).unwrap();
    for _ in 0..60 {
        cut(&store, "state", "A").unwrap();
        clock.advance(Span::from_mins(5));
    }
    // Cuts 37, 49 and … began an hour; 60 is the current one.
    assert_eq!(snapshot::generations(dir.path()), [25, 37, 49, 60]);
    assert_eq!(store.stats().generation, 60);
    assert!(store.stats().bytes > 0);
}

#[test]
fn a_run_that_was_cut_short_is_known_from_one_that_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (store, recovery) = open(dir.path());
    assert!(!recovery.cut_short, "the first start");
    cut(&store, "one", "A").unwrap();
    drop(store);
    let (store, recovery) = open(dir.path());
    assert!(recovery.cut_short, "it never said that it ended");
    cut(&store, "two", "A").unwrap();
    store.close().unwrap();
    drop(store);
    let (store, recovery) = open(dir.path());
    assert!(!recovery.cut_short);
    cut(&store, "three", "A").unwrap();
    drop(store);
    assert!(open(dir.path()).1.cut_short);
}

#[test]
fn a_second_daemon_is_refused_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let refused = Store::open(dir.path(), Settings::default(), Arc::new(clock())).err().unwrap().to_string();
    assert!(refused.contains("another lapwing") && refused.contains(&std::process::id().to_string()), "{refused}");
    drop(store);
    open(dir.path());
}

#[test]
fn a_newer_version_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    cut(&open(dir.path()).0, "one", "A").unwrap();
    // Said by the version file, or by a snapshot alone.
    let file = snapshot::path(dir.path(), 1);
    let bytes = fs::read(&file).unwrap();
    let mut newer = bytes.clone();
    newer[8] = 9;
    let sum = seal::checksum(&newer[..64]);
    newer[64..72].copy_from_slice(&sum.to_le_bytes());
    fs::write(&file, newer).unwrap();
    let refused = Store::open(dir.path(), Settings::default(), Arc::new(clock())).err().unwrap();
    assert!(matches!(refused, StoreError::Newer { found: 9, .. }), "{refused}");
    fs::write(&file, bytes).unwrap();
    fs::write(dir.path().join("VERSION"), "lapwing state 2\n").unwrap();
    let files = |dir: &Path| {
        let mut all: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .map(|p| (p.clone(), fs::read(p).unwrap_or_default()))
            .collect();
        all.sort();
        all
    };
    let before = files(dir.path());
    let refused = Store::open(dir.path(), Settings::default(), Arc::new(clock())).err().unwrap();
    assert!(matches!(refused, StoreError::Newer { found: 2, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("newer version"));
    assert_eq!(files(dir.path()), before);
}

type Damage = fn(&mut Vec<u8>);

#[test]
fn every_kind_of_damage_to_every_file_is_survived_and_told() {
    let home = tempfile::tempdir().unwrap();
    let good = home.path().join("good");
    let clock = clock();
    {
        let (store, _) = Store::open(&good, Settings::default(), Arc::new(clock.clone())).unwrap();
        cut(&store, "old", "A").unwrap();
        clock.advance(Span::from_hours(2));
        cut(&store, "new", "B").unwrap();
    }
    let damages: [(&str, Damage); 6] = [
        ("bit", |b| {
            let at = b.len() / 2;
            b[at] ^= 1;
        }),
        ("first byte", |b| b[0] ^= 0xff),
        ("cut", |b| b.truncate(b.len() / 2)),
        ("empty", Vec::clear),
        ("garbage", |b| b.iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 131 % 251) as u8)),
        ("zeroes", |b| {
            let (from, to) = (b.len() / 4, b.len() / 2);
            b[from..to].fill(0);
        }),
    ];
    for file in ["journal.redb", "state-000000000002.snap", "state-000000000001.snap", "secret", "VERSION", "lock"] {
        for (name, damage) in damages {
            let dir = home.path().join(format!("{file}-{name}"));
            copy(&good, &dir);
            let mut bytes = fs::read(dir.join(file)).unwrap();
            let whole = bytes.clone();
            damage(&mut bytes);
            fs::write(dir.join(file), &bytes).unwrap();
            let (store, recovery) = open(&dir);
            let what = format!("{file} {name}: {:?}", recovery.lost);
            // Nothing is ever deleted: what was set aside is there, byte for byte as far as it was not opened.
            assert!(recovery.quarantined.iter().all(|path| path.exists()), "{what}");
            match file {
                "state-000000000002.snap" => {
                    assert_eq!(recovery.state.as_deref(), Some(&b"old"[..]), "{what}");
                    assert!(recovery.lost[0].contains("damaged") && recovery.lost[1].contains("going on"), "{what}");
                    assert_eq!(fs::read(&recovery.quarantined[0]).unwrap(), bytes);
                }
                "journal.redb" => {
                    assert_eq!(recovery.state.as_deref(), Some(&b"new"[..]), "{what}");
                    // Damage in pages that hold nothing is no loss, and nothing is said.
                    assert!(recovery.lost.is_empty() || recovery.lost[0].contains("journal"), "{what}");
                    assert!(name == "bit" || name == "zeroes" || !recovery.lost.is_empty(), "{what}");
                }
                "secret" => {
                    assert_eq!(Secret::unsealed(&whole).as_ref(), Some(store.secret()), "{what}");
                    assert!(!recovery.lost.is_empty(), "{what}");
                    assert_eq!(recovery.state.as_deref(), Some(&b"new"[..]), "{what}");
                }
                _ => assert_eq!(recovery.state.as_deref(), Some(&b"new"[..]), "{what}"),
            }
            assert_eq!(incidents_owed(&store), ["A", "B"], "{what}");
            cut(&store, "newer", "C").unwrap();
            drop(store);
            let (store, recovery) = open(&dir);
            assert_eq!(recovery.state.as_deref(), Some(&b"newer"[..]), "{what}");
            assert!(recovery.lost.is_empty(), "told once: {what}, then {:?}", recovery.lost);
            assert_eq!(incidents_owed(&store), ["A", "B", "C"], "{what}");
        }
    }
}

/// A damage at one of twenty places; `None` where it makes no difference which.
type DamageAt = fn(&mut Vec<u8>, usize);

const DAMAGES: [(&str, DamageAt, usize); 6] = [
    ("bit", |b, at| b[at] ^= 1 << (at % 8), PLACES),
    ("block", |b, at| b[at..].iter_mut().take(512).for_each(|byte| *byte ^= 0x5A), PLACES),
    ("zero page", |b, at| b[at..].iter_mut().take(4096).for_each(|byte| *byte = 0), PLACES),
    ("tail cut", |b, at| b.truncate(at), PLACES),
    ("garbage tail", |b, at| b.extend((0..at as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)), PLACES),
    ("empty", |b, _| b.clear(), 1),
];
const PLACES: usize = 20;

#[test]
fn every_file_damaged_at_twenty_places_is_survived_and_nothing_is_deleted() {
    let home = tempfile::tempdir().unwrap();
    let good = home.path().join("good");
    let clock = clock();
    {
        let (store, _) = Store::open(&good, Settings::default(), Arc::new(clock.clone())).unwrap();
        cut(&store, &"old state ".repeat(900), "A").unwrap();
        clock.advance(Span::from_hours(2));
        cut(&store, &"new state ".repeat(900), "B").unwrap();
    }
    let files: Vec<String> = fs::read_dir(&good)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != directory::QUARANTINE)
        .collect();
    assert!(files.len() >= 6, "{files:?}");
    let dir = home.path().join("damaged");
    let mut told = 0;
    for file in &files {
        let whole = fs::read(good.join(file)).unwrap();
        let missing = [("missing", None)].into_iter();
        let damages =
            DAMAGES.iter().flat_map(|(name, damage, places)| (0..*places).map(move |n| (*name, Some((damage, n)))));
        for (name, damage) in damages.chain(missing) {
            copy(&good, &dir);
            let what = format!("{file}: {name} {:?}", damage.map(|(_, place)| place));
            match damage {
                None => fs::remove_file(dir.join(file)).unwrap(),
                Some((damage, place)) => {
                    let mut bytes = whole.clone();
                    damage(&mut bytes, whole.len() * place / PLACES);
                    fs::write(dir.join(file), bytes).unwrap();
                }
            }
            let (store, recovery) = open(&dir);
            let what = format!("{what}: {:?}", recovery.lost);
            told += usize::from(!recovery.lost.is_empty());
            assert!(recovery.quarantined.iter().all(|path| path.exists()), "{what}");
            for path in &recovery.quarantined {
                let name = path.file_name().unwrap().to_string_lossy();
                assert!(name.starts_with("2026-11-21T"), "a dated name: {name}");
            }
            // One damaged file costs at most the newest state, and never a message that is owed.
            let state = recovery.state.as_deref().unwrap_or_default();
            let old = state.starts_with(b"old state") && file == "state-000000000002.snap";
            assert!(state.starts_with(b"new state") || old, "{what}");
            assert!(!old || !recovery.lost.is_empty(), "{what}");
            assert_eq!(incidents_owed(&store), ["A", "B"], "{what}");
            assert_eq!(store.open_incidents().len(), 2, "{what}");
            drop(store);
            fs::remove_dir_all(&dir).unwrap();
        }
    }
    assert!(told > 80, "most of it is told: {told}");
}

#[test]
fn without_journal_and_with_nothing_whole_it_starts_empty_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    cut(&open(dir.path()).0, "one", "A").unwrap();
    fs::write(snapshot::path(dir.path(), 1), b"garbage").unwrap();
    fs::write(dir.path().join("journal.redb"), b"garbage").unwrap();
    let (store, recovery) = open(dir.path());
    assert!(recovery.state.is_none() && !recovery.first_start);
    assert!(recovery.lost.iter().any(|words| words.contains("messages still owed")), "{:?}", recovery.lost);
    cut(&store, "two", "B").unwrap();
    drop(store);
    fs::remove_file(dir.path().join("journal.redb")).unwrap();
    let (store, recovery) = open(dir.path());
    assert!(recovery.lost[0].contains("missing"), "{:?}", recovery.lost);
    assert_eq!(recovery.state.as_deref(), Some(&b"two"[..]));
    assert_eq!(incidents_owed(&store), ["B"]);
}

#[test]
fn a_directory_that_cannot_be_written_stops_neither_deciding_nor_telling() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    cut(&store, "one", "A").unwrap();
    // Whoever runs the test, root included, cannot write a file where a directory stands.
    let obstacle = dir.path().join("state-000000000002.snap.tmp");
    fs::create_dir(&obstacle).unwrap();
    let error = cut(&store, "two", "B").unwrap_err().to_string();
    assert!(error.contains("could not write"), "{error}");
    assert_eq!(incidents_owed(&store), ["A", "B"]);
    assert!(store.stats().failing.is_some());
    fs::remove_dir(&obstacle).unwrap();
    cut(&store, "three", "C").unwrap();
    assert!(store.stats().failing.is_none());
    drop(store);
    let (store, recovery) = open(dir.path());
    assert_eq!(recovery.state.as_deref(), Some(&b"three"[..]));
    assert_eq!(incidents_owed(&store), ["A", "B", "C"]);
}

#[test]
fn a_directory_that_vanished_is_made_again_with_everything_in_memory() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("state");
    let (store, _) = open(&dir);
    cut(&store, "one", "A").unwrap();
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, b"in the way").unwrap();
    assert!(cut(&store, "two", "B").is_err());
    assert!(cut(&store, "two", "B").is_err());
    assert_eq!(incidents_owed(&store), ["A", "B"]);
    fs::remove_file(&dir).unwrap();
    cut(&store, "three", "C").unwrap();
    assert!(Store::open(&dir, Settings::default(), Arc::new(clock())).is_err(), "the lock is held again");
    let secret = store.secret().clone();
    drop(store);
    let (store, recovery) = open(&dir);
    assert_eq!(recovery.state.as_deref(), Some(&b"three"[..]));
    assert!(recovery.lost.is_empty(), "{:?}", recovery.lost);
    assert_eq!(incidents_owed(&store), ["A", "B", "C"]);
    assert_eq!(store.open_incidents().len(), 3);
    assert_eq!(store.secret(), &secret);
}

/// Storage that is full while it is told so.
#[derive(Debug)]
struct Disk {
    inner: InMemoryBackend,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn refuse(&self) -> Result<(), io::Error> {
        if self.full.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> Result<u64, io::Error> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.refuse()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.refuse()?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.refuse()?;
        self.inner.write(offset, data)
    }
}

#[test]
fn a_full_disk_is_an_error_and_marks_still_hold() {
    let full = Arc::new(AtomicBool::new(false));
    let disk = Disk { inner: InMemoryBackend::new(), full: full.clone() };
    let journal = Journal::on_backend(disk).unwrap();
    let secret = Secret::create().unwrap();
    let store = Store::assemble(None, Settings::default(), Arc::new(clock()), secret, journal, Mirror::default(), None);
    cut(&store, "one", "A").unwrap();
    full.store(true, Ordering::SeqCst);
    let error = cut(&store, "two", "B").unwrap_err().to_string();
    assert!(error.contains("journal"), "{error}");
    let numbers: Vec<u64> = store.queued("ops").iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.len(), 2);
    assert!(store.delivered("ops", &numbers, PaceRow::default()).is_err());
    assert!(store.queued("ops").is_empty(), "what was sent is not sent again");
    assert!(store.stats().failing.is_some());
}

#[test]
fn too_many_messages_give_up_the_least_important_oldest_one() {
    let clock = clock();
    let mut store = Store::in_memory(Arc::new(clock)).unwrap();
    store.settings.outbox_rows = 3;
    let mut critical = row("A", NoticeType::Opened);
    critical.notices[0].severity = Severity::Critical;
    store.tell(Vec::new(), vec![critical]).unwrap();
    for incident in ["B", "C", "D", "E"] {
        store.tell(Vec::new(), vec![row(incident, NoticeType::Opened)]).unwrap();
    }
    assert_eq!(incidents_owed(&store), ["A", "D", "E"]);
    assert_eq!(store.stats().shed, 2);
    let dead = store.dead_letters();
    assert_eq!(dead.len(), 2);
    assert!(dead[0].1.last_error.as_ref().unwrap().contains("too many"));
    assert!(store.revive(dead[0].0).unwrap());
    assert_eq!(store.queued("ops").len(), 4);
}

#[test]
fn messages_are_marked_merged_and_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    store
        .tell(
            Vec::new(),
            vec![row("A", NoticeType::Opened), row("B", NoticeType::Opened), row("C", NoticeType::Opened)],
        )
        .unwrap();
    let numbers: Vec<u64> = store.queued("ops").iter().map(|(number, _)| *number).collect();
    store.failed(numbers[0], clock().now() + Span::MINUTE, "it was refused").unwrap();
    assert_eq!(store.due("ops").len(), 2);
    let mut digest = row("B", NoticeType::Opened);
    digest.notices.push(notice("C", NoticeType::Opened));
    store.replace(&numbers[1..], vec![digest]).unwrap();
    store.give_up(numbers[0], "tried for 72 hours").unwrap();
    store.set_broken("ops", Some((clock().now(), "403".to_owned()))).unwrap();
    drop(store);
    let (store, _) = open(dir.path());
    let queued = store.queued("ops");
    assert_eq!(queued.len(), 1);
    assert_eq!((queued[0].0, queued[0].1.notices.len()), (numbers[1], 2));
    assert_eq!(store.dead_letters()[0].1.last_error.as_deref(), Some("tried for 72 hours"));
    assert_eq!(store.channel("ops").broken.unwrap().1, "403");
    assert_eq!(store.backlog("ops"), (1, Some(clock().now())));
}

#[test]
fn history_is_bounded_and_open_incidents_stay() {
    let clock = clock();
    let mut store = Store::in_memory(Arc::new(clock)).unwrap();
    store.settings.incidents = 10;
    for number in 0..50 {
        let kind = if number == 0 { NoticeType::Opened } else { NoticeType::Resolved };
        let incidents = vec![IncidentRow::new(notice(&format!("{number:03}"), kind), Timestamp::default())];
        store.tell(incidents, Vec::new()).unwrap();
    }
    let kept: Vec<String> = store.incidents(100).unwrap().into_iter().map(|row| row.notice.incident).collect();
    assert_eq!(kept.len(), 10);
    assert_eq!((kept[0].as_str(), kept[9].as_str()), ("049", "000"));
}

#[test]
fn numbers_that_are_none_do_not_cost_the_message() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path());
    let mut strange = notice("A", NoticeType::Opened);
    strange.observed = f64::NAN;
    strange.expected = f64::INFINITY;
    strange.impact.cost = Some(f64::NAN);
    store.tell(Vec::new(), vec![OutboxRow::new("ops", strange, String::new(), clock().now())]).unwrap();
    drop(store);
    let (store, recovery) = open(dir.path());
    assert!(recovery.lost.is_empty());
    assert_eq!(incidents_owed(&store), ["A"]);
}
