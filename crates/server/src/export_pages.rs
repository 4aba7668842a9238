//! Every event that matches, page after page down the journal, and the record of how that ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use event::Seq;
use futures_util::stream::{self, Stream, StreamExt as _};
use index::{Budget, Cancel, Counting, Covered, Cursor, Scope, SearchError, SearchRequest};
use query::{Cell, Table};
use registry::Actor;
use tokio::sync::OwnedSemaphorePermit;

use crate::api::search::CoveredReply;
use crate::app::App;
use crate::export_format::{EventLines, TableLines};
use crate::problem::Problem;
use crate::question::Question;
use crate::recorder::Recorder;

/// Events of a page: at first, and at most.
const EVENTS_FIRST: usize = 256;
const EVENTS_MAX: usize = 4096;
/// What the raw texts of a page shall have, in bytes: the next page has as many events as come to that.
const PAGE_BYTES: usize = 4 << 20;
/// Rows of a table that are written at a time.
const ROWS: usize = 1000;

/// Why an export is cut: the connection ends without the end of the body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The server ends.
    #[error("the server stops")]
    Stopped,
    /// The events could not be read; the log says why.
    #[error("a search failed")]
    Failed,
    /// No event could be looked at within the time of a search.
    #[error("a search took too long")]
    Stuck,
}

/// Sees to the record that an export ended: once, whatever ends it.
#[derive(Debug)]
pub(crate) struct Ending {
    recorder: Recorder,
    actor: Actor,
    /// What was asked for.
    described: String,
    /// How many lines the client was given.
    lines: u64,
    recorded: bool,
}

impl Ending {
    pub(crate) fn new(recorder: &Recorder, actor: &Actor, described: String) -> Self {
        Self {
            recorder: recorder.clone(),
            actor: actor.clone(),
            described,
            lines: 0,
            recorded: false,
        }
    }

    /// Who asked.
    fn asker(&self) -> &str {
        &self.actor.name
    }

    /// How it ended; nothing where that is on record already.
    pub(crate) async fn record(&mut self, how: &str) {
        if !std::mem::replace(&mut self.recorded, true) {
            let object = self.object(how);
            self.recorder
                .record(&self.actor, "export-end", object)
                .await;
        }
    }

    fn object(&self, how: &str) -> String {
        format!("{} [{} lines, {how}]", self.described, self.lines)
    }
}

impl Drop for Ending {
    /// Nobody reads on.
    fn drop(&mut self) {
        let Some(runtime) = tokio::runtime::Handle::try_current()
            .ok()
            .filter(|_| !self.recorded)
        else {
            return;
        };
        let (recorder, actor) = (self.recorder.clone(), self.actor.clone());
        let object = self.object("cut: the client left");
        runtime.spawn(async move { recorder.record(&actor, "export-end", object).await });
    }
}

/// An export of events.
#[derive(Debug)]
pub(crate) struct EventExport {
    app: App,
    question: Question,
    lines: EventLines,
    /// The next page has events up to this one; none when the last page is read.
    next: Option<Seq>,
    /// How many events the next page has at most.
    page_events: usize,
    /// What the first page looked at: events that came later are newer than all that follow.
    covered: Covered,
    stale: BTreeSet<Seq>,
    trailer_written: bool,
    ending: Ending,
    _place: OwnedSemaphorePermit,
}

/// A page, written.
struct Page {
    text: String,
    events: usize,
    raw_bytes: usize,
    /// The next page has events below this one; none where there is none.
    below: Option<Seq>,
    covered: Covered,
}

impl EventExport {
    /// Of the events up to `last`, newest first.
    pub(crate) fn new(
        app: &App,
        question: Question,
        lines: EventLines,
        last: Seq,
        ending: Ending,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            app: app.clone(),
            question,
            lines,
            next: Some(last),
            page_events: EVENTS_FIRST,
            covered: Covered::default(),
            stale: BTreeSet::new(),
            trailer_written: false,
            ending,
            _place: place,
        }
    }

    /// Begins with `head`. The first page is read before there is an answer: what is wrong until then is a problem.
    pub(crate) async fn begin(
        mut self,
        head: String,
    ) -> Result<impl Stream<Item = Result<Bytes, ExportError>>, Problem> {
        let first = match self.first_page(head).await {
            Ok(first) => Bytes::from(first),
            Err(problem) => {
                self.ending.record("cut: a search failed").await;
                return Err(problem);
            }
        };
        let rest = stream::try_unfold(self, async |mut export| {
            let text = export.until_stopped().await;
            if let Err(error) = &text {
                export.ending.record(&format!("cut: {error}")).await;
            }
            Ok(text?.map(|text| (Bytes::from(text), export)))
        });
        Ok(stream::iter([Ok(first)]).chain(rest))
    }

    async fn first_page(&mut self, head: String) -> Result<String, Problem> {
        let last = self.next.unwrap_or(Seq::ZERO);
        let page = self
            .app
            .searches
            .run(self.ending.asker(), self.reading(last))
            .await?;
        self.covered = page.covered.clone();
        let taken = self.take(page, last);
        taken
            .map(|text| head + &text)
            .map_err(|error| Problem::internal(&error))
    }

    async fn until_stopped(&mut self) -> Result<Option<String>, ExportError> {
        let app = self.app.clone();
        tokio::select! {
            biased;
            () = app.stopped() => Err(ExportError::Stopped),
            text = self.go_on() => text,
        }
    }

    /// What goes out next; none at the end.
    async fn go_on(&mut self) -> Result<Option<String>, ExportError> {
        while let Some(last) = self.next {
            let page = self
                .app
                .searches
                .run_patiently(self.ending.asker(), self.reading(last))
                .await;
            let text = self.take(page.map_err(|_| ExportError::Failed)?, last)?;
            // There is none where the time ran out before anything was found.
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        if !std::mem::replace(&mut self.trailer_written, true) {
            let covered = self.covered().await?;
            let text = self.lines.trailer(self.ending.lines, &covered);
            if !text.is_empty() {
                return Ok(Some(text));
            }
        }
        self.ending.record("complete").await;
        Ok(None)
    }

    /// How the page up to `last` is read and written.
    fn reading(
        &self,
        last: Seq,
    ) -> impl FnOnce(Budget, Cancel) -> Result<Page, SearchError> + Send + use<> {
        let index = Arc::clone(&self.app.parts.index);
        let (question, lines) = (self.question.clone(), self.lines.clone());
        let limit = self.page_events;
        move |budget, cancel| {
            let scope = Scope {
                seqs: Seq::ZERO..=last,
                ..question.scope(budget, cancel)
            };
            let found = index.search(&SearchRequest {
                counting: Counting::Page,
                ..SearchRequest::new(scope, limit)
            })?;
            let mut text = String::new();
            for event in &found.hits {
                lines.event(&mut text, event);
            }
            Ok(Page {
                text,
                events: found.hits.len(),
                raw_bytes: found.hits.iter().map(|event| event.raw().len()).sum(),
                below: found.next_cursor.map(Cursor::before),
                covered: found.covered,
            })
        }
    }

    /// Goes on behind a page that began at `last`; gives its text.
    fn take(&mut self, page: Page, last: Seq) -> Result<String, ExportError> {
        let next = page.below.and_then(|below| below.0.checked_sub(1)).map(Seq);
        if next.is_some_and(|next| next >= last) {
            return Err(ExportError::Stuck);
        }
        self.next = next;
        self.ending.lines += page.events as u64;
        self.stale.extend(&page.covered.stale);
        if let Some(mean) = page.raw_bytes.checked_div(page.events) {
            let most = EVENTS_MAX.min(4 * self.page_events);
            self.page_events = (PAGE_BYTES / mean.max(1)).clamp(1, most);
        }
        Ok(page.text)
    }

    /// What was looked at in all: every partition, in the end.
    async fn covered(&self) -> Result<CoveredReply, ExportError> {
        let losses = Arc::clone(&self.app.losses);
        let span = (self.question.from, self.question.to);
        let counting = self
            .app
            .searches
            .run_patiently(self.ending.asker(), move |budget, cancel| {
                losses.count(span, budget, cancel)
            });
        let losses = counting.await.map_err(|_| ExportError::Failed)?;
        let covered = Covered {
            skipped: Vec::new(),
            stale: self.stale.iter().copied().collect(),
            ..self.covered.clone()
        };
        Ok(CoveredReply::new(covered, losses))
    }
}

/// An export of a table, which is whole before it begins.
#[derive(Debug)]
pub(crate) struct TableExport {
    lines: TableLines,
    rows: std::vec::IntoIter<Vec<Cell>>,
    /// What is left to be written behind the rows.
    trailer: Option<String>,
    ending: Ending,
    _place: OwnedSemaphorePermit,
}

impl TableExport {
    /// Of a table that was made of so many events.
    pub(crate) fn new(
        lines: TableLines,
        table: Table,
        events: u64,
        covered: &CoveredReply,
        ending: Ending,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let trailer = lines.trailer(table.rows.len() as u64, events, covered);
        Self {
            lines,
            rows: table.rows.into_iter(),
            trailer: Some(trailer),
            ending,
            _place: place,
        }
    }

    /// The rows, behind `head`.
    pub(crate) fn begin(self, head: String) -> impl Stream<Item = Result<Bytes, ExportError>> {
        let head = head + &self.lines.header();
        let rest = stream::try_unfold(self, async |mut export| {
            let text = export.go_on().await;
            Ok(text.map(|text| (Bytes::from(text), export)))
        });
        stream::iter([Ok(Bytes::from(head))]).chain(rest)
    }

    async fn go_on(&mut self) -> Option<String> {
        let mut text = String::new();
        for row in self.rows.by_ref().take(ROWS) {
            self.lines.row(&mut text, &row);
            self.ending.lines += 1;
        }
        if text.is_empty() {
            text = self.trailer.take().unwrap_or_default();
        }
        if text.is_empty() {
            self.ending.record("complete").await;
            return None;
        }
        Some(text)
    }
}
