//! How fast detections are stored: `cargo run --release -p alert --example apply_detections`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::BTreeMap;
use std::sync::Arc;

use alert::{AlertConfig, Alerts};
use event::{Clock, Detection, Disposition, Effect, Entity, Micros, Seq, SystemClock};
use registry::Registry;

const BATCH: u64 = 500;
const BATCHES: u64 = 40;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let path = folder.path().join("registry.sqlite");
    let registry = Registry::open(&path, Arc::clone(&clock)).await?;
    let alerts = Alerts::new(Arc::new(registry), &AlertConfig::default());
    for disposition in [Disposition::Digest, Disposition::Queue] {
        let start = clock.monotonic();
        for batch in 0..BATCHES {
            alerts.apply(&detections(disposition, batch), &[]).await?;
        }
        let spent = clock.monotonic().saturating_sub(start);
        let each = spent.as_micros() / u128::from(BATCH * BATCHES);
        println!("{disposition}: {each} µs a detection in batches of {BATCH}, durable");
    }
    Ok(())
}

fn detections(disposition: Disposition, batch: u64) -> Vec<Detection> {
    let numbers = batch * BATCH..(batch + 1) * BATCH;
    numbers
        .map(|number| Detection {
            id: format!("{disposition}{number:026x}").into(),
            rule: "login-failures-account".into(),
            rules_version: "1".into(),
            key: vec!["an".into()],
            entity: Entity::user(&format!("user{}", number % 1000)),
            disposition,
            effect: Effect::Attempt,
            seq: Seq(number),
            first_at: Micros(1),
            last_at: Micros(2),
            count: 10,
            evidence: (number..number + 20).map(Seq).collect(),
            query: "user.name:an AND event.outcome:failure".to_owned(),
            facts: BTreeMap::new(),
        })
        .collect()
}
