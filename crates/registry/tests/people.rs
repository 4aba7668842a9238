//! People: nobody is called what another is, and who was removed stays in what names them.

use std::sync::Arc;

use event::{AlertSeverity, Disposition, Effect, Entity, ManualClock, Micros};
use registry::{
    Actor, Alert, AlertChange, AlertState, AuditSink, Contact, NewAlert, PendingAudit, Person,
    PersonError, PersonText, Registry, Removed, SinkError, SinkFuture,
};

async fn open(folder: &tempfile::TempDir) -> Registry {
    let clock = Arc::new(ManualClock::at(Micros(1_000_000_000)));
    let path = folder.path().join("registry.sqlite");
    Registry::open(&path, clock).await.expect("it opens")
}

fn text(name: &str, accounts: &[&str]) -> PersonText {
    PersonText {
        name: name.to_owned(),
        contacts: vec![Contact {
            kind: "phone".to_owned(),
            value: "+84 273 387 3222".to_owned(),
        }],
        accounts: accounts.iter().map(ToString::to_string).collect(),
    }
}

/// An alert about that user, in somebody's hand.
async fn alert(registry: &Registry, user: &str, assignee: &str, state: AlertState) -> Alert {
    let new = NewAlert {
        rule: "scan".to_owned(),
        entity: Entity::user(user),
        disposition: Disposition::Queue,
        effect: Effect::Attempt,
        severity: AlertSeverity::Low,
        first_at: Micros(1),
        last_at: Micros(2),
        events: 3,
    };
    let mut write = registry.write().await.expect("a registry that works");
    let alert = write
        .create_alert(&new)
        .await
        .expect("a registry that works");
    let change = AlertChange {
        state,
        resolution: None,
        assignee: Some(assignee.to_owned()),
    };
    write
        .change_alert(alert.id, &change)
        .await
        .expect("a registry that works");
    write.commit().await.expect("a registry that works");
    alert
}

async fn assignee(registry: &Registry, alert: &Alert) -> Option<String> {
    let alert = registry
        .alert(alert.id)
        .await
        .expect("a registry that works");
    alert.and_then(|alert| alert.assignee)
}

/// Remembers what it is told.
#[derive(Debug, Default)]
struct Journal(std::sync::Mutex<Vec<PendingAudit>>);

impl AuditSink for Journal {
    fn append(&self, records: Vec<PendingAudit>) -> SinkFuture<'_> {
        Box::pin(async move {
            let taken = self.0.lock();
            let mut taken = taken.map_err(|_| SinkError {
                reason: "poisoned".to_owned(),
            })?;
            taken.extend(records);
            Ok(())
        })
    }
}

#[tokio::test]
async fn nobody_is_called_what_another_is() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder).await;
    let lan = Actor::cli();
    let an = registry
        .add_person(&lan, &text(" Nguyễn Văn An ", &["an", "an-laptop", "an"]))
        .await
        .unwrap();
    assert_eq!(an.text, text("Nguyễn Văn An", &["an", "an-laptop"]));
    for taken in [
        text("NGUYỄN VĂN AN", &[]),
        text("An", &[]),
        text("Trần Bình", &["An-Laptop"]),
        text("Trần Bình", &["nguyễn văn an"]),
    ] {
        let refused = registry.add_person(&lan, &taken).await;
        assert!(
            matches!(refused, Err(PersonError::NameTaken { .. })),
            "{taken:?}"
        );
    }
    let binh = registry
        .add_person(&lan, &text("Trần Bình", &["binh"]))
        .await
        .unwrap();
    let refused = registry
        .change_person(&lan, binh.id, &text("Trần Bình", &["an"]))
        .await;
    assert!(matches!(refused, Err(PersonError::NameTaken { .. })));
    // One may be called by one's own name.
    let own = text("Nguyễn Văn An", &["an", "nguyễn văn an"]);
    registry.change_person(&lan, an.id, &own).await.unwrap();
    for called in ["an", "NGUYỄN VĂN AN"] {
        let found = registry.person_called(called).await.unwrap();
        assert_eq!(found.map(|person| person.id), Some(an.id), "{called}");
    }
    assert_eq!(registry.person_called("lan").await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_said_of_a_person_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder).await;
    let many = text("An", &["a"; 21]);
    let long = text(&"x".repeat(121), &[]);
    let mut wrong_contact = text("An", &[]);
    wrong_contact.contacts[0].value = "call me".to_owned();
    for refused in [text(" ", &[]), text("a\nb", &[]), text("An", &[" "])]
        .into_iter()
        .chain([many, long, wrong_contact])
    {
        assert!(
            registry.add_person(&Actor::cli(), &refused).await.is_err(),
            "{refused:?}"
        );
    }
    assert_eq!(registry.people(Removed::Listed).await.unwrap(), []);
}

#[tokio::test]
async fn alerts_follow_a_persons_name_until_they_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder).await;
    let lan = Actor::cli();
    let open_alert = alert(&registry, "root", "an", AlertState::Acknowledged).await;
    let closed = alert(&registry, "admin", "an", AlertState::Closed).await;
    let an = registry
        .add_person(&lan, &text("Nguyễn Văn An", &["an"]))
        .await
        .unwrap();
    assert_eq!(
        assignee(&registry, &open_alert).await.as_deref(),
        Some("Nguyễn Văn An")
    );
    let renamed = text("Nguyễn Thị An", &["an"]);
    registry.change_person(&lan, an.id, &renamed).await.unwrap();
    assert_eq!(
        assignee(&registry, &open_alert).await.as_deref(),
        Some("Nguyễn Thị An")
    );
    assert_eq!(assignee(&registry, &closed).await.as_deref(), Some("an"));
}

#[tokio::test]
async fn who_was_removed_stays_on_record_and_frees_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder).await;
    let lan = Actor::new("lan", None);
    let an = registry
        .add_person(&lan, &text("An", &["an"]))
        .await
        .unwrap();
    let theirs = alert(&registry, "root", "An", AlertState::InProgress).await;
    for reason in ["", "  "] {
        let refused = registry.remove_person(&lan, an.id, reason).await;
        assert!(matches!(refused, Err(PersonError::ReasonInvalid)));
    }
    let removed = registry
        .remove_person(&lan, an.id, "retired")
        .await
        .unwrap();
    assert_eq!(removed.open_alerts, 1);
    assert_eq!(assignee(&registry, &theirs).await.as_deref(), Some("An"));
    for again in [
        registry.remove_person(&lan, an.id, "retired").await.err(),
        registry
            .change_person(&lan, an.id, &text("An", &[]))
            .await
            .err(),
    ] {
        assert!(matches!(again, Some(PersonError::NotFound { .. })));
    }
    assert_eq!(registry.person_called("an").await.unwrap(), None);
    assert_eq!(registry.people(Removed::LeftOut).await.unwrap(), []);

    // Another may have the name and the account.
    let registry = open(&folder).await;
    let other = registry
        .add_person(&lan, &text("An", &["an"]))
        .await
        .unwrap();
    let listed = registry.people(Removed::Listed).await.unwrap();
    let ids: Vec<u64> = listed.iter().map(|person| person.id).collect();
    assert_eq!(ids, [an.id, other.id]);
    let kept: Option<Person> = registry.person(an.id).await.unwrap();
    assert_eq!(
        kept.and_then(|person| person.removed_reason).as_deref(),
        Some("retired")
    );
}

#[tokio::test]
async fn the_journal_learns_that_contacts_changed_but_not_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let registry = open(&folder).await;
    let lan = Actor::new("lan", None);
    let an = registry
        .add_person(&lan, &text("An", &["an"]))
        .await
        .unwrap();
    let renamed = text("Ân", &[]);
    registry.change_person(&lan, an.id, &renamed).await.unwrap();
    registry
        .remove_person(&lan, an.id, "retired")
        .await
        .unwrap();
    let journal = Journal::default();
    assert_eq!(registry.hand_over_audits(&journal).await.unwrap(), 3);
    let told = journal.0.into_inner().unwrap();
    let told: Vec<String> = told
        .iter()
        .map(|pending| format!("{:?}", pending.record))
        .collect();
    for (told, (action, object)) in told.iter().zip([
        ("person-added", "An"),
        ("person-changed", "was"),
        ("person-removed", "retired"),
    ]) {
        assert!(told.contains(action) && told.contains(object), "{told}");
        assert!(told.contains("phone") && !told.contains("387"), "{told}");
    }
}
