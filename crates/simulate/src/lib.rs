//! Realistic traffic and attacks.
