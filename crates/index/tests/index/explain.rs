//! What is told of a search is what it does: each means where it serves, why others do not, and how much is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use event::{Event, Field, Micros, Seq};
use index::{
    Depth, EventSource, ExplainRequest, Explained, Index, IndexOptions, Means, PartitionSpan,
    Running, Scope, SearchRequest, SourceError, Total, Wanted, Way, Why,
};
use query::{Context, Expr, parse};
use tempfile::TempDir;

use crate::support::MemorySource;

/// Counts the events that are read.
#[derive(Debug)]
struct Counting {
    inner: MemorySource,
    read: AtomicU64,
}

impl Counting {
    fn counted(&self, events: Result<Vec<Event>, SourceError>) -> Result<Vec<Event>, SourceError> {
        let count = events.as_ref().map_or(0, Vec::len);
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        events
    }
}

impl EventSource for Counting {
    fn events(&self, seqs: &[Seq], depth: Depth) -> Result<Vec<Event>, SourceError> {
        self.counted(self.inner.events(seqs, depth))
    }

    fn span(&self, from: Seq, to: Seq, depth: Depth) -> Result<Vec<Event>, SourceError> {
        self.counted(self.inner.span(from, to, depth))
    }

    fn partitions(&self) -> Vec<PartitionSpan> {
        self.inner.partitions()
    }
}

fn event(seq: u64) -> Event {
    let raw = format!(
        "user u{} failed attempt {seq} from 10.0.0.{} port {} colour=red{}",
        seq % 7,
        seq % 5,
        1000 + seq % 10,
        seq % 3,
    );
    let mut event = Event::new(Seq(seq), Bytes::from(raw));
    event.set(
        Field::TIMESTAMP,
        Micros(seq.cast_signed() * Micros::PER_SECOND),
    );
    event.set(Field::NHATKY_PRODUCT, "acme");
    event.set(Field::USER_NAME, format!("u{}", seq % 7).as_str());
    event.set(Field::SOURCE_IP, format!("10.0.0.{}", seq % 5).as_str());
    event.set(Field::SOURCE_PORT, (1000 + seq % 10).cast_signed());
    event.push(Field::EVENT_REASON, "failed");
    event.push_named("acme.colour", format!("red{}", seq % 3).as_str());
    event
}

struct Node {
    index: Index,
    source: Arc<Counting>,
    _folder: TempDir,
}

impl Node {
    /// 300 events in a partition of three segments, 100 in the next, and 10 fresh ones.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = Arc::new(Counting {
            inner: MemorySource::default(),
            read: AtomicU64::new(0),
        });
        let options = IndexOptions {
            commit_after: Duration::from_secs(3600),
            merge_events_max: 0,
            search_threads: 1,
            ..IndexOptions::default()
        };
        let events: Arc<dyn EventSource> = Arc::<Counting>::clone(&source);
        let index = Index::open(folder.path(), options, events).expect("opens");
        let all: Vec<Event> = (1..=410).map(event).collect();
        source.inner.add(&all, &[Seq(1), Seq(301)]);
        for batch in all[..400].chunks(100) {
            index.publish(batch.to_vec().into()).expect("open");
            index.flush().expect("committed");
        }
        index.publish(all[400..].to_vec().into()).expect("open");
        Self {
            index,
            source,
            _folder: folder,
        }
    }

    fn scope(q: &str) -> Scope {
        let expr = parse(q, &Context::at(Micros(0))).into_result();
        Scope::new(expr.expect("a query"))
    }

    fn explain(&self, scope: Scope, wanted: Option<Wanted>) -> Explained {
        let request = ExplainRequest {
            scope,
            wanted,
            running: Running::Foreseen,
        };
        self.index.explain(&request).expect("explained")
    }
}

#[test]
fn each_means_is_told_where_it_serves_and_why_events_are_left_to_be_asked() {
    let node = Node::start();
    let check = |q: &str, means: Means, why: &[Why]| {
        let explained = node.explain(Node::scope(q), None);
        let answered = &explained.tests.last().expect("a test").answers;
        let told = answered
            .iter()
            .any(|one| one.means == means && one.why == why);
        assert!(told, "{q}: {answered:?}");
    };
    let word = str::to_owned;
    check("user.name:u3", Means::Column, &[]);
    check("source.ip:10.0.0.3", Means::ColumnOfTerm, &[]);
    check("source.ip:10.0.0.0/8", Means::Column, &[]);
    check("nhatky.seq:[5 TO 10]", Means::Seqs, &[]);
    check("@timestamp:<1970-01-02", Means::Times, &[]);
    check("event.original:*", Means::Always, &[]);
    check("\"failed attempt\"", Means::Words, &[]);
    check("10.0.0.3", Means::Terms, &[]);
    check("\"attempt 7\"", Means::Words, &[Why::KeptOut(word("7"))]);
    check("fail*", Means::Words, &[Why::Wildcard(word("fail*"))]);
    check("*led", Means::Words, &[Why::OpenWildcard(word("*led"))]);
    check(
        "\"port 1003\"",
        Means::Words,
        &[Why::NumberInColumn(word("1003"))],
    );
    check(
        "\"from 10.0.0.3\"",
        Means::Words,
        &[
            Why::KeptOut(word("0")),
            Why::KeptOut(word("10")),
            Why::KeptOut(word("3")),
            Why::AddressInPhrase,
        ],
    );
    check("event.reason:failed", Means::Words, &[Why::NoColumn]);
    check("acme.colour:red1", Means::Words, &[Why::VendorField]);
    check("acme.colour:/red/", Means::Scan, &[Why::NoWords]);
    check("/fail(ed)?/", Means::Scan, &[Why::Regex]);
}

#[test]
fn a_segment_is_told_to_be_ruled_out_by_what_rules_it_out() {
    let node = Node::start();
    let scope = Scope {
        from: Some(Micros(350 * Micros::PER_SECOND)),
        ..Node::scope("acme.colour:red1")
    };
    let explained = node.explain(scope, None);
    let partitions: Vec<_> = explained.partitions.iter().map(|one| one.first).collect();
    assert_eq!(partitions, [Seq(301), Seq(1)]);
    assert_eq!(explained.partitions[0].segments[0].ruled_out, None);
    for segment in &explained.partitions[1].segments {
        let ruled_out = segment.ruled_out.expect("ruled out");
        assert_eq!((ruled_out.test, ruled_out.means), (0, Means::Times));
        assert_eq!(segment.to_read, 0);
    }
    let explained = node.explain(Node::scope("user.name:nobody acme.colour:red1"), None);
    for segment in explained.partitions.iter().flat_map(|one| &one.segments) {
        let ruled_out = segment.ruled_out.expect("ruled out");
        assert_eq!(
            explained.tests[ruled_out.test].test.to_string(),
            "user.name:nobody"
        );
        assert_eq!(ruled_out.means, Means::Column);
    }
}

#[test]
fn what_is_foreseen_is_what_is_read() {
    let node = Node::start();
    let queries = [
        "user.name:u3",
        "\"failed attempt\"",
        "acme.colour:red1",
        "acme.colour:/red/",
        "/fail/ user.name:u2",
        "NOT fail*",
        "\"port 1003\" OR acme.colour:red2",
    ];
    let wanted = [
        None,
        Some(Wanted::Columns(vec![Field::USER_NAME])),
        Some(Wanted::Events(Depth::Core)),
        Some(Wanted::Events(Depth::Full)),
    ];
    for q in queries {
        for wanted in &wanted {
            let before = node.source.read.load(Ordering::Relaxed);
            let request = ExplainRequest {
                scope: Node::scope(q),
                wanted: wanted.clone(),
                running: Running::Run,
            };
            let explained = node.index.explain(&request).expect("explained");
            let read = node.source.read.load(Ordering::Relaxed) - before;
            let run = explained.run.expect("it was run");
            assert_eq!(run.spent.events, read, "{q} {wanted:?}");
            assert_eq!(explained.foreseen.events, read, "{q} {wanted:?}");
            assert!(explained.complete);
            let possible = explained.partitions.iter().flat_map(|one| &one.segments);
            let to_read: u64 = possible.map(|segment| segment.to_read).sum();
            let fresh = if explained.depth == Depth::Full {
                10
            } else {
                0
            };
            assert_eq!(to_read + fresh, read, "{q} {wanted:?}");
            let found = node.index.search(&SearchRequest::new(request.scope, 0));
            let found = found.expect("searched");
            assert_eq!(found.total, run.total, "{q}");
            if wanted.is_none() {
                assert_eq!(found.spent.events, run.spent.events, "{q}");
                assert_eq!(found.spent.bytes, run.spent.bytes, "{q}");
            }
        }
    }
}

#[test]
fn stale_segments_are_told_and_their_hits_read() {
    let node = Node::start();
    let fingerprints = [("acme".to_owned(), 7)].into_iter().collect();
    node.index.set_fingerprints(fingerprints);
    let explained = node.explain(Node::scope("user.name:u3"), None);
    for segment in explained.partitions.iter().flat_map(|one| &one.segments) {
        assert!(segment.stale);
        assert_eq!(segment.to_read, segment.possible);
    }
    let words = node.explain(Node::scope("failed"), None);
    assert_eq!(words.foreseen.events, 0, "words do not depend on parsers");
}

#[test]
fn what_has_no_index_is_told_to_be_read_whole() {
    let node = Node::start();
    node.index.drop_partition(Seq(1)).expect("dropped");
    let explained = node.explain(Node::scope("user.name:u3"), None);
    let gaps: Vec<_> = explained
        .partitions
        .iter()
        .flat_map(|one| &one.gaps)
        .collect();
    assert_eq!(gaps, [&(Seq(1), Seq(300))]);
    assert_eq!(explained.foreseen.events, 300);
    let bytes = explained.foreseen.bytes / 300;
    assert!((40..90).contains(&bytes), "{bytes} bytes an event");
}

#[test]
fn a_way_that_is_not_allowed_is_told() {
    let node = Node::start();
    let scope = Scope {
        way: Way::Scan,
        ..Node::scope("user.name:u3")
    };
    let explained = node.explain(scope, None);
    assert_eq!(explained.tests[0].answers[0].why, [Why::NotAllowed]);
    assert_eq!(explained.foreseen.events, 400);
}

#[test]
fn a_cancelled_explanation_says_that_it_is_short() {
    let node = Node::start();
    let scope = Scope::new(Expr::All);
    scope.cancel.cancel();
    let explained = node.explain(scope, None);
    assert!(!explained.complete);
    assert_eq!(explained.partitions.len(), 0);
    let all = node.explain(Scope::new(Expr::All), None);
    assert_eq!((all.fresh, all.tests.len()), (10, 0));
    let request = ExplainRequest {
        scope: Scope::new(Expr::All),
        wanted: None,
        running: Running::Run,
    };
    let run = node.index.explain(&request).expect("explained").run;
    assert_eq!(run.expect("it was run").total, Total::Exactly(410));
}
