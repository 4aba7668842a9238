//! From detections to alerts.

use std::sync::Arc;

use event::{Detection, Disposition};
use registry::{
    Actor, Alert, AlertGrowth, AlertId, AlertState, DetectionUpdate, NewAlert, NewStep, Registry,
    StoreError, StoredDetection, Write,
};

use crate::notification::{News, NotificationKind, Routes};
use crate::risk::Scale;
use crate::risk_alerts::Touched;
use crate::suppression::Suppressing;
use crate::{AlertConfig, severity};

/// Groups detections into alerts and carries out what people do to them. Share it in an `Arc`.
#[derive(Debug)]
pub struct Alerts {
    pub(crate) registry: Arc<Registry>,
    pub(crate) routes: Routes,
    pub(crate) scale: Scale,
}

/// What [`Alerts::apply`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Detections that were not stored before.
    pub detections: u64,
    /// Of these, those that a suppression keeps from making an alert.
    pub suppressed: u64,
    /// Updates that told something new.
    pub updates: u64,
    /// Entities whose risk has passed the limit.
    pub risks: u64,
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
            scale: Scale::new(config),
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
        let times = detections.iter().map(|detection| detection.last_at);
        let times = times.chain(updates.iter().map(|update| update.last_at));
        let suppressing = Suppressing::load(&mut write, times).await?;
        let mut touched = Touched::default();
        let mut fresh = write.insert_detections(detections).await?;
        for detection in detections {
            if !fresh.remove(&detection.id) {
                continue;
            }
            applied.detections += 1;
            if let Some(by) = suppressing.of(detection, detection.last_at) {
                applied.suppressed += 1;
                write.mark_suppressed(&detection.id, Some(by)).await?;
            } else {
                touched.note(detection, detection.last_at);
                self.take_in(&mut write, detection, &mut applied).await?;
            }
        }
        for update in updates {
            let gone_on = self.prolong(&mut write, update, &suppressing, &mut applied);
            if let Some(gone_on) = gone_on.await? {
                touched.note(&gone_on.detection, gone_on.fired_at);
            }
        }
        self.weigh(&mut write, &touched, &suppressing, &mut applied)
            .await?;
        write.commit().await?;
        Ok(applied)
    }

    pub(crate) async fn take_in(
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

    /// Notes what happened to an episode; gives its detection if it is no longer suppressed from now on.
    async fn prolong(
        &self,
        write: &mut Write<'_>,
        update: &DetectionUpdate,
        suppressing: &Suppressing,
        applied: &mut Applied,
    ) -> Result<Option<StoredDetection>, StoreError> {
        let Some(changed) = write.update_detection(update).await? else {
            return Ok(None);
        };
        if changed.events_added == 0 {
            return Ok(None);
        }
        applied.updates += 1;
        if changed.suppressed_by.is_some() {
            return self.go_on(write, update, suppressing, applied).await;
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
            };
            write.grow_alert(alert.id, &growth).await?;
        }
        Ok(None)
    }

    /// A suppressed episode goes on: after the end of what suppressed it, it is taken in like a new one.
    async fn go_on(
        &self,
        write: &mut Write<'_>,
        update: &DetectionUpdate,
        suppressing: &Suppressing,
        applied: &mut Applied,
    ) -> Result<Option<StoredDetection>, StoreError> {
        let Some(stored) = write.detection(&update.id).await? else {
            return Ok(None);
        };
        let detection = &stored.detection;
        if suppressing.of(detection, update.last_at).is_some() {
            return Ok(None);
        }
        write.mark_suppressed(&detection.id, None).await?;
        self.take_in(write, detection, applied).await?;
        Ok(Some(stored))
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
            severity: severity::proposed(detection),
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
        let gravity = |alert: &Alert| (alert.disposition, alert.effect, alert.severity);
        let before = gravity(&alert);
        // `Page` comes before `Queue`; effects and severities are ordered by gravity.
        alert.disposition = alert.disposition.min(detection.disposition);
        alert.effect = alert.effect.max(detection.effect);
        severity::join(&mut alert, severity::proposed(detection));
        alert.detections += 1;
        alert.events += detection.count;
        alert.last_at = alert.last_at.max(detection.last_at);
        let growth = AlertGrowth {
            detections: 1,
            events: detection.count,
            last_at: detection.last_at,
        };
        write.grow_alert(alert.id, &growth).await?;
        if gravity(&alert) != before {
            write.grade_alert(&alert).await?;
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
            detail: Some(alert.severity.name()),
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
