//! Alerts over a registry in a temporary folder, and detections to put in.

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{AlertConfig, Alerts};
use event::{Detection, Disposition, Effect, Entity, ManualClock, Micros, Seq};
use registry::{
    Alert, AlertFilter, AlertId, AuditSink, PendingAudit, Registry, SinkError, SinkFuture,
};

/// When a site's clock begins.
pub(crate) const NOW: Micros = Micros(1_760_000_000_000_000);

pub(crate) struct Site {
    pub(crate) alerts: Alerts,
    pub(crate) registry: Arc<Registry>,
    pub(crate) clock: Arc<ManualClock>,
    config: AlertConfig,
    folder: tempfile::TempDir,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(AlertConfig::default()).await
    }

    pub(crate) async fn with(config: AlertConfig) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::at(NOW));
        let registry = open(&folder, &clock).await;
        Self {
            alerts: Alerts::new(Arc::clone(&registry), &config),
            registry,
            clock,
            config,
            folder,
        }
    }

    /// The process ends and starts again.
    pub(crate) async fn restart(&mut self) {
        self.registry.close().await;
        self.registry = open(&self.folder, &self.clock).await;
        self.alerts = Alerts::new(Arc::clone(&self.registry), &self.config);
    }

    /// Every alert, first made first.
    pub(crate) async fn all(&self) -> Vec<Alert> {
        let filter = AlertFilter {
            limit: 10_000,
            ..AlertFilter::default()
        };
        let mut all = self.alerts.list(&filter).await.expect("it reads").items;
        all.reverse();
        all
    }

    pub(crate) async fn alert(&self, id: u64) -> Alert {
        let alert = self.registry.alert(AlertId(id)).await.expect("it reads");
        alert.expect("an alert")
    }

    /// What was done to an alert: act, detail, to how many at once.
    pub(crate) async fn history(&self, id: u64) -> Vec<(String, Option<String>, Option<u64>)> {
        let history = self.registry.alert_history(AlertId(id)).await;
        let history = history.expect("it reads").into_iter();
        history
            .map(|entry| (entry.action, entry.detail, entry.together))
            .collect()
    }

    /// What the journal is told: act and object.
    pub(crate) async fn told(&self) -> Vec<(String, String)> {
        let journal = Journal::default();
        let handed_over = self.registry.hand_over_audits(&journal).await;
        handed_over.expect("a journal that works");
        let told = journal.0.into_inner().expect("nobody panicked with it");
        let act = |pending: &PendingAudit| match &pending.record {
            event::OwnRecord::Audit(audit) => (audit.action.clone(), audit.object.clone()),
            other => ("other".to_owned(), format!("{other:?}")),
        };
        told.iter().map(act).collect()
    }
}

async fn open(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> Arc<Registry> {
    let path = folder.path().join("registry.sqlite");
    let registry = Registry::open(&path, Arc::<ManualClock>::clone(clock)).await;
    Arc::new(registry.expect("it opens"))
}

/// Remembers what it is told.
#[derive(Debug, Default)]
struct Journal(std::sync::Mutex<Vec<PendingAudit>>);

impl AuditSink for Journal {
    fn append(&self, records: Vec<PendingAudit>) -> SinkFuture<'_> {
        Box::pin(async move {
            let taken = self.0.lock();
            let mut taken = taken.map_err(|_| SinkError {
                reason: "poisoned".to_owned(),
            })?;
            taken.extend(records);
            Ok(())
        })
    }
}

/// Ten failed log-ins of a user, just now.
pub(crate) fn detection(number: u64, user: &str) -> Detection {
    Detection {
        id: format!("{number:032x}").into(),
        rule: "login-failures-account".into(),
        rules_version: "1".into(),
        key: vec![user.into()],
        entity: Entity::user(user),
        disposition: Disposition::Queue,
        effect: Effect::Attempt,
        seq: Seq(number),
        first_at: NOW,
        last_at: NOW,
        count: 10,
        evidence: vec![Seq(number)],
        query: format!("user.name:{user}"),
        facts: BTreeMap::new(),
    }
}
