//! The product's own records, read back from the journal.

use std::sync::Arc;

use event::{Micros, OwnRecord, Seq};
use index::{Cursor, Scope, SearchRequest};
use query::{Condition, Expr, FieldName, Literal, Phrase, Test};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::List;
use crate::app::App;
use crate::problem::Problem;
use crate::question::{instant, limit};

/// Which of the product's own records.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OwnParams {
    /// Only those made not before.
    from: Option<String>,
    /// Only those made before.
    to: Option<String>,
    /// How many at most: 100 when left out, 1000 at most.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Records of losses in the span of time.
pub(crate) fn losses(from: Option<Micros>, to: Option<Micros>) -> Scope {
    own("nhatky loss cause", from, to)
}

/// Records of acts in the span of time.
pub(crate) fn audits(from: Option<Micros>, to: Option<Micros>) -> Scope {
    own("nhatky audit actor", from, to)
}

/// How such a record begins, from the only listener that no stranger can send to.
fn own(beginning: &str, from: Option<Micros>, to: Option<Micros>) -> Scope {
    let words = Phrase::new(beginning).expect("it has words");
    let listener = Condition::Is(Literal::new("nhatky"));
    let expr = Expr::and([
        Expr::Test(Test::Text(words)),
        Expr::field(FieldName::new("nhatky.listener"), listener),
    ]);
    Scope {
        from,
        to,
        ..Scope::new(expr)
    }
}

/// A page of them, newest first.
pub(crate) async fn list<T>(
    app: &App,
    actor: &registry::Actor,
    params: &OwnParams,
    scope: fn(Option<Micros>, Option<Micros>) -> Scope,
    read: impl Fn(Seq, OwnRecord) -> Option<T>,
) -> Result<List<T>, Problem> {
    let context = query::Context::at(app.parts.clock.now());
    let from = instant("from", params.from.as_deref(), &context)?;
    let to = instant("to", params.to.as_deref(), &context)?;
    let limit = limit(params.limit, 100, 1000)?;
    let cursor = match params.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        None => None,
        Some(cursor) => {
            let cursor: Result<Cursor, _> = cursor.parse();
            Some(cursor.map_err(|error| Problem::field("cursor", error.to_string()))?)
        }
    };
    page(app, actor, scope(from, to), cursor, limit, read).await
}

/// So many of those in the scope, from the cursor on.
pub(crate) async fn page<T>(
    app: &App,
    actor: &registry::Actor,
    scope: Scope,
    cursor: Option<Cursor>,
    limit: usize,
    read: impl Fn(Seq, OwnRecord) -> Option<T>,
) -> Result<List<T>, Problem> {
    let index = Arc::clone(&app.parts.index);
    let found = app
        .searches
        .run(&actor.name, move |budget, cancel| {
            let request = SearchRequest::new(scope.clone(), limit);
            index.search(&SearchRequest {
                scope: Scope {
                    budget,
                    cancel,
                    ..scope
                },
                cursor,
                ..request
            })
        })
        .await?;
    let items = found.hits.iter().filter_map(|event| {
        let record = serde_json::from_slice(event.raw()).ok()?;
        read(event.seq(), record)
    });
    Ok(List {
        items: items.collect(),
        next_cursor: found.next_cursor.map(|cursor| cursor.to_string()),
    })
}
