//! What the server shows: handed in by the binary.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use alert::Alerts;
use detect::{Rules, Servers, Settings};
use event::{Clock, EventClass, Seq};
use index::{EventSource, Index};
use journal::Reader;
use parse::{EnableClass, Gives, Parsers, ProductInfo};
use registry::{AuditSink, Registry};
use tokio::sync::watch;

use crate::imports::Imports;

/// What the server shows and asks.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Tokens, sources, detections.
    pub registry: Arc<Registry>,
    /// Alerts, and what people do to them.
    pub alerts: Arc<Alerts>,
    /// Search.
    pub index: Arc<Index>,
    /// The event behind a Seq: the same that the index has.
    pub events: Arc<dyn EventSource>,
    /// What arrives, for the live tail.
    pub journal: Reader,
    /// Takes old log files in.
    pub imports: Arc<Imports>,
    /// What is known of products.
    pub products: Arc<dyn Products>,
    /// What queries can use beyond the events.
    pub lookups: Arc<dyn query::Resources>,
    /// How the rest is doing.
    pub vitals: Arc<dyn Vitals>,
    /// What it takes to try rules under other settings.
    pub trials: Arc<dyn RuleTrials>,
    /// Takes the record of each search.
    pub audit: Arc<dyn AuditSink>,
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Metrics of those whom the server does not know: listeners, parsers, queues.
    pub metrics: prometheus::Registry,
    /// Becomes true when the server is to end: live tails end then.
    pub stop: watch::Receiver<bool>,
    /// Limits and names.
    pub options: Options,
}

/// What today's definitions know of products.
pub trait Products: Debug + Send + Sync {
    /// What makes that product log that class; none where nothing is known of it.
    fn enable(&self, product: &str, class: EventClass) -> Option<EnableClass>;
    /// What the events of each product can say.
    fn gives(&self) -> Vec<(Box<str>, Gives)>;
}

impl Products for Parsers {
    fn enable(&self, product: &str, class: EventClass) -> Option<EnableClass> {
        self.enabling(product)?.get(&class).cloned()
    }

    fn gives(&self) -> Vec<(Box<str>, Gives)> {
        let each = |product: &ProductInfo| (product.name.clone(), product.gives.clone());
        self.products().map(each).collect()
    }
}

/// How the parts that the server does not hold are doing.
pub trait Vitals: Debug + Send + Sync {
    /// The journal's figures.
    fn journal(&self) -> journal::Status;
    /// The detector's.
    fn detector(&self) -> DetectorVitals;
    /// The rules in force.
    fn rules(&self) -> Arc<Rules>;
}

/// What it takes to try rules under other settings than those in force.
pub trait RuleTrials: Debug + Send + Sync {
    /// The built-in and the site's rules, read anew, under those settings. Blocks while they are compiled.
    fn rules_under(&self, settings: &Settings) -> Rules;
    /// What the configuration sets, without what people have set beside it.
    fn configured(&self) -> Settings;
    /// The servers that the running detector knows, perhaps half a minute old.
    fn servers(&self) -> Servers;
}

/// How the detector is doing.
#[derive(Clone, Debug, Default)]
pub struct DetectorVitals {
    /// The last event that it has seen.
    pub covered: Seq,
    /// Its figures, perhaps a second old.
    pub status: detect::Status,
}

/// Limits and names.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host names under which the server is reached, beside `localhost` and addresses. Requests for others are
    /// refused, so that a page of a stranger's cannot reach us under a name that it makes point to us.
    pub names: Vec<String>,
    /// Searches at a time; more wait. Default 32: all that run share the cores, so that a quick one does not wait for the slow
    /// ones before it; what their rows take in memory together is bounded.
    pub searches: usize,
    /// Live tails at a time; more are refused. Default 32: each reads and parses what arrives.
    pub tails: usize,
    /// Exports at a time; more are refused. Default 8: each holds a page of some MiB, and they take turns among the searches.
    pub exports: usize,
    /// How long a search may take. Default 30 s.
    pub search_time: Duration,
    /// How long any other request may take. Default 60 s.
    pub request_time: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            searches: 32,
            tails: 32,
            exports: 8,
            search_time: Duration::from_secs(30),
            request_time: Duration::from_secs(60),
        }
    }
}
