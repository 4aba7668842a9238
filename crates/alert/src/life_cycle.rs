//! What people do to the state of alerts.

use registry::{
    Actor, Alert, AlertChange, AlertId, AlertState, NewStep, Resolution, StoreError, Write,
};

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
        "alert {id} is {from} and cannot become {to}: a closed alert must be reopened, and others only go forward"
    )]
    NotAllowed {
        /// Its number.
        id: AlertId,
        /// Its state.
        from: AlertState,
        /// The state asked for.
        to: AlertState,
    },
    /// It is closed, and what is asked changes alerts that are not.
    #[error("alert {id} is closed: reopen it first")]
    IsClosed {
        /// Its number.
        id: AlertId,
    },
    /// It is not closed, and so cannot be reopened.
    #[error("alert {id} is not closed")]
    IsOpen {
        /// Its number.
        id: AlertId,
    },
    /// Another alert about the same is open: two would share what comes.
    #[error("alert {by} about the same followed alert {id} and is open: handle that one")]
    Followed {
        /// Its number.
        id: AlertId,
        /// The one that followed.
        by: AlertId,
    },
    /// Nobody is called that.
    #[error("nobody is called {name:?}: `nhatky people list` shows who there is")]
    Nobody {
        /// What was given.
        name: String,
    },
    /// The comment is too long, or empty where it is all there is.
    #[error("a comment has 1 to {COMMENT_CHARS_MAX} characters")]
    CommentInvalid,
    /// No reason was given where one is needed, or a whole book.
    #[error("say why, in 1 to {COMMENT_CHARS_MAX} characters")]
    ReasonInvalid,
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A step forward in an alert's life.
struct Forward<'a> {
    kind: NotificationKind,
    to: AlertState,
    resolution: Option<Resolution>,
    comment: Option<&'a str>,
}

/// What was done to an alert: to be written, put on record and told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done<'a> {
    pub(crate) kind: NotificationKind,
    pub(crate) detail: Option<&'a str>,
    pub(crate) comment: Option<&'a str>,
}

impl Alerts {
    /// Says that somebody has seen a new alert. Nobody's alert is theirs from now on.
    ///
    /// # Errors
    /// When there is no such alert, it is not new, or the database fails.
    pub async fn acknowledge(
        &self,
        by: &Actor,
        id: AlertId,
        comment: Option<&str>,
    ) -> Result<Alert, TransitionError> {
        let step = Forward {
            kind: NotificationKind::Acknowledged,
            to: AlertState::Acknowledged,
            resolution: None,
            comment,
        };
        self.forward(by, id, step).await
    }

    /// Says that somebody works on an alert. Nobody's alert is theirs from now on.
    ///
    /// # Errors
    /// When there is no such alert, it is in work or closed, or the database fails.
    pub async fn start(
        &self,
        by: &Actor,
        id: AlertId,
        comment: Option<&str>,
    ) -> Result<Alert, TransitionError> {
        let step = Forward {
            kind: NotificationKind::Started,
            to: AlertState::InProgress,
            resolution: None,
            comment,
        };
        self.forward(by, id, step).await
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
        let step = Forward {
            kind: NotificationKind::Closed,
            to: AlertState::Closed,
            resolution: Some(resolution),
            comment,
        };
        self.forward(by, id, step).await
    }

    /// Opens a closed alert again, as acknowledged, with what its episodes have grown by meanwhile; how it had been closed stays in
    /// its history.
    ///
    /// # Errors
    /// When there is no such alert, it is not closed, another about the same is open, no reason is given, or the database fails.
    pub async fn reopen(
        &self,
        by: &Actor,
        id: AlertId,
        reason: &str,
    ) -> Result<Alert, TransitionError> {
        let reason = reason_given(reason)?;
        let mut write = self.registry.write().await?;
        let closed = found(&mut write, id).await?;
        if closed.state != AlertState::Closed {
            return Err(TransitionError::IsOpen { id });
        }
        let following = write.open_alert(&closed.rule, closed.entity.as_ref());
        if let Some(following) = following.await? {
            let by = following.id;
            return Err(TransitionError::Followed { id, by });
        }
        let mut alert = write.recount_alert(id).await?;
        alert.state = AlertState::Acknowledged;
        alert.resolution = None;
        let done = Done {
            kind: NotificationKind::Reopened,
            detail: None,
            comment: Some(reason),
        };
        let alert = self.write_step(&mut write, by, alert, done).await?;
        write.commit().await?;
        Ok(alert)
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
        let alert = found(&mut write, id).await?;
        let step = NewStep {
            action: "commented",
            state: alert.state,
            detail: None,
            together: None,
            comment: Some(comment),
        };
        write.add_history(id, by, step).await?;
        write.audit(by, "alert-commented", &id.to_string()).await?;
        Ok(write.commit().await?)
    }

    async fn forward(
        &self,
        by: &Actor,
        id: AlertId,
        step: Forward<'_>,
    ) -> Result<Alert, TransitionError> {
        let comment = checked(step.comment)?;
        let mut write = self.registry.write().await?;
        let mut alert = found(&mut write, id).await?;
        if !may_become(alert.state, step.to) {
            let (from, to) = (alert.state, step.to);
            return Err(TransitionError::NotAllowed { id, from, to });
        }
        alert.state = step.to;
        alert.resolution = step.resolution;
        if alert.assignee.is_none() {
            alert.assignee = Some(own_name(&mut write, by).await?);
        }
        let done = Done {
            kind: step.kind,
            detail: step.resolution.map(Resolution::name),
            comment,
        };
        let alert = self.write_step(&mut write, by, alert, done).await?;
        write.commit().await?;
        Ok(alert)
    }

    /// Writes what was done to an alert: the alert, a step in its history, a record for the journal, the notifications.
    pub(crate) async fn write_step(
        &self,
        write: &mut Write<'_>,
        by: &Actor,
        mut alert: Alert,
        done: Done<'_>,
    ) -> Result<Alert, StoreError> {
        alert.updated_at = write.now();
        write.change_alert(alert.id, &change(&alert)).await?;
        let action = done.kind.name();
        let step = NewStep {
            action,
            state: alert.state,
            detail: done.detail,
            together: None,
            comment: done.comment,
        };
        let number = write.add_history(alert.id, by, step).await?;
        let object = match done.detail {
            Some(detail) => format!("{}: {detail}", alert.id),
            None => alert.id.to_string(),
        };
        write.audit(by, &format!("alert-{action}"), &object).await?;
        let news = News {
            kind: done.kind,
            step: number,
            actor: &by.name,
            alert: &alert,
            detection: None,
            comment: done.comment,
        };
        self.routes.tell(write, &news).await?;
        Ok(alert)
    }
}

/// As the registry keeps it.
pub(crate) fn change(alert: &Alert) -> AlertChange {
    AlertChange {
        state: alert.state,
        resolution: alert.resolution,
        assignee: alert.assignee.clone(),
    }
}

/// The alert with that number.
pub(crate) async fn found(write: &mut Write<'_>, id: AlertId) -> Result<Alert, TransitionError> {
    let alert = write.alert(id).await?;
    alert.ok_or(TransitionError::NotFound { id })
}

/// The name of the person whose account acts; the account's own where it is nobody's.
pub(crate) async fn own_name(write: &mut Write<'_>, by: &Actor) -> Result<String, StoreError> {
    let person = write.person_called(&by.name).await?;
    Ok(person.map_or_else(|| by.name.clone(), |person| person.text.name))
}

/// States only go forward; what is closed is reopened, by a way of its own.
fn may_become(from: AlertState, to: AlertState) -> bool {
    from < to
}

/// What the comment says, if anything.
pub(crate) fn checked(comment: Option<&str>) -> Result<Option<&str>, TransitionError> {
    let comment = comment.map(str::trim).filter(|text| !text.is_empty());
    match comment {
        Some(text) if text.chars().count() > COMMENT_CHARS_MAX => {
            Err(TransitionError::CommentInvalid)
        }
        _ => Ok(comment),
    }
}

/// What the reason says.
pub(crate) fn reason_given(reason: &str) -> Result<&str, TransitionError> {
    let reason = checked(Some(reason)).map_err(|_| TransitionError::ReasonInvalid)?;
    reason.ok_or(TransitionError::ReasonInvalid)
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
        reason_given(" ").unwrap_err();
    }
}
