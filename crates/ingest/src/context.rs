//! What all connections of one listener share.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use event::{Clock, Identity, LossCause, Mark, Origin, Record};
use regex::bytes::Regex;

use crate::config::ListenerConfig;
use crate::frame::{Frame, wide};
use crate::intake::{Intake, JournalStopped, Receipt};
use crate::losses::{LossBook, Noted};
use crate::metrics::{ListenerMetrics, add};
use crate::peers::{PeerConnections, PeerRates};
use crate::tls::TlsHandle;

/// A listener while it runs.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: ListenerConfig,
    pub(crate) metrics: Arc<ListenerMetrics>,
    pub(crate) intake: Intake,
    pub(crate) losses: Arc<LossBook>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) tls: Option<Arc<TlsHandle>>,
    pub(crate) multiline: Option<Regex>,
    pub(crate) rates: Option<PeerRates>,
    pub(crate) connections: Arc<PeerConnections>,
}

impl Context {
    /// The origin of what comes from `peer` by this listener.
    pub(crate) fn origin(&self, peer: SocketAddr, identity: Option<Identity>) -> Arc<Origin> {
        Arc::new(Origin {
            transport: self.config.protocol.transport(),
            listener: Box::from(self.config.name.as_str()),
            peer: Some(peer),
            identity,
        })
    }

    /// Makes records of the messages and hands them over; `frames` is empty afterwards.
    pub(crate) async fn hand_over(
        &self,
        origin: &Arc<Origin>,
        frames: &mut Vec<Frame>,
    ) -> Result<Receipt, JournalStopped> {
        let now = self.clock.now();
        self.note_malformed(origin, frames);
        let record = |frame: Frame| Record {
            mark: frame.mark,
            ..Record::new(Arc::clone(origin), now, frame.raw)
        };
        self.hand_over_records(frames.drain(..).map(record).collect())
            .await
    }

    /// Counts the records and hands them over.
    pub(crate) async fn hand_over_records(
        &self,
        records: Vec<Record>,
    ) -> Result<Receipt, JournalStopped> {
        let count = wide(records.len());
        let bytes: usize = records.iter().map(|record| record.raw.len()).sum();
        let handed_over = self.intake.hand_over(records).await;
        match &handed_over {
            Ok(_) => {
                add(&self.metrics.received, count);
                add(&self.metrics.bytes, wide(bytes));
            }
            Err(JournalStopped) => add(&self.metrics.lost, count),
        }
        handed_over
    }

    /// Notes that the bytes of `sender` made no sense.
    pub(crate) fn note_framing(&self, sender: &str, records: u64, bytes: u64, detail: &str) {
        let now = self.clock.now();
        add(&self.metrics.malformed, records);
        self.losses.note(Noted {
            cause: LossCause::Framing,
            source: sender,
            from: now,
            to: now,
            records_max: None,
            bytes: Some(bytes),
            detail: &format!("listener {}: {detail}", self.config.name),
        });
    }

    /// How long to wait before `peer` may send more, after these many records.
    pub(crate) fn rate_delay(&self, peer: IpAddr, records: usize) -> std::time::Duration {
        let delay = |rates: &PeerRates| rates.spend(peer, records, self.clock.monotonic());
        self.rates.as_ref().map(delay).unwrap_or_default()
    }

    fn note_malformed(&self, origin: &Origin, frames: &[Frame]) {
        let bad = || {
            frames
                .iter()
                .filter(|frame| frame.mark == Some(Mark::BadFrame))
        };
        let count = bad().count();
        if count > 0 {
            let bytes: usize = bad().map(|frame| frame.raw.len()).sum();
            let detail = "a length was expected; the bytes are kept as records marked broken";
            self.note_framing(&origin.sender(), wide(count), wide(bytes), detail);
        }
    }
}
