//! Search over events.
