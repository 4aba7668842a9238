//! End to end: the real binary, real sockets, real senders, real files.

mod alerts;
mod bad_input;
mod clock;
mod coach;
mod demo_story;
mod elastic_clients;
mod export;
mod kill;
mod operation;
mod process;
mod protocols;
mod restart;
mod rules;
mod saved;
mod senders;
mod unparsed;
