//! What a change of a rule would have done, for people: numbers, days, what vanishes and what is new.

use anyhow::Result;
use serde_json::{Value, json};

use super::listing::{self, Column, Show};
use crate::output;
use crate::terminal;
use crate::texts::Texts;

const DAYS: &[Column] = &[
    Column("column.day", "/day", Show::Plain),
    Column("column.before", "/before", Show::Plain),
    Column("column.after", "/after", Show::Plain),
];

/// Without the query that shows the evidence, which fills a screen: it is in the JSON.
const DETECTIONS: &[Column] = &[
    Column("column.time", "/at", Show::Time),
    Column("column.rule", "/rule", Show::Plain),
    Column("column.key", "/key", Show::Plain),
    Column("column.entity", "/entity/name", Show::Plain),
    Column("column.count", "/count", Show::Plain),
];

/// Prints what the server says of the change.
pub(crate) fn show(reply: &Value, json: bool, texts: &Texts) -> Result<()> {
    if output::as_json(json) {
        return output::json(reply);
    }
    let days = days(reply);
    if !days.is_empty() {
        listing::table(&days, DAYS, texts)?;
    }
    for (member, key) in [
        ("vanished_first", "preview.vanished"),
        ("new_first", "preview.new"),
    ] {
        let items = reply[member]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        if items.is_empty() {
            continue;
        }
        let count = &reply[if member == "new_first" {
            "new"
        } else {
            "vanished"
        }];
        let values: [(&str, &dyn std::fmt::Display); 2] =
            [("count", count), ("shown", &items.len())];
        output::line(&format!("\n{}", texts.say(key, &values)))?;
        listing::table(items, DETECTIONS, texts)?;
    }
    said(reply, texts)
        .iter()
        .try_for_each(|text| output::note(text))
}

/// The numbers, and what they do not say.
fn said(reply: &Value, texts: &Texts) -> Vec<String> {
    let time = |name: &str| terminal::local_time(reply[name].as_str().unwrap_or("–"));
    let values: [(&str, &dyn std::fmt::Display); 7] = [
        ("before", &reply["before"]["detections"]),
        ("after", &reply["after"]["detections"]),
        ("vanished", &reply["vanished"]),
        ("new", &reply["new"]),
        ("events", &reply["events"]),
        ("from", &time("from")),
        ("to", &time("to")),
    ];
    let mut said = vec![texts.say("preview.done", &values)];
    for why in reply["because"].as_array().into_iter().flatten() {
        let why = texts.word("shortfall", why.as_str().unwrap_or_default());
        said.push(texts.say("preview.not_whole", &[("why", &why)]));
    }
    for (member, key) in [
        ("servers_of_today", "preview.servers"),
        ("learns", "preview.learns"),
    ] {
        if reply[member] == true {
            said.push(texts.say(key, &[]));
        }
    }
    said
}

/// Each day that has detections on either side.
fn days(reply: &Value) -> Vec<Value> {
    let of = |side: &str| {
        let days = reply[side]["days"].as_array().into_iter().flatten();
        days.filter_map(|day| Some((day["day"].as_str()?.to_owned(), day["detections"].as_u64()?)))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let (before, after) = (of("before"), of("after"));
    let days: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let count =
        |side: &std::collections::BTreeMap<String, u64>, day| side.get(day).copied().unwrap_or(0);
    let each = days.into_iter().map(
        |day| json!({ "day": day, "before": count(&before, day), "after": count(&after, day) }),
    );
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::texts::Language;

    fn reply() -> Value {
        let day = |day: &str, detections: u64| json!({ "day": day, "detections": detections });
        json!({
            "before": { "detections": 3, "days": [day("2026-10-10", 2), day("2026-10-11", 1)] },
            "after": { "detections": 1, "days": [day("2026-10-11", 1)] },
            "vanished": 2, "new": 0, "events": 40, "because": ["time"], "servers_of_today": true, "learns": false,
            "from": null, "to": null,
        })
    }

    #[test]
    fn days_of_both_sides_stand_beside_each_other() {
        let expected = [
            json!({ "day": "2026-10-10", "before": 2, "after": 0 }),
            json!({ "day": "2026-10-11", "before": 1, "after": 1 }),
        ];
        assert_eq!(days(&reply()), expected);
    }

    #[test]
    fn what_the_numbers_do_not_say_is_said() {
        let said = said(&reply(), &Texts::new(Language::En));
        let [numbers, not_whole, servers] = said.as_slice() else {
            panic!("three sentences: {said:?}")
        };
        assert!(numbers.contains("3") && numbers.contains("40"), "{numbers}");
        assert!(not_whole.contains("the time was used up"), "{not_whole}");
        assert!(servers.contains("today"), "{servers}");
    }
}
