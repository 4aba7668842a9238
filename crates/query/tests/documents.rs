//! The examples of the documents are queries that can be run.

use std::path::Path;

use event::Micros;
use query::{Context, PipeRun, parse_pipeline};

#[test]
fn every_example_of_the_documents_is_a_query() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let context = Context::at(Micros(0));
    let mut examples = 0;
    for language in ["vi", "en"] {
        let page = docs.join(language).join("query-language.md");
        let page = std::fs::read_to_string(page).expect("the page is part of the repository");
        let blocks = page.split("```query\n").skip(1);
        let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
        for line in lines {
            let pipeline = parse_pipeline(line, &context).into_result();
            let pipeline = pipeline.unwrap_or_else(|wrong| panic!("{line}: {wrong:?}"));
            assert!(PipeRun::new(&pipeline.stages, 1 << 20).is_some(), "{line}");
            examples += 1;
        }
    }
    assert!(examples >= 10, "{examples}");
}
