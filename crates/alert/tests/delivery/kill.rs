//! A courier killed with SIGKILL again and again loses no notification, and repeats at most the one that was on its way.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::receiver::{self, Receiver};
use alert::{AlertConfig, Alerts, Courier};
use event::{Clock, Detection, Disposition, Effect, Entity, Micros, Seq, SystemClock};
use registry::Registry;
use tokio::sync::watch;

/// Where the child finds its registry and the receiver; a test run without them has nothing to do there.
const FOLDER: &str = "NHATKY_TEST_COURIER_FOLDER";
const URL: &str = "NHATKY_TEST_COURIER_URL";

const NOTIFICATIONS: usize = 120;
/// After how many requests the child is killed.
const KILLS: [usize; 8] = [1, 2, 3, 10, 30, 31, 60, 100];

fn config(url: &str) -> AlertConfig {
    let webhook = serde_json::json!({"name": "chat", "url": url, "allow_loopback": true, "per_hour_max": 1000});
    let webhook = serde_json::from_value(webhook).expect("a webhook");
    AlertConfig {
        webhooks: vec![webhook],
        ..AlertConfig::default()
    }
}

async fn open(folder: &Path) -> (Arc<Registry>, Arc<dyn Clock>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let path = folder.join("registry.sqlite");
    let registry = Registry::open(&path, Arc::clone(&clock))
        .await
        .expect("it opens after every kill");
    (Arc::new(registry), clock)
}

fn detection(number: u64) -> Detection {
    Detection {
        id: format!("{number:032x}").into(),
        rule: "scan".into(),
        rules_version: "1".into(),
        key: Vec::new(),
        entity: Entity::user(&format!("user{number}")),
        disposition: Disposition::Queue,
        effect: Effect::Attempt,
        seq: Seq(number),
        first_at: Micros(1),
        last_at: Micros(2),
        count: 1,
        evidence: vec![Seq(number)],
        query: "*".to_owned(),
        facts: BTreeMap::new(),
    }
}

fn start_child(folder: &Path, url: &str) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "kill::child_that_is_killed"])
        .env(FOLDER, folder)
        .env(URL, url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[tokio::test]
async fn child_that_is_killed() {
    let (Ok(folder), Ok(url)) = (std::env::var(FOLDER), std::env::var(URL)) else {
        return;
    };
    receiver::install_provider();
    let (registry, clock) = open(Path::new(&folder)).await;
    let courier = Courier::new(&registry, &clock, &config(&url)).unwrap();
    let (_never, stop) = watch::channel(false);
    courier.run(stop).await;
}

#[tokio::test]
async fn kill_9_loses_nothing_and_repeats_only_what_was_on_its_way() {
    receiver::install_provider();
    let receiver = Receiver::start(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let (registry, _) = open(folder.path()).await;
    let alerts = Alerts::new(Arc::clone(&registry), &config(&receiver.url));
    let detections: Vec<_> = (1..).take(NOTIFICATIONS).map(detection).collect();
    alerts.apply(&detections, &[]).await.unwrap();
    registry.close().await;

    for requests in KILLS {
        let mut child = start_child(folder.path(), &receiver.url);
        receiver.wait_for(requests).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (registry, clock) = open(folder.path()).await;
    let mut courier = Courier::new(&registry, &clock, &config(&receiver.url)).unwrap();
    while registry.outbox_counts().await.unwrap().pending > 0 {
        courier.deliver_due().await.unwrap();
    }

    let mut times = BTreeMap::<String, usize>::new();
    for request in receiver.received() {
        *times.entry(request.key).or_default() += 1;
    }
    assert_eq!(times.len(), NOTIFICATIONS);
    let repeated: usize = times.values().map(|times| times - 1).sum();
    assert!(repeated <= KILLS.len(), "{repeated} were repeated");
}
