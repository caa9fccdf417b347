//! What stops a start: whose key, which value, what was expected, and what to write instead.

use std::{fmt, path::PathBuf};

/// At which step loading failed; Centrifugo's words for it become the message of the fatal log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The file, a variable or a flag cannot be read.
    Reading,
    /// Each value is readable, but they do not fit together.
    Validating,
    /// An engine or broker that nobody knows.
    Engine,
    /// Token settings that no verifier can be made of.
    Token,
    /// Known, not served yet, and dangerous to ignore.
    NotServed,
}

impl Failure {
    /// The message of the fatal log line.
    pub fn message(self) -> &'static str {
        match self {
            Failure::Reading => "error getting config",
            Failure::Validating => "error validating config",
            Failure::Engine => "configure engines error",
            Failure::Token => "error creating token verifier",
            Failure::NotServed => "option is not served yet and must not be ignored",
        }
    }
}

/// Why the settings cannot be used. `Display` is one line for the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadError {
    /// The step.
    pub failure: Failure,
    /// The file, if it comes from there.
    pub file: Option<PathBuf>,
    /// Line and column from 1, where the parser knows them.
    pub place: Option<(usize, usize)>,
    /// The key, variable or flag as written. Empty: the file as a whole.
    pub key: Box<str>,
    /// The value as written. Empty: absent, or not to be shown.
    pub value: Box<str>,
    /// What is wrong.
    pub reason: Box<str>,
    /// What to do. Empty: the reason says it.
    pub remedy: Box<str>,
}

impl LoadError {
    /// An error without key and place.
    pub fn new(failure: Failure, reason: impl Into<String>) -> LoadError {
        LoadError {
            failure,
            file: None,
            place: None,
            key: Box::default(),
            value: Box::default(),
            reason: reason.into().into(),
            remedy: Box::default(),
        }
    }

    /// Names the key.
    pub(super) fn key(mut self, key: impl Into<String>) -> LoadError {
        self.key = key.into().into();
        self
    }

    /// Shows the value, cut: a pasted certificate is not a message, and a secret none at all.
    pub(super) fn value(mut self, value: impl fmt::Display) -> LoadError {
        let (key, text) = (self.key.to_lowercase(), value.to_string());
        let is_path = ["\"/", "\"./", "\"../", "/", "./"].iter().any(|start| text.starts_with(start));
        let is_key = key.contains("key") && !is_path;
        if is_key || ["secret", "password", "credentials", "dsn"].iter().any(|word| key.contains(word)) {
            return self;
        }
        self.value = match text.char_indices().nth(100) {
            Some((end, _)) => format!("{}…", &text[..end]).into(),
            None => text.into(),
        };
        self
    }

    /// Says what to do.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> LoadError {
        self.remedy = remedy.into().into();
        self
    }

    /// Names the file.
    pub(super) fn file(mut self, file: Option<PathBuf>) -> LoadError {
        self.file = file;
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        match (self.key.is_empty(), self.value.is_empty()) {
            (true, _) => {}
            (false, true) => write!(f, "{}: ", self.key)?,
            (false, false) => write!(f, "{} = {}: ", self.key, self.value)?,
        }
        write!(f, "{}", self.reason)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_place_key_value_reason_remedy() {
        let error = LoadError {
            place: Some((3, 7)),
            ..LoadError::new(Failure::Reading, "expected a duration")
                .key("client.ping_interval")
                .value("\"25\"")
                .remedy("write 25s")
                .file(Some(PathBuf::from("c.json")))
        };
        let text = "c.json: line 3, column 7: client.ping_interval = \"25\": expected a duration; write 25s";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn a_key_is_not_shown_and_the_path_of_one_is() {
        let error = |key, value| LoadError::new(Failure::Reading, "bad").key(key).value(value).to_string();
        assert_eq!(error("http_server.tls.key_pem", "\"MIIEvQ\""), "http_server.tls.key_pem: bad");
        assert_eq!(
            error("http_server.tls.key_pem", "\"/etc/key.pem\""),
            "http_server.tls.key_pem = \"/etc/key.pem\": bad"
        );
        assert_eq!(error("client.token.hmac_secret_key", "/x"), "client.token.hmac_secret_key: bad");
        assert_eq!(error("CORECAST_HTTP_API_KEY", "\"x\""), "CORECAST_HTTP_API_KEY: bad");
    }

    #[test]
    fn a_long_value_is_cut() {
        let error = LoadError::new(Failure::Reading, "bad").value("ä".repeat(500));
        assert_eq!(error.value.chars().count(), 101);
    }
}
