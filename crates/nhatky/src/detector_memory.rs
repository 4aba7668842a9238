//! What the detector remembers across restarts: its own file, and beside it, once a day, a copy in the registry.
//!
//! What was learnt over months, baselines and values seen, cannot be read anew from a journal that keeps a week. The copy
//! is there when the file is lost, and it is in every backup of the registry.

use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use detect::{Detector, Mode, Restored, Rules};
use disk::Disk;
use event::{CalendarDay, Micros, Seq};
use registry::Registry;
use tokio::runtime::Handle;
use tracing::{info, warn};

/// How hard copies are compressed: they are made once a day, and mostly of numbers.
const COMPRESSION: i32 = 3;
/// No copy unpacks to more: several times what a detector may remember.
const COPY_BYTES_MAX: u64 = 1 << 30;

/// Keeps what the detector remembers.
#[derive(Debug)]
pub(crate) struct DetectorMemory {
    file: PathBuf,
    disk: Arc<dyn Disk>,
    registry: Arc<Registry>,
    runtime: Handle,
    /// The day of the newest copy.
    copied: Option<CalendarDay>,
}

impl DetectorMemory {
    /// In that file, and in the registry.
    pub(crate) async fn open(
        file: PathBuf,
        disk: Arc<dyn Disk>,
        registry: Arc<Registry>,
    ) -> Result<Self> {
        Ok(Self {
            file,
            disk,
            copied: registry.day_of_detector_memory().await?,
            registry,
            runtime: Handle::current(),
        })
    }

    /// The detector as it was when it was last saved, as far as these rules mean the same; where its file is of no use, as
    /// of the newest copy that is; else one that reads anew what the journal, which reaches to `durable`, keeps.
    pub(crate) async fn restore(&self, rules: &Arc<Rules>, durable: Seq) -> Result<Detector> {
        let from_file = match std::fs::read(&self.file) {
            Ok(bytes) => read(&bytes, rules),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                warn!(%error, path = %self.file.display(), "the detector's state cannot be read");
                None
            }
        };
        let restored = match from_file {
            Some(restored) => Some(restored),
            None => self.newest_copy(rules).await?,
        };
        let Some(Restored {
            mut detector,
            fresh,
        }) = restored
        else {
            info!("the detector starts without memory and reads what the journal keeps");
            return Ok(Detector::new(Arc::clone(rules), Mode::Live));
        };
        for rule in &fresh {
            info!(%rule, "a rule is new or changed and starts without memory");
        }
        if detector.covered() > durable {
            warn!(
                covered = detector.covered().0,
                durable = durable.0,
                "the detector remembers more than the journal holds, as of another journal: it goes on with what arrives"
            );
            detector.go_on_after(durable);
        }
        Ok(detector)
    }

    async fn newest_copy(&self, rules: &Arc<Rules>) -> Result<Option<Restored>> {
        for (day, copy) in self.registry.detector_memories().await? {
            let restored = match unpack(&copy) {
                Ok(bytes) => read(&bytes, rules),
                Err(error) => {
                    warn!(%error, %day, "a copy of the detector's state cannot be read");
                    None
                }
            };
            if let Some(restored) = restored {
                warn!(
                    %day,
                    covered = restored.detector.covered().0,
                    "the detector's state is gone: it goes on with the copy of that day, and with what the journal keeps since"
                );
                return Ok(Some(restored));
            }
        }
        Ok(None)
    }

    /// Saves it; what fails is logged, and tried again at the next time.
    pub(crate) fn save(&mut self, detector: &Detector, now: Micros) {
        let state = detector.checkpoint();
        if let Err(error) = disk::replace(&*self.disk, &self.file, &state) {
            warn!(%error, path = %self.file.display(), "the detector's state cannot be saved");
        }
        let clock = &detector.rules().settings().working_hours;
        let today = CalendarDay::of(now, clock.utc_offset_minutes);
        if self.copied == Some(today) {
            return;
        }
        match self.copy(today, &state) {
            Ok(()) => self.copied = Some(today),
            Err(error) => warn!(%error, "the detector's state of the day is not in the registry"),
        }
    }

    fn copy(&self, today: CalendarDay, state: &[u8]) -> Result<()> {
        let copy = zstd::encode_all(state, COMPRESSION)?;
        let saving = self.registry.save_detector_memory(today, &copy);
        Ok(self.runtime.block_on(saving)?)
    }
}

/// The state in a copy. One that is longer than any is cut, and then no sound one.
fn unpack(copy: &[u8]) -> io::Result<Vec<u8>> {
    let mut state = Vec::new();
    let decoder = zstd::Decoder::new(copy)?;
    decoder.take(COPY_BYTES_MAX).read_to_end(&mut state)?;
    Ok(state)
}

fn read(bytes: &[u8], rules: &Arc<Rules>) -> Option<Restored> {
    match Detector::restore(bytes, Arc::clone(rules), Mode::Live) {
        Ok(restored) => Some(restored),
        Err(error) => {
            warn!(%error, "a state of the detector cannot be used");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use detect::Settings;
    use event::{Event, Origin, Record, SystemClock};
    use parse::{Depth, ParseSettings, Parsers};

    use super::*;

    const DAY: i64 = 86_400_000_000;
    const NOON: Micros = Micros(20_000 * DAY + DAY / 2);

    struct Site {
        folder: tempfile::TempDir,
        registry: Arc<Registry>,
        rules: Arc<Rules>,
    }

    impl Site {
        async fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("registry.sqlite");
            let registry = Registry::open(&path, Arc::new(SystemClock::new())).await;
            Self {
                registry: Arc::new(registry.expect("it opens")),
                rules: Arc::new(Rules::load(None, &Settings::default())),
                folder,
            }
        }

        fn file(&self) -> PathBuf {
            self.folder.path().join("detector")
        }

        async fn memory(&self) -> DetectorMemory {
            let disk = Arc::new(disk::RealDisk);
            DetectorMemory::open(self.file(), disk, Arc::clone(&self.registry))
                .await
                .expect("the registry answers")
        }

        async fn restored(&self, durable: u64) -> Detector {
            let memory = self.memory().await;
            memory
                .restore(&self.rules, Seq(durable))
                .await
                .expect("the registry answers")
        }

        /// Saves, at that time, a detector that has seen so many events.
        async fn save(&self, events: u64, at: Micros) {
            let (mut memory, rules) = (self.memory().await, Arc::clone(&self.rules));
            let saving = move || {
                let mut detector = Detector::new(rules, Mode::Live);
                for seq in 1..=events {
                    detector.observe(&event(seq, at), &mut Vec::new());
                }
                memory.save(&detector, at);
            };
            tokio::task::spawn_blocking(saving).await.expect("no panic");
        }
    }

    fn event(seq: u64, at: Micros) -> Event {
        let raw = Bytes::from_static(
            b"<86>db1 sshd[1]: Failed password for root from 198.51.100.7 port 5 ssh2",
        );
        let mut record = Record::new(Arc::new(Origin::own()), at, raw);
        record.seq = Seq(seq);
        let mut event = Event::default();
        Parsers::builtin().parse_into(&record, &ParseSettings::default(), Depth::Core, &mut event);
        event
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_learnt_outlives_the_file() {
        let site = Site::new().await;
        assert_eq!(site.restored(0).await.covered(), Seq::ZERO);
        site.save(3, NOON).await;
        // Of a day the first is kept, of the file the last.
        site.save(5, NOON).await;
        assert_eq!(site.restored(9).await.covered(), Seq(5));
        std::fs::remove_file(site.file()).expect("it is there");
        assert_eq!(site.restored(9).await.covered(), Seq(3));
        site.save(7, Micros(NOON.0 + DAY)).await;
        std::fs::write(site.file(), b"NKDETECT and then nothing").expect("written");
        assert_eq!(site.restored(9).await.covered(), Seq(7));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_copy_that_is_damaged_gives_way_to_the_one_before() {
        let site = Site::new().await;
        site.save(3, NOON).await;
        std::fs::remove_file(site.file()).expect("it is there");
        let tomorrow = CalendarDay::of(Micros(NOON.0 + DAY), 0);
        let damaged = site.registry.save_detector_memory(tomorrow, b"no zstd");
        damaged.await.expect("saved");
        assert_eq!(site.restored(9).await.covered(), Seq(3));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_detector_that_is_ahead_of_the_journal_judges_what_arrives() {
        let site = Site::new().await;
        site.save(5, NOON).await;
        let mut detector = site.restored(2).await;
        assert_eq!(detector.covered(), Seq(2));
        detector.observe(&event(3, NOON), &mut Vec::new());
        assert_eq!(detector.covered(), Seq(3));
    }
}
