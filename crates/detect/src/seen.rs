//! Values once seen: first contacts, known addresses of accounts, servers.

use event::{Micros, Seq};

use crate::episode::{Episode, Fired};
use crate::store::{Kept, Store};

/// Something that was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// When first; `None` in an entry just made.
    pub(crate) since: Option<Micros>,
    pub(crate) episode: Option<Box<Episode>>,
}

impl Kept for Seen {
    fn heap_bytes(&self) -> usize {
        self.episode.as_deref().map_or(0, Episode::heap_bytes)
    }
}

/// What a first contact looks at.
#[derive(Debug)]
pub(crate) struct Contact<'a> {
    pub(crate) group: &'a [u8],
    /// The group and the value.
    pub(crate) value: &'a [u8],
    pub(crate) at: Micros,
    pub(crate) seq: Seq,
    pub(crate) learning_us: i64,
    pub(crate) window_us: i64,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum ContactOutcome {
    Known,
    /// Never seen before, by a group that has finished learning.
    First(Fired),
    /// Seen again within the episode; `true` where it is the first since the episode was last told.
    Again {
        newly_untold: bool,
    },
}

impl Store<Seen> {
    /// Remembers a value of a group. Gives what became of it and how many others had to go.
    pub(crate) fn contact(
        &mut self,
        contact: &Contact<'_>,
        now: Micros,
        id: impl FnOnce() -> [u8; 16],
    ) -> (ContactOutcome, u64) {
        let (since, evicted_by_group) =
            self.touch(contact.group, now, |seen| *seen.since.get_or_insert(now));
        let learned = now.0.saturating_sub(since.0) >= contact.learning_us;
        let (outcome, evicted_by_value) = self.touch(contact.value, now, |seen| {
            let first = seen.since.is_none();
            seen.since.get_or_insert(now);
            if first && learned {
                let fired = Fired::by(contact.at, contact.seq);
                seen.episode = Some(Box::new(Episode::open(id(), &fired)));
                return ContactOutcome::First(fired);
            }
            match &mut seen.episode {
                Some(episode) if episode.holds(contact.at, contact.window_us) => {
                    ContactOutcome::Again {
                        newly_untold: episode.extend(contact.at, contact.seq),
                    }
                }
                over => {
                    *over = None;
                    ContactOutcome::Known
                }
            }
        });
        (outcome, evicted_by_group + evicted_by_value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_learns_first_and_then_tells_each_value_once() {
        let mut store: Store<Seen> = Store::new(1 << 20, 1_000);
        let mut contact = |value: &str, now: i64| {
            let value = format!("Vg{value}");
            let contact = Contact {
                group: b"Gg",
                value: value.as_bytes(),
                at: Micros(now),
                seq: Seq(now.unsigned_abs()),
                learning_us: 100,
                window_us: 10,
            };
            match store.contact(&contact, Micros(now), || [7; 16]).0 {
                ContactOutcome::Known => "known",
                ContactOutcome::First(_) => "first",
                ContactOutcome::Again { .. } => "again",
            }
        };
        assert_eq!(contact("a", 0), "known");
        assert_eq!(contact("b", 99), "known");
        assert_eq!(contact("c", 100), "first");
        assert_eq!(contact("c", 105), "again");
        assert_eq!(contact("c", 150), "known");
        assert_eq!(contact("a", 151), "known");
        assert_eq!(
            contact("a", 2_000),
            "known",
            "everything was forgotten: it learns anew"
        );
    }
}
