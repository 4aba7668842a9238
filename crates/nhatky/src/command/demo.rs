//! `nhatky demo`: a server in a temporary directory, everyday traffic, and an attack now and then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use event::{Clock as _, SystemClock};
use simulate::{Line, Mix, Protocol, Sender, scenario};
use tracing::warn;

use super::serve;
use crate::cli::{Demo, Serve};
use crate::output;
use crate::texts::{Language, Texts};

/// The first attack comes soon: whoever starts the demo waits for it.
const FIRST_ATTACK_AFTER: Duration = Duration::from_secs(5);
const PAUSE_BETWEEN_ATTACKS: Duration = Duration::from_secs(20);
/// Lines go out in so many portions a second.
const PORTIONS: u32 = 10;

pub(crate) async fn run(args: Demo, texts: &Texts) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("nhatky-demo-").tempdir()?;
    let serve = Serve {
        data: folder.path().join("data"),
        http: Some(args.http),
        syslog_udp: Some(args.syslog),
        syslog_tcp: Some(args.syslog),
        ..Serve::default()
    };
    welcome(&args, &serve, texts)?;
    let stop = Arc::new(AtomicBool::new(false));
    let ready = |syslog: SocketAddr| start_traffic(syslog, &args, scenario_lines(texts), &stop);
    let ended = serve::run_until(&serve, ready, ending(args.seconds)).await;
    stop.store(true, Ordering::SeqCst);
    ended
}

/// Ctrl-C, SIGTERM, or the time that was asked for.
async fn ending(seconds: Option<u64>) -> Result<()> {
    match seconds {
        Some(seconds) => {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(())
        }
        None => serve::asked_to_stop()?.await,
    }
}

fn welcome(args: &Demo, serve: &Serve, texts: &Texts) -> Result<()> {
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "nhatky".to_owned());
    let server = format!("--server http://{}", args.http);
    output::line(&texts.say("demo.welcome", &[("data", &serve.data.display())]))?;
    let examples = [
        (
            "search 'nhatky.class:login AND event.outcome:failure'",
            "demo.try_logins",
        ),
        ("search 'source.ip:203.0.113.0/24'", "demo.try_network"),
        (
            "search '* | stats count() by nhatky.class | sort -count'",
            "demo.try_counts",
        ),
        ("tail 'nhatky.class:privilege'", "demo.try_tail"),
        ("alerts list", "demo.try_alerts"),
        ("sources", "demo.try_sources"),
    ];
    for (command, key) in examples {
        output::line(&format!(
            "\n  # {}\n  {program} {command} {server}",
            texts.say(key, &[])
        ))?;
    }
    output::line(&format!(
        "\n  # {}\n  logger --server {} --port {} --udp 'xin chào'\n",
        texts.say("demo.try_logger", &[]),
        args.syslog.ip(),
        args.syslog.port()
    ))
}

/// What is told when each scenario begins, in the language of the person.
fn scenario_lines(texts: &Texts) -> Vec<String> {
    let language = match texts.language() {
        Language::Vi => 0,
        Language::En => 1,
    };
    let told = |scenario: &scenario::Scenario| {
        let story = scenario.story.get(language).copied().unwrap_or_default();
        texts.say(
            "demo.scenario",
            &[("name", &scenario.name), ("story", &story)],
        )
    };
    scenario::all().iter().map(told).collect()
}

fn start_traffic(syslog: SocketAddr, args: &Demo, told: Vec<String>, stop: &Arc<AtomicBool>) {
    let (rate, seed) = (args.rate, args.seed);
    let everyday = Arc::clone(stop);
    spawn("demo-traffic", move || {
        send_everyday(syslog, rate, seed, &everyday)
    });
    let attacks = Arc::clone(stop);
    spawn("demo-attacks", move || {
        send_attacks(syslog, &told, &attacks)
    });
}

fn spawn(name: &str, run: impl FnOnce() -> Result<()> + Send + 'static) {
    let started = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if let Err(error) = run() {
                warn!(%error, "the demo's traffic has ended");
            }
        });
    if let Err(error) = started {
        warn!(%error, "the demo's traffic cannot start");
    }
}

fn send_everyday(to: SocketAddr, rate: u32, seed: u64, stop: &AtomicBool) -> Result<()> {
    let clock = SystemClock::new();
    let (mut mix, mut sender) = (Mix::new(seed), Sender::new(to, Protocol::Tcp));
    let mut owed = 0;
    while !stop.load(Ordering::SeqCst) {
        owed += rate;
        while owed >= PORTIONS {
            sender.send(&mix.line(clock.now()))?;
            owed -= PORTIONS;
        }
        sender.flush()?;
        std::thread::sleep(Duration::from_secs(1) / PORTIONS);
    }
    Ok(())
}

/// Plays the scenarios one after another, over UDP, each device from its own address.
fn send_attacks(to: SocketAddr, told: &[String], stop: &AtomicBool) -> Result<()> {
    let clock = SystemClock::new();
    let mut sender = Sender::new(to, Protocol::Udp);
    let mut pause = FIRST_ATTACK_AFTER;
    for (scenario, told) in scenario::all().iter().zip(told).cycle() {
        if !wait(pause, stop) {
            return Ok(());
        }
        output::line(told)?;
        let (begin, start) = (clock.now(), clock.monotonic());
        for step in scenario.steps(begin) {
            let due = step
                .after
                .saturating_sub(clock.monotonic().saturating_sub(start));
            if !wait(due, stop) {
                return Ok(());
            }
            let line: Line = step.line;
            sender.send(&line)?;
        }
        pause = PAUSE_BETWEEN_ATTACKS;
    }
    Ok(())
}

/// Lets the time pass; false where it was told to stop meanwhile.
fn wait(duration: Duration, stop: &AtomicBool) -> bool {
    let clock = SystemClock::new();
    while clock.monotonic() < duration {
        if stop.load(Ordering::SeqCst) {
            return false;
        }
        std::thread::sleep(
            duration
                .saturating_sub(clock.monotonic())
                .min(Duration::from_millis(100)),
        );
    }
    !stop.load(Ordering::SeqCst)
}
