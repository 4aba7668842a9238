//! A RELP stream gives the same requests however it is cut into reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (cut, stream) = input;
    let pieces = ingest::fuzzing::relp(&stream.chunks(usize::from(cut).max(1)).collect::<Vec<_>>());
    let whole = ingest::fuzzing::relp(&[stream]);
    assert_eq!(pieces, whole);
});
