//! Decides what damage in a segment means: what is kept, what is lost, what is cut. Pure: reads nothing, writes nothing.

use event::{Micros, Seq};

use crate::block::BlockHeader;
use crate::block::{BlockKind, Codec};
use crate::chain::ChainHash;
use crate::scan::{Found, Scan};
use crate::segment::{Contents, Form, PAGE};

/// A point of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The Seq that comes next.
    pub(crate) next: Seq,
    /// The chain's hash before it.
    pub(crate) h: ChainHash,
}

/// What a segment is made of once it is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    /// A block that is kept.
    Kept(Found),
    /// Records that are lost.
    Gap {
        first: Seq,
        last: Seq,
        h_before: ChainHash,
        h_after: ChainHash,
    },
}

/// The judgement on a segment.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) start: Place,
    pub(crate) end: Place,
    pub(crate) pieces: Vec<Piece>,
    /// Acknowledged records that are lost: first and last Seq.
    pub(crate) lost: Vec<(Seq, Seq)>,
    /// Where what is kept ends in the file, on a page boundary for hot segments.
    pub(crate) good_until: u64,
    /// Bytes behind that which were never acknowledged.
    pub(crate) cut_bytes: u64,
    /// Bytes before that which are damaged.
    pub(crate) damaged_bytes: u64,
    pub(crate) newest: Micros,
}

/// Judges a segment that should begin at `start` and end at `limit` (`None`: it is the last), given the greatest Seq
/// that any block of the journal knows to be durable.
///
/// What is missing at or below `synced` was acknowledged: it is lost, and what follows is kept. From the first fault
/// above it everything is cut. In a segment that has a successor, whatever lies beyond the successor's beginning was
/// cut by an earlier start and only not yet removed.
pub(crate) fn judge(
    scan: &Scan,
    form: Form,
    start: Place,
    limit: Option<Place>,
    synced: Seq,
) -> Judged {
    let mut judge = Judge {
        form,
        limit,
        synced,
        judged: Judged {
            start,
            end: start,
            pieces: Vec::new(),
            lost: Vec::new(),
            good_until: PAGE,
            cut_bytes: 0,
            damaged_bytes: 0,
            newest: Micros::MIN,
        },
    };
    let cut = scan
        .blocks
        .iter()
        .any(|found| judge.block(found) == Verdict::Cut);
    judge.end(scan, cut);
    judge.judged
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    Cut,
}

struct Judge {
    form: Form,
    limit: Option<Place>,
    synced: Seq,
    judged: Judged,
}

impl Judge {
    fn block(&mut self, found: &Found) -> Verdict {
        let header = &found.header;
        let next = self.judged.end.next;
        if self.limit.is_some_and(|limit| header.next() > limit.next) {
            return Verdict::Cut;
        }
        if header.first == next && (header.h_before == self.judged.end.h || next <= self.synced) {
            self.keep(found);
            return Verdict::Keep;
        }
        // What comes before was never known to be durable, so neither is this.
        if next > self.synced {
            return Verdict::Cut;
        }
        if header.first < next {
            // A block of the past, which no writer leaves there: not kept, and so the file is rewritten.
            return Verdict::Keep;
        }
        if header.first > self.synced.next() {
            self.lose(self.synced, None);
            return Verdict::Cut;
        }
        let last = Seq(header.first.0.saturating_sub(1));
        self.lose(last, Some(header.h_before));
        self.keep(found);
        Verdict::Keep
    }

    fn keep(&mut self, found: &Found) {
        let judged = &mut self.judged;
        judged.end = Place {
            next: found.header.next(),
            h: found.header.h_after,
        };
        judged.good_until = found.end();
        if found.header.kind == BlockKind::Records {
            judged.newest = judged.newest.max(found.header.newest);
        }
        judged.pieces.push(Piece::Kept(*found));
    }

    /// Everything from the next expected Seq to `last` is lost.
    fn lose(&mut self, last: Seq, h_after: Option<ChainHash>) {
        let Place { next: first, h } = self.judged.end;
        let h_after = h_after.unwrap_or_else(|| h.over_gap(first.0, last.0));
        self.judged.lost.push((first, last));
        self.judged.pieces.push(Piece::Gap {
            first,
            last,
            h_before: h,
            h_after,
        });
        self.judged.end = Place {
            next: last.next(),
            h: h_after,
        };
    }

    fn end(&mut self, scan: &Scan, cut: bool) {
        let good_until = self.judged.good_until;
        let bad = |from: u64, to: u64| -> u64 {
            let inside = scan
                .bad
                .iter()
                .filter(|bad| bad.start >= from && bad.start < to);
            inside.fold(0, |sum, bad| {
                sum.saturating_add(bad.end.saturating_sub(bad.start))
            })
        };
        self.judged.damaged_bytes = bad(0, good_until);
        let blocks_behind = scan
            .blocks
            .iter()
            .filter(|found| found.offset >= good_until);
        let behind = blocks_behind.fold(bad(good_until, u64::MAX), |sum, found| {
            sum.saturating_add(found.header.total_len())
        });
        let end = match self.limit {
            Some(limit) => (Seq(limit.next.0.saturating_sub(1)), Some(limit.h)),
            None => (self.synced, None),
        };
        let is_short = self.judged.end.next <= end.0;
        if is_short {
            self.lose(end.0, end.1);
        }
        // A sealed file has no unfinished tail: what lies behind its blocks is its damaged directory.
        if is_short || self.form == Form::Sealed {
            self.judged.damaged_bytes = self.judged.damaged_bytes.saturating_add(behind);
        } else if self.limit.is_none() && (cut || behind > 0) {
            self.judged.cut_bytes = behind;
        }
    }
}

impl Judged {
    /// Whether the file must be written anew: something in the middle of it is not as it should be.
    pub(crate) fn rewrite(&self, form: Form) -> bool {
        !self.lost.is_empty() || self.damaged_bytes > 0 || form == Form::Sealed
    }

    /// What the kept blocks amount to.
    pub(crate) fn contents(&self) -> Contents {
        let mut contents = Contents::empty(self.start.next, self.start.h);
        for piece in &self.pieces {
            match piece {
                Piece::Kept(found) => contents.add(found.offset, &found.header),
                Piece::Gap { .. } => {
                    let header = piece.gap_header(0, contents.seen_us);
                    contents.add(0, &header);
                }
            }
        }
        contents
    }

    /// Whether the file ends with a closing block and nothing behind it.
    pub(crate) fn ends_closed(&self, scan: &Scan) -> bool {
        let closed = scan.blocks.last().is_some_and(|found| {
            found.header.kind == BlockKind::Closed && found.end() == scan.file_bytes
        });
        closed && self.good_until == scan.file_bytes && self.lost.is_empty()
    }
}

impl Piece {
    /// The header of the block that stands for a gap.
    pub(crate) fn gap_header(&self, tag: u64, seen_us: u64) -> BlockHeader {
        let (first, last, h_before, h_after) = match self {
            Self::Kept(found) => return found.header,
            Self::Gap {
                first,
                last,
                h_before,
                h_after,
            } => (*first, *last, *h_before, *h_after),
        };
        BlockHeader {
            kind: BlockKind::Gap,
            codec: Codec::None,
            tag,
            first,
            last,
            records: 0,
            raw_len: 0,
            stored_len: 0,
            padding: 0,
            synced: last,
            seen_us,
            oldest: Micros(0),
            newest: Micros(0),
            h_before,
            h_after,
        }
    }
}
