//! In whose hand an alert is.

use registry::{Actor, Alert, AlertId, AlertState};

use crate::life_cycle::{Done, checked, found, own_name};
use crate::notification::NotificationKind;
use crate::{Alerts, TransitionError};

/// To whom an alert is assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignee<'a> {
    /// To whoever says so.
    Oneself,
    /// To the person of that name, or with that account.
    Person(&'a str),
}

impl Alerts {
    /// Puts an alert into somebody's hand; its state stays. It changes nothing where the alert is theirs already.
    ///
    /// # Errors
    /// When there is no such alert or person, the alert is closed, or the database fails.
    pub async fn assign(
        &self,
        by: &Actor,
        id: AlertId,
        to: Assignee<'_>,
        comment: Option<&str>,
    ) -> Result<Alert, TransitionError> {
        let comment = checked(comment)?;
        let mut write = self.registry.write().await?;
        let name = match to {
            Assignee::Oneself => own_name(&mut write, by).await?,
            Assignee::Person(name) => {
                let person = write.person_called(name).await?;
                let nobody = || TransitionError::Nobody {
                    name: name.to_owned(),
                };
                person.ok_or_else(nobody)?.text.name
            }
        };
        let mut alert = found(&mut write, id).await?;
        if alert.state == AlertState::Closed {
            return Err(TransitionError::IsClosed { id });
        }
        if alert.assignee.as_ref() == Some(&name) {
            return Ok(alert);
        }
        alert.assignee = Some(name.clone());
        let done = Done {
            kind: NotificationKind::Assigned,
            detail: Some(&name),
            comment,
        };
        let alert = self.write_step(&mut write, by, alert, done).await?;
        write.commit().await?;
        Ok(alert)
    }

    /// Takes an alert out of everybody's hand; its state stays. It changes nothing where it is in nobody's.
    ///
    /// # Errors
    /// When there is no such alert, it is closed, or the database fails.
    pub async fn release(
        &self,
        by: &Actor,
        id: AlertId,
        comment: Option<&str>,
    ) -> Result<Alert, TransitionError> {
        let comment = checked(comment)?;
        let mut write = self.registry.write().await?;
        let mut alert = found(&mut write, id).await?;
        if alert.state == AlertState::Closed {
            return Err(TransitionError::IsClosed { id });
        }
        let Some(before) = alert.assignee.take() else {
            return Ok(alert);
        };
        let done = Done {
            kind: NotificationKind::Released,
            detail: Some(&before),
            comment,
        };
        let alert = self.write_step(&mut write, by, alert, done).await?;
        write.commit().await?;
        Ok(alert)
    }
}
