//! The older numbers of a window, many in one: a sum over any number of events in bounded memory and time.

use event::{Micros, Seq};

use crate::progress::Hit;
use crate::store::list_bytes;

/// A window is cut into so many spans; the numbers of one span are one here. A number stays up to one such span longer
/// than its window, no less.
const SPANS: i64 = 1_000;

/// Numbers by the span of time in which they lie.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Folded {
    /// By time.
    spans: Vec<Span>,
}

/// The numbers of one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The latest of them.
    pub(crate) at: Micros,
    /// One of the events.
    pub(crate) seq: Seq,
    /// The bits of their sum.
    pub(crate) sum: u64,
    pub(crate) count: u64,
}

impl Folded {
    /// Adds the number of a hit, whose tag has its bits.
    pub(crate) fn add(&mut self, hit: Hit, window_us: i64) {
        let width = ((window_us + SPANS - 1) / SPANS).max(1);
        let number = |at: Micros| at.0.div_euclid(width);
        let place = self
            .spans
            .partition_point(|span| number(span.at) < number(hit.at));
        match self.spans.get_mut(place) {
            Some(span) if number(span.at) == number(hit.at) => {
                span.at = span.at.max(hit.at);
                span.sum = (f64::from_bits(span.sum) + f64::from_bits(hit.tag)).to_bits();
                span.count += 1;
            }
            _ => self.spans.insert(
                place,
                Span {
                    at: hit.at,
                    seq: hit.seq,
                    sum: hit.tag,
                    count: 1,
                },
            ),
        }
    }

    /// Forgets what lies more than a window before `last`.
    pub(crate) fn forget_before(&mut self, last: Micros, window_us: i64) {
        let old = self
            .spans
            .partition_point(|span| last.0.saturating_sub(span.at.0) > window_us);
        self.spans.drain(..old);
    }

    pub(crate) fn sum(&self) -> f64 {
        self.spans.iter().map(|span| f64::from_bits(span.sum)).sum()
    }

    /// Of how many numbers.
    pub(crate) fn count(&self) -> u64 {
        self.spans.iter().map(|span| span.count).sum()
    }

    pub(crate) fn first_at(&self) -> Option<Micros> {
        self.spans.first().map(|span| span.at)
    }

    /// One event of each span, by time.
    pub(crate) fn seqs(&self) -> impl Iterator<Item = Seq> {
        self.spans.iter().map(|span| span.seq)
    }

    /// The spans, for a checkpoint.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The same again, from a checkpoint.
    pub(crate) fn from_spans(spans: Vec<Span>) -> Self {
        Self { spans }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + list_bytes::<Span>(self.spans.len())
    }
}
