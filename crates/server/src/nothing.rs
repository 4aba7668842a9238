//! Why a search has found nothing: what it asks is asked again in parts, of other times, of values near those asked for.
//!
//! Everything told was counted: no reason is given that was not seen to hold, and no other query is suggested that has
//! no hits. All of it is bounded in time and in the number of counts; what could not be counted is not told.

mod reason;
mod values;

pub(crate) use reason::{Code, Reason, Suggestion};

use std::time::{Duration, Instant};

use event::{Event, Field, Micros, Value};
use index::{Budget, Cancel, Counting, Index, Scope, SearchError, SearchRequest, SearchResult};
use query::{Condition, Expr, FieldName, Test};
use registry::Source;

use crate::own_records;
use crate::question::without_own_questions;

/// How long it may all take.
const TIME: Duration = Duration::from_secs(3);
/// How long one count may take.
const COUNT_TIME: Duration = Duration::from_millis(600);
/// The most bytes of raw text that one count may read.
const COUNT_BYTES: u64 = 256 << 20;
/// How many members of the condition are looked at one by one.
const MEMBERS_MAX: usize = 16;
/// How many counts there are at most.
const COUNTS_MAX: usize = 80;
/// By how much dates are off whose zone was taken for UTC, or the other way round.
const ZONE: Duration = Duration::from_secs(7 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A span of time: not before the first, before the second.
pub(crate) type Span = (Option<Micros>, Option<Micros>);

/// What is to be explained.
#[derive(Debug)]
pub(crate) struct Nothing {
    /// The condition as it was asked.
    pub(crate) expr: Expr,
    pub(crate) span: Span,
    pub(crate) now: Micros,
    /// The receipt time of the oldest record kept.
    pub(crate) kept_from: Option<Micros>,
    /// The sources known.
    pub(crate) sources: Vec<Source>,
}

/// What was found of it.
#[derive(Debug)]
pub(crate) struct Why {
    /// Events that match after all.
    pub(crate) total: u64,
    /// The reasons, the likeliest first.
    pub(crate) reasons: Vec<Reason>,
}

/// Says why nothing was found.
pub(crate) fn why(
    index: &Index,
    nothing: &Nothing,
    budget: Budget,
    cancel: Cancel,
) -> Result<Why, SearchError> {
    let mut asking = Asking {
        index,
        nothing,
        budget,
        cancel,
        started: Instant::now(),
        counts_left: COUNTS_MAX,
        reasons: Vec::new(),
    };
    let total = asking.run()?;
    let mut reasons = asking.reasons;
    reasons.sort_by_key(|reason| reason.code);
    Ok(Why { total, reasons })
}

struct Asking<'a> {
    index: &'a Index,
    nothing: &'a Nothing,
    budget: Budget,
    cancel: Cancel,
    started: Instant,
    counts_left: usize,
    reasons: Vec<Reason>,
}

impl Asking<'_> {
    fn run(&mut self) -> Result<u64, SearchError> {
        let (expr, span) = (&self.nothing.expr, self.nothing.span);
        if let (Some(from), Some(to)) = span
            && from >= to
        {
            let swapped = (span.1, span.0);
            let suggestion = self.suggest(&self.nothing.expr, swapped)?;
            self.tell(Reason::empty_span(from, to).with(suggestion));
            return Ok(0);
        }
        let found = self.search(expr, span, 0)?;
        let total = found.total.count();
        if total > 0 {
            return Ok(total);
        }
        if !found.covered.skipped.is_empty() || found.total.relation() != "eq" {
            self.tell(Reason::not_searched(&found.covered.skipped));
        }
        if !found.covered.stale.is_empty() {
            self.tell(Reason::stale(&found.covered.stale));
        }
        self.losses()?;
        let is_empty = self.count(&Expr::All, span)? == Some(0);
        if is_empty {
            self.nothing_received();
        } else if let (Some(kept_from), Some(from)) = (self.nothing.kept_from, span.0)
            && from < kept_from
        {
            self.tell(Reason::partly_kept(kept_from));
        }
        let is_elsewhere = self.elsewhere()?;
        self.sources(if is_empty {
            Silence::Unheard
        } else {
            Silence::Seen
        })?;
        if !is_empty {
            self.members(is_elsewhere)?;
        }
        Ok(0)
    }

    fn tell(&mut self, reason: Reason) {
        self.reasons.push(reason);
    }

    fn search(
        &mut self,
        expr: &Expr,
        (from, to): Span,
        limit: usize,
    ) -> Result<SearchResult, SearchError> {
        self.counts_left = self.counts_left.saturating_sub(1);
        let left = TIME.saturating_sub(self.started.elapsed());
        let scope = Scope {
            from,
            to,
            budget: Budget {
                time: self.budget.time.min(left).min(COUNT_TIME),
                bytes: self.budget.bytes.min(COUNT_BYTES),
                ..self.budget.clone()
            },
            cancel: self.cancel.clone(),
            ..Scope::new(without_own_questions(expr.clone()))
        };
        self.index.search(&SearchRequest {
            counting: if limit > 0 {
                Counting::Page
            } else {
                Counting::All
            },
            ..SearchRequest::new(scope, limit)
        })
    }

    /// How many events match, or how many at least; `None` where that cannot be told.
    fn count(&mut self, expr: &Expr, span: Span) -> Result<Option<u64>, SearchError> {
        if self.counts_left == 0 || self.started.elapsed() > TIME {
            return Ok(None);
        }
        let total = self.search(expr, span, 0)?.total;
        let is_known = total.count() > 0 || total.relation() == "eq";
        Ok(is_known.then(|| total.count()))
    }

    fn has_hits(&mut self, expr: &Expr, span: Span) -> Result<bool, SearchError> {
        Ok(self.count(expr, span)?.is_some_and(|count| count > 0))
    }

    /// That condition in that span, if it has hits.
    fn suggest(&mut self, expr: &Expr, span: Span) -> Result<Option<Suggestion>, SearchError> {
        let hits = self.count(expr, span)?.filter(|hits| *hits > 0);
        Ok(hits.map(|hits| Suggestion {
            q: expr.to_string(),
            from: span.0,
            to: span.1,
            hits,
        }))
    }

    fn losses(&mut self) -> Result<(), SearchError> {
        let (from, to) = self.nothing.span;
        let expr = own_records::losses(from, to).expr;
        let lost = self.count(&expr, (from, to))?.unwrap_or(0);
        if lost > 0 {
            self.tell(Reason::loss(lost));
        }
        Ok(())
    }

    /// No event at all lies in the span.
    fn nothing_received(&mut self) {
        let (from, to) = self.nothing.span;
        let reason = match (from, to, self.nothing.kept_from) {
            (Some(from), _, _) if from > self.nothing.now => Reason::future(from),
            (_, Some(to), Some(kept_from)) if to <= kept_from => Reason::before_kept(kept_from),
            _ => Reason::nothing_received(),
        };
        self.tell(reason);
    }

    /// Whether there are hits at other times, and tells when.
    fn elsewhere(&mut self) -> Result<bool, SearchError> {
        let (expr, (from, to)) = (&self.nothing.expr, self.nothing.span);
        if from.is_none() && to.is_none() {
            return Ok(false);
        }
        let Some(last) = self
            .search(expr, (None, None), 1)?
            .hits
            .first()
            .and_then(time_of)
        else {
            return Ok(false);
        };
        let beside = |apart: Duration| {
            let before = from.map(|from| (Some(from.before(apart)), Some(from)));
            let after = to.map(|to| (Some(to), Some(to.after(apart))));
            before.into_iter().chain(after)
        };
        let mut near = [0_u64; 2];
        for (sum, apart) in near.iter_mut().zip([ZONE, DAY]) {
            for span in beside(apart) {
                *sum += self.count(expr, span)?.unwrap_or(0);
            }
        }
        let [within_zone, within_day] = near;
        let around = (
            Some(last.before(DAY)),
            Some(last.after(Duration::from_secs(1))),
        );
        let suggestion = self.suggest(&self.nothing.expr, around)?;
        self.tell(Reason::hits_outside(last, within_zone, within_day).with(suggestion));
        if let (Some(from), Some(to), true) = (from, to, within_zone > 0) {
            let shifted = [
                (Some(from.before(ZONE)), Some(to.before(ZONE))),
                (Some(from.after(ZONE)), Some(to.after(ZONE))),
            ];
            for span in shifted {
                if let Some(suggestion) = self.suggest(&self.nothing.expr, span)? {
                    self.tell(Reason::zone(suggestion.hits).with(Some(suggestion)));
                }
            }
        }
        Ok(true)
    }

    /// Sources that are asked for by name: unknown, or silent since before the span.
    fn sources(&mut self, silence: Silence) -> Result<(), SearchError> {
        for (place, member) in self.nothing.members().into_iter().enumerate() {
            let Expr::Test(Test::Field(field, Condition::Is(literal))) = &member else {
                continue;
            };
            let wanted = literal.text();
            let Some(is_of) = source_test(field) else {
                continue;
            };
            let span = self.nothing.span;
            if silence == Silence::Seen && self.has_hits(&member, span)? {
                continue;
            }
            let of = || {
                self.nothing
                    .sources
                    .iter()
                    .filter(|source| is_of(source, wanted))
            };
            let last_seen = of().map(|source| source.last_seen).max();
            match (last_seen, span.0) {
                (Some(last_seen), Some(from)) if last_seen < from => {
                    let around = (
                        Some(last_seen.before(DAY)),
                        Some(last_seen.after(Duration::from_secs(1))),
                    );
                    let suggestion = self.suggest(&self.nothing.expr, around)?;
                    let reason = Reason::source_silent(wanted, last_seen);
                    self.tell(reason.with(suggestion));
                }
                (None, _) if is_source_name(field) => self.unknown_source(place, field, wanted)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn unknown_source(
        &mut self,
        place: usize,
        field: &FieldName,
        wanted: &str,
    ) -> Result<(), SearchError> {
        let asked = Expr::field(field.clone(), Condition::Is(query::Literal::new(wanted)));
        if self.count(&asked, (None, None))? != Some(0) {
            return Ok(());
        }
        let is_product = field.known() == Some(Field::NHATKY_PRODUCT);
        let names = self.nothing.sources.iter().map(|source| {
            if is_product {
                &source.product
            } else {
                &source.id
            }
        });
        let names: Vec<String> = names.cloned().collect();
        let near = values::near(wanted, names.iter().map(String::as_str));
        let suggestion = match near.first() {
            Some(name) => {
                let member = Expr::field(field.clone(), Condition::Is(query::Literal::new(name)));
                let other = self.nothing.with_member(place, member);
                self.suggest(&other, self.nothing.span)?
            }
            None => None,
        };
        self.tell(Reason::source_unknown(wanted, &near).with(suggestion));
        Ok(())
    }

    /// Each member alone, and all others without it.
    fn members(&mut self, is_elsewhere: bool) -> Result<(), SearchError> {
        let members = self.nothing.members();
        let span = self.nothing.span;
        let mut alone_met = 0;
        for (place, member) in members.iter().enumerate().take(MEMBERS_MAX) {
            match self.count(member, span)? {
                Some(0) if is_elsewhere => self.tell(Reason::test_unmet(member)),
                Some(0) => self.unmet(place, member)?,
                Some(_) => alone_met += 1,
                None => {}
            }
        }
        if alone_met < members.len().min(MEMBERS_MAX) || members.len() < 2 {
            return Ok(());
        }
        let mut is_one_to_blame = false;
        for (place, member) in members.iter().enumerate().take(MEMBERS_MAX) {
            let others = self.nothing.without_member(place);
            if let Some(suggestion) = self.suggest(&others, span)? {
                is_one_to_blame = true;
                let reason = Reason::test_excludes(member, suggestion.hits);
                self.tell(reason.with(Some(suggestion)));
            }
        }
        if !is_one_to_blame {
            self.tell(Reason::never_together());
        }
        Ok(())
    }
}

/// What is known of the sources in the span.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// Nothing came at all.
    Unheard,
    /// Something came.
    Seen,
}

impl Nothing {
    /// The conditions that are joined by AND.
    fn members(&self) -> Vec<Expr> {
        match &self.expr {
            Expr::And(members) => members.clone(),
            Expr::All => Vec::new(),
            expr => vec![expr.clone()],
        }
    }

    /// The whole condition with another member in that place.
    fn with_member(&self, place: usize, member: Expr) -> Expr {
        let mut members = self.members();
        if let Some(old) = members.get_mut(place) {
            *old = member;
        }
        Expr::and(members)
    }

    fn without_member(&self, place: usize) -> Expr {
        self.with_member(place, Expr::All)
    }
}

fn time_of(event: &Event) -> Option<Micros> {
    match event.get(Field::TIMESTAMP)? {
        Value::Date(at) => Some(at),
        _ => None,
    }
}

/// Whether a source is the one that such a field names.
fn source_test(field: &FieldName) -> Option<fn(&Source, &str) -> bool> {
    let is: fn(&Source, &str) -> bool = match field.known()? {
        Field::NHATKY_SOURCE => |source, id| source.id.eq_ignore_ascii_case(id),
        Field::NHATKY_PRODUCT => |source, product| source.product.eq_ignore_ascii_case(product),
        Field::NHATKY_PEER => |source, peer| {
            let peer = peer.parse();
            peer.is_ok_and(|peer| source.peers.contains(&peer))
        },
        Field::HOST_NAME | Field::OBSERVER_NAME => |source, name| {
            let host = source.sender.rsplit('>').next();
            host.is_some_and(|host| host.eq_ignore_ascii_case(name))
        },
        _ => return None,
    };
    Some(is)
}

/// Whether every value of the field is that of a source.
fn is_source_name(field: &FieldName) -> bool {
    let named = [Field::NHATKY_SOURCE, Field::NHATKY_PRODUCT];
    field.known().is_some_and(|field| named.contains(&field))
}
