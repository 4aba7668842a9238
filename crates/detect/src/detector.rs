//! The detector: events in, in the order of their Seqs; detections out.

use std::sync::Arc;

use event::{Event, Field, Micros, Seq, Value};

use crate::absence::{self, Talker};
use crate::audit::Audit;
use crate::key::{self, KeyField, KeyPart};
use crate::matcher::MatchBuffer;
use crate::places::Places;
use crate::progress::Progress;
use crate::rate::{Pace, Windows};
use crate::regular::{self, Pulse, PulseOutcome};
use crate::report::{self, Firing};
use crate::rule::{Circumstance, Input, Kind, Listed, Rule, RuleState};
use crate::rules::Rules;
use crate::seen::{Contact, ContactOutcome, Seen};
use crate::shares::Shares;
use crate::store::Store;
use crate::today::Today;
use crate::work::{ProgressOutcome, Work};
use crate::{Evicted, Output, Span, Update};

/// Whose time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Life, and replays and backtests of it: imported records are passed over.
    Live,
    /// An import with `--detect`, in a detector of its own: the events' own times count, whenever they arrived.
    Import,
}

/// Finds what rules describe in a stream of events. Owned and fed by one thread.
///
/// The same events under the same rules give the same outputs, live or replayed: time is read from the events alone.
#[derive(Debug)]
pub struct Detector {
    pub(crate) rules: Arc<Rules>,
    pub(crate) mode: Mode,
    pub(crate) covered: Seq,
    /// Detector time: the latest receipt time so far.
    pub(crate) now: Micros,
    /// Time that passed while records arrived.
    pub(crate) awake_us: i64,
    pub(crate) told_at: Micros,
    pub(crate) memories: Vec<Memory>,
    pub(crate) sets: Vec<Store<Seen>>,
    pub(crate) servers: Store<Seen>,
    pub(crate) audit: Audit,
    /// Episodes that went on since they were last told: rule and key.
    pub(crate) untold: Vec<(usize, Vec<u8>)>,
    pub(crate) evicted: Vec<Evicted>,
    pub(crate) counters: Vec<Counters>,
    pub(crate) today: Today,
    scratch: Scratch,
}

/// What a rule remembers.
#[derive(Debug)]
pub(crate) enum Memory {
    Nothing,
    Progress(Store<Progress>),
    Seen(Store<Seen>),
    Talkers(Store<Talker>),
    Paces(Store<Pace>),
    Pulses(Store<Pulse>),
}

/// How a rule has fared since the detector was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Events that it looked at and that matched.
    pub matched: u64,
    /// Of these, the ones without a field that its key needs: the rule saw them and could do nothing.
    pub keyless: u64,
    /// Of these, the ones that an exception keeps from the rule.
    pub excepted: u64,
    /// Detections.
    pub detections: u64,
    /// Keys forgotten before their time.
    pub evicted: u64,
}

/// Buffers that are used again for each event.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) key: Vec<u8>,
    /// Rules that match the event, or have found something with it.
    pub(crate) hits: Vec<bool>,
    /// Rules to be asked.
    pub(crate) waiting: Places,
    pub(crate) matching: MatchBuffer,
    /// The input of a sequence that its circumstances forbid.
    pub(crate) withheld: Option<usize>,
    /// What stands behind a correlation's hit: events and their Seqs.
    pub(crate) behind: Vec<(usize, u64, Vec<Seq>)>,
}

/// Updates and evictions are told this often, in detector time.
const TELL_EVERY: Span = Span::seconds(10);
/// Between two records no more time than this counts as time awake: the heartbeats come every 10 s.
const AWAKE_STEP_MAX: Span = Span::seconds(20);
/// Correlation takes the event's own time if it lies this far before its receipt, at most …
const EARLY_MAX: Span = Span::seconds(86_400);
/// … and this far after.
const LATE_MAX: Span = Span::seconds(300);
/// A server's entry is refreshed no more often than this.
const SERVER_REFRESH: Span = Span::seconds(3_600);

/// An event and what is worked out once for all rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'e> {
    pub(crate) event: &'e Event,
    /// Correlation time.
    pub(crate) at: Micros,
    pub(crate) seq: Seq,
}

impl Detector {
    /// A detector that remembers nothing.
    #[must_use]
    pub fn new(rules: Arc<Rules>, mode: Mode) -> Self {
        let shares = Shares::of(&rules);
        let memories = rules.rules.iter().map(|rule| shares.memory(rule)).collect();
        let set = |_| shares.set();
        Self {
            memories,
            sets: rules.sets.iter().map(set).collect(),
            servers: shares.set(),
            audit: Audit::default(),
            counters: vec![Counters::default(); rules.rules.len()],
            today: Today::new(&rules),
            rules,
            mode,
            covered: Seq::ZERO,
            now: Micros::MIN,
            awake_us: 0,
            told_at: Micros::MIN,
            untold: Vec::new(),
            evicted: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// The last Seq that it has seen; events up to it are passed over.
    #[must_use]
    pub fn covered(&self) -> Seq {
        self.covered
    }

    /// Lets it go on after that event, where it has covered more than the journal holds: what it remembers is of
    /// another journal, or of one that has since been restored from an older copy.
    pub fn go_on_after(&mut self, seq: Seq) {
        self.covered = seq;
    }

    /// The rules that it runs.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Takes the next event in, and appends what it leads to.
    pub fn observe(&mut self, event: &Event, out: &mut Vec<Output>) {
        if event.seq() <= self.covered {
            return;
        }
        self.covered = event.seq();
        let imported = event.text(Field::NHATKY_TRANSPORT) == Some("import");
        if imported && self.mode == Mode::Live {
            return;
        }
        let at = self.pass_time(event);
        let told = self.today.tell(self.now, &self.rules);
        out.extend(told.map(|day| Output::Day(Box::new(day))));
        self.today.count(event);
        let moment = Moment {
            event,
            at,
            seq: event.seq(),
        };
        self.note_server(event);
        let mut scratch = std::mem::take(&mut self.scratch);
        self.judge(moment, &mut scratch, out);
        self.scratch = scratch;
        if is_heartbeat(event) {
            self.judge_silence(moment, out);
            self.judge_rates(moment, out);
        }
        if self.now.0.saturating_sub(self.told_at.0) >= TELL_EVERY.micros() {
            self.tell_episodes(out);
        }
    }

    /// Appends all that it has not told yet: how open episodes went on, and what was seen of the day. Done by itself every
    /// 10 s and every minute of detector time.
    pub fn tell(&mut self, out: &mut Vec<Output>) {
        self.tell_episodes(out);
        let day = self.today.so_far(self.now, &self.rules);
        out.extend(day.map(|day| Output::Day(Box::new(day))));
    }

    fn tell_episodes(&mut self, out: &mut Vec<Output>) {
        self.told_at = self.now;
        let now = self.now;
        for (place, key) in std::mem::take(&mut self.untold) {
            let update = match self.memories.get_mut(place) {
                Some(Memory::Progress(store)) => {
                    store.amend(&key, now, |progress| told(&mut progress.episode))
                }
                Some(Memory::Seen(store)) => store.amend(&key, now, |seen| told(&mut seen.episode)),
                Some(Memory::Paces(store)) => {
                    store.amend(&key, now, |pace| told(&mut pace.episode))
                }
                Some(Memory::Pulses(store)) => {
                    store.amend(&key, now, |pulse| told(&mut pulse.episode))
                }
                Some(Memory::Talkers(_) | Memory::Nothing) | None => None,
            };
            out.extend(update.flatten().map(Output::Update));
        }
        for mut evicted in self.evicted.drain(..) {
            evicted.to = now;
            out.push(Output::Evicted(evicted));
        }
        self.drop_dead();
    }

    /// Moves detector time and gives the event's correlation time.
    fn pass_time(&mut self, event: &Event) -> Micros {
        let date = |field| match event.get(field) {
            Some(Value::Date(at)) => Some(at),
            _ => None,
        };
        let own = date(Field::TIMESTAMP);
        let received = match self.mode {
            Mode::Live => date(Field::EVENT_INGESTED).or(own),
            Mode::Import => own.or_else(|| date(Field::EVENT_INGESTED)),
        };
        let received = received.unwrap_or(self.now);
        if received > self.now {
            let passed = if self.now == Micros::MIN {
                0
            } else {
                received.0.saturating_sub(self.now.0)
            };
            let awake_us = passed.min(AWAKE_STEP_MAX.micros());
            self.awake_us = self.awake_us.saturating_add(awake_us);
            self.today.awake_us = self.today.awake_us.saturating_add(awake_us);
            self.now = received;
        }
        if self.told_at == Micros::MIN {
            self.told_at = self.now;
        }
        let credible = |at: &Micros| {
            let early = received.0.saturating_sub(at.0);
            self.mode == Mode::Import || (-LATE_MAX.micros()..=EARLY_MAX.micros()).contains(&early)
        };
        own.filter(credible).unwrap_or(received)
    }

    /// Remembers the address of a server: one whose own logs arrive, and are those of an operating system, a database or
    /// an application.
    fn note_server(&mut self, event: &Event) {
        if !matches!(
            event.text(Field::NHATKY_CATEGORY),
            Some("os" | "database" | "application")
        ) {
            return;
        }
        let relayed = event
            .text(Field::NHATKY_SOURCE)
            .is_some_and(|source| key::sender(source).contains('>'));
        let address = match event.get(Field::HOST_IP) {
            Some(Value::Address(address)) => Some(address),
            _ if relayed => None,
            _ => match event.get(Field::NHATKY_PEER) {
                Some(Value::Address(address)) => Some(address),
                _ => None,
            },
        };
        let Some(address) = address.filter(|address| !self.rules.workstations.contains(address))
        else {
            return;
        };
        let mut key = [0; 17];
        let key = address_key(address, &mut key);
        let now = self.now;
        let fresh = |seen: &Seen| {
            seen.since
                .is_some_and(|since| now.0.saturating_sub(since.0) < SERVER_REFRESH.micros())
        };
        if !self.servers.peek(key, now).is_some_and(fresh) {
            self.servers.touch(key, now, |seen| seen.since = Some(now));
        }
    }

    /// Asks every rule that this event can concern, those on events first, then those on rules, in their order.
    fn judge(&mut self, moment: Moment<'_>, scratch: &mut Scratch, out: &mut Vec<Output>) {
        scratch.hits.clear();
        scratch.hits.resize(self.rules.rules.len(), false);
        scratch.behind.clear();
        let rules = Arc::clone(&self.rules);
        rules.matching(moment.event, &mut scratch.matching, |place| {
            scratch.waiting.insert(place);
        });
        self.today
            .see(&rules.needs, moment.event, scratch.matching.open_gates());
        let whole = self.whole_audit_event(&rules, moment, scratch);
        let whole = whole
            .as_ref()
            .map_or(moment, |event| Moment { event, ..moment });
        scratch.waiting.for_each(|place| {
            if let Some(hit) = scratch.hits.get_mut(place) {
                *hit = true;
            }
        });
        let mut taught: Vec<(usize, bool)> = Vec::new();
        // What refers to a rule comes after it, so that all its inputs are known when it is asked.
        while let Some(place) = scratch.waiting.pop_first() {
            let Some(rule) = rules.rules.get(place) else {
                continue;
            };
            let moment = if rule.together { whole } else { moment };
            if let Input::Rules { filter, listed, .. } = &rule.input {
                let is_listed = |listed: &Listed| listed.hit(moment.event, moment.at).is_some();
                if !query::matches(filter, moment.event) || !listed.as_ref().is_none_or(is_listed) {
                    continue;
                }
            }
            let found = self.judge_one(place, rule, moment, scratch, out);
            if found || matches!(rule.input, Input::Events) {
                let sets = rules.teaches.get(place).into_iter().flatten();
                taught.extend(sets.map(|set| (*set, rule.together)));
            }
            if let Some(hit) = scratch.hits.get_mut(place) {
                *hit = found;
            }
            if found {
                let dependents = rules.dependents.get(place).into_iter().flatten();
                dependents.for_each(|dependent| scratch.waiting.insert(*dependent));
            }
        }
        taught.sort_unstable();
        taught.dedup();
        for (set, together) in taught {
            let moment = if together { whole } else { moment };
            self.teach(set, moment.event, &mut scratch.key);
        }
    }

    /// The audit event that this record goes on with, if any: the rules that look at such events as a whole are asked
    /// anew, in place of what the record alone has matched. A rule matches an audit event once.
    fn whole_audit_event(
        &mut self,
        rules: &Rules,
        moment: Moment<'_>,
        scratch: &mut Scratch,
    ) -> Option<Event> {
        if !rules.has_together {
            return None;
        }
        let together = |place: usize| rules.rules.get(place).is_some_and(|rule| rule.together);
        let open = self.audit.take(moment.event, self.now);
        let Some(open) = open else {
            let audit = &mut self.audit;
            scratch
                .waiting
                .retain(|place| !together(place) || audit.note(moment.event, place));
            return None;
        };
        scratch.waiting.retain(|place| !together(place));
        rules.matching(&open.whole, &mut scratch.matching, |place| {
            if together(place) && open.matched.insert(place) {
                scratch.waiting.insert(place);
            }
        });
        Some(open.whole.clone())
    }

    /// Lets one rule count the event; `true` where it has thereby found something, or is a building block.
    fn judge_one(
        &mut self,
        place: usize,
        rule: &Rule,
        moment: Moment<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Output>,
    ) -> bool {
        if rule.info.state == RuleState::Disabled {
            return false;
        }
        let excepted = self.rules.is_excepted(place, moment.event, self.now);
        self.count(place, |counters| {
            counters.matched += 1;
            counters.excepted += u64::from(excepted);
        });
        if excepted {
            return false;
        }
        scratch.withheld = None;
        if !self.circumstances_hold(rule, moment, &mut scratch.key) {
            // Of a sequence only the end must come under the circumstances.
            let Kind::Sequence { steps } = rule.kind else {
                return false;
            };
            scratch.withheld = usize::from(steps).checked_sub(1);
        }
        if matches!(rule.kind, Kind::Base) {
            return true;
        }
        match rule.keys.as_slice() {
            [key] => self.judge_key(place, rule, key, None, moment, scratch, out),
            several => {
                let mut found = false;
                for (input, key) in several.iter().enumerate() {
                    if rule.input.is_hit(input, &scratch.hits) {
                        found |=
                            self.judge_key(place, rule, key, Some(input), moment, scratch, out);
                    }
                }
                found
            }
        }
    }

    /// Lets a rule count the event under one key; `only` is the input that the key is for.
    fn judge_key(
        &mut self,
        place: usize,
        rule: &Rule,
        parts: &[KeyPart],
        only: Option<usize>,
        moment: Moment<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Output>,
    ) -> bool {
        if !key::write_key(parts, moment.event, &mut scratch.key) {
            self.count(place, |counters| counters.keyless += 1);
            return false;
        }
        match &rule.kind {
            Kind::Base => true,
            Kind::Count { .. }
            | Kind::Distinct { .. }
            | Kind::Each { .. }
            | Kind::Sequence { .. }
            | Kind::Pattern { .. }
            | Kind::Measure { .. } => self.judge_progress(place, rule, only, moment, scratch, out),
            Kind::FirstSeen {
                field, learning_us, ..
            } => self.judge_contact(place, rule, field, *learning_us, moment, scratch, out),
            Kind::Absence { .. } => {
                self.hear(place, moment, &scratch.key);
                false
            }
            Kind::Rate(_) => {
                self.pace(place, rule, moment, &scratch.key);
                false
            }
            Kind::Regular(limits) => {
                self.judge_pulse(place, rule, *limits, moment, &scratch.key, out)
            }
        }
    }

    fn judge_progress(
        &mut self,
        place: usize,
        rule: &Rule,
        only: Option<usize>,
        moment: Moment<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(work) = Work::of(rule, only, moment, scratch) else {
            return false;
        };
        let has_dependents = self
            .rules
            .dependents
            .get(place)
            .is_some_and(|list| !list.is_empty());
        let Some(Memory::Progress(store)) = self.memories.get_mut(place) else {
            return false;
        };
        let key = &scratch.key;
        let (outcome, evicted) = store.touch(key, self.now, |progress| {
            let outcome = work.run(progress, rule, moment, || {
                report::identity(&rule.info.id, key, moment.seq)
            });
            let behind = match (&outcome, &progress.episode) {
                (ProgressOutcome::Fired(_) | ProgressOutcome::WentOn { .. }, Some(episode))
                    if has_dependents =>
                {
                    Some((episode.count, episode.evidence.seqs()))
                }
                _ => None,
            };
            (outcome, behind)
        });
        self.note_evicted(place, rule, evicted);
        let (outcome, behind) = outcome;
        scratch
            .behind
            .extend(behind.map(|(count, seqs)| (place, count, seqs)));
        match outcome {
            ProgressOutcome::Nothing => false,
            ProgressOutcome::WentOn { newly_untold } => {
                if newly_untold && rule.emits {
                    self.untold.push((place, scratch.key.clone()));
                }
                true
            }
            ProgressOutcome::Fired(fired) => {
                self.emit(
                    place,
                    rule,
                    Firing {
                        key: &scratch.key,
                        moment,
                        fired: &fired,
                        facts: &[],
                    },
                    out,
                );
                true
            }
        }
    }

    fn judge_contact(
        &mut self,
        place: usize,
        rule: &Rule,
        field: &[KeyPart],
        learning_us: i64,
        moment: Moment<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<Output>,
    ) -> bool {
        let mut value = Vec::with_capacity(64);
        if !key::write_key(field, moment.event, &mut value) {
            return false;
        }
        let group = [b"G", scratch.key.as_slice()].concat();
        let whole = [b"V", scratch.key.as_slice(), value.as_slice()].concat();
        let shown = whole.get(1..).unwrap_or_default();
        let contact = Contact {
            group: &group,
            value: &whole,
            at: moment.at,
            seq: moment.seq,
            learning_us,
            window_us: rule.window_us,
        };
        let Some(Memory::Seen(store)) = self.memories.get_mut(place) else {
            return false;
        };
        let (outcome, evicted) = store.contact(&contact, self.now, || {
            report::identity(&rule.info.id, shown, moment.seq)
        });
        self.note_evicted(place, rule, evicted);
        match outcome {
            ContactOutcome::Known => false,
            ContactOutcome::Again { newly_untold } => {
                if newly_untold && rule.emits {
                    self.untold.push((place, whole));
                }
                true
            }
            ContactOutcome::First(fired) => {
                self.emit(
                    place,
                    rule,
                    Firing {
                        key: shown,
                        moment,
                        fired: &fired,
                        facts: &[],
                    },
                    out,
                );
                true
            }
        }
    }

    fn judge_pulse(
        &mut self,
        place: usize,
        rule: &Rule,
        limits: regular::Limits,
        moment: Moment<'_>,
        key: &[u8],
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(Memory::Pulses(store)) = self.memories.get_mut(place) else {
            return false;
        };
        let Moment { at, seq, .. } = moment;
        let (outcome, evicted) = store.touch(key, self.now, |pulse| {
            pulse.note(at, seq, limits, rule.window_us, || {
                report::identity(&rule.info.id, key, seq)
            })
        });
        self.note_evicted(place, rule, evicted);
        match outcome {
            PulseOutcome::Nothing => false,
            PulseOutcome::WentOn { newly_untold } => {
                if newly_untold && rule.emits {
                    self.untold.push((place, key.to_vec()));
                }
                true
            }
            PulseOutcome::Fired(fired, rhythm) => {
                let firing = Firing {
                    key,
                    moment,
                    fired: &fired,
                    facts: &report::rhythm_facts(rhythm),
                };
                self.emit(place, rule, firing, out);
                true
            }
        }
    }

    fn circumstances_hold(&self, rule: &Rule, moment: Moment<'_>, key: &mut Vec<u8>) -> bool {
        let Some(when) = &rule.when else { return true };
        let any = when
            .circumstances
            .iter()
            .any(|circumstance| match circumstance {
                Circumstance::OutsideWorkingHours => {
                    self.rules.settings.working_hours.outside(moment.at)
                }
                Circumstance::Unseen { set } => {
                    let fields = self
                        .rules
                        .sets
                        .get(*set)
                        .map(|set| set.fields.as_slice())
                        .unwrap_or_default();
                    key::write_key(fields, moment.event, key)
                        && self
                            .sets
                            .get(*set)
                            .is_some_and(|store| store.peek(key, self.now).is_none())
                }
                Circumstance::Server { field } => self.is_server(field, moment.event),
            });
        any == when.any
    }

    fn is_server(&self, field: &KeyField, event: &Event) -> bool {
        let Some(Value::Address(address)) = field.value(event) else {
            return false;
        };
        self.servers
            .peek(address_key(address, &mut [0; 17]), self.now)
            .is_some()
    }

    fn teach(&mut self, set: usize, event: &Event, key: &mut Vec<u8>) {
        let fields = self
            .rules
            .sets
            .get(set)
            .map(|set| set.fields.as_slice())
            .unwrap_or_default();
        if !key::write_key(fields, event, key) {
            return;
        }
        let Some(store) = self.sets.get_mut(set) else {
            return;
        };
        let now = self.now;
        let (_, evicted) = store.touch(key, now, |seen| *seen.since.get_or_insert(now));
        if evicted > 0 {
            let rules = Arc::clone(&self.rules);
            let asks = |rule: &Rule| {
                rule.when.iter().flat_map(|when| &when.circumstances).any(
                |circumstance| matches!(circumstance, Circumstance::Unseen { set: asked } if *asked == set),
            )
            };
            if let Some((place, rule)) = rules.rules.iter().enumerate().find(|(_, rule)| asks(rule))
            {
                self.note_evicted(place, rule, evicted);
            }
        }
    }

    /// Notes that a sender, and its relay, have been heard.
    fn hear(&mut self, place: usize, moment: Moment<'_>, key: &[u8]) {
        let (awake_us, now) = (self.awake_us, self.now);
        let Some(Memory::Talkers(store)) = self.memories.get_mut(place) else {
            return;
        };
        let talks = |talker: &mut Talker| talker.talks(awake_us, now, moment.seq);
        let (_, mut evicted) = store.touch(key, now, talks);
        if let Some(relay) = report::relay_of(key) {
            evicted += store.touch(&relay, now, talks).1;
        }
        let rules = Arc::clone(&self.rules);
        if let Some(rule) = rules.rules.get(place) {
            self.note_evicted(place, rule, evicted);
        }
    }

    fn pace(&mut self, place: usize, rule: &Rule, moment: Moment<'_>, key: &[u8]) {
        let Some(Memory::Paces(store)) = self.memories.get_mut(place) else {
            return;
        };
        let hours = &self.rules.settings.working_hours;
        let windows = Windows {
            length_us: rule.window_us,
            now: self.now,
            awake_us: self.awake_us,
            season: |at| hours.season(at),
        };
        let (_, evicted) = store.touch(key, self.now, |pace| {
            pace.count(&windows, moment.at, moment.seq);
        });
        self.note_evicted(place, rule, evicted);
    }

    /// At a heartbeat: who has been silent for too long?
    fn judge_silence(&mut self, moment: Moment<'_>, out: &mut Vec<Output>) {
        let rules = Arc::clone(&self.rules);
        let (awake_us, now) = (self.awake_us, self.now);
        for (place, rule) in rules.rules.iter().enumerate() {
            let Kind::Absence {
                factor,
                at_least_us,
                learning_us,
                samples,
            } = rule.kind
            else {
                continue;
            };
            let limits = absence::Limits {
                factor,
                at_least_us,
                learning_us,
                samples,
            };
            let Some(Memory::Talkers(store)) = self.memories.get_mut(place) else {
                continue;
            };
            for silent in store.silent(awake_us, limits, now, report::relay_of) {
                let fired = report::silence(&silent, moment.at);
                let id = report::identity(&rule.info.id, &silent.key, moment.seq);
                let episode = crate::episode::Episode::open(id, &fired);
                if let Some(Memory::Talkers(store)) = self.memories.get_mut(place) {
                    store.amend(&silent.key, now, |talker| {
                        talker.episode = Some(Box::new(episode));
                    });
                }
                let facts = report::silence_facts(&silent);
                self.emit(
                    place,
                    rule,
                    Firing {
                        key: &silent.key,
                        moment,
                        fired: &fired,
                        facts: &facts,
                    },
                    out,
                );
            }
        }
    }

    /// At a heartbeat: whose window has ended with far more, or fewer, than usual?
    fn judge_rates(&mut self, moment: Moment<'_>, out: &mut Vec<Output>) {
        let rules = Arc::clone(&self.rules);
        let now = self.now;
        for (place, rule) in rules.rules.iter().enumerate() {
            let Kind::Rate(limits) = rule.kind else {
                continue;
            };
            let windows = Windows {
                length_us: rule.window_us,
                now,
                awake_us: self.awake_us,
                season: |at| rules.settings.working_hours.season(at),
            };
            let Some(Memory::Paces(store)) = self.memories.get_mut(place) else {
                continue;
            };
            let excesses = store.judge(&windows, limits);
            for excess in excesses {
                let fired = report::excess(&excess, moment.at);
                let id = report::identity(&rule.info.id, &excess.key, moment.seq);
                let Some(Memory::Paces(store)) = self.memories.get_mut(place) else {
                    continue;
                };
                let opened = store.amend(&excess.key, now, |pace| {
                    report::open_or_extend(&mut pace.episode, id, &fired, rule.window_us)
                });
                if opened == Some(false) && rule.emits {
                    self.untold.push((place, excess.key.clone()));
                }
                if opened == Some(true) {
                    let facts = report::excess_facts(&excess);
                    self.emit(
                        place,
                        rule,
                        Firing {
                            key: &excess.key,
                            moment,
                            fired: &fired,
                            facts: &facts,
                        },
                        out,
                    );
                }
            }
        }
    }

    /// Counts for a rule: since the detector was made, and for the day.
    fn count(&mut self, place: usize, add: impl Fn(&mut Counters)) {
        let counters = [&mut self.counters, &mut self.today.counters];
        counters
            .into_iter()
            .filter_map(|all| all.get_mut(place))
            .for_each(add);
    }

    fn emit(&mut self, place: usize, rule: &Rule, firing: Firing<'_>, out: &mut Vec<Output>) {
        if !rule.emits {
            return;
        }
        self.count(place, |counters| counters.detections += 1);
        out.push(Output::Detection(Box::new(report::detection(
            rule,
            self.rules.version(),
            firing,
        ))));
    }

    fn note_evicted(&mut self, place: usize, rule: &Rule, keys: u64) {
        if keys == 0 {
            return;
        }
        self.count(place, |counters| counters.evicted += keys);
        match self
            .evicted
            .iter_mut()
            .find(|evicted| evicted.rule == rule.info.id)
        {
            Some(evicted) => evicted.keys += keys,
            None => {
                let rule = rule.info.id.clone();
                self.evicted.push(Evicted {
                    rule,
                    keys,
                    from: self.now,
                    to: self.now,
                });
            }
        }
    }

    /// Frees what has outlived its time, a bounded piece at a time.
    fn drop_dead(&mut self) {
        const PIECE: usize = 10_000;
        let now = self.now;
        for memory in &mut self.memories {
            match memory {
                Memory::Nothing => {}
                Memory::Progress(store) => store.drop_dead(now, PIECE),
                Memory::Seen(store) => store.drop_dead(now, PIECE),
                Memory::Talkers(store) => store.drop_dead(now, PIECE),
                Memory::Paces(store) => store.drop_dead(now, PIECE),
                Memory::Pulses(store) => store.drop_dead(now, PIECE),
            }
        }
        self.sets
            .iter_mut()
            .for_each(|set| set.drop_dead(now, PIECE));
        self.servers.drop_dead(now, PIECE);
    }
}

impl Input {
    pub(crate) fn is_hit(&self, input: usize, hits: &[bool]) -> bool {
        match self {
            Self::Events => true,
            Self::Rules { places, .. } => {
                places.get(input).and_then(|place| hits.get(*place)) == Some(&true)
            }
        }
    }
}

fn told(episode: &mut Option<Box<crate::episode::Episode>>) -> Option<Update> {
    let episode = episode.as_deref_mut().filter(|episode| episode.untold)?;
    episode.untold = false;
    Some(Update {
        id: report::hex(&episode.id),
        last_at: episode.last_at,
        count: episode.count,
        evidence: episode.evidence.seqs(),
    })
}

fn address_key(address: std::net::IpAddr, buffer: &mut [u8; 17]) -> &[u8] {
    match address {
        std::net::IpAddr::V4(address) => {
            buffer[1..5].copy_from_slice(&address.octets());
            &buffer[..5]
        }
        std::net::IpAddr::V6(address) => {
            buffer[1..].copy_from_slice(&address.octets());
            buffer
        }
    }
}

/// Own records are JSON made by this program alone, the kind first.
fn is_heartbeat(event: &Event) -> bool {
    event.text(Field::NHATKY_LISTENER) == Some("nhatky")
        && event.raw().starts_with(br#"{"nhatky":"heartbeat""#)
}
