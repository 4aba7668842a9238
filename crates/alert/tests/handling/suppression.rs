//! Suppressions and maintenance windows: a detection inside is stored, marked, and makes no alert.

use std::time::Duration;

use alert::{Applied, SuppressionError};
use event::{Clock as _, Detection, Disposition, Entity, Micros, Seq};
use registry::{
    Actor, DetectionFilter, DetectionUpdate, NewSuppression, Suppression, SuppressionState,
    Suppressions,
};

use crate::site::{NOW, Site, detection};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// An hour without alerts about a user.
fn an_hour(user: &str) -> NewSuppression {
    NewSuppression {
        entities: Vec::from_iter(Entity::user(user)),
        starts_at: NOW,
        ends_at: NOW.after(HOUR),
        reason: "a test".to_owned(),
        ..NewSuppression::default()
    }
}

async fn suppress(site: &Site, new: NewSuppression) -> Suppression {
    let made = site.alerts.suppress(&Actor::new("lan", None), new).await;
    made.expect("a suppression that can be")
}

fn at(number: u64, user: &str, at: Micros) -> Detection {
    Detection {
        first_at: at,
        last_at: at,
        ..detection(number, user)
    }
}

async fn mark(site: &Site, number: u64) -> Option<u64> {
    let stored = site.registry.detection(&detection(number, "x").id).await;
    let stored = stored.expect("it reads").expect("it is stored");
    stored.suppressed_by
}

#[tokio::test]
async fn a_detection_inside_is_stored_and_marked_and_makes_no_alert() {
    let site = Site::new().await;
    let made = suppress(&site, an_hour("x")).await;
    let batch = [
        at(1, "x", NOW),
        at(2, "y", NOW),
        at(3, "x", made.text.ends_at.before(Duration::from_micros(1))),
        at(4, "x", NOW.before(Duration::from_micros(1))),
    ];
    let applied = site.alerts.apply(&batch, &[]).await.unwrap();
    assert_eq!(
        (
            applied.detections,
            applied.suppressed,
            applied.created.len()
        ),
        (4, 2, 2)
    );
    for (number, expected) in [(1, Some(made.id)), (2, None), (3, Some(made.id)), (4, None)] {
        assert_eq!(mark(&site, number).await, expected, "{number}");
    }
    // Its end is not inside.
    let applied = site
        .alerts
        .apply(&[at(5, "x", made.text.ends_at)], &[])
        .await;
    assert_eq!(applied.unwrap().suppressed, 0);
    // Replay changes nothing.
    let again = site.alerts.apply(&batch, &[]).await.unwrap();
    assert_eq!(again, Applied::default());

    let filter = DetectionFilter {
        suppressed_by: Some(made.id),
        limit: 10,
        ..DetectionFilter::default()
    };
    let marked = site.registry.detections(&filter).await.unwrap().items;
    assert_eq!(marked.len(), 2);
    let shown = site.registry.suppression(made.id).await.unwrap().unwrap();
    assert_eq!(
        (shown.detections, shown.state),
        (2, SuppressionState::Active)
    );
}

#[tokio::test]
async fn an_alert_that_is_open_gets_nothing_that_is_suppressed() {
    let site = Site::new().await;
    site.alerts.apply(&[detection(1, "x")], &[]).await.unwrap();
    suppress(&site, an_hour("x")).await;
    site.alerts.apply(&[detection(2, "x")], &[]).await.unwrap();
    assert_eq!(site.alert(1).await.detections, 1);
}

#[tokio::test]
async fn what_calls_someone_goes_through_unless_the_window_says_otherwise() {
    let site = Site::new().await;
    suppress(&site, an_hour("x")).await;
    let with_pages = NewSuppression {
        pages: true,
        ..an_hour("y")
    };
    suppress(&site, with_pages).await;
    let page = |number, user| Detection {
        disposition: Disposition::Page,
        ..detection(number, user)
    };
    let batch = [page(1, "x"), page(2, "y")];
    let applied = site.alerts.apply(&batch, &[]).await.unwrap();
    assert_eq!((applied.created.len(), applied.suppressed), (1, 1));
    assert_eq!(mark(&site, 1).await, None);
}

#[tokio::test]
async fn an_episode_that_goes_on_after_the_end_makes_an_alert_then() {
    let site = Site::new().await;
    let made = suppress(&site, an_hour("x")).await;
    site.alerts.apply(&[detection(1, "x")], &[]).await.unwrap();
    let grown = |count, last_at| DetectionUpdate {
        id: detection(1, "x").id,
        last_at,
        count,
        evidence: vec![Seq(1), Seq(count)],
    };
    let inside = grown(20, NOW.after(HOUR / 2));
    let applied = site.alerts.apply(&[], &[inside]).await.unwrap();
    assert_eq!(applied.created, []);
    let after = grown(30, made.text.ends_at);
    let applied = site
        .alerts
        .apply(&[], std::slice::from_ref(&after))
        .await
        .unwrap();
    assert_eq!(applied.created.len(), 1);
    let alert = site.alert(1).await;
    assert_eq!(
        (
            alert.first_at,
            alert.last_at,
            alert.events,
            alert.detections
        ),
        (NOW, made.text.ends_at, 30, 1)
    );
    assert_eq!(mark(&site, 1).await, None);
    site.alerts.apply(&[], &[after]).await.unwrap();
    assert_eq!(site.alert(1).await, alert);
}

#[tokio::test]
async fn the_daily_list_leaves_out_what_is_suppressed() {
    let site = Site::new().await;
    suppress(&site, an_hour("x")).await;
    let digest = |number, user| Detection {
        disposition: Disposition::Digest,
        ..detection(number, user)
    };
    let batch = [digest(1, "x"), digest(2, "y")];
    site.alerts.apply(&batch, &[]).await.unwrap();
    let list = site.alerts.digest(NOW, NOW.after(DAY), 10).await.unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].entity, Entity::user("y"));
}

#[tokio::test]
async fn a_window_is_planned_then_active_then_expired_and_its_end_is_told_once() {
    let site = Site::new().await;
    let window = NewSuppression {
        starts_at: NOW.after(HOUR),
        ends_at: NOW.after(3 * HOUR),
        ..an_hour("x")
    };
    let made = suppress(&site, window).await;
    let state = async || {
        let shown = site.registry.suppression(made.id).await.unwrap();
        shown.unwrap().state
    };
    assert_eq!(state().await, SuppressionState::Planned);
    site.alerts.apply(&[at(1, "x", NOW)], &[]).await.unwrap();
    assert_eq!(site.alert(1).await.detections, 1);
    site.clock.advance(2 * HOUR);
    assert_eq!(state().await, SuppressionState::Active);
    let inside = at(2, "x", site.clock.now());
    site.alerts.apply(&[inside], &[]).await.unwrap();
    assert_eq!(site.alerts.tell_expired_suppressions().await.unwrap(), 0);
    site.clock.advance(2 * HOUR);
    assert_eq!(state().await, SuppressionState::Expired);
    site.told().await;
    assert_eq!(site.alerts.tell_expired_suppressions().await.unwrap(), 1);
    assert_eq!(site.alerts.tell_expired_suppressions().await.unwrap(), 0);
    let told = site.told().await;
    assert_eq!(told[0].0, "suppression-expired");
    assert!(told[0].1.contains("1 detections"), "{told:?}");
    let listed = async |which| {
        let page = site.registry.suppressions(which, None, 10).await.unwrap();
        page.items.len()
    };
    assert_eq!(
        (
            listed(Suppressions::Open).await,
            listed(Suppressions::All).await
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn a_suppression_is_ended_early_with_a_reason() {
    let site = Site::new().await;
    let lan = Actor::new("lan", None);
    let made = suppress(&site, an_hour("x")).await;
    let refused = site.alerts.end_suppression(&lan, made.id, " ").await;
    assert!(matches!(refused, Err(SuppressionError::Reason(_))));
    let ended = site.alerts.end_suppression(&lan, made.id, "done").await;
    let ended = ended.unwrap();
    assert_eq!(
        (ended.state, ended.ended_by.as_deref(), ended.text.ends_at),
        (SuppressionState::Ended, Some("lan"), NOW)
    );
    let again = site.alerts.end_suppression(&lan, made.id, "done").await;
    assert!(matches!(again, Err(SuppressionError::NotFound { .. })));
    let applied = site.alerts.apply(&[detection(1, "x")], &[]).await.unwrap();
    assert_eq!((applied.created.len(), applied.suppressed), (1, 0));
    assert_eq!(site.alerts.tell_expired_suppressions().await.unwrap(), 0);
    let acts = site.told().await;
    let acts: Vec<_> = acts.iter().map(|(act, _)| act.as_str()).collect();
    assert_eq!(acts, ["suppression-added", "suppression-ended"]);
}

#[tokio::test]
async fn what_would_hide_too_much_or_for_too_long_is_refused() {
    let site = Site::new().await;
    let lan = Actor::new("lan", None);
    let everything = NewSuppression {
        entities: Vec::new(),
        ..an_hour("x")
    };
    let nobodys = NewSuppression {
        owner: "x".to_owned(),
        ..an_hour("x")
    };
    let why_not = NewSuppression {
        reason: String::new(),
        ..an_hour("x")
    };
    let empty = NewSuppression {
        rules: vec![String::new()],
        ..an_hour("x")
    };
    let between = |starts_at, ends_at| NewSuppression {
        starts_at,
        ends_at,
        ..an_hour("x")
    };
    for refused in [
        everything,
        nobodys,
        why_not,
        empty,
        between(NOW, NOW),
        between(NOW.before(DAY), NOW),
        between(NOW, NOW.after(90 * DAY + Duration::from_secs(1))),
        between(NOW.after(91 * DAY), NOW.after(92 * DAY)),
    ] {
        let made = site.alerts.suppress(&lan, refused.clone()).await;
        assert!(made.is_err(), "{refused:?}");
    }
    let longest = between(NOW.before(DAY), NOW.after(90 * DAY));
    let made = site.alerts.suppress(&lan, longest).await.unwrap();
    assert_eq!(
        (made.text.starts_at, made.text.owner.as_str()),
        (NOW, "lan")
    );
}
