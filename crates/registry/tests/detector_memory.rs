//! The detector's state of the last days.

use std::sync::Arc;

use event::{CalendarDay, SystemClock};
use registry::Registry;

#[tokio::test]
async fn the_states_of_two_days_are_kept_and_a_day_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(
        &folder.path().join("registry.sqlite"),
        Arc::new(SystemClock::new()),
    )
    .await
    .unwrap();
    assert_eq!(registry.day_of_detector_memory().await.unwrap(), None);
    let day = |text| CalendarDay::from_text(text).unwrap();
    for (date, state) in [
        ("2026-09-30", b"first"),
        ("2026-10-01", b"other"),
        ("2026-10-01", b"later"),
        ("2026-10-02", b"third"),
    ] {
        registry
            .save_detector_memory(day(date), state)
            .await
            .unwrap();
    }
    let newest = registry.day_of_detector_memory().await.unwrap();
    assert_eq!(newest, Some(day("2026-10-02")));
    assert_eq!(
        registry.detector_memories().await.unwrap(),
        [
            (day("2026-10-02"), b"third".to_vec()),
            (day("2026-10-01"), b"later".to_vec()),
        ]
    );
}
