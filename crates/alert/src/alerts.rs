//! From detections to alerts.

use std::sync::Arc;

use event::{AlertSeverity, Detection, Disposition};
use registry::{
    Actor, Alert, AlertGrowth, AlertId, AlertState, DetectionUpdate, NewAlert, NewStep, Registry,
    StoreError, Write,
};

use crate::AlertConfig;
use crate::notification::{News, NotificationKind, Routes};

/// Groups detections into alerts and carries out what people do to them. Share it in an `Arc`.
#[derive(Debug)]
pub struct Alerts {
    pub(crate) registry: Arc<Registry>,
    pub(crate) routes: Routes,
}

/// What [`Alerts::apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Detections that were not stored before.
    pub detections: u64,
    /// Updates that told something new.
    pub updates: u64,
    /// Alerts that arose.
    pub created: Vec<AlertId>,
    /// Alerts that became graver.
    pub escalated: Vec<AlertId>,
}

impl Alerts {
    /// Alerts kept in `registry`, told of as `config` says.
    #[must_use]
    pub fn new(registry: Arc<Registry>, config: &AlertConfig) -> Self {
        Self {
            registry,
            routes: Routes::new(config),
        }
    }

    /// Stores what a detector gave, then what happened to its open episodes, in one transaction.
    ///
    /// What is applied again, as replay does after a restart, changes nothing. Once it returns, the detector's checkpoint
    /// may be written.
    ///
    /// # Errors
    /// When the database fails; then nothing is stored, and the same may be applied again.
    pub async fn apply(
        &self,
        detections: &[Detection],
        updates: &[DetectionUpdate],
    ) -> Result<Applied, StoreError> {
        let mut applied = Applied::default();
        if detections.is_empty() && updates.is_empty() {
            return Ok(applied);
        }
        let mut write = self.registry.write().await?;
        let mut fresh = write.insert_detections(detections).await?;
        for detection in detections {
            if fresh.remove(&detection.id) {
                applied.detections += 1;
                self.take_in(&mut write, detection, &mut applied).await?;
            }
        }
        for update in updates {
            applied.updates += u64::from(prolong(&mut write, update).await?);
        }
        write.commit().await?;
        Ok(applied)
    }

    async fn take_in(
        &self,
        write: &mut Write<'_>,
        detection: &Detection,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        match detection.disposition {
            Disposition::Page | Disposition::Queue => {}
            Disposition::Digest | Disposition::Signal => return Ok(()),
        }
        let entity = detection.entity.as_ref();
        let alert = match write.open_alert(&detection.rule, entity).await? {
            Some(alert) => self.join(write, alert, detection, applied).await?,
            None => self.raise(write, detection, applied).await?,
        };
        write.link_detection(&detection.id, alert).await
    }

    async fn raise(
        &self,
        write: &mut Write<'_>,
        detection: &Detection,
        applied: &mut Applied,
    ) -> Result<AlertId, StoreError> {
        let new = NewAlert {
            rule: detection.rule.to_string(),
            entity: detection.entity.clone(),
            disposition: detection.disposition,
            effect: detection.effect,
            severity: severity(detection),
            first_at: detection.first_at,
            last_at: detection.last_at,
            events: detection.count,
        };
        let alert = write.create_alert(&new).await?;
        applied.created.push(alert.id);
        self.announce(write, NotificationKind::Created, &alert, detection)
            .await?;
        Ok(alert.id)
    }

    async fn join(
        &self,
        write: &mut Write<'_>,
        mut alert: Alert,
        detection: &Detection,
        applied: &mut Applied,
    ) -> Result<AlertId, StoreError> {
        let before = (alert.disposition, alert.effect, alert.severity);
        // `Page` comes before `Queue`; effects and severities are ordered by gravity.
        alert.disposition = alert.disposition.min(detection.disposition);
        alert.effect = alert.effect.max(detection.effect);
        alert.severity = alert.severity.max(severity(detection));
        alert.detections += 1;
        alert.events += detection.count;
        alert.last_at = alert.last_at.max(detection.last_at);
        let gravity = (alert.disposition, alert.effect, alert.severity);
        let growth = AlertGrowth {
            detections: 1,
            events: detection.count,
            last_at: detection.last_at,
            gravity,
        };
        write.grow_alert(alert.id, &growth).await?;
        if gravity != before {
            applied.escalated.push(alert.id);
            self.announce(write, NotificationKind::Escalated, &alert, detection)
                .await?;
        }
        Ok(alert.id)
    }

    async fn announce(
        &self,
        write: &mut Write<'_>,
        kind: NotificationKind,
        alert: &Alert,
        detection: &Detection,
    ) -> Result<(), StoreError> {
        let product = Actor::product();
        let step = NewStep {
            action: kind.name(),
            state: alert.state,
            detail: None,
            together: None,
            comment: None,
        };
        let step = write.add_history(alert.id, &product, step).await?;
        let news = News {
            kind,
            step,
            actor: &product.name,
            alert,
            detection: Some(detection),
            comment: None,
        };
        self.routes.tell(write, &news).await
    }
}

/// No System is known of, so that the tier is the one that stands for none.
fn severity(detection: &Detection) -> AlertSeverity {
    AlertSeverity::propose(detection.effect, None)
}

/// Notes what happened to an episode; whether it was new.
async fn prolong(write: &mut Write<'_>, update: &DetectionUpdate) -> Result<bool, StoreError> {
    let Some(changed) = write.update_detection(update).await? else {
        return Ok(false);
    };
    if changed.events_added == 0 {
        return Ok(false);
    }
    let alert = match changed.alert {
        Some(id) => write.alert(id).await?,
        None => None,
    };
    // An alert that was closed is not counted on: it says what its handling was about.
    if let Some(alert) = alert.filter(|alert| alert.state != AlertState::Closed) {
        let growth = AlertGrowth {
            detections: 0,
            events: changed.events_added,
            last_at: update.last_at,
            gravity: (alert.disposition, alert.effect, alert.severity),
        };
        write.grow_alert(alert.id, &growth).await?;
    }
    Ok(true)
}
