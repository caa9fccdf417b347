//! `/health`: the process answers requests (Centrifugo's `{}`), and `/health/ready`: it should be sent clients.

use super::Answer;

/// The answer of `/health`, whatever was asked.
pub fn answer() -> Answer {
    Answer::json(200, b"{}".to_vec())
}

/// The answer of `/health/ready`: 200, or 503 with what stands in the way.
pub fn ready(obstacle: Option<&'static str>) -> Answer {
    match obstacle {
        None => Answer::json(200, b"{}".to_vec()),
        Some(reason) => Answer::json(503, format!(r#"{{"reason":"{reason}"}}"#).into_bytes()),
    }
}
