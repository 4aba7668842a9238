//! Pages of events, newest first.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use event::{Event, Seq};

use crate::bits::Bits;
use crate::run::{Collector, Run, Spent};
use crate::schema::StableHash;
use crate::scope::{Covered, Scope, SearchError};
use crate::segment::Segment;
use crate::source::{Depth, EventSource};
use crate::state::Shared;

/// A search for events.
#[derive(Clone, Debug)]
pub struct SearchRequest {
    /// Which events.
    pub scope: Scope,
    /// How many events the page has at most.
    pub limit: usize,
    /// Where the page before this one ended.
    pub cursor: Option<Cursor>,
    /// Whether the events beyond the page are counted.
    pub counting: Counting,
    /// What the cursor is bound to; a hash of the query as typed, where it names relative times.
    pub identity: u64,
}

impl SearchRequest {
    /// The first page.
    #[must_use]
    pub fn new(scope: Scope, limit: usize) -> Self {
        let mut hash = StableHash::new();
        hash.add(scope.expr.to_string().as_bytes());
        for bound in [scope.from, scope.to] {
            hash.add(&bound.map_or([0; 8], |at| at.0.to_le_bytes()));
        }
        Self {
            identity: hash.finish(),
            scope,
            limit,
            cursor: None,
            counting: Counting::All,
        }
    }
}

/// Whether a search goes on when its page is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Until everything is counted.
    All,
    /// No: `total` is then what was seen.
    Page,
}

/// Where a page ended. Written `HASH-SEQ`, hexadecimal and decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    identity: u64,
    /// The next page has only events below this one.
    before: Seq,
}

impl Cursor {
    /// What it goes on with: only events below this Seq.
    #[must_use]
    pub fn before(self) -> Seq {
        self.before
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.identity, self.before)
    }
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: take `next_cursor` of the page before, unchanged")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (identity, before) = text.split_once('-').ok_or(CursorError)?;
        let is_ours = identity.len() == 16 && identity.bytes().all(|byte| byte.is_ascii_hexdigit());
        let before: u64 = before.parse().map_err(|_| CursorError)?;
        if !is_ours || before > Seq::MAX.0 {
            return Err(CursorError);
        }
        Ok(Self {
            identity: u64::from_str_radix(identity, 16).map_err(|_| CursorError)?,
            before: Seq(before),
        })
    }
}

/// How many events match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// Exactly so many.
    Exactly(u64),
    /// So many, and perhaps more: the search ended early.
    AtLeast(u64),
}

impl Total {
    pub(crate) fn of(count: u64, complete: bool) -> Self {
        if complete {
            Self::Exactly(count)
        } else {
            Self::AtLeast(count)
        }
    }

    /// The number, exact or not.
    #[must_use]
    pub fn count(self) -> u64 {
        match self {
            Self::Exactly(count) | Self::AtLeast(count) => count,
        }
    }

    /// `eq` or `gte`, as the API names it.
    #[must_use]
    pub fn relation(self) -> &'static str {
        match self {
            Self::Exactly(_) => "eq",
            Self::AtLeast(_) => "gte",
        }
    }
}

/// A page of events.
#[derive(Clone, Debug)]
pub struct SearchResult {
    /// The events, newest first, with every field.
    pub hits: Vec<Event>,
    /// How many match in all, the pages before included.
    pub total: Total,
    /// What was looked at.
    pub covered: Covered,
    /// Where the next page begins; `None` where there is none.
    pub next_cursor: Option<Cursor>,
    /// How long it took.
    pub took: Duration,
    /// What was read to find them.
    pub spent: Spent,
}

/// Searches, handing over hits as they are found.
pub(crate) fn search(
    shared: &Shared,
    request: &SearchRequest,
    on_hits: &mut dyn FnMut(Vec<Event>),
) -> Result<SearchResult, SearchError> {
    let foreign = |cursor: Cursor| cursor.identity != request.identity;
    if request.cursor.is_some_and(foreign) {
        return Err(SearchError::Cursor);
    }
    let mut run = Run::new(shared, &request.scope);
    let mut page = Page {
        source: &*shared.source,
        before: request.cursor.map_or(Seq(u64::MAX), |cursor| cursor.before),
        limit: request.limit,
        counting: request.counting,
        found: Vec::new(),
        handed_over: 0,
        has_more: false,
        count: 0,
        on_hits,
    };
    run.collect(&mut page)?;
    let is_cut = page.has_more || (page.found.len() == request.limit && !run.complete);
    let before = match page.found.last() {
        Some(last) if is_cut => Some(*last),
        _ => (!run.complete).then_some(run.reached),
    };
    let identity = request.identity;
    Ok(SearchResult {
        hits: Vec::new(),
        total: Total::of(page.count, run.complete),
        next_cursor: before.map(|before| Cursor { identity, before }),
        took: run.elapsed(),
        spent: run.spent,
        covered: run.covered,
    })
}

/// The page in the making.
struct Page<'a> {
    source: &'a dyn EventSource,
    before: Seq,
    limit: usize,
    counting: Counting,
    /// Descending.
    found: Vec<Seq>,
    handed_over: usize,
    has_more: bool,
    count: u64,
    on_hits: &'a mut dyn FnMut(Vec<Event>),
}

impl Page<'_> {
    fn note(&mut self, seq: Seq) {
        if seq >= self.before {
            return;
        }
        if self.found.len() < self.limit {
            self.found.push(seq);
        } else {
            self.has_more = true;
        }
    }
}

impl Collector for Page<'_> {
    fn event(&mut self, event: &Event) -> Result<(), SearchError> {
        self.count += 1;
        self.note(event.seq());
        Ok(())
    }

    fn docs(&mut self, segment: &Segment, docs: &Bits) -> Result<(), SearchError> {
        self.count += docs.count();
        if self.has_more {
            return Ok(());
        }
        let end = segment.first_from(self.before);
        for doc in docs.descending().skip_while(|doc| *doc >= end) {
            self.note(segment.seq(doc));
            if self.has_more {
                break;
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.counting == Counting::Page && self.has_more
    }

    fn pass_on(&mut self) -> Result<(), SearchError> {
        let mut seqs: Vec<Seq> = self.found.iter().skip(self.handed_over).copied().collect();
        if seqs.is_empty() {
            return Ok(());
        }
        self.handed_over = self.found.len();
        seqs.reverse();
        let mut events = self
            .source
            .events(&seqs, Depth::Full)
            .map_err(SearchError::Source)?;
        events.reverse();
        (self.on_hits)(events);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_and_nothing_else_is_one() {
        let cursor = Cursor {
            identity: 0xab,
            before: Seq(7),
        };
        assert_eq!(cursor.to_string(), "00000000000000ab-7");
        assert_eq!("00000000000000ab-7".parse(), Ok(cursor));
        for text in [
            "",
            "-",
            "ab-7",
            "00000000000000ab",
            "00000000000000ab-",
            "00000000000000ab--7",
            "+0000000000000ab-7",
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
