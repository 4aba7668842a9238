//! Places for previews of changes: one a person, and few in all, since each holds two detectors.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::problem::Problem;

/// Previews at a time: each takes a core, and twice the memory of correlation state at worst.
const AT_ONCE: usize = 2;

/// Who has a preview running.
#[derive(Debug, Default)]
pub(crate) struct Previews(Arc<Mutex<BTreeSet<String>>>);

/// A place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    taken: Arc<Mutex<BTreeSet<String>>>,
    who: String,
}

impl Previews {
    /// A place for that person.
    pub(crate) fn take(&self, who: &str) -> Result<Place, Problem> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.contains(who) {
            return Err(Problem::busy("a preview of yours is running"));
        }
        if taken.len() >= AT_ONCE {
            return Err(Problem::busy("too many previews are running"));
        }
        taken.insert(who.to_owned());
        Ok(Place {
            taken: Arc::clone(&self.0),
            who: who.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_preview_runs_for_a_person_and_few_in_all() {
        let previews = Previews::default();
        let of_an = previews.take("an").expect("a place");
        previews.take("an").expect_err("one at a time");
        let of_binh = previews.take("binh").expect("a place");
        previews.take("chi").expect_err("two at a time");
        drop((of_an, of_binh));
        previews.take("an").expect("a place again");
    }
}
