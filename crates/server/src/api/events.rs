//! One event.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use event::{Event, Seq};
use index::Depth;

use crate::access::MayRead;
use crate::app::App;
use crate::extract::Segment;
use crate::problem::{Problem, ProblemBody};

/// Shows the event behind a Seq: a flat document with dotted keys.
#[utoipa::path(
    get, path = "/api/v1/events/{seq}", tag = "events",
    params(("seq" = u64, Path, description = "Its place in the journal")),
    responses(
        (status = 200, body = Object),
        (status = 404, description = "There is none, or none any more", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn event(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Segment(seq): Segment<u64>,
) -> Result<Json<Event>, Problem> {
    let events = Arc::clone(&app.parts.events);
    let reading = app.searches.run(&actor.name, move |_, _| {
        let found = events.events(&[Seq(seq)], Depth::Full);
        found.map_err(index::SearchError::Source)
    });
    let (found, ()) = tokio::join!(reading, app.note(&actor, "show-event", seq.to_string()));
    let event = found?.pop();
    event.map(Json).ok_or_else(|| {
        Problem::not_found(format!("there is no event {seq}, or it is no longer kept"))
    })
}
