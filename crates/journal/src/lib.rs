//! Keeps records, as received, in the order received.
