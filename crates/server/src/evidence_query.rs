//! A query that finds the evidence of detections: each one's own query, in its span of time.

use std::collections::BTreeMap;

use event::{Detection, Field, Micros};
use query::{Bound, Condition, Context, Expr, Literal, Range};

/// Detections with different queries that one query covers; those that come first count.
const QUERIES_MAX: usize = 10;
/// The longest query that is made, in bytes: one of 16 KiB is still read.
const QUERY_BYTES_MAX: usize = 12 << 10;

/// The query; empty where there is no detection. Detections with the same query share one span.
pub(crate) fn of(detections: &[&Detection], context: &Context) -> String {
    let mut order: Vec<(&str, &Detection)> = Vec::new();
    let mut spans: BTreeMap<&str, (Micros, Micros)> = BTreeMap::new();
    for detection in detections {
        let query = detection.query.as_str();
        let span = spans.entry(query).or_insert_with(|| {
            order.push((query, detection));
            (detection.first_at, detection.last_at)
        });
        *span = (
            span.0.min(detection.first_at),
            span.1.max(detection.last_at),
        );
    }
    let mut parts: Vec<Expr> = Vec::new();
    let mut bytes = 0;
    for (query, detection) in order.into_iter().take(QUERIES_MAX) {
        let Some(span) = spans.get(query) else {
            continue;
        };
        let part = one(detection, *span, context);
        bytes += part.to_string().len();
        if bytes > QUERY_BYTES_MAX && !parts.is_empty() {
            break;
        }
        parts.push(part);
    }
    match parts.is_empty() {
        true => String::new(),
        false => Expr::or(parts).to_string(),
    }
}

/// What the rule looked at, then. A query that today's language does not read any more gives the records that are named as evidence.
fn one(detection: &Detection, span: (Micros, Micros), context: &Context) -> Expr {
    match query::parse(&detection.query, context).into_result() {
        Ok(expr) => Expr::and([expr, within(span)]),
        Err(_) => {
            let seqs = detection.evidence.iter();
            let is = |seq: &event::Seq| Condition::Is(Literal::new(&seq.to_string()));
            Expr::or(seqs.map(|seq| Expr::field(Field::NHATKY_SEQ, is(seq))))
        }
    }
}

/// Events that happened, or were received, in the span: where a device's own time cannot be believed, correlation goes by receipt.
fn within((from, to): (Micros, Micros)) -> Expr {
    let bound = |at: Micros| Bound::With(Literal::new(&at.to_string()));
    let times = [Field::TIMESTAMP, Field::EVENT_INGESTED];
    Expr::or(times.map(|field| {
        let range = Range {
            low: bound(from),
            high: bound(to),
        };
        Expr::field(field, Condition::Range(range))
    }))
}

#[cfg(test)]
mod tests {
    use event::{Disposition, Effect, Seq};

    use super::*;

    fn detection(query: &str, from: i64, to: i64) -> Detection {
        Detection {
            id: "1".into(),
            rule: "scan".into(),
            rules_version: "1".into(),
            key: Vec::new(),
            entity: None,
            disposition: Disposition::Queue,
            effect: Effect::Attempt,
            seq: Seq(9),
            first_at: Micros(from),
            last_at: Micros(to),
            count: 1,
            evidence: vec![Seq(7), Seq(9)],
            query: query.to_owned(),
            facts: BTreeMap::new(),
        }
    }

    fn made(detections: &[Detection]) -> String {
        let context = Context::at(Micros(0));
        let detections: Vec<&Detection> = detections.iter().collect();
        let text = of(&detections, &context);
        let parsed = query::parse(&text, &context);
        assert!(parsed.into_result().is_ok(), "{text}");
        text
    }

    #[test]
    fn detections_of_one_query_share_a_span() {
        let text = made(&[
            detection("user.name:an", 5_000_000, 6_000_000),
            detection("user.name:an", 2_000_000, 3_000_000),
        ]);
        assert_eq!(text.matches("user.name:an").count(), 1, "{text}");
        assert!(text.contains("1970-01-01T00:00:02Z"), "{text}");
        assert!(text.contains("1970-01-01T00:00:06Z"), "{text}");
    }

    #[test]
    fn a_query_that_cannot_be_read_gives_the_records_that_are_named() {
        let text = made(&[detection("user.name:(", 1, 2)]);
        assert!(text.contains("nhatky.seq"), "{text}");
    }

    #[test]
    fn what_is_made_can_always_be_read() {
        let long = format!("user.name:{}", "x".repeat(7_000));
        let many: Vec<_> = (0..50)
            .map(|n| detection(&format!("{long}{n} OR a"), n, n + 1))
            .collect();
        let text = made(&many);
        assert!(text.len() < 16 << 10, "{}", text.len());
        assert_eq!(of(&[], &Context::at(Micros(0))), "");
    }
}
