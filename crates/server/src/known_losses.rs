//! How many records of losses lie in a span of time: each answer of a search says so.
//!
//! No column tells such records from what a stranger sends that looks like one, so that each has to be read. That is done
//! once: what was found is kept, and only what came since is asked anew.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::{Field, Micros, Seq, Value};
use index::{Budget, Cancel, EventSource, Index, Scope, SearchError, Total, Wanted};

use crate::own_records;
use crate::parts::Parts;

/// How long losses are looked for at most: they are an aside, and few but where there is no index.
const TIME: Duration = Duration::from_secs(1);

/// Counts records of losses.
#[derive(Debug)]
pub(crate) struct KnownLosses {
    index: Arc<Index>,
    events: Arc<dyn EventSource>,
    seen: Mutex<Seen>,
}

/// All records of losses up to one Seq that are kept.
#[derive(Debug, Default)]
struct Seen {
    through: Seq,
    /// Ascending, with their time.
    losses: VecDeque<(Seq, Micros)>,
}

impl KnownLosses {
    pub(crate) fn new(parts: &Parts) -> Self {
        Self {
            index: Arc::clone(&parts.index),
            events: Arc::clone(&parts.events),
            seen: Mutex::default(),
        }
    }

    /// How many lie in the span, from its beginning to before its end; fewer than there are only where the budget ends.
    pub(crate) fn count(
        &self,
        span: (Option<Micros>, Option<Micros>),
        budget: Budget,
        cancel: Cancel,
    ) -> Result<u64, SearchError> {
        let through = self.lock().through;
        let scope = Scope {
            seqs: through.next()..=Seq::MAX,
            budget: Budget {
                time: budget.time.min(TIME),
                ..budget
            },
            cancel,
            ..own_records::losses(None, None)
        };
        let mut found = Vec::new();
        let mut take = |event: &event::Event| {
            if let Some(Value::Date(at)) = event.get(Field::TIMESTAMP) {
                found.push((event.seq(), at));
            }
            ControlFlow::Continue(())
        };
        let wanted = Wanted::Columns(vec![Field::TIMESTAMP]);
        let each = self.index.each(&scope, &wanted, &mut take)?;
        let kept = self.events.partitions();
        let kept = kept.first().map_or(Seq::ZERO, |oldest| oldest.first);

        let mut seen = self.lock();
        if matches!(each.total, Total::Exactly(_)) {
            seen.learn(&found, each.covered.through_seq);
        }
        seen.forget_below(kept);
        // What the budget cut short is not known for good, but counts here.
        found.retain(|(seq, _)| *seq > seen.through);
        let all = seen.losses.iter().chain(&found);
        let within = |at: Micros| {
            span.0.is_none_or(|from| at >= from) && span.1.is_none_or(|before| at < before)
        };
        Ok(all.filter(|(_, at)| within(*at)).count() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Adds what was found up to that Seq, newest first; another may have learnt some of it meanwhile.
    fn learn(&mut self, found: &[(Seq, Micros)], through: Seq) {
        let known = self.through;
        let new = found.iter().rev().filter(|(seq, _)| *seq > known);
        self.losses.extend(new);
        self.through = known.max(through);
    }

    fn forget_below(&mut self, kept: Seq) {
        while self.losses.front().is_some_and(|(seq, _)| *seq < kept) {
            self.losses.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_learn_at_once_counts_once_and_what_is_dropped_no_more() {
        let mut seen = Seen::default();
        let loss = |seq| (Seq(seq), Micros(i64::try_from(seq).unwrap()));
        seen.learn(&[loss(7), loss(3)], Seq(8));
        // One began before that, and saw less; another saw more.
        seen.learn(&[loss(3)], Seq(5));
        seen.learn(&[loss(9), loss(7), loss(3)], Seq(11));
        assert_eq!(seen.losses, [loss(3), loss(7), loss(9)]);
        assert_eq!(seen.through, Seq(11));
        seen.forget_below(Seq(7));
        assert_eq!(seen.losses, [loss(7), loss(9)]);
    }
}
