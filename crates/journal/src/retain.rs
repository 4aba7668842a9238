//! Drops whole partitions whose time is over, by the time that this node saw passing.

use std::io;
use std::path::PathBuf;

use event::{OwnRecord, Seq};

use crate::map::PartitionInfo;
use crate::recover::remove_partition;
use crate::shared::Shared;

const US_PER_DAY: u64 = 86_400_000_000;

/// The oldest partition, if its time is over at `seen_us`. The newest partition never is.
///
/// A partition's age begins with its last block. Time during which the node was off, or by which its wall clock
/// jumped, is not counted: it can only keep records longer.
pub(crate) fn due(shared: &Shared, seen_us: u64) -> Option<PartitionInfo> {
    let kept_us = u64::from(shared.options.retention_days).saturating_mul(US_PER_DAY);
    let map = shared.map();
    if map.partitions.len() < 2 {
        return None;
    }
    let (first, partition) = map.partitions.first_key_value()?;
    let is_open = partition.segments.values().any(|segment| segment.open);
    let age = seen_us.saturating_sub(partition.seen_us());
    if is_open || age < kept_us {
        return None;
    }
    partition.info(*first)
}

/// The record that says that a partition was dropped.
pub(crate) fn dropped(info: &PartitionInfo) -> OwnRecord {
    OwnRecord::PartitionDropped {
        first: info.first,
        last: info.last,
        records: info.records,
        newest_at: info.newest,
    }
}

/// Removes a partition; readers no longer find it first.
pub(crate) fn drop_partition(shared: &Shared, first: Seq) -> io::Result<()> {
    let removed = shared.map_mut().partitions.remove(&first);
    let paths: Vec<PathBuf> = removed
        .iter()
        .flat_map(|partition| partition.segments.values())
        .map(|segment| segment.path.clone())
        .collect();
    remove_partition(shared.disk.as_ref(), &shared.class_dir, first)?;
    tracing::info!(partition = %first, segments = paths.len(), "dropped a partition whose time is over");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use disk::{Disk, SimDisk};
    use event::{Clock, ManualClock, Micros, Origin, Record};

    use super::*;
    use crate::journal::open_writer;
    use crate::options::Options;
    use crate::recover::Recovery;
    use crate::writer::Writer;

    fn open(disk: &SimDisk, clock: &Arc<ManualClock>) -> (Writer, Recovery) {
        let options = Options {
            reserve_bytes: 0,
            segment_bytes: 16 << 10,
            ..Options::default()
        };
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        open_writer(disk, Path::new("/journal"), options, clock).unwrap()
    }

    #[test]
    fn a_partition_is_dropped_wholly_or_not_at_all() {
        for (seed, calls) in (0..40).flat_map(|seed| (0..12).map(move |calls| (seed, calls))) {
            let disk = SimDisk::new(seed);
            let clock = Arc::new(ManualClock::at(Micros(0)));
            let (mut writer, _) = open(&disk, &clock);
            let record = Record::new(Arc::new(Origin::own()), clock.now(), "message".into());
            for _ in 0..4 {
                writer.commit(&[std::slice::from_ref(&record)]).unwrap();
                writer.close().unwrap();
            }
            clock.advance(Duration::from_secs(86_400));
            writer.commit(&[&[record]]).unwrap();

            disk.cut_power_after(calls);
            let dropped = drop_partition(writer.shared(), Seq(1)).is_ok();
            disk.cut_power();
            disk.restart();
            let (writer, recovery) = open(&disk, &clock);
            let place = format!("seed {seed}, {calls} calls");
            assert_eq!(recovery.losses, [], "{place}");
            let infos = writer.shared().map().infos();
            let records: u64 = infos.iter().map(|info| info.records).sum();
            assert!(records == 1 || (records == 5 && !dropped), "{place}");
        }
    }
}
