//! One node: everything over one data directory, wired together, started and stopped in order.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use alert::{Alerts, Courier};
use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use axum::Router;
use detect::{RuleException, Rules, Servers, Settings};
use disk::{Disk, RealDisk};
use event::{Clock, EventClass, Micros, OwnRecord, Seq, SystemClock};
use index::{Index, IndexOptions};
use journal::{Journal, Options};
use parse::{Clocks, EnableClass, Geo, Gives};
use registry::{Registry, SourceLimits};
use server::{Access, DetectorVitals, Imports, Products, Replay, RuleTrials, Vitals};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::audit::JournalSink;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::detector_memory::DetectorMemory;
use crate::device_clocks::DeviceClocks;
use crate::kept_events::{KeptEvents, Understanding};
use crate::pipeline::{Parts, Pipeline, Progress};

/// Everything over one data directory.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) data: DataDir,
    pub(crate) journal: Arc<Journal>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) alerts: Arc<Alerts>,
    pub(crate) index: Arc<Index>,
    events: Arc<KeptEvents>,
    pub(crate) understanding: Arc<ArcSwap<Understanding>>,
    pub(crate) rules: Arc<ArcSwap<Rules>>,
    /// What the configuration sets about detection; exchanged when it is read again.
    configured: Arc<ArcSwap<Settings>>,
    pub(crate) pipeline: Pipeline,
    imports: Arc<Imports>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Node {
    /// Opens the data directory and starts what lies behind the listeners.
    pub(crate) async fn open(data: &Path, config: Config) -> Result<Self> {
        let data = DataDir::take(data)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let options = Options {
            retention_days: config.retention.days,
            ..Options::default()
        };
        let journal = Journal::open(
            Arc::clone(&disk),
            &data.journal(),
            options,
            Arc::clone(&clock),
        )
        .context("the journal cannot be opened")?;
        let journal = Arc::new(journal);
        let registry = Arc::new(Registry::open(&data.registry(), Arc::clone(&clock)).await?);
        let alerts = Arc::new(Alerts::new(Arc::clone(&registry), &config.alert));
        let content = data.content();
        let findings = registry.clocks().await?;
        let mut clocks = Clocks::default();
        for clock in &findings {
            clocks.add(clock.seq, &clock.finding);
        }
        let understanding = Understanding::load(&content, &config)?.with_clocks(Arc::new(clocks));
        let fingerprints = understanding.fingerprints();
        let understanding = Arc::new(ArcSwap::from_pointee(understanding));
        let events = Arc::new(KeptEvents::new(
            journal.reader(),
            Arc::clone(&understanding),
        ));
        let index = Index::open(
            &data.index(),
            IndexOptions::default(),
            Arc::clone(&events) as _,
        )?;
        index.set_fingerprints(fingerprints);
        let index = Arc::new(index);
        let settings = detect_settings(&config, &registry, clock.now()).await?;
        let rules = load_rules(&content, &settings);
        let imports = Arc::new(Imports::new(
            journal.reader(),
            journal.appender(),
            Arc::clone(&clock),
            Arc::clone(&disk),
            data.state().join("import.json"),
        ));
        let memory = DetectorMemory::open(
            data.state().join("detector"),
            Arc::clone(&disk),
            Arc::clone(&registry),
        )
        .await?;
        let durable = journal.reader().durable();
        let detector = memory.restore(&rules, durable).await?;
        let rules = Arc::new(ArcSwap::new(rules));
        let pipeline = Pipeline::start(Parts {
            reader: journal.reader(),
            appender: journal.appender(),
            understanding: Arc::clone(&understanding),
            index: Arc::clone(&index),
            detector,
            rules: Arc::clone(&rules),
            sources: registry.source_tracker(SourceLimits::default()).await?,
            clocks: DeviceClocks::resume(&findings),
            registry: Arc::clone(&registry),
            alerts: Arc::clone(&alerts),
            clock: Arc::clone(&clock),
            runtime: tokio::runtime::Handle::current(),
            memory,
        })?;
        let (stop, _) = watch::channel(false);
        let tasks = JoinSet::new();
        Ok(Self {
            configured: Arc::new(ArcSwap::from_pointee(config.detect.clone())),
            config,
            clock,
            data,
            journal,
            registry,
            alerts,
            index,
            events,
            understanding,
            rules,
            pipeline,
            imports,
            stop,
            tasks,
        })
    }

    /// Opens a data directory for a command, and waits until search has seen everything in it.
    pub(crate) async fn offline(data: &Path) -> Result<Self> {
        let file = data.join("config.toml");
        let config = Config::load(file.try_exists()?.then_some(file.as_path()))?;
        let node = Self::open(data, config).await?;
        let durable = node.journal.reader().durable();
        while node.index.status().published < durable {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(node)
    }

    /// Starts what speaks of the node to the outside: the audit trail, the webhooks, the index's share of retention.
    pub(crate) fn run_errands(&mut self) -> Result<()> {
        let stopping = self.stop.subscribe();
        let courier = Courier::new(&self.registry, &self.clock, &self.config.alert)?;
        self.tasks.spawn(courier.run(stopping));
        self.tasks.spawn(hand_over_audits(
            Arc::clone(&self.registry),
            JournalSink::new(self.journal.appender()),
            self.stop.subscribe(),
        ));
        self.tasks.spawn(follow_retention(
            self.journal.reader(),
            Arc::clone(&self.index),
            Arc::clone(&self.registry),
            self.stop.subscribe(),
        ));
        self.tasks.spawn(tell_expired_suppressions(
            Arc::clone(&self.alerts),
            self.stop.subscribe(),
        ));
        let started = OwnRecord::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            durable_seq: self.journal.reader().durable(),
        };
        self.journal
            .appender()
            .append(vec![started.to_record(self.clock.now())])?;
        Ok(())
    }

    /// Reads the site's parsers and their settings again.
    pub(crate) fn reload_parsers(&self, config: &Config) -> Result<()> {
        let understanding = Understanding::load(&self.data.content(), config)?;
        self.index.set_fingerprints(understanding.fingerprints());
        self.understanding
            .rcu(|now| understanding.with_clocks(Arc::clone(now.settings.clocks())));
        info!("parsers reloaded");
        Ok(())
    }

    /// Reads the rules, the lists and their settings again. The detector goes on with them after the batch in hand, and
    /// rules that have not changed with what they remember.
    pub(crate) fn reload_rules(&self, settings: &Settings) {
        let rules = load_rules(&self.data.content(), settings);
        if rules.version() != self.rules.load().version() {
            info!(version = rules.version(), "rules reloaded");
            self.rules.store(rules);
        }
    }

    /// Takes up what the configuration, read again, sets about detection.
    pub(crate) fn configure(&self, config: &Config) {
        self.configured.store(Arc::new(config.detect.clone()));
    }

    /// The settings of detection as they are now: the configuration's, and in front of them the registry's.
    pub(crate) async fn detect_settings(&self, config: &Config) -> Result<Settings> {
        detect_settings(config, &self.registry, self.clock.now()).await
    }

    /// Names, sizes and times of the lists' files: changes with them.
    pub(crate) fn lists_stamp(&self) -> Vec<(OsString, u64, Option<SystemTime>)> {
        let files = std::fs::read_dir(self.data.content().join("lists"));
        let mut stamp: Vec<_> = files
            .into_iter()
            .flatten()
            .filter_map(|file| {
                let file = file.ok()?;
                let about = file.metadata().ok()?;
                Some((file.file_name(), about.len(), about.modified().ok()))
            })
            .collect();
        stamp.sort();
        stamp
    }

    /// Ends everything in order; what was acknowledged is durable already.
    pub(crate) async fn close(mut self) -> Result<()> {
        self.stop.send_replace(true);
        let served = !self.tasks.is_empty();
        while self.tasks.join_next().await.is_some() {}
        if served {
            let stopped = OwnRecord::Stopped {
                uptime_s: self.clock.monotonic().as_secs(),
            };
            // A journal that has stopped by itself takes no farewell; closing it says why below.
            drop(
                self.journal
                    .appender()
                    .append(vec![stopped.to_record(self.clock.now())]),
            );
        }
        let pipeline = self.pipeline;
        let index = Arc::clone(&self.index);
        tokio::task::spawn_blocking(move || {
            // Closing the index first frees the parser thread where it waits for a commit.
            index.close();
            pipeline.stop();
        })
        .await?;
        self.registry.save_token_use().await?;
        self.registry.close().await;
        let journal = Arc::into_inner(self.journal).context("a request still holds the journal")?;
        journal
            .close()
            .context("the journal did not close cleanly; nothing acknowledged is lost")
    }

    /// What the server shows.
    pub(crate) fn parts(
        &self,
        metrics: prometheus::Registry,
        options: server::Options,
    ) -> server::Parts {
        server::Parts {
            registry: Arc::clone(&self.registry),
            alerts: Arc::clone(&self.alerts),
            index: Arc::clone(&self.index),
            events: Arc::clone(&self.events) as _,
            journal: self.journal.reader(),
            imports: Arc::clone(&self.imports),
            products: Arc::new(NodeProducts {
                understanding: Arc::clone(&self.understanding),
            }),
            lookups: Arc::new(server::Lookups::new(
                self.data.content().join("lookups"),
                Arc::clone(self.understanding.load().settings.geo()),
                Arc::clone(&self.clock),
            )),
            vitals: Arc::new(NodeVitals {
                journal: Arc::clone(&self.journal),
                progress: Arc::clone(&self.pipeline.progress),
                rules: Arc::clone(&self.rules),
            }),
            trials: Arc::new(NodeTrials {
                content: self.data.content(),
                configured: Arc::clone(&self.configured),
                progress: Arc::clone(&self.pipeline.progress),
            }),
            audit: Arc::new(JournalSink::new(self.journal.appender())),
            clock: Arc::clone(&self.clock),
            metrics,
            stop: self.stop.subscribe(),
            options,
        }
    }

    /// What is kept, to be gone through once more: records received since, and before.
    pub(crate) fn replay(&self, from: Option<Micros>, to: Option<Micros>) -> Replay {
        Replay {
            journal: self.journal.reader(),
            events: Arc::clone(&self.events) as _,
            depth: server::depth_for(&self.rules.load()),
            from,
            to,
        }
    }

    /// The API's routes for this process alone.
    pub(crate) fn routes(&self) -> Router {
        let parts = self.parts(prometheus::Registry::new(), server::Options::default());
        server::routes(parts, Access::InProcess, Router::new())
    }

    /// Tells those who wait for long that the node is ending.
    pub(crate) fn say_stop(&self) {
        self.stop.send_replace(true);
    }
}

/// How the parts behind the server are doing.
#[derive(Debug)]
struct NodeVitals {
    journal: Arc<Journal>,
    progress: Arc<Progress>,
    rules: Arc<ArcSwap<Rules>>,
}

impl Vitals for NodeVitals {
    fn journal(&self) -> journal::Status {
        self.journal.status()
    }

    fn detector(&self) -> DetectorVitals {
        let status = self
            .progress
            .detector
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        DetectorVitals {
            covered: Seq(self.progress.detected.load(Ordering::Relaxed)),
            status,
        }
    }

    fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }
}

/// Rules under other settings.
#[derive(Debug)]
struct NodeTrials {
    content: PathBuf,
    configured: Arc<ArcSwap<Settings>>,
    progress: Arc<Progress>,
}

impl RuleTrials for NodeTrials {
    fn rules_under(&self, settings: &Settings) -> Rules {
        Rules::load(Some(&self.content), settings)
    }

    fn configured(&self) -> Settings {
        Settings::clone(&self.configured.load())
    }

    fn servers(&self) -> Servers {
        let servers = self.progress.servers.lock();
        servers.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What today's definitions know.
#[derive(Debug)]
struct NodeProducts {
    understanding: Arc<ArcSwap<Understanding>>,
}

impl Products for NodeProducts {
    fn enable(&self, product: &str, class: EventClass) -> Option<EnableClass> {
        self.understanding.load().parsers.enable(product, class)
    }

    fn gives(&self) -> Vec<(Box<str>, Gives)> {
        self.understanding.load().parsers.gives()
    }
}

impl Understanding {
    /// The built-in and the site's parsers, with the configuration's settings.
    pub(crate) fn load(content: &Path, config: &Config) -> Result<Self> {
        Ok(Self {
            parsers: Arc::new(parse::Parsers::load(Some(content))?),
            settings: config
                .parse_settings()?
                .with_geo(Arc::new(Geo::load(&content.join("geo"))?)),
        })
    }

    fn fingerprints(&self) -> BTreeMap<String, u64> {
        self.parsers
            .products()
            .map(|product| (product.name.to_string(), product.fingerprint))
            .collect()
    }
}

/// The configuration's settings of detection, and in front of them what people have set in the registry.
async fn detect_settings(config: &Config, registry: &Registry, now: Micros) -> Result<Settings> {
    let mut settings = config.detect.clone();
    let overrides = registry.rule_overrides().await?;
    for one in overrides {
        let rule = settings.rules.entry(one.rule.clone()).or_default();
        let changed = rule.with(&one.tunable, &one.value);
        match changed {
            Ok(changed) => *rule = changed,
            Err(error) => {
                warn!(rule = one.rule, tunable = one.tunable, %error, "a setting of a rule cannot be used");
            }
        }
    }
    let exceptions = registry.rule_exceptions(now).await?.into_iter();
    settings
        .exceptions
        .extend(exceptions.map(|exception| RuleException {
            rule: exception.rule,
            query: exception.query,
            owner: exception.owner,
            reason: exception.reason,
            expires: exception.expires_at,
        }));
    Ok(settings)
}

/// The built-in and the site's rules.
fn load_rules(content: &Path, settings: &Settings) -> Arc<Rules> {
    let rules = Rules::load(Some(content), settings);
    for problem in rules.problems() {
        warn!(%problem, "a rule cannot be used");
    }
    Arc::new(rules)
}

/// Tells the journal of every change of the registry.
async fn hand_over_audits(
    registry: Arc<Registry>,
    sink: JournalSink,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        if let Err(error) = registry.hand_over_audits(&sink).await {
            warn!(%error, "changes are not in the journal yet; trying again");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if *stop.borrow() {
            return;
        }
        tokio::select! {
            () = registry.audit_waits() => {}
            _ = stop.changed() => {}
        }
    }
}

/// Drops the index of partitions that the journal has dropped, and with them detections outside alerts; remembers which
/// tokens were used.
async fn follow_retention(
    reader: journal::Reader,
    index: Arc<Index>,
    registry: Arc<Registry>,
    mut stop: watch::Receiver<bool>,
) {
    while !*stop.borrow() {
        let kept: Vec<Seq> = reader
            .partitions()
            .iter()
            .map(|partition| partition.first)
            .collect();
        for indexed in index.status().partitions {
            let dropped = kept.first().is_some_and(|oldest| indexed.first < *oldest);
            if dropped && let Err(error) = index.drop_partition(indexed.first) {
                warn!(%error, partition = %indexed.first, "the index of a dropped partition cannot be removed");
            }
        }
        if let Err(error) = registry.save_token_use().await {
            warn!(%error, "the use of tokens cannot be noted");
        }
        let kept_since = reader
            .partitions()
            .first()
            .map_or(Micros::MIN, |partition| partition.oldest);
        if let Err(error) = registry.prune(kept_since).await {
            warn!(%error, "detections older than the journal cannot be removed");
        }
        let oldest = kept.first().copied().unwrap_or(Seq::ZERO);
        if let Err(error) = registry.prune_clocks(oldest).await {
            warn!(%error, "findings about clocks that hold for no record any more cannot be removed");
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Puts on record which suppressions have run out, within a minute.
async fn tell_expired_suppressions(alerts: Arc<Alerts>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match alerts.tell_expired_suppressions().await {
            Ok(0) => {}
            Ok(expired) => info!(expired, "suppressions have run out"),
            Err(error) => warn!(%error, "the end of suppressions cannot be put on record"),
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(60)) => {}
            _ = stop.changed() => {}
        }
    }
}
