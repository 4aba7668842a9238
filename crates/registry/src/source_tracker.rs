//! Discovers sources as events go by, bounded whatever senders claim to be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use event::{Event, Field, Micros, Seq, SourceCategory, Value};

use crate::{DeviceClock, Source};

/// Addresses kept for each source.
const PEERS_KEPT: usize = 16;
const UNKNOWN: &str = "unknown";

/// How many sources are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Behind one peer; the rest of what it sends is the source `PEER/unknown`.
    ///
    /// Default 1024: a relay of a whole agency passes, a sender that makes up host names does not.
    pub per_peer: usize,
    /// Altogether; the rest is the source `unknown/unknown`, for whoever forges addresses of datagrams.
    ///
    /// Default 50 000: about 30 MiB in memory.
    pub total: usize,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            per_peer: 1024,
            total: 50_000,
        }
    }
}

/// Counts the events of each source. Owned by the thread that reads the journal's tail.
#[derive(Debug)]
pub struct SourceTracker {
    limits: SourceLimits,
    sources: HashMap<Box<str>, Source>,
    /// Sources behind each peer, its overflow left out.
    behind: HashMap<Box<str>, usize>,
    /// Findings about clocks since the last save.
    clocks: Vec<DeviceClock>,
    through: Seq,
    saved_through: Seq,
}

/// What is to be saved: whole rows, so that saving twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceChanges {
    /// Sources with events since the last save.
    pub sources: Vec<Source>,
    /// Findings about clocks since the last save.
    pub clocks: Vec<DeviceClock>,
    /// The last Seq counted.
    pub through: Seq,
}

impl SourceTracker {
    pub(crate) fn resume(limits: SourceLimits, saved: Vec<Source>, through: Seq) -> Self {
        let mut behind = HashMap::new();
        for source in &saved {
            count_behind(&mut behind, &source.id);
        }
        let by_id = saved
            .into_iter()
            .map(|source| (source.id.as_str().into(), source));
        Self {
            limits,
            sources: by_id.collect(),
            behind,
            clocks: Vec::new(),
            through,
            saved_through: through,
        }
    }

    /// The last Seq counted; the journal is to be read from the next one on.
    #[must_use]
    pub fn through(&self) -> Seq {
        self.through
    }

    /// How many sources are told apart.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether nothing was seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Counts an event; one that is already counted is passed over. Events come in the order of Seq.
    pub fn observe(&mut self, event: &Event) {
        if event.seq() <= self.through {
            return;
        }
        self.through = event.seq();
        self.clocks.extend(DeviceClock::of_event(event));
        let Some(id) = event.text(Field::NHATKY_SOURCE) else {
            return;
        };
        match self.sources.get_mut(id) {
            Some(source) => count(source, event),
            None => self.discover(id, event),
        }
    }

    /// What has changed since the last save.
    #[must_use]
    pub fn changes(&self) -> SourceChanges {
        let changed = self.sources.values();
        let changed = changed.filter(|source| source.last_seq > self.saved_through);
        SourceChanges {
            sources: changed.cloned().collect(),
            clocks: self.clocks.clone(),
            through: self.through,
        }
    }

    /// Notes that these changes are saved.
    pub fn saved(&mut self, changes: &SourceChanges) {
        self.saved_through = self.saved_through.max(changes.through);
        self.clocks.retain(|clock| clock.seq > changes.through);
    }

    fn discover(&mut self, id: &str, event: &Event) {
        let source = match self.sources.entry(self.admitted(id)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                count_behind(&mut self.behind, place.key());
                let source = unseen(place.key(), event);
                place.insert(source)
            }
        };
        count(source, event);
    }

    /// Under which identity a source not yet known is counted.
    fn admitted(&self, id: &str) -> Box<str> {
        let peer = peer(id);
        let behind = self.behind.get(peer).copied().unwrap_or(0);
        if self.sources.len() >= self.limits.total {
            return format!("{UNKNOWN}/{UNKNOWN}").into();
        }
        if behind >= self.limits.per_peer {
            return format!("{peer}/{UNKNOWN}").into();
        }
        id.into()
    }
}

/// The overflow of a peer is not one of its sources.
fn count_behind(behind: &mut HashMap<Box<str>, usize>, id: &str) {
    if split(id) != (peer(id), UNKNOWN) {
        *behind.entry(peer(id).into()).or_default() += 1;
    }
}

fn unseen(id: &str, event: &Event) -> Source {
    let (sender, product) = split(id);
    Source {
        id: id.to_owned(),
        sender: sender.to_owned(),
        product: product.to_owned(),
        category: None,
        first_seen: received_at(event),
        last_seen: Micros::MIN,
        events: 0,
        bytes: 0,
        last_seq: Seq::ZERO,
        peers: Vec::new(),
    }
}

fn count(source: &mut Source, event: &Event) {
    source.events = source.events.saturating_add(1);
    source.bytes = source.bytes.saturating_add(event.raw().len() as u64);
    source.last_seq = event.seq();
    // A clock set back does not make a source look silent.
    source.last_seen = source.last_seen.max(received_at(event));
    if source.category.is_none() && source.product != UNKNOWN {
        let category = event.text(Field::NHATKY_CATEGORY);
        source.category = category.and_then(SourceCategory::from_name);
    }
    if source.peers.len() < PEERS_KEPT
        && let Some(peer) = peer_address(event)
        && !source.peers.contains(&peer)
    {
        source.peers.push(peer);
    }
}

fn received_at(event: &Event) -> Micros {
    match event.get(Field::EVENT_INGESTED) {
        Some(Value::Date(at)) => at,
        _ => Micros(0),
    }
}

fn peer_address(event: &Event) -> Option<IpAddr> {
    match event.get(Field::NHATKY_PEER) {
        Some(Value::Address(address)) => Some(address),
        _ => None,
    }
}

/// `SENDER/PRODUCT` in two; a product's name has no slash.
fn split(id: &str) -> (&str, &str) {
    id.rsplit_once('/').unwrap_or((id, UNKNOWN))
}

/// Behind whom the source is: the sender, up to the relay's mark.
fn peer(id: &str) -> &str {
    let (sender, _) = split(id);
    sender.split_once('>').map_or(sender, |(peer, _)| peer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const LIMITS: SourceLimits = SourceLimits {
        per_peer: 2,
        total: 4,
    };

    fn event(seq: u64, source: &str) -> Event {
        let mut event = Event::new(Seq(seq), Bytes::from_static(b"12345"));
        event.set(Field::NHATKY_SOURCE, source);
        event.set(Field::NHATKY_PEER, "192.0.2.1");
        event.set(Field::NHATKY_CATEGORY, "network");
        let at = i64::try_from(seq).unwrap();
        event.set(Field::EVENT_INGESTED, Micros(at));
        event
    }

    fn seen(tracker: &SourceTracker) -> Vec<(String, u64)> {
        let mut seen: Vec<_> = tracker
            .changes()
            .sources
            .into_iter()
            .map(|source| (source.id, source.events))
            .collect();
        seen.sort();
        seen
    }

    #[test]
    fn a_peer_that_makes_up_hosts_fills_one_source() {
        let mut tracker = SourceTracker::resume(LIMITS, Vec::new(), Seq::ZERO);
        for (seq, claimed) in (1..).zip([
            "a/linux.sshd",
            "b/unknown",
            "c/unknown",
            "d/x",
            "a/linux.sshd",
        ]) {
            tracker.observe(&event(seq, &format!("192.0.2.1>{claimed}")));
        }
        tracker.observe(&event(6, "192.0.2.9/cisco.asa"));
        tracker.observe(&event(7, "192.0.2.8/cisco.asa"));
        assert_eq!(
            seen(&tracker),
            [
                ("192.0.2.1/unknown".to_owned(), 2),
                ("192.0.2.1>a/linux.sshd".to_owned(), 2),
                ("192.0.2.1>b/unknown".to_owned(), 1),
                ("192.0.2.9/cisco.asa".to_owned(), 1),
                ("unknown/unknown".to_owned(), 1),
            ]
        );
    }

    #[test]
    fn a_tracker_goes_on_where_the_last_save_ended() {
        let mut tracker = SourceTracker::resume(LIMITS, Vec::new(), Seq::ZERO);
        tracker.observe(&event(1, "a/x"));
        tracker.observe(&event(2, "b/x"));
        let changes = tracker.changes();
        tracker.saved(&changes);
        assert_eq!(tracker.changes().sources, []);

        let mut resumed = SourceTracker::resume(LIMITS, changes.sources, changes.through);
        for seq in 1..=3 {
            resumed.observe(&event(seq, "a/x"));
        }
        let changes = resumed.changes();
        let [source] = changes.sources.as_slice() else {
            panic!("one source has changed");
        };
        assert_eq!(
            (source.events, source.bytes, source.last_seq),
            (2, 10, Seq(3))
        );
        assert_eq!(source.peers, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(source.category, Some(SourceCategory::Network));
        assert_eq!(
            (source.first_seen, source.last_seen),
            (Micros(1), Micros(3))
        );
    }
}
