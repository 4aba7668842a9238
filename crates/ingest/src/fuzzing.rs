//! What the fuzz targets of `fuzz/` reach of the decoders that are nobody else's business.

use crate::frame::relp::requests;
use crate::http::{bulk_body, items};

/// The requests of a RELP stream that comes in these reads, and what ended it.
#[must_use]
pub fn relp(reads: &[&[u8]]) -> String {
    format!("{:?}", requests(64, reads))
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
