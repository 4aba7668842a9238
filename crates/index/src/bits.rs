//! A set of documents of one segment.

/// A set of document numbers below `len`, one bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    len: u32,
    words: Vec<u64>,
}

const WORD_BITS: u32 = u64::BITS;

impl Bits {
    /// No document of a segment of `len` documents.
    pub(crate) fn none(len: u32) -> Self {
        let words = vec![0; len.div_ceil(WORD_BITS) as usize];
        Self { len, words }
    }

    /// Every document of a segment of `len` documents.
    pub(crate) fn all(len: u32) -> Self {
        let mut bits = Self {
            len,
            words: vec![u64::MAX; len.div_ceil(WORD_BITS) as usize],
        };
        let rest = len % WORD_BITS;
        if let Some(last) = bits.words.last_mut().filter(|_| rest != 0) {
            *last = (1 << rest) - 1;
        }
        bits
    }

    /// The documents below `end`.
    pub(crate) fn below(len: u32, end: u32) -> Self {
        let mut bits = Self::none(len);
        let end = end.min(len);
        let whole = (end / WORD_BITS) as usize;
        for word in bits.words.iter_mut().take(whole) {
            *word = u64::MAX;
        }
        let rest = end % WORD_BITS;
        if let Some(word) = bits.words.get_mut(whole).filter(|_| rest != 0) {
            *word = (1 << rest) - 1;
        }
        bits
    }

    /// Those from `start` up to, not including, `end`.
    pub(crate) fn between(&self, start: u32, end: u32) -> Self {
        let mut bits = self.clone();
        if end < self.len {
            bits.and(&Self::below(self.len, end));
        }
        if start > 0 {
            bits.and_not(&Self::below(self.len, start));
        }
        bits
    }

    /// How many documents the segment has.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Puts a document in. Numbers beyond the segment are ignored.
    pub(crate) fn insert(&mut self, doc: u32) {
        if let Some(word) = self.words.get_mut((doc / WORD_BITS) as usize) {
            *word |= 1 << (doc % WORD_BITS);
        }
    }

    /// Takes a document out.
    pub(crate) fn remove(&mut self, doc: u32) {
        if let Some(word) = self.words.get_mut((doc / WORD_BITS) as usize) {
            *word &= !(1 << (doc % WORD_BITS));
        }
    }

    /// Whether the document is in it.
    pub(crate) fn contains(&self, doc: u32) -> bool {
        self.words
            .get((doc / WORD_BITS) as usize)
            .is_some_and(|word| word & (1 << (doc % WORD_BITS)) != 0)
    }

    /// How many documents are in it.
    pub(crate) fn count(&self) -> u64 {
        self.words
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }

    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Keeps what is in `other` too.
    pub(crate) fn and(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Adds what is in `other`.
    pub(crate) fn or(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// Takes out what is in `other`.
    pub(crate) fn and_not(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// The documents, ascending.
    pub(crate) fn ascending(&self) -> impl Iterator<Item = u32> {
        (0..)
            .step_by(WORD_BITS as usize)
            .zip(&self.words)
            .flat_map(|(start, word): (u32, &u64)| {
                let mut left = *word;
                std::iter::from_fn(move || {
                    let bit = (left != 0).then(|| left.trailing_zeros())?;
                    left &= left - 1;
                    Some(start + bit)
                })
            })
    }

    /// The documents, descending: newest first.
    pub(crate) fn descending(&self) -> impl Iterator<Item = u32> {
        self.words.iter().enumerate().rev().flat_map(|(at, word)| {
            let start = u32::try_from(at).unwrap_or(u32::MAX / WORD_BITS) * WORD_BITS;
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| WORD_BITS - 1 - left.leading_zeros())?;
                left ^= 1 << bit;
                Some(start + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn bits(len: u32, docs: &BTreeSet<u32>) -> Bits {
        let mut bits = Bits::none(len);
        docs.iter().for_each(|doc| bits.insert(*doc));
        bits
    }

    fn listed(bits: &Bits) -> BTreeSet<u32> {
        bits.ascending().collect()
    }

    proptest! {
        #[test]
        fn it_behaves_as_a_set_of_numbers(
            len in 1_u32..300,
            a in proptest::collection::btree_set(0_u32..300, 0..80),
            b in proptest::collection::btree_set(0_u32..300, 0..80),
        ) {
            let a: BTreeSet<u32> = a.into_iter().filter(|doc| *doc < len).collect();
            let b: BTreeSet<u32> = b.into_iter().filter(|doc| *doc < len).collect();
            let (left, right) = (bits(len, &a), bits(len, &b));

            let mut and = left.clone();
            and.and(&right);
            prop_assert_eq!(listed(&and), a.intersection(&b).copied().collect());
            let mut or = left.clone();
            or.or(&right);
            prop_assert_eq!(listed(&or), a.union(&b).copied().collect());
            let mut without = left.clone();
            without.and_not(&right);
            prop_assert_eq!(listed(&without), a.difference(&b).copied().collect());
            let mut complement = Bits::all(len);
            complement.and_not(&left);
            prop_assert_eq!(complement.count() + left.count(), u64::from(len));

            let mut backwards: Vec<u32> = left.descending().collect();
            backwards.reverse();
            prop_assert_eq!(backwards, a.iter().copied().collect::<Vec<_>>());
            for end in [0, len / 2, len, len + 7] {
                prop_assert_eq!(listed(&Bits::below(len, end)), (0..end.min(len)).collect());
            }
        }
    }
}
