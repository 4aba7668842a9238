//! Severity: proposed by what was done, set by people with a reason, both in sight.

use alert::TransitionError;
use event::{AlertSeverity, Detection, Effect};
use registry::{Actor, AlertId, Resolution};

use crate::site::{NOW, Site, detection};

fn with(effect: Effect, number: u64) -> Detection {
    Detection {
        effect,
        ..detection(number, "x")
    }
}

async fn alert_of(effect: Effect) -> Site {
    let site = Site::new().await;
    site.alerts
        .apply(&[with(effect, 1)], &[])
        .await
        .expect("it applies");
    site
}

#[tokio::test]
async fn an_attempt_is_low_and_what_got_in_counts_as_one_room_without_a_system() {
    for (effect, expected) in [
        (Effect::Attempt, AlertSeverity::Low),
        (Effect::Compromise, AlertSeverity::Medium),
        (Effect::Damage, AlertSeverity::Medium),
    ] {
        let alert = alert_of(effect).await.alert(1).await;
        assert_eq!((alert.proposed, alert.severity), (expected, expected));
        assert_eq!(alert.severity_set, None);
    }
}

#[tokio::test]
async fn a_person_sets_another_with_a_reason_and_the_proposal_stays_in_sight() {
    let site = alert_of(Effect::Compromise).await;
    let (lan, id) = (Actor::new("lan", None), AlertId(1));
    let urgent = AlertSeverity::Urgent;
    let refused = site.alerts.set_severity(&lan, id, urgent, "").await;
    assert!(matches!(refused, Err(TransitionError::ReasonInvalid)));
    let reason = "the portal of the province";
    let set = site.alerts.set_severity(&lan, id, urgent, reason).await;
    let alert = site.alert(1).await;
    assert_eq!(set.unwrap(), alert);
    assert_eq!(
        (alert.severity, alert.proposed),
        (urgent, AlertSeverity::Medium)
    );
    let by = alert.severity_set.expect("a person set it");
    assert_eq!(
        (by.by.as_str(), by.at, by.reason.as_str()),
        ("lan", NOW, reason)
    );
    let regraded = ("regraded".to_owned(), Some("urgent".to_owned()), None);
    assert_eq!(site.history(1).await.last(), Some(&regraded));
    // What is no graver than what was set leaves it.
    site.alerts
        .apply(&[with(Effect::Damage, 2)], &[])
        .await
        .unwrap();
    assert_eq!(site.alert(1).await.severity, urgent);
    let closed = site
        .alerts
        .close(&lan, id, Resolution::Resolved, None)
        .await;
    closed.unwrap();
    let closed = site.alerts.set_severity(&lan, id, urgent, reason).await;
    assert!(matches!(closed, Err(TransitionError::IsClosed { .. })));
}

#[tokio::test]
async fn what_was_set_lower_gives_way_to_a_graver_proposal_and_to_no_other() {
    let site = alert_of(Effect::Attempt).await;
    let (lan, id) = (Actor::new("lan", None), AlertId(1));
    let set = site
        .alerts
        .set_severity(&lan, id, AlertSeverity::Low, "a test")
        .await;
    set.unwrap();
    site.alerts
        .apply(&[with(Effect::Attempt, 2)], &[])
        .await
        .unwrap();
    assert!(site.alert(1).await.severity_set.is_some());
    let applied = site.alerts.apply(&[with(Effect::Compromise, 3)], &[]).await;
    assert_eq!(applied.unwrap().escalated, [id]);
    let alert = site.alert(1).await;
    assert_eq!(
        (alert.severity, alert.proposed, alert.severity_set),
        (AlertSeverity::Medium, AlertSeverity::Medium, None)
    );
    // It may be set lower again, now for what it has become.
    let set = site
        .alerts
        .set_severity(&lan, id, AlertSeverity::Low, "a drill")
        .await;
    set.unwrap();
    site.alerts
        .apply(&[with(Effect::Damage, 4)], &[])
        .await
        .unwrap();
    assert_eq!(site.alert(1).await.severity, AlertSeverity::Low);
}
