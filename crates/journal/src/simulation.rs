//! The journal's contract, against a disk that tears, reorders, loses, fails, fills up and rots.
//!
//! Each seed is one history: a random workload, driven on one thread, with crashes at any call. `NHATKY_SEEDS` says how
//! many are run (default 2,000), `NHATKY_SEED` runs one alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use disk::{Disk, Faults, SimDisk, SimRandom};
use event::{
    Clock, Loss, LossCause, ManualClock, Micros, Origin, OwnRecord, Record, Seq, Transport,
};

use crate::error::{AppendError, ReadError};
use crate::journal::open_writer;
use crate::options::Options;
use crate::reader::Reader;
use crate::recover::Recovery;
use crate::writer::{CommitError, Writer};
use crate::{retain, seal, verify};

const DIR: &str = "/data/journal";

#[test]
fn acknowledged_records_survive_whatever_the_disk_does() {
    run("crashes", 0, |seed| History::new(seed, Rot::No).run());
}

#[test]
fn flipped_bits_lose_only_what_is_reported_and_alter_nothing() {
    run("rot", 1 << 32, |seed| History::new(seed, Rot::Yes).run());
}

fn run(name: &str, base: u64, history: impl Fn(u64)) {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    if let Some(seed) = number("NHATKY_SEED") {
        println!("{name}: seed {seed}");
        return history(seed);
    }
    let count = number("NHATKY_SEEDS").unwrap_or(2_000);
    let mut failed = Vec::new();
    for seed in base..base + count {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| history(seed)));
        if caught.is_err() {
            println!("{name}: failed with NHATKY_SEED={seed}");
            failed.push(seed);
        }
        if failed.len() == 20 {
            break;
        }
    }
    assert!(failed.is_empty(), "{name}: failed with seeds {failed:?}");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rot {
    No,
    Yes,
}

/// What was handed over at one time.
struct Attempt {
    at: Duration,
    messages: Vec<Bytes>,
}

struct History {
    random: SimRandom,
    disk: SimDisk,
    clock: Arc<ManualClock>,
    options: Options,
    rot: Rot,
    writer: Option<Writer>,
    /// What must be read back, by Seq.
    kept: BTreeMap<u64, Bytes>,
    /// What was handed over since then. The writer gives up on a full disk only to close; here something else may be
    /// handed over, and of what was given up any part may be on the disk.
    attempts: Vec<Attempt>,
    acknowledged: Seq,
    /// When each Seq was handed over, by the clock that no jump moves.
    handed_over: BTreeMap<u64, Duration>,
    /// What was being dropped when the power failed: it may be there again, whole.
    doomed: BTreeMap<u64, Bytes>,
    /// The reports of losses that were taken note of.
    reports: BTreeSet<(Seq, Bytes)>,
    flipped: bool,
    /// The damaged files that were set aside, as they were after the last start.
    set_aside: BTreeMap<PathBuf, Vec<u8>>,
    messages: u64,
}

impl History {
    fn new(seed: u64, rot: Rot) -> Self {
        let mut random = SimRandom::new(seed);
        let options = Options {
            retention_days: 7,
            reserve_bytes: 0,
            block_bytes: random.pick(&[300, 1000, 4000]),
            segment_bytes: random.pick(&[24 << 10, 40 << 10, 100 << 10]),
            partition_bytes: random.pick(&[4 << 10, 20 << 10, 1 << 30]),
            cache_bytes: random.pick(&[0, 20_000]),
            seal_level: 1,
            ..Options::default()
        };
        Self {
            disk: SimDisk::new(random.bits()),
            random,
            clock: Arc::new(ManualClock::at(Micros(20_000 * Micros::PER_DAY))),
            options,
            rot,
            writer: None,
            kept: BTreeMap::new(),
            attempts: Vec::new(),
            acknowledged: Seq::ZERO,
            handed_over: BTreeMap::new(),
            doomed: BTreeMap::new(),
            reports: BTreeSet::new(),
            flipped: false,
            set_aside: BTreeMap::new(),
            messages: 0,
        }
    }

    fn run(&mut self) {
        self.open();
        for _ in 0..10 + self.random.below(40) {
            self.step();
        }
        self.stop();
        self.open();
        self.check_all();
        self.close();
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..50 => self.append(),
            50..60 => self.idle(),
            60..68 => self.seal(),
            68..73 => self.let_time_pass(),
            73..76 => self.retain(),
            76..80 => {
                let calls = self.random.below(12);
                self.disk.cut_power_after(calls);
            }
            80..83 => self.fail_sometimes(),
            83..86 => self.fill_up(),
            86..90 => self.stop(),
            90..92 => self.close(),
            92..96 => self.check_all(),
            _ => self.verify_running(),
        }
        if self.writer.is_none() {
            self.open();
        }
    }

    // -- what happens --------------------------------------------------------------------------------------------

    fn append(&mut self) {
        let mut batches: Vec<Vec<Record>> = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let count = self.random.below(8);
            batches.push((0..count).map(|_| self.message()).collect());
        }
        if batches.iter().all(Vec::is_empty) {
            return;
        }
        let messages = batches.iter().flatten().map(|record| record.raw.clone());
        self.attempts.push(Attempt {
            at: self.clock.monotonic(),
            messages: messages.collect(),
        });
        let groups: Vec<&[Record]> = batches.iter().map(Vec::as_slice).collect();
        let mut tries = 0;
        loop {
            let writer = self.writer.as_mut().unwrap();
            match writer.commit(&groups) {
                Ok(first) => return self.acknowledge(first),
                Err(CommitError::Full) => {
                    tries += 1;
                    if tries > 3 || self.random.chance(1_000) {
                        return;
                    }
                    self.make_room();
                }
                Err(CommitError::Refused(AppendError::Stopped { .. })) => return self.stop(),
                Err(CommitError::Refused(error)) => panic!("{error}"),
            }
        }
    }

    fn acknowledge(&mut self, first: Seq) {
        assert_eq!(first, self.acknowledged.next());
        let attempt = self.attempts.pop().expect("something was handed over");
        self.attempts.clear();
        for raw in attempt.messages {
            self.acknowledged = self.acknowledged.next();
            self.kept.insert(self.acknowledged.0, raw);
            self.handed_over.insert(self.acknowledged.0, attempt.at);
        }
        let shared = self.writer.as_ref().unwrap().shared();
        assert_eq!(shared.durable(), self.acknowledged);
    }

    fn message(&mut self) -> Record {
        self.messages += 1;
        let origin = Origin {
            transport: Transport::Tcp,
            listener: "test".into(),
            peer: None,
            identity: None,
        };
        let mut raw = format!("message {} ", self.messages).into_bytes();
        for _ in 0..self.random.below(60) {
            raw.extend_from_slice(&self.random.bits().to_le_bytes());
        }
        Record::new(Arc::new(origin), self.clock.now(), raw.into())
    }

    fn idle(&mut self) {
        if self.writer.as_mut().unwrap().idle().is_err() {
            self.stop();
        }
    }

    fn seal(&mut self) {
        let shared = Arc::clone(self.writer.as_ref().unwrap().shared());
        let closing = AtomicBool::new(false);
        while matches!(seal::seal_next(&shared, &closing), Ok(true)) {}
        if self.disk.is_off() {
            self.stop();
        }
    }

    fn let_time_pass(&mut self) {
        let seconds = self.random.pick(&[1, 3_600, 86_400, 8 * 86_400]);
        self.clock.advance(Duration::from_secs(seconds));
        if self.random.chance(2_000) {
            let day = self.random.pick(&[19_990, 19_999, 20_001, 20_015]);
            self.clock.set_wall(Micros(day * Micros::PER_DAY));
        }
    }

    fn retain(&mut self) {
        let writer = self.writer.as_mut().unwrap();
        let shared = Arc::clone(writer.shared());
        let Some(info) = retain::due(&shared, writer.seen_us()) else {
            return;
        };
        let floor = Duration::from_secs(7 * 86_400);
        for (seq, at) in self.handed_over.range(info.first.0..=info.last.0) {
            let age = self.clock.monotonic().saturating_sub(*at);
            assert!(
                age >= floor,
                "record {seq} is dropped at the age of {age:?}"
            );
        }
        let record = retain::dropped(&info).to_record(self.clock.now());
        self.attempts.push(Attempt {
            at: self.clock.monotonic(),
            messages: vec![record.raw.clone()],
        });
        match writer.commit(&[&[record]]) {
            Ok(first) => self.acknowledge(first),
            Err(CommitError::Full) => return,
            Err(CommitError::Refused(_)) => return self.stop(),
        }
        // From here on the partition may be gone, whole, at any time.
        let mut doomed = self.kept.split_off(&info.first.0);
        self.kept.append(&mut doomed.split_off(&info.last.next().0));
        if retain::drop_partition(&shared, info.first).is_err() {
            self.doomed.append(&mut doomed);
            return self.stop();
        }
        let firsts: Vec<Seq> = self.reader().partitions().iter().map(|p| p.first).collect();
        assert!(!firsts.contains(&info.first));
    }

    fn fail_sometimes(&mut self) {
        let mut often = || self.random.pick(&[0, 0, 500, 3_000]);
        self.disk.set_faults(Faults {
            sync_fails: often(),
            write_fails: often(),
            write_full: often(),
            read_fails: 0,
        });
    }

    fn fill_up(&mut self) {
        let used: u64 = self.disk.files().iter().map(|(_, len)| len).sum();
        self.disk.set_capacity(used + self.random.below(60_000));
    }

    fn make_room(&mut self) {
        self.disk.set_capacity(u64::MAX);
        if self.random.chance(5_000) {
            self.disk.set_faults(Faults::default());
        }
    }

    /// The process ends without closing; perhaps the power fails, perhaps a bit rots.
    fn stop(&mut self) {
        self.writer = None;
        if self.disk.is_off() || self.random.chance(6_000) {
            self.disk.cut_power();
            self.disk.restart();
        }
        self.calm();
        if self.rot == Rot::Yes && self.random.chance(3_000) {
            self.flip();
        }
    }

    fn calm(&mut self) {
        self.disk.set_faults(Faults::default());
        self.disk.set_capacity(u64::MAX);
    }

    fn close(&mut self) {
        let closed = self.writer.as_mut().unwrap().close();
        self.writer = None;
        if closed.is_err() || self.disk.is_off() {
            return self.stop();
        }
        self.calm();
        let intact = verify(&self.disk, Path::new(DIR), None).unwrap();
        if !self.flipped {
            assert!(intact.is_intact(), "{intact:?}");
            assert_eq!(intact.span.map(|(_, last)| last), self.last_kept());
        }
        if self.rot == Rot::Yes && self.random.chance(5_000) && self.flip() {
            let report = verify(&self.disk, Path::new(DIR), None).unwrap();
            assert!(!report.is_intact(), "a changed bit was not noticed");
        }
    }

    fn last_kept(&self) -> Option<Seq> {
        (self.acknowledged > Seq::ZERO).then_some(self.acknowledged)
    }

    /// Flips a bit in a file of the journal, if there is one.
    fn flip(&mut self) -> bool {
        let class = format!("{DIR}/default");
        let counts = |(path, len): &(PathBuf, u64)| {
            let name = path.to_string_lossy();
            *len > 0 && path.starts_with(&class) && !name.ends_with(".new")
        };
        let files: Vec<_> = self.disk.files().into_iter().filter(counts).collect();
        if files.is_empty() {
            return false;
        }
        let indices: Vec<usize> = (0..files.len()).collect();
        let (path, len) = &files[self.random.pick(&indices)];
        let at = match self.random.below(3) {
            0 => self.random.below(*len),
            1 => self.random.below((*len).min(4_096)),
            _ => len - 1 - self.random.below((*len).min(300)),
        };
        let bit = self.random.pick(&[0, 1, 2, 3, 4, 5, 6, 7]);
        self.disk.flip_bit(path, at, bit).unwrap();
        self.flipped = true;
        true
    }

    // -- opening, and what must hold then ------------------------------------------------------------------------

    fn open(&mut self) {
        for starts in 0..20 {
            if self.random.chance(2_000) {
                let calls = self.random.below(20);
                self.disk.cut_power_after(calls);
            }
            let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
            let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
            let options = self.options.clone();
            match open_writer(disk, Path::new(DIR), options, clock) {
                Ok((writer, recovery)) => {
                    self.writer = Some(writer);
                    self.check_set_aside(starts == 0 && recovery.losses.is_empty());
                    return self.recovered(&recovery);
                }
                Err(error) => {
                    assert!(self.disk.is_off(), "{error}");
                    self.disk.restart();
                }
            }
        }
        panic!("the journal never opens");
    }

    /// What was set aside stays there, byte for byte unless a repair has just set aside another file of that name.
    fn check_set_aside(&mut self, nothing_repaired: bool) {
        let mut found = BTreeMap::new();
        for (path, _) in self.disk.files() {
            if path.starts_with(format!("{DIR}/quarantine")) {
                let bytes = disk::read(&self.disk, &path, 1 << 30).unwrap();
                found.insert(path, bytes);
            }
        }
        for (path, bytes) in &self.set_aside {
            let kept = found.get(path);
            assert!(kept.is_some(), "{} is gone", path.display());
            assert!(
                !nothing_repaired || kept == Some(bytes),
                "{}",
                path.display()
            );
        }
        self.set_aside = found;
    }

    fn recovered(&mut self, recovery: &Recovery) {
        let reader = self.reader();
        let durable = reader.durable();
        self.read_reports(&reader);
        if self.flipped {
            // Where even the ends of the last segments are damaged, nobody knows how far they went.
            if !recovery.losses.is_empty() {
                self.kept.split_off(&recovery.durable.next().0);
            }
        } else {
            assert!(
                durable >= self.acknowledged,
                "acknowledged records are gone"
            );
            for loss in &recovery.losses {
                assert_eq!(loss.cause, LossCause::TornTail, "{loss:?}");
                assert!(loss.last_good.unwrap() >= self.acknowledged, "{loss:?}");
            }
        }
        self.adopt(&reader, durable);
        if self.random.chance(3_000) {
            self.check_all();
        }
    }

    /// Takes note of what the journal says is lost, and once bits have flipped believes it. A report is believed once,
    /// at the start that made it: it excuses no later loss.
    fn read_reports(&mut self, reader: &Reader) {
        for block in reader.blocks(Seq(1), Seq::MAX) {
            for record in reader.read_block(&block).unwrap_or_default() {
                let Ok(OwnRecord::Loss(loss)) = serde_json::from_slice(&record.raw) else {
                    continue;
                };
                if self.reports.insert((record.seq, record.raw)) && self.flipped {
                    self.excuse_one(&loss);
                }
            }
        }
    }

    fn excuse_one(&mut self, loss: &Loss) {
        let from = loss.last_good.unwrap().next().0;
        let mut lost = self.kept.split_off(&from);
        match loss.cause {
            LossCause::Quarantine => {
                let records = loss.records_max.unwrap();
                self.kept.append(&mut lost.split_off(&(from + records)));
            }
            // What was not attested yet is cut, and its Seqs are given anew.
            LossCause::TornTail => {}
            other => panic!("{other:?}"),
        }
    }

    /// What is there beyond the acknowledged must begin what was handed over, and may be followed by reports.
    fn adopt(&mut self, reader: &Reader, durable: Seq) {
        let known = if self.flipped {
            self.kept.keys().next_back().copied().unwrap_or(0)
        } else {
            self.acknowledged.0
        };
        let mut attempts = std::mem::take(&mut self.attempts);
        let mut reports_begun = false;
        for (at, seq) in (known + 1..=durable.0).enumerate() {
            let record = match reader.get(Seq(seq)) {
                Ok(Some(record)) => record,
                Ok(None) | Err(ReadError::Damaged { .. }) if self.flipped => continue,
                other => panic!("record {seq}: {other:?}"),
            };
            let is_report = matches!(serde_json::from_slice(&record.raw), Ok(OwnRecord::Loss(_)));
            if is_report {
                reports_begun = true;
            } else if !self.flipped {
                assert!(!reports_begun, "a record after the reports");
                attempts.retain(|attempt| attempt.messages.get(at) == Some(&record.raw));
                assert!(!attempts.is_empty(), "record {seq} was not handed over");
            }
            let handed_over = attempts.first().map(|attempt| attempt.at);
            let handed_over = handed_over.unwrap_or(self.clock.monotonic());
            self.kept.insert(seq, record.raw);
            self.handed_over.insert(seq, handed_over);
        }
        self.acknowledged = durable;
    }

    fn reader(&self) -> Reader {
        Reader::new(Arc::clone(self.writer.as_ref().unwrap().shared()))
    }

    /// Reads everything in three ways.
    fn check_all(&mut self) {
        if self.disk.is_off() {
            return;
        }
        let reader = self.reader();
        let mut found = BTreeMap::new();
        for block in reader.blocks(Seq(1), Seq::MAX) {
            match reader.read_block(&block) {
                Ok(records) => {
                    for record in records {
                        let doubled = found.insert(record.seq.0, record.raw);
                        assert_eq!(doubled, None, "record {} twice", record.seq);
                    }
                }
                Err(ReadError::Damaged { .. }) if self.flipped => {}
                Err(ReadError::Io { .. }) if self.disk.is_off() => return,
                Err(error) => panic!("{error}"),
            }
        }
        for (seq, raw) in &found {
            let expected = self.kept.get(seq).or(self.doomed.get(seq));
            assert!(
                expected.is_some() || self.flipped,
                "record {seq} was invented"
            );
            let same = expected.is_none_or(|expected| expected == raw);
            assert!(same, "record {seq} was altered");
        }
        for seq in self.kept.keys() {
            assert!(
                self.flipped || found.contains_key(seq),
                "record {seq} is missing"
            );
        }
        for (seq, raw) in &self.kept {
            match reader.get(Seq(*seq)) {
                Ok(Some(record)) => assert!(record.raw == raw, "record {seq} was altered"),
                Err(ReadError::Damaged { first, last, .. }) if self.flipped => {
                    assert!(first.0 <= *seq && *seq <= last.0);
                }
                other => panic!("record {seq}: {other:?}"),
            }
        }
        self.check_tail(&reader);
    }

    fn check_tail(&self, reader: &Reader) {
        let mut tail = reader.tail(Seq(1));
        let mut last = Seq::ZERO;
        loop {
            match tail.next(Duration::ZERO) {
                Ok(Some(records)) => {
                    for record in records {
                        assert!(record.seq > last);
                        last = record.seq;
                    }
                }
                Ok(None) => break,
                Err(error) => assert!(self.flipped, "{error}"),
            }
        }
        assert_eq!(tail.position(), self.acknowledged.next());
    }

    fn verify_running(&mut self) {
        if self.disk.is_off() {
            return;
        }
        let report = verify(&self.disk, Path::new(DIR), None).unwrap();
        if !self.flipped {
            assert!(report.is_intact(), "{report:?}");
        }
    }
}
