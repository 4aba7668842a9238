//! Verification on real files: a sound journal passes, and any single changed byte, anywhere in it, is found.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::RealDisk;
use event::{Clock, ManualClock, Micros, Origin, Record, Seq};
use journal::{Journal, Options, verify};

fn day(day: i64) -> Micros {
    Micros(day * Micros::PER_DAY)
}

fn record(n: i64) -> Record {
    let raw = Bytes::from(format!("record {n} {}", "ab".repeat(40)));
    Record::new(Arc::new(Origin::own()), day(n), raw)
}

fn open(dir: &Path, clock: &Arc<ManualClock>) -> Journal {
    let options = Options {
        reserve_bytes: 0,
        segment_bytes: 64 << 10,
        block_bytes: 500,
        ..Options::default()
    };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Journal::open(Arc::new(RealDisk), dir, options, clock).expect("a journal that opens")
}

/// A closed journal of two partitions, the first sealed, the second hot.
fn closed_journal(dir: &Path) {
    let clock = Arc::new(ManualClock::at(day(100)));
    let journal = open(dir, &clock);
    for n in 0..3 {
        let records = (0..4).map(|_| record(n)).collect();
        journal.appender().append(records).expect("appended");
    }
    clock.set_wall(day(101));
    let records = (0..9).map(record).collect();
    journal.appender().append(records).expect("appended");
    let mut waited = 0;
    while !journal.reader().partitions().first().expect("two").sealed {
        waited += 1;
        assert!(waited < 2000, "sealing takes too long");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    journal.close().expect("closed");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files
}

#[test]
fn any_changed_byte_is_found() {
    let dir = tempfile::tempdir().expect("a temp dir");
    closed_journal(dir.path());
    let sound = verify(&RealDisk, dir.path(), None).unwrap();
    assert!(sound.is_intact(), "{sound:?}");
    assert_eq!(
        (sound.partitions, sound.segments, sound.records),
        (2, 2, 21)
    );
    assert_eq!(sound.span, Some((Seq(1), Seq(21))));

    let files = files(dir.path());
    assert_eq!(files.len(), 2);
    for path in files {
        let file = std::fs::File::options();
        let file = file.clone().read(true).write(true).open(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for (at, byte) in bytes.iter().enumerate() {
            let bit = 1 << (at % 8);
            file.write_all_at(&[byte ^ bit], at as u64).unwrap();
            let report = verify(&RealDisk, dir.path(), None).unwrap();
            assert!(!report.is_intact(), "byte {at} of {}", path.display());
            let failure = report.failures.first().expect("a failure");
            assert_eq!(failure.path, path, "byte {at}");
            file.write_all_at(&[*byte], at as u64).unwrap();
        }
        for len in [0, 4096, bytes.len() - 4096, bytes.len() - 1] {
            file.set_len(len as u64).unwrap();
            let report = verify(&RealDisk, dir.path(), None).unwrap();
            assert!(!report.is_intact(), "cut to {len}: {}", path.display());
            file.set_len(bytes.len() as u64).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
        }
    }
    assert!(verify(&RealDisk, dir.path(), None).unwrap().is_intact());
}

#[test]
fn the_first_record_that_fails_is_named() {
    let dir = tempfile::tempdir().expect("a temp dir");
    closed_journal(dir.path());
    let hot = dir.path().join("default/0000000000000013/000000.hot");
    let file = std::fs::File::options().write(true).open(&hot).unwrap();
    // The second block of the second partition: it holds four records of about 150 bytes to the first block's four.
    file.write_all_at(b"!", 2 * 4096 + 200).unwrap();
    let report = verify(&RealDisk, dir.path(), None).unwrap();
    let failure = report.failures.first().unwrap();
    assert_eq!((&failure.path, failure.bytes.start), (&hot, 2 * 4096));
    assert_eq!(failure.seq, Some(Seq(17)));
    assert!(
        failure.to_string().contains("from record 17 on"),
        "{failure}"
    );
}

#[test]
fn a_missing_segment_and_a_foreign_file_are_found() {
    let dir = tempfile::tempdir().expect("a temp dir");
    closed_journal(dir.path());
    let foreign = dir.path().join("default/note.txt");
    std::fs::write(&foreign, "hello").unwrap();
    assert_eq!(
        verify(&RealDisk, dir.path(), None).unwrap().failures[0].path,
        foreign
    );
    std::fs::remove_file(foreign).unwrap();

    std::fs::remove_dir_all(dir.path().join("default/0000000000000001")).unwrap();
    let report = verify(&RealDisk, dir.path(), None).unwrap();
    assert!(
        report.is_intact(),
        "the oldest partition may have been dropped"
    );
    assert_eq!(report.span, Some((Seq(13), Seq(21))));
}

#[test]
fn since_leaves_older_sealed_partitions_out() {
    let dir = tempfile::tempdir().expect("a temp dir");
    closed_journal(dir.path());
    let report = verify(&RealDisk, dir.path(), Some(day(5))).unwrap();
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(
        (report.partitions_skipped, report.partitions, report.records),
        (1, 1, 9)
    );
}

#[test]
fn verification_changes_nothing_and_a_damaged_journal_still_opens() {
    let dir = tempfile::tempdir().expect("a temp dir");
    closed_journal(dir.path());
    let hot = dir.path().join("default/0000000000000013/000000.hot");
    let file = std::fs::File::options().write(true).open(&hot).unwrap();
    file.write_all_at(b"!", 2 * 4096 + 200).unwrap();
    let before = std::fs::read(&hot).unwrap();
    assert!(!verify(&RealDisk, dir.path(), None).unwrap().is_intact());
    assert_eq!(std::fs::read(&hot).unwrap(), before);

    let clock = Arc::new(ManualClock::at(day(101)));
    let journal = open(dir.path(), &clock);
    let loss = journal.recovery().losses.first().unwrap();
    assert_eq!((loss.last_good, loss.records_max), (Some(Seq(16)), Some(4)));
    assert_eq!(journal.reader().get(Seq(16)).unwrap().unwrap().seq, Seq(16));
    assert_eq!(journal.reader().get(Seq(17)).unwrap(), None);
    assert_eq!(journal.reader().get(Seq(21)).unwrap().unwrap().seq, Seq(21));
    let said = journal.reader().get(Seq(22)).unwrap().unwrap();
    assert!(
        said.raw
            .starts_with(br#"{"nhatky":"loss","cause":"quarantine""#)
    );
    journal.close().unwrap();
    let kept = dir.path().join("quarantine/0000000000000013-000000.hot");
    assert_eq!(std::fs::read(kept).unwrap(), before);
    let report = verify(&RealDisk, dir.path(), None).unwrap();
    assert_eq!(
        (report.failure_count, report.gaps.as_slice()),
        (0, &[(Seq(17), Seq(20))][..])
    );
    assert!(!report.is_intact());

    let journal = open(dir.path(), &clock);
    assert!(
        journal.recovery().losses.is_empty(),
        "what is set aside is reported once"
    );
}
