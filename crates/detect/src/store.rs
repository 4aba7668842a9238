//! What a rule remembers, by key: bounded in bytes, forgetting what was touched longest ago.
//!
//! Everything is a function of what was observed, in order: the map is only looked up, never walked; the order of
//! touching is a list through the slots.

use std::collections::HashMap;
use std::sync::Arc;

use event::Micros;

/// Something that is kept by key.
pub(crate) trait Kept {
    /// The memory behind its pointers, in bytes.
    fn heap_bytes(&self) -> usize;
}

/// What a list of so many items takes, in bytes. By its length, not its capacity, so that what was restored from a
/// checkpoint weighs the same; lists grow by doubling.
pub(crate) fn list_bytes<T>(length: usize) -> usize {
    match length {
        0 => 0,
        length => length.next_power_of_two().max(4) * size_of::<T>(),
    }
}

/// Entries by key, least recently touched first out.
#[derive(Debug)]
pub(crate) struct Store<E> {
    by_key: HashMap<Arc<[u8]>, u32, ahash::RandomState>,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    /// The ends of the list: touched longest ago, and last.
    oldest: u32,
    newest: u32,
    bytes: usize,
    bytes_max: usize,
    ttl_us: i64,
}

#[derive(Debug)]
struct Slot<E> {
    key: Arc<[u8]>,
    entry: E,
    touched_at: Micros,
    bytes: usize,
    older: u32,
    newer: u32,
}

/// No slot.
const NONE: u32 = u32::MAX;

/// What an entry costs beside its key's bytes and its heap: the slot, the map's bucket and the key's counts.
const fn overhead<E>() -> usize {
    size_of::<Slot<E>>() + 48 + 16
}

impl<E: Kept + Default> Store<E> {
    /// A store of at most that many bytes, whose entries live that long after they were touched.
    pub(crate) fn new(bytes_max: usize, ttl_us: i64) -> Self {
        Self {
            by_key: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            bytes: 0,
            bytes_max,
            ttl_us,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The living entry of that key.
    pub(crate) fn peek(&self, key: &[u8], now: Micros) -> Option<&E> {
        let slot = self.slots.get(*self.by_key.get(key)? as usize)?;
        self.alive(slot, now).then_some(&slot.entry)
    }

    /// Lets `change` work on the entry of that key, a fresh one if there was none alive, and marks it as touched.
    ///
    /// Gives what `change` gives, and how many other living entries had to go for the bytes.
    pub(crate) fn touch<R>(
        &mut self,
        key: &[u8],
        now: Micros,
        change: impl FnOnce(&mut E) -> R,
    ) -> (R, u64) {
        self.drop_dead(now, 2);
        self.keep(key, now, change)
    }

    /// Takes over an entry from a checkpoint, entries being given in the order of [`Self::iter`]. What was dead there and
    /// not yet dropped is so here, too: whatever is remembered goes on as it would have.
    pub(crate) fn take_over(&mut self, key: &[u8], touched_at: Micros, entry: E) {
        self.keep(key, touched_at, |place| *place = entry);
    }

    fn keep<R>(&mut self, key: &[u8], now: Micros, change: impl FnOnce(&mut E) -> R) -> (R, u64) {
        let place = match self.by_key.get(key) {
            Some(&place) => {
                self.unlink(place);
                place
            }
            None => self.insert(key, now),
        };
        let dead = self
            .slots
            .get(place as usize)
            .is_some_and(|slot| !self.alive(slot, now));
        let slot = self.slot(place);
        if dead {
            slot.entry = E::default();
        }
        slot.touched_at = now;
        let result = change(&mut slot.entry);
        self.weigh(place);
        self.link_newest(place);
        (result, self.make_room(place, now))
    }

    /// Removes up to `count` entries that are no longer alive.
    pub(crate) fn drop_dead(&mut self, now: Micros, count: usize) {
        for _ in 0..count {
            let dead = self
                .slots
                .get(self.oldest as usize)
                .is_some_and(|slot| !self.alive(slot, now));
            if !dead {
                return;
            }
            self.remove_at(self.oldest);
        }
    }

    /// The entries, touched longest ago first: key, time of touching, entry.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Micros, &E)> {
        let mut place = self.oldest;
        std::iter::from_fn(move || {
            let slot = self.slots.get(place as usize)?;
            place = slot.newer;
            Some((&*slot.key, slot.touched_at, &slot.entry))
        })
    }

    /// The living entry of that key, to be changed without touching it; others go for its bytes at the next touch.
    pub(crate) fn amend<R>(
        &mut self,
        key: &[u8],
        now: Micros,
        change: impl FnOnce(&mut E) -> R,
    ) -> Option<R> {
        let place = *self.by_key.get(key)?;
        let alive = self
            .slots
            .get(place as usize)
            .is_some_and(|slot| self.alive(slot, now));
        let slot = self.slots.get_mut(place as usize).filter(|_| alive)?;
        let result = change(&mut slot.entry);
        self.weigh(place);
        Some(result)
    }

    /// Counts what the entry takes now.
    fn weigh(&mut self, place: u32) {
        let slot = self.slot(place);
        let bytes = overhead::<E>() + slot.key.len() + slot.entry.heap_bytes();
        let before = std::mem::replace(&mut slot.bytes, bytes);
        self.bytes = (self.bytes + bytes).saturating_sub(before);
    }

    fn alive(&self, slot: &Slot<E>, now: Micros) -> bool {
        now.0.saturating_sub(slot.touched_at.0) <= self.ttl_us
    }

    fn make_room(&mut self, keep: u32, now: Micros) -> u64 {
        let mut evicted = 0;
        while self.bytes > self.bytes_max && self.oldest != keep {
            evicted += u64::from(
                self.slots
                    .get(self.oldest as usize)
                    .is_some_and(|slot| self.alive(slot, now)),
            );
            self.remove_at(self.oldest);
        }
        evicted
    }

    fn insert(&mut self, key: &[u8], now: Micros) -> u32 {
        let key: Arc<[u8]> = key.into();
        let slot = Slot {
            key: Arc::clone(&key),
            entry: E::default(),
            touched_at: now,
            bytes: 0,
            older: NONE,
            newer: NONE,
        };
        let place = match self.free.pop() {
            Some(place) => {
                *self.slot(place) = slot;
                place
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1)
                    .expect("the bytes allow fewer than 2^32 entries")
            }
        };
        self.by_key.insert(key, place);
        place
    }

    fn remove_at(&mut self, place: u32) {
        self.unlink(place);
        let slot = self.slot(place);
        slot.entry = E::default();
        let bytes = std::mem::take(&mut slot.bytes);
        let key = std::mem::replace(&mut slot.key, Arc::from([]));
        self.bytes = self.bytes.saturating_sub(bytes);
        self.by_key.remove(&key);
        self.free.push(place);
    }

    fn unlink(&mut self, place: u32) {
        let slot = self.slot(place);
        let (older, newer) = (slot.older, slot.newer);
        match older {
            NONE => self.oldest = newer,
            _ => self.slot(older).newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            _ => self.slot(newer).older = older,
        }
    }

    fn link_newest(&mut self, place: u32) {
        let older = std::mem::replace(&mut self.newest, place);
        match older {
            NONE => self.oldest = place,
            _ => self.slot(older).newer = place,
        }
        let slot = self.slot(place);
        slot.older = older;
        slot.newer = NONE;
    }

    fn slot(&mut self, place: u32) -> &mut Slot<E> {
        self.slots
            .get_mut(place as usize)
            .expect("places come from the map, the list or the free slots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq)]
    struct Count(u64);

    impl Kept for Count {
        fn heap_bytes(&self) -> usize {
            0
        }
    }

    fn store(entries: usize) -> Store<Count> {
        Store::new(entries * (overhead::<Count>() + 1), 100)
    }

    fn add(store: &mut Store<Count>, key: &str, now: i64) -> u64 {
        store
            .touch(key.as_bytes(), Micros(now), |count| count.0 += 1)
            .1
    }

    fn shown(store: &Store<Count>) -> String {
        let entries = store
            .iter()
            .map(|(key, _, count)| format!("{}{}", String::from_utf8_lossy(key), count.0));
        entries.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_entry_touched_longest_ago_goes_first_and_is_counted() {
        let mut store = store(3);
        for key in ["a", "b", "c", "a"] {
            assert_eq!(add(&mut store, key, 1), 0);
        }
        assert_eq!(shown(&store), "b1 c1 a2");
        assert_eq!(add(&mut store, "d", 2), 1);
        assert_eq!(shown(&store), "c1 a2 d1");
        assert_eq!(store.bytes(), 3 * (overhead::<Count>() + 1));
    }

    #[test]
    fn what_outlived_its_time_is_fresh_again_and_no_eviction() {
        let mut store = store(2);
        add(&mut store, "a", 0);
        add(&mut store, "b", 101);
        assert_eq!(store.peek(b"a", Micros(101)), None);
        assert_eq!(add(&mut store, "a", 102), 0);
        assert_eq!(shown(&store), "b1 a1");
    }

    proptest::proptest! {
        #[test]
        fn it_holds_what_a_list_would_hold(steps in proptest::collection::vec((0u8..6, 0i64..40), 0..60)) {
            let mut store = store(3);
            let mut model: Vec<(String, i64, u64)> = Vec::new();
            let mut now = 0;
            for (key, wait) in steps {
                now += wait;
                let key = key.to_string();
                add(&mut store, &key, now);
                model.retain(|(_, touched, _)| now - touched <= 100);
                let count = model.iter().position(|(k, _, _)| *k == key).map_or(0, |at| model.remove(at).2);
                model.push((key, now, count + 1));
                if model.len() > 3 {
                    model.remove(0);
                }
                store.drop_dead(Micros(now), 100);
                let expected: Vec<String> = model.iter().map(|(k, _, c)| format!("{k}{c}")).collect();
                proptest::prop_assert_eq!(shown(&store), expected.join(" "));
            }
        }
    }
}
