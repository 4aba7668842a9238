//! Elasticsearch's read API, so that what speaks it (Grafana, client libraries) can ask here unchanged.
//!
//! Every name or pattern of an index stands for everything kept. A request goes from JSON to our own question
//! ([`request`], [`query_dsl`], [`aggregation`]) and from our answer to Elasticsearch's shape ([`hits`], [`buckets`]).
//! What cannot be answered as Elasticsearch would is refused with a reason ([`fault`]), never answered otherwise; but
//! these are our own meaning, on purpose:
//!
//! | | Elasticsearch | here |
//! | --- | --- | --- |
//! | `term`, `terms`, `prefix`, `wildcard` on keywords | case matters unless `case_insensitive` | case never matters; a text without diacritics equals any |
//! | `term` on a text | one term of the analyser | consecutive words |
//! | `match`, `match_phrase` on `message` | that field | the raw text, as on `event.original` |
//! | words | the standard analyser | runs of letters and digits; an address only as a whole |
//! | regular expressions on a text | one term, in lower case | one word, whatever its case |
//! | order without `sort`, `_doc` | by score | newest first; every score is 1 |
//! | `sort` | ties in any order | `nhatky.seq` is always the last value |
//! | `hits.total` | up to `track_total_hits` | exact, unless the time was up |
//! | dates | milliseconds | microseconds, compared and shown to the millisecond where Elasticsearch does |
//! | `percentiles` | interpolated | a value that occurs (nearest rank) |
//! | words in `query_string` without a field | all fields | the raw text |
//! | records of searches | – | not found by words, unless a field under `nhatky.` is named |
//!
//! Limits: bodies of 1 MiB, queries nested 50 deep with 1024 conditions and 16 regular expressions, 10,000 hits,
//! 65,536 buckets, 100 aggregations nested 10 deep, 100 searches in one `_msearch`.

mod aggregation;
mod arithmetic;
mod buckets;
mod conditions;
mod dates;
mod fault;
mod fields;
mod hits;
mod indices;
mod lucene_regex;
mod members;
mod metrics;
mod pipelines;
mod query_dsl;
mod query_string;
mod request;
mod scroll;
mod search;
mod simple_query;
mod sort;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use bytes::Bytes;
use event::Micros;
use registry::Actor;
use serde_json::{Map, Value, json};

use self::fault::Fault;
use self::indices::Listing;
use self::members::Members;
use self::request::{Asked, Parameters};
use self::scroll::Scroll;
use crate::access;
use crate::app::App;
use crate::problem::Problem;

/// The longest body of a request, in bytes: lists of ten thousand values fit.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The most searches of one `_msearch`.
const SEARCHES_MAX: usize = 100;
/// How much of a request goes on record, in bytes.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// The routes of the read API, each of which answers within that time.
pub(crate) fn routes(request_time: Duration) -> Router<App> {
    let everywhere_and_by_index = |path: &str, route: axum::routing::MethodRouter<App>| {
        Router::new()
            .route(&format!("/{path}"), route.clone())
            .route(&format!("/{{index}}/{path}"), route)
    };
    Router::new()
        .merge(everywhere_and_by_index("_search", get(search).post(search)))
        .merge(everywhere_and_by_index(
            "_msearch",
            get(several).post(several),
        ))
        .merge(everywhere_and_by_index("_count", get(count).post(count)))
        .merge(everywhere_and_by_index(
            "_field_caps",
            get(capabilities).post(capabilities),
        ))
        .merge(everywhere_and_by_index("_mapping", get(mapping)))
        .merge(everywhere_and_by_index("_alias", get(aliases)))
        .merge(everywhere_and_by_index("_pit", any(no_pit)))
        .route("/_mapping/field/{fields}", get(mapping_of))
        .route("/{index}/_mapping/field/{fields}", get(mapping_of_index))
        .route("/_aliases", get(aliases))
        .route("/_cat/indices", get(list))
        .route("/_cat/indices/{index}", get(list))
        .route("/_resolve/index/{name}", get(resolved))
        .route(
            "/_search/scroll",
            get(scroll).post(scroll).delete(end_scroll),
        )
        .route(
            "/_search/scroll/{id}",
            post(scroll_by_path).get(scroll_by_path).delete(end_scroll),
        )
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(request_time, within))
        .layer(map_response(name_product))
}

/// Ends a request that takes too long, such as one whose body never comes.
async fn within(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Fault::late().into_response(),
    }
}

/// Clients refuse to talk to a server that does not say this.
async fn name_product(mut response: Response) -> Response {
    response.headers_mut().insert(
        HeaderName::from_static("x-elastic-product"),
        HeaderValue::from_static("Elasticsearch"),
    );
    response
}

/// Somebody who may see everything, with a token in any scheme that clients of Elasticsearch speak.
struct MayRead(Actor);

impl FromRequestParts<App> for MayRead {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Fault> {
        let token = access::token_of_any_scheme(&parts.headers);
        access::reader(parts, app, token.as_deref())
            .map(Self)
            .map_err(Fault::from)
    }
}

/// The parameters behind `?`.
struct Asking(Parameters);

impl<S: Send + Sync> FromRequestParts<S> for Asking {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(Fault::argument(rejection.body_text())),
        }
    }
}

/// The bytes of the body.
fn body_bytes(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, Fault> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Fault::argument(
            "the body is compressed: send it without Content-Encoding",
        ));
    }
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                format!("the body is longer than {BODY_BYTES_MAX} bytes"),
            )
            .into()
        } else {
            Fault::argument(rejection.body_text())
        }
    })
}

/// The body as JSON; none where there is none.
fn json_body(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Option<Value>, Fault> {
    let bytes = body_bytes(headers, body)?;
    json_of(&bytes)
}

fn json_of(bytes: &[u8]) -> Result<Option<Value>, Fault> {
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Fault::parsing(format!("the body is no JSON: {error}"))),
    }
}

async fn search(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Asking(mut parameters): Asking,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Fault> {
    let body = json_body(&headers, body)?;
    let now = app.parts.clock.now();
    if parameters.remove("scroll").is_none() {
        return one(&app, &actor, parameters, body, now).await.map(Json);
    }
    let body = body.unwrap_or_else(|| Value::Object(Map::new()));
    let again = (parameters.clone(), body.clone());
    let asked = Asked::read(parameters, Some(body), now)?;
    if asked.from > 0 || asked.after.is_some() || asked.size == 0 {
        return Err(Fault::argument(
            "with [scroll] there is neither [from] nor [search_after], and [size] is at least 1",
        ));
    }
    let described = described(&again.0, Some(&again.1));
    let answer = carried_out(&app, &actor, asked, described).await?;
    let scroll = Scroll::new(again.0, again.1, now, answer.through, answer.last)?;
    Ok(Json(with_scroll(answer.body, &scroll)))
}

fn with_scroll(mut body: Value, scroll: &Scroll) -> Value {
    if let Value::Object(members) = &mut body {
        members.insert("_scroll_id".to_owned(), json!(scroll.identity()));
    }
    body
}

/// The next page of a scroll.
async fn scroll(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Asking(mut parameters): Asking,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Fault> {
    let body = json_body(&headers, body)?;
    let mut body = Members::of("request", body.unwrap_or_else(|| json!({})))?;
    let identity = match parameters.remove("scroll_id") {
        Some(identity) => identity,
        None => body.needed_text("scroll_id")?,
    };
    body.ignore(&["scroll"]);
    body.finish()?;
    next_page(&app, &actor, &identity).await
}

async fn scroll_by_path(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Path(identity): Path<String>,
) -> Result<Json<Value>, Fault> {
    next_page(&app, &actor, &identity).await
}

async fn next_page(app: &App, actor: &Actor, identity: &str) -> Result<Json<Value>, Fault> {
    let mut scroll = Scroll::read(identity)?;
    let mut asked = Asked::read(
        scroll.parameters.clone(),
        Some(scroll.body.clone()),
        scroll.now(),
    )?;
    match &scroll.after {
        Some(after) => asked.after = Some(asked.sort.after(after)?),
        // The page before had no hits: neither has this one.
        None => asked.size = 0,
    }
    asked.through = Some(scroll.through());
    let described = format!(
        "scroll {}",
        described(&scroll.parameters, Some(&scroll.body))
    );
    let answer = carried_out(app, actor, asked, described).await?;
    scroll.after = answer.last;
    Ok(Json(with_scroll(answer.body, &scroll)))
}

/// There is nothing to be freed.
async fn end_scroll(_: MayRead) -> Json<Value> {
    Json(json!({ "succeeded": true, "num_freed": 1 }))
}

/// One search, from what was sent to what is answered.
async fn one(
    app: &App,
    actor: &Actor,
    parameters: Parameters,
    body: Option<Value>,
    now: Micros,
) -> Result<Value, Fault> {
    let described = described(&parameters, body.as_ref());
    let asked = Asked::read(parameters, body, now)?;
    let answer = carried_out(app, actor, asked, described).await?;
    Ok(answer.body)
}

/// Runs a search in its turn, and puts it on record.
async fn carried_out(
    app: &App,
    actor: &Actor,
    asked: Asked,
    described: String,
) -> Result<search::Answer, Fault> {
    let index = Arc::clone(&app.parts.index);
    let events = Arc::clone(&app.parts.events);
    let searching = app.searches.run(&actor.name, move |budget, cancel| {
        search::run(&index, &*events, &asked, budget, &cancel)
    });
    let (found, ()) = tokio::join!(searching, app.note(actor, "search-elastic", described));
    found?
}

/// Several searches, one after another: heads and bodies, a line each.
async fn several(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Asking(parameters): Asking,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Fault> {
    let bytes = body_bytes(&headers, body)?;
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    while lines
        .last()
        .is_some_and(|line| line.trim_ascii().is_empty())
    {
        lines.pop();
    }
    if lines.is_empty() || !lines.len().is_multiple_of(2) {
        return Err(Fault::argument(
            "[_msearch] wants two lines for each search: a head such as {}, and a body",
        ));
    }
    if lines.len() / 2 > SEARCHES_MAX {
        return Err(Fault::argument(format!(
            "[_msearch] takes at most {SEARCHES_MAX} searches: send them in parts"
        )));
    }
    let now = app.parts.clock.now();
    let mut took = 0;
    let mut responses = Vec::with_capacity(lines.len() / 2);
    for pair in lines.chunks(2) {
        let [head, body] = pair else { continue };
        let answered = match searched(head, body, &parameters) {
            Ok((parameters, body)) => one(&app, &actor, parameters, body, now).await,
            Err(fault) => Err(fault),
        };
        let (mut response, status) = match answered {
            Ok(body) => (body, StatusCode::OK),
            Err(fault) => (fault.body(), fault.status()),
        };
        took += response.get("took").and_then(Value::as_u64).unwrap_or(0);
        if let Value::Object(members) = &mut response {
            members.insert("status".to_owned(), json!(status.as_u16()));
        }
        responses.push(response);
    }
    Ok(Json(json!({ "took": took, "responses": responses })))
}

/// The parameters and the body of one of several searches.
fn searched(
    head: &[u8],
    body: &[u8],
    around: &Parameters,
) -> Result<(Parameters, Option<Value>), Fault> {
    let mut parameters = around.clone();
    parameters.remove("max_concurrent_searches");
    let head = json_of(head)?.unwrap_or_else(|| json!({}));
    let mut head = Members::of("the head of a search", head)?;
    // Every name stands for everything.
    head.ignore(&["index", "type"]);
    for (name, value) in head.rest() {
        let text = members::plain_text(&value)
            .ok_or_else(|| Fault::argument("the head of a search must hold texts and numbers"))?;
        parameters.insert(name, text);
    }
    Ok((parameters, json_of(body)?))
}

async fn count(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Asking(parameters): Asking,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Fault> {
    let body = json_body(&headers, body)?;
    let described = described(&parameters, body.as_ref());
    let expr = Asked::count(parameters, body, app.parts.clock.now())?;
    let index = Arc::clone(&app.parts.index);
    let counting = app.searches.run(&actor.name, move |budget, cancel| {
        search::count(&index, expr, budget, cancel)
    });
    let (found, ()) = tokio::join!(counting, app.note(&actor, "search-elastic", described));
    Ok(Json(found?))
}

/// A request as it goes on record.
fn described(parameters: &Parameters, body: Option<&Value>) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        text.push_str(&format!("{name}={value} "));
    }
    if let Some(body) = body {
        text.push_str(&body.to_string());
    }
    let mut text = text.trim_end().to_owned();
    if text.len() > RECORD_BYTES_MAX {
        let cut = (0..=RECORD_BYTES_MAX)
            .rev()
            .find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or(0));
        text.push('…');
    }
    text
}

async fn capabilities(
    _: MayRead,
    Asking(parameters): Asking,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Fault> {
    let body = json_body(&headers, body)?;
    fields::capabilities(parameters, body).map(Json)
}

async fn mapping(_: MayRead) -> Json<Value> {
    Json(fields::mapping())
}

async fn mapping_of(_: MayRead, Path(names): Path<String>) -> Result<Json<Value>, Fault> {
    fields::mapping_of(&names).map(Json)
}

async fn mapping_of_index(
    _: MayRead,
    Path((_, names)): Path<(String, String)>,
) -> Result<Json<Value>, Fault> {
    fields::mapping_of(&names).map(Json)
}

async fn list(
    State(app): State<App>,
    _: MayRead,
    Asking(parameters): Asking,
) -> Result<Response, Fault> {
    let status = app.parts.index.status();
    let partitions = app.parts.journal.partitions();
    Ok(match indices::list(&status, &partitions, parameters)? {
        Listing::Text(text) => text.into_response(),
        Listing::Json(value) => Json(value).into_response(),
    })
}

async fn resolved(_: MayRead) -> Json<Value> {
    Json(indices::resolved())
}

async fn aliases(_: MayRead) -> Json<Value> {
    Json(indices::aliases())
}

async fn no_pit(_: MayRead) -> Fault {
    Fault::argument(
        "a point in time is not supported: page with [sort] and [search_after] alone, or with [scroll]; new events do \
         not disturb pages by nhatky.seq",
    )
}
