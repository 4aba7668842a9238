//! The examples of the documents are queries that can be run.

use std::path::Path;
use std::sync::Arc;

use event::{Event, Micros, Value};
use query::{Context, Enrich, PipeRun, Resources, parse_pipeline};

/// Templates and tables as the examples have them, with nothing in them.
#[derive(Debug)]
struct Examples;

#[derive(Debug)]
struct Empty(Vec<String>);

impl Resources for Examples {
    fn template(&self, _: &str) -> Result<Arc<dyn Enrich>, String> {
        Ok(Arc::new(Empty(Vec::new())))
    }

    fn lookup(&self, name: &str) -> Result<Arc<dyn Enrich>, String> {
        let columns = match name {
            "assets" => ["owner", "unit"],
            "geo" => ["country_iso_code", "city_name"],
            _ => return Err(format!("no example has a table «{name}»")),
        };
        let names = columns.map(|column| format!("{name}.{column}"));
        Ok(Arc::new(Empty(names.to_vec())))
    }

    fn lookups(&self) -> Vec<String> {
        vec!["assets".to_owned(), "geo".to_owned()]
    }
}

impl Enrich for Empty {
    fn names(&self) -> Vec<String> {
        self.0.clone()
    }

    fn enrich(&self, _: Value<'_>, _: &mut Event) {}
}

#[test]
fn every_example_of_the_documents_is_a_query() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let context = Context {
        resources: Some(Arc::new(Examples)),
        ..Context::at(Micros(0))
    };
    let mut examples = 0;
    for language in ["vi", "en"] {
        let read = |page: &str| {
            let page = docs.join(language).join(page);
            std::fs::read_to_string(page).expect("the page is part of the repository")
        };
        let page = read("query-language.md") + &read("investigation.md");
        let blocks = page.split("```query\n").skip(1);
        let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
        for line in lines {
            let pipeline = parse_pipeline(line, &context).into_result();
            let pipeline = pipeline.unwrap_or_else(|wrong| panic!("{line}: {wrong:?}"));
            assert!(
                PipeRun::new(&pipeline.stages, query::Memory::new(1 << 20)).is_some(),
                "{line}"
            );
            examples += 1;
        }
    }
    assert!(examples >= 40, "{examples}");
}
