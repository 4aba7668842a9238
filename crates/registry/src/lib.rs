//! The control-plane store.
