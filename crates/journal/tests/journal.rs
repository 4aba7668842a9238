//! The journal on real files: what is appended is read back, over restarts, sealing and closing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::RealDisk;
use event::{Clock, ManualClock, Micros, Origin, Record, Seq, SystemClock};
use journal::{Journal, OpenError, Options, State, Tail};

fn options() -> Options {
    Options {
        reserve_bytes: 0,
        segment_bytes: 64 << 10,
        block_bytes: 4 << 10,
        ..Options::default()
    }
}

fn open(dir: &Path, clock: Arc<dyn Clock>) -> Journal {
    Journal::open(Arc::new(RealDisk), dir, options(), clock).expect("a journal that opens")
}

fn records(from: u64, count: u64) -> Vec<Record> {
    let origin = Arc::new(Origin::own());
    let record = |n: u64| {
        let raw = Bytes::from(format!("record {n} {}", "x".repeat(usize::from(n as u8))));
        Record::new(Arc::clone(&origin), Micros(n as i64), raw)
    };
    (from..from + count).map(record).collect()
}

fn numbered(from: u64, count: u64) -> Vec<Record> {
    let mut records = records(from, count);
    for (record, seq) in records.iter_mut().zip(from..) {
        record.seq = Seq(seq);
    }
    records
}

fn follow(tail: &mut Tail, until: Seq) -> Vec<Record> {
    let mut all = Vec::new();
    while tail.position() <= until {
        let next = tail.next(Duration::from_secs(20)).expect("sound blocks");
        all.extend(next.expect("records arrive in time"));
    }
    all
}

#[test]
fn what_was_appended_is_read_back_after_restarts() {
    let dir = tempfile::tempdir().expect("a temp dir");
    let mut appended = 0;
    for round in 0..3 {
        let journal = open(dir.path(), Arc::new(SystemClock::new()));
        assert!(journal.recovery().losses.is_empty());
        assert_eq!(journal.recovery().durable, Seq(appended));
        for _ in 0..20 {
            let range = journal
                .appender()
                .append(records(appended + 1, 50))
                .unwrap();
            assert_eq!(
                (range.first, range.last()),
                (Seq(appended + 1), Seq(appended + 50))
            );
            appended += 50;
        }
        let reader = journal.reader();
        let all = follow(&mut reader.tail(Seq(1)), Seq(appended));
        assert_eq!(all, numbered(1, appended));
        let some: Vec<Seq> = (1..=appended).step_by(7).map(Seq).collect();
        let found = reader.get_many(&some).unwrap();
        assert_eq!(found.iter().map(|r| r.seq).collect::<Vec<_>>(), some);
        let mut raws = Vec::new();
        let holds_all = |bytes: &[u8]| bytes.len() > 50;
        let scanned = reader.each_raw(&some, holds_all, |seq, raw, passed| {
            assert!(passed);
            raws.push((seq, raw.to_vec()));
        });
        scanned.unwrap();
        let found = found.iter().map(|r| (r.seq, r.raw.to_vec()));
        assert_eq!(raws, found.collect::<Vec<_>>());
        assert_eq!(reader.get(Seq(appended + 1)).unwrap(), None);
        let partitions = reader.partitions();
        assert_eq!(partitions.len(), 1);
        assert_eq!(
            (partitions[0].first, partitions[0].last),
            (Seq(1), Seq(appended))
        );
        match round {
            2 => drop(journal),
            _ => journal.close().unwrap(),
        }
    }
}

#[test]
fn sealed_segments_give_the_same_records_through_old_block_references() {
    let dir = tempfile::tempdir().expect("a temp dir");
    let journal = open(dir.path(), Arc::new(SystemClock::new()));
    let reader = journal.reader();
    for n in 0..40 {
        journal.appender().append(records(n * 50 + 1, 50)).unwrap();
    }
    let blocks = reader.blocks(Seq(10), Seq(1990));
    let sealed = || {
        let is_sealed = |path: &Path| path.extension().is_some_and(|e| e == "sealed");
        let partition = std::fs::read_dir(dir.path().join("default/0000000000000001"));
        partition
            .unwrap()
            .any(|entry| is_sealed(&entry.unwrap().path()))
    };
    let mut waited = 0;
    while journal.status().segments_to_seal > 0 || !sealed() {
        waited += 1;
        assert!(waited < 2000, "sealing takes too long");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let mut all = Vec::new();
    for block in &blocks {
        all.extend(reader.read_block(block).unwrap());
    }
    assert_eq!(all, numbered(1, 1990)[9..]);
    journal.close().unwrap();

    let journal = open(dir.path(), Arc::new(SystemClock::new()));
    let all = follow(&mut journal.reader().tail(Seq(1)), Seq(2000));
    assert_eq!(all, numbered(1, 2000));
}

#[test]
fn a_partition_closes_with_its_day_in_either_direction() {
    let dir = tempfile::tempdir().expect("a temp dir");
    let clock = Arc::new(ManualClock::at(Micros(10 * Micros::PER_DAY)));
    let journal = open(dir.path(), Arc::clone(&clock) as Arc<dyn Clock>);
    for day in [10, 11, 11, 9] {
        clock.set_wall(Micros(day * Micros::PER_DAY));
        journal.appender().append(records(1, 10)).unwrap();
    }
    let reader = journal.reader();
    let firsts: Vec<Seq> = reader.partitions().iter().map(|p| p.first).collect();
    assert_eq!(firsts, [Seq(1), Seq(11), Seq(31)]);
    assert_eq!(reader.partition_of(Seq(30)), Some(Seq(11)));
    assert_eq!(reader.partition_of(Seq(31)), Some(Seq(31)));
}

#[test]
fn everybody_who_submits_is_told_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a temp dir");
    let journal = open(dir.path(), Arc::new(SystemClock::new()));
    let (sender, receiver) = std::sync::mpsc::sync_channel(1000);
    for n in 0..100 {
        let sender = sender.clone();
        let done = Box::new(move |result: Result<journal::SeqRange, _>| {
            sender.send((n, result.unwrap().first)).unwrap();
        });
        journal.appender().submit(records(1, 3), done);
    }
    let told: Vec<_> = (0..100).map(|_| receiver.recv().unwrap()).collect();
    let expected: Vec<_> = (0..100).map(|n| (n, Seq(n * 3 + 1))).collect();
    assert_eq!(told, expected);
    let appender = journal.appender();
    let reader = journal.reader();
    journal.close().unwrap();
    assert!(appender.append(records(1, 1)).is_err());
    assert_eq!(reader.get(Seq(300)).unwrap().unwrap().raw, "record 3 xxx");
}

#[test]
fn retention_below_the_legal_floor_is_refused() {
    let dir = tempfile::tempdir().expect("a temp dir");
    let options = Options {
        retention_days: 6,
        ..options()
    };
    let clock = Arc::new(SystemClock::new());
    let error = Journal::open(Arc::new(RealDisk), dir.path(), options, clock).unwrap_err();
    assert!(matches!(error, OpenError::RetentionTooShort { days: 6 }));
}

#[test]
fn the_status_counts() {
    let dir = tempfile::tempdir().expect("a temp dir");
    let journal = open(dir.path(), Arc::new(SystemClock::new()));
    journal.appender().append(records(1, 10)).unwrap();
    assert_eq!(journal.appender().append(Vec::new()).unwrap().len, 0);
    let status = journal.status();
    assert_eq!(status.state, State::Running);
    assert_eq!((status.durable, status.records), (Seq(10), 10));
    assert!(status.raw_bytes > 0 && status.stored_bytes > 0 && status.sync.count >= 1);
}
