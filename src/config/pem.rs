//! What a PEM option holds: the text itself, base64 of it, or the path of a file with it. Pure: the caller reads files.

use base64::{Engine, engine::general_purpose::STANDARD};
use std::path::PathBuf;

/// A value of a PEM option, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// PEM.
    Text(String),
    /// Where it is.
    File(PathBuf),
}

impl Pem {
    /// Tries the three in the order of Centrifugo v6: text, base64, path.
    pub fn of(value: &str) -> Pem {
        if is_pem(value) {
            return Pem::Text(value.to_owned());
        }
        let compact: String = value.split_whitespace().collect();
        let decoded = STANDARD.decode(compact).ok().and_then(text);
        decoded.map_or_else(|| Pem::File(PathBuf::from(value)), Pem::Text)
    }
}

/// The bytes as PEM text, if they are.
pub(super) fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| is_pem(text))
}

fn is_pem(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_text_base64_or_a_path() {
        let pem = "-----BEGIN X-----\nAAAA\n-----END X-----\n";
        assert_eq!(Pem::of(pem), Pem::Text(pem.into()));
        assert_eq!(Pem::of(&format!(" {}\n", STANDARD.encode(pem))), Pem::Text(pem.into()));
        for path in ["/etc/tls.crt", "AAAA", "tls.pem"] {
            assert_eq!(Pem::of(path), Pem::File(path.into()));
        }
    }
}
