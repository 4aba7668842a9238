//! Rules to detections.
