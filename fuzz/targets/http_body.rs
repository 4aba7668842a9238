//! Any body of a request is split into items that lie within it, or refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    ingest::fuzzing::items(body);
    ingest::fuzzing::bulk(body);
});
