//! Detections become alerts: one for a rule and an entity until it is closed, each detection counted once.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{AlertConfig, Alerts, TransitionError};
use event::{AlertSeverity, Detection, Disposition, Effect, Entity, ManualClock, Micros, Seq};
use registry::{Actor, AlertFilter, AlertId, AlertState, DetectionUpdate, Registry, Resolution};

struct Site {
    alerts: Alerts,
    registry: Arc<Registry>,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::at(Micros(1_000_000_000)));
        let path = folder.path().join("registry.sqlite");
        let registry = Arc::new(Registry::open(&path, clock).await.expect("it opens"));
        let alerts = Alerts::new(Arc::clone(&registry), &AlertConfig::default());
        Self {
            alerts,
            registry,
            _folder: folder,
        }
    }

    async fn open(&self) -> Vec<(u64, u64, u64)> {
        let filter = AlertFilter {
            open: true,
            limit: 100,
            ..AlertFilter::default()
        };
        let page = self.alerts.list(&filter).await.expect("it reads");
        let shown = page.items.into_iter();
        shown
            .map(|alert| (alert.id.0, alert.detections, alert.events))
            .collect()
    }
}

fn detection(number: u64, user: &str) -> Detection {
    let last_at = Micros(i64::try_from(number).expect("a small number"));
    Detection {
        id: format!("{number:032x}").into(),
        rule: "login-failures-account".into(),
        rules_version: "1".into(),
        key: vec![user.into()],
        entity: Entity::user(user),
        disposition: Disposition::Queue,
        effect: Effect::Attempt,
        seq: Seq(number),
        first_at: Micros(0),
        last_at,
        count: 10,
        evidence: vec![Seq(number)],
        query: format!("user.name:{user}"),
        facts: BTreeMap::new(),
    }
}

fn update(number: u64, count: u64) -> DetectionUpdate {
    DetectionUpdate {
        id: detection(number, "x").id,
        last_at: Micros(500),
        count,
        evidence: vec![Seq(number), Seq(900)],
    }
}

#[tokio::test]
async fn detections_of_one_rule_and_entity_are_one_alert() {
    let site = Site::new().await;
    let batch = [detection(1, "an"), detection(2, "binh"), detection(3, "an")];
    let applied = site.alerts.apply(&batch, &[update(3, 25)]).await.unwrap();
    assert_eq!((applied.detections, applied.updates), (3, 1));
    assert_eq!(applied.created, [AlertId(1), AlertId(2)]);
    assert_eq!(site.open().await, [(2, 1, 10), (1, 2, 35)]);
    assert_eq!(
        site.alerts
            .show(AlertId(1))
            .await
            .unwrap()
            .unwrap()
            .alert
            .last_at,
        Micros(500)
    );
}

#[tokio::test]
async fn what_replay_applies_again_changes_nothing() {
    let site = Site::new().await;
    let batch = [detection(1, "an"), detection(1, "an"), detection(2, "an")];
    let updates = [update(2, 12), update(9, 99)];
    site.alerts.apply(&batch, &updates).await.unwrap();
    let before = site.alerts.show(AlertId(1)).await.unwrap();
    let again = site.alerts.apply(&batch, &updates).await.unwrap();
    assert_eq!(again, alert::Applied::default());
    assert_eq!(site.alerts.show(AlertId(1)).await.unwrap(), before);
    assert_eq!(site.open().await, [(1, 2, 22)]);
}

#[tokio::test]
async fn a_closed_alert_stays_closed_and_the_next_detection_makes_a_new_one() {
    let site = Site::new().await;
    let lan = Actor::new("lan", None);
    site.alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    let first = AlertId(1);
    let alert = site.alerts.acknowledge(&lan, first, None).await.unwrap();
    assert_eq!(
        (alert.state, alert.assignee.as_deref()),
        (AlertState::Acknowledged, Some("lan"))
    );
    let again = site.alerts.acknowledge(&lan, first, None).await;
    assert!(matches!(again, Err(TransitionError::NotAllowed { .. })));
    site.alerts
        .start(&lan, first, Some("looking"))
        .await
        .unwrap();
    site.alerts
        .close(&lan, first, Resolution::FalsePositive, Some("a test"))
        .await
        .unwrap();
    let late = site.alerts.start(&lan, first, None).await;
    assert!(matches!(late, Err(TransitionError::NotAllowed { .. })));
    site.alerts
        .comment(&lan, first, "noted later")
        .await
        .unwrap();

    let applied = site
        .alerts
        .apply(&[detection(2, "an")], &[update(1, 50)])
        .await
        .unwrap();
    assert_eq!(applied.created, [AlertId(2)]);
    let second = site.alerts.show(AlertId(2)).await.unwrap().unwrap();
    assert_eq!(second.alert.previous, Some(first));
    let first = site.alerts.show(first).await.unwrap().unwrap();
    assert_eq!(
        (first.alert.state, first.alert.events),
        (AlertState::Closed, 10)
    );
    assert_eq!(first.alert.resolution, Some(Resolution::FalsePositive));
    let steps: Vec<_> = first
        .history
        .iter()
        .map(|entry| entry.action.as_str())
        .collect();
    assert_eq!(
        steps,
        ["created", "acknowledged", "started", "closed", "commented"]
    );

    let nobody = site.alerts.acknowledge(&lan, AlertId(77), None).await;
    assert!(matches!(nobody, Err(TransitionError::NotFound { .. })));
}

#[tokio::test]
async fn a_graver_detection_makes_its_alert_graver() {
    let site = Site::new().await;
    site.alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    let graver = Detection {
        disposition: Disposition::Page,
        effect: Effect::Compromise,
        ..detection(2, "an")
    };
    let applied = site
        .alerts
        .apply(&[graver, detection(3, "an")], &[])
        .await
        .unwrap();
    assert_eq!(
        (applied.created.len(), applied.escalated),
        (0, vec![AlertId(1)])
    );
    let alert = site.alerts.show(AlertId(1)).await.unwrap().unwrap().alert;
    assert_eq!(
        (alert.disposition, alert.severity),
        (Disposition::Page, AlertSeverity::Medium)
    );
    assert_eq!((alert.detections, alert.events), (3, 30));
}

#[tokio::test]
async fn digests_and_signals_are_kept_without_an_alert() {
    let site = Site::new().await;
    let digest = Detection {
        disposition: Disposition::Digest,
        ..detection(1, "an")
    };
    let signal = Detection {
        disposition: Disposition::Signal,
        ..detection(2, "an")
    };
    site.alerts
        .apply(&[digest.clone(), signal], &[])
        .await
        .unwrap();
    assert_eq!(site.open().await, []);
    let digest_list = site
        .alerts
        .digest(Micros(0), Micros(100), 10)
        .await
        .unwrap();
    assert_eq!((digest_list.len(), digest_list[0].detections), (1, 1));
    let stored = site.registry.detection(&digest.id).await.unwrap().unwrap();
    assert_eq!((stored.detection, stored.alert), (digest, None));
}

#[tokio::test]
async fn an_alert_shows_its_evidence_in_order() {
    let site = Site::new().await;
    let batch: Vec<_> = (1..=120).map(|number| detection(number, "an")).collect();
    site.alerts.apply(&batch, &[]).await.unwrap();
    let view = site.alerts.show(AlertId(1)).await.unwrap().unwrap();
    assert_eq!((view.alert.detections, view.detections.len()), (120, 50));
    let expected: Vec<_> = (71..=120).map(Seq).collect();
    assert_eq!(view.evidence, expected);
    assert_eq!(view.query.as_deref(), Some("user.name:an"));
    assert_eq!(site.alerts.show(AlertId(9)).await.unwrap(), None);
}
