//! Turns for what only a few may do at a time, shared out fairly among those who ask.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Turns of which so many are out at a time.
///
/// A turn that comes free goes to whoever has the fewest at that moment, and among those to whoever has waited longest:
/// one who asks for a hundred things at once waits for them, and nobody else does.
#[derive(Debug)]
pub(crate) struct Turns {
    at_once: usize,
    /// How many of one asker's requests may wait.
    waiting_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    out: usize,
    /// By asker; without those that have none.
    running: HashMap<Box<str>, usize>,
    /// In the order in which they came.
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    who: Box<str>,
    turn: oneshot::Sender<Turn>,
}

/// A turn; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    who: Box<str>,
}

/// So many of an asker's requests wait that there is no room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyWaiting;

impl Turns {
    pub(crate) fn new(at_once: usize, waiting_max: usize) -> Arc<Self> {
        Arc::new(Self {
            at_once,
            waiting_max,
            state: Mutex::default(),
        })
    }

    /// A turn for that asker, when it comes. Whoever drops the future waits no more.
    pub(crate) async fn take(self: &Arc<Self>, who: &str) -> Result<Turn, TooManyWaiting> {
        let coming = {
            let mut state = self.lock();
            state.waiting.retain(|waiting| !waiting.turn.is_closed());
            if state.out < self.at_once {
                return Ok(self.begin(&mut state, who.into()));
            }
            let of_asker = state
                .waiting
                .iter()
                .filter(|waiting| &*waiting.who == who)
                .count();
            if of_asker >= self.waiting_max {
                return Err(TooManyWaiting);
            }
            let (turn, coming) = oneshot::channel();
            state.waiting.push_back(Waiting {
                who: who.into(),
                turn,
            });
            coming
        };
        // Senders are dropped only with the askers that have left.
        coming.await.map_err(|_| TooManyWaiting)
    }

    fn begin(self: &Arc<Self>, state: &mut State, who: Box<str>) -> Turn {
        state.out += 1;
        *state.running.entry(who.clone()).or_default() += 1;
        Turn {
            turns: Arc::clone(self),
            who,
        }
    }

    /// Ends a turn of that asker; gives what must be handed over to the next.
    fn end(self: &Arc<Self>, who: &str) -> Option<(oneshot::Sender<Turn>, Turn)> {
        let mut state = self.lock();
        state.out = state.out.saturating_sub(1);
        if let Some(running) = state.running.get_mut(who) {
            *running = running.saturating_sub(1);
            if *running == 0 {
                state.running.remove(who);
            }
        }
        state.waiting.retain(|waiting| !waiting.turn.is_closed());
        if state.out >= self.at_once {
            return None;
        }
        let running = |waiting: &Waiting| state.running.get(&waiting.who).copied().unwrap_or(0);
        let waiting = state.waiting.iter().enumerate();
        let (at, _) = waiting.min_by_key(|(_, waiting)| running(waiting))?;
        let next = state.waiting.remove(at)?;
        let turn = self.begin(&mut state, next.who);
        Some((next.turn, turn))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((next, turn)) = self.turns.end(&self.who) {
            // If the next has left in this moment, the turn comes back, is dropped here, and goes to the one after.
            drop(next.send(turn));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_who_asks_for_much_does_not_keep_others_waiting() {
        let turns = Turns::new(2, 100);
        let mut running = Vec::new();
        for _ in 0..2 {
            running.push(turns.take("an").await.unwrap());
        }
        let waiting: Vec<_> = (0..5)
            .map(|_| Box::pin(turns.take("an")))
            .collect::<Vec<_>>();
        let mut of_an = futures_util::future::join_all(waiting);
        let mut of_binh = Box::pin(turns.take("binh"));
        // Both begin to wait, An's five first.
        assert!(futures_util::poll!(&mut of_an).is_pending());
        assert!(futures_util::poll!(&mut of_binh).is_pending());
        drop(running.pop());
        let binh = of_binh.await.unwrap();
        assert_eq!(&*binh.who, "binh");
        // From then on it is An's turn each time.
        drop(binh);
        drop(running);
        assert!(futures_util::poll!(&mut of_an).is_pending());
        assert_eq!(turns.lock().running.get("an"), Some(&2));
    }

    #[tokio::test]
    async fn a_turn_passes_over_those_who_have_left_and_is_never_lost() {
        let turns = Turns::new(1, 2);
        let first = turns.take("an").await.unwrap();
        let mut left = Box::pin(turns.take("an"));
        assert!(futures_util::poll!(&mut left).is_pending());
        let mut late = Box::pin(turns.take("an"));
        assert!(futures_util::poll!(&mut late).is_pending());
        // There is room for two that wait, and for no third.
        assert_eq!(turns.take("an").await.unwrap_err(), TooManyWaiting);
        drop(left);
        drop(first);
        // The turn has been handed over, and the one who got it leaves without having looked.
        drop(late);
        let last = turns.take("an").await.unwrap();
        drop(last);
        assert_eq!(turns.lock().out, 0);
        assert!(turns.lock().running.is_empty());
    }
}
