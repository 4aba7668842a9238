//! Fields that have a name of their own.

use axum::Json;
use event::{Field, FieldKind};
use serde::Serialize;
use utoipa::ToSchema;

use super::List;
use crate::access::MayRead;

/// A field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FieldReply {
    /// Its dotted name.
    name: &'static str,
    /// What its values are: `keyword`, `text`, `number`, `address` or `date`.
    kind: &'static str,
    /// Whether it is sorted, counted and filtered without reading the records.
    column: bool,
    /// Whether one event may have several values of it.
    many: bool,
    /// What it means.
    doc: &'static str,
}

/// Lists the fields that have a name of their own; vendors' own are asked for by their names all the same.
#[utoipa::path(get, path = "/api/v1/fields", tag = "events", responses((status = 200, body = List<FieldReply>)))]
pub(crate) async fn fields(_: MayRead) -> Json<List<FieldReply>> {
    let items = Field::all().map(Field::info).map(|info| FieldReply {
        name: info.name,
        kind: match info.kind {
            FieldKind::Keyword => "keyword",
            FieldKind::Text => "text",
            FieldKind::Number => "number",
            FieldKind::Address => "address",
            FieldKind::Date => "date",
        },
        column: info.column,
        many: info.many,
        doc: info.doc,
    });
    Json(List {
        items: items.collect(),
        next_cursor: None,
    })
}
