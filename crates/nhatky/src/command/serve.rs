//! `nhatky serve`: opens everything, runs until asked to stop, closes everything.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ingest::{Ingest, ListenerConfig, Protocol, Stopped};
use server::{Access, HttpServer, TlsFiles};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::access::TokenAccess;
use crate::cli::Serve;
use crate::config::Config;
use crate::metrics;
use crate::node::Node;

/// How long open requests and connections may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn run(args: Serve) -> Result<()> {
    run_until(&args, |_| {}, asked_to_stop()?).await
}

/// SIGTERM or Ctrl-C, from now on: also one that comes before anybody waits.
pub(crate) fn asked_to_stop() -> Result<impl Future<Output = Result<()>>> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

/// Serves until `end`; `ready` is told where syslog comes in.
pub(crate) async fn run_until(
    args: &Serve,
    ready: impl FnOnce(SocketAddr),
    end: impl Future<Output = Result<()>>,
) -> Result<()> {
    // Without a handler the first SIGHUP would end the process.
    let hangups = signal(SignalKind::hangup())?;
    let config_file = config_file(args)?;
    let config = with_arguments(Config::load(config_file.as_deref())?, args);
    let mut node = Node::open(&args.data, config).await?;
    may_leave_loopback(&node)?;
    let ingest = Ingest::start(
        &node.config.ingest,
        node.journal.appender(),
        node.journal.reader(),
        Arc::clone(&node.clock),
    )
    .await?;
    let http = listen(&node, &ingest).await?;
    node.run_errands()?;
    announce(&ingest, &http)?;
    if let Some((_, _, syslog)) = ingest
        .addresses()
        .find(|(_, protocol, _)| *protocol == Protocol::Tcp)
    {
        ready(syslog);
    }
    let ended = tokio::select! {
        ended = end => ended,
        ended = follow_hangups(hangups, args, config_file.as_ref(), &node, &ingest, &http) => ended,
    };
    info!("stopping");
    drop(sd_notify::notify(&[sd_notify::NotifyState::Stopping]));
    close(node, ingest, http).await?;
    ended
}

/// The file named, else the one in the data directory, if it is there.
fn config_file(args: &Serve) -> Result<Option<PathBuf>> {
    if let Some(file) = &args.config {
        return Ok(Some(file.clone()));
    }
    let file = args.data.join("config.toml");
    Ok(file.try_exists()?.then_some(file))
}

/// The command line's listeners stand in place of the configuration's of the same protocol.
fn with_arguments(mut config: Config, args: &Serve) -> Config {
    if let Some(address) = args.http {
        config.http.address = address;
    }
    let listeners = &mut config.ingest.listeners;
    let mut replace = |protocol, name, address: Option<SocketAddr>| {
        let Some(address) = address else { return };
        match listeners
            .iter_mut()
            .find(|listener| listener.protocol == protocol)
        {
            Some(listener) => listener.address = address,
            None => listeners.push(ListenerConfig::new(name, protocol, address)),
        }
    };
    replace(Protocol::Udp, "syslog-udp", args.syslog_udp);
    replace(Protocol::Tcp, "syslog-tcp", args.syslog_tcp);
    replace(Protocol::Tls, "syslog-tls", args.syslog_tls);
    replace(Protocol::Relp, "relp", args.relp);
    config
}

/// HTTP leaves loopback only with TLS and at least one token.
fn may_leave_loopback(node: &Node) -> Result<()> {
    let http = &node.config.http;
    if http.address.ip().is_loopback() {
        return Ok(());
    }
    if http.tls.is_none() {
        bail!(
            "HTTP on {} can be reached from the network: set http.tls in the configuration",
            http.address
        );
    }
    if !node.registry.has_tokens() {
        bail!(
            "HTTP on {} can be reached from the network and there is no token: make one with \
             `nhatky token create --role admin --data DIR`",
            http.address
        );
    }
    Ok(())
}

async fn listen(node: &Node, ingest: &Ingest) -> Result<HttpServer> {
    let registry = prometheus::Registry::new();
    metrics::register(
        &registry,
        ingest.metrics(),
        Arc::clone(&node.pipeline.progress),
    )?;
    let options = server::Options {
        names: node.config.http.names.clone(),
        ..server::Options::default()
    };
    let input = ingest.http_input(Arc::new(TokenAccess::new(Arc::clone(&node.registry))));
    let routes = server::routes(
        node.parts(registry, options),
        Access::Tokens,
        ingest::http::router(input),
    );
    let tls = node.config.http.tls.as_ref().map(|tls| TlsFiles {
        certificate: tls.certificate.clone(),
        key: tls.key.clone(),
    });
    Ok(HttpServer::start(node.config.http.address, tls, routes).await?)
}

fn announce(ingest: &Ingest, http: &HttpServer) -> Result<()> {
    for (name, protocol, address) in ingest.addresses() {
        info!(name, ?protocol, %address, "listening");
    }
    info!(address = %http.address(), "HTTP listening");
    sd_notify::notify(&[sd_notify::NotifyState::Ready])
        .context("systemd cannot be told that we are ready")
}

/// How often it is looked whether a list, or what people have set about rules, has changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// SIGHUP: certificates, the site's parsers, rules, lists and their settings are read again. Lists and settings in the
/// registry that change are, without being told.
async fn follow_hangups(
    mut hangups: Signal,
    args: &Serve,
    config_file: Option<&PathBuf>,
    node: &Node,
    ingest: &Ingest,
    http: &HttpServer,
) -> Result<()> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let mut lists = node.lists_stamp();
    let mut present = node.config.clone();
    loop {
        tokio::select! {
            told = hangups.recv() => told.context("the system no longer tells of SIGHUP")?,
            _ = looks.tick() => {
                let stamp = node.lists_stamp();
                match node.detect_settings(&present).await {
                    Ok(settings) if stamp != lists || settings != *node.rules.load().settings() => {
                        lists = stamp;
                        node.reload_rules(&settings);
                    }
                    Ok(_) => {}
                    Err(error) => warn!(%error, "settings of rules cannot be read; they stay as they were"),
                }
                continue;
            }
        }
        let config = match Config::load(config_file.map(PathBuf::as_path)) {
            Ok(config) => with_arguments(config, args),
            Err(error) => {
                error!(%error, "the configuration is wrong; everything stays as it was");
                continue;
            }
        };
        if config.ingest != node.config.ingest || config.http != node.config.http {
            warn!("listeners have changed in the configuration: they take a restart");
        }
        if let Err(error) = node.reload_parsers(&config) {
            error!(%error, "the parsers stay as they were");
        }
        for error in ingest.reload_tls().err().unwrap_or_default() {
            error!(%error, "a certificate stays as it was");
        }
        if let Err(error) = http.reload_tls().await {
            error!(%error, "the certificate of HTTP stays as it was");
        }
        match node.detect_settings(&config).await {
            Ok(settings) => node.reload_rules(&settings),
            Err(error) => error!(%error, "the rules stay as they were"),
        }
        node.configure(&config);
        present = config;
    }
}

/// In this order nothing that was acknowledged is lost, and nothing is refused that still could be taken.
async fn close(node: Node, ingest: Ingest, http: HttpServer) -> Result<()> {
    node.say_stop();
    if let Err(error) = http.stop(PATIENCE).await {
        warn!(%error, "HTTP had ended before");
    }
    if ingest.stop(PATIENCE).await == Stopped::GaveUp {
        warn!(
            "the journal did not take everything in time; what it did not take was not acknowledged"
        );
    }
    node.close().await
}
