//! What one event adds to a rule's progress for one key: a count, a value, or steps.

use event::Seq;

use crate::detector::{Moment, Scratch};
use crate::episode::{Episode, Fired};
use crate::key::{self, KeyPart};
use crate::measure::{self, Measure};
use crate::progress::{Hit, Progress, StepTaken};
use crate::rule::{Input, Kind, Rule};

/// What an event adds to a rule's progress.
#[derive(Debug)]
pub(crate) enum Work {
    Count { threshold: usize },
    Distinct { tag: u64, threshold: usize },
    Each { tags: Vec<u64>, steps: usize },
    Sequence { taken: Vec<StepTaken>, steps: u8 },
    Pattern { tags: Vec<u64> },
    Measure { tag: u64 },
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum ProgressOutcome {
    Nothing,
    WentOn { newly_untold: bool },
    Fired(Fired),
}

impl Work {
    pub(crate) fn of(
        rule: &Rule,
        only: Option<usize>,
        moment: Moment<'_>,
        scratch: &Scratch,
    ) -> Option<Self> {
        let taken_inputs = || {
            let inputs = match &rule.input {
                Input::Events => 1,
                Input::Rules { places, .. } => places.len(),
            };
            (0..inputs).filter(|input| {
                only.is_none_or(|only| only == *input)
                    && scratch.withheld != Some(*input)
                    && rule.input.is_hit(*input, &scratch.hits)
            })
        };
        Some(match &rule.kind {
            Kind::Count { threshold } => Self::Count {
                threshold: *threshold,
            },
            Kind::Distinct { fields, threshold } => Self::Distinct {
                tag: values_hash(fields, moment)?,
                threshold: *threshold,
            },
            Kind::Pattern { .. } => Self::Pattern {
                tags: taken_inputs().map(|input| input as u64).collect(),
            },
            Kind::Measure {
                measure, fields, ..
            } => Self::Measure {
                tag: match measure {
                    Measure::Count => 0,
                    Measure::Distinct => values_hash(fields, moment)?,
                    _ => measure::bits(fields.first()?.what.value(moment.event)?)?,
                },
            },
            Kind::Each { steps } => Self::Each {
                tags: taken_inputs().map(|input| input as u64).collect(),
                steps: *steps,
            },
            Kind::Sequence { steps } => {
                let step = |input: usize| {
                    let (count, seqs) =
                        behind(rule, input, scratch).unwrap_or((1, vec![moment.seq]));
                    Some(StepTaken {
                        step: u8::try_from(input).ok()?,
                        count,
                        seqs,
                    })
                };
                let mut taken: Vec<StepTaken> = taken_inputs().filter_map(step).collect();
                taken.reverse();
                Self::Sequence {
                    taken,
                    steps: *steps,
                }
            }
            Kind::Base
            | Kind::FirstSeen { .. }
            | Kind::Absence { .. }
            | Kind::Rate(_)
            | Kind::Regular(_) => return None,
        })
    }

    pub(crate) fn run(
        self,
        progress: &mut Progress,
        rule: &Rule,
        moment: Moment<'_>,
        id: impl FnOnce() -> [u8; 16],
    ) -> ProgressOutcome {
        let window_us = rule.window_us;
        let hit = |tag| Hit {
            at: moment.at,
            seq: moment.seq,
            tag,
        };
        let counts_alone = matches!(self, Self::Count { .. } | Self::Distinct { .. });
        match &mut progress.episode {
            Some(episode) if counts_alone && episode.holds(moment.at, window_us) => {
                return ProgressOutcome::WentOn {
                    newly_untold: episode.extend(moment.at, moment.seq),
                };
            }
            over if counts_alone => *over = None,
            _ => {}
        }
        let fired = match self {
            Self::Count { threshold } => progress.count(hit(0), threshold, window_us),
            Self::Distinct { tag, threshold } => progress.distinct(hit(tag), threshold, window_us),
            Self::Each { tags, steps } => {
                let fired = tags
                    .into_iter()
                    .map(|tag| progress.distinct(hit(tag), steps, window_us));
                fired.fold(None, Option::or)
            }
            Self::Sequence { taken, steps } => {
                progress.sequence(moment.at, taken, steps, window_us)
            }
            Self::Pattern { tags } => match &rule.kind {
                Kind::Pattern { condition } => {
                    let hits = tags.into_iter().map(hit).collect();
                    progress.pattern(hits, condition, window_us)
                }
                _ => None,
            },
            Self::Measure { tag } => match &rule.kind {
                Kind::Measure {
                    measure, bounds, ..
                } => progress.measure(hit(tag), *measure, bounds, window_us),
                _ => None,
            },
        };
        let Some(fired) = fired else {
            return ProgressOutcome::Nothing;
        };
        match &mut progress.episode {
            // Only what completes the rule again belongs to its episode: the tries of an attacker must not keep it open.
            Some(episode) if episode.holds(moment.at, window_us) => ProgressOutcome::WentOn {
                newly_untold: episode.extend(moment.at, moment.seq),
            },
            over => {
                *over = Some(Box::new(Episode::open(id(), &fired)));
                ProgressOutcome::Fired(fired)
            }
        }
    }
}

/// A hash of the values that the fields have together.
fn values_hash(fields: &[KeyPart], moment: Moment<'_>) -> Option<u64> {
    let mut bytes = Vec::with_capacity(32);
    key::write_key(fields, moment.event, &mut bytes).then(|| key::hash(&bytes))
}

/// What stands behind an input that is a correlation itself.
fn behind(rule: &Rule, input: usize, scratch: &Scratch) -> Option<(u64, Vec<Seq>)> {
    let Input::Rules { places, .. } = &rule.input else {
        return None;
    };
    let place = places.get(input)?;
    let (_, count, seqs) = scratch.behind.iter().find(|(other, _, _)| other == place)?;
    Some((*count, seqs.clone()))
}
