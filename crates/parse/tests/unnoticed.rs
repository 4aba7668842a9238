//! The samples of every parser notice when a slot or a mapped key of its definition is dropped.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use parse::Parsers;

#[test]
fn every_slot_is_noticed_by_a_sample() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parsers");
    let folders: Vec<_> = std::fs::read_dir(&root)
        .expect("parsers/ is part of the repository")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.join("parser.toml").is_file())
        .collect();
    let (next, found) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
    let work = || {
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            let unnoticed = Parsers::unnoticed(folder).expect("the definition compiles");
            let name = folder.file_name().expect("a name").to_string_lossy();
            let told = unnoticed.iter().map(|slot| format!("{name}: {slot}"));
            found.lock().expect("no panic before").extend(told);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let found: Vec<String> = found
        .into_inner()
        .expect("no panic before")
        .into_iter()
        .collect();
    assert!(found.is_empty(), "no sample notices\n{}", found.join("\n"));
}
