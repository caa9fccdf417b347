//! A server under test, ours or somebody else's, started and pinned; its CPU time and memory as the kernel counts them.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is measured.
pub struct Server {
    child: Option<Child>,
    pid: u32,
    pub address: SocketAddr,
    /// Where it takes calls over GRPC.
    pub grpc: SocketAddr,
    pub key: String,
    /// Passes on what the server says.
    reader: Option<JoinHandle<()>>,
    _config: Option<tempfile::TempDir>,
}

/// How a server of others is started and where it listens.
pub struct Peer {
    /// One program with its arguments; it must stay in the foreground.
    pub command: String,
    pub address: String,
    /// Empty: no GRPC.
    pub grpc: String,
    pub key: String,
}

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub total: u64,
    /// Share of the total that ran in user mode, by clock ticks.
    pub user: u64,
    pub system: u64,
    /// Of the kernel threads that handle packets nobody else handled.
    pub softirq: u64,
}

/// What servers of the protocol are told, ours and others. The log is quiet because a busy one costs time.
const CONFIG: &str = include_str!("config.json");

fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    // A test runs one folder below the programs.
    let folder = own.ancestors().skip(1).find(|folder| folder.join(name).exists());
    folder.unwrap_or_else(|| panic!("{name} is not built")).join(name)
}

impl Server {
    /// The floor, pinned to CPU 0.
    pub fn floor() -> Server {
        let child = Command::new("taskset").args(["-c", "0"]).arg(beside("floor")).stdout(Stdio::piped()).spawn();
        Server::started(child.expect("taskset and floor"), 1, None)
    }

    /// Corecast with `cores` cores, from CPU 0 on.
    pub fn corecast(cores: usize) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.json");
        // There 0 means the default port; this one is free now.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let config = CONFIG.replace("\"error\"", "\"info\"").replace("18001", &free.to_string());
        std::fs::write(&file, config).expect("written");
        let child = Command::new("taskset")
            .args(["-c", if cores == 1 { "0" } else { "0,1" }])
            .arg(beside("corecast"))
            .args(["--address", "127.0.0.1", "--port", "0", "--cores", &cores.to_string(), "--config"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn();
        Server::started(child.expect("taskset and corecast"), 2, Some(folder))
    }

    /// Somebody else's server, pinned to CPU 0 and told to be content with it; it is measured when it takes connections.
    pub fn peer(peer: &Peer) -> Server {
        let address = resolve(&peer.address).expect("--peer-url HOST:PORT");
        let grpc = resolve(&peer.grpc).unwrap_or(address);
        assert!(TcpStream::connect(address).is_err(), "{address} is taken already");
        // The shell becomes taskset and that the server: the process is the same.
        let script = format!("exec taskset -c 0 {}", peer.command);
        let mut child = Command::new("sh").args(["-c", &script]).env("GOMAXPROCS", "1").spawn().expect("a shell");
        let began = Instant::now();
        while [address, grpc].iter().any(|address| TcpStream::connect(address).is_err()) {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the peer has ended: {status}");
            }
            assert!(began.elapsed() < Duration::from_secs(30), "the peer does not listen on {address} and {grpc}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Server {
            pid: child.id(),
            child: Some(child),
            address,
            grpc,
            key: peer.key.clone(),
            reader: None,
            _config: None,
        }
    }

    /// Waits until the server has said where it listens: for HTTP and, if it has a second port, for GRPC.
    fn started(mut child: Child, ports: usize, config: Option<tempfile::TempDir>) -> Server {
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let addresses: Vec<SocketAddr> = lines.by_ref().filter_map(|line| listens(&line)).take(ports).collect();
        // Whatever it says later is a complaint.
        let reader = Some(std::thread::spawn(move || lines.for_each(|line| eprintln!("{line}"))));
        assert_eq!(addresses.len(), ports, "the server says where it listens");
        let (address, grpc) = (addresses[0], addresses[ports - 1]);
        // taskset becomes the server: the process is the same.
        Server { pid: child.id(), child: Some(child), address, grpc, key: "k".into(), reader, _config: config }
    }

    /// CPU time so far.
    pub fn cpu(&self) -> Cpu {
        let (user, system) = ticks(self.pid);
        let total = std::fs::read_dir(format!("/proc/{}/task", self.pid))
            .map(|tasks| tasks.flatten().map(|task| on_cpu(&task.path().join("schedstat"))).sum())
            .unwrap_or(0);
        Cpu { total, user, system, softirq: softirq() }
    }

    /// Resident memory without files, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
    }
}

fn resolve(target: &str) -> Option<SocketAddr> {
    let authority = target.trim_start_matches("http://").trim_start_matches("ws://").trim_end_matches('/');
    let address = authority.to_socket_addrs().ok().and_then(|mut all| all.next())?;
    assert!(address.ip().is_loopback(), "load goes to loopback only");
    Some(address)
}

/// The address in a line that says that it is served.
fn listens(line: &str) -> Option<SocketAddr> {
    if line.contains("fatal") {
        eprintln!("{line}");
        return None;
    }
    let digits: String = line.split("127.0.0.1:").nth(1)?.chars().take_while(char::is_ascii_digit).collect();
    Some(SocketAddr::from(([127, 0, 0, 1], digits.parse().ok()?)))
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if let Ok(Some(status)) = child.try_wait() {
                eprintln!("the server has ended by itself: {status}");
            }
            _ = child.kill();
            _ = child.wait();
        }
        _ = self.reader.take().map(JoinHandle::join);
    }
}

impl Cpu {
    /// What was used since `earlier`.
    pub fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            total: self.total.saturating_sub(earlier.total),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            softirq: self.softirq.saturating_sub(earlier.softirq),
        }
    }

    /// The part of the total that ran in user mode.
    pub fn user_share(self) -> f64 {
        self.user as f64 / ((self.user + self.system).max(1)) as f64
    }
}

/// Nanoseconds on a CPU.
fn on_cpu(path: &std::path::Path) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn ticks(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let number = |at: usize| fields.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
    (number(11), number(12))
}

fn softirq() -> u64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_it = |path: &std::path::Path| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("ksoftirqd/"))
    };
    processes.map(|entry| entry.path()).filter(|path| is_it(path)).map(|path| on_cpu(&path.join("schedstat"))).sum()
}
