//! How risky an entity is: points that its detections add and that decay, a function of stored detections and of settings alone.
//!
//! The score is the sum of what each rule adds. That is 0 at first, halves in every half-life, and with each detection, taken in order
//! of firing, becomes `min(rule_max, what is left + points)`. So the order in which detections arrive does not matter, what is applied
//! again adds nothing, and however often a rule fires, half of what it adds is left a half-life after it has stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use event::{AlertSeverity, Disposition, Micros};
use registry::RiskyDetection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AlertConfig;

/// The rule identifier of detections that say that an entity has passed the limit.
pub const RISK_RULE: &str = "risk";

/// Of a rule's detections about an entity, the newest that count: the cap of a rule is reached long before.
pub(crate) const EACH_RULE: u32 = 32;

/// Half-lives after which points count no more: less than a thousandth is left.
const HALF_LIVES: u32 = 10;

/// The settings `[alert.risk]`: how detections add up to the risk of an entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RiskConfig {
    /// After how many hours half of the points are left, 1 to 720. Default 24: the steps of an intrusion lie hours to days apart; what
    /// happened a week ago counts a hundredth.
    pub half_life_h: u16,
    /// The score that raises an alert, from 1. Default 100.
    pub limit: u32,
    /// What the detections of one rule add at most, less than `limit`: one noisy rule alone raises nothing. Default 45: it takes
    /// three different rules, or more.
    pub rule_max: u32,
    /// Points of a detection by its disposition.
    pub points: RiskPoints,
    /// Per cent of these points that count, by severity.
    pub weight: RiskWeights,
}

/// Points of a detection by its disposition. Detections of disposition `digest` add none: they are about things, not about attackers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RiskPoints {
    /// `signal`. Default 10: each alone is everyday.
    pub signal: u32,
    /// `queue`. Default 20: somebody has to look.
    pub queue: u32,
    /// `page`. Default 40: somebody was called.
    pub page: u32,
}

/// Per cent of a detection's points that count, by the severity proposed for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RiskWeights {
    /// `low`: what was tried and failed. Default 100.
    pub low: u32,
    /// `medium`. Default 150: what got in counts more than what tried.
    pub medium: u32,
    /// `high`. Default 200.
    pub high: u32,
    /// `urgent`. Default 300.
    pub urgent: u32,
}

impl Default for RiskConfig {
    fn default() -> Self {
        Self {
            half_life_h: 24,
            limit: 100,
            rule_max: 45,
            points: RiskPoints::default(),
            weight: RiskWeights::default(),
        }
    }
}

impl Default for RiskPoints {
    fn default() -> Self {
        Self {
            signal: 10,
            queue: 20,
            page: 40,
        }
    }
}

impl Default for RiskWeights {
    fn default() -> Self {
        Self {
            low: 100,
            medium: 150,
            high: 200,
            urgent: 300,
        }
    }
}

/// A mistake in the settings of risk.
#[derive(Debug, thiserror::Error)]
pub enum RiskConfigError {
    /// The half-life lies outside its range.
    #[error("risk: half_life_h is {value}, but must be 1 to 720")]
    HalfLife {
        /// What was given.
        value: u16,
    },
    /// One rule alone could pass the limit, or nothing could.
    #[error(
        "risk: rule_max is {rule_max} and limit {limit}, but rule_max must be from 1 and less than limit"
    )]
    RuleMax {
        /// What was given.
        rule_max: u32,
        /// What was given.
        limit: u32,
    },
}

impl RiskConfig {
    /// What is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<RiskConfigError> {
        let mut problems = Vec::new();
        if !(1..=720).contains(&self.half_life_h) {
            let value = self.half_life_h;
            problems.push(RiskConfigError::HalfLife { value });
        }
        if self.rule_max == 0 || self.rule_max >= self.limit {
            problems.push(RiskConfigError::RuleMax {
                rule_max: self.rule_max,
                limit: self.limit,
            });
        }
        problems
    }
}

/// How points are given and decay.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    half_life: Duration,
    pub(crate) limit: f64,
    rule_max: f64,
    points: RiskPoints,
    weight: RiskWeights,
}

impl Scale {
    pub(crate) fn new(config: &AlertConfig) -> Self {
        let risk = &config.risk;
        Self {
            half_life: Duration::from_secs(u64::from(risk.half_life_h.max(1)) * 3600),
            limit: f64::from(risk.limit),
            rule_max: f64::from(risk.rule_max),
            points: risk.points.clone(),
            weight: risk.weight.clone(),
        }
    }

    /// How far back detections count.
    pub(crate) fn horizon(&self) -> Duration {
        self.half_life * HALF_LIVES
    }

    /// The points that a detection adds when it fires.
    pub(crate) fn points(&self, detection: &RiskyDetection) -> f64 {
        let points = match detection.disposition {
            Disposition::Page => self.points.page,
            Disposition::Queue => self.points.queue,
            Disposition::Signal => self.points.signal,
            Disposition::Digest => 0,
        };
        let weight = match AlertSeverity::propose(detection.effect, None) {
            AlertSeverity::Low => self.weight.low,
            AlertSeverity::Medium => self.weight.medium,
            AlertSeverity::High => self.weight.high,
            AlertSeverity::Urgent => self.weight.urgent,
        };
        f64::from(points) * f64::from(weight) / 100.0
    }

    /// What is left at `at` of points that were added at `since`.
    pub(crate) fn left(&self, points: f64, since: Micros, at: Micros) -> f64 {
        let half_lives = at.since(since).as_secs_f64() / self.half_life.as_secs_f64();
        points * (-half_lives).exp2()
    }

    /// Whether a score raises an alert.
    pub(crate) fn passes(&self, score: f64) -> bool {
        score >= self.limit
    }

    /// Whether a score keeps an alert that was raised from being raised anew: it has not fallen below half the limit.
    pub(crate) fn holds(&self, score: f64) -> bool {
        score >= self.limit / 2.0
    }
}

/// The detections about one entity that count, ready to be scored at any time.
#[derive(Debug)]
pub(crate) struct Account<'d> {
    scale: &'d Scale,
    /// By name, so that sums are the same whoever adds them up.
    rules: Vec<&'d str>,
    /// In order of firing.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its place among the rules.
    rule: usize,
    points: f64,
    fired_at: Micros,
}

impl<'d> Account<'d> {
    /// Of detections in order of firing.
    pub(crate) fn new(scale: &'d Scale, detections: &'d [RiskyDetection]) -> Self {
        let rules: BTreeSet<&str> = detections.iter().map(|one| one.rule.as_str()).collect();
        let rules: Vec<&str> = rules.into_iter().collect();
        let entry = |one: &RiskyDetection| Entry {
            rule: rules.partition_point(|rule| *rule < one.rule.as_str()),
            points: scale.points(one),
            fired_at: one.fired_at,
        };
        let entries = detections.iter().map(entry).collect();
        Self {
            scale,
            rules,
            entries,
        }
    }

    /// How many detections there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What each rule adds at `at` by the first `count` detections. One that has yet to fire counts whole, for a device's clock may
    /// be ahead.
    pub(crate) fn by_rule(&self, count: usize, at: Micros) -> impl Iterator<Item = (&'d str, f64)> {
        let mut sums = vec![(0.0, at); self.rules.len()];
        let horizon = self.scale.horizon();
        for entry in self.entries.iter().take(count) {
            if at.since(entry.fired_at) >= horizon {
                continue;
            }
            let fired_at = entry.fired_at.min(at);
            if let Some((points, since)) = sums.get_mut(entry.rule) {
                let left = self.scale.left(*points, *since, fired_at);
                *points = (left + entry.points).min(self.scale.rule_max);
                *since = fired_at;
            }
        }
        let left = sums
            .into_iter()
            .map(move |(points, since)| self.scale.left(points, since, at));
        self.rules.iter().copied().zip(left.collect::<Vec<_>>())
    }

    /// The score at `at` by the first `count` detections.
    pub(crate) fn score(&self, count: usize, at: Micros) -> f64 {
        self.by_rule(count, at).map(|(_, points)| points).sum()
    }
}

#[cfg(test)]
mod tests {
    use event::{Effect, Seq};

    use super::*;

    const HOUR: i64 = 3600 * Micros::PER_SECOND;

    fn fired(rule: &str, hour: i64) -> RiskyDetection {
        RiskyDetection {
            id: format!("{rule}{hour}"),
            rule: rule.to_owned(),
            disposition: Disposition::Signal,
            effect: Effect::Attempt,
            seq: Seq(1),
            first_at: Micros(hour * HOUR),
            fired_at: Micros(hour * HOUR),
        }
    }

    fn near(one: f64, two: f64) -> bool {
        (one - two).abs() < 1e-9
    }

    #[test]
    fn half_of_the_points_are_left_after_the_half_life() {
        let scale = Scale::new(&AlertConfig::default());
        let signal = [fired("a", 0)];
        for (hour, expected) in [(-1, 10.0), (0, 10.0), (24, 5.0), (48, 2.5), (241, 0.0)] {
            let score = Account::new(&scale, &signal).score(1, Micros(hour * HOUR));
            assert!(near(score, expected), "{hour} h: {score}");
        }
    }

    #[test]
    fn one_noisy_rule_cannot_pass_the_limit_alone() {
        let scale = Scale::new(&AlertConfig::default());
        let noise: Vec<_> = (0..1000).map(|_| fired("a", 0)).collect();
        let score = Account::new(&scale, &noise).score(noise.len(), Micros(0));
        assert!(near(score, 45.0), "{score}");
        assert!(!scale.holds(score) && !scale.passes(score));
    }

    #[test]
    fn what_got_in_counts_more_than_what_tried() {
        let scale = Scale::new(&AlertConfig::default());
        let points = |disposition, effect| {
            let detection = RiskyDetection {
                disposition,
                effect,
                ..fired("a", 0)
            };
            scale.points(&detection)
        };
        for (disposition, effect, expected) in [
            (Disposition::Signal, Effect::Attempt, 10.0),
            (Disposition::Queue, Effect::Attempt, 20.0),
            (Disposition::Queue, Effect::Compromise, 30.0),
            (Disposition::Page, Effect::Damage, 60.0),
            (Disposition::Digest, Effect::Damage, 0.0),
        ] {
            assert!(near(points(disposition, effect), expected));
        }
    }

    #[test]
    fn settings_by_which_one_rule_would_do_are_refused() {
        let check = |text: &str, mistakes: usize| {
            let config: RiskConfig = serde_json::from_str(text).unwrap();
            assert_eq!(config.problems().len(), mistakes, "{text}");
        };
        check("{}", 0);
        check(r#"{"limit": 45}"#, 1);
        check(r#"{"half_life_h": 0, "rule_max": 0}"#, 2);
        serde_json::from_str::<RiskConfig>(r#"{"halflife": 1}"#).unwrap_err();
    }
}
