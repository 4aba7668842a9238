//! The rules over what the journal keeps, beside the running detector: a job that is started, asked after, and stopped.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use event::{Detection, Seq};
use serde::{Deserialize, Serialize};
use tracing::error;
use utoipa::ToSchema;

use super::List;
use crate::access::{MayChange, MayRead};
use crate::app::App;
use crate::backtest::{Backtest, BacktestFigures};
use crate::backtest_jobs::{Asked, Done, Job, JobState, Progress};
use crate::extract::{Body, Segment};
use crate::problem::{Problem, ProblemBody};
use crate::question::{context, instant};
use crate::replay::{Allowance, Replay, Shortfall, depth_for};

/// What to go through.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BacktestBody {
    /// Only detections of this rule.
    rule: Option<String>,
    /// Only records received since, such as `now-7d`.
    from: Option<String>,
    /// Only records received before; what is received after the start is left out in any case.
    to: Option<String>,
}

/// A backtest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BacktestReply {
    /// Its number.
    id: u64,
    /// `running`, `done`, `cancelled` or `failed`.
    state: JobState,
    /// What was asked for.
    #[serde(flatten)]
    asked: Asked,
    /// How far it is.
    progress: Progress,
    /// What came of it, when it has ended.
    result: Option<BacktestResult>,
}

/// What came of a backtest.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BacktestResult {
    /// The figures.
    #[serde(flatten)]
    figures: BacktestFigures,
    /// The first 10,000 detections, as they fired.
    #[schema(value_type = Vec<Object>)]
    found: Vec<Arc<Detection>>,
}

/// Starts a backtest: the rules in force over what is kept, from no memory on. Nothing is stored, no alert is made.
#[utoipa::path(
    post, path = "/api/v1/backtests", tag = "detection", request_body = BacktestBody,
    responses(
        (status = 202, body = BacktestReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn start(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Body(body): Body<BacktestBody>,
) -> Result<(StatusCode, Json<BacktestReply>), Problem> {
    let rules = app.parts.vitals.rules();
    if let Some(rule) = &body.rule
        && rules.info(rule).is_none()
    {
        return Err(Problem::field("rule", format!("there is no rule «{rule}»")));
    }
    let context = context(&app);
    let asked = Asked {
        from: instant("from", body.from.as_deref(), &context)?,
        to: instant("to", body.to.as_deref(), &context)?,
        rule: body.rule,
        rules_version: rules.version().to_owned(),
        by: actor.name.clone(),
        began_at: app.parts.clock.now(),
    };
    let job = app.backtests.begin(asked).map_err(|running| {
        let detail = format!(
            "backtest {} is running: wait for it, or stop it with POST /api/v1/backtests/{}/cancel",
            running.id, running.id
        );
        Problem::new(StatusCode::CONFLICT, "running", detail)
    })?;
    let object = job.asked.rule.clone().unwrap_or_default();
    let described = super::described(Some(&object), body.from.as_deref(), body.to.as_deref());
    app.record(&actor, "backtest", described).await;
    let backtest = Backtest::new(
        Replay {
            journal: app.parts.journal.clone(),
            events: Arc::clone(&app.parts.events),
            depth: depth_for(&rules),
            from: job.asked.from,
            to: job.asked.to,
        },
        rules,
        job.asked.rule.as_deref().map(Box::from),
    );
    run(&app, &job, backtest);
    Ok((StatusCode::ACCEPTED, Json(reply(&job, job.done()))))
}

/// Shows a backtest: how far it is, and what came of it. The last few are remembered, until the server ends.
#[utoipa::path(
    get, path = "/api/v1/backtests/{id}", tag = "detection", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 200, body = BacktestReply),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn backtest(
    State(app): State<App>,
    _: MayRead,
    Segment(id): Segment<u64>,
) -> Result<Json<BacktestReply>, Problem> {
    let job = find(&app, id)?;
    Ok(Json(reply(&job, job.done())))
}

/// Lists the backtests that are remembered, newest first, without what they found.
#[utoipa::path(get, path = "/api/v1/backtests", tag = "detection", responses((status = 200, body = List<BacktestReply>)))]
pub(crate) async fn backtests(State(app): State<App>, _: MayRead) -> Json<List<BacktestReply>> {
    let items = app.backtests.all().into_iter().map(|job| {
        let done = Done {
            figures: None,
            detections: Vec::new(),
            ..job.done()
        };
        reply(&job, done)
    });
    Json(List {
        items: items.collect(),
        next_cursor: None,
    })
}

/// Stops a backtest; its figures are then of what it has gone through.
#[utoipa::path(
    post, path = "/api/v1/backtests/{id}/cancel", tag = "detection", params(("id" = u64, Path, description = "Its number")),
    responses(
        (status = 204),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn cancel(
    State(app): State<App>,
    MayChange(actor): MayChange,
    Segment(id): Segment<u64>,
) -> Result<StatusCode, Problem> {
    let job = find(&app, id)?;
    job.cancel.cancel();
    app.record(&actor, "backtest-cancel", id.to_string()).await;
    Ok(StatusCode::NO_CONTENT)
}

fn find(app: &App, id: u64) -> Result<Arc<Job>, Problem> {
    let job = app.backtests.find(id);
    job.ok_or_else(|| Problem::not_found(format!("there is no backtest {id}, or none any more")))
}

/// Runs the job on a thread that may block, until it has ended or the server is to end.
fn run(app: &App, job: &Arc<Job>, backtest: Backtest) {
    let partitions = app.parts.journal.partitions();
    let overlaps = |partition: &&journal::PartitionInfo| {
        let since = backtest
            .replay
            .from
            .is_none_or(|from| partition.newest >= from);
        since && backtest.replay.to.is_none_or(|to| partition.oldest < to)
    };
    let asked = || partitions.iter().filter(overlaps);
    let (first, last) = (asked().next(), asked().next_back());
    job.progress(|progress| {
        progress.first_seq = first.map_or(Seq::ZERO, |first| first.first);
        progress.last_seq = last.map_or(Seq::ZERO, |last| last.last);
        progress.through_seq = progress.first_seq;
    });
    // Not the whole server: it waits at its end for those who hold it.
    let (cancel, mut stop) = (job.cancel.clone(), app.parts.stop.clone());
    let running = Arc::clone(job);
    let work = tokio::task::spawn_blocking(move || {
        let allowance = Allowance {
            cancel: running.cancel.clone(),
            ..Allowance::default()
        };
        backtest.run(
            &allowance,
            &mut |detection| running.found(detection),
            &mut |passage| {
                running.progress(|progress| {
                    progress.events = passage.events;
                    progress.through_seq = passage.through;
                });
            },
        )
    });
    let job = Arc::clone(job);
    tokio::spawn(async move {
        tokio::pin!(work);
        let stopped = async move {
            // An error says that the owner is gone, and so is the server.
            let _ended = stop.wait_for(|stop| *stop).await;
        };
        let done = tokio::select! {
            done = &mut work => done,
            () = stopped => {
                cancel.cancel();
                work.await
            }
        };
        match done {
            Ok(figures) if figures.because.contains(&Shortfall::Cancelled) => {
                job.end(JobState::Cancelled, Some(figures));
            }
            Ok(figures) => job.end(JobState::Done, Some(figures)),
            Err(error) => {
                error!(%error, id = job.id, "a backtest broke");
                job.end(JobState::Failed, None);
            }
        }
    });
}

fn reply(job: &Job, done: Done) -> BacktestReply {
    BacktestReply {
        id: job.id,
        state: done.state,
        asked: job.asked.clone(),
        progress: done.progress,
        result: done.figures.map(|figures| BacktestResult {
            figures,
            found: done.detections,
        }),
    }
}
