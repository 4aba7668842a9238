//! The thread that makes large segments of small neighbouring ones.

use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use event::Seq;
use tracing::error;

use crate::partition::{Partition, folder, remove_files};
use crate::segment::Segment;
use crate::segment_writer;
use crate::state::Shared;

/// How many neighbours of about the same size become one.
const NEIGHBOURS: usize = 16;

/// How long a failed merge waits before it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Merges until the index closes.
pub(crate) fn run(shared: &Shared) {
    let mut seen = u64::MAX;
    loop {
        let mut state = shared.lock();
        while state.commits == seen && !state.closing {
            state = shared
                .committed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closing {
            return;
        }
        seen = state.commits;
        let partitions: Vec<_> = state.partitions.values().cloned().collect();
        drop(state);
        let merged = catch_unwind(AssertUnwindSafe(|| merge_all(shared, &partitions)));
        let merged =
            merged.unwrap_or_else(|_| Err(io::Error::other("panicked; the log says where")));
        if let Err(error) = merged {
            error!(%error, "cannot merge segments; trying again");
            let mut state = shared.lock();
            state.failure = Some(error.to_string());
            let (state, _) = shared
                .committed
                .wait_timeout_while(state, RETRY_AFTER, |state| !state.closing)
                .unwrap_or_else(PoisonError::into_inner);
            drop(state);
        }
    }
}

fn merge_all(shared: &Shared, partitions: &[Arc<Partition>]) -> io::Result<()> {
    for (at, partition) in partitions.iter().enumerate() {
        let is_last = at + 1 == partitions.len();
        let mut current = Arc::clone(partition);
        while let Some(range) =
            candidate(&sizes(&current), shared.options.merge_events_max, is_last)
        {
            if shared.lock().closing {
                return Ok(());
            }
            match merge(shared, current.first, &current.segments[range])? {
                Some(merged) => current = merged,
                None => break,
            }
        }
    }
    Ok(())
}

fn sizes(partition: &Partition) -> Vec<u32> {
    partition
        .segments
        .iter()
        .map(|segment| segment.len())
        .collect()
}

/// The neighbours to be merged next, if any.
///
/// While a partition grows, [`NEIGHBOURS`] of about the same order of size become one, so that an event is rewritten about
/// once for each order. Small ones before one that grows no more get no further neighbours, and are joined. Once the
/// partition has ended, what is left of small ones is joined up to the greatest size.
fn candidate(sizes: &[u32], events_max: u32, is_growing: bool) -> Option<Range<usize>> {
    let mut start = 0;
    while start < sizes.len() {
        let run = run_from(sizes, start, events_max);
        if run.len() >= NEIGHBOURS {
            let run = start..start + NEIGHBOURS;
            let all = sizes.get(run.clone()).unwrap_or_default();
            // Where one is most of it, it would be rewritten for the sake of few.
            let largest = all.iter().max().copied().unwrap_or(0);
            if all.iter().sum::<u32>() / 2 >= largest {
                return Some(run);
            }
        }
        start += 1;
    }
    if is_growing {
        let grown = sizes.iter().rposition(|size| !grows(*size, events_max));
        let settled = sizes.get(..grown.unwrap_or(0)).unwrap_or_default();
        leftovers(settled, events_max, |size| grows(size, events_max))
    } else {
        leftovers(sizes, events_max, |size| size < events_max / 2)
    }
}

/// Whether a segment of that size still waits for neighbours.
fn grows(size: u32, events_max: u32) -> bool {
    size <= events_max / u32::try_from(NEIGHBOURS).unwrap_or(1)
}

/// Segments from `start` on that are of no greater order of size than the first and still are to grow. Where little
/// arrives, commits of one event and of a hundred take turns.
fn run_from(sizes: &[u32], start: usize, events_max: u32) -> Range<usize> {
    let Some(first) = sizes.get(start) else {
        return start..start;
    };
    let alike = sizes
        .iter()
        .skip(start)
        .take_while(|size| grows(**size, events_max) && order(**size) <= order(*first));
    start..start + alike.count()
}

fn order(size: u32) -> u32 {
    size.max(1).ilog(u32::try_from(NEIGHBOURS).unwrap_or(2))
}

/// Two or more small neighbours that together stay within the greatest size.
fn leftovers(
    sizes: &[u32],
    events_max: u32,
    is_small: impl Fn(u32) -> bool,
) -> Option<Range<usize>> {
    let mut start = 0;
    while start < sizes.len() {
        let mut sum = 0_u32;
        let mut end = start;
        while let Some(size) = sizes.get(end).filter(|size| is_small(**size)) {
            let Some(larger) = sum
                .checked_add(*size)
                .filter(|larger| *larger <= events_max)
            else {
                break;
            };
            sum = larger;
            end += 1;
        }
        if end - start >= 2 {
            return Some(start..end);
        }
        start = end.max(start + 1);
    }
    None
}

/// Merges the segments and puts the result in their place; `None` where they are no longer there.
fn merge(
    shared: &Shared,
    first: Seq,
    segments: &[Arc<Segment>],
) -> io::Result<Option<Arc<Partition>>> {
    let folder = folder(&shared.dir, first);
    let info = segment_writer::merge(&*shared.disk, &folder, segments)?;
    let file = info.file.clone();
    let merged = Arc::new(Segment::open(&folder, info)?);
    let manifests = shared.lock_manifests();
    let present = {
        let state = shared.lock();
        let is_left_alone = state.rebuilding.contains(&first);
        state
            .partitions
            .get(&first)
            .filter(|_| !is_left_alone)
            .cloned()
    };
    let replaced = present.and_then(|partition| replaced(&partition, segments, merged));
    let Some(partition) = replaced else {
        remove_files(&*shared.disk, &folder, [file.as_str()].into_iter());
        return Ok(None);
    };
    partition.save(&*shared.disk, &folder)?;
    let partition = Arc::new(partition);
    let mut state = shared.lock();
    state.partitions.insert(first, Arc::clone(&partition));
    state.merges += 1;
    drop(state);
    drop(manifests);
    let old = segments.iter().map(|segment| segment.info.file.as_str());
    remove_files(&*shared.disk, &folder, old);
    Ok(Some(partition))
}

fn replaced(
    partition: &Partition,
    old: &[Arc<Segment>],
    merged: Arc<Segment>,
) -> Option<Partition> {
    let first = old.first()?;
    let at = partition
        .segments
        .iter()
        .position(|segment| Arc::ptr_eq(segment, first))?;
    let present = partition.segments.get(at..at + old.len())?;
    if !present
        .iter()
        .zip(old)
        .all(|(one, two)| Arc::ptr_eq(one, two))
    {
        return None;
    }
    let mut partition = partition.clone();
    partition.segments.splice(at..at + old.len(), [merged]);
    Some(partition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_order_are_merged_when_there_are_enough() {
        let check = |sizes: &[u32], growing, expected| {
            assert_eq!(candidate(sizes, 1_000_000, growing), expected, "{sizes:?}");
        };
        check(&[30_000; 15], true, None);
        check(&[30_000; 16], true, Some(0..16));
        check(
            &[[400_000; 3].as_slice(), &[30_000; 17]].concat(),
            true,
            Some(3..19),
        );
        check(
            &[[500; 8].as_slice(), &[30_000], &[500; 8]].concat(),
            true,
            None,
        );
        check(&[5, 100].repeat(10), true, Some(1..17));
        check(&[[30_000].as_slice(), &[5; 15]].concat(), true, None);
        check(&[[30_000].as_slice(), &[5; 16]].concat(), true, Some(1..17));
        check(&[500, 30_000, 900_000, 5, 5], true, Some(0..2));
        check(&[30_500, 900_000, 5, 5], true, None);
        check(&[900_000, 30_000, 500], false, Some(1..3));
        check(&[900_000, 500, 900_000], false, None);
        check(&[], false, None);
    }

    #[test]
    fn few_segments_are_left_whatever_the_sizes_of_commits() {
        let mut random = 4711_u32;
        let mut sizes: Vec<u32> = Vec::new();
        let (mut rewritten, mut events) = (0_u64, 0_u64);
        for commit in 0..5_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Mostly few, now and then many.
            let size = 1 + (random >> 16) % if commit % 50 == 0 { 20_000 } else { 200 };
            events += u64::from(size);
            sizes.push(size);
            while let Some(range) = candidate(&sizes, 1_000_000, true) {
                let sum: u32 = sizes[range.clone()].iter().sum();
                rewritten += u64::from(sum);
                sizes.splice(range, [sum]);
            }
        }
        assert!(sizes.len() <= 100, "{} segments", sizes.len());
        assert!(rewritten <= 3 * events, "{rewritten} of {events}");
    }

    #[test]
    fn merging_ends_and_rewrites_each_event_a_few_times() {
        let mut sizes: Vec<u32> = Vec::new();
        let mut rewritten = 0_u64;
        for size in [25_000; 600] {
            sizes.push(size);
            while let Some(range) = candidate(&sizes, 1_000_000, true) {
                let sum: u32 = sizes[range.clone()].iter().sum();
                rewritten += u64::from(sum);
                sizes.splice(range, [sum]);
            }
        }
        while let Some(range) = candidate(&sizes, 1_000_000, false) {
            let sum: u32 = sizes[range.clone()].iter().sum();
            rewritten += u64::from(sum);
            sizes.splice(range, [sum]);
        }
        let events = 600 * 25_000;
        assert_eq!(
            sizes.iter().map(|size| u64::from(*size)).sum::<u64>(),
            events
        );
        assert!(rewritten <= 2 * events, "{rewritten}");
        assert!(sizes.iter().all(|size| *size <= 1_000_000));
    }
}
