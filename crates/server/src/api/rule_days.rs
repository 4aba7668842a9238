//! What a rule saw on each day, and what it could not see: so that "nothing found" is shown as what it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use detect::{RuleInfo, RuleState};
use event::{CalendarDay, DaySeen, EventClass, Field, Loss, Micros, OwnRecord, RuleDay};
use index::TopRequest;
use query::{Condition, Expr, Literal};
use registry::{Actor, DetectionFilter, SourceFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::MayRead;
use crate::app::App;
use crate::extract::{Params, Segment};
use crate::own_records;
use crate::problem::{Problem, ProblemBody};
use crate::question::Question;

const DAYS: i32 = 7;
const DAYS_MAX: i32 = 400;
/// Blind spans shown at most.
const SPANS_MAX: usize = 200;
/// Sources that are compared with silent ones.
const SOURCES_MAX: usize = 10_000;
/// Senders fall silent in the product's own rule of this name.
const SILENCE_RULE: &str = "source-silent";
/// More lines than one in so many that no definition reads make a day's answer a part of one.
const UNREAD_SHARE: u64 = 100;
/// A day is watched whole but for this: a start of the program takes some seconds.
const ASLEEP_MAX_US: i64 = 5 * 60 * Micros::PER_SECOND;

/// Which days.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DaysParams {
    /// How many days up to today: 7 when left out, 400 at most.
    days: Option<i32>,
}

/// What a rule saw, and what it could not see.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleDaysReply {
    /// The rule.
    rule: String,
    /// Whether what it needs can come at all.
    needs: NeedsReply,
    /// Each day, the last one first. The days are those of the site's time zone.
    days: Vec<DayReply>,
    /// When something was missing that may have concerned it, the latest first: 200 at most.
    blind_spans: Vec<BlindSpan>,
    /// Whether there are more spans than are shown.
    more_spans: bool,
}

/// What a rule needs, and who gives it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NeedsReply {
    /// Classes of events of which it needs one; any where there are none.
    #[schema(value_type = Vec<String>)]
    classes: Vec<EventClass>,
    /// Fields that it needs.
    fields: Vec<String>,
    /// Products whose definitions can give such events.
    given_by: Vec<String>,
    /// Of these, the ones from which something has come.
    arriving: Vec<String>,
}

/// A day of a rule.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DayReply {
    /// The day, `YYYY-MM-DD`.
    #[schema(value_type = String)]
    date: CalendarDay,
    /// `evaluated`: "nothing found" means that nothing was there; `partly`; `blind`: it means nothing.
    verdict: Verdict,
    /// Why it is not evaluated whole.
    reasons: Vec<Reason>,
    /// The share of the events that concern it that it could judge, from 0 to 1; none where there were no such events.
    evaluated_share: Option<f64>,
    /// The share of the day, so far, in which records arrived here, from 0 to 1.
    watched_share: f64,
    /// All events that were judged.
    all_events: u64,
    /// Of these, the ones that no definition reads.
    unread: u64,
    /// Its own counts.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    counts: RuleDay,
}

/// Whether "nothing found" means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Evaluated,
    Partly,
    Blind,
}

/// Why a day is not evaluated whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    /// Switched off, or unable to match.
    NotRunning,
    /// Nothing that concerns it arrived.
    NoEvents,
    /// Events without a field that it needs, or without one of its key.
    FieldsMissing,
    /// What it remembered had to be forgotten before its time.
    Forgotten,
    /// Nobody watched for more than five minutes.
    NotWatched,
    /// A source that sends what concerns it was silent.
    SourceSilent,
    /// Records were, or may have been, lost.
    Loss,
    /// More than one line in a hundred is read by no definition.
    Unread,
}

/// A time in which something was missing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BlindSpan {
    /// `silent` or `loss`.
    kind: &'static str,
    /// Whose records.
    source: String,
    /// Since when.
    #[schema(value_type = String)]
    from: Micros,
    /// Until when at least.
    #[schema(value_type = String)]
    to: Micros,
    /// What exactly.
    detail: String,
}

/// Tells for each day what a rule saw, and what it could not see.
#[utoipa::path(
    get, path = "/api/v1/rules/{id}/days", tag = "detection",
    params(("id" = String, Path, description = "Its identifier"), DaysParams),
    responses(
        (status = 200, body = RuleDaysReply),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn days(
    State(app): State<App>,
    MayRead(actor): MayRead,
    Segment(id): Segment<String>,
    Params(params): Params<DaysParams>,
) -> Result<Json<RuleDaysReply>, Problem> {
    let wanted = params.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&wanted) {
        let detail = format!("a number of days from 1 to {DAYS_MAX}");
        return Err(Problem::field("days", detail));
    }
    let rules = app.parts.vitals.rules();
    let info = rules.info(&id);
    let info = info.ok_or_else(|| Problem::not_found(format!("there is no rule «{id}»")))?;
    let offset = rules.settings().working_hours.utc_offset_minutes;
    let now = app.parts.clock.now();
    let last = CalendarDay::of(now, offset);
    let first = CalendarDay(last.0.saturating_sub(wanted - 1));
    let seen = app.parts.registry.days_of_rule(&id, first, last).await?;
    let needs = needs(&app, info).await?;
    let (spans, more_spans) = blind_spans(&app, &actor, info, first.start(offset)).await?;
    let day = |date: i32| {
        let date = CalendarDay(date);
        let end = CalendarDay(date.0 + 1).start(offset).min(now);
        let seen = seen.iter().find(|seen| seen.date == date);
        day_reply(info, date, seen, &spans, (date.start(offset), end))
    };
    let days = (first.0..=last.0).rev().map(day).collect();
    Ok(Json(RuleDaysReply {
        rule: id,
        needs,
        days,
        blind_spans: spans,
        more_spans,
    }))
}

/// A day whose beginning and end, so far, are given.
fn day_reply(
    info: &RuleInfo,
    date: CalendarDay,
    seen: Option<&DaySeen>,
    spans: &[BlindSpan],
    (begin, end): (Micros, Micros),
) -> DayReply {
    let nothing = DaySeen {
        date,
        ..DaySeen::default()
    };
    let seen = seen.unwrap_or(&nothing);
    let counts = seen.rules.first().cloned().unwrap_or_default();
    let judged = counts
        .complete
        .min(counts.events.saturating_sub(counts.keyless));
    let length_us = end.0.saturating_sub(begin.0).max(1);
    let asleep_us = length_us.saturating_sub(seen.awake_us).max(0);
    let missing = |kind| {
        let mut spans = spans.iter();
        spans.any(|span| span.kind == kind && span.from < end && begin <= span.to)
    };
    let reasons = [
        (info.state != RuleState::Active, Reason::NotRunning),
        (counts.events == 0, Reason::NoEvents),
        (judged < counts.events, Reason::FieldsMissing),
        (counts.evicted > 0, Reason::Forgotten),
        (asleep_us > ASLEEP_MAX_US, Reason::NotWatched),
        (missing(SILENT), Reason::SourceSilent),
        (missing(LOSS), Reason::Loss),
        (seen.unread * UNREAD_SHARE > seen.events, Reason::Unread),
    ];
    let reasons = reasons.into_iter().filter(|(holds, _)| *holds);
    let reasons: Vec<Reason> = reasons.map(|(_, reason)| reason).collect();
    let nothing_seen = |reason| matches!(reason, &Reason::NotRunning | &Reason::NoEvents);
    let verdict = match reasons.as_slice() {
        [] => Verdict::Evaluated,
        reasons if reasons.iter().any(nothing_seen) => Verdict::Blind,
        _ => Verdict::Partly,
    };
    DayReply {
        date,
        verdict,
        reasons,
        evaluated_share: (counts.events > 0).then(|| judged as f64 / counts.events as f64),
        watched_share: 1.0 - asleep_us as f64 / length_us as f64,
        all_events: seen.events,
        unread: seen.unread,
        counts: RuleDay {
            rule: info.id.clone(),
            ..counts
        },
    }
}

const SILENT: &str = "silent";
const LOSS: &str = "loss";

/// Who can give what the rule needs, and who of them sends.
async fn needs(app: &App, info: &RuleInfo) -> Result<NeedsReply, Problem> {
    let fields: Vec<Field> = info
        .needs_fields
        .iter()
        .filter_map(|name| Field::from_name(name))
        .collect();
    let can = |gives: &parse::Gives| {
        let classes = &info.needs_classes;
        (classes.is_empty() || classes.iter().any(|class| gives.classes.contains(class)))
            && fields.iter().all(|field| gives.fields.contains(field))
    };
    let products = app.parts.products.gives().into_iter();
    let given_by: BTreeSet<String> = products
        .filter(|(_, gives)| can(gives))
        .map(|(product, _)| product.into())
        .collect();
    let filter = SourceFilter {
        limit: SOURCES_MAX as u32,
        ..SourceFilter::default()
    };
    let sources = app.parts.registry.sources(&filter).await?.into_iter();
    let arriving: BTreeSet<String> = sources
        .map(|source| source.product)
        .filter(|product| given_by.contains(product))
        .collect();
    Ok(NeedsReply {
        classes: info.needs_classes.clone(),
        fields: info.needs_fields.clone(),
        given_by: given_by.into_iter().collect(),
        arriving: arriving.into_iter().collect(),
    })
}

/// Silence of sources that send what concerns the rule, and losses; and whether there are more.
async fn blind_spans(
    app: &App,
    actor: &Actor,
    info: &RuleInfo,
    from: Micros,
) -> Result<(Vec<BlindSpan>, bool), Problem> {
    let silence = DetectionFilter {
        rule: Some(SILENCE_RULE.to_owned()),
        from: Some(from),
        limit: SPANS_MAX as u32,
        ..DetectionFilter::default()
    };
    let silences = app.parts.registry.detections(&silence).await?;
    let concern = senders_of(app, actor, &info.needs_classes, from).await?;
    let mut more = silences.next.is_some();
    let silences = silences.items.into_iter().filter_map(|stored| {
        let found = stored.detection;
        let sender = found.key.first()?.to_string();
        let behind = format!("{sender}>");
        let mut senders = concern.iter().flatten();
        let concerns = concern.is_none()
            || senders.any(|other| *other == sender || other.starts_with(&behind));
        concerns.then(|| BlindSpan {
            kind: SILENT,
            source: sender,
            from: found.first_at,
            to: found.last_at,
            detail: found.facts.get("silent_for").cloned().unwrap_or_default(),
        })
    });
    let mut spans: Vec<BlindSpan> = silences.collect();
    let losses = own_records::losses(Some(from), None);
    let losses = own_records::page(
        app,
        actor,
        losses,
        None,
        SPANS_MAX,
        |_, record| match record {
            OwnRecord::Loss(loss) => Some(loss),
            _ => None,
        },
    );
    let losses = losses.await?;
    more |= losses.next_cursor.is_some();
    let of_this = format!("rule {}", info.id);
    let concerns = |loss: &Loss| !loss.source.starts_with("rule ") || loss.source == of_this;
    spans.extend(
        losses
            .items
            .into_iter()
            .filter(concerns)
            .map(|loss| BlindSpan {
                kind: LOSS,
                source: loss.source,
                from: loss.from,
                to: loss.to,
                detail: loss.detail,
            }),
    );
    spans.sort_by_key(|span| std::cmp::Reverse(span.from));
    more |= spans.len() > SPANS_MAX;
    spans.truncate(SPANS_MAX);
    Ok((spans, more))
}

/// The senders that have sent such events in the seven days before, or since; none where any event concerns the rule.
async fn senders_of(
    app: &App,
    actor: &Actor,
    classes: &[EventClass],
    from: Micros,
) -> Result<Option<Vec<String>>, Problem> {
    if classes.is_empty() {
        return Ok(None);
    }
    let class = |class: &EventClass| {
        Expr::field(
            Field::NHATKY_CLASS,
            Condition::Is(Literal::new(class.name())),
        )
    };
    let question = Question {
        expr: Expr::or(classes.iter().map(class)),
        from: Some(Micros(from.0.saturating_sub(7 * Micros::PER_DAY))),
        to: None,
        warnings: Vec::new(),
    };
    let index = Arc::clone(&app.parts.index);
    let counting = app.searches.run(&actor.name, move |budget, cancel| {
        index.top(&TopRequest {
            scope: question.scope(budget, cancel),
            fields: vec![Field::NHATKY_SOURCE.into()],
            limit: SOURCES_MAX,
        })
    });
    let sender = |source: String| match source.rsplit_once('/') {
        Some((sender, _)) => sender.to_owned(),
        None => source,
    };
    let sources = counting.await?.only().values.into_iter();
    Ok(Some(sources.map(|source| sender(source.value)).collect()))
}

#[cfg(test)]
mod tests {
    use detect::{Rules, Settings};

    use super::*;

    fn check(
        counts: RuleDay,
        awake_us: i64,
        spans: &[BlindSpan],
        verdict: Verdict,
        why: &[Reason],
    ) {
        let rules = Rules::load(None, &Settings::default());
        let info = rules
            .info("login-failures-account")
            .expect("a rule of ours");
        let date = CalendarDay(10);
        let seen = DaySeen {
            date,
            events: 1_000,
            unread: 10,
            awake_us,
            rules: vec![counts],
        };
        let day = (date.start(0), CalendarDay(11).start(0));
        let reply = day_reply(info, date, Some(&seen), spans, day);
        assert_eq!((reply.verdict, reply.reasons.as_slice()), (verdict, why));
    }

    fn counts(events: u64, complete: u64, keyless: u64, evicted: u64) -> RuleDay {
        RuleDay {
            events,
            complete,
            keyless,
            evicted,
            ..RuleDay::default()
        }
    }

    fn span(kind: &'static str, from: i64, to: i64) -> BlindSpan {
        let begin = CalendarDay(10).start(0).0;
        BlindSpan {
            kind,
            source: "192.0.2.1".to_owned(),
            from: Micros(begin + from * Micros::PER_SECOND),
            to: Micros(begin + to * Micros::PER_SECOND),
            detail: String::new(),
        }
    }

    #[test]
    fn a_day_is_what_was_seen_of_it() {
        let day = Micros::PER_DAY;
        check(counts(5, 5, 0, 0), day, &[], Verdict::Evaluated, &[]);
        let none = [Reason::NoEvents];
        check(counts(0, 0, 0, 0), day, &[], Verdict::Blind, &none);
        let fields = [Reason::FieldsMissing];
        check(counts(5, 4, 0, 0), day, &[], Verdict::Partly, &fields);
        check(counts(5, 5, 1, 0), day, &[], Verdict::Partly, &fields);
        let forgotten = [Reason::Forgotten];
        check(counts(5, 5, 0, 1), day, &[], Verdict::Partly, &forgotten);
        let asleep = day - ASLEEP_MAX_US - 1;
        let unwatched = [Reason::NotWatched];
        check(counts(5, 5, 0, 0), asleep, &[], Verdict::Partly, &unwatched);
        let silent = [span(SILENT, -100, 5)];
        let why = [Reason::SourceSilent];
        check(counts(5, 5, 0, 0), day, &silent, Verdict::Partly, &why);
        let lost = [span(LOSS, 86_399, 90_000)];
        check(
            counts(5, 5, 0, 0),
            day,
            &lost,
            Verdict::Partly,
            &[Reason::Loss],
        );
        let others = [span(LOSS, 86_400, 90_000), span(SILENT, -100, -1)];
        check(counts(5, 5, 0, 0), day, &others, Verdict::Evaluated, &[]);
    }
}
