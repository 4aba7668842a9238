//! Raising an alert about an entity whose risk has passed the limit.
//!
//! A firing is a detection of rule [`RISK_RULE`], stored like any other; its episode lasts while the score has not fallen below half
//! the limit. Each detection that counts is looked at in order of firing: it belongs to an episode, or passes the limit and opens one.
//! As nothing but stored detections decides, a replay and a restart decide the same.

use std::collections::{BTreeMap, BTreeSet};

use event::{Detection, Disposition, Effect, Entity, Micros, Seq};
use registry::{AlertGrowth, AlertState, RiskStep, RiskyDetection, StoreError, Write};
use sha2::{Digest as _, Sha256};

use crate::Alerts;
use crate::alerts::Applied;
use crate::risk::{Account, EACH_RULE, RISK_RULE};
use crate::suppression::Suppressing;

/// Steps of a story that are kept: the first.
const STEPS_MAX: u32 = 200;
/// Steps at the firing that are told: the newest.
const STEPS_AT_FIRING: usize = 100;
/// What is left of a detection for it to be part of the story, in points.
const POINTS_TOLD_MIN: f64 = 1.0;
/// Different queries in the query of a firing, and their bytes together.
const QUERIES_MAX: usize = 8;
const QUERY_BYTES_MAX: usize = 6 << 10;
/// The first and the last Seqs that are named as evidence, each.
const EVIDENCE_EACH_END: usize = 10;

/// Entities whose risk has grown, and since when to look.
#[derive(Debug, Default)]
pub(crate) struct Touched(BTreeMap<Entity, Micros>);

impl Touched {
    /// Notes a detection that counts.
    pub(crate) fn note(&mut self, detection: &Detection, fired_at: Micros) {
        if detection.disposition == Disposition::Digest || &*detection.rule == RISK_RULE {
            return;
        }
        if let Some(entity) = &detection.entity {
            let since = self.0.entry(entity.clone()).or_insert(fired_at);
            *since = (*since).min(fired_at);
        }
    }
}

/// An episode of an entity's risk.
#[derive(Clone, Debug)]
struct Episode {
    id: String,
    fired_at: Micros,
    last_at: Micros,
    /// Whether a detection of this batch belongs to it.
    goes_on: bool,
}

/// The last of the detections has carried an entity over the limit.
#[derive(Clone, Copy, Debug)]
struct Firing<'a> {
    entity: &'a Entity,
    with: &'a [RiskyDetection],
    score: f64,
}

impl Alerts {
    /// Looks whether the risk of entities has passed the limit.
    pub(crate) async fn weigh(
        &self,
        write: &mut Write<'_>,
        touched: &Touched,
        suppressing: &Suppressing,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        for (entity, since) in &touched.0 {
            self.weigh_entity(write, entity, *since, suppressing, applied)
                .await?;
        }
        Ok(())
    }

    /// Goes through what fired about an entity from `since` on.
    async fn weigh_entity(
        &self,
        write: &mut Write<'_>,
        entity: &Entity,
        since: Micros,
        suppressing: &Suppressing,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        let from = since.before(self.scale.horizon());
        let all = write.risky_detections(entity, from, RISK_RULE, EACH_RULE);
        let all = all.await?;
        let mut episodes = known_episodes(write, entity, from).await?;
        let account = Account::new(&self.scale, &all);
        let first = all.partition_point(|one| one.fired_at < since);
        for (place, one) in all.iter().enumerate().skip(first) {
            let (before, _) = all.split_at(place);
            let held = self.scale.holds(account.score(place, one.fired_at));
            if let Some(episode) = open_episode(&mut episodes, before, one, held) {
                episode.last_at = episode.last_at.max(one.fired_at);
                episode.goes_on = true;
                let step = self.step(one);
                write.add_risk_step(&episode.id, &step, STEPS_MAX).await?;
                continue;
            }
            let score = account.score(place + 1, one.fired_at);
            if !self.scale.passes(score)
                || self.leads_to_an_episode(&episodes, &all, &account, place)
            {
                continue;
            }
            let (with, _) = all.split_at(place + 1);
            let firing = Firing {
                entity,
                with,
                score,
            };
            let episode = self.fire(write, firing, suppressing, applied).await?;
            let place = episodes.partition_point(|other| other.fired_at <= one.fired_at);
            episodes.insert(place, episode);
        }
        for episode in episodes.iter().filter(|episode| episode.goes_on) {
            self.stretch(write, episode, suppressing, applied).await?;
        }
        Ok(())
    }

    /// Whether an episode that is told already follows without the score falling below half the limit in between: what comes late
    /// made it begin earlier, and that is no news.
    fn leads_to_an_episode(
        &self,
        episodes: &[Episode],
        all: &[RiskyDetection],
        account: &Account<'_>,
        place: usize,
    ) -> bool {
        let now = all.get(place).map_or(Micros::MIN, |one| one.fired_at);
        let next = episodes.iter().find(|episode| episode.fired_at > now);
        let Some(next) = next else {
            return false;
        };
        for (later, one) in all.iter().enumerate().skip(place + 1) {
            if !self.scale.holds(account.score(later, one.fired_at)) {
                return false;
            }
            if one.fired_at >= next.fired_at {
                return true;
            }
        }
        self.scale
            .holds(account.score(account.len(), next.fired_at))
    }

    /// An episode has gone on.
    async fn stretch(
        &self,
        write: &mut Write<'_>,
        episode: &Episode,
        suppressing: &Suppressing,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        write.stretch_episode(&episode.id, episode.last_at).await?;
        let Some(stored) = write.detection(&episode.id).await? else {
            return Ok(());
        };
        if stored.suppressed_by.is_some()
            && suppressing.of(&stored.detection, episode.last_at).is_none()
        {
            write.mark_suppressed(&episode.id, None).await?;
            return self.take_in(write, &stored.detection, applied).await;
        }
        let alert = match stored.alert {
            Some(id) => write.alert(id).await?,
            None => None,
        };
        if let Some(alert) = alert.filter(|alert| alert.state != AlertState::Closed) {
            let growth = AlertGrowth {
                detections: 0,
                events: 0,
                last_at: episode.last_at,
            };
            write.grow_alert(alert.id, &growth).await?;
        }
        Ok(())
    }

    /// The score has passed the limit.
    async fn fire(
        &self,
        write: &mut Write<'_>,
        firing: Firing<'_>,
        suppressing: &Suppressing,
        applied: &mut Applied,
    ) -> Result<Episode, StoreError> {
        let at = firing.with.last().map_or(Micros::MIN, |last| last.fired_at);
        let told = firing.with.iter();
        let told = told.filter(|one| {
            let points = self.scale.points(one);
            self.scale.left(points, one.fired_at, at) >= POINTS_TOLD_MIN
        });
        let told: Vec<&RiskyDetection> = told.collect();
        let (_, told) = told.split_at(told.len().saturating_sub(STEPS_AT_FIRING));
        let detection = self.detection(write, firing, told).await?;
        for one in told {
            write
                .add_risk_step(&detection.id, &self.step(one), STEPS_MAX)
                .await?;
        }
        let episode = Episode {
            id: detection.id.to_string(),
            fired_at: at,
            last_at: at,
            goes_on: false,
        };
        let fresh = write.insert_detections(std::slice::from_ref(&detection));
        if !fresh.await?.contains(&detection.id) {
            return Ok(episode);
        }
        applied.risks += 1;
        match suppressing.of(&detection, at) {
            Some(by) => write.mark_suppressed(&detection.id, Some(by)).await?,
            None => self.take_in(write, &detection, applied).await?,
        }
        Ok(episode)
    }

    /// The firing as a detection: what was done is the gravest of what it is made of.
    async fn detection(
        &self,
        write: &mut Write<'_>,
        firing: Firing<'_>,
        told: &[&RiskyDetection],
    ) -> Result<Detection, StoreError> {
        let Firing {
            entity,
            with,
            score,
        } = firing;
        let last = with
            .last()
            .map(|last| (last.id.as_str(), last.seq, last.fired_at));
        let (completed_by, seq, at) = last.unwrap_or(("", Seq::ZERO, Micros::MIN));
        let rules: BTreeSet<&str> = told.iter().map(|one| one.rule.as_str()).collect();
        let seqs: BTreeSet<Seq> = told.iter().map(|one| one.seq).collect();
        let facts = [
            ("points", format!("{score:.0}")),
            ("limit", format!("{:.0}", self.scale.limit)),
            ("detections", told.len().to_string()),
            ("rules", rules.into_iter().collect::<Vec<_>>().join(", ")),
        ];
        let (query, rules_version) = queries(write, told).await?;
        Ok(Detection {
            id: identity(entity, completed_by),
            rule: RISK_RULE.into(),
            rules_version,
            key: vec![entity.to_string().into()],
            entity: Some(entity.clone()),
            disposition: Disposition::Queue,
            effect: told
                .iter()
                .map(|one| one.effect)
                .max()
                .unwrap_or(Effect::Attempt),
            seq,
            first_at: told.iter().map(|one| one.first_at).min().unwrap_or(at),
            last_at: at,
            count: told.len() as u64,
            evidence: both_ends(seqs.into_iter().collect()),
            query,
            facts: facts
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        })
    }

    fn step(&self, one: &RiskyDetection) -> RiskStep {
        RiskStep {
            detection: one.id.clone(),
            rule: one.rule.clone(),
            disposition: one.disposition,
            effect: one.effect,
            at: one.fired_at,
            points: self.scale.points(one),
        }
    }
}

/// The episodes of an entity's risk that were not over before `from`, in order of firing.
async fn known_episodes(
    write: &mut Write<'_>,
    entity: &Entity,
    from: Micros,
) -> Result<Vec<Episode>, StoreError> {
    let known = write.episodes(RISK_RULE, entity, from).await?.into_iter();
    let episode = |(id, fired_at, last_at)| Episode {
        id,
        fired_at,
        last_at,
        goes_on: false,
    };
    Ok(known.map(episode).collect())
}

/// The episode that a detection belongs to, if any: it fired in it, or after it while the score `held`. What fired between the two and
/// did not belong to it has shown that it was over.
fn open_episode<'e>(
    episodes: &'e mut [Episode],
    before: &[RiskyDetection],
    one: &RiskyDetection,
    held: bool,
) -> Option<&'e mut Episode> {
    let latest = before.last().map_or(Micros::MIN, |last| last.fired_at);
    let began = |episode: &&mut Episode| episode.fired_at <= one.fired_at;
    let newest = episodes.iter_mut().rev().find(began);
    newest.filter(|episode| one.fired_at <= episode.last_at || (held && latest <= episode.last_at))
}

/// A query that finds what the newest of the detections are about, and the version of rules of the very newest.
async fn queries(
    write: &mut Write<'_>,
    told: &[&RiskyDetection],
) -> Result<(String, Box<str>), StoreError> {
    let mut queries: Vec<String> = Vec::new();
    let mut version: Option<Box<str>> = None;
    let mut bytes = 0;
    for one in told.iter().rev() {
        if queries.len() == QUERIES_MAX {
            break;
        }
        let Some(stored) = write.detection(&one.id).await? else {
            continue;
        };
        version.get_or_insert(stored.detection.rules_version);
        let query = format!("({})", stored.detection.query);
        bytes += query.len();
        if queries.contains(&query) {
            continue;
        }
        if bytes > QUERY_BYTES_MAX && !queries.is_empty() {
            break;
        }
        queries.push(query);
    }
    Ok((queries.join(" OR "), version.unwrap_or_default()))
}

/// The first and the last ten.
fn both_ends(seqs: Vec<Seq>) -> Vec<Seq> {
    if seqs.len() <= 2 * EVIDENCE_EACH_END {
        return seqs;
    }
    let last = seqs.len() - EVIDENCE_EACH_END;
    let places = seqs.into_iter().enumerate();
    let kept = places.filter(|(place, _)| *place < EVIDENCE_EACH_END || *place >= last);
    kept.map(|(_, seq)| seq).collect()
}

/// 32 hexadecimal digits: the same for the same entity and the same detection that completed it.
fn identity(entity: &Entity, completed_by: &str) -> Box<str> {
    let mut hash = Sha256::new();
    for part in [RISK_RULE, &entity.to_string(), completed_by] {
        hash.update(part);
        hash.update([0]);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let digits = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
    digits.collect::<String>().into_boxed_str()
}
