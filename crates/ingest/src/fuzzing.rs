//! What the fuzz targets of `fuzz/` reach of the decoders that are nobody else's business.

use bytes::BytesMut;

use crate::frame::relp::{RelpDecoder, Request};
use crate::http::{bulk_body, items};

/// The requests of a RELP stream that comes in these reads, and what ended it.
#[must_use]
pub fn relp(reads: &[&[u8]]) -> String {
    let mut decoder = RelpDecoder::new(64);
    let (mut buffer, mut requests): (_, Vec<Request>) = (BytesMut::new(), Vec::new());
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break,
                Err(error) => return format!("{requests:?} {error:?}"),
            }
        }
    }
    format!("{requests:?}")
}

/// Splits a body into items, in both ways in which it may be written.
///
/// # Panics
/// When an item does not lie within the body: that is what is looked for.
pub fn items(body: &[u8]) {
    for written in [items::Written::Lines, items::Written::AsItLooks] {
        for item in items::split(body, written, 50).into_iter().flatten() {
            assert!(body.get(item.range).is_some());
        }
    }
}

/// Splits a body of `_bulk`.
pub fn bulk(body: &[u8]) {
    let limits = bulk_body::BulkLimits {
        items_max: 50,
        item_bytes_max: 100,
    };
    drop(bulk_body::split(body, Some("logs"), limits));
}
