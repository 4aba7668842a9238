//! Numbers that a correlation works out of the events of a window, and the bounds within which they must lie.

use query::Number;

use crate::folded::Folded;
use crate::progress::Hit;
use crate::rule_file::Threshold;

/// What is worked out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// How many events.
    Count,
    /// How many different values.
    Distinct,
    Sum,
    Average,
    /// The value below which so many in a hundred lie, from 0 to 100; between two values it is worked out linearly.
    Percentile(f64),
}

/// Of a percentile so many events of a key are looked at, the latest; each of them is sorted in at every event.
const SORTED_MAX: usize = 1_024;
/// Bounds of a count or of distinct values beyond this are taken for this.
const COUNT_MAX: usize = 4_096;

impl Measure {
    /// Whether it works with the values as numbers.
    pub(crate) fn is_of_numbers(self) -> bool {
        !matches!(self, Self::Count | Self::Distinct)
    }

    /// Whether older numbers may be added up, their count beside them.
    pub(crate) fn is_of_sums(self) -> bool {
        matches!(self, Self::Sum | Self::Average)
    }

    /// How many events must be remembered to tell whether the number lies within the bounds.
    pub(crate) fn hits_max(self, bounds: &Bounds) -> usize {
        match self {
            Self::Sum | Self::Average => return usize::MAX,
            Self::Percentile(_) => return SORTED_MAX,
            Self::Count | Self::Distinct => {}
        }
        let largest = bounds.0.iter().map(|(_, number)| number.ceil());
        // One more than the largest number tells that it is passed.
        let largest = largest.fold(0.0, f64::max).clamp(0.0, COUNT_MAX as f64);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to COUNT_MAX"
        )]
        let largest = largest as usize;
        largest + 1
    }

    /// The number worked out of these hits, and of what was folded before them; `None` where there is none.
    pub(crate) fn of(self, hits: &[Hit], folded: Option<&Folded>) -> Option<f64> {
        let numbers = || hits.iter().map(|hit| f64::from_bits(hit.tag));
        let sum = || folded.map_or(0.0, Folded::sum) + numbers().sum::<f64>();
        match self {
            // Distinct values are remembered once.
            Self::Count | Self::Distinct => Some(hits.len() as f64),
            Self::Sum => Some(sum()),
            Self::Average if hits.is_empty() => None,
            Self::Average => {
                let count = hits.len() as u64 + folded.map_or(0, Folded::count);
                Some(sum() / count as f64)
            }
            Self::Percentile(percent) => percentile(numbers().collect(), percent),
        }
    }
}

fn percentile(mut numbers: Vec<f64>, percent: f64) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let rank = percent / 100.0 * numbers.len().saturating_sub(1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "percent is from 0 to 100, so that the rank is a place in the list"
    )]
    let below = rank.floor() as usize;
    let low = numbers.get(below)?;
    let high = numbers.get(below + 1).unwrap_or(low);
    Some(low + (high - low) * rank.fract())
}

/// The value as a number, in the bits that a [`Hit`] keeps.
pub(crate) fn bits(value: event::Value<'_>) -> Option<u64> {
    let number = match Number::of(value)? {
        Number::Integer(number) => number as f64,
        Number::Float(number) => number,
    };
    Some(number.to_bits())
}

/// Bounds of a number; all must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bounds(Vec<(Order, f64)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    From,
    Above,
    UpTo,
    Below,
    Equal,
    Other,
}

/// Numbers closer than this are equal.
const TOLERANCE: f64 = 1e-9;

impl Bounds {
    pub(crate) fn of(threshold: &Threshold) -> Result<Self, String> {
        let given = [
            (Order::From, threshold.gte),
            (Order::Above, threshold.gt),
            (Order::UpTo, threshold.lte),
            (Order::Below, threshold.lt),
            (Order::Equal, threshold.eq),
            (Order::Other, threshold.neq),
        ];
        let bounds: Vec<_> = given
            .into_iter()
            .filter_map(|(order, number)| Some((order, number?)))
            .collect();
        if bounds.is_empty() {
            return Err("correlation.condition needs one of gte, gt, lte, lt, eq, neq".to_owned());
        }
        if bounds.iter().any(|(_, number)| !number.is_finite()) {
            return Err("correlation.condition has a bound that is no number".to_owned());
        }
        Ok(Self(bounds))
    }

    /// The whole number from which alone they hold, if that is all that they say.
    pub(crate) fn at_least(&self) -> Option<u32> {
        let [(order, number)] = self.0.as_slice() else {
            return None;
        };
        let at_least = match order {
            Order::From => number.ceil(),
            Order::Above => number.floor() + 1.0,
            Order::UpTo | Order::Below | Order::Equal | Order::Other => return None,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number within the range"
        )]
        let whole = (0.0..=f64::from(u32::MAX))
            .contains(&at_least)
            .then_some(at_least as u32);
        whole
    }

    pub(crate) fn hold(&self, number: f64) -> bool {
        self.0.iter().all(|(order, bound)| match order {
            Order::From => number >= bound - TOLERANCE,
            Order::Above => number > bound + TOLERANCE,
            Order::UpTo => number <= bound + TOLERANCE,
            Order::Below => number < bound - TOLERANCE,
            Order::Equal => (number - bound).abs() <= TOLERANCE,
            Order::Other => (number - bound).abs() > TOLERANCE,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::{Micros, Seq, Value};

    fn hits(numbers: &[f64]) -> Vec<Hit> {
        let hit = |number: &f64| Hit {
            at: Micros(0),
            seq: Seq(1),
            tag: number.to_bits(),
        };
        numbers.iter().map(hit).collect()
    }

    #[test]
    fn a_number_is_worked_out_of_the_values() {
        let check = |measure: Measure, numbers: &[f64], expected: Option<f64>| {
            let found = measure.of(&hits(numbers), None);
            let near = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(near, "{measure:?} {numbers:?}: {found:?}");
        };
        check(Measure::Count, &[1.0, 1.0], Some(2.0));
        check(Measure::Sum, &[1.0, 2.5], Some(3.5));
        check(Measure::Sum, &[], Some(0.0));
        check(Measure::Average, &[1.0, 2.0], Some(1.5));
        check(Measure::Average, &[], None);
        check(Measure::Percentile(50.0), &[30.0, 10.0, 20.0], Some(20.0));
        check(
            Measure::Percentile(50.0),
            &[40.0, 10.0, 20.0, 30.0],
            Some(25.0),
        );
        check(Measure::Percentile(0.0), &[3.0, 1.0], Some(1.0));
        check(Measure::Percentile(100.0), &[3.0, 1.0], Some(3.0));
        check(Measure::Percentile(90.0), &[], None);
        assert_eq!(bits(Value::Text("ten")), None);
        assert_eq!(bits(Value::Text("10")), bits(Value::Integer(10)));
    }

    #[test]
    fn all_bounds_must_hold() {
        let bounds = |gte, lt, eq, neq| {
            let threshold = Threshold {
                gte,
                lt,
                eq,
                neq,
                ..Threshold::default()
            };
            Bounds::of(&threshold).unwrap()
        };
        let range = bounds(Some(5.0), Some(10.0), None, None);
        let held: Vec<i32> = (0..12).filter(|n| range.hold(f64::from(*n))).collect();
        assert_eq!(held, [5, 6, 7, 8, 9]);
        assert!(bounds(None, None, Some(3.0), None).hold(3.0));
        assert!(!bounds(None, None, None, Some(3.0)).hold(3.0));
        assert_eq!(bounds(Some(2.5), None, None, None).at_least(), Some(3));
        assert_eq!(range.at_least(), None);
        assert!(Bounds::of(&Threshold::default()).is_err());
        assert_eq!(Measure::Count.hits_max(&range), 11);
    }
}
