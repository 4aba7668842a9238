//! Nothing is lost, doubled or hidden: over commits, merges, crashes, full disks, retention, reindexing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use event::{Event, Field, Micros, Seq};
use index::{
    Budget, Counting, Cursor, Depth, EventSource, HistogramRequest, Index, IndexOptions,
    PartitionSpan, Scope, SearchError, SearchRequest, SeriesOf, SourceError, Split, TopRequest,
    Total,
};
use jiff::tz::TimeZone;
use query::{Condition, Expr, FieldName, Literal, Phrase, Regex, Test, TimeStep};

use crate::support::{Chance, MemorySource};

fn event(seq: u64) -> Event {
    let raw = format!(
        "user u{} logged in from 10.0.0.{} attempt {seq}",
        seq % 7,
        seq % 250
    );
    let mut event = Event::new(Seq(seq), Bytes::from(raw));
    event.set(
        Field::TIMESTAMP,
        Micros(seq.cast_signed() * Micros::PER_SECOND),
    );
    event.set(
        Field::NHATKY_PRODUCT,
        if seq.is_multiple_of(2) { "even" } else { "odd" },
    );
    event.set(Field::USER_NAME, format!("u{}", seq % 7).as_str());
    event.set(Field::SOURCE_PORT, (1000 + seq % 10).cast_signed());
    event.push_named("acme.turn", format!("t{}", seq % 3).as_str());
    event
}

fn events(from: u64, to: u64) -> Vec<Event> {
    (from..=to).map(event).collect()
}

fn options() -> IndexOptions {
    IndexOptions {
        commit_after: Duration::from_secs(3600),
        search_threads: 2,
        ..IndexOptions::default()
    }
}

fn open(dir: &Path, options: IndexOptions, source: &Arc<MemorySource>) -> Index {
    let source: Arc<MemorySource> = Arc::clone(source);
    Index::open(dir, options, source).expect("opens")
}

/// A source of these events, in partitions that begin at these Seqs.
fn source(events: &[Event], starts: &[u64]) -> Arc<MemorySource> {
    let source = Arc::new(MemorySource::default());
    let starts: Vec<Seq> = starts.iter().copied().map(Seq).collect();
    source.add(events, &starts);
    source
}

fn word(text: &str) -> Expr {
    Expr::Test(Test::Text(Phrase::new(text).expect("has words")))
}

fn found(index: &Index, expr: Expr) -> Vec<u64> {
    let result = index
        .search(&SearchRequest::new(Scope::new(expr), 100_000))
        .expect("searches");
    assert_eq!(result.total, Total::Exactly(result.hits.len() as u64));
    result.hits.iter().map(|event| event.seq().0).collect()
}

fn descending(from: u64, to: u64) -> Vec<u64> {
    (from..=to).rev().collect()
}

#[test]
fn what_is_published_is_found_at_once() {
    let all = events(1, 10);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    assert_eq!(index.committed_through(), Seq::ZERO);
    assert_eq!(found(&index, Expr::All), descending(1, 10));
    assert_eq!(found(&index, word("u3")), [10, 3]);
}

#[test]
fn after_a_crash_it_goes_on_from_what_is_committed_and_doubles_nothing() {
    let all = events(1, 300);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    index.publish(all[..200].into()).unwrap();
    index.flush().unwrap();
    // As if the power failed: a copy of the folder, with a segment that no manifest names.
    let crashed = tempfile::tempdir().unwrap();
    let partition = format!("{:016}", 1);
    std::fs::create_dir_all(crashed.path().join(&partition)).unwrap();
    for entry in std::fs::read_dir(folder.path().join(&partition)).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(
            entry.path(),
            crashed.path().join(&partition).join(entry.file_name()),
        )
        .unwrap();
    }
    let orphan = crashed.path().join(&partition).join("201-300-00000000.seg");
    std::fs::write(&orphan, b"half a segment").unwrap();

    let index = open(crashed.path(), options(), &source);
    assert!(!orphan.try_exists().unwrap());
    assert_eq!(index.committed_through(), Seq(200));
    index.publish(all[100..].into()).unwrap();
    assert_eq!(found(&index, Expr::All), descending(1, 300));
    index.flush().unwrap();
    assert_eq!(found(&index, Expr::All), descending(1, 300));
}

#[test]
fn closing_commits_and_reopening_finds_everything() {
    let all = events(1, 50);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1, 31]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    index.close();
    assert!(index.publish(events(51, 52).into()).is_err());
    drop(index);
    let index = open(folder.path(), options(), &source);
    assert_eq!(index.committed_through(), Seq(50));
    assert_eq!(index.status().partitions.len(), 2);
    assert_eq!(found(&index, word("logged in")), descending(1, 50));
}

#[test]
fn a_cursor_is_undisturbed_by_what_arrives() {
    let all = events(1, 1000);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    let mut published = 400;
    index.publish(all[..published].into()).unwrap();
    let mut request = SearchRequest::new(Scope::new(word("u1")), 7);
    let mut pages = Vec::new();
    loop {
        let result = index.search(&request).unwrap();
        pages.extend(result.hits.iter().map(|event| event.seq().0));
        let Some(cursor) = result.next_cursor else {
            break;
        };
        request.cursor = Some(cursor.to_string().parse::<Cursor>().unwrap());
        index
            .publish(all[published..published + 50].into())
            .unwrap();
        published += 50;
        if published % 100 == 0 {
            index.flush().unwrap();
        }
    }
    let expected: Vec<u64> = descending(1, 400)
        .into_iter()
        .filter(|seq| seq % 7 == 1)
        .collect();
    assert_eq!(pages, expected);
}

#[test]
fn a_cursor_of_another_query_is_refused() {
    let all = events(1, 100);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    let first = index
        .search(&SearchRequest::new(Scope::new(word("user")), 5))
        .unwrap();
    let mut other = SearchRequest::new(Scope::new(word("attempt")), 5);
    other.cursor = first.next_cursor;
    assert!(matches!(index.search(&other), Err(SearchError::Cursor)));
}

#[test]
fn searches_among_commits_and_merges_see_each_event_once() {
    let all = events(1, 4000);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1, 1500, 3000]));
    let options = IndexOptions {
        commit_events: 37,
        merge_events_max: 2000,
        ..options()
    };
    let index = open(folder.path(), options, &source);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in all.chunks(53) {
                index.publish(batch.into()).unwrap();
            }
        });
        scope.spawn(|| {
            let mut last = 0;
            while last < 4000 {
                let result = index
                    .search(&SearchRequest::new(Scope::new(Expr::All), 5000))
                    .unwrap();
                let seqs: Vec<u64> = result.hits.iter().map(|event| event.seq().0).collect();
                let newest = result.covered.through_seq.0;
                assert_eq!(seqs, descending(1, newest));
                assert_eq!(result.total, Total::Exactly(newest));
                last = newest;
            }
        });
    });
    index.flush().unwrap();
    let merged = |index: &Index| index.status().merges > 0;
    while !merged(&index) {
        std::thread::yield_now();
    }
    assert_eq!(found(&index, word("user")), descending(1, 4000));
    let status = index.status();
    assert_eq!(
        status.partitions.iter().map(|one| one.events).sum::<u64>(),
        4000
    );
    assert_eq!(status.fresh_events, 0);
}

#[test]
fn publishing_waits_while_memory_is_full_and_goes_on() {
    let all = events(1, 3000);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let options = IndexOptions {
        fresh_bytes_max: 100_000,
        ..options()
    };
    let index = open(folder.path(), options, &source);
    for batch in all.chunks(20) {
        index.publish(batch.into()).unwrap();
        assert!(index.status().fresh_bytes <= 150_000);
    }
    assert_eq!(found(&index, Expr::All), descending(1, 3000));
}

#[test]
fn a_budget_ends_a_search_and_its_cursor_goes_on() {
    let all = events(1, 3000);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1, 1001, 2001]));
    let index = open(folder.path(), options(), &source);
    for batch in all.chunks(1000) {
        index.publish(batch.into()).unwrap();
        index.flush().unwrap();
    }
    let regex = Expr::Test(Test::Regex(Regex::new("attempt [0-9]*0$").unwrap()));
    let mut scope = Scope::new(regex);
    scope.budget = Budget {
        bytes: 20_000,
        ..Budget::default()
    };
    let mut request = SearchRequest::new(scope, 1000);
    let first = index.search(&request).unwrap();
    assert!(matches!(first.total, Total::AtLeast(_)));
    assert!(
        first.covered.skipped.contains(&Seq(1)),
        "{:?}",
        first.covered
    );
    let mut seqs: Vec<u64> = first.hits.iter().map(|event| event.seq().0).collect();
    assert!(seqs.len() < 300);
    let mut cursor = first.next_cursor;
    request.counting = Counting::Page;
    request.scope.budget = Budget::default();
    while cursor.is_some() {
        request.cursor = cursor;
        let page = index.search(&request).unwrap();
        seqs.extend(page.hits.iter().map(|event| event.seq().0));
        cursor = page.next_cursor;
    }
    let expected: Vec<u64> = descending(1, 3000)
        .into_iter()
        .filter(|seq| seq % 10 == 0)
        .collect();
    assert_eq!(seqs, expected);
}

#[test]
fn a_cancelled_search_gives_what_it_has() {
    let all = events(1, 100);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    index.flush().unwrap();
    let scope = Scope::new(Expr::All);
    scope.cancel.cancel();
    let result = index.search(&SearchRequest::new(scope, 10)).unwrap();
    assert_eq!(result.total, Total::AtLeast(0));
    assert_eq!(result.covered.skipped, [Seq(1)]);
}

#[test]
fn hits_are_handed_over_newest_first_while_the_search_goes_on() {
    let all = events(1, 300);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    for batch in all.chunks(100) {
        index.publish(batch.into()).unwrap();
        index.flush().unwrap();
    }
    let mut portions = Vec::new();
    let request = SearchRequest::new(Scope::new(word("u2")), 1000);
    let mut take = |hits: Vec<Event>| portions.push(hits);
    let result = index.search_streaming(&request, &mut take).unwrap();
    assert_eq!(portions.len(), 3);
    let seqs: Vec<u64> = portions
        .iter()
        .flatten()
        .map(|event| event.seq().0)
        .collect();
    assert!(seqs.is_sorted_by(|one, two| one > two));
    assert_eq!(result.total, Total::Exactly(seqs.len() as u64));
    assert!(portions[0][0].values_named("acme.turn").next().is_some());
}

#[test]
fn dropped_partitions_are_no_longer_found() {
    let all = events(1, 300);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1, 101, 201]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    index.flush().unwrap();
    let dropped = source.drop_oldest();
    assert_eq!(found(&index, word("user")), descending(101, 300));
    index.drop_partition(dropped).unwrap();
    assert_eq!(index.status().partitions.len(), 2);
    assert_eq!(found(&index, Expr::All), descending(101, 300));
    drop(index);
    source.drop_oldest();
    let index = open(folder.path(), options(), &source);
    assert_eq!(
        index.status().partitions.len(),
        1,
        "one was dropped while the index was closed"
    );
    assert_eq!(found(&index, Expr::All), descending(201, 300));
}

#[test]
fn a_partition_whose_index_is_damaged_is_scanned_until_it_is_rebuilt() {
    let all = events(1, 200);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1, 101]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    drop(index);
    let partition = folder.path().join(format!("{:016}", 1));
    for entry in std::fs::read_dir(&partition).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "seg") {
            std::fs::write(path, b"no segment").unwrap();
        }
    }
    let index = open(folder.path(), options(), &source);
    assert_eq!(index.status().unusable.len(), 1);
    assert_eq!(found(&index, word("u5")).len(), 28);
    let done = index.reindex(Seq(1), &mut |_| {}).unwrap();
    assert_eq!((done.events, done.through), (100, Seq(100)));
    assert!(index.status().unusable.is_empty());
    assert_eq!(found(&index, word("u5")).len(), 28);
}

#[test]
fn stale_hits_are_verified_and_reindexing_finds_what_was_missing() {
    let all = events(1, 100);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let fingerprints = |even: u64| [("even".to_owned(), even), ("odd".to_owned(), 5)].into();
    let index = open(
        folder.path(),
        IndexOptions {
            fingerprints: fingerprints(1),
            ..options()
        },
        &source,
    );
    index.publish(all.into()).unwrap();
    index.flush().unwrap();
    let renamed = || Expr::field(Field::USER_NAME, Condition::Is(Literal::new("u0")));
    assert_eq!(found(&index, renamed()).len(), 14);

    // Today's parsers see another user in some events.
    for (seq, user) in [(14, "other"), (15, "u0")] {
        let mut better = event(seq);
        better.set(Field::USER_NAME, user);
        source.replace(better);
    }
    index.set_fingerprints(fingerprints(2));
    let result = index
        .search(&SearchRequest::new(Scope::new(renamed()), 100))
        .unwrap();
    assert_eq!(result.covered.stale, [Seq(1)]);
    assert_eq!(
        result.hits.len(),
        13,
        "14 is no hit any more, 15 is not yet one"
    );
    assert!(index.status().partitions[0].stale);

    let users = || TopRequest {
        scope: Scope::new(Expr::All),
        fields: vec![Field::USER_NAME.into()],
        limit: 100,
    };
    let others = |found: index::Tops| {
        let values = found.tops.iter().flat_map(|top| &top.values);
        values.filter(|value| value.value == "other").count()
    };
    assert_eq!(
        others(index.top(&users()).unwrap()),
        1,
        "a column that is stale is not counted by"
    );

    let mut reached = Vec::new();
    index.reindex(Seq(1), &mut |seq| reached.push(seq)).unwrap();
    assert_eq!(reached, [Seq(100)]);
    let result = index
        .search(&SearchRequest::new(Scope::new(renamed()), 100))
        .unwrap();
    assert!(result.covered.stale.is_empty());
    assert_eq!(result.hits.len(), 14);
    assert!(result.hits.iter().any(|event| event.seq() == Seq(15)));
}

#[test]
fn reindexing_goes_on_beside_what_arrives() {
    let all = events(1, 2000);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(
        folder.path(),
        IndexOptions {
            commit_events: 20,
            ..options()
        },
        &source,
    );
    index.publish(all[..1000].into()).unwrap();
    index.flush().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for batch in all[1000..].chunks(10) {
                index.publish(batch.into()).unwrap();
            }
        });
        for _ in 0..5 {
            index.reindex(Seq(1), &mut |_| {}).unwrap();
        }
    });
    index.flush().unwrap();
    assert_eq!(found(&index, word("user")), descending(1, 2000));
    drop(index);
    let index = open(folder.path(), options(), &source);
    assert_eq!(found(&index, word("user")), descending(1, 2000));
}

#[test]
fn counts_over_time_are_the_same_fresh_and_committed() {
    let all = events(1, 1000);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    let zone = TimeZone::fixed(jiff::tz::offset(7));
    let mut request = HistogramRequest {
        scope: Scope::new(word("u4")),
        step: TimeStep::parse("1m", &zone).unwrap(),
        split: None,
    };
    for _ in 0..2 {
        let histogram = index.histogram(&request).unwrap();
        assert_eq!(histogram.total, Total::Exactly(143));
        assert_eq!(histogram.buckets.len(), 17);
        let minute = 60 * Micros::PER_SECOND;
        for (number, bucket) in (0..).zip(&histogram.buckets) {
            assert_eq!(bucket.start.0, number * minute);
            let inside = (number * 60..(number + 1) * 60).filter(|at| at % 7 == 4 && *at <= 1000);
            assert_eq!(bucket.count, inside.count() as u64);
        }
        index.flush().unwrap();
    }
    request.step = TimeStep::parse("1d", &zone).unwrap();
    let day = index.histogram(&request).unwrap();
    let midnight = -7 * 3600 * Micros::PER_SECOND;
    assert_eq!(
        (day.buckets[0].start.0, day.buckets[0].count),
        (midnight, 143)
    );
}

#[test]
fn top_values_are_the_same_fresh_and_committed_for_columns_and_others() {
    let all = events(1, 700);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    let expected = [
        ("user.name", ("u0", 100), 7),
        ("source.port", ("1000", 70), 10),
        ("acme.turn", ("t1", 234), 3),
        ("no.such", ("", 0), 0),
    ];
    let request = |fields: &[&str]| TopRequest {
        scope: Scope::new(Expr::All),
        fields: fields.iter().copied().map(FieldName::new).collect(),
        limit: 2,
    };
    let check = |top: &index::Top, field: &str, first, distinct| {
        assert_eq!(top.distinct, distinct, "{field}");
        let counted: u64 = top.values.iter().map(|value| value.count).sum::<u64>() + top.other;
        assert_eq!(counted + top.missing, 700, "{field}");
        let found = top.values.first();
        let found = found.map_or(("", 0), |value| (value.value.as_str(), value.count));
        assert_eq!(found, first, "{field}");
    };
    for _ in 0..2 {
        for (field, first, distinct) in expected {
            let found = index.top(&request(&[field])).unwrap();
            assert_eq!(found.total, Total::Exactly(700));
            check(&found.tops[0], field, first, distinct);
        }
        let all = index.top(&request(&expected.map(|(field, ..)| field)));
        for (top, (field, first, distinct)) in all.unwrap().tops.iter().zip(expected) {
            check(top, field, first, distinct);
        }
        index.flush().unwrap();
    }
}

#[test]
fn counts_over_time_are_split_by_a_field_and_add_up() {
    let all = events(1, 700);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    index.publish(all.into()).unwrap();
    for _ in 0..2 {
        let found = index.histogram(&HistogramRequest {
            scope: Scope::new(Expr::All),
            step: TimeStep::parse("1m", &TimeZone::UTC).unwrap(),
            split: Some(Split {
                field: FieldName::new("user.name"),
                values: 2,
            }),
        });
        let found = found.unwrap();
        let of: Vec<SeriesOf> = found
            .series
            .iter()
            .map(|series| series.of.clone())
            .collect();
        let value = |text: &str| SeriesOf::Value(text.to_owned());
        assert_eq!(of, [value("u0"), value("u1"), SeriesOf::Others]);
        let mut sums: BTreeMap<Micros, u64> = BTreeMap::new();
        for bucket in found.series.iter().flat_map(|series| &series.buckets) {
            *sums.entry(bucket.start).or_default() += bucket.count;
        }
        let whole = found
            .buckets
            .iter()
            .map(|bucket| (bucket.start, bucket.count));
        assert_eq!(sums, whole.collect());
        index.flush().unwrap();
    }
}

#[test]
fn a_disk_that_is_full_delays_commits_and_loses_nothing() {
    let all = events(1, 200);
    let (folder, source) = (tempfile::tempdir().unwrap(), source(&all, &[1]));
    let index = open(folder.path(), options(), &source);
    // A file where the partition's folder should be.
    let blocked = folder.path().join(format!("{:016}", 1));
    std::fs::write(&blocked, b"in the way").unwrap();
    index.publish(all.into()).unwrap();
    assert!(index.flush().is_err());
    assert!(index.status().failure.is_some());
    assert_eq!(found(&index, Expr::All), descending(1, 200));
    std::fs::remove_file(&blocked).unwrap();
    while index.committed_through() < Seq(200) {
        std::thread::yield_now();
    }
    assert_eq!(index.status().failure, None);
    assert_eq!(found(&index, Expr::All), descending(1, 200));
}

/// A source that panics when it is first asked for a partition.
#[derive(Debug)]
struct Startled {
    source: Arc<MemorySource>,
    is_startled: AtomicBool,
}

impl EventSource for Startled {
    fn events(&self, seqs: &[Seq], depth: Depth) -> Result<Vec<Event>, SourceError> {
        self.source.events(seqs, depth)
    }

    fn span(&self, from: Seq, to: Seq, depth: Depth) -> Result<Vec<Event>, SourceError> {
        self.source.span(from, to, depth)
    }

    fn partitions(&self) -> Vec<PartitionSpan> {
        self.source.partitions()
    }

    fn partition_of(&self, seq: Seq) -> Option<PartitionSpan> {
        assert!(
            self.is_startled.swap(true, Ordering::SeqCst),
            "a panic on purpose"
        );
        self.source.partition_of(seq)
    }
}

#[test]
fn a_panic_while_committing_is_reported_and_passes() {
    let all = events(1, 20);
    let folder = tempfile::tempdir().unwrap();
    let startled = Startled {
        source: source(&all, &[1]),
        is_startled: AtomicBool::new(false),
    };
    let index = Index::open(folder.path(), options(), Arc::new(startled)).unwrap();
    index.publish(all.into()).unwrap();
    assert!(index.flush().unwrap_err().contains("panicked"));
    assert_eq!(found(&index, Expr::All), descending(1, 20));
    while index.flush().is_err() {
        std::thread::yield_now();
    }
    assert_eq!(index.committed_through(), Seq(20));
    assert_eq!(found(&index, word("user")), descending(1, 20));
}

#[test]
fn any_order_of_publishing_committing_and_reopening_gives_the_same() {
    for seed in 0..8 {
        let mut chance = Chance(seed);
        let all = events(1, 500);
        let (folder, source) = (
            tempfile::tempdir().unwrap(),
            source(&all, &[1, 120, 121, 400]),
        );
        let options = || IndexOptions {
            commit_events: 11,
            merge_events_max: 90,
            ..options()
        };
        let mut index = open(folder.path(), options(), &source);
        let mut published: usize = 0;
        while published < all.len() {
            match chance.below(8) {
                0 => index.flush().unwrap(),
                1 => {
                    drop(index);
                    index = open(folder.path(), options(), &source);
                    let committed = usize::try_from(index.committed_through().0).unwrap();
                    assert_eq!(committed, published, "seed {seed}: closing commits");
                }
                2 => {
                    let spans = [1, 120, 121, 400].map(Seq);
                    index.reindex(chance.pick(&spans), &mut |_| {}).unwrap();
                }
                _ => {
                    let to = all
                        .len()
                        .min(published + usize::try_from(chance.below(40)).unwrap());
                    let from = published.saturating_sub(usize::try_from(chance.below(20)).unwrap());
                    index.publish(all[from..to].into()).unwrap();
                    published = published.max(to);
                }
            }
            let newest = published as u64;
            assert_eq!(
                found(&index, word("logged")),
                descending(1, newest),
                "seed {seed}"
            );
        }
    }
}
