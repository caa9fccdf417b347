//! The real binary, started for one test and ended with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longer than anything that is waited for takes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port").port()
}

/// A running server.
pub struct Server {
    child: Child,
    log: Receiver<String>,
    /// Lines that were looked at.
    seen: Vec<String>,
    pub address: SocketAddr,
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts the binary with this configuration on a port of the kernel's choice and waits until it serves.
    pub fn start(config: &str, cores: usize) -> Server {
        Server::start_under(&[], config, &["--cores", &cores.to_string()])
    }

    /// The same under another program that sets limits for it.
    pub fn start_under(wrapper: &[&str], config: &str, arguments: &[&str]) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.json");
        std::fs::write(&file, config).expect("the configuration");
        let program = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_corecast")]).collect::<Vec<_>>();
        let mut child = Command::new(program[0])
            .args(&program[1..])
            .args(["--config", file.to_str().expect("a path"), "--address", "127.0.0.1", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary");
        let (lines, log) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| _ = lines.send(line)));
        let mut server = Server {
            child,
            log,
            seen: Vec::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            file,
            _folder: folder,
        };
        let line = server.wait_for_log("serving");
        let port = line.rsplit("127.0.0.1:").next().and_then(|rest| rest.split('"').next()).expect("an address");
        server.address.set_port(port.parse().expect("a port"));
        server
    }

    /// Starts the binary with a configuration that makes it log nothing, on a port that was free, and waits until it serves.
    pub fn start_silently(config: &str, cores: usize) -> Server {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.json");
        std::fs::write(&file, config).expect("the configuration");
        let (port_text, cores) = (port.to_string(), cores.to_string());
        let child = Command::new(env!("CARGO_BIN_EXE_corecast"))
            .args(["--config", file.to_str().expect("a path"), "--address", "127.0.0.1"])
            .args(["--port", &port_text, "--cores", &cores])
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let server = Server { child, log: channel().1, seen: Vec::new(), address, file, _folder: folder };
        let deadline = std::time::Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(std::time::Instant::now() < deadline, "it does not serve");
        }
        server
    }

    /// The next log line that contains `text`.
    pub fn wait_for_log(&mut self, text: &str) -> String {
        loop {
            match self.log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(text) => {
                    self.seen.push(line.clone());
                    return line;
                }
                Ok(line) => {
                    println!("{line}");
                    self.seen.push(line);
                }
                Err(_) => panic!("no log line with {text:?}; the server ended with {:?}", self.child.try_wait()),
            }
        }
    }

    /// All that the server, which has ended, has logged.
    pub fn whole_log(&mut self) -> String {
        self.seen.extend(self.log.iter());
        self.seen.join("\n")
    }

    /// Replaces the configuration file, for a reload.
    pub fn rewrite_config(&self, config: &str) {
        std::fs::write(&self.file, config).expect("the configuration");
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        stream
    }

    /// Sends a signal and returns the exit code.
    pub fn end(&mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.wait()
    }

    pub fn signal(&self, signal: &str) {
        // The shell's own kill: minimal systems have no other.
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.pid())]).status();
        assert!(status.expect("a shell").success());
    }

    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("a child").code()
    }

    /// One request on a connection of its own; returns status and body.
    pub fn request(&self, method: &str, path: &str, fields: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("open");
        stream.write_all(body.as_bytes()).expect("open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        parse_answer(&answer)
    }

    /// A call of the server API with the key `k`.
    pub fn api(&self, method: &str, body: &str) -> (u16, String) {
        self.request("POST", &format!("/api/{method}"), "X-API-Key: k\r\n", body)
    }

    /// Resident memory of the process in KiB, without what is shared with files.
    pub fn anonymous_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("alive");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a field");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// User and system time of the process in clock ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("alive");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already in tests that end it themselves.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Status and body of an answer that ended with the stream.
pub fn parse_answer(answer: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(answer).to_string();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (status, body.to_string())
}
