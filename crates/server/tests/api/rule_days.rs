//! What a rule saw on each day: "nothing found" is shown as what it is.

use axum::http::StatusCode;
use event::{CalendarDay, Clock as _, DaySeen, Loss, LossCause, Micros, OwnRecord, RuleDay};
use serde_json::{Value, json};

use crate::node::Node;

const PATH: &str = "/api/v1/rules/login-failures-account/days";

/// A day on which all was watched, and the rule saw so many events.
fn day(date: CalendarDay, events: u64) -> DaySeen {
    DaySeen {
        date,
        events: 1_000,
        unread: 0,
        awake_us: Micros::PER_DAY,
        rules: vec![RuleDay {
            rule: "login-failures-account".into(),
            events,
            complete: events,
            matched: events,
            ..RuleDay::default()
        }],
    }
}

#[tokio::test]
async fn a_day_is_evaluated_partly_or_not_at_all() {
    let node = Node::start().await;
    let now = node.clock.now();
    let today = CalendarDay::of(now, 420);
    let yesterday = CalendarDay(today.0 - 1);
    for seen in [day(today, 3), day(yesterday, 5)] {
        node.registry.save_day(&seen).await.expect("it is saved");
    }
    let (status, reply) = node.get(PATH).await;
    assert_eq!(status, StatusCode::OK, "{reply}");
    let days = reply["days"].as_array().expect("days");
    let verdicts: Vec<&Value> = days.iter().map(|day| &day["verdict"]).collect();
    let blind = "blind";
    assert_eq!(
        verdicts,
        ["evaluated", "evaluated", blind, blind, blind, blind, blind]
    );
    assert_eq!(
        (&days[0]["events"], &days[1]["events"]),
        (&json!(3), &json!(5))
    );
    assert_eq!(days[0]["evaluated_share"], 1.0, "{reply}");
    assert_eq!(days[2]["reasons"], json!(["no_events", "not_watched"]));
    let given = reply["needs"]["given_by"].as_array().expect("products");
    assert!(given.contains(&json!("linux.sshd")), "{given:?}");
    assert!(!given.contains(&json!("linux.kernel")), "{given:?}");

    // A loss of yesterday makes that day's answer one of a part.
    let begin = yesterday.start(420);
    node.tell(&OwnRecord::Loss(Loss {
        cause: LossCause::KernelDrop,
        source: "udp 514".to_owned(),
        from: begin,
        to: Micros(begin.0 + Micros::PER_SECOND),
        records_max: Some(7),
        bytes: None,
        last_good: None,
        detail: "7 datagrams".to_owned(),
    }));
    let (_, reply) = node.get(PATH).await;
    assert_eq!(reply["days"][0]["verdict"], "evaluated", "{reply}");
    assert_eq!(reply["days"][1]["verdict"], "partly", "{reply}");
    assert_eq!(reply["days"][1]["reasons"], json!(["loss"]));
    assert_eq!(reply["blind_spans"][0]["source"], "udp 514");
}

#[tokio::test]
async fn an_unknown_rule_or_a_senseless_number_of_days_is_refused() {
    let node = Node::start().await;
    let (status, _) = node.get("/api/v1/rules/nobody/days").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    for days in ["0", "401", "x"] {
        let (status, problem) = node.get(&format!("{PATH}?days={days}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
}
