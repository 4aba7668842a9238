//! What is set for a sender: how its lines are to be read, and what it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::row::{Columns as _, json_text};
use crate::{Actor, Registry, StoreError};

/// What people have set for a sender; behind a relay the sender is `PEER>HOSTNAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SenderSettings {
    /// The time zone of dates without one: an IANA name or an offset. Checked by the caller.
    pub zone: Option<String>,
    /// Which product its lines are from, where they do not tell.
    pub product: Option<String>,
    /// Layout parameters by name, such as `log_line_prefix`.
    pub params: BTreeMap<String, String>,
    /// It passes on the lines of other hosts, so that the host name in the line tells the sender.
    pub relay: bool,
    /// It is a workstation, not a server: its outbound connections are not watched as a server's.
    pub workstation: bool,
}

impl Registry {
    /// Every sender with settings, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn senders(&self) -> Result<BTreeMap<String, SenderSettings>, StoreError> {
        let rows = sqlx::query("SELECT * FROM senders")
            .fetch_all(&self.readers)
            .await?;
        let sender = |row: &sqlx::sqlite::SqliteRow| {
            let settings = SenderSettings {
                zone: row.column("zone")?,
                product: row.column("product")?,
                params: row.json("params")?,
                relay: row.yes("relay")?,
                workstation: row.yes("workstation")?,
            };
            Ok((row.text("sender")?, settings))
        };
        rows.iter().map(sender).collect()
    }

    /// Sets what a sender is; settings equal to the default are forgotten.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_sender(
        &self,
        by: &Actor,
        sender: &str,
        settings: &SenderSettings,
    ) -> Result<(), StoreError> {
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM senders WHERE sender = $1")
            .bind(sender)
            .execute(&mut *write.transaction)
            .await?;
        if *settings != SenderSettings::default() {
            sqlx::query(
                "INSERT INTO senders (sender, zone, product, params, relay, workstation, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(sender)
            .bind(&settings.zone)
            .bind(&settings.product)
            .bind(json_text(&settings.params))
            .bind(i64::from(settings.relay))
            .bind(i64::from(settings.workstation))
            .bind(write.now().0)
            .execute(&mut *write.transaction)
            .await?;
        }
        let object = format!("{sender} {}", json_text(settings));
        write.audit(by, "sender-set", &object).await?;
        write.commit().await
    }
}
