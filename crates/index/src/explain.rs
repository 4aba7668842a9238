//! How a search is answered: by which means each test, of what each segment, and at what cost.
//!
//! Nothing is planned here a second time: each segment is asked by the evaluator of every search, which writes down what
//! it does, and divided into what is sure and what is asked by the rule of every search.

use std::time::{Duration, Instant};

use event::{Event, Micros, Seq};
use query::{Expr, Test};

use crate::bits::Bits;
use crate::each::Wanted;
use crate::evaluate::Evaluator;
use crate::run::{Collector, Demand, Division, Run, Spent};
use crate::schema::Layout;
use crate::scope::{Covered, Scope, SearchError, depth_of};
use crate::search::Total;
use crate::segment::Segment;
use crate::snapshot::{Piece, Snapshot};
use crate::source::Depth;
use crate::state::Shared;
use crate::trace::{Means, Note, Trace, Why};

/// The most segments that are told one by one; the rest are in the sums alone.
const SEGMENTS_MAX: usize = 1000;

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct ExplainRequest {
    /// Which events.
    pub scope: Scope,
    /// What is wanted of those that match; `None` where they are counted, or a page of them is shown.
    pub wanted: Option<Wanted>,
    /// Whether it is also run.
    pub running: Running,
}

/// Whether a search that is explained is also run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// It is only foreseen.
    Foreseen,
    /// It is run, and what it cost is told.
    Run,
}

/// How a search is answered.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The tests of the condition, that of the span of time among them, from left to right.
    pub tests: Vec<ExplainedTest>,
    /// How much of the events is read that are asked.
    pub depth: Depth,
    /// Events not yet in a segment: they are asked in memory, or read where more of them is needed than is there.
    pub fresh: u64,
    /// The partitions, newest first.
    pub partitions: Vec<ExplainedPartition>,
    /// Segments that are in the sums alone, because there are too many.
    pub segments_left_out: usize,
    /// Whether every segment was asked: else a budget ended it, and the sums are short.
    pub complete: bool,
    /// What it will cost.
    pub foreseen: Foreseen,
    /// What it has cost.
    pub run: Option<Execution>,
}

/// How one test is answered.
#[derive(Clone, Debug)]
pub struct ExplainedTest {
    /// The test.
    pub test: Test,
    /// Each way in which segments answer it. None where every segment was done before it was asked.
    pub answers: Vec<Answered>,
}

/// One way in which segments answer a test.
#[derive(Clone, Debug)]
pub struct Answered {
    /// By what.
    pub means: Means,
    /// Why events are left to be asked.
    pub why: Vec<Why>,
    /// In how many segments.
    pub segments: usize,
    /// Of how many events it was asked; others were ruled out before.
    pub asked: u64,
    /// How many of these surely meet it.
    pub sure: u64,
    /// How many possibly do, the sure ones included.
    pub possible: u64,
    /// How long that took.
    pub took: Duration,
}

/// What of a partition answers.
#[derive(Clone, Debug)]
pub struct ExplainedPartition {
    /// Its first Seq, which names it.
    pub first: Seq,
    /// Runs of Seqs without an index, from one to another: every event of them is read.
    pub gaps: Vec<(Seq, Seq)>,
    /// Its segments, newest first.
    pub segments: Vec<ExplainedSegment>,
}

/// What a segment answers.
#[derive(Clone, Debug)]
pub struct ExplainedSegment {
    /// Its first Seq.
    pub first: Seq,
    /// Its last Seq.
    pub last: Seq,
    /// Events in it.
    pub events: u64,
    /// The least `@timestamp`.
    pub oldest: Micros,
    /// The greatest `@timestamp`.
    pub newest: Micros,
    /// Whether it was indexed by other parsers than today's: what it answers is verified by the events.
    pub stale: bool,
    /// Events that surely match.
    pub sure: u64,
    /// Events that possibly match, the sure ones included.
    pub possible: u64,
    /// Events that are read to be asked.
    pub to_read: u64,
    /// Where nothing of it can match: by what.
    pub ruled_out: Option<RuledOut>,
    /// How long it took to answer.
    pub took: Duration,
}

/// By what a segment was ruled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuledOut {
    /// The test that left nothing, by its place among [`Explained::tests`].
    pub test: usize,
    /// What answered it.
    pub means: Means,
}

/// What a search will cost. A search that wants only its first rows may end earlier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// Events that are read to be asked.
    pub events: u64,
    /// Bytes of their raw texts, by the mean of their segments.
    pub bytes: u64,
}

/// What a search has cost.
#[derive(Clone, Debug)]
pub struct Execution {
    /// What was read.
    pub spent: Spent,
    /// Events that match.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// How long it took in all.
    pub took: Duration,
}

pub(crate) fn explain(shared: &Shared, request: &ExplainRequest) -> Result<Explained, SearchError> {
    let started = Instant::now();
    let scope = &request.scope;
    let expr = scope.whole_expr();
    let demand = demand(request.wanted.as_ref());
    let condition = depth_of(&expr);
    let depth = demand.needs.unwrap_or(Depth::Raw).max(condition);
    let mut tests = Vec::new();
    expr.each_test(&mut |test| tests.push(test));
    let mut making = Making {
        explained: Explained {
            tests: tests.iter().map(|test| untold(test)).collect(),
            depth,
            fresh: 0,
            partitions: Vec::new(),
            segments_left_out: 0,
            complete: true,
            foreseen: Foreseen::default(),
            run: None,
        },
        tests,
        expr: &expr,
        scope,
        demand,
        condition,
        told: 0,
    };
    let snapshot = Snapshot::take(shared);
    let mean = mean_bytes(&snapshot);
    making.fresh(&snapshot, depth <= shared.options.fresh_depth, mean);
    for piece in snapshot.pieces(&shared.source.partitions()) {
        if scope.cancel.is_cancelled() || started.elapsed() > scope.budget.time {
            making.explained.complete = false;
            break;
        }
        match piece {
            Piece::Segment(partition, segment) => {
                let is_stale = segment.is_stale(&snapshot.fingerprints);
                making.segment(partition, &segment, is_stale)?;
            }
            Piece::Gap(partition, from, to) => {
                making.partition(partition).gaps.push((from, to));
                making.read(to.0 + 1 - from.0, mean);
            }
        }
    }
    let mut explained = making.explained;
    if request.running == Running::Run {
        explained.run = Some(execute(shared, scope, demand)?);
    }
    Ok(explained)
}

/// What the collector of such a search asks of events.
fn demand(wanted: Option<&Wanted>) -> Demand {
    let columns = |fields: &[event::Field]| {
        let layout = Layout::get();
        fields.iter().all(|field| layout.column(*field).is_some())
    };
    match wanted {
        None => Demand {
            needs: None,
            reads_columns: false,
        },
        Some(Wanted::Columns(fields)) if columns(fields) => Demand {
            needs: None,
            reads_columns: true,
        },
        Some(Wanted::Columns(_)) => Demand {
            needs: Some(Depth::Core),
            reads_columns: false,
        },
        Some(Wanted::Events(depth)) => Demand {
            needs: Some(*depth),
            reads_columns: false,
        },
    }
}

fn untold(test: &Test) -> ExplainedTest {
    ExplainedTest {
        test: test.clone(),
        answers: Vec::new(),
    }
}

/// The mean length of a raw text in the segments; zero where there are none.
fn mean_bytes(snapshot: &Snapshot) -> u64 {
    let segments = snapshot.partitions.values().flat_map(|one| &one.segments);
    let (mut events, mut bytes) = (0_u64, 0_u64);
    for segment in segments {
        events += u64::from(segment.info.events);
        bytes += segment.info.raw_bytes;
    }
    bytes.checked_div(events).unwrap_or(0)
}

/// An explanation in the making.
struct Making<'a> {
    explained: Explained,
    /// The tests of `expr` itself: notes are about these.
    tests: Vec<&'a Test>,
    expr: &'a Expr,
    scope: &'a Scope,
    demand: Demand,
    condition: Depth,
    /// How many segments are told.
    told: usize,
}

impl Making<'_> {
    fn read(&mut self, events: u64, mean_bytes: u64) {
        self.explained.foreseen.events += events;
        self.explained.foreseen.bytes += events * mean_bytes;
    }

    fn fresh(&mut self, snapshot: &Snapshot, in_memory: bool, mean: u64) {
        let batches = snapshot.fresh.iter().flat_map(|batch| batch.iter());
        let fresh = batches.filter(|event| event.seq() > snapshot.committed);
        self.explained.fresh = fresh.count() as u64;
        if !in_memory {
            self.read(self.explained.fresh, mean);
        }
    }

    fn partition(&mut self, first: Seq) -> &mut ExplainedPartition {
        let partitions = &mut self.explained.partitions;
        if partitions.last().map(|last| last.first) != Some(first) {
            partitions.push(ExplainedPartition {
                first,
                gaps: Vec::new(),
                segments: Vec::new(),
            });
        }
        partitions
            .last_mut()
            .expect("one was pushed if there was none")
    }

    fn segment(
        &mut self,
        partition: Seq,
        segment: &Segment,
        is_stale: bool,
    ) -> Result<(), SearchError> {
        let started = Instant::now();
        let trace = Trace::new();
        let evaluator = Evaluator {
            segment,
            way: self.scope.way,
            trace: Some(&trace),
        };
        let answer = evaluator.answer(self.expr, &Bits::all(segment.len()))?;
        let took = started.elapsed();
        let notes = trace.into_notes();
        let (sure, possible) = (answer.sure.count(), answer.possible.count());
        let ruled_out = notes.last().filter(|_| possible == 0);
        let ruled_out = ruled_out.and_then(|note| {
            let test = self.tests.iter().position(|test| note.is_of(test))?;
            let means = note.means;
            Some(RuledOut { test, means })
        });
        self.note(notes);
        let division = Division::of(
            segment,
            answer,
            self.demand,
            self.condition,
            self.explained.depth,
            is_stale,
        );
        let to_read = division.asked.count();
        self.explained.depth = self.explained.depth.max(division.depth);
        let info = &segment.info;
        let events = u64::from(info.events);
        self.read(to_read, info.raw_bytes.checked_div(events).unwrap_or(0));
        self.told += 1;
        if self.told > SEGMENTS_MAX {
            self.explained.segments_left_out += 1;
            return Ok(());
        }
        let explained = ExplainedSegment {
            first: info.first,
            last: info.last,
            events,
            oldest: Micros(info.oldest),
            newest: Micros(info.newest),
            stale: is_stale,
            sure,
            possible,
            to_read,
            ruled_out,
            took,
        };
        self.partition(partition).segments.push(explained);
        Ok(())
    }

    /// Adds what one segment's notes say to the sums of the tests.
    fn note(&mut self, notes: Vec<Note>) {
        for mut note in notes {
            note.why.sort();
            let tests = self.tests.iter().zip(&mut self.explained.tests);
            let Some((_, told)) = { tests }.find(|(test, _)| note.is_of(test)) else {
                continue;
            };
            let alike = |one: &&mut Answered| one.means == note.means && one.why == note.why;
            match told.answers.iter_mut().find(alike) {
                Some(answered) => {
                    answered.segments += 1;
                    answered.asked += note.asked;
                    answered.sure += note.sure;
                    answered.possible += note.possible;
                    answered.took += note.took;
                }
                None => told.answers.push(Answered {
                    means: note.means,
                    why: note.why,
                    segments: 1,
                    asked: note.asked,
                    sure: note.sure,
                    possible: note.possible,
                    took: note.took,
                }),
            }
        }
    }
}

/// Runs the search, and counts.
fn execute(shared: &Shared, scope: &Scope, demand: Demand) -> Result<Execution, SearchError> {
    let mut run = Run::new(shared, scope);
    let mut count = Count { demand, count: 0 };
    run.collect(&mut count)?;
    Ok(Execution {
        spent: run.spent,
        total: Total::of(count.count, run.complete),
        took: run.elapsed(),
        covered: run.covered,
    })
}

struct Count {
    demand: Demand,
    count: u64,
}

impl Collector for Count {
    fn event(&mut self, _: &Event) -> Result<(), SearchError> {
        self.count += 1;
        Ok(())
    }

    fn docs(&mut self, _: &Segment, docs: &Bits) -> Result<(), SearchError> {
        self.count += docs.count();
        Ok(())
    }

    fn needs(&self) -> Option<Depth> {
        self.demand.needs
    }

    fn reads_columns(&self) -> bool {
        self.demand.reads_columns
    }
}
