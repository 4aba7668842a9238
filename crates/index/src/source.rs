//! Where the events behind the Seqs come from.

use event::{Event, Seq};

/// How much of an event is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// The record's bytes alone; no field is set.
    Raw,
    /// The fields of the table ([`event::Field`]).
    Core,
    /// Every field, the vendor's own included.
    Full,
}

/// A run of Seqs that the journal keeps and drops as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSpan {
    /// Its first Seq, which names it.
    pub first: Seq,
    /// The last Seq in it so far.
    pub last: Seq,
    /// Whether it gets no more records.
    pub sealed: bool,
}

/// Why events could not be read: a disk, mostly.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// What the index asks of the journal and the parsers; the binary wires it.
pub trait EventSource: Send + Sync + std::fmt::Debug {
    /// The events of these Seqs, which ascend; ascending, without those that are no longer kept.
    ///
    /// # Errors
    /// The records cannot be read.
    fn events(&self, seqs: &[Seq], depth: Depth) -> Result<Vec<Event>, SourceError>;

    /// Gives `take` the raw bytes of the records of these Seqs, which ascend; ascending, without those that are no longer
    /// kept. `sieve` may be asked about the bytes of many at once, and what it says is handed on with each of them. A
    /// source that has them without making events overrides this.
    ///
    /// # Errors
    /// The records cannot be read.
    fn raws(
        &self,
        seqs: &[Seq],
        sieve: &dyn Fn(&[u8]) -> bool,
        take: &mut dyn FnMut(Seq, &[u8], bool),
    ) -> Result<(), SourceError> {
        for event in self.events(seqs, Depth::Raw)? {
            take(event.seq(), event.raw(), sieve(event.raw()));
        }
        Ok(())
    }

    /// The events from one Seq to another, both included; ascending, without gaps being an error.
    ///
    /// # Errors
    /// The records cannot be read.
    fn span(&self, from: Seq, to: Seq, depth: Depth) -> Result<Vec<Event>, SourceError>;

    /// The partitions kept, ascending.
    fn partitions(&self) -> Vec<PartitionSpan>;

    /// The partition of a Seq; `None` for a Seq that is not kept.
    fn partition_of(&self, seq: Seq) -> Option<PartitionSpan> {
        self.partitions()
            .into_iter()
            .find(|span| span.first <= seq && seq <= span.last)
    }
}
