//! Records of one audit event of Linux, put together for matching: SYSCALL says who, PATH which file, EXECVE which
//! arguments, and a rule may ask for all of these.
//!
//! Each record stays an event of its own; what is put together is only matched, against the rules of log sources that
//! say so (`together` in the table of log sources). Always true: no more than [`OPEN_MAX`] audit events are kept, none
//! of more than [`LINES_MAX`] records or [`BYTES_MAX`] bytes, none longer than [`WAIT`] of detector time.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use event::{Event, Field, Micros, Value};

use crate::Span;

/// Audit events that are kept at once: the kernel writes the records of one event in one piece, so that few overlap.
const OPEN_MAX: usize = 256;
/// SYSCALL, CWD, PROCTITLE and a PATH for each of a few names: seldom more than ten records.
const LINES_MAX: usize = 32;
const BYTES_MAX: usize = 64 << 10;
/// How long records of an event are waited for after its first.
const WAIT: Span = Span::seconds(2);

/// The audit events that may still go on, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) open: VecDeque<Open>,
}

/// An audit event so far.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) name: Name,
    /// Detector time at its first record.
    pub(crate) since: Micros,
    pub(crate) lines: usize,
    /// All records as one event: the values of each, and the texts one after another.
    pub(crate) whole: Event,
    /// The places of the rules that have matched it, which do not match it again.
    pub(crate) matched: BTreeSet<usize>,
}

/// Which audit event a record belongs to: the host, the kernel's serial number and the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) host: Box<str>,
    pub(crate) serial: i64,
    pub(crate) at: Micros,
}

impl Name {
    fn of(event: &Event) -> Option<Self> {
        if event.text(Field::NHATKY_PRODUCT) != Some("linux.auditd") {
            return None;
        }
        let (Value::Integer(serial), Value::Date(at)) = (
            event.get(Field::EVENT_SEQUENCE)?,
            event.get(Field::TIMESTAMP)?,
        ) else {
            return None;
        };
        let host = [Field::HOST_NAME, Field::NHATKY_PEER]
            .into_iter()
            .find_map(|field| event.get(field));
        let host = host.map_or("".into(), |host| host.to_text().into());
        Some(Self { host, serial, at })
    }
}

impl Audit {
    /// Adds a record: gives the audit event that it goes on with. `None` where it is no record of one, or the first.
    pub(crate) fn take(&mut self, event: &Event, now: Micros) -> Option<&mut Open> {
        self.forget(now);
        let name = Name::of(event)?;
        let Some(place) = self.open.iter().rposition(|open| open.name == name) else {
            if self.open.len() >= OPEN_MAX {
                self.open.pop_front();
            }
            self.open.push_back(Open {
                name,
                since: now,
                lines: 1,
                whole: event.clone(),
                matched: BTreeSet::new(),
            });
            return None;
        };
        let open = self.open.get_mut(place)?;
        if open.lines >= LINES_MAX || open.bytes() + event.heap_bytes() > BYTES_MAX {
            return None;
        }
        open.lines += 1;
        open.whole = joined(&open.whole, event);
        Some(open)
    }

    /// Notes that the rule has matched the record's audit event; whether it had not before.
    pub(crate) fn note(&mut self, event: &Event, rule: usize) -> bool {
        let Some(name) = Name::of(event) else {
            return true;
        };
        let open = self.open.iter_mut().rev().find(|open| open.name == name);
        open.is_none_or(|open| open.matched.insert(rule))
    }

    fn forget(&mut self, now: Micros) {
        let old = |open: &Open| now.0.saturating_sub(open.since.0) > WAIT.micros();
        while self.open.front().is_some_and(old) {
            self.open.pop_front();
        }
    }
}

impl Open {
    fn bytes(&self) -> usize {
        self.whole.raw().len() + self.whole.heap_bytes()
    }
}

/// Both as one event with the identity of the later.
fn joined(before: &Event, event: &Event) -> Event {
    let raw = [before.raw().as_ref(), b"\n", event.raw().as_ref()].concat();
    let mut whole = Event::new(event.seq(), Bytes::from(raw));
    for (name, value) in before.iter().chain(event.iter()) {
        let known = Field::from_name(name).is_some();
        if known || !whole.values_named(name).any(|present| present == value) {
            whole.push_named(name, value);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Seq;

    fn record(seq: u64, serial: i64, fields: &[(&str, &str)]) -> Event {
        let mut event = Event::new(Seq(seq), Bytes::from(format!("line {seq}")));
        event.set(Field::NHATKY_PRODUCT, "linux.auditd");
        event.set(Field::EVENT_SEQUENCE, serial);
        event.set(Field::TIMESTAMP, Micros(1));
        for (name, value) in fields {
            event.push_named(name, *value);
        }
        event
    }

    #[test]
    fn records_of_one_audit_event_are_one_event() {
        let mut audit = Audit::default();
        let first = record(1, 7, &[("auditd.data.a0", "55"), ("user.name", "an")]);
        let second = record(2, 7, &[("auditd.data.a0", "tar")]);
        assert!(audit.take(&first, Micros(0)).is_none());
        assert!(audit.take(&record(9, 8, &[]), Micros(0)).is_none());
        let open = audit.take(&second, Micros(0)).unwrap();
        let whole = &open.whole;
        assert_eq!(whole.seq(), Seq(2));
        assert_eq!(whole.original(), "line 1\nline 2");
        assert_eq!(whole.text(Field::USER_NAME), Some("an"));
        let values: Vec<_> = whole.values_named("auditd.data.a0").collect();
        assert_eq!(values, [Value::Text("55"), Value::Text("tar")]);
        assert_eq!(whole.values(Field::NHATKY_PRODUCT).count(), 1);
    }

    #[test]
    fn an_audit_event_is_kept_for_two_seconds_and_32_records() {
        let mut audit = Audit::default();
        assert!(audit.take(&record(1, 7, &[]), Micros(0)).is_none());
        assert!(audit.take(&record(2, 7, &[]), Micros(2_000_000)).is_some());
        assert!(audit.take(&record(3, 7, &[]), Micros(2_000_001)).is_none());
        for seq in 4..34 {
            assert!(
                audit
                    .take(&record(seq, 7, &[]), Micros(2_000_001))
                    .is_some()
            );
        }
        assert!(audit.take(&record(34, 7, &[]), Micros(2_000_001)).is_some());
        assert!(audit.take(&record(35, 7, &[]), Micros(2_000_001)).is_none());
        for serial in 100..400 {
            audit.take(&record(100, serial, &[]), Micros(2_000_001));
        }
        assert_eq!(audit.open.len(), OPEN_MAX);
    }
}
