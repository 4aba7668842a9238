//! Closing many alerts by one act: first it is told which, then done to exactly these.

use std::fmt;
use std::fmt::Write as _;

use registry::{
    Actor, Alert, AlertFilter, AlertId, AlertState, NewStep, Resolution, StoreError, Write,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::life_cycle::{change, checked, own_name};
use crate::notification::Together;
use crate::{Alerts, TransitionError};

/// Alerts that one act closes at most: their rows are written while other changes wait, for a second or so.
const TOGETHER_MAX: u32 = 5_000;
/// Alerts that are shown before.
const SHOWN: usize = 10;

/// Which alerts are to be closed; those that are closed are left out.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Those with these numbers.
    Ids(Vec<AlertId>),
    /// Those that the filter names; its cursor and limit do not count.
    Filter(AlertFilter),
}

/// What an act would close.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToClose {
    /// How many alerts.
    pub count: u64,
    /// The ten with the smallest numbers.
    pub first: Vec<Alert>,
    /// Of the numbers given, those of no alert, or of one that is closed.
    pub left_out: Vec<AlertId>,
    /// What says that these alerts were seen: their number, and a fingerprint of what they are.
    pub confirm: String,
}

/// Why alerts were not closed together.
#[derive(Debug, thiserror::Error)]
pub enum TogetherError {
    /// There are too many of them.
    #[error("more than {TOGETHER_MAX} alerts: close them in parts, such as those of one rule")]
    TooMany,
    /// They are not those that were seen.
    #[error(
        "these are not the alerts that were confirmed ({confirmed}): look at what it is now, and confirm {now}"
    )]
    Changed {
        /// What was confirmed.
        confirmed: String,
        /// What would have to be.
        now: String,
    },
    /// The comment is too long.
    #[error(transparent)]
    Comment(TransitionError),
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Alerts {
    /// Tells which alerts [`Alerts::close_together`] would close; changes nothing.
    ///
    /// # Errors
    /// When there are too many, or the database fails.
    pub async fn to_close(&self, selection: &Selection) -> Result<ToClose, TogetherError> {
        let mut write = self.registry.write().await?;
        let (alerts, left_out) = selected(&mut write, selection).await?;
        Ok(ToClose {
            count: alerts.len() as u64,
            confirm: fingerprint(&alerts),
            first: alerts.into_iter().take(SHOWN).collect(),
            left_out,
        })
    }

    /// Closes the alerts that were seen and confirmed, all or none; gives their number.
    ///
    /// Each alert's history tells it, the journal gets one record, and each receiver that is told of closing one notification.
    ///
    /// # Errors
    /// When others would be closed than were confirmed, there are too many, the comment is too long, or the database fails.
    pub async fn close_together(
        &self,
        by: &Actor,
        selection: &Selection,
        confirmed: &str,
        resolution: Resolution,
        comment: Option<&str>,
    ) -> Result<u64, TogetherError> {
        let comment = checked(comment).map_err(TogetherError::Comment)?;
        let mut write = self.registry.write().await?;
        let (mut alerts, _) = selected(&mut write, selection).await?;
        let now = fingerprint(&alerts);
        if now != confirmed {
            let confirmed = confirmed.chars().take(64).collect();
            return Err(TogetherError::Changed { confirmed, now });
        }
        let count = alerts.len() as u64;
        if alerts.is_empty() {
            return Ok(count);
        }
        let own_name = own_name(&mut write, by).await?;
        let mut last_step = 0;
        for alert in &mut alerts {
            alert.state = AlertState::Closed;
            alert.resolution = Some(resolution);
            alert.assignee.get_or_insert_with(|| own_name.clone());
            write.change_alert(alert.id, &change(alert)).await?;
            let step = NewStep {
                action: "closed",
                state: alert.state,
                detail: Some(resolution.name()),
                together: Some(count),
                comment,
            };
            last_step = write.add_history(alert.id, by, step).await?;
        }
        let why = comment.map_or_else(String::new, |comment| format!(": {comment}"));
        let object = format!("{count} alerts as {resolution} ({selection}){why}");
        write.audit(by, "alerts-closed", &object).await?;
        let together = Together {
            step: last_step,
            actor: &by.name,
            alerts: &alerts,
            resolution,
            comment,
        };
        self.routes.tell_together(&mut write, &together).await?;
        write.commit().await?;
        Ok(count)
    }
}

/// The alerts that are not closed, by number, and the numbers that lead to none.
async fn selected(
    write: &mut Write<'_>,
    selection: &Selection,
) -> Result<(Vec<Alert>, Vec<AlertId>), TogetherError> {
    match selection {
        Selection::Ids(ids) => by_number(write, ids).await,
        Selection::Filter(filter) => {
            let filter = AlertFilter {
                open: true,
                before: None,
                limit: TOGETHER_MAX + 1,
                ..filter.clone()
            };
            let mut alerts = write.alerts(&filter).await?;
            if alerts.len() > TOGETHER_MAX as usize {
                return Err(TogetherError::TooMany);
            }
            alerts.reverse();
            Ok((alerts, Vec::new()))
        }
    }
}

async fn by_number(
    write: &mut Write<'_>,
    ids: &[AlertId],
) -> Result<(Vec<Alert>, Vec<AlertId>), TogetherError> {
    if ids.len() > TOGETHER_MAX as usize {
        return Err(TogetherError::TooMany);
    }
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let (mut alerts, mut left_out) = (Vec::new(), Vec::new());
    for id in ids {
        match write.alert(id).await? {
            Some(alert) if alert.state != AlertState::Closed => alerts.push(alert),
            _ => left_out.push(id),
        }
    }
    Ok((alerts, left_out))
}

/// How many they are, and the beginning of a hash of which, how grave and how far: an alert that has become graver since it was
/// seen is not the one that was seen.
fn fingerprint(alerts: &[Alert]) -> String {
    let mut hash = Sha256::new();
    for alert in alerts {
        hash.update(alert.id.0.to_be_bytes());
        hash.update(alert.severity.name());
        hash.update(alert.disposition.name());
        hash.update(alert.state.name());
    }
    let hash: [u8; 32] = hash.finalize().into();
    let mut text = format!("{}-", alerts.len());
    for byte in hash.iter().take(4) {
        write!(text, "{byte:02x}").expect("a String takes all that is written");
    }
    text
}

/// As it goes on record.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = match self {
            Self::Ids(ids) => return write!(f, "{} by number", ids.len()),
            Self::Filter(filter) => filter,
        };
        let named = [
            ("rule", filter.rule.clone()),
            ("entity", filter.entity.as_ref().map(ToString::to_string)),
            ("state", filter.state.map(|state| state.to_string())),
            (
                "severity",
                filter.severity.map(|severity| severity.to_string()),
            ),
            ("before", filter.quiet_since.map(|at| at.to_string())),
        ];
        let mut between = "";
        for (name, value) in named {
            if let Some(value) = value {
                write!(f, "{between}{name}={value}")?;
                between = ", ";
            }
        }
        if between.is_empty() {
            f.write_str("all")?;
        }
        Ok(())
    }
}
