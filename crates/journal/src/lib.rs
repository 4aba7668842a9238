//! Keeps records, as received, in the order received.
//!
//! [`Appender::append`] returns once its records are durable; [`Reader`] finds them by [`Seq`](event::Seq), and [`Tail`]
//! follows them; [`verify`] proves that nothing was changed. Not here: framing, parsing, search.
//!
//! ```
//! use std::{path::Path, sync::Arc};
//!
//! use disk::SimDisk;
//! use event::{Origin, Record, SystemClock};
//! use journal::{Journal, Options};
//!
//! let disk = Arc::new(SimDisk::new(7));
//! let clock = Arc::new(SystemClock::new());
//! let journal = Journal::open(disk, Path::new("/journal"), Options::default(), clock)?;
//!
//! let raw = "Failed password for root from 192.0.2.7 port 4711 ssh2".into();
//! let record = Record::new(Arc::new(Origin::own()), event::Micros(0), raw);
//! let range = journal.appender().append(vec![record])?;
//!
//! let found = journal.reader().get(range.first)?.expect("it was just appended");
//! assert!(found.raw.starts_with(b"Failed password"));
//! journal.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Always true
//!
//! - A record that was acknowledged is read back exactly, or reported lost; it is never altered, doubled or reordered.
//! - No reader sees a record before it is durable.
//! - A failed sync ends the writer for good; a full disk makes it wait, and it goes on by itself.
//! - The chain's hash after a record depends on all records before it, and not on how they are stored.
//! - Every byte of every file lies under a check.
//!
//! # How
//!
//! One thread writes. It takes all that waits, encodes it into blocks of about 256 KiB under the hash chain, writes them
//! to the *hot* segment, syncs once, and tells everybody; meanwhile the next batch gathers. Hot blocks begin on page
//! boundaries, so that nothing durable is ever written again. A second thread *seals* segments that are full: it
//! rewrites them with zstd in new blocks, puts the new file in place of the old, and drops partitions whose time is over.
//!
//! ```text
//! journal/default/PPPPPPPPPPPPPPPP/     a partition; P: its first Seq
//!     NNNNNN.hot, NNNNNN.sealed         its segments, in order
//! journal/quarantine/                   damaged files, as they were found
//! ```
//!
//! The layout in bytes is in `docs/journal-format.md` and at the heads of the modules `canonical`, `block` and `segment`.
#![warn(clippy::indexing_slicing)]
#![warn(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap
)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

mod appender;
mod block;
mod cache;
mod canonical;
mod chain;
mod error;
#[cfg(test)]
mod interference;
mod journal;
mod judge;
mod map;
mod options;
mod reader;
mod recover;
mod retain;
mod scan;
mod seal;
mod segment;
mod shared;
#[cfg(test)]
mod simulation;
mod status;
mod verify;
mod wire;
mod writer;

pub use appender::{Appender, Done, SeqRange};
pub use chain::ChainHash;
pub use error::{AppendError, CloseError, OpenError, RECORD_BYTES_MAX, ReadError};
pub use journal::Journal;
pub use map::PartitionInfo;
pub use options::{Options, RETENTION_DAYS_MIN};
pub use reader::{BlockRef, Reader, Tail};
pub use recover::Recovery;
pub use status::{SYNC_BUCKETS_US, State, Status, SyncLatency};
pub use verify::{Failure, VerifyError, VerifyReport, verify};
