//! A node of real parts in a temporary folder, its routes called without a socket.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use alert::{AlertConfig, Alerts};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use detect::{Detector, Mode, Rules, Servers, Settings};
use disk::RealDisk;
use event::{Clock, Event, ManualClock, Micros, Origin, OwnRecord, Record, Seq, Transport};
use http_body_util::BodyExt as _;
use index::{Depth, EventSource, Index, IndexOptions, PartitionSpan, SourceError};
use journal::{Appender, Journal, Reader};
use parse::{ParseSettings, Parsers};
use registry::{Actor, AuditSink, NewToken, PendingAudit, Registry, Role, SinkError, SinkFuture};
use serde_json::Value;
use server::{Access, DetectorVitals, Options, Parts, RuleTrials, Vitals};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// The journal, parsed.
#[derive(Debug)]
struct Kept {
    reader: Reader,
    parsers: Parsers,
    settings: ParseSettings,
}

impl Kept {
    fn event(&self, record: &Record, depth: Depth) -> Event {
        let mut event = Event::new(record.seq, record.raw.clone());
        let depth = match depth {
            Depth::Raw => return event,
            Depth::Core => parse::Depth::Core,
            Depth::Full => parse::Depth::Full,
        };
        self.parsers
            .parse_into(record, &self.settings, depth, &mut event);
        event
    }
}

impl EventSource for Kept {
    fn events(&self, seqs: &[Seq], depth: Depth) -> Result<Vec<Event>, SourceError> {
        let records = self.reader.get_many(seqs)?;
        Ok(records
            .iter()
            .map(|record| self.event(record, depth))
            .collect())
    }

    fn span(&self, from: Seq, to: Seq, depth: Depth) -> Result<Vec<Event>, SourceError> {
        let seqs: Vec<Seq> = (from.0..=to.0).map(Seq).collect();
        self.events(&seqs, depth)
    }

    fn partitions(&self) -> Vec<PartitionSpan> {
        let span = |partition: journal::PartitionInfo| PartitionSpan {
            first: partition.first,
            last: partition.last,
            sealed: partition.sealed,
        };
        self.reader.partitions().into_iter().map(span).collect()
    }
}

/// Appends what goes on record.
#[derive(Debug)]
struct Sink(Appender);

impl AuditSink for Sink {
    fn append(&self, records: Vec<PendingAudit>) -> SinkFuture<'_> {
        let records = records
            .iter()
            .map(|pending| pending.record.to_record(pending.at))
            .collect();
        Box::pin(async move {
            let appended = self.0.append(records);
            appended.map(drop).map_err(|error| SinkError {
                reason: error.to_string(),
            })
        })
    }
}

/// How the parts that the server does not hold are doing.
#[derive(Debug)]
struct Doing {
    journal: Arc<Journal>,
    rules: Arc<Rules>,
    detector: detect::Status,
}

impl Vitals for Doing {
    fn journal(&self) -> journal::Status {
        self.journal.status()
    }

    fn detector(&self) -> DetectorVitals {
        DetectorVitals {
            covered: Seq(0),
            status: self.detector.clone(),
        }
    }

    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }
}

/// The built-in rules under any settings.
#[derive(Debug)]
struct Trials;

impl RuleTrials for Trials {
    fn rules_under(&self, settings: &Settings) -> Rules {
        Rules::load(None, settings)
    }

    fn configured(&self) -> Settings {
        Settings::default()
    }

    fn servers(&self) -> Servers {
        Servers::default()
    }
}

pub(crate) struct Node {
    pub(crate) registry: Arc<Registry>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) parts: Parts,
    journal: Arc<Journal>,
    index: Arc<Index>,
    folder: TempDir,
}

impl Node {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let clock = Arc::new(ManualClock::at(at_time("2026-10-11T22:20:00+07:00")));
        let journal = open_journal(&at("journal"), Arc::clone(&clock));
        let journal = Arc::new(journal);
        let file = at("registry.sqlite");
        let registry = Registry::open(&file, Arc::<ManualClock>::clone(&clock)).await;
        let registry = Arc::new(registry.expect("a registry"));
        let alerts = Arc::new(Alerts::new(Arc::clone(&registry), &AlertConfig::default()));
        let events: Arc<dyn EventSource> = Arc::new(Kept {
            reader: journal.reader(),
            parsers: Parsers::builtin(),
            settings: ParseSettings::default(),
        });
        let index = Index::open(&at("index"), IndexOptions::default(), Arc::clone(&events));
        let index = Arc::new(index.expect("an index"));
        let rules = Arc::new(Rules::load(None, &Settings::default()));
        let (stop, stopped) = watch::channel(false);
        let parts = Parts {
            registry: Arc::clone(&registry),
            alerts: Arc::clone(&alerts),
            index: Arc::clone(&index),
            events,
            journal: journal.reader(),
            imports: Arc::new(server::Imports::new(
                journal.reader(),
                journal.appender(),
                Arc::<ManualClock>::clone(&clock),
                Arc::new(RealDisk),
                at("import.json"),
            )),
            products: Arc::new(Parsers::builtin()),
            lookups: Arc::new(server::Lookups::new(
                at("lookups"),
                Arc::default(),
                Arc::<ManualClock>::clone(&clock),
            )),
            vitals: Arc::new(Doing {
                journal: Arc::clone(&journal),
                detector: Detector::new(Arc::clone(&rules), Mode::Live).status(),
                rules,
            }),
            trials: Arc::new(Trials),
            audit: Arc::new(Sink(journal.appender())),
            clock: Arc::<ManualClock>::clone(&clock),
            metrics: prometheus::Registry::new(),
            stop: stopped,
            options: Options {
                names: vec!["log.example.vn".to_owned()],
                ..Options::default()
            },
        };
        Self {
            registry,
            alerts,
            clock,
            stop,
            parts,
            journal,
            index,
            folder,
        }
    }

    /// Puts a table into the folder of tables.
    pub(crate) fn put_table(&self, name: &str, text: &str) {
        let folder = self.folder.path().join("lookups");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), text).expect("a file");
    }

    pub(crate) fn routes(&self) -> Router {
        let mounted = Router::new().route("/mounted", axum::routing::get(async || "mounted"));
        server::routes(self.parts.clone(), Access::Tokens, mounted)
    }

    /// Puts lines into the journal as a device's, and makes them searchable.
    pub(crate) fn receive(&self, lines: &[&str]) {
        let origin = Arc::new(Origin {
            transport: Transport::Tcp,
            listener: "syslog".into(),
            peer: Some(SocketAddr::from(([192, 0, 2, 9], 5514))),
            identity: None,
        });
        let now = self.clock.now();
        let record =
            |line: &&str| Record::new(Arc::clone(&origin), now, line.as_bytes().to_vec().into());
        self.append(lines.iter().map(record).collect());
    }

    /// Puts a record of the product's own into the journal.
    pub(crate) fn tell(&self, record: &OwnRecord) {
        self.append(vec![record.to_record(self.clock.now())]);
    }

    fn append(&self, records: Vec<Record>) {
        self.journal
            .appender()
            .append(records)
            .expect("a journal that works");
        self.publish();
    }

    /// Makes searchable what the journal has.
    pub(crate) fn publish(&self) {
        let from = self.index.status().published.next();
        let to = self.journal.reader().durable();
        let events = self
            .parts
            .events
            .span(from, to, Depth::Core)
            .expect("events");
        self.index.publish(events.into()).expect("an open index");
    }

    pub(crate) async fn token(&self, name: &str, role: Role) -> String {
        let new = NewToken {
            name: name.to_owned(),
            role,
            expires_at: None,
        };
        let created = self
            .registry
            .create_token(&Actor::cli(), new)
            .await
            .expect("a token");
        created.secret.expose().to_owned()
    }

    /// Asks from loopback without a token.
    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(request("GET", path, None)).await
    }

    /// Sends from loopback without a token.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        self.ask(request(method, path, Some(body))).await
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> (StatusCode, Value) {
        self.ask_of(&self.routes(), request).await
    }

    /// Asks the same server again, which remembers what it is doing.
    pub(crate) async fn ask_of(
        &self,
        routes: &Router,
        request: Request<Body>,
    ) -> (StatusCode, Value) {
        let response = routes.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        if !status.is_success() {
            let kind = response
                .headers()
                .get("content-type")
                .and_then(|kind| kind.to_str().ok());
            assert_eq!(kind, Some("application/problem+json"), "{status}");
        }
        let text = text(response).await;
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }
}

/// A request from loopback.
pub(crate) fn request(method: &str, path: &str, body: Option<&Value>) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:8080");
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let mut request = request.body(body).expect("a request");
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

pub(crate) async fn text(response: Response<Body>) -> String {
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    String::from_utf8(body.to_vec()).expect("UTF-8")
}

pub(crate) fn at_time(text: &str) -> Micros {
    Micros::from_rfc3339(text).expect("a time")
}

fn open_journal(dir: &Path, clock: Arc<ManualClock>) -> Journal {
    let options = journal::Options::default();
    Journal::open(Arc::new(RealDisk), dir, options, clock).expect("a journal")
}
