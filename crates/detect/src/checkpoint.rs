//! Checkpoints: everything that the detector remembers, with the Seq that it covers.
//!
//! Layout: the magic `NKDETECT`, u16 version, u64 length of the body, the body, SHA-256 of all before it. The body names
//! each memory by its rule's id and fingerprint: a memory whose rule is gone, or means something else today, is left out
//! on restoring, the others live on.

use std::collections::BTreeMap;
use std::sync::Arc;

use event::{CalendarDay, Micros};
use sha2::{Digest, Sha256};

use crate::absence::{Gaps, Talker};
use crate::audit::{Name, Open};
use crate::codec::{Reader, Writer};
use crate::detector::{Counters, Detector, Memory, Mode};
use crate::folded::{self, Folded};
use crate::output::Evicted;
use crate::progress::Progress;
use crate::rate::{Pace, Window};
use crate::regular::{Beat, Pulse};
use crate::rules::Rules;
use crate::seen::Seen;
use crate::store::{Kept, Store};
use crate::today::{NeedSeen, Today};
use crate::usual::{Season, Usual};

const MAGIC: &[u8; 8] = b"NKDETECT";
const VERSION: u16 = 3;
const HEAD_BYTES: usize = 8 + 2 + 8;
const CHECKSUM_BYTES: usize = 32;

/// Why a checkpoint cannot be used: the detector must replay what the journal still holds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// It is no checkpoint, or a damaged one.
    #[error(
        "not a sound detector checkpoint ({0}): remove it, and the detector replays the journal"
    )]
    Damaged(&'static str),
    /// Another version of the program wrote it.
    #[error(
        "detector checkpoint of version {0}, this program reads version {VERSION}: remove it, and the detector replays the journal"
    )]
    Version(u16),
}

/// A detector restored, and what could not be taken over.
#[derive(Debug)]
pub struct Restored {
    /// The detector, which goes on after [`Detector::covered`].
    pub detector: Detector,
    /// Rules that start without memory: they are new, or mean something else than at the checkpoint.
    pub fresh: Vec<Box<str>>,
}

impl Detector {
    /// Everything that it remembers, as bytes to be kept by atomic replacement. To be stored after the detections that
    /// it covers.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let mut body = Writer::default();
        self.write_body(&mut body);
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.bytes.len() + CHECKSUM_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.bytes.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body.bytes);
        let checksum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// The detector as it was at the checkpoint, under these rules.
    ///
    /// # Errors
    /// Where the bytes are no sound checkpoint of this version.
    pub fn restore(bytes: &[u8], rules: Arc<Rules>, mode: Mode) -> Result<Restored, RestoreError> {
        let body = sound_body(bytes)?;
        let mut detector = Self::new(rules, mode);
        let mut reader = Reader::new(body);
        let fresh = detector
            .read_body(&mut reader)
            .filter(|_| reader.is_empty());
        let fresh = fresh.ok_or(RestoreError::Damaged("its parts do not fit together"))?;
        Ok(Restored { detector, fresh })
    }

    fn write_body(&self, body: &mut Writer) {
        body.u64(self.covered.0);
        body.i64(self.now.0);
        body.i64(self.awake_us);
        body.i64(self.told_at.0);
        write_store(body, &self.servers, write_seen);
        body.length(self.sets.len());
        for (number, set) in self.sets.iter().enumerate() {
            body.u64(self.set_name(number));
            write_store(body, set, write_seen);
        }
        body.length(self.memories.len());
        for (rule, memory) in self.rules.rules.iter().zip(&self.memories) {
            body.slice(rule.info.id.as_bytes());
            body.u64(rule.fingerprint);
            write_memory(body, memory);
        }
        body.list(&self.untold, |body, (place, key)| {
            let id = self
                .rules
                .rules
                .get(*place)
                .map_or(&[][..], |rule| rule.info.id.as_bytes());
            body.slice(id);
            body.slice(key);
        });
        body.length(self.audit.open.len());
        for open in &self.audit.open {
            self.write_audit(body, open);
        }
        self.write_today(body);
        body.list(&self.evicted, |body, evicted| {
            body.slice(evicted.rule.as_bytes());
            body.u64(evicted.keys);
            body.i64(evicted.from.0);
        });
    }

    fn write_today(&self, body: &mut Writer) {
        let Today {
            day,
            told_at,
            events,
            unread,
            awake_us,
            needs,
            needs_before,
            counters,
            ..
        } = &self.today;
        body.option(*day, |body, day| body.i64(i64::from(day.0)));
        body.i64(told_at.0);
        body.u64(*events);
        body.u64(*unread);
        body.i64(*awake_us);
        body.length(counters.len());
        for (place, (rule, counters)) in self.rules.rules.iter().zip(counters).enumerate() {
            body.slice(rule.info.id.as_bytes());
            let number = self.rules.needs.of_rule(place);
            body.u64(number.map_or(0, |number| self.rules.needs.fingerprint(number)));
            for needs in [needs, needs_before] {
                let seen = number.and_then(|number| needs.get(number));
                let seen = seen.copied().unwrap_or_default();
                body.u64(seen.events);
                body.u64(seen.complete);
            }
            let Counters {
                matched,
                keyless,
                excepted,
                detections,
                evicted,
            } = counters;
            for count in [matched, keyless, excepted, detections, evicted] {
                body.u64(*count);
            }
        }
    }

    fn read_today(
        &mut self,
        body: &mut Reader<'_>,
        places: &BTreeMap<&[u8], (usize, u64)>,
    ) -> Option<()> {
        let rules = Arc::clone(&self.rules);
        let today = &mut self.today;
        let day = body.option(Reader::i64)?;
        today.day = day.and_then(|day| i32::try_from(day).ok().map(CalendarDay));
        today.told_at = body.micros()?;
        today.events = body.u64()?;
        today.unread = body.u64()?;
        today.awake_us = body.i64()?;
        for _ in 0..body.u32()? {
            let (id, fingerprint) = (body.slice()?, body.u64()?);
            let place = places.get(id).map(|(place, _)| *place);
            let number = place.and_then(|place| rules.needs.of_rule(place));
            let number = number.filter(|number| rules.needs.fingerprint(*number) == fingerprint);
            for needs in [&mut today.needs, &mut today.needs_before] {
                let seen = NeedSeen::of(body.u64()?, body.u64()?);
                if let Some(place) = number.and_then(|number| needs.get_mut(number)) {
                    *place = seen;
                }
            }
            let counters = Counters {
                matched: body.u64()?,
                keyless: body.u64()?,
                excepted: body.u64()?,
                detections: body.u64()?,
                evicted: body.u64()?,
            };
            if let Some(place) = place.and_then(|place| today.counters.get_mut(place)) {
                *place = counters;
            }
        }
        Some(())
    }

    fn write_audit(&self, body: &mut Writer, open: &Open) {
        let Open {
            name,
            since,
            lines,
            whole,
            matched,
        } = open;
        body.slice(name.host.as_bytes());
        body.i64(name.serial);
        body.i64(name.at.0);
        body.i64(since.0);
        body.length(*lines);
        body.event(whole);
        body.length(matched.len());
        for place in matched {
            let rule = self.rules.rules.get(*place);
            body.slice(rule.map_or(&[][..], |rule| rule.info.id.as_bytes()));
        }
    }

    fn read_body(&mut self, body: &mut Reader<'_>) -> Option<Vec<Box<str>>> {
        self.covered = body.seq()?;
        self.now = body.micros()?;
        self.awake_us = body.i64()?;
        self.told_at = body.micros()?;
        read_store(body, Some(&mut self.servers), read_seen)?;
        for _ in 0..body.u32()? {
            let name = body.u64()?;
            let number = (0..self.sets.len()).find(|number| self.set_name(*number) == name);
            read_store(
                body,
                number.and_then(|number| self.sets.get_mut(number)),
                read_seen,
            )?;
        }
        let rules = Arc::clone(&self.rules);
        let mut places: BTreeMap<&[u8], (usize, u64)> = BTreeMap::new();
        for (place, rule) in rules.rules.iter().enumerate() {
            places.insert(rule.info.id.as_bytes(), (place, rule.fingerprint));
        }
        let mut fresh: BTreeMap<usize, Box<str>> = rules
            .rules
            .iter()
            .enumerate()
            .map(|(place, rule)| (place, rule.info.id.clone()))
            .collect();
        for _ in 0..body.u32()? {
            let (id, fingerprint) = (body.slice()?, body.u64()?);
            let same = places
                .get(id)
                .filter(|(_, today)| *today == fingerprint)
                .map(|(place, _)| *place);
            read_memory(body, same.and_then(|place| self.memories.get_mut(place)))?;
            same.map(|place| fresh.remove(&place));
        }
        let untold = body.list(|body| Some((body.slice()?, body.slice()?.to_vec())))?;
        let known = |(id, key)| Some((places.get(id)?.0, key));
        self.untold = untold.into_iter().filter_map(known).collect();
        for _ in 0..body.u32()? {
            let name = Name {
                host: std::str::from_utf8(body.slice()?).ok()?.into(),
                serial: body.i64()?,
                at: body.micros()?,
            };
            self.audit.open.push_back(Open {
                name,
                since: body.micros()?,
                lines: body.u32()? as usize,
                whole: body.event()?,
                matched: body
                    .list(|body| body.slice())?
                    .into_iter()
                    .filter_map(|id| Some(places.get(id)?.0))
                    .collect(),
            });
        }
        self.read_today(body, &places)?;
        let evicted = body.list(|body| Some((body.slice()?, body.u64()?, body.micros()?)))?;
        // What a rule that is gone has forgotten was forgotten all the same.
        for (rule, keys, from) in evicted {
            self.evicted.push(Evicted {
                rule: std::str::from_utf8(rule).ok()?.into(),
                keys,
                from,
                to: from,
            });
        }
        Some(fresh.into_values().collect())
    }

    /// A set goes by its fields and the rules that teach it.
    fn set_name(&self, number: usize) -> u64 {
        let Some(set) = self.rules.sets.get(number) else {
            return 0;
        };
        let teachers = set
            .taught_by
            .iter()
            .filter_map(|place| self.rules.rules.get(*place));
        let teachers: Vec<String> = teachers
            .map(|rule| format!("{} {:016x}", rule.info.id, rule.fingerprint))
            .collect();
        crate::key::hash(format!("{:?} {teachers:?}", set.fields).as_bytes())
    }
}

fn sound_body(bytes: &[u8]) -> Result<&[u8], RestoreError> {
    let damaged = RestoreError::Damaged;
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or(damaged("the head is not that of one"))?;
    let (version, rest) = rest
        .split_first_chunk::<2>()
        .ok_or(damaged("it is cut short"))?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(RestoreError::Version(version));
    }
    let (length, rest) = rest
        .split_first_chunk::<8>()
        .ok_or(damaged("it is cut short"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (body, checksum) = rest
        .split_at_checked(length)
        .ok_or(damaged("it is cut short"))?;
    let summed = bytes
        .get(..bytes.len().saturating_sub(CHECKSUM_BYTES))
        .unwrap_or_default();
    if checksum.len() != CHECKSUM_BYTES || Sha256::digest(summed)[..] != *checksum {
        return Err(damaged("the checksum is wrong"));
    }
    Ok(body)
}

fn write_store<E: Kept + Default>(body: &mut Writer, store: &Store<E>, write: fn(&mut Writer, &E)) {
    body.length(store.len());
    for (key, touched_at, entry) in store.iter() {
        body.slice(key);
        body.i64(touched_at.0);
        write(body, entry);
    }
}

/// Reads a store's entries into it, or past them where there is none for them any more.
fn read_store<E: Kept + Default>(
    body: &mut Reader<'_>,
    mut store: Option<&mut Store<E>>,
    read: fn(&mut Reader<'_>) -> Option<E>,
) -> Option<()> {
    for _ in 0..body.u32()? {
        let (key, touched_at) = (body.slice()?, body.micros()?);
        let entry = read(body)?;
        if let Some(store) = &mut store {
            store.take_over(key, touched_at, entry);
        }
    }
    Some(())
}

fn write_memory(body: &mut Writer, memory: &Memory) {
    match memory {
        Memory::Nothing => body.u8(0),
        Memory::Progress(store) => {
            body.u8(1);
            write_store(body, store, write_progress);
        }
        Memory::Seen(store) => {
            body.u8(2);
            write_store(body, store, write_seen);
        }
        Memory::Talkers(store) => {
            body.u8(3);
            write_store(body, store, write_talker);
        }
        Memory::Paces(store) => {
            body.u8(4);
            write_store(body, store, write_pace);
        }
        Memory::Pulses(store) => {
            body.u8(5);
            write_store(body, store, write_pulse);
        }
    }
}

fn read_memory(body: &mut Reader<'_>, memory: Option<&mut Memory>) -> Option<()> {
    match (body.u8()?, memory) {
        (0, _) => Some(()),
        (1, Some(Memory::Progress(store))) => read_store(body, Some(store), read_progress),
        (1, _) => read_store(body, None, read_progress),
        (2, Some(Memory::Seen(store))) => read_store(body, Some(store), read_seen),
        (2, _) => read_store(body, None, read_seen),
        (3, Some(Memory::Talkers(store))) => read_store(body, Some(store), read_talker),
        (3, _) => read_store(body, None, read_talker),
        (4, Some(Memory::Paces(store))) => read_store(body, Some(store), read_pace),
        (4, _) => read_store(body, None, read_pace),
        (5, Some(Memory::Pulses(store))) => read_store(body, Some(store), read_pulse),
        (5, _) => read_store(body, None, read_pulse),
        _ => None,
    }
}

fn write_progress(body: &mut Writer, progress: &Progress) {
    let (hits, folded, chains, episode) = progress.parts();
    body.list(hits, Writer::hit);
    body.option(folded, |body, folded| {
        body.list(folded.spans(), |body, span| {
            let folded::Span {
                at,
                seq,
                sum,
                count,
            } = span;
            body.i64(at.0);
            body.u64(seq.0);
            body.u64(*sum);
            body.u64(*count);
        });
    });
    body.list(chains, Writer::chain);
    body.option(episode, Writer::episode);
}

fn read_progress(body: &mut Reader<'_>) -> Option<Progress> {
    let span = |body: &mut Reader<'_>| {
        Some(folded::Span {
            at: body.micros()?,
            seq: body.seq()?,
            sum: body.u64()?,
            count: body.u64()?,
        })
    };
    Some(Progress::from_parts(
        body.list(Reader::hit)?,
        body.option(|body| body.list(span))?.map(Folded::from_spans),
        body.list(Reader::chain)?,
        body.option(Reader::episode)?,
    ))
}

fn write_seen(body: &mut Writer, seen: &Seen) {
    body.option(seen.since, |body, since: Micros| body.i64(since.0));
    body.option(seen.episode.as_deref(), Writer::episode);
}

fn read_seen(body: &mut Reader<'_>) -> Option<Seen> {
    Some(Seen {
        since: body.option(Reader::micros)?,
        episode: body.option(Reader::episode)?.map(Box::new),
    })
}

fn write_talker(body: &mut Writer, talker: &Talker) {
    let Talker {
        span,
        last_seq,
        last_received,
        gaps,
        episode,
    } = talker;
    body.option(*span, |body, (first, last)| {
        body.i64(first);
        body.i64(last);
    });
    body.u64(last_seq.0);
    body.i64(last_received.0);
    body.u32(gaps.total);
    body.list(&gaps.counts, |body, count| body.u32(u32::from(*count)));
    body.option(episode.as_deref(), Writer::episode);
}

fn read_talker(body: &mut Reader<'_>) -> Option<Talker> {
    Some(Talker {
        span: body.option(|body| Some((body.i64()?, body.i64()?)))?,
        last_seq: body.seq()?,
        last_received: body.micros()?,
        gaps: Gaps {
            total: body.u32()?,
            counts: body.list(|body| u16::try_from(body.u32()?).ok())?,
        },
        episode: body.option(Reader::episode)?.map(Box::new),
    })
}

fn write_pace(body: &mut Writer, pace: &Pace) {
    let Pace {
        current,
        ended,
        usual,
        episode,
    } = pace;
    write_window(body, current);
    body.option(ended.as_deref(), write_window);
    body.option(usual.since, |body, since| body.i64(since.0));
    body.list(&usual.seasons, |body, (season, counts)| {
        body.u8(season.0);
        body.list(counts, |body, count| body.u32(*count));
    });
    body.option(episode.as_deref(), Writer::episode);
}

fn write_window(body: &mut Writer, window: &Window) {
    let Window {
        number,
        awake_us,
        count,
        seqs,
        first_at,
    } = window;
    body.i64(*number);
    body.i64(*awake_us);
    body.u64(*count);
    body.seqs(seqs);
    body.i64(first_at.0);
}

fn read_pace(body: &mut Reader<'_>) -> Option<Pace> {
    Some(Pace {
        current: read_window(body)?,
        ended: body.option(read_window)?.map(Box::new),
        usual: Usual {
            since: body.option(Reader::micros)?,
            seasons: body.list(|body| Some((Season(body.u8()?), body.list(Reader::u32)?)))?,
        },
        episode: body.option(Reader::episode)?.map(Box::new),
    })
}

fn read_window(body: &mut Reader<'_>) -> Option<Window> {
    Some(Window {
        number: body.i64()?,
        awake_us: body.i64()?,
        count: body.u64()?,
        seqs: body.seqs()?,
        first_at: body.micros()?,
    })
}

fn write_pulse(body: &mut Writer, pulse: &Pulse) {
    let Pulse { beats, episode } = pulse;
    body.list(beats, |body, beat| {
        let Beat { at, seq, until } = beat;
        body.i64(at.0);
        body.u64(seq.0);
        body.i64(until.0);
    });
    body.option(episode.as_deref(), Writer::episode);
}

fn read_pulse(body: &mut Reader<'_>) -> Option<Pulse> {
    let beat = |body: &mut Reader<'_>| {
        Some(Beat {
            at: body.micros()?,
            seq: body.seq()?,
            until: body.micros()?,
        })
    };
    Some(Pulse {
        beats: body.list(beat)?,
        episode: body.option(Reader::episode)?.map(Box::new),
    })
}
