//! Wire to records.
