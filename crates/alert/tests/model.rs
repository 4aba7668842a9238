//! Whatever comes in whatever order, again and again: alerts agree with a model that only counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alert::{AlertConfig, Alerts};
use event::{Detection, Disposition, Effect, Entity, ManualClock, Micros, Seq};
use proptest::prelude::*;
use registry::{Actor, AlertFilter, AlertId, AlertState, DetectionUpdate, Registry, Resolution};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A batch comes from the detector.
    Apply(Vec<Firing>, Vec<(u64, u64)>),
    /// What came so far comes again, as after a restart.
    Replay,
    /// Somebody closes the alert with that number, if there is one.
    Close(u64),
    /// Somebody reopens the alert with that number, if there is one.
    Reopen(u64),
    /// The process restarts.
    Restart,
}

/// A detection: identity, user, whether it makes an alert, events.
#[derive(Clone, Debug)]
struct Firing {
    number: u64,
    user: u8,
    makes_alert: bool,
    count: u64,
}

/// What alerts should be: of each group, the open one and the closed ones, by the detections in them.
#[derive(Debug, Default)]
struct Model {
    counts: BTreeMap<u64, u64>,
    alert_of: BTreeMap<u64, usize>,
    alerts: Vec<ModelAlert>,
}

#[derive(Debug)]
struct ModelAlert {
    user: u8,
    open: bool,
    detections: u64,
    events: u64,
}

impl Model {
    fn apply(&mut self, firings: &[Firing], updates: &[(u64, u64)]) {
        for firing in firings {
            if self.counts.contains_key(&firing.number) {
                continue;
            }
            self.counts.insert(firing.number, firing.count);
            if firing.makes_alert {
                self.take_in(firing);
            }
        }
        for (number, count) in updates {
            let Some(known) = self.counts.get_mut(number) else {
                continue;
            };
            let added = count.saturating_sub(*known);
            *known += added;
            if let Some(alert) = self.alert_of.get(number)
                && let Some(alert) = self.alerts.get_mut(*alert).filter(|alert| alert.open)
            {
                alert.events += added;
            }
        }
    }

    /// Whether the alert can be reopened: what its detections have grown by while it was closed is counted then.
    fn reopen(&mut self, place: usize) -> bool {
        let user = match self.alerts.get(place) {
            Some(alert) if !alert.open => alert.user,
            _ => return false,
        };
        if self
            .alerts
            .iter()
            .any(|alert| alert.open && alert.user == user)
        {
            return false;
        }
        let own = self.alert_of.iter().filter(|(_, alert)| **alert == place);
        let events = own.map(|(number, _)| self.counts[number]).sum();
        let alert = &mut self.alerts[place];
        (alert.open, alert.events) = (true, events);
        true
    }

    fn take_in(&mut self, firing: &Firing) {
        let joins = |alert: &ModelAlert| alert.open && alert.user == firing.user;
        let place = self.alerts.iter().position(joins).unwrap_or_else(|| {
            self.alerts.push(ModelAlert {
                user: firing.user,
                open: true,
                detections: 0,
                events: 0,
            });
            self.alerts.len() - 1
        });
        self.alerts[place].detections += 1;
        self.alerts[place].events += firing.count;
        self.alert_of.insert(firing.number, place);
    }
}

fn step() -> impl Strategy<Value = Step> {
    let firing = (0..30u64, 0..4u8, any::<bool>(), 1..50u64).prop_map(
        |(number, user, makes_alert, count)| Firing {
            number,
            user,
            makes_alert,
            count,
        },
    );
    let update = (0..32u64, 1..99u64);
    let batch = (
        prop::collection::vec(firing, 0..6),
        prop::collection::vec(update, 0..4),
    );
    prop_oneof![
        6 => batch.prop_map(|(firings, updates)| Step::Apply(firings, updates)),
        1 => Just(Step::Replay),
        1 => Just(Step::Restart),
        2 => (1..8u64).prop_map(Step::Close),
        2 => (1..8u64).prop_map(Step::Reopen),
    ]
}

fn detection(firing: &Firing) -> Detection {
    Detection {
        id: format!("{:032x}", firing.number).into(),
        rule: "login-failures-account".into(),
        rules_version: "1".into(),
        key: Vec::new(),
        entity: Entity::user(&format!("user{}", firing.user)),
        disposition: if firing.makes_alert {
            Disposition::Queue
        } else {
            Disposition::Digest
        },
        effect: Effect::Attempt,
        seq: Seq(firing.number),
        first_at: Micros(1),
        last_at: Micros(2),
        count: firing.count,
        evidence: vec![Seq(firing.number)],
        query: "*".to_owned(),
        facts: BTreeMap::new(),
    }
}

fn update(&(number, count): &(u64, u64)) -> DetectionUpdate {
    DetectionUpdate {
        id: format!("{number:032x}").into(),
        last_at: Micros(3),
        count,
        evidence: vec![Seq(number)],
    }
}

async fn open(folder: &tempfile::TempDir) -> Alerts {
    let clock = Arc::new(ManualClock::at(Micros(1_000)));
    let registry = Registry::open(&folder.path().join("registry.sqlite"), clock).await;
    Alerts::new(
        Arc::new(registry.expect("it opens")),
        &AlertConfig::default(),
    )
}

async fn run(steps: Vec<Step>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut alerts = open(&folder).await;
    let mut model = Model::default();
    let mut past = Vec::new();
    for step in steps {
        match step {
            Step::Apply(firings, updates) => {
                model.apply(&firings, &updates);
                let detections: Vec<_> = firings.iter().map(detection).collect();
                let updates: Vec<_> = updates.iter().map(update).collect();
                alerts
                    .apply(&detections, &updates)
                    .await
                    .expect("it applies");
                past.push((detections, updates));
            }
            Step::Replay => {
                for (detections, updates) in &past {
                    let again = alerts.apply(detections, updates).await.expect("it applies");
                    assert_eq!((again.detections, again.created), (0, Vec::new()));
                }
                // A replayed update may tell what came before its detection did the first time.
                let updates: Vec<_> = past.iter().flat_map(|(_, updates)| updates).collect();
                for update in updates {
                    let number = u64::from_str_radix(&update.id, 16).expect("our own number");
                    model.apply(&[], &[(number, update.count)]);
                }
            }
            Step::Restart => alerts = open(&folder).await,
            Step::Reopen(id) => {
                let place = usize::try_from(id).expect("a small number") - 1;
                let by = Actor::new("lan", None);
                let reopened = alerts.reopen(&by, AlertId(id), "again").await;
                assert_eq!(reopened.is_ok(), model.reopen(place));
            }
            Step::Close(id) => {
                let place = usize::try_from(id).expect("a small number") - 1;
                let known = model.alerts.get_mut(place);
                let closes = known.is_some_and(|alert| std::mem::replace(&mut alert.open, false));
                let by = Actor::new("lan", None);
                let closed = alerts
                    .close(&by, AlertId(id), Resolution::Resolved, None)
                    .await;
                assert_eq!(closed.is_ok(), closes);
            }
        }
        compare(&alerts, &model).await;
    }
}

async fn compare(alerts: &Alerts, model: &Model) {
    let filter = AlertFilter {
        limit: 1_000,
        ..AlertFilter::default()
    };
    let mut kept = alerts.list(&filter).await.expect("it reads").items;
    kept.reverse();
    let kept_figures: Vec<_> = kept
        .iter()
        .map(|alert| {
            (
                alert.state != AlertState::Closed,
                alert.detections,
                alert.events,
            )
        })
        .collect();
    let expected: Vec<_> = model
        .alerts
        .iter()
        .map(|alert| (alert.open, alert.detections, alert.events))
        .collect();
    assert_eq!(kept_figures, expected);
    let open: Vec<_> = kept
        .iter()
        .filter(|alert| alert.state != AlertState::Closed)
        .collect();
    let groups: BTreeSet<_> = open.iter().map(|alert| &alert.entity).collect();
    assert_eq!(groups.len(), open.len(), "one open alert for a group");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn alerts_agree_with_a_model_that_only_counts(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(run(steps));
    }
}
