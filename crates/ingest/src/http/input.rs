//! The part that every request for storing records goes through.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use event::{Clock, Origin, Record, Transport};
use journal::SeqRange;

use super::auth::{Authenticate, Refused, token};
use super::body;
use super::budget::{Allowance, Budget};
use super::problem::Problem;
use crate::config::HttpConfig;
use crate::frame::wide;
use crate::intake::{Intake, JournalStopped};
use crate::metrics::{ListenerMetrics, OpenGuard, add};
use crate::peers::PeerRates;

/// Records and bytes handed over at once, about: others get their turn between.
const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;

/// Answers `GET /` of a browser.
pub type RootPage = Arc<dyn Fn() -> Response + Send + Sync>;

/// Takes records over HTTP; made by [`crate::Ingest::http_input`], served by [`crate::http::router`].
#[derive(Clone)]
pub struct HttpInput {
    shared: Arc<Shared>,
    pub(super) root_page: Option<RootPage>,
}

struct Shared {
    config: HttpConfig,
    intake: Intake,
    clock: Arc<dyn Clock>,
    metrics: Arc<ListenerMetrics>,
    authenticate: Arc<dyn Authenticate>,
    budget: Arc<Budget>,
    rates: Option<PeerRates>,
}

impl HttpInput {
    pub(crate) fn new(
        config: &HttpConfig,
        intake: Intake,
        clock: Arc<dyn Clock>,
        metrics: Arc<ListenerMetrics>,
        authenticate: Arc<dyn Authenticate>,
    ) -> Self {
        let all = config.bodies_bytes_max.in_memory();
        let share = all / 100 * usize::from(config.peer_share_percent);
        let shared = Shared {
            budget: Budget::new(
                all,
                share.max(config.unpacked_bytes_max.in_memory().min(all)),
            ),
            rates: config.peer_records_per_second_max.map(PeerRates::new),
            config: config.clone(),
            intake,
            clock,
            metrics,
            authenticate,
        };
        Self {
            shared: Arc::new(shared),
            root_page: None,
        }
    }

    /// The same, answering `GET /` with `page` when the request's `Accept` names `text/html`, as a browser's does.
    #[must_use]
    pub fn with_root_page(self, page: RootPage) -> Self {
        Self {
            root_page: Some(page),
            ..self
        }
    }

    pub(super) fn config(&self) -> &HttpConfig {
        &self.shared.config
    }

    /// Lets a request in, or says why not.
    pub(super) async fn admit(&self, request: &Parts) -> Result<Admitted, Problem> {
        let open = self.shared.metrics.open();
        let peer = request
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0);
        let token = token(&request.headers);
        let identity = self
            .shared
            .authenticate
            .authenticate(token.as_deref(), peer)
            .await;
        let origin = Origin {
            transport: Transport::Http,
            listener: Box::from("http"),
            peer: peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port())),
            identity: identity.map_err(|refused| self.count(refused.into()))?,
        };
        Ok(Admitted {
            origin: Arc::new(origin),
            _open: open,
        })
    }

    /// Lets in whoever is known, those too who may only read: for what is answered without storing anything.
    pub(super) async fn greet(&self, request: &Parts) -> Result<(), Problem> {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
        let token = token(&request.headers);
        let known = self
            .shared
            .authenticate
            .authenticate(token.as_deref(), peer.map(|info| info.0))
            .await;
        match known {
            Ok(_) | Err(Refused::Forbidden) => Ok(()),
            Err(refused) => Err(self.count(refused.into())),
        }
    }

    /// Reads the body of a request that was let in.
    pub(super) async fn body(
        &self,
        admitted: &Admitted,
        headers: &HeaderMap,
        content: Body,
    ) -> Result<(Bytes, Allowance), Problem> {
        let allowance = self
            .shared
            .budget
            .open(body::share_of(admitted.origin.peer));
        let read = body::read(&self.shared.config, headers, content, allowance).await;
        read.map_err(|problem| self.count(problem))
    }

    /// Counts a request that is turned away.
    pub(super) fn count(&self, problem: Problem) -> Problem {
        add(&self.shared.metrics.rejected, 1);
        problem
    }

    /// Counts items that are turned away alone.
    pub(super) fn count_items(&self, refused: usize) {
        add(&self.shared.metrics.rejected, wide(refused));
    }

    /// Whether the peer may send so many records now.
    pub(super) fn check_rate(&self, admitted: &Admitted, records: usize) -> Result<(), Problem> {
        let peer = body::share_of(admitted.origin.peer);
        let now = self.shared.clock.monotonic();
        match &self.shared.rates {
            Some(rates) if !rates.admits(peer, records, now) => Err(self.count(Problem::busy(
                "more records a second than one peer may send",
            ))),
            _ => Ok(()),
        }
    }

    /// A record of the bytes `raw`, received now.
    pub(super) fn record(&self, admitted: &Admitted, raw: Bytes) -> Record {
        Record::new(Arc::clone(&admitted.origin), self.shared.clock.now(), raw)
    }

    /// Appends records and waits until all are durable: the Seqs of each run, in order.
    pub(super) async fn append(&self, records: Vec<Record>) -> Result<Vec<SeqRange>, Problem> {
        let mut receipts = Vec::new();
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() {
            let mut bytes = 0;
            let mut batch = Vec::new();
            while let Some(record) =
                records.next_if(|_| batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES)
            {
                bytes += record.raw.len();
                batch.push(record);
            }
            let count = wide(batch.len());
            let receipt = self.shared.intake.hand_over(batch).await;
            receipts
                .push(receipt.map_err(|JournalStopped| self.count(Problem::journal_stopped()))?);
            add(&self.shared.metrics.received, count);
            add(&self.shared.metrics.bytes, wide(bytes));
        }
        let mut ranges = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            match receipt.await {
                Ok(Ok(range)) => ranges.push(range),
                Ok(Err(_)) | Err(_) => return Err(self.count(Problem::journal_stopped())),
            }
        }
        Ok(ranges)
    }
}

impl fmt::Debug for HttpInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.shared.config;
        f.debug_struct("HttpInput")
            .field("config", config)
            .finish_non_exhaustive()
    }
}

/// A request that was let in.
pub(super) struct Admitted {
    pub(super) origin: Arc<Origin>,
    _open: OpenGuard,
}

/// Runs `work` here when the body is short, else on a thread where it may take its time.
pub(super) async fn off_the_runtime<T: Send + 'static>(
    body_bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if body_bytes <= body::INLINE_BYTES_MAX {
        return Ok(work());
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "splitting failed".to_owned(),
        )
    })
}
