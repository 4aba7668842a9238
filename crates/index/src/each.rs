//! Every event that matches, one at a time: the events themselves, or as much of them as columns hold.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use bytes::Bytes;
use event::{Event, Field, Seq};

use crate::bits::Bits;
use crate::run::{Collector, Run};
use crate::schema::{Column, Layout};
use crate::scope::{Covered, Scope, SearchError};
use crate::search::Total;
use crate::segment::Segment;
use crate::source::{Depth, EventSource};
use crate::state::Shared;
use crate::value_reader::ValueReader;

/// How much of the events is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The events, at that depth.
    Events(Depth),
    /// These fields, each of which is a column; what else an event has may be there or not.
    Columns(Vec<Field>),
}

/// What was gone through.
#[derive(Clone, Debug)]
pub struct Each {
    /// How many events were handed over.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took.
    pub took: Duration,
}

pub(crate) fn each(
    shared: &Shared,
    scope: &Scope,
    wanted: &Wanted,
    on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<Each, SearchError> {
    let mut run = Run::new(shared, scope);
    let layout = Layout::get();
    let columns = match wanted {
        Wanted::Columns(fields) => fields.iter().map(|field| layout.column(*field)).collect(),
        Wanted::Events(_) => None,
    };
    let mut events = Events {
        source: &*shared.source,
        depth: match wanted {
            Wanted::Events(depth) => *depth,
            Wanted::Columns(_) => Depth::Core,
        },
        columns,
        on_event,
        count: 0,
        done: false,
    };
    run.collect(&mut events)?;
    // Whoever wants no more has all that it wants.
    let is_complete = run.complete || events.done;
    Ok(Each {
        total: Total::of(events.count, is_complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

struct Events<'a> {
    source: &'a dyn EventSource,
    depth: Depth,
    /// None where the events themselves are wanted.
    columns: Option<Vec<Column>>,
    on_event: &'a mut dyn FnMut(&Event) -> ControlFlow<()>,
    count: u64,
    done: bool,
}

impl Events<'_> {
    fn hand_over(&mut self, event: &Event) {
        if !self.done {
            self.count += 1;
            self.done = (self.on_event)(event).is_break();
        }
    }
}

impl Collector for Events<'_> {
    fn event(&mut self, event: &Event) -> Result<(), SearchError> {
        self.hand_over(event);
        Ok(())
    }

    fn docs(&mut self, segment: &Segment, docs: &Bits) -> Result<(), SearchError> {
        let columns = self.columns.clone().unwrap_or_default();
        let odd = segment.odd_events(&columns, docs, self.source)?;
        let odd: BTreeMap<Seq, Event> = odd.into_iter().map(|event| (event.seq(), event)).collect();
        let mut values = Vec::with_capacity(columns.len());
        for column in &columns {
            values.push((column.field, ValueReader::open(segment, *column)?));
        }
        let mut event = Event::default();
        for doc in docs.descending() {
            if self.done {
                return Ok(());
            }
            let seq = segment.seq(doc);
            if let Some(whole) = odd.get(&seq) {
                self.hand_over(whole);
                continue;
            }
            event.reset(seq, Bytes::new());
            for (field, reader) in &mut values {
                reader.read(&[doc]);
                let mut place = 0;
                while let Some((_, number)) = reader.at(place) {
                    reader.value(number, |value| event.push(*field, value))?;
                    place += 1;
                }
            }
            self.hand_over(&event);
        }
        Ok(())
    }

    fn reads_columns(&self) -> bool {
        self.columns.is_some()
    }

    fn needs(&self) -> Option<Depth> {
        self.columns.is_none().then_some(self.depth)
    }

    fn is_done(&self) -> bool {
        self.done
    }
}
