//! Which detections make no alert for a time.
//!
//! A detection is inside if the correlation time of its latest event is: so a replay decides as life did, as long as nobody has made
//! or ended a suppression in between. What has made an alert already is not touched, and what goes on after the end makes one.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use event::{Detection, Disposition, Entity, EntityKind, Micros};
use registry::{Actor, NewSuppression, StoreError, Suppression, Write};

use crate::life_cycle::{own_name, reason_given};
use crate::{Alerts, TransitionError};

/// How long a suppression holds at most, and how far ahead it may begin.
const DAYS_MAX: u64 = 90;
const SPAN_MAX: Duration = Duration::from_secs(DAYS_MAX * 86_400);
/// Rules, entities, hosts and facts that one names at most, each.
const EACH_MAX: usize = 100;
/// Bytes of a name or a value at most.
const TEXT_BYTES_MAX: usize = 500;
/// Suppressions that hold or have yet to begin at most: each detection is compared with all.
const OPEN_MAX: u64 = 500;

/// Facts that name hosts.
const HOST_FACTS: &[&str] = &["host.name", "observer.name", "nhatky.device"];

/// Why a suppression is not made or ended.
#[derive(Debug, thiserror::Error)]
pub enum SuppressionError {
    /// It names nothing, and so would hold for everything.
    #[error("name rules, entities, hosts or facts: what holds for everything hides an attack")]
    NamesNothing,
    /// A name or a value is empty or too long, or there are too many.
    #[error("{field}: at most {EACH_MAX}, each of 1 to {TEXT_BYTES_MAX} bytes")]
    TooMuch {
        /// Of what.
        field: &'static str,
    },
    /// The span of time cannot be.
    #[error(
        "it must end after now and after it begins, begin within {DAYS_MAX} days, and last {DAYS_MAX} days at most"
    )]
    Span,
    /// Nobody is called that.
    #[error("nobody is called {name:?}: `nhatky people list` shows who there is")]
    Nobody {
        /// What was given.
        name: String,
    },
    /// There are as many as there may be.
    #[error(
        "{OPEN_MAX} suppressions are open already: end some, or name several rules or hosts in one"
    )]
    TooMany,
    /// There is none with that number that is not over.
    #[error("there is no suppression {id} that is not over: `nhatky suppressions list` shows them")]
    NotFound {
        /// The number given.
        id: u64,
    },
    /// No reason was given, or a whole book.
    #[error(transparent)]
    Reason(TransitionError),
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Alerts {
    /// Makes a suppression. An empty owner is who makes it; a beginning that has passed is now.
    ///
    /// # Errors
    /// When it names nothing or too much, its time cannot be, its owner is nobody, no reason is given, there are too many, or the
    /// database fails.
    pub async fn suppress(
        &self,
        by: &Actor,
        new: NewSuppression,
    ) -> Result<Suppression, SuppressionError> {
        let reason = reason_given(&new.reason).map_err(SuppressionError::Reason)?;
        let reason = reason.to_owned();
        let mut new = NewSuppression { reason, ..new };
        check(&new)?;
        new.hosts = new.hosts.iter().map(|host| canonical(host)).collect();
        let mut write = self.registry.write().await?;
        new.starts_at = new.starts_at.max(write.now());
        let latest_start = write.now().after(SPAN_MAX);
        if new.ends_at <= new.starts_at
            || new.starts_at > latest_start
            || new.ends_at.since(new.starts_at) > SPAN_MAX
        {
            return Err(SuppressionError::Span);
        }
        if write.open_suppressions().await? >= OPEN_MAX {
            return Err(SuppressionError::TooMany);
        }
        new.owner = match new.owner.as_str() {
            "" => own_name(&mut write, by).await?,
            name => {
                let person = write.person_called(name).await?;
                let nobody = || SuppressionError::Nobody {
                    name: name.to_owned(),
                };
                person.ok_or_else(nobody)?.text.name
            }
        };
        let made = write.add_suppression(by, &new).await?;
        let object = format!("{}: {}: {}", made.id, Scope(&made.text), made.text.reason);
        write.audit(by, "suppression-added", &object).await?;
        write.commit().await?;
        Ok(made)
    }

    /// Ends a suppression now, or before it begins.
    ///
    /// # Errors
    /// When there is none that is not over, no reason is given, or the database fails.
    pub async fn end_suppression(
        &self,
        by: &Actor,
        id: u64,
        reason: &str,
    ) -> Result<Suppression, SuppressionError> {
        let reason = reason_given(reason).map_err(SuppressionError::Reason)?;
        let mut write = self.registry.write().await?;
        let ended = write.end_suppression(by, id, reason).await?;
        let ended = ended.ok_or(SuppressionError::NotFound { id })?;
        let object = format!("{id}: {} detections: {reason}", ended.detections);
        write.audit(by, "suppression-ended", &object).await?;
        write.commit().await?;
        Ok(ended)
    }

    /// Puts on record which suppressions are over since it was last asked, and how many detections each has kept from making an alert;
    /// gives their number. Call it now and then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tell_expired_suppressions(&self) -> Result<usize, StoreError> {
        let mut write = self.registry.write().await?;
        let expired = write.take_expired_suppressions().await?;
        let product = Actor::product();
        for one in &expired {
            let (id, detections, owner) = (one.id, one.detections, &one.text.owner);
            let object = format!(
                "{id}: {detections} detections, of {owner}: {}",
                Scope(&one.text)
            );
            write
                .audit(&product, "suppression-expired", &object)
                .await?;
        }
        write.commit().await?;
        Ok(expired.len())
    }
}

/// The suppressions that may hold for what a batch tells.
#[derive(Debug, Default)]
pub(crate) struct Suppressing(Vec<Suppression>);

impl Suppressing {
    /// Those that hold at some time between the earliest and the latest of `times`.
    pub(crate) async fn load(
        write: &mut Write<'_>,
        times: impl Iterator<Item = Micros>,
    ) -> Result<Self, StoreError> {
        let (from, to) = times.fold((Micros::MAX, Micros::MIN), |(from, to), at| {
            (from.min(at), to.max(at))
        });
        if from > to {
            return Ok(Self::default());
        }
        write.suppressions_between(from, to).await.map(Self)
    }

    /// The number of the first that holds for the detection at that time.
    pub(crate) fn of(&self, detection: &Detection, at: Micros) -> Option<u64> {
        let mut holding = self.0.iter().filter(|one| {
            let text = &one.text;
            text.starts_at <= at && at < text.ends_at && names(text, detection)
        });
        holding.next().map(|one| one.id)
    }
}

/// Whether it holds for the detection, its time aside.
fn names(text: &NewSuppression, detection: &Detection) -> bool {
    if detection.disposition == Disposition::Page && !text.pages {
        return false;
    }
    let rule = || text.rules.iter().any(|rule| **rule == *detection.rule);
    let entity = || {
        let entity = detection.entity.as_ref();
        entity.is_some_and(|entity| text.entities.contains(entity))
    };
    let host = || {
        let hosts = hosts(detection);
        text.hosts.iter().any(|host| hosts.contains(host))
    };
    let fact = |(name, wanted): (&String, &String)| {
        let fact = detection.facts.get(name);
        fact.is_some_and(|fact| meets(fact, wanted))
    };
    (text.rules.is_empty() || rule())
        && (text.entities.is_empty() || entity())
        && (text.hosts.is_empty() || host())
        && text.facts.iter().all(fact)
}

/// The hosts and devices of a detection, in canonical form.
fn hosts(detection: &Detection) -> BTreeSet<String> {
    let facts = HOST_FACTS.iter();
    let facts = facts.filter_map(|name| detection.facts.get(*name));
    let mut hosts: BTreeSet<String> = facts.map(|host| canonical(host)).collect();
    let entity = detection.entity.as_ref();
    if let Some(entity) = entity.filter(|entity| entity.kind != EntityKind::User) {
        hosts.insert(entity.name.to_string());
    }
    hosts
}

fn canonical(host: &str) -> String {
    let host = host.trim();
    Entity::host(host).map_or_else(|| host.to_owned(), |host| host.name.into())
}

/// Whether a fact is what is wanted: the same whatever the case of letters, or with that beginning.
fn meets(fact: &str, wanted: &str) -> bool {
    let (fact, wanted) = (fact.to_lowercase(), wanted.to_lowercase());
    match wanted.strip_suffix('*') {
        Some(beginning) => fact.starts_with(beginning),
        None => fact == wanted,
    }
}

fn check(new: &NewSuppression) -> Result<(), SuppressionError> {
    if new.rules.is_empty()
        && new.entities.is_empty()
        && new.hosts.is_empty()
        && new.facts.is_empty()
    {
        return Err(SuppressionError::NamesNothing);
    }
    let entities = new.entities.iter().map(|entity| &*entity.name);
    let facts = new.facts.iter();
    let lists: [(&'static str, usize, Vec<&str>); 4] = [
        (
            "rules",
            new.rules.len(),
            new.rules.iter().map(String::as_str).collect(),
        ),
        ("entities", new.entities.len(), entities.collect()),
        (
            "hosts",
            new.hosts.len(),
            new.hosts.iter().map(String::as_str).collect(),
        ),
        (
            "facts",
            new.facts.len(),
            facts
                .flat_map(|(name, value)| [name.as_str(), value])
                .collect(),
        ),
    ];
    for (field, count, texts) in lists {
        let fits = |text: &&str| (1..=TEXT_BYTES_MAX).contains(&text.trim().len());
        if count > EACH_MAX || !texts.iter().all(fits) {
            return Err(SuppressionError::TooMuch { field });
        }
    }
    Ok(())
}

/// What a suppression holds for and until when, as it goes on record.
struct Scope<'a>(&'a NewSuppression);

impl fmt::Display for Scope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0;
        let entities = text.entities.iter().map(Entity::to_string);
        let facts = text.facts.iter();
        let facts = facts.map(|(name, value)| format!("{name}={value}"));
        let lists = [
            ("rules", text.rules.join(" ")),
            ("entities", entities.collect::<Vec<_>>().join(" ")),
            ("hosts", text.hosts.join(" ")),
            ("facts", facts.collect::<Vec<_>>().join(" ")),
        ];
        for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            write!(f, "{name} {list}, ")?;
        }
        let pages = if text.pages { ", pages too" } else { "" };
        write!(f, "{} to {}{pages}", text.starts_at, text.ends_at)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use event::{Effect, Seq};

    use super::*;

    fn detection() -> Detection {
        let facts = [
            ("source.ip", "10.2.3.4"),
            ("host.name", "DB1.tiengiang.gov.vn"),
            ("file.path", "/opt/Backup/run.sh"),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Detection {
            id: "1".into(),
            rule: "scan".into(),
            rules_version: "1".into(),
            key: Vec::new(),
            entity: Entity::user("root"),
            disposition: Disposition::Queue,
            effect: Effect::Attempt,
            seq: Seq(1),
            first_at: Micros(1),
            last_at: Micros(1),
            count: 1,
            evidence: Vec::new(),
            query: String::new(),
            facts: BTreeMap::from(facts),
        }
    }

    fn facts(facts: &[(&str, &str)]) -> NewSuppression {
        let facts = facts.iter();
        let facts = facts.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        NewSuppression {
            facts: facts.collect(),
            ..NewSuppression::default()
        }
    }

    #[test]
    fn everything_that_is_named_must_be_met() {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        let rules = |rules: &[&str]| NewSuppression {
            rules: texts(rules),
            ..NewSuppression::default()
        };
        let hosts = |hosts: &[&str]| NewSuppression {
            hosts: texts(hosts),
            ..NewSuppression::default()
        };
        let about = |rule, user| NewSuppression {
            entities: Vec::from_iter(Entity::user(user)),
            ..rules(&[rule])
        };
        for (suppression, expected) in [
            (rules(&["scan"]), true),
            (rules(&["login", "scan"]), true),
            (rules(&["login"]), false),
            (about("scan", "ROOT"), true),
            (about("scan", "admin"), false),
            (about("login", "root"), false),
            (hosts(&["db1"]), true),
            (hosts(&["db2"]), false),
            (facts(&[("source.ip", "10.2.*")]), true),
            (facts(&[("source.ip", "10.2")]), false),
            (
                facts(&[("file.path", "/OPT/backup/*"), ("source.ip", "10.2.3.4")]),
                true,
            ),
            (
                facts(&[("file.path", "/opt/backup/*"), ("source.ip", "10.9.*")]),
                false,
            ),
            (facts(&[("user.name", "*")]), false),
        ] {
            assert_eq!(
                names(&suppression, &detection()),
                expected,
                "{suppression:?}"
            );
        }
    }

    #[test]
    fn what_calls_someone_is_named_only_where_that_is_said() {
        let page = Detection {
            disposition: Disposition::Page,
            ..detection()
        };
        let mut suppression = facts(&[("source.ip", "10.*")]);
        assert!(!names(&suppression, &page));
        suppression.pages = true;
        assert!(names(&suppression, &page));
    }

    #[test]
    fn a_device_that_is_the_entity_is_a_host() {
        let device = Detection {
            entity: Entity::host("sw1"),
            facts: BTreeMap::new(),
            ..detection()
        };
        assert!(hosts(&device).contains("sw1"));
        assert_eq!(hosts(&detection()), BTreeSet::from(["db1".to_owned()]));
    }
}
