//! The events nearest above a Seq: a search gives the newest of a span of Seqs, so the span is chosen to hold few.

use event::Seq;

/// The first span that is looked at, in Seqs.
const STEP_FIRST: u64 = 256;

/// How far above `after` there are at least `wanted` events, and at most so many more that `most` are fetched; `last` where
/// there are fewer up to it. `count` says how many there are above `after` up to a Seq.
///
/// Asks `count` a few times for each doubling of the distance: spans grow until there are enough, then are halved while
/// there are too many.
pub(crate) fn reach<E>(
    after: Seq,
    last: Seq,
    wanted: u64,
    most: u64,
    mut count: impl FnMut(Seq) -> Result<u64, E>,
) -> Result<Seq, E> {
    debug_assert!(wanted <= most, "there must be a span that fits");
    let (mut low, mut step) = (after.0, STEP_FIRST);
    let mut high = loop {
        let to = low.saturating_add(step).min(last.0);
        let found = count(Seq(to))?;
        if found > most {
            break to;
        }
        if found >= wanted || to >= last.0 {
            return Ok(Seq(to));
        }
        (low, step) = (to, step.saturating_mul(4));
    };
    // Fewer than wanted up to `low`, too many up to `high`; each Seq adds one at most, so that some place between fits.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match count(Seq(middle))? {
            found if found < wanted => low = middle,
            found if found > most => high = middle,
            _ => return Ok(Seq(middle)),
        }
    }
    Ok(Seq(high))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn reached(seqs: &[u64], after: u64, last: u64, wanted: u64, most: u64) -> (u64, usize) {
        let mut asked = 0;
        let count = |to: Seq| -> Result<u64, Infallible> {
            asked += 1;
            let within = seqs.iter().filter(|seq| **seq > after && **seq <= to.0);
            Ok(within.count() as u64)
        };
        let Ok(to) = reach(Seq(after), Seq(last), wanted, most, count);
        (to.0, asked)
    }

    #[test]
    fn a_dense_run_is_cut_short_and_a_sparse_one_is_gone_along() {
        let dense: Vec<u64> = (1..100_000).collect();
        let (to, asked) = reached(&dense, 10, 99_999, 5, 20);
        assert!((15..=30).contains(&to) && asked < 8, "{to} {asked}");
        let (to, asked) = reached(&[70_000, 90_000], 10, 99_999, 2, 20);
        assert!((90_000..=99_999).contains(&to) && asked < 8, "{to} {asked}");
        assert_eq!(reached(&[], 10, 99_999, 2, 20).0, 99_999);
        assert_eq!(reached(&[11], 10, 10, 2, 20).0, 10);
    }

    proptest! {
        #[test]
        fn what_is_reached_holds_the_nearest_and_few_others(
            gaps in prop::collection::vec(prop_oneof![1..3_u64, 1..5000_u64], 0..300),
            after in 0..2000_u64,
            wanted in 1..50_u64,
            more in 0..50_u64,
        ) {
            let mut seqs = Vec::new();
            for gap in gaps {
                seqs.push(seqs.last().copied().unwrap_or(0) + gap);
            }
            let last = seqs.last().copied().unwrap_or(0) + 7;
            let (to, asked) = reached(&seqs, after, last, wanted, wanted + more);
            let above = |to: u64| seqs.iter().filter(|seq| **seq > after && **seq <= to).count() as u64;
            prop_assert!(above(to) <= wanted + more);
            prop_assert!(above(to) >= wanted.min(above(last)));
            prop_assert!(asked < 40);
        }
    }
}
