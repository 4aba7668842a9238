//! Decoded blocks kept for readers, bounded in bytes; the one not used for longest goes first.

use std::collections::HashMap;
use std::sync::Arc;

use event::{Record, Seq};

/// Names a block: the segment's tag and the block's first Seq.
pub(crate) type BlockKey = (u64, Seq);

#[derive(Debug)]
pub(crate) struct BlockCache {
    blocks: HashMap<BlockKey, Cached>,
    bytes: usize,
    bytes_max: usize,
    uses: u64,
}

#[derive(Debug)]
struct Cached {
    records: Arc<[Record]>,
    bytes: usize,
    last_use: u64,
}

impl BlockCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            blocks: HashMap::new(),
            bytes: 0,
            bytes_max,
            uses: 0,
        }
    }

    pub(crate) fn find(&mut self, key: BlockKey) -> Option<Arc<[Record]>> {
        self.uses = self.uses.saturating_add(1);
        let cached = self.blocks.get_mut(&key)?;
        cached.last_use = self.uses;
        Some(Arc::clone(&cached.records))
    }

    /// Keeps a block whose payload has `payload_bytes`, unless it alone is more than the bound.
    pub(crate) fn keep(&mut self, key: BlockKey, records: &Arc<[Record]>, payload_bytes: usize) {
        let own = size_of::<Record>().saturating_mul(records.len());
        let bytes = payload_bytes.saturating_add(own);
        if bytes > self.bytes_max || self.blocks.contains_key(&key) {
            return;
        }
        while self.bytes.saturating_add(bytes) > self.bytes_max {
            self.drop_oldest();
        }
        self.bytes = self.bytes.saturating_add(bytes);
        let cached = Cached {
            records: Arc::clone(records),
            bytes,
            last_use: self.uses,
        };
        self.blocks.insert(key, cached);
    }

    fn drop_oldest(&mut self) {
        let oldest = self.blocks.iter().min_by_key(|(_, cached)| cached.last_use);
        let Some(key) = oldest.map(|(key, _)| *key) else {
            self.bytes = 0;
            return;
        };
        if let Some(dropped) = self.blocks.remove(&key) {
            self.bytes = self.bytes.saturating_sub(dropped.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_not_used_for_longest_goes_first() {
        let mut cache = BlockCache::new(250);
        let block = Arc::from(Vec::new());
        cache.keep((1, Seq(1)), &block, 100);
        cache.keep((1, Seq(2)), &block, 100);
        assert!(cache.find((1, Seq(1))).is_some());
        cache.keep((1, Seq(3)), &block, 100);
        assert!(cache.find((1, Seq(1))).is_some());
        assert!(cache.find((1, Seq(2))).is_none());
        cache.keep((1, Seq(4)), &block, 251);
        assert!(cache.find((1, Seq(4))).is_none());
    }
}
