//! A journal in memory, and numbers by chance from a seed.

use std::sync::{PoisonError, RwLock};

use event::{Event, Seq};
use index::{Depth, EventSource, PartitionSpan, SourceError};

/// Events with all their fields, and the first Seqs of the partitions.
#[derive(Debug, Default)]
pub(crate) struct MemorySource {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    starts: Vec<Seq>,
}

impl MemorySource {
    /// Adds events; each `start` begins a partition.
    pub(crate) fn add(&self, events: &[Event], starts: &[Seq]) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.events.extend_from_slice(events);
        inner.starts.extend_from_slice(starts);
    }

    /// Forgets the oldest partition, as retention does.
    pub(crate) fn drop_oldest(&self) -> Seq {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let dropped = inner.starts.remove(0);
        let next = inner.starts[0];
        inner.events.retain(|event| event.seq() >= next);
        dropped
    }

    /// Puts another event in the place of the one with its Seq, as better parsers do.
    pub(crate) fn replace(&self, event: Event) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let at = inner.events.iter().position(|old| old.seq() == event.seq());
        inner.events[at.expect("an event of that Seq")] = event;
    }

    fn filter(&self, keep: impl Fn(Seq) -> bool, depth: Depth) -> Vec<Event> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let kept = inner.events.iter().filter(|event| keep(event.seq()));
        kept.map(|event| at_depth(event, depth)).collect()
    }
}

/// The event as a parser that goes no deeper would give it.
pub(crate) fn at_depth(event: &Event, depth: Depth) -> Event {
    let mut shallow = Event::new(event.seq(), event.raw().clone());
    match depth {
        Depth::Raw => {}
        Depth::Core => {
            for (field, value) in event.iter_known() {
                shallow.push(field, value);
            }
        }
        Depth::Full => shallow = event.clone(),
    }
    shallow
}

impl EventSource for MemorySource {
    fn events(&self, seqs: &[Seq], depth: Depth) -> Result<Vec<Event>, SourceError> {
        assert!(seqs.is_sorted(), "Seqs are asked in order");
        Ok(self.filter(|seq| seqs.binary_search(&seq).is_ok(), depth))
    }

    fn span(&self, from: Seq, to: Seq, depth: Depth) -> Result<Vec<Event>, SourceError> {
        Ok(self.filter(|seq| from <= seq && seq <= to, depth))
    }

    fn partitions(&self) -> Vec<PartitionSpan> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let last = inner.events.last().map_or(Seq::ZERO, Event::seq);
        let ends = inner
            .starts
            .iter()
            .skip(1)
            .map(|next| Seq(next.0 - 1))
            .chain([last]);
        let spans = inner.starts.iter().zip(ends).enumerate();
        spans
            .map(|(number, (first, last))| PartitionSpan {
                first: *first,
                last,
                sealed: number + 1 < inner.starts.len(),
            })
            .collect()
    }
}

/// Numbers by chance that are the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Yes in `of` of a hundred cases.
    pub(crate) fn percent(&mut self, of: u64) -> bool {
        self.below(100) < of
    }

    /// One of these.
    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let at = usize::try_from(self.below(from.len() as u64)).expect("a length");
        from[at].clone()
    }
}
