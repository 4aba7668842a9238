//! A RELP stream gives the same requests however it is cut into reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (cut, stream) = input;
    let pieces = ingest::fuzzing::relp(stream.chunks(usize::from(cut).max(1)));
    let whole = ingest::fuzzing::relp(std::iter::once(stream));
    assert_eq!(pieces, whole);
});
