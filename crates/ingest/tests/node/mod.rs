//! A journal in a temporary directory with listeners in front of it, for tests over real sockets.
#![allow(
    clippy::allow_attributes,
    dead_code,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test file uses its own part of it, so that none of these is sure to be needed"
)]

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use disk::{Access, Disk, Entry, File, RealDisk};
use event::{Clock, Loss, OwnRecord, Record, Seq, SystemClock, Transport};
use ingest::{Ingest, IngestConfig, ListenerConfig, Protocol, Stopped};
use journal::{Journal, Options};
use tempfile::TempDir;

/// How long a test waits for what must come: generous, since it is only used up when the test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running journal with listeners.
pub struct Node {
    pub ingest: Ingest,
    pub journal: Journal,
    pub gate: Arc<Gate>,
    pub dir: TempDir,
}

/// A listener on a free port of loopback.
pub fn listener(name: &str, protocol: Protocol) -> ListenerConfig {
    let mut config = ListenerConfig::new(name, protocol, SocketAddr::from(([127, 0, 0, 1], 0)));
    config.sockets = 1;
    config
}

impl Node {
    pub async fn start(listeners: Vec<ListenerConfig>) -> Self {
        let config = IngestConfig {
            listeners,
            ..IngestConfig::default()
        };
        Self::with(config, Options::default()).await
    }

    pub async fn with(config: IngestConfig, options: Options) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let gate = Arc::new(Gate::default());
        let disk = Arc::new(GatedDisk {
            inner: RealDisk,
            gate: Arc::clone(&gate),
        });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let options = Options {
            reserve_bytes: 0,
            ..options
        };
        let path = dir.path().join("journal");
        let journal = Journal::open(disk, &path, options, Arc::clone(&clock)).expect("a journal");
        let (appender, reader) = (journal.appender(), journal.reader());
        let ingest = Ingest::start(&config, appender, reader, clock)
            .await
            .expect("listeners");
        Self {
            ingest,
            journal,
            gate,
            dir,
        }
    }

    /// Where the listener of that name listens.
    pub fn address(&self, name: &str) -> SocketAddr {
        let mut addresses = self.ingest.addresses();
        let found = addresses.find(|(listener, ..)| *listener == name);
        found.expect("a listener of that name").2
    }

    /// Everything stored so far and to come, until `enough` says so.
    pub async fn stored(&self, enough: impl Fn(&[Record]) -> bool + Send + 'static) -> Vec<Record> {
        let mut tail = self.journal.reader().tail(Seq(1));
        let following = move || {
            let mut records = Vec::new();
            let started = std::time::Instant::now();
            while !enough(&records) {
                assert!(
                    started.elapsed() < PATIENCE,
                    "only these came: {}",
                    show(&records)
                );
                if let Some(more) = tail
                    .next(Duration::from_millis(50))
                    .expect("a sound journal")
                {
                    records.extend(more);
                }
            }
            records
        };
        tokio::task::spawn_blocking(following)
            .await
            .expect("enough records")
    }

    /// The first `count` records that senders sent.
    pub async fn received(&self, count: usize) -> Vec<Record> {
        let records = self
            .stored(move |records| foreign(records).count() >= count)
            .await;
        foreign(&records).cloned().collect()
    }

    /// Waits for a loss that `wanted` accepts.
    pub async fn loss(&self, wanted: impl Fn(&Loss) -> bool + Send + Sync + 'static) -> Loss {
        let wanted = Arc::new(wanted);
        let sought = Arc::clone(&wanted);
        let records = self
            .stored(move |records| losses(records).iter().any(|loss| sought(loss)))
            .await;
        let found = losses(&records).into_iter().find(|loss| wanted(loss));
        found.expect("it was there")
    }

    /// Stops listening, and gives everything that was stored.
    pub async fn stop(self) -> Vec<Record> {
        assert_eq!(self.ingest.stop(PATIENCE).await, Stopped::Drained);
        all(&self.journal)
    }
}

/// Everything in the journal now.
pub fn all(journal: &Journal) -> Vec<Record> {
    let reader = journal.reader();
    let blocks = reader.blocks(Seq(1), reader.durable());
    blocks
        .iter()
        .flat_map(|block| reader.read_block(block).expect("a sound journal"))
        .collect()
}

/// The records that senders sent, the product's own left out.
pub fn foreign(records: &[Record]) -> impl Iterator<Item = &Record> {
    records
        .iter()
        .filter(|record| record.origin.transport != Transport::Internal)
}

/// The losses among the records.
pub fn losses(records: &[Record]) -> Vec<Loss> {
    let own = records
        .iter()
        .filter(|record| record.origin.transport == Transport::Internal);
    own.filter_map(|record| match serde_json::from_slice(&record.raw) {
        Ok(OwnRecord::Loss(loss)) => Some(loss),
        _ => None,
    })
    .collect()
}

/// The messages of the records, as text.
pub fn texts(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| String::from_utf8_lossy(&record.raw).into_owned())
        .collect()
}

fn show(records: &[Record]) -> String {
    let texts: Vec<String> = texts(records)
        .into_iter()
        .map(|text| text.chars().take(200).collect())
        .collect();
    format!(
        "{} records, the last {:?}",
        texts.len(),
        &texts[texts.len().saturating_sub(5)..]
    )
}

/// Holds up every sync while it is shut.
#[derive(Debug, Default)]
pub struct Gate {
    broken: AtomicBool,
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub fn shut(&self) {
        *self.shut.lock().expect("no panic") = true;
    }

    pub fn open(&self) {
        *self.shut.lock().expect("no panic") = false;
        self.opened.notify_all();
    }

    /// Makes every sync from now on fail.
    pub fn break_disk(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    fn pass(&self) -> io::Result<()> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        self.wait();
        Ok(())
    }

    fn wait(&self) {
        let shut = self.shut.lock().expect("no panic");
        drop(
            self.opened
                .wait_while(shut, |shut| *shut)
                .expect("no panic"),
        );
    }
}

/// The real disk, behind a gate.
#[derive(Debug)]
struct GatedDisk {
    inner: RealDisk,
    gate: Arc<Gate>,
}

#[derive(Debug)]
struct GatedFile {
    inner: Box<dyn File>,
    gate: Arc<Gate>,
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        Ok(Box::new(GatedFile {
            inner: self.inner.open(path, access)?,
            gate: Arc::clone(&self.gate),
        }))
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.inner.list(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.inner.free_bytes(path)
    }
}

impl File for GatedFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass()?;
        self.inner.sync_data()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.inner.allocate(len)
    }
}
