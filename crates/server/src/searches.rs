//! Searches in threads of their own: a few at a time, each within its budget, none for an asker who has left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use index::{Budget, Cancel, SearchError};
use query::Memory;

use crate::alike::Alike;
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
    alike: Alike,
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
            alike: Alike::default(),
        }
    }

    /// Runs one of that asker when it is its turn, or waits for that of an equal question, whichever comes first; while
    /// one goes on that was asked before, neither begins. What `question` holds decides which are equal: all that `work`
    /// depends on.
    pub(crate) async fn run_once<K, T>(
        &self,
        who: &str,
        question: K,
        work: impl FnOnce(Budget, Cancel) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, Problem>
    where
        K: PartialEq + Send + 'static,
        T: Clone + Send + Sync + 'static,
    {
        let budget = self.budget();
        let joined = self.alike.join(question, |turn| run_in(turn, budget, work));
        let turn = async {
            joined.may_begin().await;
            self.turn(who).await
        };
        tokio::select! {
            biased;
            answer = joined.coming.clone() => return answer,
            turn = turn => match turn {
                // If another's turn has come before, this one goes on to the next in the queue.
                Ok(turn) => drop(joined.turn.try_send(turn)),
                Err(refused) if joined.turn.is_closed() => drop(refused),
                Err(refused) => return Err(refused),
            },
        }
        joined.coming.await
    }

    /// Runs one of that asker when it is its turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        who: &str,
        work: impl FnOnce(Budget, Cancel) -> Result<T, SearchError> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.turn(who).await?;
        run_in(turn, self.budget(), work).await
    }

    async fn turn(&self, who: &str) -> Result<Turn, Problem> {
        match tokio::time::timeout(self.patience, self.turns.take(who)).await {
            Ok(Ok(turn)) => Ok(turn),
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
        run_in(turn, self.budget(), work).await
    }

    fn budget(&self) -> Budget {
        Budget {
            time: self.time,
            rows: Memory::within(ROWS_BYTES_MAX, &self.rows),
            ..Budget::default()
        }
    }
}

async fn run_in<T: Send + 'static>(
    turn: Turn,
    budget: Budget,
    work: impl FnOnce(Budget, Cancel) -> Result<T, SearchError> + Send + 'static,
) -> Result<T, Problem> {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;
    use futures_util::future::join_all;

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

    #[tokio::test]
    async fn equal_questions_that_wait_are_answered_by_one_search() {
        let searches = Searches::new(1, Duration::from_secs(60), Duration::from_secs(60));
        let searched = Arc::new(AtomicU32::new(0));
        let ask = |who: &'static str, question: &'static str| {
            let searched = Arc::clone(&searched);
            searches.run_once(who, question, move |_, _| {
                Ok((question, searched.fetch_add(1, Ordering::Relaxed)))
            })
        };
        let turn = searches.turns.take("chi").await.unwrap();
        let mut asked = [
            Box::pin(ask("an", "a")),
            Box::pin(ask("binh", "a")),
            Box::pin(ask("binh", "b")),
            Box::pin(ask("an", "a")),
        ]
        .map(Some);
        for asked in &mut asked {
            assert!(futures_util::poll!(asked.as_mut().unwrap()).is_pending());
        }
        // The one who asked first leaves: the others wait on.
        drop(asked[0].take());
        drop(turn);
        let answers = join_all(asked.into_iter().flatten()).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, [("a", 0), ("b", 1), ("a", 0)]);
        // What is asked now is searched for anew.
        assert_eq!(ask("an", "a").await.unwrap(), ("a", 2));
        drop(searches.turns.take("chi").await.unwrap());
    }

    #[tokio::test]
    async fn what_is_asked_while_an_equal_question_is_searched_for_waits_for_the_next_search() {
        let searches = Searches::new(9, Duration::from_secs(60), Duration::from_secs(60));
        let (go_on, stopped) = std::sync::mpsc::sync_channel::<()>(1);
        let first = searches.run_once("an", "a", move |_, _| {
            stopped.recv().expect("a word");
            Ok(1)
        });
        let mut first = Box::pin(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        let ask = |who, number| Box::pin(searches.run_once(who, "a", move |_, _| Ok(number)));
        let (mut second, mut third) = (ask("binh", 2), ask("chi", 3));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(futures_util::poll!(&mut third).is_pending());
        // Other questions do not wait.
        let other = searches.run_once("an", "b", |_, _| Ok(9));
        assert_eq!(other.await.unwrap(), 9);
        assert!(futures_util::poll!(&mut second).is_pending());
        go_on.send(()).expect("it waits");
        assert_eq!(first.await.unwrap(), 1);
        // Whichever begins searches for both.
        let (second, third) = futures_util::join!(second, third);
        assert_eq!(second.unwrap(), third.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_shared_search_ends_when_all_askers_have_left() {
        let searches = Searches::new(1, Duration::from_secs(60), Duration::from_secs(60));
        for _ in 0..20 {
            let ask = || searches.run_once("an", "endless", |_, cancel| endless(&cancel));
            let both = futures_util::future::join(ask(), ask());
            let left = tokio::time::timeout(Duration::from_millis(2), both).await;
            assert!(left.is_err());
        }
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
