//! Equal questions: one search at a time answers them all.
//!
//! Those that are asked while it goes on wait for the next, together. Each search begins after the last of those whom it
//! answers has asked, so that each answer is the one that the question would have had alone.

use std::any::Any;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::{mpsc, watch};

use crate::problem::Problem;
use crate::turns::Turn;

/// Goes through a search when it has its turn.
type Search<T> = BoxFuture<'static, Result<T, Problem>>;

/// Questions that wait, or are searched for.
#[derive(Debug, Default)]
pub(crate) struct Alike(Mutex<Vec<Pending>>);

#[derive(Debug)]
struct Pending {
    /// Takes the turn in which the search begins; closed once it has one.
    turn: mpsc::Sender<Turn>,
    ended: Ended,
    /// An [`Asked`].
    asked: Box<dyn Any + Send>,
}

struct Asked<K, T: Clone> {
    question: K,
    coming: WeakShared<Search<T>>,
}

/// When a search has ended, or all who wait for it have left.
#[derive(Clone, Debug)]
struct Ended(watch::Receiver<()>);

impl Ended {
    fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }

    async fn wait(mut self) {
        // Nothing is ever sent: the error says that the sender is gone.
        while self.0.changed().await.is_ok() {}
    }
}

/// A place among those who wait for the answer to a question.
pub(crate) struct Joined<T: Clone> {
    /// The answer; the search is cancelled when all who wait for it have left.
    pub(crate) coming: Shared<Search<T>>,
    /// Takes the turn in which the search begins. Any of those who wait may give it; closed once one has.
    pub(crate) turn: mpsc::Sender<Turn>,
    /// The search for the same question that goes on.
    before: Option<Ended>,
}

impl<T: Clone> Joined<T> {
    /// Waits until no search for the same question goes on any more: from then on a turn is of use.
    pub(crate) async fn may_begin(&self) {
        if let Some(before) = self.before.clone() {
            before.wait().await;
        }
    }
}

impl Alike {
    /// Joins those who wait for an answer to the same question, or is the first of them: then `search` is how it is found
    /// in a turn. Questions are compared only where both types are the same.
    pub(crate) fn join<K, T, S>(
        &self,
        question: K,
        search: impl FnOnce(Turn) -> S + Send + 'static,
    ) -> Joined<T>
    where
        K: PartialEq + Send + 'static,
        T: Clone + Send + Sync + 'static,
        S: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let mut all = self.lock();
        all.retain(|pending| !pending.ended.is_over());
        let (mut before, mut waiting) = (None, None);
        for pending in all.iter() {
            let asked = pending.asked.downcast_ref::<Asked<K, T>>();
            let Some(asked) = asked.filter(|asked| asked.question == question) else {
                continue;
            };
            match asked.coming.upgrade() {
                Some(coming) if !pending.turn.is_closed() => {
                    waiting = Some((coming, pending.turn.clone()));
                }
                _ => before = Some(pending.ended.clone()),
            }
        }
        if let Some((coming, turn)) = waiting {
            return Joined {
                coming,
                turn,
                before,
            };
        }
        let (turn, mut turns) = mpsc::channel::<Turn>(1);
        let (goes_on, ended) = watch::channel(());
        let coming = async move {
            let given = turns.recv().await;
            // Whoever asks from now on may know of events that the search does not see.
            drop(turns);
            let answer = search(given.expect("whoever waits holds the other end")).await;
            drop(goes_on);
            answer
        };
        let coming = coming.boxed().shared();
        all.push(Pending {
            turn: turn.clone(),
            ended: Ended(ended),
            asked: Box::new(Asked {
                question,
                coming: coming.downgrade().expect("it has not ended"),
            }),
        });
        Joined {
            coming,
            turn,
            before,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
