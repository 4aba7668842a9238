//! What people do to alerts, over a real registry.

mod acts;
mod risk;
mod severity;
mod site;
mod suppression;
