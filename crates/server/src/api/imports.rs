//! Old log files, sent by `nhatky import`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use bytes::Bytes;
use detect::{Detector, Mode, Output};
use event::{Detection, Field, Micros, Seq};
use index::Depth;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::List;
use crate::access::MayChange;
use crate::app::App;
use crate::extract::{Body, Segment};
use crate::imports::{ImportError, ImportedFile, ImportedMessage};
use crate::problem::{Problem, ProblemBody};

/// The longest body with messages, in bytes: a message of 1 MiB in base64 fits well.
pub(crate) const MESSAGES_BYTES_MAX: usize = 8 << 20;
/// Events that the rules are given at once.
const SPAN_SEQS: u64 = 4096;

/// How far a file has come.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// Where the last message begins that the journal holds, in bytes of the unpacked file; `null` when it holds none.
    last_offset: Option<u64>,
    /// The last Seq that is durable now.
    durable_seq: u64,
}

/// Messages of a file.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Messages {
    /// The name of the source.
    source: String,
    /// Against which dates without a year are read, RFC 3339: the file's own time.
    #[schema(value_type = String)]
    reference_time: Micros,
    /// In the order in which they stand in the file.
    messages: Vec<Message>,
}

/// One message of a file: `raw`, or `raw_b64` where it is not UTF-8.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    /// Where it begins in the unpacked file, in bytes.
    offset: u64,
    /// Its text.
    #[serde(default)]
    raw: Option<String>,
    /// Its bytes in base64.
    #[serde(default)]
    raw_b64: Option<String>,
    /// Its length in the file where it was cut.
    #[serde(default)]
    original_bytes: Option<u64>,
}

/// What became of messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// How many are new and now durable; the others were there already.
    accepted: u64,
}

/// Which records the rules are to see.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetectRequest {
    /// Imported records from this Seq on.
    from_seq: u64,
}

/// Says how far a file has come.
#[utoipa::path(
    get, path = "/api/v1/imports/{file}", tag = "administration",
    params(("file" = String, Path, description = "The file's fingerprint: 24 hexadecimal digits made of its beginning")),
    responses((status = 200, body = Progress))
)]
pub(crate) async fn progress(
    State(app): State<App>,
    _: MayChange,
    Segment(file): Segment<String>,
) -> Result<Json<Progress>, Problem> {
    let imports = Arc::clone(&app.parts.imports);
    let durable_seq = app.parts.journal.durable().0;
    let last_offset = blocking(move || Ok(imports.last_offset(&file)?)).await?;
    Ok(Json(Progress {
        last_offset,
        durable_seq,
    }))
}

/// Takes messages of a file; those that the journal holds already are passed over. The reply comes after fsync.
#[utoipa::path(
    post, path = "/api/v1/imports/{file}", tag = "administration", request_body = Messages,
    params(("file" = String, Path, description = "The file's fingerprint")),
    responses(
        (status = 200, body = Accepted),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn append(
    State(app): State<App>,
    _: MayChange,
    Segment(fingerprint): Segment<String>,
    Body(body): Body<Messages>,
) -> Result<Json<Accepted>, Problem> {
    let is_fingerprint =
        fingerprint.len() == 24 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_fingerprint {
        let detail = "a file is known by 24 hexadecimal digits made of its beginning";
        return Err(Problem::field("file", detail));
    }
    let messages: Vec<ImportedMessage> = body
        .messages
        .into_iter()
        .map(Message::read)
        .collect::<Result<_, _>>()?;
    if !messages.is_sorted_by(|before, after| before.offset < after.offset) {
        let detail = "offsets must grow from message to message";
        return Err(Problem::field("messages", detail));
    }
    let file = ImportedFile {
        fingerprint,
        source: body.source,
        reference_time: body.reference_time,
    };
    let imports = Arc::clone(&app.parts.imports);
    let accepted = blocking(move || Ok(imports.append(&file, messages)?)).await?;
    Ok(Json(Accepted { accepted }))
}

/// Runs the rules over imported records, by the events' own time, and stores what they find.
#[utoipa::path(
    post, path = "/api/v1/imports/detect", tag = "administration", request_body = DetectRequest,
    responses((status = 200, body = List<Object>))
)]
pub(crate) async fn detect(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(request): Body<DetectRequest>,
) -> Result<Json<List<Detection>>, Problem> {
    let object = format!("from {}", request.from_seq);
    app.record(&actor, "import-detect", object).await;
    let looking = app.clone();
    let items = blocking(move || found(&looking, Seq(request.from_seq))).await?;
    app.parts.alerts.apply(&items, &[]).await?;
    Ok(Json(List {
        items,
        next_cursor: None,
    }))
}

/// What a detector of its own finds in the imported records from that Seq on.
fn found(app: &App, from: Seq) -> Result<Vec<Detection>, Problem> {
    let mut detector = Detector::new(app.parts.vitals.rules(), Mode::Import);
    let mut outputs = Vec::new();
    let durable = app.parts.journal.durable();
    let mut first = from.max(Seq(1));
    while first <= durable {
        let last = Seq(first.0.saturating_add(SPAN_SEQS - 1)).min(durable);
        let events = app.parts.events.span(first, last, Depth::Full);
        let events = events.map_err(|error| Problem::internal(&*error))?;
        let imported =
            |event: &&event::Event| event.text(Field::NHATKY_TRANSPORT) == Some("import");
        for event in events.iter().filter(imported) {
            detector.observe(event, &mut outputs);
        }
        first = last.next();
    }
    detector.tell(&mut outputs);
    let detections = outputs.into_iter().filter_map(|output| match output {
        Output::Detection(detection) => Some(*detection),
        Output::Update(_) | Output::Evicted(_) | Output::Day(_) => None,
    });
    Ok(detections.collect())
}

impl Message {
    fn read(self) -> Result<ImportedMessage, Problem> {
        let raw = match (self.raw, self.raw_b64) {
            (Some(raw), None) => Bytes::from(raw),
            (None, Some(encoded)) => {
                let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
                Bytes::from(decoded.map_err(|error| Problem::field("raw_b64", error.to_string()))?)
            }
            _ => {
                let detail = "a message has either `raw` or `raw_b64`";
                return Err(Problem::field("messages", detail));
            }
        };
        Ok(ImportedMessage {
            offset: self.offset,
            raw,
            original_bytes: self.original_bytes,
        })
    }
}

/// Does what blocks on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Append(error) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "journal",
                error.to_string(),
            ),
            error => Self::internal(&error),
        }
    }
}
