//! The composition root: settings in, parts joined, run until signalled.

use crate::api::info;
use crate::config::TlsPort;
use crate::config::settings::{self, Settings};
use crate::conn::Door;
use crate::counters::Counters;
use crate::http2;
use crate::id::Core;
use crate::limits;
use crate::metrics;
use crate::outbound;
use crate::overload::Overload;
use crate::runtime::certificates::{Certificates, Encryption};
use crate::runtime::clocks::Clock;
use crate::runtime::launch::{self, CoreParts};
use crate::runtime::shutdown::{self, End, Wish};
use crate::runtime::spread::{Mail, Spread};
use crate::runtime::turn::{Listener, Report};
use crate::runtime::{listener, mesh, probe};
use crate::session::Policy;
use crate::shard::{Message, Placement, Shard, Shared};
use crate::transport::addresses::Addresses;
use crate::transport::admission::Gate;
use crate::transport::{Routes, Scope};
use crate::wire::handshake::Origins;
use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Why the server could not start: cause and remedy in one text.
pub type Failure = String;

/// How the server ended.
pub type Ended = Result<(), Failure>;

/// Reads the settings again, for SIGHUP.
pub type Reread = Box<dyn Fn() -> Result<Settings, String>>;

/// Runs the server until it is told to stop.
///
/// # Errors
/// It could not start, or the time to stop was up; the caller logs the text and exits with 1.
pub fn run(settings: Settings, reread: &Reread) -> Ended {
    let cpus = probe::cpus(settings.corecast.cores)?;
    let descriptors = probe::raise_descriptors();
    probe::raise_memlock(cpus.len())?;
    probe::see_cpus()?;
    probe::try_ring()?;
    let policy = Arc::new(Policy::new(&settings)?);
    let wishes = shutdown::signals().map_err(|e| format!("signal handlers cannot be installed: {e}"))?;
    let certificates = Certificates::new(&settings)?;
    let ports = Ports::bind(&settings, &certificates, cpus.len())?;
    let connections_max = connections_max(descriptors, cpus.len())?;
    let shared = Arc::new(share(&settings, cpus.len(), ports.addresses[0])?);
    write_pid(&settings.pid_file)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        engine = "memory",
        cores = cpus.len(),
        open_files = descriptors,
        memory_budget = shared.overload.budget().saturating_mul(cpus.len()),
        "starting Corecast"
    );
    let (cores, reports) = start(ports.listeners, &cpus, &shared, &policy, connections_max)?;
    for (address, what) in ports.addresses.iter().zip(&ports.endpoints) {
        tracing::info!("serving {what} on {address}");
    }
    serve(&cores, &wishes, reread, &certificates);
    stop(&cores, &reports, &wishes, &shared)
}

/// Waits for the signal to stop; applies what may be reloaded until then.
fn serve(cores: &mesh::Outside<Mail>, wishes: &Receiver<Wish>, reread: &Reread, certificates: &Certificates) {
    loop {
        match wishes.recv_timeout(Duration::from_millis(limits::CERTIFICATE_LOOK_MS)) {
            Ok(Wish::Stop(name)) => {
                tracing::info!("signal received: {name}");
                return;
            }
            Ok(Wish::Reload) => reload(cores, reread, certificates),
            Err(RecvTimeoutError::Timeout) => certificates.look(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// All or nothing: settings that do not hold leave the old ones in force.
fn reload(cores: &mesh::Outside<Mail>, reread: &Reread, certificates: &Certificates) {
    let new = reread().and_then(|settings| Ok((Policy::new(&settings)?, certificates.prepare(&settings)?)));
    match new {
        Ok((policy, replacement)) => {
            let policy = Arc::new(policy);
            for core in 0..cores.cores() {
                cores.send(core, Message::Reload(policy.clone()));
            }
            replacement.apply();
            tracing::info!("configuration successfully reloaded");
        }
        Err(error) => tracing::error!(error, "configuration not reloaded, the former one stays in force"),
    }
}

fn stop(cores: &mesh::Outside<Mail>, reports: &Receiver<Report>, wishes: &Receiver<Wish>, shared: &Shared) -> Ended {
    let settings::Shutdown { timeout, termination_delay, spread } = shared.settings.shutdown;
    let sum = |cell: fn(&Counters) -> u64| shared.counters.iter().map(|cells| cell(cells)).sum::<u64>();
    if !termination_delay.is_zero() {
        tracing::info!(delay = ?termination_delay, "not ready any more, shutdown.termination_delay begins");
    }
    if !shutdown::drain(cores, wishes, termination_delay) {
        tracing::warn!("a second signal: the rest of shutdown.termination_delay is skipped");
    }
    tracing::info!(clients = sum(|cells| cells.clients.get()), "shutting down ...");
    let plan = shutdown::Plan { timeout, spread };
    let open = || sum(|cells| cells.connections.get());
    match shutdown::stop(cores, reports, wishes, plan) {
        End::InOrder => {
            tracing::info!("shut down in order, nothing was cut");
            Ok(())
        }
        End::TimeUp(late) => {
            Err(format!("shutdown.timeout of {timeout:?} is over: {} connections were cut on {late} cores", open()))
        }
        End::Hurried(late) => Err(format!("a second signal: {} connections were cut on {late} cores", open())),
    }
}

/// Where a port is, and the options that say so.
struct Place<'a> {
    option: &'static str,
    address: &'a str,
    port: u16,
}

/// The bound sockets, by core.
struct Ports {
    listeners: Vec<Vec<Listener>>,
    addresses: Vec<SocketAddr>,
    endpoints: Vec<String>,
}

impl Ports {
    fn bind(settings: &Settings, certificates: &Certificates, cores: usize) -> Result<Ports, Failure> {
        let server = &settings.http_server;
        let external = certificates.of(TlsPort::External);
        let mut ports =
            Ports { listeners: (0..cores).map(|_| Vec::new()).collect(), addresses: Vec::new(), endpoints: Vec::new() };
        let routes = |scope| Door::Http(Arc::new(Routes::new(settings, scope)));
        if server.internal_port.is_empty() {
            let place = Place { option: "http_server.", address: &server.address, port: server.port };
            ports.add(&place, routes(Scope::All), "websocket, api", external)?;
            return ports.with_grpc(settings, certificates);
        }
        let internal_port = server.internal_port.parse().map_err(|_| {
            format!("http_server.internal_port is \"{}\": a port number is expected", server.internal_port)
        })?;
        let internal = if server.internal_address.is_empty() { &server.address } else { &server.internal_address };
        let tls = certificates.of(TlsPort::Internal);
        let place = Place { option: "http_server.", address: &server.address, port: server.port };
        ports.add(&place, routes(Scope::External), "websocket", external)?;
        let place = Place { option: "http_server.internal_", address: internal, port: internal_port };
        ports.add(&place, routes(Scope::Internal), "api", tls)?;
        ports.with_grpc(settings, certificates)
    }

    /// Adds the port of the GRPC API, if it is switched on.
    fn with_grpc(mut self, settings: &Settings, certificates: &Certificates) -> Result<Ports, Failure> {
        let grpc = &settings.grpc_api;
        if grpc.enabled {
            let place = Place { option: "grpc_api.", address: &grpc.address, port: grpc.port };
            let door = Door::Grpc(Arc::new(http2::Options::new(grpc)));
            self.add(&place, door, "grpc api", certificates.of(TlsPort::Grpc))?;
        }
        Ok(self)
    }

    fn add(&mut self, place: &Place<'_>, door: Door, what: &str, tls: Option<Arc<Encryption>>) -> Result<(), Failure> {
        let Place { option, address, port } = *place;
        let wanted = listener::address(address, port)
            .map_err(|e| format!("{option}address: {e}; leave it empty for all interfaces"))?;
        let sockets = listener::bind(wanted, self.listeners.len(), limits::LISTEN_BACKLOG).map_err(|e| {
            let remedy = match e.kind() {
                std::io::ErrorKind::AddrInUse => "another process listens there: stop it or choose another port",
                std::io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
                std::io::ErrorKind::AddrNotAvailable => "no interface of this machine has that address",
                _ => "see the error",
            };
            format!("{option}port: {wanted} cannot be bound ({e}): {remedy}")
        })?;
        self.addresses.push(local_address(&sockets, wanted));
        self.endpoints.push(format!("{what} endpoints{}", if tls.is_some() { " with TLS" } else { "" }));
        for (core, socket) in self.listeners.iter_mut().zip(sockets) {
            core.push(Listener { socket, door: door.clone(), tls: tls.clone() });
        }
        Ok(())
    }
}

fn local_address(sockets: &[TcpListener], wanted: SocketAddr) -> SocketAddr {
    sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(wanted)
}

/// How many sockets one core may hold.
fn connections_max(descriptors: u64, cores: usize) -> Result<usize, Failure> {
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX).min(1 << 24);
    let needed = limits::DESCRIPTORS_RESERVED + 16 * cores;
    if descriptors <= needed {
        return Err(format!(
            "open files are limited to {descriptors}, at least {} are needed: raise the limit (LimitNOFILE=, ulimit -n)",
            needed + 1
        ));
    }
    // The kernel spreads connections unevenly, so no core is held to its exact share.
    Ok(descriptors - needed)
}

fn share(settings: &Settings, cores: usize, address: SocketAddr) -> Result<Shared, Failure> {
    let mut random = StdRng::from_os_rng();
    let client = &settings.client;
    let origins = Origins::new(&client.allowed_origins).map_err(|e| format!("client.allowed_origins: {e}"))?;
    let name = if settings.node.name.is_empty() {
        format!("{}_{}", rustix::system::uname().nodename().to_string_lossy(), address.port())
    } else {
        settings.node.name.clone()
    };
    Ok(Shared {
        origins,
        gate: Gate::new(client.connection_limit, client.connection_rate_limit)
            .with_user_limit(client.user_connection_limit),
        node: info::Node { uid: uuid::Builder::from_random_bytes(random.random()).into_uuid().to_string(), name },
        counters: (0..cores).map(|_| Arc::new(Counters::default())).collect(),
        render_metrics: metrics::render,
        placement: Placement::new(random.random(), cores),
        overload: Overload::new(memory_budget(settings, cores)?, cores),
        settings: settings.clone(),
    })
}

/// Bytes that the node may hold.
fn memory_budget(settings: &Settings, cores: usize) -> Result<usize, Failure> {
    let least = limits::MEMORY_BYTES_PER_CORE_MIN * cores;
    match settings.corecast.memory_budget {
        0 => Ok(probe::memory().map_or(usize::MAX, |bytes| (bytes / 4 * 3).max(least))),
        budget if budget < least => Err(format!(
            "corecast.memory.budget is {budget}: {cores} cores need at least {least} bytes; leave it out for three quarters of \
             what there is"
        )),
        budget => Ok(budget),
    }
}

fn write_pid(path: &str) -> Result<(), Failure> {
    if path.is_empty() {
        return Ok(());
    }
    let pid = std::process::id().to_string();
    std::fs::write(path, pid).map_err(|e| format!("pid_file: {path} cannot be written ({e})"))
}

/// Starts the cores and returns when all of them listen.
fn start(
    listeners: Vec<Vec<Listener>>,
    cpus: &[usize],
    shared: &Arc<Shared>,
    policy: &Arc<Policy>,
    connections_max: usize,
) -> Result<(mesh::Outside<Mail>, Receiver<Report>), Failure> {
    let (clock, mut random) = (Clock::start(), StdRng::from_os_rng());
    let (ports, outside) = mesh::connect(cpus.len()).map_err(|e| format!("no eventfd can be made: {e}"))?;
    let allow_private_targets = shared.settings.corecast.jwks_allow_private_targets;
    let outlet = outbound::start(outside.clone(), clock, outbound::Options { allow_private_targets })?;
    let (reporter, reports) = unbounded();
    let ours = &shared.settings.corecast;
    let addresses = Arc::new(Addresses::new(ours.connections_per_address, ours.connection_rate_per_address));
    let spread = Spread::new(cpus.len(), listeners.first().map_or(0, Vec::len));
    for (core, ((port, listeners), cpu)) in ports.into_iter().zip(listeners).zip(cpus).enumerate() {
        let (shared, policy, seed) = (shared.clone(), policy.clone(), random.random());
        let make = move || Shard::new(Core(core as u16), shared, policy, seed, clock.now());
        let (spread, outlet, addresses) = (spread.clone(), outlet.clone(), addresses.clone());
        let parts = CoreParts { cpu: *cpu, port, spread, listeners, outlet, addresses, connections_max };
        // The handle is not joined: a core ends with the process.
        std::mem::forget(launch::start(parts, clock, reporter.clone(), make)?);
    }
    for _ in cpus {
        match reports.recv_timeout(Duration::from_secs(10)) {
            Ok(Report::Ready(_)) => {}
            other => return Err(format!("a core did not get ready within 10 s ({other:?})")),
        }
    }
    launch::watch(&outside).map_err(|e| format!("no thread for the watchdog: {e}"))?;
    Ok((outside, reports))
}
