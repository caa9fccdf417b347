//! An HTTP/1.1 client that shows everything: it sends the bytes that it is given and returns status line, fields and
//! body as they came. A connection that ends without an answer is an answer too: an `Err` that says so.

use super::config::KEY;
use super::pattern::Names;
use crate::common::server::PATIENCE;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    /// Status line and fields, without the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or("(no UTF-8)")
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
}

/// A connection that is opened anew when the server has closed it.
pub struct Http {
    address: SocketAddr,
    stream: Option<TcpStream>,
    input: Vec<u8>,
}

impl Http {
    pub fn new(address: SocketAddr) -> Http {
        Http { address, stream: None, input: Vec::new() }
    }

    /// A `POST` with the key.
    pub fn post(&mut self, path: &str, body: &[u8]) -> Result<Answer, String> {
        self.request("POST", path, &format!("X-API-Key: {KEY}\r\n"), body)
    }

    /// A request with these further fields, each with its CRLF.
    pub fn request(&mut self, method: &str, path: &str, fields: &str, body: &[u8]) -> Result<Answer, String> {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{fields}Content-Length: {length}\r\n\r\n");
        self.exchange(&[head.as_bytes(), body].concat())
    }

    /// Posts with the key. The answer has this status and this body: lines of JSON are patterns, other text is exact.
    pub fn expect(&mut self, names: &mut Names, name: &str, path: &str, body: &str, status: u16, want: &str) {
        let body = names.fill(body);
        let shown: String = body.chars().take(300).collect();
        let context = format!("{name}: {path} {shown}");
        let answer = self.post(path, body.as_bytes()).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert_eq!(answer.status, status, "{context}: {}", answer.text());
        // A blank behind a line break is the layout of a row.
        let want = want.replace("\n ", " ");
        let (wanted, got): (Vec<&str>, Vec<&str>) = (want.split('\n').collect(), answer.text().split('\n').collect());
        assert_eq!(wanted.len(), got.len(), "{context}: lines of {:?}", answer.text());
        for (want, got) in wanted.into_iter().zip(got) {
            match want.starts_with('{') {
                true => names.expect(&context, want, got),
                false => assert_eq!(want, got, "{context}"),
            }
        }
    }

    /// Sends these bytes and reads one answer.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Answer, String> {
        let is_head = request.starts_with(b"HEAD ");
        self.send(request)?;
        self.answer(is_head)
    }

    pub fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address).map_err(|e| format!("no connection: {e}"))?;
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
            stream.set_nodelay(true).expect("an option");
            self.stream = Some(stream);
            self.input.clear();
        }
        // A server may answer and close before it has read everything: what it said then is what counts.
        _ = self.stream.as_mut().expect("opened").write_all(bytes);
        Ok(())
    }

    /// The next answer.
    pub fn answer(&mut self, is_head: bool) -> Result<Answer, String> {
        let answer = self.read_answer(is_head);
        if answer.as_ref().map_or(true, |a| field(&a.head, "connection") == Some("close")) {
            self.stream = None;
        }
        answer
    }

    fn read_answer(&mut self, is_head: bool) -> Result<Answer, String> {
        loop {
            let head = self.read_head()?;
            let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no status line")?;
            if status == 100 {
                continue;
            }
            let body = if is_head { Vec::new() } else { self.read_body(&head)? };
            return Ok(Answer { status, head, body });
        }
    }

    /// The head of an interim answer, which nothing follows.
    pub fn interim(&mut self) -> Result<String, String> {
        self.read_head()
    }

    fn read_head(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.input[..end]).to_string();
                self.input.drain(..end + 4);
                return Ok(head);
            }
            self.read()?;
        }
    }

    fn read_body(&mut self, head: &str) -> Result<Vec<u8>, String> {
        if field(head, "transfer-encoding") == Some("chunked") {
            return self.read_chunks();
        }
        let length = field(head, "content-length").ok_or("an answer without a length")?;
        let length: usize = length.parse().map_err(|_| "a bad length")?;
        self.read_exactly(length)
    }

    fn read_chunks(&mut self) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                match self.input.windows(2).position(|window| window == b"\r\n") {
                    Some(at) => break at,
                    None => self.read()?,
                }
            };
            let size = String::from_utf8_lossy(&self.input[..line_end]).to_string();
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| format!("a bad chunk {size:?}"))?;
            self.input.drain(..line_end + 2);
            let chunk = self.read_exactly(size + 2)?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>, String> {
        while self.input.len() < length {
            self.read()?;
        }
        Ok(self.input.drain(..length).collect())
    }

    fn read(&mut self) -> Result<(), String> {
        let mut bytes = vec![0; 65536];
        let stream = self.stream.as_mut().ok_or("no connection")?;
        match stream.read(&mut bytes) {
            Ok(0) => Err("the connection was closed without a whole answer".into()),
            Ok(n) => {
                self.input.extend_from_slice(&bytes[..n]);
                Ok(())
            }
            Err(e) => Err(format!("no whole answer: {e}")),
        }
    }
}

/// The call of one method over `/api/<method>`.
pub struct Api(Http);

impl Api {
    pub fn new(address: SocketAddr) -> Api {
        Api(Http::new(address))
    }

    /// The body of a 200.
    pub fn call(&mut self, method: &str, body: &str) -> String {
        let answer = self.0.post(&format!("/api/{method}"), body.as_bytes());
        let answer = answer.unwrap_or_else(|e| panic!("{method} {body}: {e}"));
        assert_eq!(answer.status, 200, "{method} {body}: {}", answer.text());
        answer.text().to_string()
    }

    /// A call that succeeds without saying more.
    pub fn ok(&mut self, method: &str, body: &str) {
        assert_eq!(self.call(method, body), r#"{"result":{}}"#, "{method} {body}");
    }
}
