//! Decodes syslog headers: RFC 5424, RFC 3164 as it is really written, and Cisco's own shapes.
//!
//! [`decode`] never fails and loses nothing: what it cannot read stays in the message. The usual shapes are read here by
//! hand; what is left over goes to `syslog_loose` ([`loose`]). Everything borrows from the line.

mod cisco;
mod civil;
mod decode;
mod layout;
mod loose;
mod priority;
mod rfc3164;
mod rfc5424;
mod time;
mod zone;

pub(crate) use decode::{Header, decode};
pub(crate) use layout::{Layout, LayoutError};
pub(crate) use time::{Reference, ZoneFrom, read as read_time};
pub(crate) use zone::Zone;
