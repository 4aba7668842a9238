//! Verification beside a writer: whatever the writer does, and between whichever two calls, a sound journal is found sound.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::{Access, Disk, Entry, File, SimDisk};
use event::{Clock, ManualClock, Micros, Origin, Record, Seq};

use crate::journal::open_writer;
use crate::options::Options;
use crate::writer::Writer;
use crate::{VerifyReport, retain, seal, verify};

const DAY: Duration = Duration::from_secs(86_400);

/// A disk beneath which something happens once, before a certain call of open, list or read, or in the middle of a read.
#[derive(Clone, Debug)]
struct Busy {
    disk: SimDisk,
    calls_left: Arc<AtomicU64>,
    happens: Arc<Mutex<Scene>>,
}

impl Busy {
    fn tick(&self) {
        if self.calls_left.fetch_sub(1, Ordering::Relaxed) == 0 {
            self.happens.lock().unwrap().act();
        }
    }
}

impl Disk for Busy {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.tick();
        let file = self.disk.open(path, access)?;
        let busy = self.clone();
        Ok(Box::new(BusyFile { busy, file }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.tick();
        self.disk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_dir(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.disk.free_bytes(path)
    }
}

#[derive(Debug)]
struct BusyFile {
    busy: Busy,
    file: Box<dyn File>,
}

impl File for BusyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let (early, late) = buffer.split_at_mut(buffer.len() / 2);
        let read = self.file.read_at(early, offset)?;
        self.busy.tick();
        if read < early.len() {
            return Ok(read);
        }
        Ok(read + self.file.read_at(late, offset + read as u64)?)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Append,
    FillSegments,
    Close,
    Seal,
    NextPartition,
    DropAllButTheNewest,
}

/// A journal of three partitions: the first sealed, the second of several hot segments, the third being written.
#[derive(Debug)]
struct Scene {
    writer: Writer,
    clock: Arc<ManualClock>,
    actions: &'static [Action],
}

impl Scene {
    fn new(disk: &SimDisk, actions: &'static [Action]) -> Self {
        let clock = Arc::new(ManualClock::at(Micros(0)));
        let options = Options {
            reserve_bytes: 0,
            segment_bytes: 32 << 10,
            block_bytes: 300,
            retention_days: 7,
            ..Options::default()
        };
        let (writer, _) = open_writer(
            Arc::new(disk.clone()),
            Path::new("/journal"),
            options,
            Arc::clone(&clock) as Arc<dyn Clock>,
        )
        .unwrap();
        let mut scene = Self {
            writer,
            clock,
            actions,
        };
        scene.append();
        scene.take(Action::NextPartition);
        scene.take(Action::Seal);
        scene.take(Action::FillSegments);
        scene.take(Action::NextPartition);
        scene.append();
        scene
    }

    fn act(&mut self) {
        for action in self.actions {
            self.take(*action);
        }
    }

    fn take(&mut self, action: Action) {
        match action {
            Action::Append => self.append(),
            Action::FillSegments => (0..8).for_each(|_| self.append()),
            Action::Close => self.writer.close().unwrap(),
            Action::Seal => {
                let closing = AtomicBool::new(false);
                while seal::seal_next(self.writer.shared(), &closing).unwrap() {}
            }
            Action::NextPartition => {
                self.clock.advance(DAY);
                self.append();
            }
            Action::DropAllButTheNewest => {
                self.clock.advance(30 * DAY);
                self.append();
                let shared = self.writer.shared();
                while let Some(info) = retain::due(shared, self.writer.seen_us()) {
                    retain::drop_partition(shared, info.first).unwrap();
                }
            }
        }
    }

    /// Blocks of two records, the later ones of which attest the earlier.
    fn append(&mut self) {
        for _ in 0..2 {
            let raw = "message ".repeat(20).into();
            let record = Record::new(Arc::new(Origin::own()), self.clock.now(), raw);
            self.writer.commit(&[&[record.clone(), record]]).unwrap();
        }
        self.writer.idle().unwrap();
    }
}

fn check(actions: &'static [Action], holds: impl Fn(&VerifyReport, Seq)) {
    for calls in 0.. {
        let disk = SimDisk::new(1);
        let scene = Scene::new(&disk, actions);
        let durable = scene.writer.shared().durable();
        let busy = Busy {
            disk,
            calls_left: Arc::new(AtomicU64::new(calls)),
            happens: Arc::new(Mutex::new(scene)),
        };
        let report = verify(&busy, Path::new("/journal"), None).unwrap();
        assert!(
            report.is_intact(),
            "{actions:?} before call {calls}: {report:?}"
        );
        holds(&report, durable);
        let left = busy.calls_left.load(Ordering::Relaxed);
        if left < u64::MAX / 2 {
            assert!(calls > 50, "verification takes more calls than {calls}");
            return;
        }
    }
}

#[test]
fn what_a_writer_does_meanwhile_is_no_damage() {
    let rows: [&[Action]; 6] = [
        &[Action::Append],
        &[Action::FillSegments],
        &[Action::Close],
        &[Action::Seal],
        &[Action::Close, Action::Seal],
        &[Action::NextPartition, Action::FillSegments, Action::Seal],
    ];
    for actions in rows {
        check(actions, |report, durable| {
            let (first, last) = report.span.unwrap();
            assert_eq!(first, Seq(1));
            assert!(last >= durable, "{actions:?}: {report:?}");
        });
    }
}

#[test]
fn partitions_that_are_dropped_meanwhile_are_no_damage() {
    let rows: [&[Action]; 2] = [
        &[Action::DropAllButTheNewest],
        &[Action::Seal, Action::DropAllButTheNewest],
    ];
    for actions in rows {
        check(actions, |_, _| {});
    }
}

#[test]
fn a_partition_that_is_missing_between_others_is_damage() {
    let disk = SimDisk::new(1);
    let scene = Scene::new(&disk, &[]);
    let partitions = scene.writer.shared().map().infos();
    retain::drop_partition(scene.writer.shared(), partitions[1].first).unwrap();
    let report = verify(&disk, Path::new("/journal"), None).unwrap();
    assert_eq!(report.failures[0].seq, Some(partitions[1].first));

    let scene = Scene::new(&SimDisk::new(1), &[]);
    let disk = &scene.writer.shared().disk;
    let dir = crate::segment::partition_dir(&scene.writer.shared().class_dir, partitions[1].first);
    disk.open(&dir.join("dropped"), Access::CreateNew).unwrap();
    let report = verify(disk.as_ref(), Path::new("/journal"), None).unwrap();
    assert_eq!(report.failures[0].seq, Some(partitions[1].first));
}
