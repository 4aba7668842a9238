//! Every event that matches, one at a time.

use std::ops::ControlFlow;
use std::time::Duration;

use event::Event;

use crate::bits::Bits;
use crate::run::{Collector, Run};
use crate::scope::{Covered, Scope, SearchError};
use crate::search::Total;
use crate::segment::Segment;
use crate::source::Depth;
use crate::state::Shared;

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
    depth: Depth,
    on_event: &mut dyn FnMut(&Event) -> ControlFlow<()>,
) -> Result<Each, SearchError> {
    let mut run = Run::new(shared, scope);
    let mut events = Events {
        depth,
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
    depth: Depth,
    on_event: &'a mut dyn FnMut(&Event) -> ControlFlow<()>,
    count: u64,
    done: bool,
}

impl Collector for Events<'_> {
    fn event(&mut self, event: &Event) -> Result<(), SearchError> {
        if !self.done {
            self.count += 1;
            self.done = (self.on_event)(event).is_break();
        }
        Ok(())
    }

    fn docs(&mut self, _segment: &Segment, _docs: &Bits) -> Result<(), SearchError> {
        unreachable!("it needs the events themselves")
    }

    fn needs(&self) -> Option<Depth> {
        Some(self.depth)
    }

    fn is_done(&self) -> bool {
        self.done
    }
}
