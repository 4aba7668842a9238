//! Saved searches belong to who made them, and each has a history that ends.

use std::sync::Arc;

use event::{Clock as _, ManualClock, Micros};
use registry::{Actor, Registry, Rights, SavedSearchError, SearchDone, SearchText};

struct Site {
    registry: Registry,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(ManualClock::at(Micros(1_000_000_000)));
        let path = folder.path().join("registry.sqlite");
        let registry = Registry::open(&path, Arc::<ManualClock>::clone(&clock)).await;
        Self {
            registry: registry.expect("it opens"),
            clock,
            _folder: folder,
        }
    }
}

fn text(name: &str, shared: bool) -> SearchText {
    SearchText {
        name: name.to_owned(),
        query: "event.outcome:failure | top 10 user.name".to_owned(),
        from: Some("now-24h".to_owned()),
        shared,
        ..SearchText::default()
    }
}

fn done(query: &str, at: i64) -> SearchDone {
    SearchDone {
        query: query.to_owned(),
        at: Micros(at),
        took_ms: 5,
        total: 17,
        total_relation: "eq".to_owned(),
        ..SearchDone::default()
    }
}

#[tokio::test]
async fn others_see_what_is_shared_and_change_nothing() {
    let site = Site::new().await;
    let registry = &site.registry;
    let (an, binh) = (Actor::new("an", None), Actor::new("binh", None));
    let own = registry
        .save_search(&an, &text(" logins ", false))
        .await
        .unwrap();
    let shared = registry
        .save_search(&an, &text("đăng nhập", true))
        .await
        .unwrap();
    assert_eq!(
        (own.text.name.as_str(), own.owner.as_str()),
        ("logins", "an")
    );
    let seen = async |by: &Actor, rights| {
        let page = registry.saved_searches(by, rights, None, 10).await.unwrap();
        page.items
            .into_iter()
            .map(|search| search.id)
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&an, Rights::Own).await, [shared.id, own.id]);
    assert_eq!(seen(&binh, Rights::Own).await, [shared.id]);
    assert_eq!(seen(&binh, Rights::All).await, [shared.id, own.id]);
    assert_eq!(
        registry
            .saved_search(&binh, Rights::Own, own.id)
            .await
            .unwrap(),
        None
    );
    let found = registry
        .saved_search(&binh, Rights::Own, shared.id)
        .await
        .unwrap();
    assert_eq!(found, Some(shared.clone()));

    let x = text("x", true);
    let change = registry.change_saved_search(&binh, Rights::Own, shared.id, &x);
    assert!(matches!(change.await, Err(SavedSearchError::NotOwner { owner }) if owner == "an"));
    let hidden = registry
        .delete_saved_search(&binh, Rights::Own, own.id)
        .await;
    assert!(matches!(hidden, Err(SavedSearchError::NotFound { .. })));

    site.clock.set_wall(Micros(2_000_000_000));
    let changed = registry.change_saved_search(&binh, Rights::All, own.id, &x);
    let changed = changed.await.unwrap();
    assert_eq!(
        (changed.owner.as_str(), changed.text.name.as_str()),
        ("an", "x")
    );
    assert_eq!(
        (changed.created_at, changed.changed_at),
        (own.created_at, site.clock.now())
    );
    registry
        .delete_saved_search(&an, Rights::Own, own.id)
        .await
        .unwrap();
    assert_eq!(seen(&an, Rights::Own).await, [shared.id]);
}

#[tokio::test]
async fn a_name_is_taken_once_by_each_owner() {
    let site = Site::new().await;
    let registry = &site.registry;
    let (an, binh) = (Actor::new("an", None), Actor::new("binh", None));
    registry.save_search(&an, &text("a", false)).await.unwrap();
    let b = registry.save_search(&an, &text("b", false)).await.unwrap();
    registry
        .save_search(&binh, &text("a", false))
        .await
        .unwrap();
    let taken = |result| matches!(result, Err(SavedSearchError::NameTaken { .. }));
    assert!(taken(registry.save_search(&an, &text("a", true)).await));
    assert!(taken(
        registry
            .change_saved_search(&an, Rights::Own, b.id, &text("a", true))
            .await
    ));
    let same = text("b", true);
    let same = registry
        .change_saved_search(&an, Rights::Own, b.id, &same)
        .await;
    assert!(same.unwrap().text.shared);
}

#[tokio::test]
async fn names_and_descriptions_have_bounds() {
    let site = Site::new().await;
    let an = Actor::new("an", None);
    let save = async |name: &str, description: usize| {
        let text = SearchText {
            description: "đ".repeat(description),
            ..text(name, false)
        };
        site.registry.save_search(&an, &text).await
    };
    save(&"ă".repeat(120), 2000).await.unwrap();
    for name in ["", "  ", "a\nb", "a\u{0}", &"ă".repeat(121)] {
        let refused = save(name, 0).await;
        assert!(
            matches!(refused, Err(SavedSearchError::NameInvalid { .. })),
            "{name:?}"
        );
    }
    let long = save("long", 2001).await;
    assert!(matches!(long, Err(SavedSearchError::DescriptionTooLong)));
    for number in 1..200 {
        save(&number.to_string(), 0).await.unwrap();
    }
    assert!(matches!(
        save("one more", 0).await,
        Err(SavedSearchError::TooMany)
    ));
}

#[tokio::test]
async fn a_history_counts_repetitions_and_keeps_the_newest_thousand() {
    let site = Site::new().await;
    let registry = &site.registry;
    let (an, binh) = (Actor::new("an", None), Actor::new("binh", None));
    for at in [1, 2, 3] {
        registry.note_search(&an, &done("root", at)).await.unwrap();
        registry
            .note_search(&binh, &done("other", at))
            .await
            .unwrap();
    }
    let lately = SearchDone {
        from: Some("now-1h".to_owned()),
        ..done("root", 4)
    };
    registry.note_search(&an, &lately).await.unwrap();
    registry.note_search(&an, &done("root", 5)).await.unwrap();
    let page = registry.search_history(&an, None, 2).await.unwrap();
    let shown = |items: &[registry::PastSearch]| {
        items
            .iter()
            .map(|past| (past.search.at.0, past.times))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&page.items), [(5, 1), (4, 1)]);
    let next = registry.search_history(&an, page.next, 2).await.unwrap();
    assert_eq!(shown(&next.items), [(3, 3)]);

    for at in 10..1010 {
        registry
            .note_search(&an, &done(&format!("q{at}"), at))
            .await
            .unwrap();
    }
    let all = registry.search_history(&an, None, 5000).await.unwrap();
    assert_eq!(all.items.len(), 1000);
    assert_eq!(
        all.items.last().map(|past| past.search.at),
        Some(Micros(10))
    );
    assert_eq!(registry.clear_search_history(&an).await.unwrap(), 1000);
    assert_eq!(
        registry.search_history(&an, None, 5).await.unwrap().items,
        []
    );
    assert_eq!(
        registry
            .search_history(&binh, None, 5)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}
