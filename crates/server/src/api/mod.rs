//! The routes, one file a resource.
#![expect(
    unused_qualifications,
    reason = "what utoipa's attribute makes of `params(…)`"
)]

pub(crate) mod alert_acts;
mod alert_text;
pub(crate) mod alerts;
pub(crate) mod around;
pub(crate) mod audit;
pub(crate) mod backtests;
pub(crate) mod closing_together;
pub(crate) mod coach;
pub(crate) mod complete;
pub(crate) mod detections;
pub(crate) mod entities;
pub(crate) mod events;
pub(crate) mod explain;
mod explain_text;
pub(crate) mod export;
pub(crate) mod fields;
pub(crate) mod histogram;
pub(crate) mod imports;
pub(crate) mod losses;
pub(crate) mod people;
pub(crate) mod reindex;
pub(crate) mod rule_changes;
pub(crate) mod rule_days;
pub(crate) mod rule_preview;
pub(crate) mod rules;
pub(crate) mod saved_searches;
pub(crate) mod search;
pub(crate) mod search_history;
mod severity_text;
pub(crate) mod sources;
pub(crate) mod suppressions;
pub(crate) mod tail;
pub(crate) mod tokens;
pub(crate) mod top;
pub(crate) mod unparsed;
pub(crate) mod why_nothing;

use axum::extract::DefaultBodyLimit;
use event::{Entity, EntityKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::problem::Problem;

/// The longest body of a request, in bytes: a query has at most 16 KiB.
const BODY_BYTES_MAX: usize = 256 << 10;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// What to ask for as `cursor` to go on; `null` at the end.
    pub(crate) next_cursor: Option<String>,
}

/// Every route that answers within a bounded time.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(search::search, search::search_by_body))
        .routes(routes!(explain::explain, explain::explain_by_body))
        .routes(routes!(complete::complete))
        .routes(routes!(
            saved_searches::saved_searches,
            saved_searches::save
        ))
        .routes(routes!(
            saved_searches::saved_search,
            saved_searches::change,
            saved_searches::delete
        ))
        .routes(routes!(search_history::history, search_history::clear))
        .routes(routes!(histogram::histogram))
        .routes(routes!(top::top))
        .routes(routes!(top::facets))
        .routes(routes!(fields::stats))
        .routes(routes!(why_nothing::why_nothing))
        .routes(routes!(unparsed::unparsed))
        .routes(routes!(events::event))
        .routes(routes!(around::around))
        .routes(routes!(entities::entities))
        .routes(routes!(entities::entity))
        .routes(routes!(fields::fields))
        .routes(routes!(sources::sources))
        .routes(routes!(coach::coach))
        .routes(routes!(rules::rules))
        .routes(routes!(rules::rule))
        .routes(routes!(rule_days::days))
        .routes(routes!(detections::detections))
        .routes(routes!(detections::detection))
        .routes(routes!(alerts::alerts))
        .routes(routes!(alerts::alert))
        .routes(routes!(alert_acts::acknowledge))
        .routes(routes!(alert_acts::start))
        .routes(routes!(alert_acts::close))
        .routes(routes!(alert_acts::comment))
        .routes(routes!(alert_acts::assign))
        .routes(routes!(alert_acts::release))
        .routes(routes!(alert_acts::reopen))
        .routes(routes!(alert_acts::set_severity))
        .routes(routes!(closing_together::close_together))
        .routes(routes!(suppressions::suppressions, suppressions::add))
        .routes(routes!(suppressions::suppression))
        .routes(routes!(suppressions::end))
        .routes(routes!(rule_changes::settings, rule_changes::set))
        .routes(routes!(rule_changes::exceptions, rule_changes::except))
        .routes(routes!(rule_changes::end))
        .routes(routes!(backtests::backtests, backtests::start))
        .routes(routes!(backtests::backtest))
        .routes(routes!(backtests::cancel))
        .routes(routes!(people::people, people::add))
        .routes(routes!(people::person, people::change))
        .routes(routes!(people::remove))
        .routes(routes!(losses::losses))
        .routes(routes!(audit::audit))
        .routes(routes!(tokens::tokens, tokens::create))
        .routes(routes!(tokens::revoke))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Routes that answer for as long as they are listened to, or as there is work for them.
pub(crate) fn streams() -> OpenApiRouter<App> {
    let imports = OpenApiRouter::new()
        .routes(routes!(imports::progress, imports::append))
        .routes(routes!(imports::detect))
        .layer(DefaultBodyLimit::max(imports::MESSAGES_BYTES_MAX));
    let exports = OpenApiRouter::new()
        .routes(routes!(export::export, export::export_by_body))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let previews = OpenApiRouter::new()
        .routes(routes!(rule_preview::of_rule))
        .routes(routes!(rule_preview::of_exception))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    OpenApiRouter::new()
        .routes(routes!(tail::tail))
        .routes(routes!(search::stream))
        .routes(routes!(reindex::reindex))
        .merge(previews)
        .merge(exports)
        .merge(imports)
}

/// A question as it goes on record.
fn described(q: Option<&str>, from: Option<&str>, to: Option<&str>) -> String {
    let mut text = q.unwrap_or_default().to_owned();
    for (name, bound) in [("from", from), ("to", to)] {
        if let Some(bound) = bound {
            text.push_str(&format!(" [{name} {bound}]"));
        }
    }
    text
}

/// A page of the registry as a list.
fn list<T>(page: registry::Page<T>) -> List<T> {
    List {
        items: page.items,
        next_cursor: page.next.map(|next| next.to_string()),
    }
}

/// A cursor that is a number.
fn numeric_cursor(text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let wrong = |_| {
        Problem::field(
            "cursor",
            "not a cursor: take `next_cursor` of the page before, unchanged",
        )
    };
    text.parse().map(Some).map_err(wrong)
}

/// A member of a closed vocabulary.
fn word<T: std::fmt::Display>(
    field: &'static str,
    text: Option<&str>,
    all: &[T],
    from_name: fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if let Some(member) = from_name(text) {
        return Ok(Some(member));
    }
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    let detail = format!("«{text}» is none of {}", names.join(", "));
    Err(Problem::field(field, detail))
}

/// An entity as `KIND:NAME`.
fn entity(text: Option<&str>) -> Result<Option<Entity>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let read = text
        .split_once(':')
        .and_then(|(kind, name)| match EntityKind::from_name(kind)? {
            EntityKind::User => Entity::user(name),
            EntityKind::Address => name.parse().ok().map(Entity::address),
            EntityKind::Host => Entity::host(name),
        });
    let wrong = || Problem::field("entity", "write user:NAME, address:ADDRESS or host:NAME");
    read.map(Some).ok_or_else(wrong)
}
