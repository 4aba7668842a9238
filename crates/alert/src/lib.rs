//! Detections to alerts, and alerts to people.
