//! Whole responses, written as Go's `net/http` writes them: status line, fields of the handler, `Date`,
//! `Content-Length`, `Connection`. Not here: streamed responses, interim responses.

/// A whole response with its length.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, if the response has one.
    pub content_type: Option<&'a str>,
    /// Further fields, in the order written.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body; not written for statuses that have none (1xx, 204, 304).
    pub body: &'a [u8],
    /// Whether the connection is closed behind it.
    pub close: bool,
    /// Answers HEAD: the length of the body is told, the body is not sent.
    pub head_only: bool,
    /// The value of `Date` (RFC 9110 5.6.7), made once per second by the caller; left out when empty.
    pub date: &'a str,
}

impl Response<'_> {
    /// Appends the bytes of the response to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let has_body = !matches!(self.status, 100..=199 | 204 | 304);
        let is_sent = has_body && !self.head_only;
        out.reserve(256 + if is_sent { self.body.len() } else { 0 });
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(itoa::Buffer::new().format(self.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason(self.status).as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(content_type) = self.content_type {
            put_field(out, "Content-Type", content_type);
        }
        for (name, value) in self.fields {
            put_field(out, name, value);
        }
        if !self.date.is_empty() {
            put_field(out, "Date", self.date);
        }
        if has_body {
            put_field(out, "Content-Length", itoa::Buffer::new().format(self.body.len()));
        }
        if self.close {
            put_field(out, "Connection", "close");
        }
        out.extend_from_slice(b"\r\n");
        if is_sent {
            out.extend_from_slice(self.body);
        }
    }
}

fn put_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    let start = out.len();
    out.extend_from_slice(value.as_bytes());
    // A value that comes from a hook or a request must not be able to end its line: such bytes turn into blanks.
    if memchr::memchr3(b'\r', b'\n', 0, value.as_bytes()).is_some() {
        let written = out.get_mut(start..).unwrap_or_default();
        written.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n' | 0)).for_each(|byte| *byte = b' ');
    }
    out.extend_from_slice(b"\r\n");
}

/// The reason phrase that Go writes for a status; empty for one that it does not know.
pub fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Entity",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
    const OK: Response<'_> = Response {
        status: 200,
        content_type: None,
        fields: &[],
        body: b"",
        close: false,
        head_only: false,
        date: DATE,
    };

    fn encoded(response: Response<'_>) -> String {
        let mut out = Vec::new();
        response.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_are_written_in_the_order_of_go() {
        let response = Response {
            status: 404,
            content_type: Some("text/plain; charset=utf-8"),
            fields: &[("X-Content-Type-Options", "nosniff")],
            body: b"404 page not found\n",
            close: true,
            ..OK
        };
        let expected = "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n\
            X-Content-Type-Options: nosniff\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 19\r\n\
            Connection: close\r\n\r\n404 page not found\n";
        assert_eq!(encoded(response), expected);
    }

    #[test]
    fn an_empty_body_has_length_zero() {
        let expected = "HTTP/1.1 405 Method Not Allowed\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
            Content-Length: 0\r\n\r\n";
        assert_eq!(encoded(Response { status: 405, ..OK }), expected);
    }

    #[test]
    fn statuses_without_a_body_have_neither_length_nor_body() {
        for (status, line) in [
            (101, "HTTP/1.1 101 Switching Protocols"),
            (204, "HTTP/1.1 204 No Content"),
            (304, "HTTP/1.1 304 Not Modified"),
        ] {
            let bytes = encoded(Response { status, body: b"x", date: "", ..OK });
            assert_eq!(bytes, format!("{line}\r\n\r\n"));
        }
    }

    #[test]
    fn the_answer_to_head_tells_the_length_only() {
        let bytes = encoded(Response { body: b"{}", head_only: true, ..OK });
        assert!(bytes.ends_with("Content-Length: 2\r\n\r\n"), "{bytes}");
    }

    #[test]
    fn a_field_value_cannot_end_its_line() {
        let bytes = encoded(Response { fields: &[("A", "b\r\nC: d\0")], date: "", ..OK });
        assert_eq!(bytes, "HTTP/1.1 200 OK\r\nA: b  C: d \r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn an_unknown_status_has_an_empty_reason() {
        assert!(encoded(Response { status: 599, ..OK }).starts_with("HTTP/1.1 599 \r\n"));
    }

    #[test]
    fn encoding_appends() {
        let mut out = b"before".to_vec();
        OK.encode(&mut out);
        assert!(out.starts_with(b"beforeHTTP/1.1 200 OK\r\n"));
    }
}
