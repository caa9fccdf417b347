//! Extensions of a chunk size (RFC 9112 7.1.1), byte by byte: `*( BWS ";" BWS name [ BWS "=" BWS value ] )`.
//!
//! Nothing is made of them. They are read by their grammar because readers that skip them differ in where they end.

use super::http1_head::{is_token_byte, is_value_byte};

/// What the last byte belonged to. No line ends within quotes, and none where a name, a value or a semicolon is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Extension {
    /// The white space in front of a semicolon, which has to come.
    #[default]
    Before,
    /// A semicolon, or the white space behind it.
    Semicolon,
    Name,
    /// The white space behind a name.
    NameEnd,
    /// The equals sign, or the white space behind it.
    Equals,
    Value,
    Quoted,
    /// The backslash within quotes.
    Escape,
    /// The quote at the end.
    QuotedEnd,
}

impl Extension {
    /// True where the line may end.
    pub(super) fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Value | Self::QuotedEnd)
    }

    /// What `byte` belongs to behind this; `None` when it may not stand there.
    pub(super) fn next(self, byte: u8) -> Option<Self> {
        let is_space = matches!(byte, b' ' | b'\t');
        match (self, byte) {
            (Self::Quoted, b'"') => Some(Self::QuotedEnd),
            (Self::Quoted, b'\\') => Some(Self::Escape),
            (Self::Quoted | Self::Escape, _) => is_value_byte(byte).then_some(Self::Quoted),
            (Self::Semicolon | Self::Equals, _) if is_space => Some(self),
            (Self::Semicolon, _) => is_token_byte(byte).then_some(Self::Name),
            (Self::Equals, b'"') => Some(Self::Quoted),
            (Self::Equals, _) => is_token_byte(byte).then_some(Self::Value),
            (_, b';') => Some(Self::Semicolon),
            (Self::Name | Self::NameEnd, b'=') => Some(Self::Equals),
            (Self::Name | Self::NameEnd, _) if is_space => Some(Self::NameEnd),
            (Self::Before | Self::Value | Self::QuotedEnd, _) if is_space => Some(Self::Before),
            (Self::Name | Self::Value, _) => is_token_byte(byte).then_some(self),
            (Self::Before | Self::NameEnd | Self::QuotedEnd, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_extension(text: &[u8]) -> bool {
        text.iter().try_fold(Extension::default(), |at, byte| at.next(*byte)).is_some_and(Extension::may_end)
    }

    #[test]
    fn extensions_are_read_by_their_grammar() {
        let good: [&[u8]; 9] = [
            b";a",
            b";a=b",
            b" \t; a\t=  b ;c",
            b";a;b;c",
            b";a=\"\"",
            b";a=\"b;c=\\\"d\\\\\"",
            b";a=\"\t \x80\"",
            b";a=\"b\" ;c=d",
            b";a=\"b\";c",
        ];
        for text in good {
            assert!(is_extension(text), "{}", text.escape_ascii());
        }
        let bad: [&[u8]; 21] = [
            b"",
            b" ",
            b";",
            b";;",
            b";a;",
            b"; ",
            b";=b",
            b";a=",
            b";a==b",
            b";a=b=c",
            b";a b",
            b";a=b c",
            b";a ",
            b";a=\"b",
            b";a=\"b\"c",
            b";a=b\"c\"",
            b";a=\"\\\"",
            b";\"a\"",
            b";a,b",
            b";a\x80",
            b";a=\"\r\n\"",
        ];
        for text in bad {
            assert!(!is_extension(text), "{}", text.escape_ascii());
        }
    }
}
