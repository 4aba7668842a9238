//! What was, or may have been, lost.

use axum::Json;
use axum::extract::State;
use event::{Loss, OwnRecord, Seq};
use serde::Serialize;
use utoipa::ToSchema;

use super::List;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::own_records::{self, OwnParams};
use crate::problem::{Problem, ProblemBody};

/// A record of a loss.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LossReply {
    /// Its place in the journal.
    #[schema(value_type = u64)]
    seq: Seq,
    /// Cause, source, from, to, how many at most, and the rest.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    loss: Loss,
}

/// Lists records of losses, newest first.
#[utoipa::path(
    get, path = "/api/v1/losses", tag = "operation", params(OwnParams),
    responses(
        (status = 200, body = List<LossReply>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn losses(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<OwnParams>,
) -> Result<Json<List<LossReply>>, Problem> {
    let read = |seq, record| match record {
        OwnRecord::Loss(loss) => Some(LossReply { seq, loss }),
        _ => None,
    };
    own_records::list(&app, &actor, &params, own_records::losses, read)
        .await
        .map(Json)
}
