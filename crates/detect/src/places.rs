//! A set of rules, by their places, that gives them back in their order.

/// Places of rules, a bit each. Emptied after each event, it keeps its memory.
#[derive(Debug, Default)]
pub(crate) struct Places {
    words: Vec<u64>,
    /// All words before it are empty.
    first: usize,
}

impl Places {
    pub(crate) fn insert(&mut self, place: usize) {
        let at = place / 64;
        if at >= self.words.len() {
            self.words.resize(at + 1, 0);
        }
        if let Some(word) = self.words.get_mut(at) {
            *word |= 1 << (place % 64);
        }
        self.first = self.first.min(at);
    }

    /// Takes the lowest place out.
    pub(crate) fn pop_first(&mut self) -> Option<usize> {
        while let Some(word) = self.words.get_mut(self.first) {
            if *word != 0 {
                let bit = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(self.first * 64 + bit);
            }
            self.first += 1;
        }
        None
    }

    /// Keeps the places that `stays` says yes to.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(usize) -> bool) {
        for (at, word) in self.words.iter_mut().enumerate() {
            let mut left = *word;
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                if !stays(at * 64 + bit) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Calls `each` with every place, ascending.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(usize)) {
        self.retain(|place| {
            each(place);
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_in_their_order_with_those_put_in_meanwhile() {
        let mut places = Places::default();
        for place in [130, 0, 64, 63, 64] {
            places.insert(place);
        }
        assert_eq!(places.pop_first(), Some(0));
        assert_eq!(places.pop_first(), Some(63));
        places.insert(5);
        places.insert(131);
        places.retain(|place| place != 64);
        let mut all = Vec::new();
        places.for_each(|place| all.push(place));
        assert_eq!(all, [5, 130, 131]);
        let popped: Vec<_> = std::iter::from_fn(|| places.pop_first()).collect();
        assert_eq!(popped, all);
        places.insert(1);
        assert_eq!(places.pop_first(), Some(1));
    }
}
