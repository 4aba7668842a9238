//! A stream gives the same messages however it is cut into reads.
#![no_main]

use bytes::BytesMut;
use ingest::{Frame, Framing, SyslogDecoder};

fn frames<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Vec<Frame> {
    let mut decoder = SyslogDecoder::new(Framing::Auto, 64);
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for read in reads {
        buffer.extend_from_slice(read);
        decoder.decode(&mut buffer, &mut frames);
    }
    decoder.finish(&mut buffer, &mut frames);
    frames
}

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (cut, stream) = input;
    let pieces = frames(stream.chunks(usize::from(cut).max(1)));
    let whole = frames(std::iter::once(stream));
    assert_eq!(pieces, whole);
});
