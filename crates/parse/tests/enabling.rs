//! What `enable.toml` says can be logged is what the samples show to be read, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use event::EventClass;
use parse::Parsers;

/// Definitions that are no single product.
const NO_PRODUCT: &[&str] = &["generic.", "web.access", "nhatky.own"];

#[test]
fn classes_that_can_be_switched_on_are_those_that_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../parsers");
    let parsers = Parsers::builtin();
    let mut wrong = Vec::new();
    for product in parsers.products() {
        if NO_PRODUCT.iter().any(|name| product.name.starts_with(name)) {
            continue;
        }
        let Some(enabling) = parsers.enabling(&product.name) else {
            wrong.push(format!("{}: no enable.toml", product.name));
            continue;
        };
        let coverage = parsers.coverage(&root.join(&*product.name));
        let coverage = coverage
            .expect("its samples are readable")
            .expect("it is a product");
        let messages = coverage.messages.iter();
        let read: BTreeSet<EventClass> = messages
            .flat_map(|message| message.classes.iter().copied())
            .collect();
        let possible: BTreeSet<EventClass> = enabling
            .iter()
            .filter(|(_, enable)| !enable.never)
            .map(|(class, _)| *class)
            .collect();
        if read != possible {
            wrong.push(format!(
                "{}: read {read:?}, to be switched on {possible:?}",
                product.name
            ));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
