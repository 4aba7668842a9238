//! The event behind a Seq: the journal's record, parsed with today's parsers.

use std::sync::Arc;

use arc_swap::ArcSwap;
use event::{ClockFinding, Event, OwnRecord, Record, Seq, Transport};
use index::{EventSource, PartitionSpan, SourceError};
use parse::{Clocks, ParseSettings, Parsers};

/// The parsers and what they are told of the site's sources; exchanged as one on SIGHUP, and when a clock is found to
/// be off.
#[derive(Clone, Debug)]
pub(crate) struct Understanding {
    pub(crate) parsers: Arc<Parsers>,
    pub(crate) settings: ParseSettings,
}

impl Understanding {
    /// The same with those clocks.
    pub(crate) fn with_clocks(&self, clocks: Arc<Clocks>) -> Self {
        Self {
            parsers: Arc::clone(&self.parsers),
            settings: self.settings.clone().with_clocks(clocks),
        }
    }

    /// The same, knowing what the record `seq` tells of a clock.
    pub(crate) fn after(&self, seq: Seq, finding: &ClockFinding) -> Self {
        let mut clocks = Clocks::clone(self.settings.clocks());
        clocks.add(seq, finding);
        self.with_clocks(Arc::new(clocks))
    }

    /// The event of the record, with as much as is asked for.
    pub(crate) fn event(&self, record: &Record, depth: index::Depth) -> Event {
        let mut event = Event::default();
        self.parse(record, depth, &mut event);
        event
    }

    /// Makes `event` the event of the record, keeping its buffers.
    pub(crate) fn parse(&self, record: &Record, depth: index::Depth, event: &mut Event) {
        let depth = match depth {
            index::Depth::Raw => return event.reset(record.seq, record.raw.clone()),
            index::Depth::Core => parse::Depth::Core,
            index::Depth::Full => parse::Depth::Full,
        };
        self.parsers
            .parse_into(record, &self.settings, depth, event);
    }
}

/// What a record of ours tells of a clock, if it tells of one.
pub(crate) fn clock_finding(record: &Record) -> Option<ClockFinding> {
    let own = record.origin.transport == Transport::Internal;
    if !own || !record.raw.starts_with(b"{\"nhatky\":\"clock\"") {
        return None;
    }
    match serde_json::from_slice(&record.raw) {
        Ok(OwnRecord::Clock(finding)) => Some(finding),
        _ => None,
    }
}

/// Reads events from the journal.
#[derive(Debug)]
pub(crate) struct KeptEvents {
    reader: journal::Reader,
    understanding: Arc<ArcSwap<Understanding>>,
}

impl KeptEvents {
    pub(crate) fn new(reader: journal::Reader, understanding: Arc<ArcSwap<Understanding>>) -> Self {
        Self {
            reader,
            understanding,
        }
    }

    fn understand(&self, records: &[Record], depth: index::Depth) -> Vec<Event> {
        let understanding = self.understanding.load();
        records
            .iter()
            .map(|record| understanding.event(record, depth))
            .collect()
    }
}

impl EventSource for KeptEvents {
    fn events(&self, seqs: &[Seq], depth: index::Depth) -> Result<Vec<Event>, SourceError> {
        Ok(self.understand(&self.reader.get_many(seqs)?, depth))
    }

    fn raws(
        &self,
        seqs: &[Seq],
        sieve: &dyn Fn(&[u8]) -> bool,
        take: &mut dyn FnMut(Seq, &[u8], bool),
    ) -> Result<(), SourceError> {
        Ok(self.reader.each_raw(seqs, sieve, take)?)
    }

    fn span(&self, from: Seq, to: Seq, depth: index::Depth) -> Result<Vec<Event>, SourceError> {
        let mut events = Vec::new();
        for block in self.reader.blocks(from, to) {
            let mut records = self.reader.read_block(&block)?;
            records.retain(|record| from <= record.seq && record.seq <= to);
            events.extend(self.understand(&records, depth));
        }
        Ok(events)
    }

    fn partitions(&self) -> Vec<PartitionSpan> {
        let span = |partition: journal::PartitionInfo| PartitionSpan {
            first: partition.first,
            last: partition.last,
            sealed: partition.sealed,
        };
        self.reader.partitions().into_iter().map(span).collect()
    }
}
