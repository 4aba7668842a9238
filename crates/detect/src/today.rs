//! What was seen today, by rule: counted as events come, told now and then, and at the end of the day.

use event::{CalendarDay, DaySeen, Event, Field, Micros, ParseLevel, RuleDay, Seq};

use crate::Span;
use crate::detector::Counters;
use crate::needs::Needs;
use crate::rule::RuleState;
use crate::rules::Rules;

/// What changed is told this often, in detector time.
const TELL_EVERY: Span = Span::seconds(60);

/// The day that is going on.
#[derive(Debug)]
pub(crate) struct Today {
    /// None before the first event.
    pub(crate) day: Option<CalendarDay>,
    pub(crate) told_at: Micros,
    pub(crate) events: u64,
    pub(crate) unread: u64,
    pub(crate) awake_us: i64,
    /// For each need of the rules.
    pub(crate) needs: Vec<NeedSeen>,
    /// The same of the day before.
    pub(crate) needs_before: Vec<NeedSeen>,
    /// For each rule.
    pub(crate) counters: Vec<Counters>,
    /// For each rule, what was last told of it.
    told: Vec<Told>,
}

/// How many events were what some rules need.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NeedSeen {
    pub(crate) events: u64,
    /// Of these, the ones with every field.
    pub(crate) complete: u64,
    /// The last one, so that it counts once.
    last: Seq,
}

impl NeedSeen {
    /// So many as a checkpoint has them.
    pub(crate) fn of(events: u64, complete: u64) -> Self {
        Self {
            events,
            complete,
            last: Seq::ZERO,
        }
    }
}

/// What was last told of a rule: events, complete ones, and the rest.
type Told = (u64, u64, Counters);

impl Today {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            day: None,
            told_at: Micros::MIN,
            events: 0,
            unread: 0,
            awake_us: 0,
            needs: vec![NeedSeen::default(); rules.needs.len()],
            needs_before: vec![NeedSeen::default(); rules.needs.len()],
            counters: vec![Counters::default(); rules.rules.len()],
            told: vec![Told::default(); rules.rules.len()],
        }
    }

    /// Counts an event that is judged.
    pub(crate) fn count(&mut self, event: &Event) {
        self.events += 1;
        let level = event.text(Field::NHATKY_PARSE);
        let read = level.and_then(ParseLevel::from_name);
        self.unread += u64::from(read != Some(ParseLevel::Full));
    }

    /// Counts it for those who need such events.
    pub(crate) fn see(&mut self, needs: &Needs, event: &Event, open_gates: &[usize]) {
        let seq = event.seq();
        needs.each(event, open_gates, |number, complete| {
            if let Some(seen) = self.needs.get_mut(number).filter(|seen| seen.last != seq) {
                seen.last = seq;
                seen.events += 1;
                seen.complete += u64::from(complete);
            }
        });
    }

    /// Events of today and the day before that are what the rule in that place needs, and how many of them are complete.
    pub(crate) fn lately(&self, rules: &Rules, place: usize) -> (u64, u64) {
        let Some(number) = rules.needs.of_rule(place) else {
            return (0, 0);
        };
        let days = [&self.needs, &self.needs_before];
        let days = days.into_iter().filter_map(|needs| needs.get(number));
        days.fold((0, 0), |(events, complete), seen| {
            (events + seen.events, complete + seen.complete)
        })
    }

    /// What is to be told now: at a change of the day the one that ends, whole; else what changed, now and then.
    pub(crate) fn tell(&mut self, now: Micros, rules: &Rules) -> Option<DaySeen> {
        let today = CalendarDay::of(now, rules.settings.working_hours.utc_offset_minutes);
        match self.day {
            None => {
                self.day = Some(today);
                self.told_at = now;
                None
            }
            Some(day) if day < today => {
                let ended = self.seen(day, rules);
                let needs_before = std::mem::take(&mut self.needs);
                *self = Self {
                    day: Some(today),
                    told_at: now,
                    needs_before,
                    ..Self::new(rules)
                };
                Some(ended)
            }
            Some(_) if now.0.saturating_sub(self.told_at.0) >= TELL_EVERY.micros() => {
                self.so_far(now, rules)
            }
            Some(_) => None,
        }
    }

    /// What is to be told of the day that is going on.
    pub(crate) fn so_far(&mut self, now: Micros, rules: &Rules) -> Option<DaySeen> {
        self.told_at = now;
        let day = self.day?;
        Some(self.seen(day, rules))
    }

    /// The day so far, with the rules for which something changed.
    fn seen(&mut self, date: CalendarDay, rules: &Rules) -> DaySeen {
        let mut changed = Vec::new();
        let all = rules.rules.iter().zip(&self.counters).zip(&mut self.told);
        for (place, ((rule, counters), told)) in all.enumerate() {
            let number = rules.needs.of_rule(place);
            let need = number.and_then(|number| self.needs.get(number));
            let Some(need) = need.filter(|_| rule.info.state == RuleState::Active) else {
                continue;
            };
            let now = (need.events, need.complete, *counters);
            if *told == now {
                continue;
            }
            *told = now;
            changed.push(RuleDay {
                rule: rule.info.id.clone(),
                events: need.events,
                complete: need.complete,
                matched: counters.matched,
                keyless: counters.keyless,
                excepted: counters.excepted,
                detections: counters.detections,
                evicted: counters.evicted,
            });
        }
        DaySeen {
            date,
            events: self.events,
            unread: self.unread,
            awake_us: self.awake_us,
            rules: changed,
        }
    }
}
