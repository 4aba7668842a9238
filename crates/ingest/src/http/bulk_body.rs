//! The body of Elasticsearch's `_bulk`: a line that says what to do, and a line with the document.

use std::ops::Range;

use event::{BulkItem, Mark};
use serde::Deserialize;

use super::items::{is_json, lines};

/// What an action line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Index,
    Update,
    Delete,
}

impl Verb {
    /// Its name in requests and answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Index => "index",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One action of a request, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) verb: Verb,
    pub(crate) item: BulkItem,
    pub(crate) fate: Fate,
}

/// What becomes of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The document at `range` becomes a record.
    Store {
        range: Range<usize>,
        mark: Option<Mark>,
    },
    /// It is refused alone, its neighbours are not.
    Refuse(Refusal),
}

/// Why one action is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The name of the error in Elasticsearch's vocabulary.
    pub(crate) kind: &'static str,
    pub(crate) reason: String,
}

/// Why a body cannot be taken apart at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BulkError {
    #[error("malformed action/metadata line [{line}]: {reason}")]
    Malformed { line: usize, reason: String },
    #[error("more than {items_max} actions in one request: send them in several")]
    TooMany { items_max: usize },
}

/// The limits on what one request may ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BulkLimits {
    pub(crate) items_max: usize,
    pub(crate) item_bytes_max: usize,
}

/// Elasticsearch's own limits on the length of `_id` and of an index name.
const ID_BYTES_MAX: usize = 512;
const INDEX_BYTES_MAX: usize = 255;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActionLine {
    Create(Target),
    Index(Target),
    Update(Target),
    Delete(Target),
}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "_index", default)]
    index: Option<Box<str>>,
    #[serde(rename = "_id", default)]
    id: Option<Id>,
}

/// Elasticsearch takes numbers for texts here.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(Box<str>),
    Number(serde_json::Number),
}

/// Takes `body` apart; `index` is the one from the path, for actions that name none.
pub(crate) fn split(
    body: &[u8],
    index: Option<&str>,
    limits: BulkLimits,
) -> Result<Vec<Action>, BulkError> {
    let mut actions = Vec::new();
    let mut lines = lines(body).enumerate();
    while let Some((line, range)) = lines.next() {
        if actions.len() == limits.items_max {
            return Err(BulkError::TooMany {
                items_max: limits.items_max,
            });
        }
        let (verb, mut item) = action(body.get(range).unwrap_or_default(), line + 1)?;
        item.index = item.index.or_else(|| index.map(Box::from));
        let document = match verb {
            Verb::Delete => None,
            Verb::Create | Verb::Index | Verb::Update => lines.next().map(|(_, range)| range),
        };
        let fate = fate(verb, &item, document, body, limits);
        actions.push(Action { verb, item, fate });
    }
    Ok(actions)
}

fn action(line: &[u8], number: usize) -> Result<(Verb, BulkItem), BulkError> {
    let parsed: ActionLine =
        serde_json::from_slice(line).map_err(|error| BulkError::Malformed {
            line: number,
            reason: error.to_string(),
        })?;
    let (verb, target) = match parsed {
        ActionLine::Create(target) => (Verb::Create, target),
        ActionLine::Index(target) => (Verb::Index, target),
        ActionLine::Update(target) => (Verb::Update, target),
        ActionLine::Delete(target) => (Verb::Delete, target),
    };
    let id = target.id.map(|id| match id {
        Id::Text(text) => text,
        Id::Number(number) => number.to_string().into_boxed_str(),
    });
    let index = target.index;
    Ok((verb, BulkItem { index, id }))
}

fn fate(
    verb: Verb,
    item: &BulkItem,
    document: Option<Range<usize>>,
    body: &[u8],
    limits: BulkLimits,
) -> Fate {
    let too_long =
        |text: &Option<Box<str>>, max| text.as_ref().is_some_and(|text| text.len() > max);
    let refuse = |status, kind, reason: String| {
        Fate::Refuse(Refusal {
            status,
            kind,
            reason,
        })
    };
    if matches!(verb, Verb::Update | Verb::Delete) {
        let reason = format!("{} is not possible: records are never changed", verb.name());
        return refuse(400, "illegal_argument_exception", reason);
    }
    if too_long(&item.id, ID_BYTES_MAX) || too_long(&item.index, INDEX_BYTES_MAX) {
        let reason = format!("_id has at most {ID_BYTES_MAX} bytes, _index {INDEX_BYTES_MAX}");
        return refuse(400, "illegal_argument_exception", reason);
    }
    let Some(range) = document else {
        let reason = "the document is missing: the body ends after the action".to_owned();
        return refuse(400, "illegal_argument_exception", reason);
    };
    if range.len() > limits.item_bytes_max {
        let reason = format!(
            "the document has {} bytes, the limit is {}",
            range.len(),
            limits.item_bytes_max
        );
        return refuse(413, "document_too_large_exception", reason);
    }
    let sound = is_json(body.get(range.clone()).unwrap_or_default());
    Fate::Store {
        range,
        mark: (!sound).then_some(Mark::NotJson),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: BulkLimits = BulkLimits {
        items_max: 4,
        item_bytes_max: 40,
    };

    /// Each action as `verb index id: document` or `verb index id! status`.
    fn check(body: &str, expected: &[&str]) {
        let actions = split(body.as_bytes(), Some("path"), LIMITS).unwrap();
        let shown: Vec<String> = actions
            .into_iter()
            .map(|action| {
                let index = action.item.index.as_deref().unwrap_or("-");
                let id = action.item.id.as_deref().unwrap_or("-");
                let fate = match action.fate {
                    Fate::Store { range, mark } => {
                        let broken = if mark.is_some() { " broken" } else { "" };
                        format!(":{broken} {}", body.get(range).unwrap())
                    }
                    Fate::Refuse(refusal) => format!("! {}", refusal.status),
                };
                format!("{} {index} {id}{fate}", action.verb.name())
            })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn actions_and_documents_are_paired() {
        check(
            "{\"create\":{\"_index\":\"logs\",\"_id\":\"7\"}}\n{\"a\":1}\n\n{\"index\":{\"_id\":8}}\r\n{\"b\":2}\r\n",
            &["create logs 7: {\"a\":1}", "index path 8: {\"b\":2}"],
        );
        check("", &[]);
        check(
            "{\"index\":{\"pipeline\":\"x\"}}\noops",
            &["index path -: broken oops"],
        );
    }

    #[test]
    fn one_bad_action_does_not_hurt_its_neighbours() {
        let long = "x".repeat(41);
        let body = format!(
            "{{\"delete\":{{\"_id\":\"1\"}}}}\n{{\"update\":{{}}}}\n{{}}\n{{\"index\":{{}}}}\n{long}\n{{\"create\":{{}}}}\n{{}}"
        );
        check(
            &body,
            &[
                "delete path 1! 400",
                "update path -! 400",
                "index path -! 413",
                "create path -: {}",
            ],
        );
        check("{\"index\":{}}\n", &["index path -! 400"]);
        let body = format!("{{\"index\":{{\"_id\":\"{}\"}}}}\n{{}}", "x".repeat(513));
        let action = &split(body.as_bytes(), None, LIMITS).unwrap()[0];
        assert!(matches!(&action.fate, Fate::Refuse(refusal) if refusal.status == 400));
    }

    #[test]
    fn a_broken_action_line_refuses_the_whole_with_its_number() {
        let check = |body: &str, expected_line| match split(body.as_bytes(), None, LIMITS) {
            Err(BulkError::Malformed { line, .. }) => assert_eq!(line, expected_line, "{body}"),
            other => panic!("{body}: {other:?}"),
        };
        check("{\"a\":1}", 1);
        check("{\"index\":{}}\n{}\n[1]\n{}", 3);
        check("{\"index\":{}", 1);
        check("{\"index\":7}", 1);
        check(&"{\"index\":".repeat(10_000), 1);
    }

    #[test]
    fn the_number_of_actions_has_a_limit() {
        let error = split("{\"index\":{}}\n{}\n".repeat(5).as_bytes(), None, LIMITS);
        assert_eq!(error, Err(BulkError::TooMany { items_max: 4 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in "[\\[\\]{}\"indexcreate:_,\n]{0,80}") {
            if let Ok(actions) = split(body.as_bytes(), None, LIMITS) {
                prop_assert!(actions.len() <= 4);
            }
        }
    }
}
