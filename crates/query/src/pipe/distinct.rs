//! How many different values there are, in bounded memory.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use super::PipeError;
use super::memory::Memory;

/// So many are told apart exactly; of more, the number is estimated.
const EXACT_MAX: usize = 50_000;
/// Bits of a hash that choose a register: 2^14 registers say how many there are to within 0.8 % (one standard deviation).
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// The hashes are hashes already.
#[derive(Clone, Debug, Default)]
pub(super) struct AsItIs(u64);

impl std::hash::Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Different values by their hashes: all of them, or the registers of a HyperLogLog (Flajolet and others, 2007).
#[derive(Clone, Debug)]
pub(super) enum Distinct {
    Exact(HashSet<u64, BuildHasherDefault<AsItIs>>),
    Estimated(Box<[u8]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(HashSet::default())
    }
}

impl Distinct {
    pub(super) fn insert(&mut self, hash: u64, memory: &Memory) -> Result<(), PipeError> {
        match self {
            Self::Exact(hashes) if hashes.len() < EXACT_MAX => {
                if hashes.insert(hash) {
                    memory.take(2 * size_of::<u64>())?;
                }
            }
            Self::Exact(hashes) => {
                if !hashes.contains(&hash) {
                    memory.take(REGISTERS)?;
                    let mut registers = vec![0; REGISTERS].into_boxed_slice();
                    hashes.iter().for_each(|hash| raise(&mut registers, *hash));
                    raise(&mut registers, hash);
                    *self = Self::Estimated(registers);
                }
            }
            Self::Estimated(registers) => raise(registers, hash),
        }
        Ok(())
    }

    pub(super) fn merge(&mut self, other: Self, memory: &Memory) -> Result<(), PipeError> {
        match (&mut *self, other) {
            (_, Self::Exact(hashes)) => hashes
                .into_iter()
                .try_for_each(|hash| self.insert(hash, memory)),
            (Self::Exact(_), other @ Self::Estimated(_)) => {
                let exact = std::mem::replace(self, other);
                self.merge(exact, memory)
            }
            (Self::Estimated(registers), Self::Estimated(other)) => {
                for (register, other) in registers.iter_mut().zip(other) {
                    *register = (*register).max(other);
                }
                Ok(())
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Exact(hashes) => hashes.len() as u64,
            Self::Estimated(registers) => estimate(registers),
        }
    }
}

/// Notes how many zeros the hash begins with behind the bits that choose its register.
fn raise(registers: &mut [u8], hash: u64) {
    let place = usize::try_from(hash >> (u64::BITS - REGISTER_BITS)).unwrap_or_default();
    let zeros = (hash << REGISTER_BITS)
        .leading_zeros()
        .min(u64::BITS - REGISTER_BITS);
    if let (Some(register), Ok(zeros)) = (registers.get_mut(place), u8::try_from(zeros + 1)) {
        *register = (*register).max(zeros);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, above 0"
)]
fn estimate(registers: &[u8]) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let count = registers.len() as f64;
    let sum: f64 = registers
        .iter()
        .map(|zeros| 0.5_f64.powi(i32::from(*zeros)))
        .sum();
    let alpha = 0.7213 / (1.0 + 1.079 / count);
    // More than 50,000 values leave few registers empty: no correction for small numbers is needed.
    (alpha * count * count / sum).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: std::ops::Range<u64>) -> Distinct {
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        let memory = Memory::new(usize::MAX);
        let mut distinct = Distinct::default();
        numbers.for_each(|number| distinct.insert(hasher.hash_one(number), &memory).unwrap());
        distinct
    }

    #[test]
    fn few_are_counted_and_many_estimated() {
        assert_eq!(of(0..0).count(), 0);
        assert_eq!(of(0..50_000).count(), 50_000);
        for many in [60_000_u64, 250_000, 1_000_000] {
            let found = of(0..many).count();
            assert!(found.abs_diff(many) < many / 40, "{found} of {many}");
        }
    }

    #[test]
    fn parts_put_together_count_as_the_whole() {
        let memory = Memory::new(usize::MAX);
        for (one, two) in [
            (0..10, 5..20),
            (0..40_000, 30_000..70_000),
            (0..90_000, 10..100),
        ] {
            let whole = of(0..one.end.max(two.end)).count();
            let mut merged = of(one.clone());
            merged.merge(of(two.clone()), &memory).unwrap();
            assert_eq!(merged.count(), whole, "{one:?} {two:?}");
            let mut other_way = of(two);
            other_way.merge(of(one), &memory).unwrap();
            assert_eq!(other_way.count(), whole);
        }
    }
}
