//! Searches in threads of their own: a few at a time, each within its budget, none for an asker who has left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use index::{Budget, Cancel, SearchError};
use query::Memory;

use crate::own_thread;
use crate::problem::Problem;
use crate::turns::{Turn, Turns};

/// Searches of one person or program that may wait for their turn.
const WAITING_MAX: usize = 100;

/// What the rows of one search may take in memory, in bytes, and those of all that run.
const ROWS_BYTES_MAX: usize = 128 << 20;
const ALL_ROWS_BYTES_MAX: usize = 512 << 20;

/// Runs searches.
#[derive(Debug)]
pub(crate) struct Searches {
    turns: Arc<Turns>,
    /// How long a search waits for its turn.
    patience: Duration,
    time: Duration,
    rows: Memory,
}

/// The budget that several searches have together.
#[derive(Debug)]
pub(crate) struct Deadline {
    began: Instant,
    whole: Budget,
}

impl Deadline {
    /// Begins now.
    pub(crate) fn new(whole: Budget) -> Self {
        Self {
            began: Instant::now(),
            whole,
        }
    }

    /// What the next search may spend: the time that is left.
    pub(crate) fn budget(&self) -> Budget {
        Budget {
            time: self.whole.time.saturating_sub(self.began.elapsed()),
            ..self.whole.clone()
        }
    }
}

/// Cancels a search whose asker has gone: the request's future is dropped, and this with it.
pub(crate) struct CancelWhenDropped(pub(crate) Cancel);

impl Drop for CancelWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Searches {
    /// At most `at_once` at a time, each no longer than `time`; more wait for `patience`, and their turns are shared out
    /// fairly among those who ask.
    pub(crate) fn new(at_once: usize, time: Duration, patience: Duration) -> Self {
        Self {
            turns: Turns::new(at_once, WAITING_MAX),
            patience,
            time,
            rows: Memory::new(ALL_ROWS_BYTES_MAX),
        }
    }

    /// Runs one of that asker when it is its turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        who: &str,
        work: impl FnOnce(Budget, Cancel) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(self.patience, self.turns.take(who)).await {
            Ok(Ok(turn)) => self.run_in(turn, work).await,
            Ok(Err(_)) => Err(Problem::busy("too many of your searches are waiting")),
            Err(_) => Err(Problem::busy("too many searches are running")),
        }
    }

    /// Runs one of that asker when it is its turn, however long that takes: a part of something long, which waits anyway.
    pub(crate) async fn run_patiently<T: Send + 'static>(
        &self,
        who: &str,
        work: impl FnOnce(Budget, Cancel) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.turns.take(who).await;
        let turn = turn.map_err(|_| Problem::busy("too many of your searches are waiting"))?;
        self.run_in(turn, work).await
    }

    async fn run_in<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(Budget, Cancel) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, Problem> {
        let budget = Budget {
            time: self.time,
            rows: Memory::within(ROWS_BYTES_MAX, &self.rows),
            ..Budget::default()
        };
        let cancel = Cancel::default();
        let asker = CancelWhenDropped(cancel.clone());
        // The thread keeps the turn: a search that ends late still counts.
        let search = own_thread::run("search", move || {
            let result = work(budget, cancel);
            drop(turn);
            result
        });
        let result = search.await?;
        drop(asker);
        Ok(result?)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    use super::*;

    /// Goes on until it is cancelled.
    fn endless(cancel: &Cancel) -> Result<(), SearchError> {
        while !cancel.is_cancelled() {
            std::thread::yield_now();
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_search_ends_when_its_asker_leaves() {
        let searches = Searches::new(1, Duration::from_secs(60), Duration::from_secs(60));
        for _ in 0..20 {
            let asked = searches.run("an", |_, cancel| endless(&cancel));
            let left = tokio::time::timeout(Duration::from_millis(2), asked).await;
            assert!(left.is_err());
        }
        // There is one turn only: it comes when the endless ones have ended.
        assert_eq!(searches.run("an", |_, _| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whoever_waits_too_long_for_a_turn_is_told_to_come_again() {
        let searches = Searches::new(1, Duration::from_secs(60), Duration::from_millis(1));
        let first = searches.run("an", |_, cancel| endless(&cancel));
        tokio::pin!(first);
        let started = tokio::time::timeout(Duration::from_millis(2), &mut first).await;
        assert!(started.is_err());
        let refused = searches
            .run("binh", |_, _| Ok(()))
            .await
            .unwrap_err()
            .into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.headers().contains_key("retry-after"));
    }
}
