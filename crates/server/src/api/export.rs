//! Every event that matches, however many, as a file.

use axum::body::Body as ResponseBody;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use event::{Micros, Seq};
use index::Total;
use query::{Expr, FieldName, Pipeline, Stage};
use registry::Actor;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use super::search::CoveredReply;
use crate::access::MayRead;
use crate::app::App;
use crate::export_format::{EventLines, ExportFormat, TableLines};
use crate::export_pages::{Ending, EventExport, TableExport};
use crate::extract::{Body, Params};
use crate::pipes;
use crate::problem::{Problem, ProblemBody};
use crate::question::Question;

/// Fields of an export at most, and bytes of a name.
const FIELDS_MAX: usize = 64;
const NAME_BYTES_MAX: usize = 256;

/// What to export.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExportParams {
    /// A query, as for a search; everything when left out. With stages the table that they give is exported;
    /// `| fields a, b` alone is the same as `fields`.
    q: Option<String>,
    /// Only events whose `@timestamp` is not before: RFC 3339, a day, or like `now-15m`.
    from: Option<String>,
    /// Only events whose `@timestamp` is before.
    to: Option<String>,
    /// `ndjson` (when left out) or `csv`.
    format: Option<String>,
    /// The fields of each event, with commas between them; when left out, all in NDJSON, and in CSV those that say when,
    /// who, with whom, what, and `event.original`. `nhatky.seq` is always there, in CSV first.
    fields: Option<String>,
    /// Only events below this Seq: to go on behind the last line that was received. CSV then has no line of names, for it
    /// goes on in the same file. Relative times of `from` and `to` count from this request: write them out.
    before: Option<u64>,
    /// Whether CSV begins with a byte order mark, by which old spreadsheets know UTF-8.
    bom: bool,
}

/// Exports every event that matches, newest first.
///
/// The last line of a whole NDJSON export is `{"nhatky.export":{"complete":true,"events":n,"covered":{…}}}`. An export that
/// fails has no such line, and its connection is aborted before the end of the body, in CSV as in NDJSON: whoever sees
/// the body end properly has all of it. Events that arrive after the beginning are not in it.
///
/// In CSV a text that a spreadsheet would compute has an apostrophe in front, control characters but tab and line feed are
/// replaced by pictures, and several values have `; ` between them.
#[utoipa::path(
    get, path = "/api/v1/export", tag = "events", params(ExportParams),
    responses(
        (status = 200, description = "The file", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "A table needs more time than a search has", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "Too many exports or searches are running", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn export(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Params(params): Params<ExportParams>,
) -> Result<Response, Problem> {
    answer(&app, &actor, &params).await
}

/// Exports every event that matches; for queries too long for an address.
#[utoipa::path(
    post, path = "/api/v1/export", tag = "events", request_body = ExportParams,
    responses(
        (status = 200, description = "The file", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, description = "The query or a parameter is wrong", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn export_by_body(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Body(params): Body<ExportParams>,
) -> Result<Response, Problem> {
    answer(&app, &actor, &params).await
}

async fn answer(app: &App, actor: &Actor, params: &ExportParams) -> Result<Response, Problem> {
    let format = super::word(
        "format",
        params.format.as_deref(),
        ExportFormat::ALL,
        ExportFormat::from_name,
    )?;
    let format = format.unwrap_or(ExportFormat::Ndjson);
    if params.bom && format != ExportFormat::Csv {
        return Err(Problem::field(
            "bom",
            "only CSV has a byte order mark: write format=csv",
        ));
    }
    let fields = fields(params.fields.as_deref())?;
    let (q, from, to) = (
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    );
    let (question, pipeline) = Question::read_pipeline(app, actor, q, from, to).await?;
    let plan = Plan::of(question, pipeline, fields, params.before)?;
    let place = app.export_place()?;
    let described = described(params, format);
    app.record(actor, "export", described.clone()).await;
    let ending = Ending::new(&app.recorder, actor, described);
    let head = head(params);
    let body = match plan {
        Plan::Events(question, fields) => {
            let lines = EventLines::new(format, fields);
            let (head, last) = match params.before {
                Some(before) => (head, Seq(before.saturating_sub(1)).min(Seq::MAX)),
                None => (head + &lines.header(), Seq::MAX),
            };
            let export = EventExport::new(app, question, lines, last, ending, place);
            ResponseBody::from_stream(export.begin(head).await?)
        }
        Plan::Table(question, pipeline) => {
            let export = table(app, actor, format, question, pipeline, ending, place).await?;
            ResponseBody::from_stream(export.begin(head))
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(format.media_type());
    headers.insert(header::CONTENT_TYPE, media_type);
    let name = format!("nhatky-{}.{format}", compact(app.parts.clock.now()));
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.map_err(|error| Problem::internal(&error))?;
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}

/// What is exported.
enum Plan {
    /// Events, with these fields if any are named.
    Events(Question, Option<Vec<FieldName>>),
    /// What stages make of them.
    Table(Question, Pipeline),
}

impl Plan {
    fn of(
        mut question: Question,
        pipeline: Pipeline,
        fields: Option<Vec<FieldName>>,
        before: Option<u64>,
    ) -> Result<Self, Problem> {
        let (narrowed, behind) = pipes::narrowed(&pipeline);
        let named = match behind {
            [] => None,
            [Stage::Fields(named)] => Some(named.clone()),
            _ if before.is_some() => {
                let detail = "a table cannot be gone on with: ask for it whole, without `before`";
                return Err(Problem::field("before", detail));
            }
            _ if fields.is_some() => {
                let detail =
                    "the stages say which columns there are: write `| fields a, b` behind them";
                return Err(Problem::field("fields", detail));
            }
            _ => return Ok(Self::Table(question, pipeline)),
        };
        if named.is_some() && fields.is_some() {
            let detail = "the query says already which fields are wanted: leave `fields` out";
            return Err(Problem::field("fields", detail));
        }
        question.expr = Expr::and([question.expr, narrowed]);
        Ok(Self::Events(question, named.or(fields)))
    }
}

async fn table(
    app: &App,
    actor: &Actor,
    format: ExportFormat,
    question: Question,
    pipeline: Pipeline,
    mut ending: Ending,
    place: OwnedSemaphorePermit,
) -> Result<TableExport, Problem> {
    let span = (question.from, question.to);
    let index = std::sync::Arc::clone(&app.parts.index);
    let losses = std::sync::Arc::clone(&app.losses);
    let running = app.searches.run(&actor.name, move |budget, cancel| {
        let piped = pipes::run(
            &index,
            question,
            &pipeline,
            usize::MAX,
            budget.clone(),
            cancel.clone(),
        )?;
        let losses = losses.count(span, budget, cancel)?;
        Ok((piped, losses))
    });
    let made = running.await.and_then(|(piped, losses)| {
        let table = piped.table;
        let table = table.map_err(Problem::from)?;
        // Every row of it could be short of events, and a file does not say so.
        let Total::Exactly(events) = piped.total else {
            let detail =
                "there was no time to look at every event: narrow the query or the span of time";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "incomplete", detail));
        };
        Ok((table, events, CoveredReply::new(piped.covered, losses)))
    });
    match made {
        Ok((table, events, covered)) => {
            let lines = TableLines::new(format, &table);
            Ok(TableExport::new(
                lines, table, events, &covered, ending, place,
            ))
        }
        Err(problem) => {
            ending.record("cut: there is no table").await;
            Err(problem)
        }
    }
}

/// The names in `a,b,c`.
fn fields(text: Option<&str>) -> Result<Option<Vec<FieldName>>, Problem> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    if names.len() > FIELDS_MAX {
        let detail = format!("at most {FIELDS_MAX} fields: leave some out");
        return Err(Problem::field("fields", detail));
    }
    if names
        .iter()
        .any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX)
    {
        let detail = "write names of fields with commas between them, such as user.name,source.ip";
        return Err(Problem::field("fields", detail));
    }
    Ok(Some(names.into_iter().map(FieldName::new).collect()))
}

/// What comes before everything else.
fn head(params: &ExportParams) -> String {
    let bom = params.bom && params.before.is_none();
    String::from(if bom { "\u{feff}" } else { "" })
}

fn described(params: &ExportParams, format: ExportFormat) -> String {
    let mut text = super::described(
        params.q.as_deref(),
        params.from.as_deref(),
        params.to.as_deref(),
    );
    text.push_str(&format!(" [format {format}]"));
    if let Some(fields) = &params.fields {
        text.push_str(&format!(" [fields {fields}]"));
    }
    if let Some(before) = params.before {
        text.push_str(&format!(" [before {before}]"));
    }
    text
}

/// An instant as it stands in the name of a file: `20261011T152000Z`.
fn compact(at: Micros) -> String {
    let text = at.to_string();
    let whole = text.split(['.', 'Z']).next().unwrap_or_default();
    let mut compact: String = whole.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    compact.push('Z');
    compact
}
