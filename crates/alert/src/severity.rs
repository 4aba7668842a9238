//! How grave an alert is: proposed by effect and tier (COMPLIANCE §4), until a person says otherwise.

use event::{AlertSeverity, Detection};
use registry::{Actor, Alert, AlertId, AlertState, SeveritySet};

use crate::life_cycle::{Done, found, reason_given};
use crate::notification::NotificationKind;
use crate::{Alerts, TransitionError};

impl Alerts {
    /// Sets an alert's severity, in place of the one proposed, which stays visible beside it.
    ///
    /// It holds until what joins the alert makes the proposal graver than it.
    ///
    /// # Errors
    /// When there is no such alert, it is closed, no reason is given, or the database fails.
    pub async fn set_severity(
        &self,
        by: &Actor,
        id: AlertId,
        severity: AlertSeverity,
        reason: &str,
    ) -> Result<Alert, TransitionError> {
        let reason = reason_given(reason)?;
        let mut write = self.registry.write().await?;
        let mut alert = found(&mut write, id).await?;
        if alert.state == AlertState::Closed {
            return Err(TransitionError::IsClosed { id });
        }
        alert.severity = severity;
        alert.severity_set = Some(SeveritySet {
            by: by.name.clone(),
            at: write.now(),
            reason: reason.to_owned(),
        });
        write.grade_alert(&alert).await?;
        let done = Done {
            kind: NotificationKind::Regraded,
            detail: Some(severity.name()),
            comment: Some(reason),
        };
        let alert = self.write_step(&mut write, by, alert, done).await?;
        write.commit().await?;
        Ok(alert)
    }
}

/// What is proposed for a detection. No System is known of, so that the tier is the one that stands for none.
pub(crate) fn proposed(detection: &Detection) -> AlertSeverity {
    AlertSeverity::propose(detection.effect, None)
}

/// Takes what is proposed for a detection that joins. A proposal that is graver than before and than what a person had set is in
/// force: what they judged was not this.
pub(crate) fn join(alert: &mut Alert, proposed: AlertSeverity) {
    if proposed <= alert.proposed {
        return;
    }
    alert.proposed = proposed;
    if alert.severity_set.is_none() || alert.severity < proposed {
        alert.severity = proposed;
        alert.severity_set = None;
    }
}
