//! Notifications reach a real receiver over HTTP: at least once, with one key, whatever fails in between.

mod kill;
mod receiver;

use std::sync::Arc;
use std::time::Duration;

use alert::{AlertConfig, Alerts, Courier, Delivered, NotificationKind, WebhookConfig};
use event::{
    AlertSeverity, Clock, Detection, Disposition, Effect, Entity, ManualClock, Micros, Seq,
};
use receiver::{Answer, Receiver};
use registry::{Actor, AlertId, OutboxState, Registry, Resolution};
use tokio::sync::watch;

const DELIVERED: Delivered = Delivered {
    sent: 0,
    failed: 0,
    given_up: 0,
};

struct Site {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl Site {
    fn new() -> Self {
        receiver::install_provider();
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            clock: Arc::new(ManualClock::at(Micros(1_700_000_000_000_000))),
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::<ManualClock>::clone(&self.clock)
    }

    async fn open(&self, config: &AlertConfig) -> (Arc<Registry>, Alerts, Courier) {
        let path = self.folder.path().join("registry.sqlite");
        let registry = Registry::open(&path, self.clock()).await.expect("it opens");
        let registry = Arc::new(registry);
        let alerts = Alerts::new(Arc::clone(&registry), config);
        let courier =
            Courier::new(&registry, &self.clock(), config).expect("a sound configuration");
        (registry, alerts, courier)
    }
}

fn config(url: &str) -> AlertConfig {
    let webhook =
        serde_json::json!({"name": "chat", "url": url, "allow_loopback": true, "timeout_s": 5});
    AlertConfig {
        base_url: Some("https://logs.example/".to_owned()),
        webhooks: vec![serde_json::from_value(webhook).expect("a webhook")],
        ..AlertConfig::default()
    }
}

fn detection(number: u64, user: &str) -> Detection {
    Detection {
        id: format!("{number:032x}").into(),
        rule: "login-failures-account".into(),
        rules_version: "1".into(),
        key: vec![user.into()],
        entity: Entity::user(user),
        disposition: Disposition::Queue,
        effect: Effect::Attempt,
        seq: Seq(number),
        first_at: Micros(1),
        last_at: Micros(2),
        count: 10,
        evidence: vec![Seq(number)],
        query: format!("user.name:{user}"),
        facts: [("source.ip".to_owned(), "192.0.2.7".to_owned())].into(),
    }
}

#[tokio::test]
async fn a_receiver_gets_the_alert_its_detection_and_a_link() {
    let receiver = Receiver::start(&[]).await;
    let site = Site::new();
    let (registry, alerts, mut courier) = site.open(&config(&receiver.url)).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        Delivered {
            sent: 1,
            ..DELIVERED
        }
    );
    assert_eq!(courier.deliver_due().await.unwrap(), DELIVERED);

    let received = receiver.received();
    let [request] = received.as_slice() else {
        panic!("one request: {received:?}");
    };
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body["id"], request.key.as_str());
    assert_eq!(body["kind"], "created");
    assert_eq!(body["alert"]["severity"], "low");
    assert_eq!(body["alert"]["entity"]["name"], "an");
    assert_eq!(body["detection"]["facts"]["source.ip"], "192.0.2.7");
    assert_eq!(body["url"], "https://logs.example/alerts/1");
    assert!(request.key.starts_with(registry.instance()));
    let [noted] = registry
        .outbox_of(AlertId(1))
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!((noted.state, noted.attempts), (OutboxState::Sent, 1));
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_with_the_same_key_until_it_takes_it() {
    let receiver =
        Receiver::start(&[Answer::Status(503), Answer::Status(302), Answer::Hangup]).await;
    let site = Site::new();
    let (_, alerts, mut courier) = site.open(&config(&receiver.url)).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(
            courier.deliver_due().await.unwrap(),
            Delivered {
                failed: 1,
                ..DELIVERED
            }
        );
        assert_eq!(
            courier.deliver_due().await.unwrap(),
            DELIVERED,
            "not before its time"
        );
        site.clock.advance(Duration::from_secs(20));
    }
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        Delivered {
            sent: 1,
            ..DELIVERED
        }
    );
    let received = receiver.received();
    assert_eq!(received.len(), 4);
    assert!(
        received
            .iter()
            .all(|request| request.key == received[0].key)
    );
    assert!(
        received
            .iter()
            .all(|request| request.body == received[0].body)
    );
}

#[tokio::test]
async fn what_failed_before_a_restart_is_tried_after_it() {
    let receiver = Receiver::start(&[Answer::Status(500)]).await;
    let site = Site::new();
    let config = config(&receiver.url);
    let (registry, alerts, mut courier) = site.open(&config).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    courier.deliver_due().await.unwrap();
    registry.close().await;

    let (_, _, mut courier) = site.open(&config).await;
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        DELIVERED,
        "the wait is persistent too"
    );
    site.clock.advance(Duration::from_secs(3));
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        Delivered {
            sent: 1,
            ..DELIVERED
        }
    );
    let received = receiver.received();
    assert_eq!(received[0].key, received[1].key);
}

#[tokio::test]
async fn a_receiver_that_asks_for_patience_gets_it() {
    let receiver = Receiver::start(&[Answer::RetryAfter(120)]).await;
    let site = Site::new();
    let (_, alerts, mut courier) = site.open(&config(&receiver.url)).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    courier.deliver_due().await.unwrap();
    site.clock.advance(Duration::from_secs(119));
    assert_eq!(courier.deliver_due().await.unwrap(), DELIVERED);
    site.clock.advance(Duration::from_secs(1));
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        Delivered {
            sent: 1,
            ..DELIVERED
        }
    );
}

#[tokio::test]
async fn what_nobody_takes_for_three_days_is_given_up_and_counted() {
    let receiver = Receiver::start(&[Answer::Status(404), Answer::Status(404)]).await;
    let site = Site::new();
    let (registry, alerts, mut courier) = site.open(&config(&receiver.url)).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    courier.deliver_due().await.unwrap();
    assert_eq!(registry.outbox_counts().await.unwrap().pending, 1);
    site.clock.advance(Duration::from_secs(72 * 3600));
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        Delivered {
            given_up: 1,
            ..DELIVERED
        }
    );
    let counts = registry.outbox_counts().await.unwrap();
    assert_eq!((counts.pending, counts.dead), (0, 1));
    let [given_up] = registry
        .outbox_of(AlertId(1))
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert!(given_up.error.unwrap().contains("404"));
}

#[tokio::test]
async fn a_clock_set_back_does_not_hold_notifications_up() {
    let receiver = Receiver::start(&[Answer::Status(500)]).await;
    let site = Site::new();
    let (_, alerts, mut courier) = site.open(&config(&receiver.url)).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    courier.deliver_due().await.unwrap();
    site.clock.set_wall(Micros(1_600_000_000_000_000));
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        Delivered {
            sent: 1,
            ..DELIVERED
        }
    );
}

#[tokio::test]
async fn channels_get_what_they_asked_for() {
    let receiver = Receiver::start(&[]).await;
    let site = Site::new();
    let mut config = config(&receiver.url);
    let closed_only = WebhookConfig {
        name: "closed".to_owned(),
        on: vec![NotificationKind::Closed],
        ..config.webhooks[0].clone()
    };
    let grave_only = WebhookConfig {
        name: "grave".to_owned(),
        severity_min: AlertSeverity::Medium,
        ..config.webhooks[0].clone()
    };
    config.webhooks.extend([closed_only, grave_only]);
    let (registry, alerts, _) = site.open(&config).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    let graver = Detection {
        effect: Effect::Compromise,
        ..detection(2, "an")
    };
    alerts.apply(&[graver], &[]).await.unwrap();
    let lan = Actor::new("lan", None);
    alerts.acknowledge(&lan, AlertId(1), None).await.unwrap();
    alerts
        .close(&lan, AlertId(1), Resolution::Resolved, Some("blocked"))
        .await
        .unwrap();
    let mut told: Vec<_> = registry
        .outbox_of(AlertId(1))
        .await
        .unwrap()
        .iter()
        .map(|item| {
            let body: serde_json::Value = serde_json::from_str(&item.body).unwrap();
            format!("{} {}", item.channel, body["kind"].as_str().unwrap())
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            "chat closed",
            "chat created",
            "chat escalated",
            "closed closed",
            "grave closed",
            "grave escalated"
        ]
    );
}

#[tokio::test]
async fn a_flood_is_told_once_an_hour_and_does_not_bury_what_calls_someone() {
    let site = Site::new();
    let mut config = config("http://127.0.0.1:9/");
    config.webhooks[0].per_hour_max = 3;
    let (registry, alerts, _) = site.open(&config).await;
    let flood: Vec<_> = (1..=50)
        .map(|number| detection(number, &format!("u{number}")))
        .collect();
    alerts.apply(&flood, &[]).await.unwrap();
    let page = Detection {
        disposition: Disposition::Page,
        ..detection(99, "an")
    };
    alerts.apply(&[page], &[]).await.unwrap();
    assert_eq!(registry.outbox_counts().await.unwrap().pending, 3 + 1 + 1);
    let limited = &registry.outbox_of(AlertId(4)).await.unwrap()[0].body;
    assert!(limited.contains(r#""kind":"limited""#) && limited.contains(r#""per_hour_max":3"#));
    assert_eq!(registry.outbox_of(AlertId(51)).await.unwrap().len(), 1);

    site.clock.advance(Duration::from_secs(3601));
    alerts.apply(&[detection(100, "binh")], &[]).await.unwrap();
    assert_eq!(registry.outbox_of(AlertId(52)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn requests_are_signed_and_bear_the_token() {
    let receiver = Receiver::start(&[]).await;
    let site = Site::new();
    let file = |name: &str, text: &str| {
        let path = site.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let mut config = config(&receiver.url);
    config.webhooks[0].secret_file = file("secret", "s3cret\n");
    config.webhooks[0].bearer_file = file("bearer", "t0ken\n");
    let (_, alerts, mut courier) = site.open(&config).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    courier.deliver_due().await.unwrap();
    let received = receiver.received();
    assert!(received[0].signature.starts_with("t=1700000000,v1="));
    assert_eq!(received[0].signature.len(), "t=1700000000,v1=".len() + 64);
    assert_eq!(received[0].authorization, "Bearer t0ken");
    assert!(!format!("{courier:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_receiver_over_tls_is_believed_by_its_authority_alone() {
    let (receiver, certificate) = Receiver::start_tls().await;
    let site = Site::new();
    let mut config = config(&receiver.url);
    let stranger = WebhookConfig {
        name: "stranger".to_owned(),
        ..config.webhooks[0].clone()
    };
    config.webhooks.push(stranger);
    let path = site.folder.path().join("ca.pem");
    std::fs::write(&path, certificate).unwrap();
    config.webhooks[0].ca_file = Some(path);
    let (registry, alerts, mut courier) = site.open(&config).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    let expected = Delivered {
        sent: 1,
        failed: 1,
        ..DELIVERED
    };
    assert_eq!(courier.deliver_due().await.unwrap(), expected);
    assert_eq!(receiver.received().len(), 1);
    let items = registry.outbox_of(AlertId(1)).await.unwrap();
    let refused = items
        .iter()
        .find(|item| item.channel == "stranger")
        .unwrap();
    assert!(refused.error.as_ref().unwrap().contains("certificate"));
}

#[tokio::test]
async fn a_name_that_leads_to_this_machine_is_refused_unless_allowed() {
    let receiver = Receiver::start(&[]).await;
    let site = Site::new();
    let mut config = config(&receiver.url.replace("127.0.0.1", "localhost"));
    config.webhooks[0].allow_loopback = false;
    let (registry, alerts, mut courier) = site.open(&config).await;
    alerts.apply(&[detection(1, "an")], &[]).await.unwrap();
    assert_eq!(
        courier.deliver_due().await.unwrap(),
        Delivered {
            failed: 1,
            ..DELIVERED
        }
    );
    let [item] = registry
        .outbox_of(AlertId(1))
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert!(item.error.unwrap().contains("allow_loopback"));
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn mistakes_in_the_configuration_are_told_before_anything_starts() {
    let site = Site::new();
    let (registry, _, _) = site.open(&AlertConfig::default()).await;
    let told = |change: fn(&mut AlertConfig)| {
        let mut config = config("http://127.0.0.1:9/");
        change(&mut config);
        Courier::new(&registry, &site.clock(), &config)
            .unwrap_err()
            .to_string()
    };
    assert!(told(|config| config.webhooks[0].allow_loopback = false).contains("needs leave"));
    assert!(
        told(|config| config.webhooks.push(config.webhooks[0].clone())).contains("named \"chat\"")
    );
    assert!(told(|config| config.webhooks[0].timeout_s = 0).contains("timeout_s"));
    assert!(
        told(|config| config.webhooks[0].secret_file = Some("/no/file".into()))
            .contains("/no/file")
    );
}

#[tokio::test]
async fn a_running_courier_wakes_for_news_and_ends_its_attempt_when_stopped() {
    let receiver = Receiver::start(&[]).await;
    let site = Site::new();
    let (registry, alerts, courier) = site.open(&config(&receiver.url)).await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(courier.run(stopped));
    for number in 1..=40 {
        let user = format!("user{number}");
        alerts
            .apply(&[detection(number, &user)], &[])
            .await
            .unwrap();
    }
    receiver.wait_for(40).await;
    stop.send(true).unwrap();
    running.await.unwrap();
    let counts = registry.outbox_counts().await.unwrap();
    assert_eq!((counts.pending, counts.dead), (0, 0));
    assert_eq!(receiver.received().len(), 40);
}
