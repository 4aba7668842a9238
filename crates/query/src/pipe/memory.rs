//! What the rows of a pipeline may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::PipeError;

/// A budget of bytes, shared by all that are cloned from it.
#[derive(Clone, Debug)]
pub struct Memory {
    left: Arc<AtomicUsize>,
    limit: usize,
}

impl Memory {
    /// So many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            left: Arc::new(AtomicUsize::new(limit)),
            limit,
        }
    }

    /// Takes bytes away, for good.
    ///
    /// # Errors
    /// There are not so many left.
    pub(super) fn take(&self, bytes: usize) -> Result<(), PipeError> {
        let fewer = |left: usize| left.checked_sub(bytes);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        taken.map(drop).map_err(|_| PipeError::Memory {
            limit: self.limit >> 20,
        })
    }
}
