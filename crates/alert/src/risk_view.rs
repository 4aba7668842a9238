//! How risky entities are now.

use std::collections::BTreeMap;

use event::{Entity, Micros};
use registry::{RiskyDetection, StoreError};
use serde::Serialize;

use crate::Alerts;
use crate::risk::{Account, EACH_RULE, RISK_RULE};

/// Detections that are looked at for the list: the newest.
const LOOKED_AT: u32 = 20_000;

/// How risky an entity is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EntityRisk {
    /// Who or what.
    pub entity: Entity,
    /// Its score, to a tenth.
    pub score: f64,
    /// The score that raises an alert.
    pub limit: f64,
    /// What each rule adds, most first.
    pub rules: Vec<RuleRisk>,
    /// When the newest detection fired that counts.
    pub last_at: Option<Micros>,
}

/// What a rule adds to the score of an entity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleRisk {
    /// The rule.
    pub rule: String,
    /// What its detections add, to a tenth.
    pub points: f64,
}

/// The riskiest entities.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Risks {
    /// The riskiest first.
    pub items: Vec<EntityRisk>,
    /// Whether every detection that counts was looked at.
    pub complete: bool,
}

impl Alerts {
    /// The entities with the highest scores at `at`; those whose score comes to nothing are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn risks(&self, at: Micros, limit: usize) -> Result<Risks, StoreError> {
        let from = at.before(self.scale.horizon());
        let found = self
            .registry
            .risky_since(from, RISK_RULE, LOOKED_AT)
            .await?;
        let complete = found.len() < LOOKED_AT as usize;
        let mut entities: BTreeMap<Entity, Newest> = BTreeMap::new();
        for (entity, detection) in found {
            entities.entry(entity).or_default().take(detection);
        }
        let entities = entities.into_iter();
        let mut items: Vec<EntityRisk> = entities
            .map(|(entity, newest)| self.risk(entity, &newest.in_order(), at))
            .filter(|risk| risk.score > 0.0)
            .collect();
        items.sort_by(|one, two| {
            let by_score = two.score.total_cmp(&one.score);
            by_score.then_with(|| one.entity.cmp(&two.entity))
        });
        items.truncate(limit);
        Ok(Risks { items, complete })
    }

    /// How risky an entity is at `at`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn risk_of(&self, entity: &Entity, at: Micros) -> Result<EntityRisk, StoreError> {
        let from = at.before(self.scale.horizon());
        let registry = &self.registry;
        let found = registry.risky_detections(entity, from, RISK_RULE, EACH_RULE);
        Ok(self.risk(entity.clone(), &found.await?, at))
    }

    fn risk(&self, entity: Entity, detections: &[RiskyDetection], at: Micros) -> EntityRisk {
        let account = Account::new(&self.scale, detections);
        let score = account.score(account.len(), at);
        let mut rules: Vec<RuleRisk> = account
            .by_rule(account.len(), at)
            .map(|(rule, points)| RuleRisk {
                rule: rule.to_owned(),
                points: to_a_tenth(points),
            })
            .filter(|rule| rule.points > 0.0)
            .collect();
        rules.sort_by(|one, two| two.points.total_cmp(&one.points));
        EntityRisk {
            entity,
            score: to_a_tenth(score),
            limit: self.scale.limit,
            rules,
            last_at: detections.last().map(|last| last.fired_at),
        }
    }
}

/// Of each rule the newest detections, which come newest first.
#[derive(Debug, Default)]
struct Newest(BTreeMap<String, Vec<RiskyDetection>>);

impl Newest {
    fn take(&mut self, detection: RiskyDetection) {
        let of_rule = self.0.entry(detection.rule.clone()).or_default();
        if of_rule.len() < EACH_RULE as usize {
            of_rule.push(detection);
        }
    }

    fn in_order(self) -> Vec<RiskyDetection> {
        let mut all: Vec<RiskyDetection> = self.0.into_values().flatten().collect();
        all.sort_by(RiskyDetection::in_order);
        all
    }
}

fn to_a_tenth(points: f64) -> f64 {
    (points * 10.0).round() / 10.0
}
