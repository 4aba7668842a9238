//! Files as the journal needs them, real and simulated.
