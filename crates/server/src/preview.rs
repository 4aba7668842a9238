//! What a change of rules would have done: the past gone through once, under the rules in force and under the changed ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use detect::{Detector, Mode, Output, Rules, Servers, Sight};
use event::{Detection, Entity, Event, Micros};
use index::{Index, SearchError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use query::{Context, Expr, Limits};
use serde::Serialize;
use utoipa::ToSchema;

use crate::replay::{Allowance, Passage, Replay, Shortfall};

/// Detections of a side that are compared; more are counted.
const COMPARED_MAX: usize = 10_000;
/// Detections that are shown of those that vanish, and of those that are new.
const SHOWN_MAX: usize = 100;

/// A change to be tried.
#[derive(Debug)]
pub(crate) struct Preview {
    /// The part of the past, with as much of events as either side asks about.
    pub(crate) replay: Replay,
    /// The rules in force.
    pub(crate) before: Arc<Rules>,
    /// The changed rules.
    pub(crate) after: Arc<Rules>,
    /// The rule that is changed; every rule where there is none.
    pub(crate) rule: Option<String>,
    /// The servers known today.
    pub(crate) servers: Servers,
    /// Whose days are counted.
    pub(crate) zone: TimeZone,
}

/// What a change would have done.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct PreviewReply {
    /// The rules whose detections are compared: the one that is changed, and those that are built on it.
    rules: Vec<String>,
    /// Under the rules in force.
    before: SideReply,
    /// Under the changed ones.
    after: SideReply,
    /// How many detections there would be no more.
    vanished: u64,
    /// How many there would be in addition.
    new: u64,
    /// The first 100 of those that vanish: nothing of the same rule and key overlaps their time any more.
    vanished_first: Vec<DetectionReply>,
    /// The first 100 of those that are new, told in the same way.
    new_first: Vec<DetectionReply>,
    /// Events looked at.
    events: u64,
    /// Everything received since then was gone through, …
    #[schema(value_type = Option<String>)]
    from: Option<Micros>,
    /// … up to then.
    #[schema(value_type = Option<String>)]
    to: Option<Micros>,
    /// Whether that is all that was asked for.
    whole: bool,
    /// Why not, where it is not.
    because: Vec<Shortfall>,
    /// Whether addresses were taken for servers' that are known as such today, and not those known at the time.
    servers_of_today: bool,
    /// Whether rules are among them that learn what is usual before they judge: both sides begin without memory, and may
    /// tell less, or more, than in life.
    learns: bool,
}

/// Detections of one side.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct SideReply {
    /// How many.
    detections: u64,
    /// How many each day in Việt Nam that has any.
    days: Vec<DayReply>,
    /// Keys that were forgotten before their time.
    evicted: u64,
}

/// Detections of a day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DayReply {
    /// The day, such as `2026-10-11`.
    day: String,
    /// How many.
    detections: u64,
}

/// A detection that vanishes or is new.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct DetectionReply {
    /// When it fired.
    #[schema(value_type = String)]
    at: Micros,
    /// Its rule.
    rule: String,
    /// The values of its group key.
    key: Vec<String>,
    /// Whom it is about.
    #[schema(value_type = Option<Object>)]
    entity: Option<Entity>,
    /// Events in its episode.
    count: u64,
    /// The query that shows its evidence.
    query: String,
}

impl Preview {
    /// Goes through the past; blocks.
    pub(crate) fn run(
        &self,
        index: &Index,
        allowance: &Allowance,
    ) -> Result<PreviewReply, SearchError> {
        let sight = self
            .rule
            .as_deref()
            .and_then(|rule| self.before.sight(rule));
        let condition = sight.as_ref().map_or(Expr::All, condition);
        let by_index = condition != Expr::All;
        let sight = sight.unwrap_or_else(|| every_rule(&self.before));
        let servers = self.servers_for(&sight, by_index);
        let mut before = Side::new(&self.before, &sight, servers);
        let mut after = Side::new(&self.after, &sight, servers);
        let mut take = |events: &[Event], _: &Passage| {
            for event in events {
                before.observe(event, &self.zone);
                after.observe(event, &self.zone);
            }
        };
        let passage = if by_index {
            self.replay
                .matching(index, &condition, allowance, &mut take)?
        } else {
            self.replay.all(allowance, &mut take)
        };
        before.end(&self.zone);
        after.end(&self.zone);
        let vanished = before.beside(&after);
        let new = after.beside(&before);
        let mut because = passage.because;
        if before.is_cut() || after.is_cut() {
            because.push(Shortfall::Detections);
        }
        Ok(PreviewReply {
            rules: sight.rules.iter().map(ToString::to_string).collect(),
            vanished: vanished.len() as u64,
            new: new.len() as u64,
            vanished_first: vanished
                .into_iter()
                .take(SHOWN_MAX)
                .map(Found::reply)
                .collect(),
            new_first: new.into_iter().take(SHOWN_MAX).map(Found::reply).collect(),
            before: before.reply(),
            after: after.reply(),
            events: passage.events,
            from: passage.from,
            to: passage.to,
            whole: because.is_empty(),
            because,
            servers_of_today: servers.is_some(),
            learns: sight.learns,
        })
    }

    /// The servers to begin with. Whoever sees every event learns them as in life.
    fn servers_for(&self, sight: &Sight, by_index: bool) -> Option<&Servers> {
        (by_index && sight.asks_servers).then_some(&self.servers)
    }
}

/// What events of the index decide. Every event where a query cannot be read back.
fn condition(sight: &Sight) -> Expr {
    let context = Context {
        // They are our own, and as long as the rules are.
        limits: Limits {
            text_bytes: 1 << 20,
            depth: 200,
            clauses: 1 << 16,
            regexes: 1 << 10,
            ..Limits::default()
        },
        ..Context::at(Micros(0))
    };
    let read = |query: &String| query::parse(query, &context).into_result();
    let conditions: Result<Vec<Expr>, _> = sight.queries.iter().map(read).collect();
    conditions.map_or(Expr::All, Expr::or)
}

fn every_rule(rules: &Rules) -> Sight {
    let ids = rules.infos().into_iter().map(|info| info.id.clone());
    Sight {
        rules: ids.collect(),
        learns: true,
        ..Sight::default()
    }
}

/// The past under one set of rules.
struct Side<'a> {
    detector: Detector,
    outputs: Vec<Output>,
    /// The rules whose detections count.
    rules: &'a BTreeSet<Box<str>>,
    found: Vec<Found>,
    /// Where in `found` an episode is.
    places: HashMap<Box<str>, usize>,
    detections: u64,
    days: BTreeMap<String, u64>,
    evicted: u64,
}

/// A detection with the time of its whole episode.
struct Found {
    detection: Box<Detection>,
    fired_at: Micros,
}

impl<'a> Side<'a> {
    fn new(rules: &Arc<Rules>, sight: &'a Sight, servers: Option<&Servers>) -> Self {
        let detector = Detector::new(Arc::clone(rules), Mode::Live);
        Self {
            detector: match servers {
                Some(servers) => detector.with_servers(servers),
                None => detector,
            },
            outputs: Vec::new(),
            rules: &sight.rules,
            found: Vec::new(),
            places: HashMap::new(),
            detections: 0,
            days: BTreeMap::new(),
            evicted: 0,
        }
    }

    fn observe(&mut self, event: &Event, zone: &TimeZone) {
        self.detector.observe(event, &mut self.outputs);
        self.note(zone);
    }

    fn end(&mut self, zone: &TimeZone) {
        self.detector.tell(&mut self.outputs);
        self.note(zone);
    }

    fn note(&mut self, zone: &TimeZone) {
        for output in self.outputs.drain(..) {
            match output {
                Output::Detection(detection) if self.rules.contains(&detection.rule) => {
                    self.detections += 1;
                    *self.days.entry(day(detection.last_at, zone)).or_default() += 1;
                    if self.found.len() < COMPARED_MAX {
                        self.places.insert(detection.id.clone(), self.found.len());
                        self.found.push(Found {
                            fired_at: detection.last_at,
                            detection,
                        });
                    }
                }
                Output::Update(update) => {
                    let place = self.places.get(&update.id);
                    if let Some(found) = place.and_then(|place| self.found.get_mut(*place)) {
                        found.detection.last_at = update.last_at;
                        found.detection.count = update.count;
                    }
                }
                Output::Evicted(evicted) if self.rules.contains(&evicted.rule) => {
                    self.evicted += evicted.keys;
                }
                Output::Detection(_) | Output::Evicted(_) | Output::Day(_) => {}
            }
        }
    }

    /// The detections that nothing of the same rule and key on the other side overlaps.
    fn beside(&self, other: &Self) -> Vec<&Found> {
        let mut times: HashMap<_, Vec<(Micros, Micros)>> = HashMap::new();
        for found in &other.found {
            times.entry(found.key()).or_default().push(found.time());
        }
        let is_alone = |found: &&Found| {
            let (first, last) = found.time();
            let mut times = times.get(&found.key()).into_iter().flatten();
            !times.any(|(begins, ends)| *begins <= last && first <= *ends)
        };
        self.found.iter().filter(is_alone).collect()
    }

    fn is_cut(&self) -> bool {
        self.detections > self.found.len() as u64
    }

    fn reply(self) -> SideReply {
        let days = self.days.into_iter();
        SideReply {
            detections: self.detections,
            days: days
                .map(|(day, detections)| DayReply { day, detections })
                .collect(),
            evicted: self.evicted,
        }
    }
}

impl Found {
    fn key(&self) -> (&str, &[Box<str>]) {
        (&self.detection.rule, &self.detection.key)
    }

    fn time(&self) -> (Micros, Micros) {
        (self.detection.first_at, self.detection.last_at)
    }

    fn reply(&self) -> DetectionReply {
        let Detection {
            rule,
            key,
            entity,
            count,
            query,
            ..
        } = &*self.detection;
        DetectionReply {
            at: self.fired_at,
            rule: rule.to_string(),
            key: key.iter().map(ToString::to_string).collect(),
            entity: entity.clone(),
            count: *count,
            query: query.clone(),
        }
    }
}

/// The day in that zone.
fn day(at: Micros, zone: &TimeZone) -> String {
    Timestamp::from_microsecond(at.0).map_or_else(
        |_| at.to_string(),
        |at| at.to_zoned(zone.clone()).date().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_midnight_in_its_zone() {
        let zone = Context::at(Micros(0)).zone;
        let at = |text| Micros::from_rfc3339(text).expect("a time");
        let days =
            ["2026-10-11T16:59:59Z", "2026-10-11T17:00:00Z"].map(|text| day(at(text), &zone));
        assert_eq!(days, ["2026-10-11", "2026-10-12"]);
    }

    #[test]
    fn the_conditions_of_every_builtin_rule_are_read_back() {
        let rules = Rules::load(None, &detect::Settings::default());
        for info in rules.infos() {
            let sight = rules.sight(&info.id).expect("a rule in force");
            let everything = sight.queries.iter().any(String::is_empty);
            assert_eq!(
                condition(&sight) == Expr::All,
                everything,
                "{}: {:?}",
                info.id,
                sight.queries
            );
        }
    }
}
