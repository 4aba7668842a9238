//! Delivers what the outbox holds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use event::Clock;
use registry::{OutboxItem, Registry, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::webhook::{Failure, Webhook};
use crate::{AlertConfig, ChannelError, backoff};

/// Notifications read from the outbox at once.
const BATCH: u32 = 32;
/// The outbox is looked at this often even when nothing seems due: the clock may have been set.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(60);
const WAIT_AFTER_STORE_ERROR: Duration = Duration::from_secs(5);

/// Delivers the outbox's notifications, each channel by itself, so that a slow receiver holds up nobody else.
///
/// One at a time is to run on a registry.
#[derive(Debug)]
pub struct Courier {
    channels: Vec<Channel>,
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Notifications that their receiver took.
    pub sent: u64,
    /// Attempts that failed; they will be repeated.
    pub failed: u64,
    /// Notifications given up.
    pub given_up: u64,
}

#[derive(Debug)]
struct Channel {
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    webhook: Webhook,
    /// Taken by the receiver, but the registry could not note it: to be noted, not to be sent again.
    unnoted: HashSet<String>,
}

impl Courier {
    /// A courier for the channels of `config`. Reads the files that it names.
    ///
    /// # Errors
    /// When a channel is configured wrongly: the first mistake found; [`AlertConfig::problems`] gives all.
    pub fn new(
        registry: &Arc<Registry>,
        clock: &Arc<dyn Clock>,
        config: &AlertConfig,
    ) -> Result<Self, ChannelError> {
        let mut names = HashSet::new();
        let mut channels = Vec::with_capacity(config.webhooks.len());
        for webhook in &config.webhooks {
            if !names.insert(&webhook.name) {
                let channel = webhook.name.clone();
                return Err(ChannelError::NameTwice { channel });
            }
            channels.push(Channel {
                registry: Arc::clone(registry),
                clock: Arc::clone(clock),
                webhook: Webhook::new(webhook)?,
                unnoted: HashSet::new(),
            });
        }
        Ok(Self { channels })
    }

    /// Makes one attempt for each notification that is due now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliver_due(&mut self) -> Result<Delivered, StoreError> {
        let mut delivered = Delivered::default();
        for channel in &mut self.channels {
            let of_channel = channel.deliver_due(&|| false).await?;
            delivered.sent += of_channel.sent;
            delivered.failed += of_channel.failed;
            delivered.given_up += of_channel.given_up;
        }
        Ok(delivered)
    }

    /// Delivers as notifications come and fall due, until `stop` says `true` or its sender is gone.
    ///
    /// An attempt under way is ended and noted first, which takes at most the channel's timeout.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut tasks = JoinSet::new();
        for channel in self.channels {
            tasks.spawn(channel.run(stop.clone()));
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                error!(%error, "a notification channel ended early");
            }
        }
    }
}

impl Channel {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut grows = self.registry.outbox_grows();
        loop {
            // Seen before the outbox is read: what is put in after that wakes the next wait.
            grows.mark_unchanged();
            let stopping = || stop.has_changed().is_err() || *stop.borrow();
            let wait = match self.deliver_due(&stopping).await {
                Ok(_) => self.pause().await,
                Err(error) => {
                    error!(channel = %self.webhook.name, %error, "the outbox cannot be read or written");
                    WAIT_AFTER_STORE_ERROR
                }
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                _ = grows.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn pause(&self) -> Duration {
        let next = self.registry.outbox_next_at(&self.webhook.name).await;
        match next {
            Ok(Some(next_at)) => next_at.since(self.clock.now()).min(LOOK_AT_LEAST_EVERY),
            Ok(None) => LOOK_AT_LEAST_EVERY,
            Err(error) => {
                error!(channel = %self.webhook.name, %error, "the outbox cannot be read");
                WAIT_AFTER_STORE_ERROR
            }
        }
    }

    async fn deliver_due(
        &mut self,
        stopping: &(dyn Fn() -> bool + Send + Sync),
    ) -> Result<Delivered, StoreError> {
        let now = self.clock.now();
        let due = self
            .registry
            .outbox_due(&self.webhook.name, now, BATCH)
            .await?;
        let mut delivered = Delivered::default();
        for item in due {
            if stopping() {
                break;
            }
            self.attempt(&item, &mut delivered).await?;
        }
        Ok(delivered)
    }

    async fn attempt(
        &mut self,
        item: &OutboxItem,
        delivered: &mut Delivered,
    ) -> Result<(), StoreError> {
        if !self.unnoted.contains(&item.id) {
            let sent = self.webhook.send(item, self.clock.now()).await;
            if let Err(failure) = sent {
                return self.failed(item, &failure, delivered).await;
            }
            self.unnoted.insert(item.id.clone());
            delivered.sent += 1;
        }
        self.registry
            .outbox_sent(&item.id, self.clock.now())
            .await?;
        self.unnoted.remove(&item.id);
        info!(channel = %self.webhook.name, alert = %item.alert, id = %item.id, "notification sent");
        Ok(())
    }

    async fn failed(
        &self,
        item: &OutboxItem,
        failure: &Failure,
        delivered: &mut Delivered,
    ) -> Result<(), StoreError> {
        let (channel, reason) = (&self.webhook.name, &failure.reason);
        let now = self.clock.now();
        if now.since(item.created_at) >= self.webhook.give_up_after {
            delivered.given_up += 1;
            error!(%channel, alert = %item.alert, id = %item.id, %reason, "notification given up");
            return self.registry.outbox_dead(&item.id, now, reason).await;
        }
        delivered.failed += 1;
        let attempt = item.attempts + 1;
        let wait = backoff::wait(attempt, &item.id, failure.retry_after);
        warn!(%channel, alert = %item.alert, id = %item.id, attempt, ?wait, %reason, "notification not taken");
        self.registry
            .outbox_failed(&item.id, now.after(wait), reason)
            .await
    }
}
