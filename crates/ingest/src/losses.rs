//! Losses, gathered for a second so that a flood of them makes few records.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use event::{Loss, LossCause, Micros};

/// Sources told apart between two times of writing down; the rest is one source, `unknown`.
const SOURCES_MAX: usize = 512;

/// Losses noted and not yet written down: one entry a cause and source.
#[derive(Debug, Default)]
pub(crate) struct LossBook {
    pending: Mutex<BTreeMap<(&'static str, String), Loss>>,
}

/// What is known of one loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted<'a> {
    pub(crate) cause: LossCause,
    /// A sender's address or name, or a listener's name.
    pub(crate) source: &'a str,
    pub(crate) from: Micros,
    pub(crate) to: Micros,
    /// How many records at most; `None` where nobody can tell.
    pub(crate) records_max: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) detail: &'a str,
}

impl LossBook {
    /// Remembers a loss, adding it to what is known of the same cause and source.
    pub(crate) fn note(&self, noted: Noted<'_>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |source: &str| (noted.cause.name(), source.to_owned());
        let mut at = key(noted.source);
        if pending.len() >= SOURCES_MAX && !pending.contains_key(&at) {
            at = key("unknown");
        }
        pending
            .entry(at)
            .and_modify(|loss| noted.add_to(loss))
            .or_insert_with_key(|(_, source)| noted.loss(source));
    }

    /// Takes what was noted, for writing it down.
    pub(crate) fn take(&self) -> Vec<Loss> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *pending).into_values().collect()
    }
}

impl Noted<'_> {
    fn loss(&self, source: &str) -> Loss {
        Loss {
            cause: self.cause,
            source: source.to_owned(),
            from: self.from,
            to: self.to,
            records_max: self.records_max,
            bytes: self.bytes,
            last_good: None,
            detail: self.detail.to_owned(),
        }
    }

    fn add_to(&self, loss: &mut Loss) {
        loss.from = loss.from.min(self.from);
        loss.to = loss.to.max(self.to);
        loss.records_max = sum(loss.records_max, self.records_max);
        loss.bytes = sum(loss.bytes, self.bytes);
    }
}

/// The sum of two counts, unknown as soon as one of them is.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.saturating_add(other?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(source: &str, at: i64, records_max: Option<u64>) -> Noted<'_> {
        Noted {
            cause: LossCause::KernelDrop,
            source,
            from: Micros(at),
            to: Micros(at + 1),
            records_max,
            bytes: None,
            detail: "x",
        }
    }

    #[test]
    fn losses_of_one_source_add_up() {
        let book = LossBook::default();
        book.note(noted("a", 10, Some(3)));
        book.note(noted("a", 5, Some(4)));
        book.note(noted("b", 1, Some(1)));
        book.note(noted("b", 1, None));
        let losses = book.take();
        assert_eq!(losses.len(), 2);
        let loss = &losses[0];
        assert_eq!(
            (loss.from, loss.to, loss.records_max),
            (Micros(5), Micros(11), Some(7))
        );
        assert_eq!(losses[1].records_max, None);
        assert!(book.take().is_empty());
    }

    #[test]
    fn the_number_of_sources_is_bounded_and_nothing_goes_uncounted() {
        let book = LossBook::default();
        for source in 0..10_000 {
            book.note(noted(&source.to_string(), 0, Some(1)));
        }
        let losses = book.take();
        assert_eq!(losses.len(), SOURCES_MAX + 1);
        let records: u64 = losses.iter().filter_map(|loss| loss.records_max).sum();
        assert_eq!(records, 10_000);
        assert!(losses.iter().any(|loss| loss.source == "unknown"));
    }
}
