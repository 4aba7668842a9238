//! Alerts go from hand to hand, are reopened, and closed many at once.

use alert::{
    AlertConfig, Assignee, NotificationKind, Selection, TogetherError, TransitionError,
    WebhookConfig,
};
use event::{AlertSeverity, Detection, Disposition, Effect, Seq};
use registry::{
    Actor, AlertFilter, AlertId, AlertState, Assigned, DetectionUpdate, PersonText, Resolution,
};

use crate::site::{NOW, Site, detection};

async fn person(site: &Site, name: &str, account: &str) {
    let text = PersonText {
        name: name.to_owned(),
        contacts: Vec::new(),
        accounts: vec![account.to_owned()],
    };
    let added = site.registry.add_person(&Actor::cli(), &text).await;
    added.expect("a new name");
}

/// A receiver of everything, whom nobody tells.
fn told_of_everything() -> AlertConfig {
    let webhook = serde_json::json!({"name": "chat", "url": "https://chat.example/hook"});
    let webhook: WebhookConfig = serde_json::from_value(webhook).expect("a webhook");
    AlertConfig {
        webhooks: vec![WebhookConfig {
            on: NotificationKind::ALL.to_vec(),
            ..webhook
        }],
        ..AlertConfig::default()
    }
}

async fn notifications(site: &Site, id: u64) -> Vec<serde_json::Value> {
    let items = site
        .registry
        .outbox_of(AlertId(id))
        .await
        .expect("it reads");
    let bodies = items.iter().map(|item| item.body.parse().expect("JSON"));
    bodies.collect()
}

#[tokio::test]
async fn an_alert_goes_from_hand_to_hand_and_its_history_says_so() {
    let site = Site::with(told_of_everything()).await;
    person(&site, "Nguyễn Văn An", "an").await;
    person(&site, "Trần Bình", "binh").await;
    site.alerts.apply(&[detection(1, "x")], &[]).await.unwrap();
    let (an, id) = (Actor::new("an", None), AlertId(1));

    let alert = site.alerts.assign(&an, id, Assignee::Oneself, None).await;
    let alert = alert.unwrap();
    assert_eq!(
        (alert.state, alert.assignee.as_deref()),
        (AlertState::New, Some("Nguyễn Văn An"))
    );
    // The same again is nothing new.
    let to_an = Assignee::Person("nguyễn văn an");
    site.alerts.assign(&an, id, to_an, None).await.unwrap();
    let to_binh = Assignee::Person("binh");
    site.alerts
        .assign(&an, id, to_binh, Some("yours"))
        .await
        .unwrap();
    site.alerts.release(&an, id, None).await.unwrap();
    site.alerts.release(&an, id, None).await.unwrap();
    let nobody = site
        .alerts
        .assign(&an, id, Assignee::Person("x"), None)
        .await;
    assert!(matches!(nobody, Err(TransitionError::Nobody { .. })));

    let detail = |text: &str| Some(text.to_owned());
    let expected = [
        ("created", detail("low")),
        ("assigned", detail("Nguyễn Văn An")),
        ("assigned", detail("Trần Bình")),
        ("released", detail("Trần Bình")),
    ];
    let history = site.history(1).await;
    let history: Vec<_> = history
        .iter()
        .map(|(action, detail, _)| (action.as_str(), detail.clone()))
        .collect();
    assert_eq!(history, expected);
    let told = notifications(&site, 1).await;
    let told: Vec<_> = told
        .iter()
        .map(|body| (body["kind"].clone(), body["alert"]["assignee"].clone()))
        .collect();
    assert!(
        told.contains(&("assigned".into(), "Trần Bình".into())),
        "{told:?}"
    );
    assert!(told.contains(&("released".into(), serde_json::Value::Null)));
    assert_eq!(told.len(), 4);
}

#[tokio::test]
async fn whoever_acts_first_has_an_alert_in_hand_and_others_do_not_take_it_by_acting() {
    let site = Site::new().await;
    person(&site, "Trần Bình", "binh").await;
    site.alerts.apply(&[detection(1, "x")], &[]).await.unwrap();
    let (binh, lan, id) = (
        Actor::new("binh", None),
        Actor::new("lan", None),
        AlertId(1),
    );
    site.alerts.acknowledge(&binh, id, None).await.unwrap();
    let alert = site.alerts.start(&lan, id, None).await.unwrap();
    assert_eq!(alert.assignee.as_deref(), Some("Trần Bình"));
    let closed = site
        .alerts
        .close(&lan, id, Resolution::Resolved, None)
        .await;
    assert_eq!(closed.unwrap().assignee.as_deref(), Some("Trần Bình"));
    for refused in [
        site.alerts.assign(&lan, id, Assignee::Oneself, None).await,
        site.alerts.release(&lan, id, None).await,
    ] {
        assert!(matches!(refused, Err(TransitionError::IsClosed { .. })));
    }
}

#[tokio::test]
async fn alerts_are_listed_by_whose_they_are() {
    let site = Site::new().await;
    let batch: Vec<_> = (1..=3).map(|n| detection(n, &format!("u{n}"))).collect();
    site.alerts.apply(&batch, &[]).await.unwrap();
    let lan = Actor::new("lan", None);
    let (first, oneself) = (AlertId(1), Assignee::Oneself);
    site.alerts
        .assign(&lan, first, oneself, None)
        .await
        .unwrap();
    let listed = async |assigned| {
        let filter = AlertFilter {
            assigned: Some(assigned),
            limit: 10,
            ..AlertFilter::default()
        };
        let page = site.alerts.list(&filter).await.unwrap();
        page.items
            .iter()
            .map(|alert| alert.id.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(Assigned::To("lan".to_owned())).await, [1]);
    assert!(listed(Assigned::To("an".to_owned())).await.is_empty());
    assert_eq!(listed(Assigned::ToNobody).await, [3, 2]);
}

#[tokio::test]
async fn a_reopened_alert_takes_in_what_comes_and_what_came_while_it_was_closed() {
    let site = Site::with(told_of_everything()).await;
    let (lan, id) = (Actor::new("lan", None), AlertId(1));
    site.alerts.apply(&[detection(1, "x")], &[]).await.unwrap();
    let not_closed = site.alerts.reopen(&lan, id, "too early").await;
    assert!(matches!(not_closed, Err(TransitionError::IsOpen { .. })));
    let closed = site
        .alerts
        .close(&lan, id, Resolution::Accepted, None)
        .await;
    closed.unwrap();
    let grown = DetectionUpdate {
        id: detection(1, "x").id,
        last_at: NOW,
        count: 70,
        evidence: vec![Seq(1), Seq(70)],
    };
    site.alerts.apply(&[], &[grown]).await.unwrap();
    assert_eq!(site.alert(1).await.events, 10);
    let refused = site.alerts.reopen(&lan, id, " ").await;
    assert!(matches!(refused, Err(TransitionError::ReasonInvalid)));

    let open = site.alerts.reopen(&lan, id, "it goes on").await.unwrap();
    assert_eq!(
        (open.state, open.resolution, open.events, open.detections),
        (AlertState::Acknowledged, None, 70, 1)
    );
    assert_eq!(site.alert(1).await, open);
    let applied = site.alerts.apply(&[detection(2, "x")], &[]).await.unwrap();
    assert_eq!(applied.created, []);
    let alert = site.alert(1).await;
    assert_eq!((alert.events, alert.detections), (80, 2));
    let closings: Vec<_> = site.history(1).await;
    let kinds: Vec<_> = closings.iter().map(|(kind, ..)| kind.as_str()).collect();
    assert_eq!(kinds, ["created", "closed", "reopened"]);
    assert_eq!(closings[1].1.as_deref(), Some("accepted"));
    let told = notifications(&site, 1).await;
    assert!(
        told.iter()
            .any(|body| body["kind"] == "reopened" && body["comment"] == "it goes on")
    );
}

#[tokio::test]
async fn an_alert_that_another_has_followed_is_not_reopened_beside_it() {
    let site = Site::new().await;
    let (lan, first) = (Actor::new("lan", None), AlertId(1));
    site.alerts.apply(&[detection(1, "x")], &[]).await.unwrap();
    let close = async |id| {
        let closed = site
            .alerts
            .close(&lan, id, Resolution::Resolved, None)
            .await;
        closed.unwrap();
    };
    close(first).await;
    site.alerts.apply(&[detection(2, "x")], &[]).await.unwrap();
    let refused = site.alerts.reopen(&lan, first, "again").await;
    assert!(matches!(
        refused,
        Err(TransitionError::Followed { by: AlertId(2), .. })
    ));
    close(AlertId(2)).await;
    site.alerts.reopen(&lan, first, "again").await.unwrap();
    let applied = site.alerts.apply(&[detection(3, "x")], &[]).await.unwrap();
    assert_eq!(applied.created, []);
    assert_eq!(site.alert(1).await.detections, 2);
}

/// Five alerts, the last of them of high severity.
async fn five() -> Site {
    let site = Site::with(told_of_everything()).await;
    let mut batch: Vec<_> = (1..=5).map(|n| detection(n, &format!("u{n}"))).collect();
    batch[4].effect = Effect::Compromise;
    site.alerts.apply(&batch, &[]).await.expect("it applies");
    site
}

fn low() -> Selection {
    Selection::Filter(AlertFilter {
        severity: Some(AlertSeverity::Low),
        ..AlertFilter::default()
    })
}

#[tokio::test]
async fn many_alerts_are_closed_by_one_act_that_each_history_tells() {
    let site = five().await;
    let lan = Actor::new("lan", None);
    site.told().await;
    let seen = site.alerts.to_close(&low()).await.unwrap();
    let first: Vec<_> = seen.first.iter().map(|alert| alert.id.0).collect();
    assert_eq!((seen.count, first), (4, vec![1, 2, 3, 4]));
    assert!(seen.confirm.starts_with("4-"), "{}", seen.confirm);
    assert_eq!(site.told().await, []);

    let closed = site
        .alerts
        .close_together(
            &lan,
            &low(),
            &seen.confirm,
            Resolution::FalsePositive,
            Some("our own scanner"),
        )
        .await
        .unwrap();
    assert_eq!(closed, 4);
    for id in 1..=4 {
        let alert = site.alert(id).await;
        assert_eq!(
            (alert.state, alert.resolution, alert.assignee.as_deref()),
            (
                AlertState::Closed,
                Some(Resolution::FalsePositive),
                Some("lan")
            )
        );
        let history = site.history(id).await;
        let closing = (
            "closed".to_owned(),
            Some("false_positive".to_owned()),
            Some(4),
        );
        assert_eq!(history.last(), Some(&closing));
    }
    assert_eq!(site.alert(5).await.state, AlertState::New);
    let expected = "4 alerts as false_positive (severity=low): our own scanner";
    assert_eq!(
        site.told().await,
        [("alerts-closed".to_owned(), expected.to_owned())]
    );
    let told = notifications(&site, 1).await;
    let told: Vec<_> = told
        .iter()
        .filter(|body| body["kind"] == "closed_together")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["alerts"], serde_json::json!([1, 2, 3, 4]));
    assert_eq!(notifications(&site, 2).await.len(), 1);
}

#[tokio::test]
async fn nothing_else_is_closed_than_was_seen() {
    let site = five().await;
    let lan = Actor::new("lan", None);
    let close = async |confirmed: &str| {
        let resolution = Resolution::Resolved;
        site.alerts
            .close_together(&lan, &low(), confirmed, resolution, None)
            .await
    };
    let confirm = async || site.alerts.to_close(&low()).await.unwrap().confirm;
    let seen = confirm().await;
    // As many, but not the same: one is closed by somebody else, one arises.
    let closed = site
        .alerts
        .close(&lan, AlertId(2), Resolution::Resolved, None);
    closed.await.unwrap();
    site.alerts.apply(&[detection(6, "u6")], &[]).await.unwrap();
    assert!(matches!(
        close(&seen).await,
        Err(TogetherError::Changed { .. })
    ));
    // The same, but one of them calls someone now.
    let seen = confirm().await;
    let graver = Detection {
        disposition: Disposition::Page,
        ..detection(7, "u1")
    };
    site.alerts.apply(&[graver], &[]).await.unwrap();
    assert!(matches!(
        close(&seen).await,
        Err(TogetherError::Changed { .. })
    ));
    assert!(matches!(
        close("").await,
        Err(TogetherError::Changed { .. })
    ));
    assert_eq!(site.alert(1).await.state, AlertState::New);
    // More events of the same are no other alert.
    let seen = confirm().await;
    site.alerts.apply(&[detection(8, "u3")], &[]).await.unwrap();
    assert_eq!(close(&seen).await.unwrap(), 4);
}

#[tokio::test]
async fn numbers_that_lead_to_no_open_alert_are_told_and_left_out() {
    let site = five().await;
    let lan = Actor::new("lan", None);
    let closed = site
        .alerts
        .close(&lan, AlertId(2), Resolution::Resolved, None);
    closed.await.unwrap();
    let ids = [5, 2, 1, 1, 77].map(AlertId).to_vec();
    let selection = Selection::Ids(ids);
    let seen = site.alerts.to_close(&selection).await.unwrap();
    assert_eq!(
        (seen.count, seen.left_out),
        (2, vec![AlertId(2), AlertId(77)])
    );
    let resolution = Resolution::Accepted;
    let closing = site
        .alerts
        .close_together(&lan, &selection, &seen.confirm, resolution, None);
    assert_eq!(closing.await.unwrap(), 2);
    assert_eq!(site.alert(2).await.resolution, Some(Resolution::Resolved));
    let none = site.alerts.to_close(&selection).await.unwrap();
    let closing = site
        .alerts
        .close_together(&lan, &selection, &none.confirm, resolution, None);
    assert_eq!(closing.await.unwrap(), 0);
    let many = Selection::Ids((1..=5_001).map(AlertId).collect());
    assert!(matches!(
        site.alerts.to_close(&many).await,
        Err(TogetherError::TooMany)
    ));
}
