//! Backtests on a running server: one at a time, each in a thread of its own; the last few can be asked for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event::{Detection, Micros, Seq};
use index::Cancel;
use serde::Serialize;
use utoipa::ToSchema;

use crate::backtest::BacktestFigures;

/// Detections that a job keeps; the others are counted. Each takes about 1 KiB.
pub(crate) const DETECTIONS_MAX: usize = 10_000;
/// Jobs that are remembered.
const JOBS_MAX: usize = 3;

/// The backtests of this server.
#[derive(Debug, Default)]
pub(crate) struct BacktestJobs {
    jobs: Mutex<Jobs>,
}

#[derive(Debug, Default)]
struct Jobs {
    made: u64,
    kept: VecDeque<Arc<Job>>,
}

/// What is asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Asked {
    /// Only detections of this rule, if one is named.
    pub(crate) rule: Option<String>,
    /// Only records received since.
    #[schema(value_type = Option<String>)]
    pub(crate) from: Option<Micros>,
    /// Only records received before.
    #[schema(value_type = Option<String>)]
    pub(crate) to: Option<Micros>,
    /// The version of rules and settings.
    pub(crate) rules_version: String,
    /// Who asked.
    pub(crate) by: String,
    /// When it began.
    #[schema(value_type = String)]
    pub(crate) began_at: Micros,
}

/// A backtest.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) asked: Asked,
    pub(crate) cancel: Cancel,
    done: Mutex<Done>,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub(crate) state: JobState,
    pub(crate) progress: Progress,
    pub(crate) figures: Option<BacktestFigures>,
    pub(crate) detections: Vec<Arc<Detection>>,
}

/// How far through the journal.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Progress {
    /// Events so far.
    pub(crate) events: u64,
    /// Detections so far.
    pub(crate) detections: u64,
    /// The last Seq so far.
    #[schema(value_type = u64)]
    pub(crate) through_seq: Seq,
    /// The first Seq of all.
    #[schema(value_type = u64)]
    pub(crate) first_seq: Seq,
    /// The last Seq of all.
    #[schema(value_type = u64)]
    pub(crate) last_seq: Seq,
}

/// Whether a job still goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobState {
    /// It goes on.
    #[default]
    Running,
    /// It has gone through everything.
    Done,
    /// Somebody has stopped it: its figures are of what it had gone through.
    Cancelled,
    /// It broke; the log says why.
    Failed,
}

impl BacktestJobs {
    /// A new job, unless another still runs, which is then given.
    pub(crate) fn begin(&self, asked: Asked) -> Result<Arc<Job>, Arc<Job>> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let running = jobs.kept.iter().find(|job| job.is_running());
        if let Some(running) = running {
            return Err(Arc::clone(running));
        }
        jobs.made += 1;
        let job = Arc::new(Job {
            id: jobs.made,
            asked,
            cancel: Cancel::default(),
            done: Mutex::default(),
        });
        jobs.kept.push_back(Arc::clone(&job));
        if jobs.kept.len() > JOBS_MAX {
            jobs.kept.pop_front();
        }
        Ok(job)
    }

    /// The job of that number, if it is still remembered.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.kept.iter().find(|job| job.id == id).map(Arc::clone)
    }

    /// Those remembered, newest first.
    pub(crate) fn all(&self) -> Vec<Arc<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.kept.iter().rev().map(Arc::clone).collect()
    }
}

impl Job {
    pub(crate) fn is_running(&self) -> bool {
        self.lock().state == JobState::Running
    }

    /// How far it is.
    pub(crate) fn done(&self) -> Done {
        self.lock().clone()
    }

    pub(crate) fn progress(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock().progress);
    }

    /// Keeps a detection, or only counts it.
    pub(crate) fn found(&self, detection: Detection) {
        let mut done = self.lock();
        done.progress.detections += 1;
        if done.detections.len() < DETECTIONS_MAX {
            done.detections.push(Arc::new(detection));
        }
    }

    pub(crate) fn end(&self, state: JobState, figures: Option<BacktestFigures>) {
        let mut done = self.lock();
        done.state = state;
        done.figures = figures;
    }

    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            rule: None,
            from: None,
            to: None,
            rules_version: "1".to_owned(),
            by: "an".to_owned(),
            began_at: Micros(0),
        }
    }

    #[test]
    fn one_runs_at_a_time_and_the_last_ones_are_remembered() {
        let jobs = BacktestJobs::default();
        let first = jobs.begin(asked()).expect("nothing runs");
        assert_eq!(
            jobs.begin(asked()).expect_err("the first runs").id,
            first.id
        );
        for _ in 0..JOBS_MAX {
            let running = jobs.all().into_iter().find(|job| job.is_running());
            running.expect("one runs").end(JobState::Done, None);
            jobs.begin(asked()).expect("nothing runs");
        }
        assert!(jobs.find(first.id).is_none());
        let ids: Vec<u64> = jobs.all().iter().map(|job| job.id).collect();
        assert_eq!(ids, [4, 3, 2]);
    }
}
