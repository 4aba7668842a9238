//! Long searches give way: to short ones, so that twenty people at once do not make a quick question slow, and to what
//! arrives.
//!
//! The kernel shares out the cores by a thread's niceness (sched(7)): a thread that has worked for longer than a quick
//! search takes gets a thirtieth of the share of one that has not. It can never be raised again, which is why the threads of a
//! search end with it.

use std::cell::Cell;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use tracing::debug;

/// CPU time of one thread that a quick search does not take, in nanoseconds.
const QUICK_NS: i64 = 6_000_000;
/// The niceness of one that takes longer.
const NICE: i32 = 15;

thread_local! {
    static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
}

/// Lets this thread give way if it has worked for long. Asked between pieces of work.
pub(crate) fn give_way_if_long() {
    if GIVES_WAY.get() {
        return;
    }
    let used = clock_gettime(ClockId::ThreadCPUTime);
    if used.tv_sec == 0 && used.tv_nsec < QUICK_NS {
        return;
    }
    GIVES_WAY.set(true);
    // Of a process of no id the kernel takes the calling thread.
    if let Err(error) = setpriority_process(None, NICE) {
        debug!(%error, "a search cannot give way to others");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_once_it_has_worked_for_long() {
        let niceness = || rustix::process::getpriority_process(None).expect("a niceness");
        let worker = std::thread::spawn(move || {
            let begin = niceness();
            give_way_if_long();
            assert_eq!(niceness(), begin);
            while clock_gettime(ClockId::ThreadCPUTime).tv_nsec < 2 * QUICK_NS {
                std::hint::black_box(begin);
            }
            give_way_if_long();
            niceness()
        });
        assert_eq!(worker.join().expect("no panic"), NICE);
        assert!(niceness() < NICE, "others are as they were");
    }
}
