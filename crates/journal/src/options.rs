//! What a journal may be told.

use crate::error::OpenError;

/// The fewest days that records are kept, whatever is configured: Điều 7.1 of Quyết định 17/2020/QĐ-UBND.
pub const RETENTION_DAYS_MIN: u32 = 7;

/// How a journal behaves. The defaults suit a server; tests make everything smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Days after its end for which a partition is kept, at least [`RETENTION_DAYS_MIN`]. Counted by the time that
    /// this node saw passing.
    pub retention_days: u32,
    /// Bytes of disk that are left to others: below it appending waits. Default 512 MiB, since index and registry
    /// fail before the journal does.
    pub reserve_bytes: u64,
    /// Bytes of records that may wait for the writer; beyond it [`crate::Appender::submit`] waits. Default 32 MiB.
    pub queue_bytes_max: usize,
    /// Bytes of records written by one sync, about. Default 4 MiB.
    pub commit_bytes_max: usize,
    /// Uncompressed bytes in a block, about. Default 256 KiB: larger ones gain a thousandth of their size.
    pub block_bytes: usize,
    /// Bytes of disk that a hot segment reserves. Default 64 MiB.
    pub segment_bytes: u64,
    /// Uncompressed bytes at which a partition closes. Default 4 GiB.
    pub partition_bytes: u64,
    /// Bytes of decoded blocks kept for readers. Default 16 MiB.
    pub cache_bytes: usize,
    /// The zstd level of sealed segments, 1 to 19. Default 3: half the time of level 6 for a sixtieth of the raw size more.
    pub seal_level: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            retention_days: 30,
            reserve_bytes: 512 << 20,
            queue_bytes_max: 32 << 20,
            commit_bytes_max: 4 << 20,
            block_bytes: 256 << 10,
            segment_bytes: 64 << 20,
            partition_bytes: 4 << 30,
            cache_bytes: 16 << 20,
            seal_level: 3,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        if self.retention_days < RETENTION_DAYS_MIN {
            return Err(OpenError::RetentionTooShort {
                days: self.retention_days,
            });
        }
        Ok(())
    }
}
