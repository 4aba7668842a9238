//! Who did and looked at what.

use axum::Json;
use axum::extract::State;
use event::{Audit, OwnRecord, Seq};
use serde::Serialize;
use utoipa::ToSchema;

use super::List;
use crate::access::MayChange;
use crate::app::App;
use crate::extract::Params;
use crate::own_records::{self, OwnParams};
use crate::problem::{Problem, ProblemBody};

/// A record of an act.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditReply {
    /// Its place in the journal.
    #[schema(value_type = u64)]
    seq: Seq,
    /// Who, from where, what, to what.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    audit: Audit,
}

/// Lists records of administrative acts and searches, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "operation", params(OwnParams),
    responses(
        (status = 200, body = List<AuditReply>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn audit(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Params(params): Params<OwnParams>,
) -> Result<Json<List<AuditReply>>, Problem> {
    let read = |seq, record| match record {
        OwnRecord::Audit(audit) => Some(AuditReply { seq, audit }),
        _ => None,
    };
    app.recorder.settled().await;
    own_records::list(&app, &actor, &params, own_records::audits, read)
        .await
        .map(Json)
}
