//! Risk: a function of stored detections, whatever the order in which they come and however often.

use std::collections::BTreeMap;
use std::time::Duration;

use event::{AlertSeverity, Detection, Disposition, Effect, Entity, Micros};
use proptest::prelude::*;
use registry::{Actor, AlertState, DetectionFilter, NewSuppression, Resolution};

use crate::site::{NOW, Site, detection};

const HOUR: Duration = Duration::from_secs(3600);

/// A firing of a rule about the user `x`, so many hours from the beginning.
fn signal(number: u64, rule: &str, hours: u32) -> Detection {
    let at = NOW.after(HOUR * hours);
    Detection {
        rule: rule.into(),
        disposition: Disposition::Signal,
        first_at: at,
        last_at: at,
        ..detection(number, "x")
    }
}

/// Firings of rules `r0`, `r1` … at that hour that carry a user over the limit together: ten of each of three.
fn storm(first: u64, hours: u32) -> Vec<Detection> {
    let numbers = (first..).zip((0..3).flat_map(|rule| (0..10).map(move |_| rule)));
    let each = numbers.map(|(number, rule)| signal(number, &format!("r{rule}"), hours));
    each.collect()
}

/// Firings of risk: when it fired, and its latest event, in hours from the beginning.
async fn firings(site: &Site) -> Vec<(f64, f64)> {
    let filter = DetectionFilter {
        rule: Some("risk".to_owned()),
        limit: 1_000,
        ..DetectionFilter::default()
    };
    let stored = site.registry.detections(&filter).await.expect("it reads");
    let mut firings: Vec<_> = stored
        .items
        .iter()
        .map(|stored| (stored.fired_at, stored.detection.last_at))
        .collect();
    firings.sort_unstable();
    let hours = |at: Micros| at.since(NOW).as_secs_f64() / 3600.0;
    firings
        .into_iter()
        .map(|(fired_at, last_at)| (hours(fired_at), hours(last_at)))
        .collect()
}

#[tokio::test]
async fn signals_of_several_rules_raise_one_alert_that_tells_the_story_in_order_of_time() {
    let site = Site::new().await;
    let mut batch = storm(1, 30);
    batch.insert(0, signal(90, "recon", 2));
    batch.insert(
        1,
        Detection {
            effect: Effect::Compromise,
            ..signal(91, "new-country", 10)
        },
    );
    let applied = site.alerts.apply(&batch, &[]).await.unwrap();
    assert_eq!((applied.risks, applied.created.len()), (1, 1));
    let view = site.alerts.show(applied.created[0]).await.unwrap().unwrap();
    let alert = &view.alert;
    assert_eq!(
        (
            alert.rule.as_str(),
            alert.entity.as_ref(),
            alert.disposition
        ),
        ("risk", Entity::user("x").as_ref(), Disposition::Queue)
    );
    // What was done is the gravest of what it is made of; that it is risk does not make it graver.
    assert_eq!(
        (alert.effect, alert.severity),
        (Effect::Compromise, AlertSeverity::Medium)
    );
    let story: Vec<_> = view
        .story
        .iter()
        .map(|step| (step.rule.as_str(), step.points))
        .collect();
    assert_eq!(
        &story[..3],
        [("recon", 10.0), ("new-country", 15.0), ("r0", 10.0)]
    );
    let times: Vec<_> = view.story.iter().map(|step| step.at).collect();
    assert!(times.is_sorted(), "{times:?}");
    // It belongs to the episode to the last.
    assert_eq!(view.story.len(), 32);
    let facts = &view.detections[0].detection.facts;
    assert_eq!(facts["limit"], "100");
    assert!(facts["rules"].contains("new-country"), "{facts:?}");
    assert_eq!(view.query.as_deref(), Some("(user.name:x)"));
}

#[tokio::test]
async fn one_noisy_rule_raises_nothing_alone() {
    let site = Site::new().await;
    let noise: Vec<_> = (1..500).map(|number| signal(number, "noise", 0)).collect();
    let applied = site.alerts.apply(&noise, &[]).await.unwrap();
    assert_eq!((applied.risks, firings(&site).await.len()), (0, 0));
    let risk = site.alerts.risk_of(&Entity::user("x").unwrap(), NOW).await;
    assert!((risk.unwrap().score - 45.0).abs() < 0.05);
}

#[tokio::test]
async fn it_fires_again_only_once_the_score_has_fallen_below_half_the_limit() {
    let site = Site::new().await;
    // 135 points at the beginning are 67 after a day: another storm is the same episode.
    site.alerts.apply(&storm(1, 0), &[]).await.unwrap();
    site.alerts.apply(&storm(100, 24), &[]).await.unwrap();
    assert_eq!(firings(&site).await, [(0.0, 24.0)]);
    // Three days later 17 are left.
    site.alerts.apply(&storm(200, 96), &[]).await.unwrap();
    assert_eq!(firings(&site).await, [(0.0, 24.0), (96.0, 96.0)]);
    // One alert as long as it is open, though.
    let alert = site.alert(1).await;
    assert_eq!((site.all().await.len(), alert.detections), (1, 2));
    assert_eq!(alert.last_at, NOW.after(HOUR * 96));
}

#[tokio::test]
async fn a_score_that_fell_and_rose_to_less_than_the_limit_opens_nothing_and_is_no_old_episode() {
    let site = Site::new().await;
    site.alerts.apply(&storm(1, 0), &[]).await.unwrap();
    // 34 are left after two days; 45 more are above half the limit, but the episode was over.
    let some: Vec<_> = (100..110).map(|n| signal(n, "other", 48)).collect();
    site.alerts.apply(&some, &[]).await.unwrap();
    site.alerts
        .apply(&[signal(120, "third", 49)], &[])
        .await
        .unwrap();
    assert_eq!(firings(&site).await, [(0.0, 0.0)]);
    site.alerts.apply(&storm(200, 50), &[]).await.unwrap();
    assert_eq!(firings(&site).await, [(0.0, 0.0), (50.0, 50.0)]);
}

#[tokio::test]
async fn what_is_suppressed_or_for_the_daily_list_adds_nothing() {
    let site = Site::new().await;
    let suppression = NewSuppression {
        rules: vec!["r0".to_owned()],
        ends_at: NOW.after(HOUR),
        reason: "a test".to_owned(),
        ..NewSuppression::default()
    };
    let lan = Actor::new("lan", None);
    site.alerts.suppress(&lan, suppression).await.unwrap();
    let mut batch = storm(1, 0);
    batch.extend((100..120).map(|number| Detection {
        disposition: Disposition::Digest,
        ..signal(number, "daily", 0)
    }));
    site.alerts.apply(&batch, &[]).await.unwrap();
    assert_eq!(firings(&site).await.len(), 0);
    let risks = site.alerts.risks(NOW, 10).await.unwrap();
    let rules: Vec<_> = risks.items[0]
        .rules
        .iter()
        .map(|of| of.rule.as_str())
        .collect();
    assert_eq!((risks.items.len(), rules), (1, vec!["r1", "r2"]));
    // The risk of an entity can be suppressed itself: it is stored, and calls nobody.
    let of_risk = NewSuppression {
        rules: vec!["risk".to_owned()],
        ends_at: NOW.after(HOUR),
        reason: "a drill".to_owned(),
        ..NewSuppression::default()
    };
    site.alerts.suppress(&lan, of_risk).await.unwrap();
    let more = storm(200, 0).into_iter().map(|one| Detection {
        rule: format!("more-{}", one.rule).into(),
        ..one
    });
    let applied = site.alerts.apply(&more.collect::<Vec<_>>(), &[]).await;
    let applied = applied.unwrap();
    assert_eq!((applied.risks, applied.created.len()), (1, 0));
}

#[tokio::test]
async fn a_closed_alert_about_risk_stays_closed_while_the_episode_goes_on() {
    let site = Site::new().await;
    site.alerts.apply(&storm(1, 0), &[]).await.unwrap();
    let (lan, id) = (Actor::new("lan", None), site.alert(1).await.id);
    let closed = site
        .alerts
        .close(&lan, id, Resolution::Resolved, None)
        .await;
    closed.unwrap();
    site.alerts.apply(&storm(100, 12), &[]).await.unwrap();
    assert_eq!(site.all().await.len(), 1);
    assert_eq!(site.alert(1).await.state, AlertState::Closed);
}

#[tokio::test]
async fn entities_are_listed_by_their_risk() {
    let site = Site::new().await;
    let mut batch = storm(1, 0);
    batch.push(Detection {
        entity: Entity::host("db1"),
        ..signal(100, "a", 0)
    });
    batch.push(Detection {
        entity: None,
        ..signal(101, "a", 0)
    });
    site.alerts.apply(&batch, &[]).await.unwrap();
    let later = NOW.after(HOUR * 24);
    let risks = site.alerts.risks(later, 10).await.unwrap();
    let listed: Vec<_> = risks
        .items
        .iter()
        .map(|risk| (risk.entity.to_string(), risk.score))
        .collect();
    assert_eq!(
        listed,
        [("user:x".to_owned(), 67.5), ("host:db1".to_owned(), 5.0)]
    );
    assert!(risks.complete);
    for risk in &risks.items {
        let alone = site.alerts.risk_of(&risk.entity, later).await.unwrap();
        assert_eq!(&alone, risk);
    }
    let long_after = NOW.after(HOUR * 24 * 11);
    assert_eq!(site.alerts.risks(long_after, 10).await.unwrap().items, []);
    assert_eq!(site.alerts.risks(later, 1).await.unwrap().items.len(), 1);
}

/// A firing in a made-up history.
#[derive(Clone, Debug)]
struct Firing {
    rule: u8,
    hours: u32,
    disposition: usize,
    effect: usize,
}

fn history() -> impl Strategy<Value = Vec<Firing>> {
    let firing =
        (0..6u8, 0..120u32, 0..4usize, 0..3usize).prop_map(|(rule, hours, disposition, effect)| {
            Firing {
                rule,
                hours,
                disposition,
                effect,
            }
        });
    prop::collection::vec(firing, 0..40)
}

impl Firing {
    fn detection(&self, number: u64) -> Detection {
        Detection {
            disposition: Disposition::ALL[self.disposition],
            effect: Effect::ALL[self.effect],
            ..signal(number, &format!("r{}", self.rule), self.hours)
        }
    }

    fn points(&self) -> f64 {
        let points = match Disposition::ALL[self.disposition] {
            Disposition::Page => 40.0,
            Disposition::Queue => 20.0,
            Disposition::Signal => 10.0,
            Disposition::Digest => 0.0,
        };
        match Effect::ALL[self.effect] {
            Effect::Attempt => points,
            Effect::Compromise | Effect::Damage => points * 1.5,
        }
    }
}

/// The score at an hour, as the definition says.
fn score(history: &[Firing], hours: u32) -> f64 {
    let mut rules: BTreeMap<u8, (f64, u32)> = BTreeMap::new();
    // The same arithmetic as in the program: a score of exactly half the limit is not unlikely.
    let left = |points: f64, hours: u32| points * (-f64::from(hours) / 24.0).exp2();
    for one in history.iter().filter(|one| one.points() > 0.0) {
        let (points, at) = rules.entry(one.rule).or_default();
        *points = 45.0_f64.min(left(*points, one.hours - *at) + one.points());
        *at = one.hours;
    }
    rules
        .values()
        .map(|(points, at)| left(*points, hours - at))
        .sum()
}

/// The episodes of a history in order of time: when each fires, and its last detection.
fn episodes(history: &[Firing]) -> Vec<(f64, f64)> {
    let mut episodes: Vec<(f64, f64)> = Vec::new();
    let mut open = false;
    for (place, one) in history.iter().enumerate() {
        if one.points() == 0.0 {
            continue;
        }
        let hours = f64::from(one.hours);
        open &= score(&history[..place], one.hours) >= 50.0;
        if open {
            if let Some(last) = episodes.last_mut() {
                last.1 = hours;
            }
        } else if score(&history[..=place], one.hours) >= 100.0 {
            episodes.push((hours, hours));
            open = true;
        }
    }
    episodes
}

/// Applies the batches, each twice, with restarts in between.
async fn applied(batches: Vec<Vec<Detection>>) -> Site {
    let mut site = Site::new().await;
    for (number, batch) in batches.into_iter().enumerate() {
        site.alerts.apply(&batch, &[]).await.expect("it applies");
        if number % 3 == 1 {
            site.restart().await;
        }
        let again = site.alerts.apply(&batch, &[]).await.expect("it applies");
        assert_eq!(again, alert::Applied::default());
    }
    site
}

async fn check_score(site: &Site, history: &[Firing]) {
    let user = Entity::user("x").expect("a user");
    for hours in [120, 150, 200] {
        let at = NOW.after(HOUR * hours);
        let risk = site.alerts.risk_of(&user, at).await.expect("it reads");
        let expected = score(history, hours);
        assert!(
            (risk.score - expected).abs() < 0.051,
            "{} after {hours} h, expected {expected}",
            risk.score
        );
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn risk_is_what_the_definition_says_however_the_detections_are_batched(
        mut history in history(), batch in 1..7usize,
    ) {
        history.sort_by_key(|one| (one.hours, one.rule));
        let detections: Vec<Detection> = (0..)
            .zip(&history)
            .map(|(number, one)| one.detection(number))
            .collect();
        block_on(async {
            let site = applied(detections.chunks(batch).map(<[_]>::to_vec).collect()).await;
            assert_eq!(firings(&site).await, episodes(&history));
            check_score(&site, &history).await;
        });
    }

    #[test]
    fn no_order_of_arrival_changes_the_score_or_keeps_an_episode_from_being_told(
        arrival in history(), batch in 1..7usize,
    ) {
        // Identities follow the order of time, as they do for the definition.
        let mut order: Vec<usize> = (0..arrival.len()).collect();
        order.sort_by_key(|place| (arrival[*place].hours, arrival[*place].rule));
        let mut detections: Vec<Detection> = arrival.iter().map(|one| one.detection(0)).collect();
        let mut history = Vec::new();
        for (number, place) in (0..).zip(order) {
            detections[place] = arrival[place].detection(number);
            history.push(arrival[place].clone());
        }
        block_on(async {
            let site = applied(detections.chunks(batch).map(<[_]>::to_vec).collect()).await;
            check_score(&site, &history).await;
            let (told, expected) = (firings(&site).await, episodes(&history));
            let within = |fired: f64, (from, to): (f64, f64)| from <= fired && fired <= to;
            for episode in &expected {
                let is_told = told.iter().any(|(fired, _)| within(*fired, *episode));
                assert!(is_told, "{episode:?} of {expected:?} in {told:?}");
            }
            for (fired, _) in &told {
                let is_one = expected.iter().any(|episode| within(*fired, *episode));
                assert!(is_one, "{fired} of {told:?} in {expected:?}");
            }
        });
    }
}
