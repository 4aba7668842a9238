//! What people do to alerts.

use registry::{Actor, Alert, AlertChange, AlertId, AlertState, Resolution, StoreError};

use crate::Alerts;
use crate::notification::{News, NotificationKind};

/// Characters of a comment that are kept.
const COMMENT_CHARS_MAX: usize = 10_000;

/// Why an alert was not changed.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    /// There is none with that number.
    #[error("there is no alert {id}: `nhatky alerts list` shows them")]
    NotFound {
        /// The number given.
        id: AlertId,
    },
    /// From its state it cannot go there.
    #[error(
        "alert {id} is {from} and cannot become {to}: a closed alert stays closed, and others only go forward"
    )]
    NotAllowed {
        /// Its number.
        id: AlertId,
        /// Its state.
        from: AlertState,
        /// The state asked for.
        to: AlertState,
    },
    /// The comment is too long, or empty where it is all there is.
    #[error("a comment has 1 to {COMMENT_CHARS_MAX} characters")]
    CommentInvalid,
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A step that changes an alert's state.
struct Step<'a> {
    kind: NotificationKind,
    to: AlertState,
    resolution: Option<Resolution>,
    comment: Option<&'a str>,
}

impl Alerts {
    /// Says that somebody has seen a new alert and has it in hand.
    ///
    /// # Errors
    /// When there is no such alert, it is not new, or the database fails.
    pub async fn acknowledge(
        &self,
        by: &Actor,
        id: AlertId,
        comment: Option<&str>,
    ) -> Result<Alert, TransitionError> {
        let step = Step {
            kind: NotificationKind::Acknowledged,
            to: AlertState::Acknowledged,
            resolution: None,
            comment,
        };
        self.step(by, id, step).await
    }

    /// Says that somebody works on an alert.
    ///
    /// # Errors
    /// When there is no such alert, it is in work or closed, or the database fails.
    pub async fn start(
        &self,
        by: &Actor,
        id: AlertId,
        comment: Option<&str>,
    ) -> Result<Alert, TransitionError> {
        let step = Step {
            kind: NotificationKind::Started,
            to: AlertState::InProgress,
            resolution: None,
            comment,
        };
        self.step(by, id, step).await
    }

    /// Closes an alert. The next detection about the same makes a new one.
    ///
    /// # Errors
    /// When there is no such alert, it is closed, or the database fails.
    pub async fn close(
        &self,
        by: &Actor,
        id: AlertId,
        resolution: Resolution,
        comment: Option<&str>,
    ) -> Result<Alert, TransitionError> {
        let step = Step {
            kind: NotificationKind::Closed,
            to: AlertState::Closed,
            resolution: Some(resolution),
            comment,
        };
        self.step(by, id, step).await
    }

    /// Adds a comment, in whatever state the alert is.
    ///
    /// # Errors
    /// When there is no such alert, the comment is empty or too long, or the database fails.
    pub async fn comment(
        &self,
        by: &Actor,
        id: AlertId,
        comment: &str,
    ) -> Result<(), TransitionError> {
        let comment = checked(Some(comment))?.ok_or(TransitionError::CommentInvalid)?;
        let mut write = self.registry.write().await?;
        let alert = write.alert(id).await?;
        let alert = alert.ok_or(TransitionError::NotFound { id })?;
        write
            .add_history(id, by, "commented", alert.state, Some(comment))
            .await?;
        write.audit(by, "alert-commented", &id.to_string()).await?;
        Ok(write.commit().await?)
    }

    async fn step(
        &self,
        by: &Actor,
        id: AlertId,
        step: Step<'_>,
    ) -> Result<Alert, TransitionError> {
        let comment = checked(step.comment)?;
        let mut write = self.registry.write().await?;
        let alert = write.alert(id).await?;
        let mut alert = alert.ok_or(TransitionError::NotFound { id })?;
        if !may_become(alert.state, step.to) {
            let (from, to) = (alert.state, step.to);
            return Err(TransitionError::NotAllowed { id, from, to });
        }
        alert.state = step.to;
        alert.resolution = step.resolution;
        alert.assignee = Some(by.name.clone());
        alert.updated_at = write.now();
        let change = AlertChange {
            state: alert.state,
            resolution: alert.resolution,
            assignee: alert.assignee.clone(),
        };
        write.change_alert(id, &change).await?;
        let action = step.kind.name();
        let number = write
            .add_history(id, by, action, alert.state, comment)
            .await?;
        write
            .audit(by, &format!("alert-{action}"), &id.to_string())
            .await?;
        let news = News {
            kind: step.kind,
            step: number,
            actor: &by.name,
            alert: &alert,
            detection: None,
            comment,
        };
        self.routes.tell(&mut write, &news).await?;
        write.commit().await?;
        Ok(alert)
    }
}

/// States only go forward, and nothing follows `closed`.
fn may_become(from: AlertState, to: AlertState) -> bool {
    from < to
}

/// What the comment says, if anything.
fn checked(comment: Option<&str>) -> Result<Option<&str>, TransitionError> {
    let comment = comment.map(str::trim).filter(|text| !text.is_empty());
    match comment {
        Some(text) if text.chars().count() > COMMENT_CHARS_MAX => {
            Err(TransitionError::CommentInvalid)
        }
        _ => Ok(comment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AlertState::{Acknowledged, Closed, InProgress, New};

    #[test]
    fn states_go_forward_only() {
        for (to, allowed) in [
            (New, vec![]),
            (Acknowledged, vec![New]),
            (InProgress, vec![New, Acknowledged]),
            (Closed, vec![New, Acknowledged, InProgress]),
        ] {
            for from in AlertState::ALL {
                assert_eq!(
                    may_become(*from, to),
                    allowed.contains(from),
                    "{from} to {to}"
                );
            }
        }
    }

    #[test]
    fn a_comment_that_says_nothing_is_none_and_one_without_end_is_refused() {
        assert_eq!(checked(Some(" vâng ")).unwrap(), Some("vâng"));
        assert_eq!(checked(None).unwrap(), None);
        assert_eq!(checked(Some("  ")).unwrap(), None);
        checked(Some(&"x".repeat(COMMENT_CHARS_MAX + 1))).unwrap_err();
    }
}
