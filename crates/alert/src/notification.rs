//! What a receiver is told, and of what.

use std::time::Duration;

use event::{AlertSeverity, Detection, Disposition, Micros};
use registry::{Alert, AlertId, NewOutboxItem, Resolution, StoreError, Write};
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
        /// It was put into somebody's hand.
        Assigned = "assigned",
        /// It was taken out of everybody's hand.
        Released = "released",
        /// A person has set its severity.
        Regraded = "regraded",
        /// It was closed.
        Closed = "closed",
        /// It was opened again.
        Reopened = "reopened",
    }
}

/// A channel that is over its share is told so once in this time, and nothing else that can wait.
const SHARE_OF: Duration = Duration::from_secs(3600);

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
    per_hour_max: u64,
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

/// Alerts that were closed by one act, to be told.
#[derive(Debug)]
pub(crate) struct Together<'a> {
    /// The number of the last step in their histories: it makes the idempotency key.
    pub(crate) step: u64,
    pub(crate) actor: &'a str,
    /// One or more.
    pub(crate) alerts: &'a [Alert],
    pub(crate) resolution: Resolution,
    pub(crate) comment: Option<&'a str>,
}

/// Numbers of alerts that one notification names.
const NUMBERS_TOLD: usize = 1_000;

/// The body of a notification. Fields are only ever added.
#[derive(Serialize)]
struct Body<'a> {
    version: u8,
    id: &'a str,
    kind: &'a str,
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
            let can_wait = news.alert.disposition != Disposition::Page;
            let item = if can_wait && route.has_had_its_share(write).await? {
                self.over_share(route, write, news.alert.id)
            } else {
                self.notification(route, write, news)
            };
            write.enqueue(&item).await?;
        }
        Ok(())
    }

    /// Puts into the outbox of each channel that is told of closing that alerts were closed by one act: one notification for all.
    pub(crate) async fn tell_together(
        &self,
        write: &mut Write<'_>,
        together: &Together<'_>,
    ) -> Result<(), StoreError> {
        let gravest = together.alerts.iter().map(|alert| alert.severity).max();
        let Some((first, gravest)) = together.alerts.first().zip(gravest) else {
            return Ok(());
        };
        let takes = |route: &&Route| {
            route.on.contains(&NotificationKind::Closed) && gravest >= route.severity_min
        };
        for route in self.routes.iter().filter(takes) {
            let item = if route.has_had_its_share(write).await? {
                self.over_share(route, write, first.id)
            } else {
                self.closed_together(route, write, together, first.id)
            };
            write.enqueue(&item).await?;
        }
        Ok(())
    }

    fn closed_together(
        &self,
        route: &Route,
        write: &Write<'_>,
        together: &Together<'_>,
        first: AlertId,
    ) -> NewOutboxItem {
        let (instance, channel) = (write.instance(), &route.channel);
        let id = format!("{instance}-together-{}-{channel}", together.step);
        let numbers = together.alerts.iter().map(|alert| alert.id);
        let base = self.base_url.as_deref();
        let body = serde_json::json!({
            "version": 1,
            "id": id,
            "kind": "closed_together",
            "at": write.now(),
            "actor": together.actor,
            "count": together.alerts.len(),
            "alerts": numbers.take(NUMBERS_TOLD).collect::<Vec<_>>(),
            "resolution": together.resolution,
            "comment": together.comment,
            "url": base.map(|base| format!("{base}/alerts")),
        });
        NewOutboxItem {
            id,
            channel: channel.clone(),
            alert: first,
            body: body.to_string(),
        }
    }

    fn notification(&self, route: &Route, write: &Write<'_>, news: &News<'_>) -> NewOutboxItem {
        let (instance, alert) = (write.instance(), news.alert.id);
        let id = format!("{instance}-{alert}-{}-{}", news.step, route.channel);
        let body = self.body(&id, write.now(), news);
        NewOutboxItem {
            id,
            channel: route.channel.clone(),
            alert,
            body,
        }
    }

    /// Says that more happens than is told: one key an hour, so that it is put in once.
    fn over_share(&self, route: &Route, write: &Write<'_>, alert: AlertId) -> NewOutboxItem {
        let seconds = write.now().0.div_euclid(Micros::PER_SECOND);
        let hour = seconds.div_euclid(SHARE_OF.as_secs().cast_signed());
        let id = format!("{}-limit-{hour}-{}", write.instance(), route.channel);
        let base = self.base_url.as_deref();
        let body = serde_json::json!({
            "version": 1,
            "id": id,
            "kind": "limited",
            "at": write.now(),
            "per_hour_max": route.per_hour_max,
            "url": base.map(|base| format!("{base}/alerts")),
        });
        NewOutboxItem {
            id,
            channel: route.channel.clone(),
            alert,
            body: body.to_string(),
        }
    }

    fn body(&self, id: &str, at: Micros, news: &News<'_>) -> String {
        let url = self.base_url.as_deref();
        let body = Body {
            version: 1,
            id,
            kind: news.kind.name(),
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
            per_hour_max: u64::from(webhook.per_hour_max),
        }
    }

    async fn has_had_its_share(&self, write: &mut Write<'_>) -> Result<bool, StoreError> {
        let hour_ago = write.now().before(SHARE_OF);
        let told = write.enqueued_since(&self.channel, hour_ago).await?;
        Ok(told >= self.per_hour_max)
    }

    fn takes(&self, news: &News<'_>) -> bool {
        self.on.contains(&news.kind) && news.alert.severity >= self.severity_min
    }
}
