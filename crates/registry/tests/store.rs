//! The store: what is committed is there after a restart, what is not is nowhere, and the journal is told of changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use event::{
    AlertSeverity, Clock as _, ClockCause, ClockFinding, Detection, Disposition, Effect, Entity,
    Event, Field, ManualClock, Micros, OwnRecord, Seq,
};
use registry::{
    Actor, AlertFilter, AlertState, AuditSink, DetectionFilter, DetectionUpdate, DeviceClock,
    NewAlert, NewRuleException, NewToken, OpenError, PendingAudit, Registry, Role, SenderSettings,
    SinkError, SinkFuture, SourceFilter, SourceLimits, StoreError,
};

struct Site {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Site {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            clock: Arc::new(ManualClock::at(Micros(1_000_000_000))),
        }
    }

    async fn open(&self) -> Registry {
        let clock = Arc::<ManualClock>::clone(&self.clock);
        let path = self.folder.path().join("registry.sqlite");
        Registry::open(&path, clock).await.expect("it opens")
    }
}

fn detection(number: u64) -> Detection {
    Detection {
        id: format!("{number:032x}").into(),
        rule: "login-failures-account".into(),
        rules_version: "1".into(),
        key: vec!["an".into(), "quote ' \" \0 end".into()],
        entity: Entity::user("Đặng"),
        disposition: Disposition::Digest,
        effect: Effect::Attempt,
        seq: Seq(number),
        first_at: Micros(5),
        last_at: Micros(10),
        count: 10,
        evidence: vec![Seq(1), Seq(number)],
        query: "user.name:\"đặng\" AND nhatky.class:login".to_owned(),
        facts: BTreeMap::from([("source.ip".to_owned(), "192.0.2.7".to_owned())]),
    }
}

fn alert() -> NewAlert {
    NewAlert {
        rule: "scan".to_owned(),
        entity: None,
        disposition: Disposition::Queue,
        effect: Effect::Attempt,
        severity: AlertSeverity::Low,
        first_at: Micros(1),
        last_at: Micros(2),
        events: 3,
    }
}

/// A journal that takes records or refuses them.
#[derive(Debug, Default)]
struct Journal {
    full: bool,
    taken: Mutex<Vec<PendingAudit>>,
}

impl AuditSink for Journal {
    fn append(&self, records: Vec<PendingAudit>) -> SinkFuture<'_> {
        Box::pin(async move {
            if self.full {
                let reason = "full".to_owned();
                return Err(SinkError { reason });
            }
            self.taken
                .lock()
                .expect("no test panics with it")
                .extend(records);
            Ok(())
        })
    }
}

#[tokio::test]
async fn detections_are_stored_once_however_often_they_come() {
    let site = Site::new();
    let registry = site.open().await;
    let mut batch: Vec<Detection> = (0..1_200).map(detection).collect();
    batch.push(detection(7));
    let mut write = registry.write().await.unwrap();
    assert_eq!(write.insert_detections(&batch).await.unwrap().len(), 1_200);
    write.commit().await.unwrap();

    let registry = site.open().await;
    let mut write = registry.write().await.unwrap();
    let again = write.insert_detections(&batch[1_199..]).await.unwrap();
    assert!(again.is_empty());
    let mut next = write.insert_detections(&[detection(1_200)]).await.unwrap();
    assert!(next.remove(&detection(1_200).id));
    write.commit().await.unwrap();

    let stored = registry.detection(&detection(3).id).await.unwrap().unwrap();
    assert_eq!(stored.detection, detection(3));

    let mut filter = DetectionFilter {
        entity: Entity::user("đặng"),
        limit: 500,
        ..DetectionFilter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = registry.detections(&filter).await.unwrap();
        seen.extend(page.items.into_iter().map(|stored| stored.detection.seq.0));
        filter.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..=1_200).rev().collect::<Vec<_>>());

    let from_to = (Micros(10), Micros(11));
    let summary = registry
        .summarise_detections(Disposition::Digest, from_to.0, from_to.1, 10)
        .await
        .unwrap();
    assert_eq!(
        (summary.len(), summary[0].detections, summary[0].events),
        (1, 1_201, 12_010)
    );
}

#[tokio::test]
async fn an_update_that_replay_repeats_changes_nothing() {
    let site = Site::new();
    let registry = site.open().await;
    let mut write = registry.write().await.unwrap();
    write.insert_detections(&[detection(1)]).await.unwrap();
    let update = |count, last_at| DetectionUpdate {
        id: detection(1).id,
        last_at: Micros(last_at),
        count,
        evidence: vec![Seq(count)],
    };
    let changed = write
        .update_detection(&update(15, 20))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((changed.alert, changed.events_added), (None, 5));
    let changed = write
        .update_detection(&update(12, 15))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(changed.events_added, 0);
    let unknown = DetectionUpdate {
        id: "no".into(),
        ..update(1, 1)
    };
    assert_eq!(write.update_detection(&unknown).await.unwrap(), None);
    write.commit().await.unwrap();
    let stored = registry
        .detection(&detection(1).id)
        .await
        .unwrap()
        .unwrap()
        .detection;
    assert_eq!(
        (stored.count, stored.last_at, stored.evidence),
        (15, Micros(20), vec![Seq(15)])
    );
}

#[tokio::test]
async fn a_change_that_is_dropped_leaves_nothing_behind() {
    let site = Site::new();
    let registry = site.open().await;
    let mut write = registry.write().await.unwrap();
    write.create_alert(&alert()).await.unwrap();
    write.audit(&Actor::cli(), "test", "x").await.unwrap();
    drop(write);
    registry.write().await.unwrap().commit().await.unwrap();
    let filter = AlertFilter {
        limit: 10,
        ..AlertFilter::default()
    };
    assert_eq!(registry.alerts(&filter).await.unwrap().items, []);
    assert_eq!(
        registry
            .hand_over_audits(&Journal::default())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn one_group_has_one_alert_that_is_not_closed() {
    let site = Site::new();
    let registry = site.open().await;
    let mut write = registry.write().await.unwrap();
    let first = write.create_alert(&alert()).await.unwrap();
    assert_eq!(
        write.open_alert("scan", None).await.unwrap().unwrap().id,
        first.id
    );
    let second = write.create_alert(&alert()).await;
    assert!(matches!(second, Err(StoreError::Database(_))));
}

#[tokio::test]
async fn alerts_are_counted_by_state_and_severity_zeros_included() {
    let site = Site::new();
    let registry = site.open().await;
    let counts = registry.alert_counts().await.unwrap();
    assert_eq!(counts.len(), 16);
    assert!(counts.iter().all(|(.., count)| *count == 0));
    let mut write = registry.write().await.unwrap();
    write.create_alert(&alert()).await.unwrap();
    write.commit().await.unwrap();
    let counts = registry.alert_counts().await.unwrap();
    assert!(counts.contains(&(AlertState::New, AlertSeverity::Low, 1)));
    assert_eq!(counts.iter().map(|(.., count)| count).sum::<u64>(), 1);
}

#[tokio::test]
async fn the_journal_is_told_of_each_change_once_it_takes_records() {
    let site = Site::new();
    let registry = site.open().await;
    let by = Actor::new("lan", Some("192.0.2.1".parse().unwrap()));
    let new = NewToken {
        name: "t".to_owned(),
        role: Role::Read,
        expires_at: None,
    };
    registry.create_token(&by, new).await.unwrap();
    registry.audit_waits().await;
    let full = Journal {
        full: true,
        ..Journal::default()
    };
    registry.hand_over_audits(&full).await.unwrap_err();
    site.clock.advance(Duration::from_secs(9));
    registry.revoke_token(&by, "t").await.unwrap();

    // A new process finds them waiting.
    registry.close().await;
    let registry = site.open().await;
    let journal = Journal::default();
    assert_eq!(registry.hand_over_audits(&journal).await.unwrap(), 2);
    assert_eq!(registry.hand_over_audits(&journal).await.unwrap(), 0);
    let taken = journal.taken.into_inner().unwrap();
    let told: Vec<_> = taken
        .iter()
        .map(|pending| match &pending.record {
            OwnRecord::Audit(audit) => (audit.action.as_str(), audit.actor.as_str(), audit.peer),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            ("token-created", "lan", by.peer),
            ("token-revoked", "lan", by.peer)
        ]
    );
    assert_eq!(taken[1].at, site.clock.now());
}

#[tokio::test]
async fn what_is_set_for_senders_and_rules_is_kept_and_told() {
    let site = Site::new();
    let registry = site.open().await;
    let by = Actor::new("lan", None);
    let settings = SenderSettings {
        zone: Some("Asia/Tokyo".to_owned()),
        params: BTreeMap::from([("log_line_prefix".to_owned(), "%m [%p] ".to_owned())]),
        relay: true,
        ..SenderSettings::default()
    };
    registry
        .set_sender(&by, "192.0.2.1", &settings)
        .await
        .unwrap();
    registry
        .set_sender(&by, "192.0.2.2", &settings)
        .await
        .unwrap();
    registry
        .set_sender(&by, "192.0.2.2", &SenderSettings::default())
        .await
        .unwrap();
    let senders = registry.senders().await.unwrap();
    assert_eq!(
        senders,
        BTreeMap::from([("192.0.2.1".to_owned(), settings)])
    );

    let twenty = serde_json::json!(20);
    registry
        .set_rule_override(&by, "scan", "ports", Some(&twenty), "busy net")
        .await
        .unwrap();
    assert_eq!(registry.rule_overrides().await.unwrap()[0].value, twenty);
    registry
        .set_rule_override(&by, "scan", "ports", None, "quiet again")
        .await
        .unwrap();
    assert_eq!(registry.rule_overrides().await.unwrap(), []);

    let exception = NewRuleException {
        rule: None,
        query: "source.ip:192.0.2.9".to_owned(),
        owner: "lan".to_owned(),
        reason: "our own scanner".to_owned(),
        expires_at: site.clock.now().after(Duration::from_secs(60)),
    };
    let made = registry.add_rule_exception(&by, &exception).await.unwrap();
    assert_eq!(
        registry.rule_exceptions(site.clock.now()).await.unwrap(),
        [made]
    );
    assert_eq!(
        registry
            .rule_exceptions(exception.expires_at)
            .await
            .unwrap(),
        []
    );
    assert!(registry.end_rule_exception(&by, 1).await.unwrap());
    assert!(!registry.end_rule_exception(&by, 1).await.unwrap());
    assert_eq!(
        registry
            .hand_over_audits(&Journal::default())
            .await
            .unwrap(),
        7
    );
}

#[tokio::test]
async fn sources_go_on_where_the_last_save_ended() {
    let site = Site::new();
    let registry = site.open().await;
    let event = |seq: u64| {
        let mut event = Event::new(Seq(seq), b"line".as_slice().into());
        event.set(Field::NHATKY_SOURCE, "192.0.2.1/linux.sshd");
        event.set(Field::NHATKY_CATEGORY, "os");
        event.set(Field::EVENT_INGESTED, Micros(1));
        event
    };
    let mut tracker = registry
        .source_tracker(SourceLimits::default())
        .await
        .unwrap();
    for seq in 1..=3 {
        tracker.observe(&event(seq));
    }
    let changes = tracker.changes();
    registry.save_sources(&changes).await.unwrap();
    registry.save_sources(&changes).await.unwrap();
    tracker.saved(&changes);

    let registry = site.open().await;
    let mut tracker = registry
        .source_tracker(SourceLimits::default())
        .await
        .unwrap();
    assert_eq!((tracker.through(), tracker.len()), (Seq(3), 1));
    for seq in 2..=5 {
        tracker.observe(&event(seq));
    }
    registry.save_sources(&tracker.changes()).await.unwrap();
    let filter = SourceFilter {
        product: Some("linux.sshd".to_owned()),
        limit: 10,
        ..SourceFilter::default()
    };
    let sources = registry.sources(&filter).await.unwrap();
    assert_eq!(
        (sources.len(), sources[0].events, sources[0].bytes),
        (1, 5, 20)
    );
    assert_eq!(
        registry.source(&sources[0].id).await.unwrap().as_ref(),
        Some(&sources[0])
    );
}

#[tokio::test]
async fn findings_about_clocks_are_kept_as_long_as_they_hold_for_a_record() {
    let site = Site::new();
    let registry = site.open().await;
    let mut tracker = registry
        .source_tracker(SourceLimits::default())
        .await
        .unwrap();
    let finding = |offset_us| ClockFinding {
        source: "192.0.2.1/cisco.ios".to_owned(),
        host: "sw1".to_owned(),
        cause: ClockCause::Clock,
        offset_us,
        spread_us: 0,
        minutes: 5,
        events: 9,
    };
    for (seq, offset_us) in [(10, -7), (20, 8), (30, 9)] {
        let record = OwnRecord::Clock(finding(offset_us)).to_record(Micros(1));
        let mut event = Event::new(Seq(seq), record.raw);
        event.set(Field::NHATKY_LISTENER, "nhatky");
        event.set(Field::NHATKY_MESSAGE, "clock");
        tracker.observe(&event);
    }
    let changes = tracker.changes();
    registry.save_sources(&changes).await.unwrap();
    registry.save_sources(&changes).await.unwrap();
    tracker.saved(&changes);
    assert_eq!(tracker.changes().clocks, []);

    let offsets = |clocks: Vec<DeviceClock>| -> Vec<i64> {
        let offsets = clocks.iter().map(|clock| clock.finding.offset_us);
        offsets.collect()
    };
    assert_eq!(offsets(registry.clocks().await.unwrap()), [-7, 8, 9]);
    assert_eq!(offsets(registry.clocks_now().await.unwrap()), [9]);
    // The finding of record 20 holds for 21 to 30.
    assert_eq!(registry.prune_clocks(Seq(21)).await.unwrap(), 1);
    assert_eq!(offsets(registry.clocks().await.unwrap()), [8, 9]);
    assert_eq!(registry.prune_clocks(Seq(1000)).await.unwrap(), 1);
    assert_eq!(offsets(registry.clocks().await.unwrap()), [9]);
}

#[tokio::test]
async fn a_copy_opens_as_the_registry_it_was() {
    let site = Site::new();
    let registry = site.open().await;
    let new = NewToken {
        name: "t".to_owned(),
        role: Role::Read,
        expires_at: None,
    };
    registry.create_token(&Actor::cli(), new).await.unwrap();
    let copy = site.folder.path().join("copy.sqlite");
    registry.copy_to(&copy).await.unwrap();
    let clock = Arc::<ManualClock>::clone(&site.clock);
    let copied = Registry::open(&copy, clock).await.unwrap();
    assert_eq!(
        copied.tokens().await.unwrap(),
        registry.tokens().await.unwrap()
    );
    assert_eq!(copied.instance(), registry.instance());
    registry.copy_to(&copy).await.unwrap_err();
}

#[tokio::test]
async fn pruning_spares_alerts_and_what_waits() {
    let site = Site::new();
    let registry = site.open().await;
    let mut write = registry.write().await.unwrap();
    write
        .insert_detections(&[detection(1), detection(2)])
        .await
        .unwrap();
    let kept = write.create_alert(&alert()).await.unwrap();
    write
        .link_detection(&detection(2).id, kept.id)
        .await
        .unwrap();
    write.commit().await.unwrap();
    let stored = site.clock.now();
    assert!(
        detection(1).last_at < stored,
        "as of a device whose clock is behind"
    );
    let pruned = registry.prune(stored).await.unwrap();
    assert_eq!((pruned.detections, pruned.outbox), (0, 0));
    let pruned = registry.prune(Micros(stored.0 + 1)).await.unwrap();
    assert_eq!((pruned.detections, pruned.outbox), (1, 0));
    assert!(
        registry
            .detection(&detection(2).id)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_file_that_is_no_registry_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.sqlite");
    std::fs::write(
        &path,
        b"not a database, but long enough to be taken for one at first sight",
    )
    .unwrap();
    let clock = Arc::new(ManualClock::at(Micros(0)));
    let refused = Registry::open(&path, Arc::<ManualClock>::clone(&clock)).await;
    assert!(refused.unwrap_err().to_string().contains("registry.sqlite"));
    let nowhere = folder.path().join("no").join("registry.sqlite");
    let refused = Registry::open(&nowhere, clock).await;
    assert!(matches!(refused, Err(OpenError::Create { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_made_at_once_queue_up_and_none_is_lost() {
    let site = Site::new();
    let registry = Arc::new(site.open().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..40 {
        let registry = Arc::clone(&registry);
        tasks.spawn(async move {
            let new = NewToken {
                name: format!("t{number}"),
                role: Role::Ingest,
                expires_at: None,
            };
            let made = registry.create_token(&Actor::cli(), new).await.unwrap();
            let mut write = registry.write().await.unwrap();
            write.insert_detections(&[detection(number)]).await.unwrap();
            // Every third caller goes away before it is done.
            if number % 3 != 0 {
                write.commit().await.unwrap();
            }
            assert!(registry.authenticate(made.secret.expose()).is_some());
            let filter = DetectionFilter {
                limit: 1,
                ..DetectionFilter::default()
            };
            registry.detections(&filter).await.unwrap();
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(registry.tokens().await.unwrap().len(), 40);
    let filter = DetectionFilter {
        limit: 100,
        ..DetectionFilter::default()
    };
    assert_eq!(registry.detections(&filter).await.unwrap().items.len(), 26);
}
