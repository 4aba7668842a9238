//! Events as they arrive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use event::{Event, Seq};
use futures_util::stream::{self, Stream, StreamExt as _};
use index::Depth;
use serde::Deserialize;
use tokio::sync::mpsc;
use tracing::warn;
use utoipa::IntoParams;

use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::Question;
use crate::tail_rate::{LeftOut, Offered, TailRate};

/// Events that may wait for a listener before reading waits, too.
const WAITING_MAX: usize = 64;
/// How long the reader waits for records before it looks whether anybody still listens.
const TICK: Duration = Duration::from_millis(500);
/// Events a second where the listener names no rate: more than anybody reads.
const RATE: u32 = 100;
const RATE_MAX: u32 = 1000;
/// A comment so often keeps the connection alive through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What to listen for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TailParams {
    /// A condition, without stages; everything when left out.
    q: Option<String>,
    /// Begin after this Seq; with what comes next when left out. `Last-Event-ID` goes before it, so that a listener that
    /// comes back goes on where it was.
    after: Option<u64>,
    /// Events a second at most: 100 when left out, 1000 at most. What is over it is left out and told.
    rate: Option<u32>,
}

/// Shows events as they arrive: server-sent events whose `id` is the Seq and whose `data` the event.
///
/// Where more arrive in a second than `rate`, the others are left out: an event named `left-out` then says how many,
/// `{"events":12,"through_seq":345}`, when the second is over or before the next event that is shown. Its `id` is the last
/// Seq left out, so that whoever comes back with it as `Last-Event-ID` goes on behind the gap.
#[utoipa::path(
    get, path = "/api/v1/tail", tag = "events", params(TailParams),
    responses(
        (status = 200, description = "One server-sent event an event", content_type = "text/event-stream", body = String),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many are listening", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn tail(
    State(app): State<App>,
    MayRead(actor): MayRead,
    headers: HeaderMap,
    Params(params): Params<TailParams>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Problem> {
    let question = Question::read(&app, params.q.as_deref(), None, None)?;
    let rate = rate(params.rate)?;
    let seen = match last_event_id(&headers)? {
        Some(last) => Some(last),
        None => params.after.map(Seq),
    };
    let durable = app.parts.journal.durable();
    if let Some(beyond) = seen.filter(|seen| *seen > durable) {
        let detail = format!(
            "there is no record {beyond} yet, the newest is {durable}: begin without `after` and `Last-Event-ID`"
        );
        return Err(Problem::field("after", detail));
    }
    let place = app.tail_place()?;
    app.record(&actor, "tail", params.q.unwrap_or_default())
        .await;
    // After that record, or it would be the first to be shown.
    let after = seen.unwrap_or_else(|| app.parts.journal.durable());
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let reader = app.clone();
    tokio::task::spawn_blocking(move || {
        follow(&reader, &question, after, rate, &sender);
        drop(place);
    });
    let messages = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|message| (Ok(message), receiver))
    });
    let messages = messages.take_until(Box::pin(async move { app.stopped().await }));
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn rate(asked: Option<u32>) -> Result<TailRate, Problem> {
    match asked.unwrap_or(RATE) {
        rate @ 1..=RATE_MAX => Ok(TailRate::new(rate)),
        _ => {
            let detail = format!("write how many events a second, from 1 to {RATE_MAX}");
            Err(Problem::field("rate", detail))
        }
    }
}

/// What the listener has seen last, where it says so.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Seq>, Problem> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let read = id.to_str().ok().and_then(|id| id.parse().ok());
    let wrong = || {
        let detail = "`Last-Event-ID` is no Seq: send the last `id` that was received, unchanged";
        Problem::field("Last-Event-ID", detail)
    };
    read.map(|seq| Some(Seq(seq))).ok_or_else(wrong)
}

/// Nobody listens any more.
struct Gone;

/// Reads what is durable until nobody listens any more.
fn follow(
    app: &App,
    question: &Question,
    after: Seq,
    rate: TailRate,
    listener: &mpsc::Sender<Message>,
) {
    let mut tail = app.parts.journal.tail(after.next());
    let mut show = Show { rate, listener };
    while !listener.is_closed() && !*app.parts.stop.borrow() {
        let now = app.parts.clock.monotonic();
        if show.due_gap(now).is_err() {
            return;
        }
        let patience = show.rate.due_in(now).map_or(TICK, |due| due.min(TICK));
        let records = match tail.next(patience) {
            Ok(Some(records)) => records,
            Ok(None) => continue,
            Err(error) => {
                warn!(%error, "a live tail leaves out what cannot be read");
                std::thread::sleep(TICK);
                continue;
            }
        };
        let seqs: Vec<Seq> = records.iter().map(|record| record.seq).collect();
        let events = match Arc::clone(&app.parts.events).events(&seqs, Depth::Full) {
            Ok(events) => events,
            Err(error) => {
                warn!(
                    error = &*error,
                    "a live tail leaves out what cannot be read"
                );
                continue;
            }
        };
        // What is read together came together, however long a slow listener lets it wait.
        let now = app.parts.clock.monotonic();
        for event in events
            .iter()
            .filter(|event| query::matches(&question.expr, event))
        {
            if show.event(event, now).is_err() {
                return;
            }
        }
    }
}

/// The way to the listener: waits where it is slow.
struct Show<'a> {
    rate: TailRate,
    listener: &'a mpsc::Sender<Message>,
}

impl Show<'_> {
    fn event(&mut self, event: &Event, now: Duration) -> Result<(), Gone> {
        let Offered::Shown(gap) = self.rate.offer(event.seq(), now) else {
            return Ok(());
        };
        if let Some(gap) = gap {
            self.send(gap_message(gap))?;
        }
        self.send(event_message(event))
    }

    fn due_gap(&mut self, now: Duration) -> Result<(), Gone> {
        match self.rate.due(now) {
            Some(gap) => self.send(gap_message(gap)),
            None => Ok(()),
        }
    }

    fn send(&self, message: Message) -> Result<(), Gone> {
        self.listener.blocking_send(message).map_err(|_| Gone)
    }
}

fn event_message(event: &Event) -> Message {
    let data = serde_json::to_string(event).expect("an event is a map with text keys");
    Message::default().id(event.seq().to_string()).data(data)
}

fn gap_message(gap: LeftOut) -> Message {
    let data = serde_json::to_string(&gap).expect("two numbers are always JSON");
    let message = Message::default().event("left-out");
    message.id(gap.through_seq.to_string()).data(data)
}
