//! An alert with all that a person needs to judge it, and the daily list.

use std::collections::BTreeSet;

use event::{Disposition, Micros, Seq};
use registry::{
    Alert, AlertFilter, AlertId, DetectionFilter, DetectionSummary, HistoryEntry, OutboxItem, Page,
    RiskStep, StoreError, StoredDetection,
};
use serde::Serialize;

use crate::{Alerts, RISK_RULE};

/// Detections shown with an alert, the latest.
const DETECTIONS_SHOWN: u32 = 50;
/// Records of evidence shown with an alert, the latest.
const EVIDENCE_SHOWN: usize = 100;

/// An alert with its history and its evidence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlertView {
    /// The alert.
    pub alert: Alert,
    /// What was done to it, first to last.
    pub history: Vec<HistoryEntry>,
    /// Its detections, last stored first: the latest 50.
    pub detections: Vec<StoredDetection>,
    /// Records that the detections name as evidence, ascending: the latest 100.
    pub evidence: Vec<Seq>,
    /// The query of the latest detection, which shows more than the evidence.
    pub query: Option<String>,
    /// Of an alert about risk: the detections that it is made of, in order of time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub story: Vec<RiskStep>,
    /// What was sent about it, and what waits to be.
    pub notifications: Vec<OutboxItem>,
}

impl Alerts {
    /// Alerts, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, filter: &AlertFilter) -> Result<Page<Alert>, StoreError> {
        self.registry.alerts(filter).await
    }

    /// One alert with its history and evidence; `None` when there is none with that number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn show(&self, id: AlertId) -> Result<Option<AlertView>, StoreError> {
        let Some(alert) = self.registry.alert(id).await? else {
            return Ok(None);
        };
        let filter = DetectionFilter {
            alert: Some(id),
            limit: DETECTIONS_SHOWN,
            ..DetectionFilter::default()
        };
        let detections = self.registry.detections(&filter).await?.items;
        let latest = detections.first();
        let story = match alert.rule.as_str() {
            RISK_RULE => {
                let firings = detections.iter().map(|stored| &*stored.detection.id);
                let firings: Vec<&str> = firings.collect();
                self.registry.risk_steps(&firings).await?
            }
            _ => Vec::new(),
        };
        Ok(Some(AlertView {
            alert,
            history: self.registry.alert_history(id).await?,
            evidence: evidence(&detections),
            query: latest.map(|latest| latest.detection.query.clone()),
            story,
            notifications: self.registry.outbox_of(id).await?,
            detections,
        }))
    }

    /// The daily list: detections of disposition `digest` whose latest event lies in `from..to`, by rule and entity.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn digest(
        &self,
        from: Micros,
        to: Micros,
        limit: u32,
    ) -> Result<Vec<DetectionSummary>, StoreError> {
        self.registry
            .summarise_detections(Disposition::Digest, from, to, limit)
            .await
    }
}

fn evidence(detections: &[StoredDetection]) -> Vec<Seq> {
    let named = detections
        .iter()
        .flat_map(|stored| &stored.detection.evidence);
    let named: BTreeSet<Seq> = named.copied().collect();
    let left_out = named.len().saturating_sub(EVIDENCE_SHOWN);
    named.into_iter().skip(left_out).collect()
}
