//! What people look at goes on record: the answer does not wait for the disk, whoever reads the records does.

use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use registry::{AuditSink, PendingAudit, SinkError, SinkFuture};
use tokio::sync::watch;

use crate::node::{Node, request};

/// A journal whose disk is slow: it takes records at once, and has them on disk when told.
#[derive(Debug)]
struct SlowDisk {
    taken: Mutex<Vec<PendingAudit>>,
    on_disk: watch::Sender<Option<bool>>,
}

impl SlowDisk {
    fn of(node: &mut Node) -> Arc<Self> {
        let disk = Arc::new(Self {
            taken: Mutex::default(),
            on_disk: watch::channel(None).0,
        });
        node.parts.audit = Arc::<Self>::clone(&disk);
        disk
    }

    fn actions(&self) -> Vec<String> {
        let taken = self.taken.lock().expect("a lock");
        let actions = taken.iter().map(|pending| {
            let record = serde_json::to_value(&pending.record).expect("JSON");
            record["action"].as_str().expect("an act").to_owned()
        });
        actions.collect()
    }
}

impl AuditSink for SlowDisk {
    fn append(&self, records: Vec<PendingAudit>) -> SinkFuture<'_> {
        let mut on_disk = self.on_disk.subscribe();
        self.taken.lock().expect("a lock").extend(records);
        Box::pin(async move {
            let done = on_disk.wait_for(Option::is_some).await;
            match done.is_ok_and(|done| *done == Some(true)) {
                true => Ok(()),
                false => Err(SinkError {
                    reason: "the disk is broken".to_owned(),
                }),
            }
        })
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_disk_and_whoever_reads_the_records_does() {
    let mut node = Node::start().await;
    let disk = SlowDisk::of(&mut node);
    let routes = node.routes();
    let ask = |path: &'static str| node.ask_of(&routes, request("GET", path, None));
    let (status, _) = ask("/api/v1/search?q=login").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(disk.actions(), ["search"]);

    let mut reading = Box::pin(ask("/api/v1/audit"));
    assert!(futures_util::poll!(&mut reading).is_pending());
    disk.on_disk.send_replace(Some(true));
    let (status, _) = reading.await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_record_that_the_journal_refuses_waits_in_the_registry() {
    let mut node = Node::start().await;
    let disk = SlowDisk::of(&mut node);
    let routes = node.routes();
    let ask = |path: &'static str| node.ask_of(&routes, request("GET", path, None));
    assert_eq!(ask("/api/v1/search?q=login").await.0, StatusCode::OK);
    disk.on_disk.send_replace(Some(false));
    assert_eq!(ask("/api/v1/audit").await.0, StatusCode::OK);
    disk.on_disk.send_replace(Some(true));
    let handed_over = node.registry.hand_over_audits(&*disk).await;
    assert_eq!(handed_over.expect("a journal that works"), 1);
    assert_eq!(disk.actions(), ["search", "search"]);
}
