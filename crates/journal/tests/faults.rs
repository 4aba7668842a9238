//! The journal with its threads, when the disk fails or fills up, and when time goes by.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use disk::{Disk, Faults, SimDisk};
use event::{Clock, ManualClock, Micros, Origin, OwnRecord, Record, Seq};
use journal::{AppendError, Journal, Options, State};

const DAY: Duration = Duration::from_secs(86_400);

fn records(count: usize) -> Vec<Record> {
    let origin = Arc::new(Origin::own());
    let raw = Bytes::from("message ".repeat(20));
    vec![Record::new(origin, Micros(1), raw); count]
}

fn options() -> Options {
    Options {
        reserve_bytes: 100_000,
        segment_bytes: 64 << 10,
        queue_bytes_max: 10_000,
        retention_days: 7,
        ..Options::default()
    }
}

fn open(disk: &SimDisk, clock: &Arc<ManualClock>) -> Journal {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Journal::open(disk, Path::new("/journal"), options(), clock).expect("a journal that opens")
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    unreachable!("in vain: {what}");
}

#[test]
fn a_failed_sync_stops_the_writer_for_good_and_tells_everybody() {
    let disk = SimDisk::new(1);
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let journal = open(&disk, &clock);
    journal.appender().append(records(2)).unwrap();
    disk.set_faults(Faults {
        sync_fails: 10_000,
        ..Faults::default()
    });
    let error = journal.appender().append(records(2)).unwrap_err();
    assert!(matches!(error, AppendError::Stopped { .. }), "{error}");
    disk.set_faults(Faults::default());
    let error = journal.appender().append(records(2)).unwrap_err();
    assert!(matches!(error, AppendError::Stopped { .. }), "{error}");
    assert!(matches!(journal.status().state, State::Stopped(_)));
    assert_eq!(journal.reader().durable(), Seq(2));
    let records = journal.reader().tail(Seq(3)).next(Duration::from_secs(60));
    assert_eq!(records.unwrap(), None, "who waits for records is woken");
    assert!(journal.close().is_err());

    let journal = open(&disk, &clock);
    assert!(journal.reader().get(Seq(2)).unwrap().is_some());
    journal.appender().append(self::records(1)).unwrap();
}

#[test]
fn a_full_disk_makes_appending_wait_and_it_goes_on_by_itself() {
    let disk = SimDisk::new(2);
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let journal = open(&disk, &clock);
    journal.appender().append(records(2)).unwrap();
    let used: u64 = disk.files().iter().map(|(_, len)| len).sum();
    disk.set_capacity(used + 99_999);
    let (sender, told) = sync_channel(100);
    let submit = || {
        let sender = sender.clone();
        let done = Box::new(move |result: Result<_, _>| drop(sender.try_send(result)));
        journal.appender().try_submit(records(10), done)
    };
    let mut accepted = 0;
    while submit().is_ok() {
        accepted += 1;
    }
    assert!((1..=10).contains(&accepted), "the queue is bounded");
    wait_until("the state tells of the full disk", || {
        journal.status().state == State::DiskFull
    });
    assert!(
        told.try_recv().is_err(),
        "nobody is told before it is durable"
    );
    disk.set_capacity(u64::MAX);
    for n in 0..accepted {
        let range = told.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
        assert_eq!(range.first, Seq(3 + n * 10));
    }
    assert_eq!(journal.status().state, State::Running);
    let tenth = journal.reader().get(Seq(10)).unwrap();
    assert!(tenth.is_some());
}

#[test]
fn closing_while_the_disk_is_full_refuses_what_waits() {
    let disk = SimDisk::new(3);
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let journal = open(&disk, &clock);
    journal.appender().append(records(2)).unwrap();
    disk.set_capacity(0);
    let (sender, told) = sync_channel(1);
    let done = Box::new(move |result: Result<_, _>| drop(sender.try_send(result)));
    journal.appender().submit(records(10), done);
    journal.close().unwrap();
    assert!(matches!(told.recv().unwrap(), Err(AppendError::Closed)));
    let journal = open(&disk, &clock);
    assert_eq!(journal.reader().durable(), Seq(2));
}

#[test]
fn only_time_that_was_seen_passing_makes_partitions_old() {
    let disk = SimDisk::new(4);
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let journal = open(&disk, &clock);
    journal.appender().append(records(2)).unwrap();

    // The wall clock says that a year has passed; the node has seen none of it.
    clock.set_wall(Micros(365 * Micros::PER_DAY));
    journal.appender().append(records(2)).unwrap();
    journal.close().unwrap();
    let journal = open(&disk, &clock);
    journal.appender().append(records(2)).unwrap();
    std::thread::park_timeout(Duration::from_millis(1_200));
    assert_eq!(journal.reader().partitions().len(), 2);
    journal.close().unwrap();

    // Six days with the node running, over two starts, are not seven; one more is.
    let journal = open(&disk, &clock);
    clock.advance(6 * DAY);
    journal.appender().append(records(2)).unwrap();
    journal.close().unwrap();
    let journal = open(&disk, &clock);
    assert_eq!(journal.reader().partition_of(Seq(1)), Some(Seq(1)));
    clock.advance(DAY + Duration::from_secs(60));
    let said = journal.appender().append(records(1)).unwrap().first;
    let reader = journal.reader();
    wait_until("the oldest partition is dropped", || {
        reader.partition_of(Seq(1)).is_none()
    });
    let record = reader.get(said.next()).unwrap().unwrap();
    let own: OwnRecord = serde_json::from_slice(&record.raw).unwrap();
    let dropped = OwnRecord::PartitionDropped {
        first: Seq(1),
        last: Seq(2),
        records: 2,
        newest_at: Micros(1),
    };
    assert_eq!(own, dropped);
    assert_eq!(reader.get(Seq(1)).unwrap(), None);
    assert!(reader.get(Seq(7)).unwrap().is_some());
    journal.close().unwrap();
    assert!(
        journal::verify(&disk, Path::new("/journal"), None)
            .unwrap()
            .is_intact()
    );
}
