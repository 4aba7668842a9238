//! What a start makes of one damaged place, told apart from everything else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use disk::{Disk, SimDisk};
use event::{Clock, LossCause, ManualClock, Micros, Origin, Record, Seq};
use journal::{Journal, Options, verify};

const DAY: Duration = Duration::from_secs(86_400);

fn open(disk: &SimDisk, clock: &Arc<ManualClock>) -> Journal {
    let options = Options {
        reserve_bytes: 0,
        segment_bytes: 64 << 10,
        block_bytes: 300,
        retention_days: 7,
        ..Options::default()
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Journal::open(disk, Path::new("/journal"), options, clock).expect("a journal that opens")
}

fn append(journal: &Journal, clock: &ManualClock, count: usize) {
    let raw = Bytes::from("message ".repeat(20));
    let record = Record::new(Arc::new(Origin::own()), clock.now(), raw);
    journal
        .appender()
        .append(vec![record; count])
        .expect("appended");
}

/// The one file of the partition that begins with `first`.
fn segment(disk: &SimDisk, first: u64) -> PathBuf {
    let dir = format!("/journal/default/{first:016}/");
    let files = disk.files().into_iter().map(|(path, _)| path);
    let mut files = files.filter(|path| path.to_string_lossy().starts_with(&dir));
    let file = files.next().expect("a segment");
    assert_eq!(files.next(), None);
    file
}

/// Two partitions, of records 1 to 2 and 3 to 6, a day apart.
fn two_partitions(disk: &SimDisk, clock: &Arc<ManualClock>) {
    let journal = open(disk, clock);
    append(&journal, clock, 2);
    clock.advance(DAY);
    append(&journal, clock, 4);
    journal.close().expect("closed");
}

/// NHATKY_SEED=4294969857: the records after the damage went into the partition before it, where no reader, and not the
/// next start, looked for them.
#[test]
fn after_a_damaged_head_the_journal_goes_on_where_it_was() {
    let disk = SimDisk::new(1);
    let clock = Arc::new(ManualClock::at(Micros(0)));
    two_partitions(&disk, &clock);
    disk.flip_bit(&segment(&disk, 3), 2_418, 3).unwrap();
    for start in 0..3 {
        let journal = open(&disk, &clock);
        let losses = &journal.recovery().losses;
        if start == 0 {
            let loss = losses
                .first()
                .expect("damage is told where nothing is lost");
            assert_eq!(loss.cause, LossCause::Quarantine);
            assert_eq!((loss.last_good, loss.records_max), (Some(Seq(6)), Some(0)));
        } else {
            assert!(losses.is_empty(), "{losses:?}");
        }
        append(&journal, &clock, 3);
        let reader = journal.reader();
        for seq in 1..=reader.durable().0 {
            assert_eq!(reader.get(Seq(seq)).unwrap().unwrap().seq, Seq(seq));
        }
        journal.close().unwrap();
    }
    let aside = Path::new("/journal/quarantine");
    assert_eq!(disk.list(aside).unwrap().len(), 1, "the file is kept aside");
    let report = verify(&disk, Path::new("/journal"), None).unwrap();
    assert!(report.is_intact(), "{report:?}");
}
