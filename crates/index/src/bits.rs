//! A set of documents of one segment.

/// A set of document numbers below `len`.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    len: u32,
    /// One bit each; nothing at all where every document is as `rest` says: of most segments nothing or everything is
    /// wanted.
    words: Vec<u64>,
    rest: bool,
}

const WORD_BITS: u32 = u64::BITS;

impl Bits {
    /// No document of a segment of `len` documents.
    pub(crate) fn none(len: u32) -> Self {
        Self {
            len,
            words: Vec::new(),
            rest: false,
        }
    }

    /// Every document of a segment of `len` documents.
    pub(crate) fn all(len: u32) -> Self {
        Self {
            rest: true,
            ..Self::none(len)
        }
    }

    /// The documents below `end`.
    pub(crate) fn below(len: u32, end: u32) -> Self {
        if end >= len {
            return Self::all(len);
        }
        Self {
            words: (0..words_of(len)).map(|at| word_below(at, end)).collect(),
            ..Self::none(len)
        }
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
        self.write_out();
        if let Some(word) = self.words.get_mut((doc / WORD_BITS) as usize) {
            *word |= 1 << (doc % WORD_BITS);
        }
    }

    /// Takes a document out.
    pub(crate) fn remove(&mut self, doc: u32) {
        self.write_out();
        if let Some(word) = self.words.get_mut((doc / WORD_BITS) as usize) {
            *word &= !(1 << (doc % WORD_BITS));
        }
    }

    /// Whether the document is in it.
    pub(crate) fn contains(&self, doc: u32) -> bool {
        let bit = 1 << (doc % WORD_BITS);
        match self.words.get((doc / WORD_BITS) as usize) {
            Some(word) => word & bit != 0,
            None => self.words.is_empty() && self.rest && doc < self.len,
        }
    }

    /// How many documents are in it.
    pub(crate) fn count(&self) -> u64 {
        match self.alike() {
            Some(true) => u64::from(self.len),
            Some(false) => 0,
            None => {
                let ones = self.words.iter().map(|word| word.count_ones());
                ones.map(u64::from).sum()
            }
        }
    }

    /// Whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        match self.alike() {
            Some(all) => !all || self.len == 0,
            None => self.words.iter().all(|word| *word == 0),
        }
    }

    /// Keeps what is in `other` too.
    pub(crate) fn and(&mut self, other: &Self) {
        match (self.alike(), other.alike()) {
            (Some(false), _) | (_, Some(true)) => {}
            (Some(true), _) => self.clone_from(other),
            (None, Some(false)) => *self = Self::none(self.len),
            (None, None) => self.each_word(other, |word, other| word & other),
        }
    }

    /// Adds what is in `other`.
    pub(crate) fn or(&mut self, other: &Self) {
        match (self.alike(), other.alike()) {
            (Some(true), _) | (_, Some(false)) => {}
            (Some(false), _) => self.clone_from(other),
            (None, Some(true)) => *self = Self::all(self.len),
            (None, None) => self.each_word(other, |word, other| word | other),
        }
    }

    /// Takes out what is in `other`.
    pub(crate) fn and_not(&mut self, other: &Self) {
        match (self.alike(), other.alike()) {
            (Some(false), _) | (_, Some(false)) => {}
            (_, Some(true)) => *self = Self::none(self.len),
            (_, None) => {
                self.write_out();
                self.each_word(other, |word, other| word & !other);
            }
        }
    }

    fn each_word(&mut self, other: &Self, of: impl Fn(u64, u64) -> u64) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = of(*word, *other);
        }
    }

    /// Whether every document is in it, or none, where that is all there is to say.
    fn alike(&self) -> Option<bool> {
        self.words.is_empty().then_some(self.rest)
    }

    /// Makes a bit of each document.
    fn write_out(&mut self) {
        if self.words.is_empty() {
            self.words = (0..words_of(self.len)).map(|at| self.word(at)).collect();
        }
    }

    /// The bits of so many documents from that word on.
    fn word(&self, at: u32) -> u64 {
        match self.words.get(at as usize) {
            Some(word) => *word,
            None if self.rest => word_below(at, self.len),
            None => 0,
        }
    }

    /// The documents, ascending.
    pub(crate) fn ascending(&self) -> impl Iterator<Item = u32> {
        (0..self.words_to_read()).flat_map(|at| {
            let (start, mut left) = (at * WORD_BITS, self.word(at));
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(start + bit)
            })
        })
    }

    /// The documents, descending: newest first.
    pub(crate) fn descending(&self) -> impl Iterator<Item = u32> {
        (0..self.words_to_read()).rev().flat_map(|at| {
            let (start, mut left) = (at * WORD_BITS, self.word(at));
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| WORD_BITS - 1 - left.leading_zeros())?;
                left ^= 1 << bit;
                Some(start + bit)
            })
        })
    }

    /// How many words there are, if any of them has a bit.
    fn words_to_read(&self) -> u32 {
        match self.alike() {
            Some(false) => 0,
            _ => words_of(self.len),
        }
    }
}

impl PartialEq for Bits {
    fn eq(&self, other: &Self) -> bool {
        let words = words_of(self.len);
        self.len == other.len && (0..words).all(|at| self.word(at) == other.word(at))
    }
}

impl Eq for Bits {}

/// The word at that place of the set of all documents below `end`.
fn word_below(at: u32, end: u32) -> u64 {
    match end.saturating_sub(at * WORD_BITS) {
        bits @ 0..WORD_BITS => (1 << bits) - 1,
        _ => u64::MAX,
    }
}

/// How many words so many documents take.
fn words_of(len: u32) -> u32 {
    len.div_ceil(WORD_BITS)
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

    #[test]
    fn everything_and_nothing_are_as_if_written_out() {
        for len in [0, 1, 63, 64, 65, 200] {
            let some: BTreeSet<u32> = (0..len).step_by(3).collect();
            let forms = [
                (Bits::none(len), BTreeSet::new()),
                (Bits::all(len), (0..len).collect()),
                (bits(len, &(0..len).collect()), (0..len).collect()),
                (bits(len, &some), some),
            ];
            for (one, listed_one) in &forms {
                assert_eq!(one, &bits(len, listed_one));
                assert_eq!(one.count(), listed_one.len() as u64);
                assert_eq!(one.is_empty(), listed_one.is_empty());
                let mut backwards: Vec<u32> = one.descending().collect();
                backwards.reverse();
                assert_eq!(backwards, listed_one.iter().copied().collect::<Vec<_>>());
                for doc in 0..len + 70 {
                    assert_eq!(one.contains(doc), listed_one.contains(&doc), "{doc}");
                }
                let mut less = one.clone();
                less.remove(0);
                assert!(!less.contains(0));
                assert_eq!(less.count(), one.count() - u64::from(one.contains(0)));
                for (two, listed_two) in &forms {
                    let (mut and, mut or, mut without) = (one.clone(), one.clone(), one.clone());
                    and.and(two);
                    or.or(two);
                    without.and_not(two);
                    assert_eq!(listed(&and), listed_one & listed_two);
                    assert_eq!(listed(&or), listed_one | listed_two);
                    assert_eq!(listed(&without), listed_one - listed_two);
                }
            }
        }
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
