//! Offers of permessage-deflate in `Sec-WebSocket-Extensions` (RFC 6455 9.1, RFC 7692 7.1). Which of them the client would
//! like best does not matter: what is agreed to is always the same.

use super::deflate::WINDOW_BITS;

/// The answer to an offer that is agreed to.
pub const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// True when one of the offers can be agreed to. What follows a syntax error in a field is not looked at.
pub fn has_acceptable(fields: &[&[u8]]) -> bool {
    fields.iter().any(|field| {
        let mut rest = Scanner(field);
        std::iter::from_fn(|| rest.offer()).any(|is_acceptable| is_acceptable)
    })
}

/// The parameters of RFC 7692 7.1; each may stand once in an offer.
const PARAMETERS: [&[u8]; 4] = [
    b"server_no_context_takeover",
    b"client_no_context_takeover",
    b"server_max_window_bits",
    b"client_max_window_bits",
];

/// Place of a good parameter in [`PARAMETERS`].
fn parameter(name: &[u8], value: Option<&[u8]>) -> Option<usize> {
    let place = PARAMETERS.iter().position(|known| *known == name)?;
    let is_good = match (place, value) {
        (0 | 1, None) => true,
        // A smaller window than ours would not be kept to.
        (2, Some(bits)) => window_bits(bits).is_some_and(|bits| bits >= WINDOW_BITS),
        // A permission, or a promise that changes nothing: we can inflate any window.
        (3, bits) => bits.is_none_or(|bits| window_bits(bits).is_some()),
        _ => false,
    };
    is_good.then_some(place)
}

/// 8 to 15, without zeros in front.
fn window_bits(text: &[u8]) -> Option<u8> {
    let bits = std::str::from_utf8(text).ok()?.parse().ok()?;
    ((8..=15).contains(&bits) && text[0] != b'+' && text[0] != b'0').then_some(bits)
}

/// What is left of a field.
struct Scanner<'a>(&'a [u8]);

impl<'a> Scanner<'a> {
    /// The next offer of the list; `None` at its end and at a syntax error.
    fn offer(&mut self) -> Option<bool> {
        while self.eat(b',') {}
        let mut is_acceptable = self.token()? == b"permessage-deflate";
        let mut seen = [false; PARAMETERS.len()];
        while self.eat(b';') {
            let name = self.token()?;
            let value = if self.eat(b'=') { Some(self.value()?) } else { None };
            match parameter(name, value) {
                Some(place) => is_acceptable &= !std::mem::replace(&mut seen[place], true),
                None => is_acceptable = false,
            }
        }
        (self.0.is_empty() || self.0[0] == b',').then_some(is_acceptable)
    }

    /// Takes a separator with the blanks around it.
    fn eat(&mut self, separator: u8) -> bool {
        self.0 = self.0.trim_ascii_start();
        let Some(rest) = self.0.strip_prefix(&[separator]) else { return false };
        self.0 = rest.trim_ascii_start();
        true
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
        let end = self.0.iter().position(|b| !is_part(b)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest.trim_ascii_start();
        (end > 0).then_some(token)
    }

    /// A token, which may stand in quotes.
    fn value(&mut self) -> Option<&'a [u8]> {
        let Some(rest) = self.0.strip_prefix(b"\"") else { return self.token() };
        self.0 = rest;
        let token = self.token()?;
        self.0 = self.0.strip_prefix(b"\"")?.trim_ascii_start();
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_of_known_clients_are_agreed_to() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
        ] {
            assert!(has_acceptable(&[offer.as_bytes()]), "{offer}");
        }
    }

    #[test]
    fn an_offer_that_is_not_understood_or_not_valid_is_declined() {
        for offer in [
            "",
            ",",
            "x-webkit-deflate-frame",
            "permessage-deflate; unknown",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=11",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=12; server_max_window_bits=13",
            "permessage-deflate; server_max_window_bits=012",
            "permessage-deflate; server_max_window_bits=+12",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=x",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; client_max_window_bits=\"12",
            "permessage-deflate; client_max_window_bits=\"12 13\"",
            "permessage-deflate x",
            "permessage-deflate;",
            "permessage-deflate; =",
            "; permessage-deflate",
            "Permessage-Deflate2",
        ] {
            assert!(!has_acceptable(&[offer.as_bytes()]), "{offer}");
        }
    }

    #[test]
    fn the_first_good_offer_of_several_counts() {
        let rows: &[(&[&str], bool)] = &[
            (&["foo; a=b, permessage-deflate"], true),
            (&["permessage-deflate; server_max_window_bits=10, permessage-deflate"], true),
            (&["permessage-deflate; server_max_window_bits=10 , , permessage-deflate;x"], false),
            (&["foo", "permessage-deflate"], true),
            (&["foo; a=\"b", "permessage-deflate"], true),
            (&["foo bar, permessage-deflate"], false),
            (&[" permessage-deflate ;client_max_window_bits = \"15\" ;server_max_window_bits=\"15\", foo"], true),
            (&[], false),
        ];
        for (fields, expected) in rows {
            let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
            assert_eq!(has_acceptable(&fields), *expected, "{fields:?}");
        }
    }
}
