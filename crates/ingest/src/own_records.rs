//! What this crate says about itself: losses each second, a heartbeat every ten, jumps of the clock.

use std::sync::Arc;
use std::time::Duration;

use event::{Clock, LossCause, Micros, OwnRecord};
use tokio::time::{MissedTickBehavior, interval};

use crate::intake::{Intake, JournalStopped};
use crate::losses::{LossBook, Noted};
use crate::stream::{Stop, stopped};

/// How often losses are written down.
const TICK: Duration = Duration::from_secs(1);
/// A heartbeat every so many ticks: every 10 s.
const HEARTBEAT_TICKS: u64 = 10;
/// The wall clock may differ from the time that passed by so much before it is said to have jumped: well above what
/// slewing does in a second, well below what confuses a reader of logs.
const JUMP_MIN: Duration = Duration::from_secs(2);

/// Writes own records until `stop`, and the last losses then.
pub(crate) async fn run(
    intake: Intake,
    losses: Arc<LossBook>,
    clock: Arc<dyn Clock>,
    mut stop: Stop,
) {
    let started = clock.monotonic();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = ClockWatch::new(clock.as_ref());
    for tick in 0_u64.. {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            _ = ticks.tick() => {}
        }
        watch.look(clock.as_ref(), &losses);
        write_losses(&intake, &losses, clock.as_ref()).await;
        if tick.is_multiple_of(HEARTBEAT_TICKS) {
            let uptime_s = clock.monotonic().saturating_sub(started).as_secs();
            let heartbeat = OwnRecord::Heartbeat {
                uptime_s,
                durable_seq: intake.durable(),
            };
            write(&intake, &heartbeat, clock.now()).await;
        }
    }
}

/// Writes down the losses noted so far.
pub(crate) async fn write_losses(intake: &Intake, losses: &LossBook, clock: &dyn Clock) {
    for loss in losses.take() {
        tracing::warn!(
            cause = %loss.cause,
            source = loss.source,
            records_max = loss.records_max,
            bytes = loss.bytes,
            detail = loss.detail,
            "loss"
        );
        write(intake, &OwnRecord::Loss(loss), clock.now()).await;
    }
}

async fn write(intake: &Intake, own: &OwnRecord, now: Micros) {
    if let Err(JournalStopped) = intake.own(own, now).await {
        tracing::error!(?own, "cannot be recorded: the journal has stopped");
    }
}

/// Compares the wall clock with the time that passes.
#[derive(Debug)]
struct ClockWatch {
    wall: Micros,
    monotonic: Duration,
}

impl ClockWatch {
    fn new(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            monotonic: clock.monotonic(),
        }
    }

    /// Notes a jump since the last look.
    fn look(&mut self, clock: &dyn Clock, losses: &LossBook) {
        let now = Self::new(clock);
        let expected = self
            .wall
            .after(now.monotonic.saturating_sub(self.monotonic));
        let (ahead, behind) = (now.wall.since(expected), expected.since(now.wall));
        *self = now;
        if ahead.max(behind) < JUMP_MIN {
            return;
        }
        let (seconds, direction) = match behind.is_zero() {
            true => (ahead.as_secs(), "forwards"),
            false => (behind.as_secs(), "backwards"),
        };
        losses.note(Noted {
            cause: LossCause::ClockJump,
            source: "nhatky",
            from: expected.min(self.wall),
            to: expected.max(self.wall),
            records_max: Some(0),
            bytes: None,
            detail: &format!("the wall clock jumped {seconds} s {direction}"),
        });
    }
}

#[cfg(test)]
mod tests {
    use event::ManualClock;

    use super::*;

    fn check(jump_s: i64, expected: Option<&str>) {
        let clock = ManualClock::at(Micros(1_000_000_000));
        let losses = LossBook::default();
        let mut watch = ClockWatch::new(&clock);
        clock.advance(Duration::from_secs(1));
        clock.set_wall(Micros(clock.now().0 + jump_s * Micros::PER_SECOND));
        watch.look(&clock, &losses);
        clock.advance(Duration::from_secs(1));
        watch.look(&clock, &losses);
        let found: Vec<_> = losses
            .take()
            .into_iter()
            .map(|loss| (loss.detail, loss.to.since(loss.from)))
            .collect();
        let length = Duration::from_secs(jump_s.unsigned_abs());
        let expected: Vec<_> = expected
            .into_iter()
            .map(|text| (text.to_owned(), length))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_jump_of_the_wall_clock_is_noted_once() {
        check(0, None);
        check(1, None);
        check(-1, None);
        check(3600, Some("the wall clock jumped 3600 s forwards"));
        check(-3600, Some("the wall clock jumped 3600 s backwards"));
    }
}
