//! What the rows of a pipeline may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::PipeError;

/// A budget of bytes, shared by all that are cloned from it.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Account>);

#[derive(Debug)]
struct Account {
    left: AtomicUsize,
    limit: usize,
    /// What is taken is taken from this, too, and given back at the end.
    pool: Option<Memory>,
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(pool) = &self.pool {
            pool.give_back(self.limit - *self.left.get_mut());
        }
    }
}

impl Memory {
    /// So many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::of(limit, None)
    }

    /// So many bytes of a pool, which has them back when this budget and all its clones are gone.
    #[must_use]
    pub fn within(limit: usize, pool: &Self) -> Self {
        Self::of(limit, Some(pool.clone()))
    }

    fn of(limit: usize, pool: Option<Self>) -> Self {
        Self(Arc::new(Account {
            left: AtomicUsize::new(limit),
            limit,
            pool,
        }))
    }

    /// Takes bytes away.
    ///
    /// # Errors
    /// There are not so many left, here or in the pool.
    pub fn take(&self, bytes: usize) -> Result<(), PipeError> {
        if !self.0.take(bytes) {
            let limit = self.0.limit >> 20;
            return Err(PipeError::Memory { limit });
        }
        match &self.0.pool {
            Some(pool) if !pool.0.take(bytes) => {
                self.0.give_back(bytes);
                Err(PipeError::Busy)
            }
            _ => Ok(()),
        }
    }

    /// Gives bytes back that were taken.
    pub fn give_back(&self, bytes: usize) {
        self.0.give_back(bytes);
        if let Some(pool) = &self.0.pool {
            pool.give_back(bytes);
        }
    }
}

impl Account {
    /// Whether there were so many left.
    fn take(&self, bytes: usize) -> bool {
        let fewer = |left: usize| left.checked_sub(bytes);
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        taken.is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_everything_back_in_the_end_and_no_budget_takes_more_than_it_holds() {
        let pool = Memory::new(100 << 20);
        let mib = |count: usize| count << 20;
        let one = Memory::within(mib(80), &pool);
        let two = Memory::within(mib(80), &pool);
        assert_eq!(one.take(mib(60)), Ok(()));
        assert_eq!(one.take(mib(30)), Err(PipeError::Memory { limit: 80 }));
        assert_eq!(two.take(mib(50)), Err(PipeError::Busy));
        assert_eq!(two.take(mib(40)), Ok(()));
        one.give_back(mib(10));
        assert_eq!(two.take(mib(10)), Ok(()));
        drop((one.clone(), two));
        assert_eq!(Memory::within(mib(50), &pool).take(mib(50)), Ok(()));
        drop(one);
        assert_eq!(pool.take(mib(100)), Ok(()));
    }
}
