//! Who sends what.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use registry::{DeviceClock, Source, SourceFilter};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::List;
use crate::access::MayRead;
use crate::app::App;
use crate::extract::Params;
use crate::problem::{Problem, ProblemBody};
use crate::question::{instant, limit};

/// Which sources.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SourceParams {
    /// Only those of this sender.
    sender: Option<String>,
    /// Only those of this product.
    product: Option<String>,
    /// Only those not seen since.
    silent_since: Option<String>,
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A source, and the clocks of its devices.
#[derive(Debug, Serialize)]
pub(crate) struct SourceReply {
    #[serde(flatten)]
    source: Source,
    /// The newest finding about each device's clock; none where all were right from the beginning.
    clocks: Vec<DeviceClock>,
}

/// Lists the sources, most recently seen first.
#[utoipa::path(
    get, path = "/api/v1/sources", tag = "sources", params(SourceParams),
    responses(
        (status = 200, body = List<Object>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn sources(
    State(app): State<App>,
    _: MayRead,
    Params(params): Params<SourceParams>,
) -> Result<Json<List<SourceReply>>, Problem> {
    let limit = limit(params.limit, 100, 1000)?;
    let offset = super::numeric_cursor(params.cursor.as_deref())?.unwrap_or(0);
    let context = query::Context::at(app.parts.clock.now());
    let filter = SourceFilter {
        sender: params.sender,
        product: params.product,
        silent_since: instant("silent_since", params.silent_since.as_deref(), &context)?,
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    };
    let sources = app.parts.registry.sources(&filter).await?;
    let mut clocks: HashMap<String, Vec<DeviceClock>> = HashMap::new();
    for clock in app.parts.registry.clocks_now().await? {
        let of_source = clocks.entry(clock.finding.source.clone()).or_default();
        of_source.push(clock);
    }
    let with_clocks = |source: Source| SourceReply {
        clocks: clocks.remove(&source.id).unwrap_or_default(),
        source,
    };
    let items: Vec<SourceReply> = sources.into_iter().map(with_clocks).collect();
    let next = (items.len() == limit && limit > 0).then(|| offset.saturating_add(limit as u64));
    Ok(Json(List {
        items,
        next_cursor: next.map(|next| next.to_string()),
    }))
}
