//! The thread that makes segments of what was published.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use event::{Event, Seq};
use tracing::{error, warn};

use crate::partition::{Partition, folder};
use crate::segment::Segment;
use crate::segment_writer::SegmentWriter;
use crate::source::PartitionSpan;
use crate::state::{Shared, bytes_of};

/// How long a failed commit waits before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Makes segments until the index closes.
pub(crate) fn run(shared: &Shared) {
    let mut committer = Committer::new(shared);
    loop {
        // A panic over one event must not end the thread: publishing would wait for ever.
        match catch_unwind(AssertUnwindSafe(|| committer.step())) {
            Ok(Ok(Step::Closed)) => return,
            Ok(Ok(Step::Done)) => {}
            Ok(Err(error)) => committer.give_up(&error),
            Err(_) => committer.give_up(&io::Error::other("panicked; the log says where")),
        }
    }
}

enum Step {
    Done,
    Closed,
}

/// The next thing to do.
enum Task {
    Index(Arc<[Event]>),
    Commit,
    Close,
}

struct Committer<'a> {
    shared: &'a Shared,
    /// The partition of the segment in the making.
    span: Option<PartitionSpan>,
    writer: Option<SegmentWriter>,
    /// The last event put into the writer, or passed over.
    taken: Seq,
    /// The memory of the events taken and not yet committed, in bytes.
    taken_bytes: usize,
    /// When the first event not yet committed was taken.
    since: Option<Instant>,
}

impl<'a> Committer<'a> {
    fn new(shared: &'a Shared) -> Self {
        let taken = shared.lock().committed;
        Self {
            shared,
            span: None,
            writer: None,
            taken,
            taken_bytes: 0,
            since: None,
        }
    }

    fn step(&mut self) -> io::Result<Step> {
        match self.next_task() {
            Task::Close => return Ok(Step::Closed),
            Task::Commit => self.commit()?,
            Task::Index(batch) => {
                for event in &*batch {
                    if event.seq() <= self.taken {
                        continue;
                    }
                    self.take(event)?;
                    if self.is_full() {
                        // What is left of the batch comes again.
                        return self.commit().map(|()| Step::Done);
                    }
                }
            }
        }
        Ok(Step::Done)
    }

    /// Waits until there is something to do.
    fn next_task(&self) -> Task {
        let mut state = self.shared.lock();
        loop {
            let is_pending = self.taken > state.committed;
            if is_pending && (state.wanted > state.committed && state.wanted <= self.taken) {
                return Task::Commit;
            }
            if is_pending && self.is_due() {
                return Task::Commit;
            }
            if let Some(batch) = state.fresh.next_after(self.taken) {
                return Task::Index(batch);
            }
            if state.closing {
                return if is_pending {
                    Task::Commit
                } else {
                    Task::Close
                };
            }
            let wait = self.since.map_or(Duration::from_secs(3600), |since| {
                let due = self.shared.options.commit_after;
                due.saturating_sub(since.elapsed())
            });
            (state, _) = self
                .shared
                .published
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_due(&self) -> bool {
        let after = self.shared.options.commit_after;
        self.since.is_some_and(|since| since.elapsed() >= after)
    }

    /// Half of the memory is for the events that arrive while the other half is being committed.
    fn is_full(&self) -> bool {
        let options = &self.shared.options;
        let events = self.writer.as_ref().map_or(0, SegmentWriter::events);
        events >= options.commit_events || self.taken_bytes >= options.fresh_bytes_max / 2
    }

    /// Puts the event into the segment of its partition. One whose partition is gone is passed over.
    fn take(&mut self, event: &Event) -> io::Result<()> {
        let seq = event.seq();
        let is_inside = |span: &PartitionSpan| span.first <= seq && seq <= span.last;
        if !self.span.as_ref().is_some_and(is_inside) {
            let span = self.shared.source.partition_of(seq);
            let is_same = span.map(|span| span.first) == self.span.map(|span| span.first);
            if !is_same && self.writer.is_some() {
                self.commit()?;
            }
            self.span = span;
        }
        self.since.get_or_insert_with(Instant::now);
        if self.span.is_some() {
            let writer = match &mut self.writer {
                Some(writer) => writer,
                none => {
                    let fingerprints = Arc::clone(&self.shared.lock().fingerprints);
                    none.insert(SegmentWriter::new(fingerprints, self.shared.literals())?)
                }
            };
            writer.add(event)?;
        }
        self.taken = seq;
        self.taken_bytes += bytes_of(std::slice::from_ref(event));
        Ok(())
    }

    /// Makes what was taken a segment, durably, and then part of every later search.
    fn commit(&mut self) -> io::Result<()> {
        let shared = self.shared;
        let made = match (self.writer.take(), self.span) {
            (Some(writer), Some(span)) => Some((span.first, self.write(writer, span.first)?)),
            _ => None,
        };
        let manifests = shared.lock_manifests();
        let partition = match made {
            Some((first, segment)) => Some(self.extended(first, segment)?),
            None => None,
        };
        let mut state = shared.lock();
        if let Some(partition) = partition {
            state
                .partitions
                .insert(partition.first, Arc::new(partition));
        }
        state.committed = self.taken;
        state.fresh.forget(self.taken);
        state.commits += 1;
        state.failure = None;
        drop(state);
        drop(manifests);
        self.since = None;
        self.taken_bytes = 0;
        shared.committed.notify_all();
        Ok(())
    }

    fn write(&self, writer: SegmentWriter, first: Seq) -> io::Result<Segment> {
        let folder = folder(&self.shared.dir, first);
        disk::create_dir_durable(&*self.shared.disk, &folder)?;
        let info = writer.finish(&*self.shared.disk, &folder, &self.shared.learner)?;
        Segment::open(&folder, info)
    }

    /// The partition with one segment more, saved.
    fn extended(&self, first: Seq, segment: Segment) -> io::Result<Partition> {
        let present = self.shared.lock().partitions.get(&first).cloned();
        let mut partition =
            present.map_or_else(|| Partition::empty(first), |partition| (*partition).clone());
        partition.segments.push(Arc::new(segment));
        partition.through = self.taken;
        partition.save(&*self.shared.disk, &folder(&self.shared.dir, first))?;
        Ok(partition)
    }

    /// After a failure: what was published stays in memory and is taken again a little later. The disk may be full and
    /// have room again; until then publishing waits, and searches say how far they reach.
    fn give_up(&mut self, error: &io::Error) {
        error!(%error, "cannot commit the index; trying again");
        self.writer = None;
        self.span = None;
        self.since = None;
        self.taken_bytes = 0;
        let mut state = self.shared.lock();
        state.failure = Some(error.to_string());
        self.taken = state.committed;
        if state.closing {
            warn!("closing without the events published last: they are indexed at the next start");
            state.fresh.forget(Seq::MAX);
            return;
        }
        let (state, _) = self
            .shared
            .published
            .wait_timeout_while(state, RETRY_AFTER, |state| !state.closing)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
    }
}
