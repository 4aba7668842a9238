//! Search over events.
//!
//! An [`Index`] holds, for every partition of the journal, segments of postings and columns, and no copy of a record: a
//! hit is shown by reading the journal and parsing it, through an [`EventSource`]. The index is an accelerator; the
//! event is the truth, and [`query::matches`] the meaning of a query. Not here: the query language, parsing, the journal.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use event::{Event, Seq};
//! use index::{
//!     Depth, EventSource, Index, IndexOptions, PartitionSpan, Scope, SearchRequest, SourceError, Total,
//! };
//! use query::{Expr, Phrase, Test};
//!
//! /// Two records, as the journal and the parsers would give them.
//! #[derive(Debug)]
//! struct Two;
//!
//! impl EventSource for Two {
//!     fn events(&self, seqs: &[Seq], _depth: Depth) -> Result<Vec<Event>, SourceError> {
//!         let raw = |seq: Seq| if seq.0 == 1 { "Failed password for root" } else { "Connection closed" };
//!         Ok(seqs.iter().map(|seq| Event::new(*seq, Bytes::from(raw(*seq)))).collect())
//!     }
//!     fn span(&self, from: Seq, to: Seq, depth: Depth) -> Result<Vec<Event>, SourceError> {
//!         let seqs: Vec<Seq> = (from.0..=to.0.min(2)).map(Seq).collect();
//!         self.events(&seqs, depth)
//!     }
//!     fn partitions(&self) -> Vec<PartitionSpan> {
//!         vec![PartitionSpan { first: Seq(1), last: Seq(2), sealed: false }]
//!     }
//! }
//!
//! # fn main() -> Result<(), SourceError> {
//! let dir = tempfile::tempdir()?;
//! let index = Index::open(dir.path(), IndexOptions::default(), Arc::new(Two))?;
//! index.publish(Two.events(&[Seq(1), Seq(2)], Depth::Core)?.into())?;
//!
//! let phrase = Phrase::new("failed password").ok_or("no words")?;
//! let request = SearchRequest::new(Scope::new(Expr::Test(Test::Text(phrase))), 10);
//! let result = index.search(&request)?;
//! assert_eq!(result.total, Total::Exactly(1));
//! assert_eq!(result.hits[0].seq(), Seq(1));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! [`Index::publish`] makes events searchable at once: they stay in memory as *fresh* events until the thread
//! `index-commit` has made a segment of them. A segment is one file, written once; a commit is the
//! atomic replacing of the partition's `manifest.json`. The thread `index-merge` makes large segments of small
//! neighbours. A search takes one snapshot (segments, `committed`, fresh events above it) and asks it newest first:
//! columns and postings say which documents surely match and which possibly do; for the latter the event is asked.
//!
//! Always true: segments of a partition hold ascending, disjoint runs of Seqs, and documents in them ascend with Seq; an
//! event is in a segment or among the fresh ones, never in both for one search; what is in no segment of a kept
//! partition is scanned.
//!
//! What a source must hold to: a value of a field outside the table ([`event::Field`]) stands in the raw text in whole
//! words, unless the raw text has escapes (`\`, `%41`, `&amp;`).
//!
//! A search may lower the priority of the thread that calls it, for good, once it has worked for long.

mod bits;
mod codes;
mod column_stats;
mod column_test;
mod commit;
mod document;
mod each;
mod evaluate;
mod explain;
mod histogram;
mod index;
mod literal_places;
mod manifest;
mod merge;
mod pack;
mod partition;
mod priority;
mod reindex;
mod run;
mod schema;
mod scope;
mod search;
mod segment;
mod segment_writer;
mod snapshot;
mod source;
mod state;
mod stats;
mod status;
mod template;
mod tokenizer;
mod top;
mod trace;
mod value_counts;
mod value_reader;
mod words;

pub use each::{Each, Wanted};
pub use evaluate::Way;
pub use explain::{
    Answered, Execution, ExplainRequest, Explained, ExplainedPartition, ExplainedSegment,
    ExplainedTest, Foreseen, RuledOut, Running,
};
pub use histogram::{Bucket, Histogram, HistogramRequest, Series, SeriesOf, Split};
pub use index::{ClosedError, Index, IndexOptions, OpenError};
pub use reindex::{ReindexError, Reindexed};
pub use run::Spent;
pub use scope::{Budget, Cancel, Covered, Scope, SearchError};
pub use search::{Counting, Cursor, CursorError, SearchRequest, SearchResult, Total};
pub use source::{Depth, EventSource, PartitionSpan, SourceError};
pub use stats::{StatsRequest, Tables};
pub use status::{IndexStatus, PartitionStatus};
pub use top::{Top, TopRequest, TopValue, Tops};
pub use trace::{Means, Why};
