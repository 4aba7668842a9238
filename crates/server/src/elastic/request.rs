//! What a search asks for: its parameters and its body, understood.

use std::collections::BTreeMap;
use std::time::Duration;

use event::{Micros, Seq};
use query::Expr;
use serde_json::{Map, Value};

use super::aggregation::{self, Node, micros_of};
use super::conditions::Conditions;
use super::dates::Dates;
use super::fault::Fault;
use super::hits::Shown;
use super::members::Members;
use super::query_dsl;
use super::sort::{Rank, Sort};
use crate::question::without_own_questions;

/// The most hits that a page reaches: as Elasticsearch's `index.max_result_window`.
pub(super) const HITS_MAX: usize = 10_000;
/// The parameters of a request, behind `?`.
pub(super) type Parameters = BTreeMap<String, String>;

/// Parameters that say what need not be said here: which shards, how errors and texts look.
const HARMLESS: &[&str] = &[
    "allow_no_indices",
    "batched_reduce_size",
    "ccs_minimize_roundtrips",
    "error_trace",
    "expand_wildcards",
    "force_synthetic_source",
    "human",
    "ignore_throttled",
    "ignore_unavailable",
    "max_concurrent_shard_requests",
    "pre_filter_shard_size",
    "preference",
    "pretty",
    "request_cache",
    "routing",
];

/// A search.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) expr: Expr,
    /// What hits must meet beside, but what is aggregated need not.
    pub(super) post_filter: Option<Expr>,
    pub(super) from: usize,
    pub(super) size: usize,
    pub(super) sort: Sort,
    pub(super) after: Option<Vec<Rank>>,
    pub(super) shown: Shown,
    pub(super) aggregations: Vec<Node>,
    pub(super) total: TotalShown,
    /// Less time than a search has otherwise.
    pub(super) timeout: Option<Duration>,
    /// Whether a search that ended early is answered.
    pub(super) partial: bool,
    /// No events above this one.
    pub(super) through: Option<Seq>,
}

/// How the number of hits is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TotalShown {
    Object,
    Number,
    None,
}

impl Asked {
    /// Understands a search.
    pub(super) fn read(
        parameters: Parameters,
        body: Option<Value>,
        now: Micros,
    ) -> Result<Self, Fault> {
        let mut conditions = Conditions::new(Dates::new(now));
        let dates = conditions.dates().clone();
        let body = body.unwrap_or_else(|| Value::Object(Map::new()));
        let mut body = Members::of("request", body)?;
        let mut url = url(parameters)?;
        let expr = query(&mut url, &mut body, &mut conditions)?;
        let post_filter = match body.take("post_filter") {
            Some(query) => Some(without_own_questions(query_dsl::read(
                query,
                &mut conditions,
            )?)),
            None => None,
        };
        let size = either(url.count("size", HITS_MAX), body.count("size", HITS_MAX))?;
        let from = either(url.count("from", HITS_MAX), body.count("from", HITS_MAX))?;
        let (size, from) = (size.unwrap_or(10), from.unwrap_or(0));
        if from + size > HITS_MAX {
            return Err(Fault::argument(format!(
                "[from] + [size] must be at most {HITS_MAX}: go on with [search_after]"
            )));
        }
        let of_body = body.take("sort");
        let sort = match url.texts("sort")? {
            Some(list) => Some(
                list.iter()
                    .flat_map(|text| text.split(','))
                    .map(Value::from)
                    .collect(),
            ),
            None => of_body,
        };
        let sort = Sort::read(sort, &dates)?;
        let after = match body.take("search_after") {
            None => None,
            Some(Value::Array(values)) => Some(sort.after(&values)?),
            Some(_) => return Err(Fault::parsing("[search_after] must be a list")),
        };
        if after.is_some() && from > 0 {
            return Err(Fault::argument(
                "[from] must be 0 where [search_after] is given",
            ));
        }
        let mut shown = shown(&mut url, &mut body, &dates)?;
        let track_scores = either(url.boolean("track_scores"), body.boolean("track_scores"))?;
        shown.scored = !sort.asked || track_scores == Some(true);
        let total = total(&mut url, &mut body)?;
        let timeout = either(url.text("timeout"), body.text("timeout"))?;
        let timeout = timeout.as_deref().map(timeout_of).transpose()?.flatten();
        let partial = url.boolean("allow_partial_search_results")?.unwrap_or(true);
        let aggregations = match (body.take("aggs"), body.take("aggregations")) {
            (None, None) => Vec::new(),
            (Some(tree), None) | (None, Some(tree)) => aggregation::read(tree, &mut conditions)?,
            (Some(_), Some(_)) => {
                return Err(Fault::parsing(
                    "the request has both [aggs] and [aggregations]",
                ));
            }
        };
        refuse_the_rest(url, body)?;
        Ok(Self {
            expr,
            post_filter,
            from,
            size,
            sort,
            after,
            shown,
            aggregations,
            total,
            timeout,
            partial,
            through: None,
        })
    }

    /// Understands what is to be counted.
    pub(super) fn count(
        parameters: Parameters,
        body: Option<Value>,
        now: Micros,
    ) -> Result<Expr, Fault> {
        let mut conditions = Conditions::new(Dates::new(now));
        let body = body.unwrap_or_else(|| Value::Object(Map::new()));
        let mut body = Members::of("request", body)?;
        let mut url = url(parameters)?;
        let expr = query(&mut url, &mut body, &mut conditions)?;
        no_early_end(&mut url)?;
        url.finish()?;
        body.finish()?;
        Ok(expr)
    }
}

/// The parameters as members, without those that change nothing.
fn url(parameters: Parameters) -> Result<Members, Fault> {
    let members = parameters.into_iter();
    let members = members.map(|(name, value)| (name, Value::String(value)));
    let mut url = Members::of("the address", Value::Object(members.collect()))?;
    url.ignore(HARMLESS);
    Ok(url)
}

/// What the address says, else what the body says.
fn either<T>(
    url: Result<Option<T>, Fault>,
    body: Result<Option<T>, Fault>,
) -> Result<Option<T>, Fault> {
    let (url, body) = (url?, body?);
    Ok(url.or(body))
}

/// The condition: `q` of the address, else `query` of the body, else everything.
fn query(
    url: &mut Members,
    body: &mut Members,
    conditions: &mut Conditions,
) -> Result<Expr, Fault> {
    let q = url.text("q")?;
    let df = url.text("df")?;
    let mut options = Map::new();
    if let Some(field) = df {
        options.insert("default_field".to_owned(), Value::String(field));
    }
    for name in ["default_operator", "lenient", "analyzer"] {
        if let Some(value) = url.text(name)? {
            options.insert(name.to_owned(), Value::String(value));
        }
    }
    url.ignore(&["analyze_wildcard"]);
    let in_body = body.take("query");
    let expr = match (q, in_body) {
        (Some(_), Some(_)) => {
            return Err(Fault::argument(
                "the address has [q] and the body has [query]: leave one out",
            ));
        }
        (Some(text), None) => {
            options.insert("query".to_owned(), Value::String(text));
            let query = serde_json::json!({ "query_string": options });
            query_dsl::read(query, conditions)?
        }
        (None, Some(query)) => query_dsl::read(query, conditions)?,
        (None, None) => Expr::All,
    };
    Ok(without_own_questions(expr))
}

/// What of hits is shown: the address says it for the whole body.
fn shown(url: &mut Members, body: &mut Members, dates: &Dates) -> Result<Shown, Fault> {
    let mut merged = Map::new();
    for name in [
        "_source",
        "_source_includes",
        "_source_excludes",
        "stored_fields",
        "docvalue_fields",
        "fields",
        "version",
        "seq_no_primary_term",
    ] {
        let (of_url, of_body) = (url.take(name), body.take(name));
        if let Some(value) = of_url.or(of_body) {
            merged.insert(name.to_owned(), value);
        }
    }
    let mut members = Members::of("request", Value::Object(merged))?;
    let shown = Shown::read(&mut members, dates)?;
    members.finish()?;
    Ok(shown)
}

/// Whether and how hits are counted. Counts are exact here, whatever the number up to which they need be.
fn total(url: &mut Members, body: &mut Members) -> Result<TotalShown, Fault> {
    let as_number = url.boolean("rest_total_hits_as_int")?.unwrap_or(false);
    let (of_url, of_body) = (url.take("track_total_hits"), body.take("track_total_hits"));
    let is_counted = match of_url.or(of_body) {
        None => true,
        Some(Value::Bool(yes)) => yes,
        Some(Value::Number(number)) => number.as_i64() != Some(-1),
        Some(Value::String(text)) => match text.as_str() {
            "true" => true,
            "false" | "-1" => false,
            text if text.parse::<u64>().is_ok() => true,
            _ => return Err(url.wrong("track_total_hits", "true, false or a number")),
        },
        Some(_) => return Err(body.wrong("track_total_hits", "true, false or a number")),
    };
    Ok(match (is_counted, as_number) {
        (false, _) => TotalShown::None,
        (true, true) => TotalShown::Number,
        (true, false) => TotalShown::Object,
    })
}

/// `500ms`, `10s`, `-1` for none.
fn timeout_of(text: &str) -> Result<Option<Duration>, Fault> {
    if text == "-1" {
        return Ok(None);
    }
    let micros = micros_of(text).and_then(|micros| u64::try_from(micros).ok());
    match micros {
        Some(micros) => Ok(Some(Duration::from_micros(micros))),
        None => Err(Fault::argument("[timeout] must be like 500ms, 10s or 1m")),
    }
}

fn no_early_end(members: &mut Members) -> Result<(), Fault> {
    match members.whole("terminate_after")? {
        None | Some(0) => Ok(()),
        Some(_) => Err(Fault::argument(
            "[terminate_after] is not supported: ask for fewer hits, without their number ([track_total_hits] false)",
        )),
    }
}

/// What is left may be passed over only where it changes nothing.
fn refuse_the_rest(mut url: Members, mut body: Members) -> Result<(), Fault> {
    no_early_end(&mut url)?;
    no_early_end(&mut body)?;
    let kind = url.text("search_type")?;
    if kind.is_some_and(|kind| kind != "query_then_fetch" && kind != "dfs_query_then_fetch") {
        return Err(url.wrong("search_type", "query_then_fetch"));
    }
    url.refuse(&["filter_path"], "take what you need from the whole answer")?;
    for (name, instead) in [
        ("typed_keys", "names of aggregations are given as they are"),
        ("explain", "there are no scores to be explained"),
    ] {
        if url.boolean(name)? == Some(true) {
            return Err(Fault::argument(format!(
                "[{name}] is not supported: {instead}"
            )));
        }
    }
    url.ignore(&["suggest_field", "suggest_mode", "suggest_size"]);
    url.finish()?;
    // Cosmetic: what was found is not marked in the text.
    body.ignore(&["highlight", "stats"]);
    body.refuse(
        &["pit"],
        "page with [sort] and [search_after] alone, or with [scroll]; new events do not disturb pages by nhatky.seq",
    )?;
    body.refuse(&["slice"], "read the whole with [scroll] or [search_after]")?;
    body.refuse(
        &["script_fields", "runtime_mappings"],
        "there are no scripts",
    )?;
    body.refuse(
        &["min_score", "rescore", "explain", "indices_boost", "rank"],
        "there are no scores",
    )?;
    body.refuse(&["collapse"], "use a [terms] aggregation")?;
    body.refuse(&["profile"], "there is no profile")?;
    body.refuse(
        &["suggest", "knn", "retriever", "ext"],
        "ask with [query] alone",
    )?;
    body.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::buckets::Plan;
    use super::*;

    fn asked(parameters: &[(&str, &str)], body: Value) -> Result<Asked, Fault> {
        let parameters = parameters.iter();
        let parameters = parameters.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Asked::read(parameters.collect(), Some(body), Micros(0))
    }

    #[test]
    fn what_the_address_says_goes_before_what_the_body_says() {
        let asked = asked(
            &[
                ("size", "3"),
                ("q", "user.name:root"),
                ("track_total_hits", "false"),
            ],
            json!({"size": 7, "track_total_hits": true}),
        )
        .unwrap();
        assert_eq!(asked.size, 3);
        assert_eq!(asked.expr.to_string(), "user.name:root");
        assert_eq!(asked.total, TotalShown::None);
    }

    #[test]
    fn a_page_reaches_ten_thousand_hits() {
        assert!(asked(&[], json!({"from": 9990, "size": 10})).is_ok());
        assert!(asked(&[], json!({"from": 9991, "size": 10})).is_err());
        assert!(asked(&[], json!({"size": 10_000})).is_ok());
        assert!(asked(&[], json!({"size": 10_001})).is_err());
        assert!(asked(&[], json!({"size": -1})).is_err());
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let check = |parameters: &[(&str, &str)], body: Value, named: &str| {
            let shown = body.to_string();
            let fault = asked(parameters, body).unwrap_err().body().to_string();
            assert!(fault.contains(named), "{shown}: {fault}");
        };
        check(&[], json!({"pit": {"id": "x"}}), "search_after");
        check(&[], json!({"collapse": {"field": "x"}}), "terms");
        check(&[], json!({"unknown": 1}), "unknown");
        check(&[("unknown", "1")], json!({}), "unknown");
        check(&[("filter_path", "hits")], json!({}), "filter_path");
        check(&[("typed_keys", "true")], json!({}), "typed_keys");
        check(&[], json!({"terminate_after": 5}), "terminate_after");
        check(
            &[],
            json!({"search_after": [1], "from": 1, "sort": "_doc"}),
            "from",
        );
        check(
            &[("q", "a")],
            json!({"query": {"match_all": {}}}),
            "leave one out",
        );
        check(&[], json!({"aggs": {}, "aggregations": {}}), "both");
        check(&[], json!({"timeout": "soon"}), "timeout");
        assert!(
            asked(
                &[("pretty", "")],
                json!({"script_fields": {}, "highlight": {"fields": {"*": {}}}})
            )
            .is_ok()
        );
    }

    /// JSON made of the words of requests, where they belong and where they do not.
    fn any_request() -> impl Strategy<Value = Value> {
        let word = proptest::sample::select(vec![
            "query",
            "bool",
            "must",
            "should",
            "must_not",
            "filter",
            "term",
            "terms",
            "match",
            "match_phrase",
            "multi_match",
            "fields",
            "range",
            "exists",
            "field",
            "@timestamp",
            "user.name",
            "source.port",
            "source.ip",
            "message",
            "gte",
            "lt",
            "value",
            "aggs",
            "a",
            "date_histogram",
            "fixed_interval",
            "calendar_interval",
            "histogram",
            "interval",
            "sort",
            "order",
            "size",
            "from",
            "search_after",
            "_source",
            "filters",
            "buckets_path",
            "derivative",
            "moving_fn",
            "window",
            "avg",
            "percentiles",
            "percents",
            "query_string",
            "simple_query_string",
            "regexp",
            "wildcard",
            "prefix",
            "ids",
            "values",
            "ranges",
            "to",
            "minimum_should_match",
            "missing",
            "script",
            "bucket_script",
            "time_zone",
            "offset",
            "format",
            "extended_bounds",
            "hard_bounds",
            "min",
            "max",
            "include",
            "keyed",
        ]);
        let text = prop_oneof![
            "\\PC{0,12}",
            "[-+0-9.a-z%<|/*\"()\\[\\]{}:^~@&#]{0,12}",
            proptest::sample::select(vec![
                "now",
                "now-1d/d",
                "1m",
                "1d",
                "50%",
                "-1",
                "*",
                "a AND b",
                "user.name:*",
                "_count",
                "asc",
                "UTC",
                "+07:00",
                "epoch_millis",
                "_key",
                "params.a/0",
                "user.name",
            ])
            .prop_map(str::to_owned),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-3_i64..100).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(8, 64, 5, move |inner| {
            prop_oneof![
                1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                3 => proptest::collection::vec((word.clone(), inner), 0..5).prop_map(|members| {
                    let members = members.into_iter();
                    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_json_is_a_search_or_an_error(body in any_request(), inner in any_request()) {
            for body in [body, json!({"query": inner}), json!({"aggs": {"a": inner}})] {
                if let Ok(asked) = asked(&[], body) {
                    Plan::of(&asked.aggregations).tables();
                }
            }
        }
    }
}
