//! Any text is read as a query; what is understood is written and read back as the same.
#![no_main]

use event::Micros;
use query::Context;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let context = Context::at(Micros(0));
    if let Ok(expr) = query::parse(text, &context).into_result() {
        let written = expr.to_string();
        let again = query::parse(&written, &context).into_result();
        assert_eq!(again.ok().as_ref(), Some(&expr), "{written}");
    }
});
