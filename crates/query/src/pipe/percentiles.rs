//! Percentiles of any number of values in bounded memory.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::PipeError;
use super::memory::Memory;

/// So many numbers are kept as they are; of more, only how many lie in each of the intervals of a logarithmic scale.
const EXACT_MAX: usize = 4096;
/// Each doubling is cut into 128 intervals, which the first bits of a number's fraction tell apart: what is said of one is
/// at most 0.4 % off.
const FRACTION_BITS: u32 = 7;
/// Intervals that are kept together.
const CHUNK: u32 = 32;
/// What a chunk costs, in bytes, about.
const CHUNK_BYTES: usize = size_of::<Counts>() + 32;

/// Numbers, and how they are spread. What it says depends on the numbers alone, not on their order or on how they were
/// split up and put together.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    Exact(Vec<f64>),
    Spread(Box<Spread>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spread {
    /// Those below 0, by how far they are from it.
    below: Intervals,
    zeros: u64,
    above: Intervals,
    count: u64,
}

/// How many numbers lie in each interval: by its number without the last bits the chunk that holds it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Intervals(BTreeMap<u32, Box<Counts>>);

type Counts = [u64; CHUNK as usize];

impl Default for Numbers {
    fn default() -> Self {
        Self::Exact(Vec::new())
    }
}

impl Numbers {
    pub(super) fn push(&mut self, number: f64, memory: &Memory) -> Result<(), PipeError> {
        match self {
            Self::Exact(numbers) if numbers.len() < EXACT_MAX => {
                if numbers.len() == numbers.capacity() {
                    memory.take(numbers.len().max(4) * size_of::<f64>())?;
                    numbers.reserve_exact(numbers.len().max(4));
                }
                numbers.push(number);
                Ok(())
            }
            Self::Exact(_) => {
                self.spread(memory)?;
                self.push(number, memory)
            }
            Self::Spread(spread) => spread.push(number, memory),
        }
    }

    pub(super) fn merge(&mut self, other: Self, memory: &Memory) -> Result<(), PipeError> {
        match (&mut *self, other) {
            (_, Self::Exact(numbers)) => numbers
                .into_iter()
                .try_for_each(|number| self.push(number, memory)),
            (Self::Exact(_), Self::Spread(other)) => {
                self.spread(memory)?;
                self.merge(Self::Spread(other), memory)
            }
            (Self::Spread(spread), Self::Spread(other)) => spread.merge(*other, memory),
        }
    }

    fn spread(&mut self, memory: &Memory) -> Result<(), PipeError> {
        if let Self::Exact(numbers) = self {
            let mut spread = Box::<Spread>::default();
            for number in numbers.drain(..) {
                spread.push(number, memory)?;
            }
            *self = Self::Spread(spread);
        }
        Ok(())
    }

    /// The least number that at least so many hundredths of a hundredth of all do not exceed (nearest rank); up to 0.4 %
    /// off where there are more than 4096. `None` where there is no number.
    pub(super) fn percentile(&self, of_ten_thousand: u16) -> Option<f64> {
        match self {
            Self::Exact(numbers) => {
                let mut numbers = numbers.clone();
                numbers.sort_unstable_by(f64::total_cmp);
                let rank = rank(numbers.len() as u64, of_ten_thousand);
                numbers.get(usize::try_from(rank).ok()?).copied()
            }
            Self::Spread(spread) => spread.at(rank(spread.count, of_ten_thousand)),
        }
    }
}

/// The place of a percentile among so many numbers, from 0.
fn rank(count: u64, of_ten_thousand: u16) -> u64 {
    let rank = (u128::from(count) * u128::from(of_ten_thousand)).div_ceil(10_000);
    u64::try_from(rank).unwrap_or(u64::MAX).max(1) - 1
}

impl Spread {
    fn push(&mut self, number: f64, memory: &Memory) -> Result<(), PipeError> {
        if number.is_nan() {
            return Ok(());
        }
        self.count += 1;
        let side = if number > 0.0 {
            &mut self.above
        } else if number < 0.0 {
            &mut self.below
        } else {
            self.zeros += 1;
            return Ok(());
        };
        side.add(interval(number.abs()), 1, memory)
    }

    fn merge(&mut self, other: Self, memory: &Memory) -> Result<(), PipeError> {
        self.count += other.count;
        self.zeros += other.zeros;
        for (into, from) in [
            (&mut self.below, other.below),
            (&mut self.above, other.above),
        ] {
            for (interval, count) in from.all() {
                into.add(interval, count, memory)?;
            }
        }
        Ok(())
    }

    fn at(&self, rank: u64) -> Option<f64> {
        let below = self.below.all().rev();
        let below = below.map(|(at, count)| (-middle(at), count));
        let zeros = std::iter::once((0.0, self.zeros));
        let above = self.above.all().map(|(at, count)| (middle(at), count));
        let mut passed = 0;
        below.chain(zeros).chain(above).find_map(|(number, count)| {
            passed += count;
            (passed > rank).then_some(number)
        })
    }
}

impl Intervals {
    fn add(&mut self, interval: u32, count: u64, memory: &Memory) -> Result<(), PipeError> {
        let (chunk, place) = (interval / CHUNK, (interval % CHUNK) as usize);
        let counts = match self.0.entry(chunk) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(vacant) => {
                memory.take(CHUNK_BYTES)?;
                vacant.insert(Box::new([0; CHUNK as usize]))
            }
        };
        if let Some(known) = counts.get_mut(place) {
            *known += count;
        }
        Ok(())
    }

    /// Those that hold numbers, ascending.
    fn all(&self) -> impl DoubleEndedIterator<Item = (u32, u64)> {
        let chunks = self.0.iter().flat_map(|(chunk, counts)| {
            let first = chunk * CHUNK;
            (first..first + CHUNK).zip(counts.iter().copied())
        });
        chunks.filter(|(_, count)| *count > 0)
    }
}

/// The interval of a number above 0: the bits of its exponent and the first of its fraction.
fn interval(number: f64) -> u32 {
    let bits = number.to_bits() >> (f64::MANTISSA_DIGITS - 1 - FRACTION_BITS);
    u32::try_from(bits).unwrap_or(u32::MAX)
}

/// The number from which both ends of the interval are equally far, by their ratio.
fn middle(interval: u32) -> f64 {
    let end = |interval: u32| {
        f64::from_bits(u64::from(interval) << (f64::MANTISSA_DIGITS - 1 - FRACTION_BITS))
    };
    let (low, high) = (end(interval), end(interval + 1));
    if high.is_finite() {
        // Halves first: the sum of two large numbers is too large.
        low * (high / f64::midpoint(low, high))
    } else {
        low
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[f64]) -> Numbers {
        let memory = Memory::new(usize::MAX);
        let mut all = Numbers::default();
        numbers
            .iter()
            .for_each(|number| all.push(*number, &memory).unwrap());
        all
    }

    #[test]
    fn few_numbers_give_one_of_them() {
        assert_eq!(of(&[]).percentile(5000), None);
        assert_eq!(of(&[7.0]).percentile(1), Some(7.0));
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0]).percentile(5000), Some(2.0));
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0]).percentile(5001), Some(3.0));
        assert_eq!(of(&[1.0, 2.0, 3.0, 4.0]).percentile(9999), Some(4.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn many_are_near_and_their_order_does_not_matter(
            numbers in proptest::collection::vec(prop_oneof![-1e6_f64..1e12, Just(0.0), -5.0_f64..5.0], 4000..9000),
            split in 0_usize..4000,
            of_ten_thousand in 1_u16..10_000,
        ) {
            let (one, two) = numbers.split_at(split);
            let memory = Memory::new(usize::MAX);
            let mut merged = of(two);
            merged.merge(of(one), &memory).unwrap();
            let all = of(&numbers);
            let found = all.percentile(of_ten_thousand);
            prop_assert_eq!(merged.percentile(of_ten_thousand), found);
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            let exact = sorted[usize::try_from(rank(sorted.len() as u64, of_ten_thousand)).unwrap()];
            prop_assert!((found.unwrap() - exact).abs() <= exact.abs() * 0.004, "{found:?} {exact}");
        }
    }
}
