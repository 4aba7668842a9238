//! That Elasticsearch's queries mean what our own language means, and that buckets hold what counting events gives: by
//! generated questions over generated lines.

use axum::http::StatusCode;
use event::{Event, Field, Seq, Value as FieldValue};
use futures_util::future::join_all;
use index::Depth;
use query::{Context, Expr};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{ACCEPTED, FAILED, ids, search, send_to};
use crate::node::{Node, request, text as text_of};

/// Numbers without a pattern, by a seed that is told where something is wrong.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = self.below(u64::try_from(all.len()).unwrap_or(1));
        &all[usize::try_from(at).unwrap_or(0)]
    }
}

/// Lines of several products, with numbers, names and addresses that repeat.
fn lines(random: &mut Random) -> Vec<String> {
    let users = ["root", "admin", "an", "Nguyễn", "svc-backup"];
    let mut lines = Vec::new();
    for number in 0..300 {
        let (minute, second) = (random.below(60), random.below(60));
        let user = random.one_of(&users);
        let host = random.below(4) + 1;
        let address = random.below(6) + 1;
        let port = 50_000 + random.below(9);
        let at = format!("Oct 11 21:{minute:02}:{second:02}");
        lines.push(match random.below(4) {
            0 => format!("<86>{at} db{host} sshd[{number}]: Failed password for invalid user {user} from 198.51.100.{address} port {port} ssh2"),
            1 => format!("<86>{at} db{host} sshd[{number}]: Accepted password for {user} from 10.0.0.{address} port {port} ssh2"),
            2 => format!("<13>{at} web{host} app: worker {number} took {port} ms for {user}"),
            _ => format!("{{\"@timestamp\":\"2026-10-11T14:{minute:02}:{second:02}Z\",\"vendor\":{{\"size\":{port},\"name\":\"{user}\"}},\"host\":{{\"name\":\"app{host}\"}}}}"),
        });
    }
    lines
}

/// A question in our language and as a query.
fn question(random: &mut Random, depth: u64) -> (String, Value) {
    let kinds = if depth == 0 { 14 } else { 17 };
    let user = *random.one_of(&["root", "admin", "an", "nguyen", "Nguyễn", "ROOT", "nobody"]);
    let word = *random.one_of(&[
        "failed", "accepted", "worker", "password", "invalid", "ssh2", "nothing",
    ]);
    let port = 50_000 + random.below(10);
    let minute = random.below(60);
    match random.below(kinds) {
        0 => (
            format!("user.name:\"{user}\""),
            json!({"term": {"user.name": user}}),
        ),
        1 => (word.to_owned(), json!({"match": {"message": word}})),
        2 => (
            format!("\"password for {user}\""),
            json!({"match_phrase": {"event.original": format!("password for {user}")}}),
        ),
        3 => (
            format!("source.port:>={port}"),
            json!({"range": {"source.port": {"gte": port}}}),
        ),
        4 => (
            format!("source.port:{{{port} TO 50007]"),
            json!({"range": {"source.port": {"gt": port, "lte": 50007}}}),
        ),
        5 => (
            "source.ip:10.0.0.0/8".to_owned(),
            json!({"term": {"source.ip": "10.0.0.0/8"}}),
        ),
        6 => {
            let address = format!("10.0.0.{}", random.below(5));
            (
                format!("source.ip:(198.51.100.1 OR {address})"),
                json!({"terms": {"source.ip": ["198.51.100.1", address]}}),
            )
        }
        7 => (
            "event.outcome:*".to_owned(),
            json!({"exists": {"field": "event.outcome"}}),
        ),
        8 => (
            "host.name:db*".to_owned(),
            json!({"prefix": {"host.name": "db"}}),
        ),
        9 => (
            "host.name:?b1".to_owned(),
            json!({"wildcard": {"host.name": "?b1"}}),
        ),
        10 => (
            "host.name:/^(web|app)[12]$/".to_owned(),
            json!({"regexp": {"host.name": "(web|app)[12]"}}),
        ),
        11 => (
            format!("@timestamp:>=\"2026-10-11T14:{minute:02}:00Z\""),
            json!({"range": {"@timestamp": {"gte": format!("2026-10-11T14:{minute:02}:00Z")}}}),
        ),
        12 => (
            format!("vendor.size:{port}"),
            json!({"term": {"vendor.size": port}}),
        ),
        13 => (
            format!("vendor.name:\"{user}\""),
            json!({"query_string": {"query": format!("vendor.name:\"{user}\"")}}),
        ),
        14 => joined(
            random,
            depth,
            "AND",
            |one, two| json!({"bool": {"must": [one], "filter": two}}),
        ),
        15 => joined(
            random,
            depth,
            "OR",
            |one, two| json!({"bool": {"should": [one, two]}}),
        ),
        _ => {
            let (text, query) = question(random, depth - 1);
            (
                format!("NOT ({text})"),
                json!({"bool": {"must_not": query}}),
            )
        }
    }
}

fn joined(
    random: &mut Random,
    depth: u64,
    word: &str,
    join: impl Fn(Value, Value) -> Value,
) -> (String, Value) {
    let (one, first) = question(random, depth - 1);
    let (two, second) = question(random, depth - 1);
    (format!("({one}) {word} ({two})"), join(first, second))
}

#[tokio::test]
async fn our_language_elasticsearchs_queries_and_the_events_themselves_agree() {
    let seed = 0x5eed_0001;
    let node = Node::start().await;
    let mut random = Random(seed);
    let lines = lines(&mut random);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    node.receive(&lines[..200]);
    node.parts.index.flush().expect("committed");
    node.receive(&lines[200..]);
    let events = all_events(&node, 300);
    let context = Context::at(node.parts.clock.now());
    let routes = node.routes();
    let questions: Vec<(String, Value)> = (0..300).map(|_| question(&mut random, 2)).collect();
    let mut found_something = 0;
    // Together, so that they share the syncs of their records.
    for some in questions.chunks(30) {
        let each = some.iter().map(async |(text, query)| {
            let asked = format!("nhatky.seq:<=300 AND ({text})");
            let expr = query::parse(&asked, &context)
                .into_result()
                .expect("a query");
            let expected = matching(&events, &expr);
            let own = json!({"q": asked, "limit": 300});
            let own = request("POST", "/api/v1/search", Some(&own));
            let own = routes.clone().oneshot(own).await.expect("an answer");
            let own: Value = serde_json::from_str(&text_of(own).await).expect("JSON");
            let own = own["hits"].as_array().expect("hits").iter();
            let own: Vec<u64> = own.filter_map(|hit| hit["nhatky.seq"].as_u64()).collect();
            assert_eq!(own, expected, "seed {seed}: {asked}");
            let kept = json!({"range": {"nhatky.seq": {"lte": 300}}});
            let body = json!({"size": 300, "query": {"bool": {"filter": [kept, query]}}});
            let asking = request("POST", "/_search", Some(&body));
            let (_, found) = send_to(routes.clone(), asking).await;
            assert_eq!(ids(&found), expected, "seed {seed}: {body}");
            assert_eq!(found["hits"]["total"]["value"], json!(expected.len()));
            usize::from(!expected.is_empty())
        });
        found_something += join_all(each).await.into_iter().sum::<usize>();
    }
    assert!(found_something > 150, "{found_something}");
}

#[tokio::test]
async fn buckets_are_what_counting_the_events_gives() {
    let seed = 0x5eed_0002;
    let node = Node::start().await;
    let mut random = Random(seed);
    let lines = lines(&mut random);
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    node.receive(&lines[..200]);
    node.parts.index.flush().expect("committed");
    node.receive(&lines[200..]);
    let events = all_events(&node, 300);
    let context = Context::at(node.parts.clock.now());
    for round in 0..40 {
        let (text, query) = question(&mut random, 1);
        let outer = *random.one_of(&[
            "user.name",
            "host.name",
            "event.category",
            "source.port",
            "vendor.name",
        ]);
        let minutes = random.below(20) + 1;
        let body = json!({
            "size": 0,
            "query": {"bool": {"filter": [{"range": {"nhatky.seq": {"lte": 300}}}, query]}},
            "aggs": {"outer": {
                "terms": {"field": outer, "size": 1000},
                "aggs": {
                    "inner": {"date_histogram": {"field": "@timestamp", "fixed_interval": format!("{minutes}m"), "min_doc_count": 1}},
                    "ports": {"stats": {"field": "source.port"}},
                },
            }},
        });
        let found = search(&node, body.clone()).await;
        let expr = query::parse(&format!("nhatky.seq:<=300 AND ({text})"), &context)
            .into_result()
            .expect("a query");
        let matching: Vec<&Event> = events
            .iter()
            .filter(|event| query::matches(&expr, event))
            .collect();
        let buckets = found["aggregations"]["outer"]["buckets"]
            .as_array()
            .expect("buckets");
        let mut counted = std::collections::BTreeMap::<String, Vec<&Event>>::new();
        for event in &matching {
            for value in event.values_named(outer) {
                counted
                    .entry(value.to_text().into_owned())
                    .or_default()
                    .push(event);
            }
        }
        assert_eq!(
            buckets.len(),
            counted.len(),
            "seed {seed} round {round}: {body} {found}"
        );
        for bucket in buckets {
            let key = bucket["key"]
                .as_str()
                .map_or_else(|| bucket["key"].to_string(), str::to_owned);
            let within = counted
                .get(&key)
                .unwrap_or_else(|| panic!("seed {seed} round {round}: {key}"));
            assert_eq!(
                bucket["doc_count"],
                json!(within.len()),
                "seed {seed} round {round}: {body}"
            );
            let step = i64::try_from(minutes).expect("small") * 60_000;
            let mut spans = std::collections::BTreeMap::<i64, usize>::new();
            let mut ports = Vec::new();
            for event in within {
                if let Some(FieldValue::Date(at)) = event.get(Field::TIMESTAMP) {
                    *spans
                        .entry((at.0 / 1000).div_euclid(step) * step)
                        .or_default() += 1;
                }
                if let Some(FieldValue::Integer(port)) = event.get(Field::SOURCE_PORT) {
                    ports.push(port);
                }
            }
            let expected: Vec<Value> = spans
                .iter()
                .map(|(start, count)| json!([start, count]))
                .collect();
            let given = bucket["inner"]["buckets"].as_array().expect("buckets");
            let given: Vec<Value> = given
                .iter()
                .map(|inner| json!([inner["key"], inner["doc_count"]]))
                .collect();
            assert_eq!(given, expected, "seed {seed} round {round}: {body}");
            assert_eq!(bucket["ports"]["count"], json!(ports.len()));
            let sum = ports.iter().sum::<i64>();
            assert_eq!(
                bucket["ports"]["sum"].as_f64().map(|sum| sum.to_string()),
                Some(sum.to_string()),
                "{body}"
            );
            assert_eq!(
                bucket["ports"]["min"]
                    .as_f64()
                    .map(|least| least.to_string()),
                ports.iter().min().map(ToString::to_string)
            );
        }
    }
}

/// Any JSON is answered, with 200 or 400.
#[tokio::test]
async fn any_json_is_a_search_or_an_error() {
    let seed = 0x5eed_0003;
    let node = Node::start().await;
    node.receive(&[FAILED, ACCEPTED]);
    let mut random = Random(seed);
    let routes = node.routes();
    let bodies: Vec<Value> = (0..300).map(|_| any_json(&mut random, 6)).collect();
    for some in bodies.chunks(50) {
        let each = some.iter().map(async |body| {
            let asking = request("POST", "/_search", Some(body));
            let (status, answer) = send_to(routes.clone(), asking).await;
            assert!(
                matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST),
                "seed {seed}: {body}: {status} {answer}"
            );
        });
        join_all(each).await;
    }
}

/// JSON with the words that requests are made of, in places where they belong and where they do not.
fn any_json(random: &mut Random, depth: u64) -> Value {
    let words = [
        "query",
        "bool",
        "must",
        "filter",
        "should",
        "must_not",
        "term",
        "terms",
        "match",
        "range",
        "exists",
        "field",
        "@timestamp",
        "user.name",
        "source.port",
        "gte",
        "lt",
        "value",
        "aggs",
        "a",
        "date_histogram",
        "fixed_interval",
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
        "avg",
        "percentiles",
        "percents",
        "query_string",
        "regexp",
        "wildcard",
        "ids",
        "values",
        "ranges",
        "minimum_should_match",
        "missing",
        "cardinality",
        "script",
        "bucket_script",
        "time_zone",
        "offset",
        "format",
        "extended_bounds",
        "min",
        "max",
    ];
    let texts = [
        "",
        "now",
        "now-1d/d",
        "1m",
        "1d",
        "50%",
        "-1",
        "*",
        "a AND (b",
        "user.name:*",
        "_count",
        "asc",
        "desc",
        "UTC",
        "+07:00",
        "1e999",
        "\u{0}",
        "Đặng",
        "[a",
        "a{1,9999}",
        "_key",
        "params.a/0",
        "epoch_millis",
        "yyyy",
    ];
    match random.below(if depth == 0 { 5 } else { 12 }) {
        0 => Value::Null,
        1 => json!(random.below(2) == 0),
        2 => json!(random.one_of(&[0_i64, 1, -1, 10_000, i64::MAX, i64::MIN])),
        3 => json!(random.one_of(&[0.5, -1e300, 1e-300, 1e18])),
        4 => json!(random.one_of(&texts)),
        5 | 6 => {
            let count = random.below(3);
            (0..count).map(|_| any_json(random, depth - 1)).collect()
        }
        _ => {
            let count = random.below(4);
            let members = (0..count).map(|_| {
                (
                    (*random.one_of(&words)).to_owned(),
                    any_json(random, depth - 1),
                )
            });
            Value::Object(members.collect())
        }
    }
}

fn all_events(node: &Node, count: u64) -> Vec<Event> {
    let seqs: Vec<Seq> = (1..=count).map(Seq).collect();
    node.parts
        .events
        .events(&seqs, Depth::Full)
        .expect("events")
}

/// The Seqs of the events that match, newest first.
fn matching(events: &[Event], expr: &Expr) -> Vec<u64> {
    let matching = events
        .iter()
        .rev()
        .filter(|event| query::matches(expr, event));
    matching.map(|event| event.seq().0).collect()
}
