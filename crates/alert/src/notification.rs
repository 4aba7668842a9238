//! What a receiver is told, and of what.

use event::{AlertSeverity, Detection, Micros};
use registry::{Alert, NewOutboxItem, StoreError, Write};
use serde::Serialize;

use crate::{AlertConfig, WebhookConfig};

event::vocabulary! {
    /// What a notification tells of.
    NotificationKind {
        /// A new alert.
        Created = "created",
        /// An alert has become graver: its severity, its effect, or that it now calls someone.
        Escalated = "escalated",
        /// Somebody has seen it.
        Acknowledged = "acknowledged",
        /// Somebody is at it.
        Started = "started",
        /// It was closed.
        Closed = "closed",
    }
}

/// Who is told of what.
#[derive(Debug)]
pub(crate) struct Routes {
    base_url: Option<String>,
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    channel: String,
    on: Vec<NotificationKind>,
    severity_min: AlertSeverity,
}

/// What happened to an alert, to be told.
#[derive(Debug)]
pub(crate) struct News<'a> {
    pub(crate) kind: NotificationKind,
    /// The number of the step in the history that it is about: it makes the idempotency key.
    pub(crate) step: u64,
    pub(crate) actor: &'a str,
    pub(crate) alert: &'a Alert,
    pub(crate) detection: Option<&'a Detection>,
    pub(crate) comment: Option<&'a str>,
}

/// The body of a notification. Fields are only ever added.
#[derive(Serialize)]
struct Body<'a> {
    version: u8,
    id: &'a str,
    kind: NotificationKind,
    at: Micros,
    actor: &'a str,
    alert: &'a Alert,
    #[serde(skip_serializing_if = "Option::is_none")]
    detection: Option<&'a Detection>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Routes {
    pub(crate) fn new(config: &AlertConfig) -> Self {
        let base_url = config.base_url.as_deref();
        Self {
            base_url: base_url.map(|url| url.trim_end_matches('/').to_owned()),
            routes: config.webhooks.iter().map(Route::new).collect(),
        }
    }

    /// Puts the news into the outbox of each channel that is to be told.
    pub(crate) async fn tell(
        &self,
        write: &mut Write<'_>,
        news: &News<'_>,
    ) -> Result<(), StoreError> {
        for route in self.routes.iter().filter(|route| route.takes(news)) {
            let id = format!(
                "{}-{}-{}-{}",
                write.instance(),
                news.alert.id,
                news.step,
                route.channel
            );
            let body = self.body(&id, write.now(), news);
            let item = NewOutboxItem {
                id,
                channel: route.channel.clone(),
                alert: news.alert.id,
                body,
            };
            write.enqueue(&item).await?;
        }
        Ok(())
    }

    fn body(&self, id: &str, at: Micros, news: &News<'_>) -> String {
        let url = self.base_url.as_deref();
        let body = Body {
            version: 1,
            id,
            kind: news.kind,
            at,
            actor: news.actor,
            alert: news.alert,
            detection: news.detection,
            comment: news.comment,
            url: url.map(|base| format!("{base}/alerts/{}", news.alert.id)),
        };
        serde_json::to_string(&body)
            .expect("it holds nothing but texts, numbers and maps with text keys")
    }
}

impl Route {
    fn new(webhook: &WebhookConfig) -> Self {
        Self {
            channel: webhook.name.clone(),
            on: webhook.on.clone(),
            severity_min: webhook.severity_min,
        }
    }

    fn takes(&self, news: &News<'_>) -> bool {
        self.on.contains(&news.kind) && news.alert.severity >= self.severity_min
    }
}
