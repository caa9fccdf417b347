//! A server under test: started and pinned, or somebody else's; its CPU time and memory as the kernel counts them.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

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

const CONFIG: &str = r#"{
  "client": {"allow_anonymous_connect_without_token": true, "allowed_origins": ["*"]},
  "http_api": {"key": "k"},
  "grpc_api": {"enabled": true, "address": "127.0.0.1", "port": PORT, "key": "k"},
  "log": {"level": "error"},
  "websocket": {"compression": true},
  "channel": {"namespaces": [{"name": "bench", "allow_subscribe_for_client": true,
    "allow_subscribe_for_anonymous": true, "allow_publish_for_client": true, "allow_publish_for_anonymous": true},
    {"name": "kept", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true, "presence": true,
    "history_size": 10, "history_ttl": "300s"},
    {"name": "storm", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
    "history_size": 100, "history_ttl": "300s", "force_recovery": true}]}
}"#;

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
        let config = CONFIG.replace("\"error\"", "\"info\"").replace("PORT", &free.to_string());
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

    /// A server that runs already.
    pub fn foreign(target: &str, grpc: &str, pid: u32, key: &str) -> Server {
        let address = resolve(target).expect("--target HOST:PORT");
        let grpc = resolve(grpc).unwrap_or(address);
        Server { child: None, pid, address, grpc, key: key.into(), reader: None, _config: None }
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
