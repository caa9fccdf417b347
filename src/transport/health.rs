//! `/health`: the process answers requests (Centrifugo's `{}`).

use super::Answer;

/// The answer, whatever was asked.
pub fn answer() -> Answer {
    Answer::json(200, b"{}".to_vec())
}
