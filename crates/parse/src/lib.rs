//! Turns records into events.
