//! Long searches give way: to short ones, so that twenty people at once do not make a quick question slow, and to what
//! arrives.
//!
//! The kernel shares out the cores by a thread's niceness (sched(7)): each step of it is a fifth less of a share. A thread
//! that has worked for longer than a quick search takes gives way to those that have not, and one that has worked for
//! long gives way to both, as a multilevel feedback queue does. It can never be raised again, which is why the threads of
//! a search end with it.

use std::cell::Cell;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use tracing::debug;

/// From how much CPU time of a thread on, in nanoseconds, it has which niceness.
const STEPS: [(u64, i32); 2] = [(40_000_000, 8), (200_000_000, 16)];

thread_local! {
    /// How many of the steps this thread has made.
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// Lets this thread give way if it has worked for long. Asked between pieces of work.
pub(crate) fn give_way_if_long() {
    let Some((from, niceness)) = STEPS.get(MADE.get()) else {
        return;
    };
    if cpu_ns() < *from {
        return;
    }
    MADE.set(MADE.get() + 1);
    // Of a process of no id the kernel takes the calling thread.
    if let Err(error) = setpriority_process(None, *niceness) {
        debug!(%error, "a search cannot give way to others");
    }
}

/// What this thread has worked so far.
fn cpu_ns() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, rest) = (u64::try_from(used.tv_sec), u64::try_from(used.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_by_steps_as_it_works_on() {
        let niceness = || rustix::process::getpriority_process(None).expect("a niceness");
        let before = niceness();
        let worker = std::thread::spawn(move || {
            give_way_if_long();
            let mut seen = vec![niceness()];
            for (from, _) in STEPS {
                while cpu_ns() < from {
                    std::hint::black_box(before);
                }
                give_way_if_long();
                seen.push(niceness());
            }
            seen
        });
        let [(_, first), (_, second)] = STEPS;
        assert_eq!(worker.join().expect("no panic"), [before, first, second]);
        assert_eq!(niceness(), before, "others are as they were");
    }
}
