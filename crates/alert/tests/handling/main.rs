//! What people do to alerts, over a real registry.

mod acts;
mod site;
