//! Events as they arrive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use event::Seq;
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

/// Events that may wait for a listener before reading waits, too.
const WAITING_MAX: usize = 64;
/// How long the reader waits for records before it looks whether anybody still listens.
const TICK: Duration = Duration::from_millis(500);
/// A comment so often keeps the connection alive through proxies.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What to listen for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TailParams {
    /// A query; everything when left out.
    q: Option<String>,
    /// Begin after this Seq, as `Last-Event-ID` does; with what comes next when left out.
    after: Option<u64>,
}

/// Shows events as they arrive: server-sent events whose `id` is the Seq and whose `data` the event.
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
    let place = app.tail_place()?;
    let last_seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    app.record(&actor, "tail", params.q.unwrap_or_default())
        .await;
    // After that record, or it would be the first to be shown.
    let after = last_seen
        .or(params.after)
        .map_or_else(|| app.parts.journal.durable(), Seq);
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let reader = app.clone();
    tokio::task::spawn_blocking(move || {
        follow(&reader, &question, after, &sender);
        drop(place);
    });
    let messages = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|message| (Ok(message), receiver))
    });
    let mut stop = app.parts.stop.clone();
    let ended = async move {
        // An error says that the owner is gone, and so is the server.
        let _ended = stop.wait_for(|stop| *stop).await;
    };
    let messages = messages.take_until(Box::pin(ended));
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Reads what is durable until nobody listens any more.
fn follow(app: &App, question: &Question, after: Seq, listener: &mpsc::Sender<Message>) {
    let mut tail = app.parts.journal.tail(after.next());
    while !listener.is_closed() && !*app.parts.stop.borrow() {
        let records = match tail.next(TICK) {
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
        for event in events
            .iter()
            .filter(|event| query::matches(&question.expr, event))
        {
            let data = serde_json::to_string(event).expect("an event is a map with text keys");
            let message = Message::default().id(event.seq().to_string()).data(data);
            if listener.blocking_send(message).is_err() {
                return;
            }
        }
    }
}
