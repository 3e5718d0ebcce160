//! Files that were cut or whose bits have changed: the main file, and the write-ahead log.

use crate::{
    judge::{Original, Seen},
    life::{self, Seeded},
    writer::Still,
};
use kaizen_engine::shell::Store;
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

const RUNS: i64 = 24;
const PAGE: usize = 4_096;
const FRAME: usize = PAGE + 24;

/// A journal as its files are: the write-ahead log is empty where it was closed.
struct Files {
    main: Vec<u8>,
    wal: Vec<u8>,
}

/// How a journal is left before it is damaged.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Left {
    /// Everything is in the main file.
    Closed,
    /// Nothing was ever copied out of the write-ahead log.
    Logged,
    /// As a killed process leaves it: the later half of the runs is in the write-ahead log.
    Open,
    /// The same, but that half has been copied into the main file as well.
    Copied,
}

struct Case {
    folder: tempfile::TempDir,
    original: Original,
    files: Files,
    seen: BTreeMap<&'static str, u32>,
}

impl Case {
    /// Runs that have each come another way.
    fn new(left: Left, runs: i64) -> Case {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("original.db");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = Store::open(&journal, Arc::new(Still)).unwrap();
        let checkpoint = |mode: &str| {
            let raw = rusqlite::Connection::open(&journal).unwrap();
            let sql = format!("PRAGMA wal_checkpoint({mode})");
            raw.query_row(&sql, [], |_| Ok(())).unwrap();
        };
        let stops = |number: i64| usize::try_from(number * 7 % 10).unwrap();
        runtime.block_on(life::live(&store, 1..=runs / 2, stops));
        if left == Left::Copied || left == Left::Open {
            checkpoint("TRUNCATE");
        }
        runtime.block_on(life::live(&store, runs / 2 + 1..=runs, stops));
        let read = || Files {
            main: fs::read(&journal).unwrap(),
            wal: fs::read(journal.with_extension("db-wal")).unwrap_or_default(),
        };
        if left == Left::Copied {
            checkpoint("PASSIVE");
        }
        let open = (left != Left::Closed).then(read);
        drop(store);
        let original = Original::read(&journal);
        let files = open.unwrap_or_else(read);
        assert_eq!(files.wal.is_empty(), left == Left::Closed);
        Case { folder, original, files, seen: BTreeMap::new() }
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("damaged.db")
    }

    /// Judges the journal with these bytes in the place of its own.
    fn with(&mut self, main: Option<&[u8]>, wal: Option<&[u8]>, what: &str) -> Seen {
        let journal = self.write(main, wal);
        let seen = self.original.judge(&journal, what);
        let word = match seen {
            Seen::Refused => "refused",
            Seen::Named => "named",
            Seen::Prefix(_) => "prefix",
            Seen::Same => "same",
        };
        *self.seen.entry(word).or_default() += 1;
        seen
    }

    fn write(&self, main: Option<&[u8]>, wal: Option<&[u8]>) -> PathBuf {
        let journal = self.journal();
        let beside = |ending: &str| journal.with_extension(ending);
        for file in [journal.clone(), beside("db-wal"), beside("db-shm")] {
            let _ = fs::remove_file(file);
        }
        fs::write(&journal, main.unwrap_or(&self.files.main)).unwrap();
        let wal = wal.unwrap_or(&self.files.wal);
        if !wal.is_empty() {
            fs::write(beside("db-wal"), wal).unwrap();
        }
        journal
    }

    fn report(&self, what: &str) {
        let (main, wal) = (self.files.main.len() / 1024, self.files.wal.len() / 1024);
        let events = self.original.events();
        println!("{what} ({events} events, {main} KiB, log {wal} KiB): {:?}", self.seen);
    }
}

fn cases(usual: u64) -> u64 {
    let asked = std::env::var("KAIZEN_FAULT_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(usual)
}

/// What happens to bytes on a disk: a bit, a byte, a sector.
fn damage(bytes: &mut [u8], seeded: &mut Seeded, header: usize, unit: usize) -> String {
    let mut at = seeded.place(bytes.len());
    // Every third hits the beginning of a page, where what a page is and holds is written.
    if seeded.below(3) == 0 {
        at = (at / unit * unit + header + seeded.place(64)).min(bytes.len() - 1);
    }
    match seeded.below(8) {
        0 => {
            let to = (at / 512 * 512 + 512).min(bytes.len());
            bytes[at / 512 * 512..to].fill(0);
            format!("the sector at {} is empty", at / 512 * 512)
        }
        1 => {
            bytes[at] = u8::try_from(seeded.below(256)).unwrap();
            format!("byte {at} is {}", bytes[at])
        }
        _ => {
            let bit = seeded.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} is flipped")
        }
    }
}

#[test]
fn a_main_file_that_was_cut_is_refused_or_named() {
    let mut case = Case::new(Left::Closed, RUNS);
    let whole = case.files.main.clone();
    let pages = (1..whole.len() / PAGE).map(|page| page * PAGE);
    let mut seeded = Seeded::new(3);
    let odd: Vec<_> = (0..cases(60)).map(|_| seeded.place(whole.len())).collect();
    for length in pages.chain(odd).chain([0, 1, 16, 99, 100, 101, 511, 512, 513]) {
        let seen = case.with(Some(&whole[..length]), None, &format!("cut at {length}"));
        assert!(seen < Seen::Prefix(0), "cut at {length} of {}: {seen:?}", whole.len());
    }
    assert_eq!(case.with(None, None, "untouched"), Seen::Same);
    case.report("main file cut");
}

#[test]
fn a_main_file_with_changed_bits_is_never_misread() {
    let mut case = Case::new(Left::Closed, RUNS);
    for number in 0..cases(500) {
        let mut bytes = case.files.main.clone();
        let what = damage(&mut bytes, &mut Seeded::new(number), 0, PAGE);
        let seen = case.with(Some(&bytes), None, &format!("{number}: {what}"));
        assert!(!matches!(seen, Seen::Prefix(_)), "{number}: {what}: {seen:?}");
    }
    assert!(case.seen["named"] > 0 && case.seen["refused"] > 0, "{:?}", case.seen);
    case.report("main file damaged");
}

/// Cut at the ends of its frames and elsewhere.
fn cut_logs(left: Left, runs: i64) -> Case {
    let mut case = Case::new(left, runs);
    let whole = case.files.wal.clone();
    let mut seeded = Seeded::new(5);
    let frames = u64::try_from(whole.len() / FRAME).unwrap();
    let ends = (0..cases(60)).map(|_| 32 + usize::try_from(seeded.below(frames)).unwrap() * FRAME);
    let mut lengths: Vec<_> = ends.collect();
    lengths.extend((0..cases(60)).map(|_| seeded.place(whole.len())));
    lengths.extend([0, 1, 31, 32, 33, whole.len() - 1]);
    for length in lengths {
        case.with(None, Some(&whole[..length]), &format!("{left:?}: log cut at {length}"));
    }
    case
}

fn damaged_logs(left: Left, runs: i64) -> Case {
    let mut case = Case::new(left, runs);
    for number in 0..cases(200) {
        let mut bytes = case.files.wal.clone();
        let what = damage(&mut bytes, &mut Seeded::new(number), 32, FRAME);
        case.with(None, Some(&bytes), &format!("{left:?}: {number}: log: {what}"));
    }
    case
}

/// Nothing but the last commits is lost, and nothing in the journal can tell: only a head that was
/// kept elsewhere.
#[test]
fn a_log_that_lost_its_tail_leaves_a_whole_prefix() {
    for (left, runs) in [(Left::Logged, 12), (Left::Open, RUNS)] {
        for (what, case) in [("cut", cut_logs(left, runs)), ("damaged", damaged_logs(left, runs))] {
            case.report(&format!("log {what}, {left:?}"));
            assert!(case.seen["prefix"] > 100, "{:?}", case.seen);
            assert_eq!(case.seen.get("named"), None);
        }
    }
}

/// A log whose beginning is older than the main file mixes two times.
#[test]
fn a_cut_log_that_was_copied_already_is_never_misread() {
    for (what, case) in
        [("cut", cut_logs(Left::Copied, RUNS)), ("damaged", damaged_logs(Left::Copied, RUNS))]
    {
        case.report(&format!("log {what}, Copied"));
        assert!(case.seen.contains_key("named"), "{:?}", case.seen);
    }
}

/// Of any damage the intact beginning comes back, and nothing else.
#[test]
fn what_is_salvaged_is_the_beginning_of_what_there_was() {
    let case = Case::new(Left::Closed, RUNS);
    let events = case.original.events();
    let (mut whole, mut part, mut none, mut sum, mut seen) = (0, 0, 0, 0, 0);
    for number in 0..cases(100) {
        let mut bytes = case.files.main.clone();
        let mut seeded = Seeded::new(20_000 + number);
        let mut what = damage(&mut bytes, &mut seeded, 0, PAGE);
        if number % 4 == 0 {
            bytes.truncate((1 + seeded.place(bytes.len())).next_multiple_of(PAGE));
            what += &format!(", and cut at {}", bytes.len());
        }
        let journal = case.write(Some(&bytes), None);
        match case.original.salvaged(&journal, &format!("{number}: {what}")) {
            Some((copied, _)) if copied == events => whole += 1,
            Some((copied, of)) => {
                part += 1;
                sum += copied;
                seen += of;
            }
            None => none += 1,
        }
    }
    assert!(whole > 0 && part > 0, "{whole} whole, {part} in part, {none} not at all");
    let share = sum * 100 / (part * events);
    println!(
        "salvaged: {whole} whole, {part} in part ({share} % of the events, {sum} of {seen} that \
         could be read), {none} not at all"
    );
}
