//! Starts the cores: one pinned executor each, and the watchdog that wakes one which glommio left asleep.

use super::clocks::Clock;
use super::mesh::{self, Bell, Outside, Port};
use super::spread::{Mail, Spread};
use super::turn::{Driver, Listener, Outlet, Report};
use crate::shard::Shard;
use crate::transport::addresses::Addresses;
use crossbeam_channel::Sender;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// glommio would take 10 MiB for file buffers that are never used.
const IO_MEMORY_BYTES: usize = 64 << 10;

/// What one core is made of.
pub struct CoreParts {
    /// The CPU it is pinned to.
    pub cpu: usize,
    /// Its end of the mesh.
    pub port: Port<Mail>,
    /// How connections are dealt to cores.
    pub spread: Spread,
    /// Its listening sockets.
    pub listeners: Vec<Listener>,
    /// Its way to the side thread.
    pub outlet: Outlet,
    /// How much one address may take.
    pub addresses: Arc<Addresses>,
    /// Sockets that it may hold.
    pub connections_max: usize,
}

/// Starts one core. `make` builds its shard on the core's own thread.
///
/// A core that panics or fails ends the process with exit code 70: what it shared with others may be half-changed, and
/// clients recover from a restart.
///
/// # Errors
/// The executor cannot be made.
pub fn start(
    parts: CoreParts,
    clock: Clock,
    reports: Sender<Report>,
    make: impl FnOnce() -> Shard + Send + 'static,
) -> Result<ExecutorJoinHandle<()>, String> {
    let (cpu, name) = (parts.cpu, format!("core-{}", parts.port.me().0));
    let run = move || async move {
        let _guard = EndOnPanic;
        let driver = Driver::new(parts, make(), clock, reports);
        let ended = match driver {
            Ok(driver) => driver.run().await,
            Err(e) => Err(e),
        };
        if let Err(e) = ended {
            tracing::error!(error = %e, "a core cannot go on");
            std::process::exit(70);
        }
    };
    LocalExecutorBuilder::new(Placement::Fixed(cpu))
        .name(&name)
        .io_memory(IO_MEMORY_BYTES)
        .spawn(run)
        .map_err(|e| format!("CPU {cpu} cannot be used: {e}"))
}

/// Ends the process when its core unwinds. Panics while the bytes of one connection are decoded never get here: the
/// shard catches those.
struct EndOnPanic;

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("a core has panicked, the process ends so that clients recover from a restart");
            std::process::exit(70);
        }
    }
}

/// Watches the cores' heartbeats from a thread of its own.
///
/// A core that stands still without having said that it parks is woken at once. One that says that it parks is woken
/// once a second: glommio can strand the driver right after its wait has ended, when the word still stands and
/// nothing else would come.
pub fn watch(outside: &Outside<Mail>) -> std::io::Result<()> {
    let bells = outside.bells().clone();
    std::thread::Builder::new().name("watchdog".into()).spawn(move || watch_bells(&bells))?;
    Ok(())
}

fn watch_bells(bells: &Arc<[Bell]>) {
    let mut seen = vec![u64::MAX; bells.len()];
    for round in 0u64.. {
        std::thread::sleep(Duration::from_millis(250));
        for (core, (bell, seen)) in bells.iter().zip(&mut seen).enumerate() {
            check(core, bell, seen, round);
        }
    }
}

/// Looks at one core. `seen` is its heartbeat at the last look.
fn check(core: usize, bell: &Bell, seen: &mut u64, round: u64) {
    let beat = bell.heartbeat.load(Ordering::Relaxed);
    let is_parked = bell.parked.load(Ordering::SeqCst);
    let is_still = std::mem::replace(seen, beat) == beat;
    if is_still && !is_parked {
        tracing::warn!(core, "a core stood still without having parked and was woken");
        // Should it have been rung for and sleep all the same: nobody rings twice.
        mesh::signal(&bell.doorbell);
    }
    if is_still && (!is_parked || round.is_multiple_of(4)) {
        mesh::signal(&bell.rescue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::stream::Sleep;
    use rustix::io::{IoSliceMut, ReadWriteFlags, preadv2};
    use std::os::fd::OwnedFd;

    fn was_written(eventfd: &OwnedFd) -> bool {
        let mut count = [0; 8];
        preadv2(eventfd, &mut [IoSliceMut::new(&mut count)], u64::MAX, ReadWriteFlags::NOWAIT).is_ok()
    }

    #[test]
    fn a_core_that_stands_still_is_woken_at_once_and_a_parked_one_once_a_second() {
        let (ports, _outside) = mesh::connect::<()>(1).expect("eventfds");
        let (bell, mut seen) = (ports[0].bell(), u64::MAX);
        check(0, bell, &mut seen, 1);
        assert!(!was_written(&bell.rescue), "first look");
        check(0, bell, &mut seen, 2);
        assert!(was_written(&bell.rescue) && was_written(&bell.doorbell), "no heartbeat, not parked");
        bell.heartbeat.fetch_add(1, Ordering::Relaxed);
        check(0, bell, &mut seen, 3);
        assert!(!was_written(&bell.rescue), "it moves");
        bell.parked.store(true, Ordering::SeqCst);
        check(0, bell, &mut seen, 5);
        assert!(!was_written(&bell.rescue), "it says that it parks");
        check(0, bell, &mut seen, 8);
        assert!(was_written(&bell.rescue) && !was_written(&bell.doorbell), "once a second its word is not trusted");
    }

    /// In a child process, which the test below starts.
    fn panic_on_a_core() -> ! {
        let (ports, _outside) = mesh::connect(1).expect("eventfds");
        let port = ports.into_iter().next().expect("a port");
        let cpu = core_affinity::get_core_ids().and_then(|cores| cores.first().map(|core| core.id)).unwrap_or(0);
        let (addresses, outlet) = (Arc::new(Addresses::new(0, 0)), Arc::new(|_, _, _| true));
        let spread = Spread::new(1, 0);
        let parts = CoreParts { cpu, port, spread, listeners: Vec::new(), outlet, addresses, connections_max: 1 };
        let (reports, _) = crossbeam_channel::unbounded();
        let core = start(parts, Clock::start(), reports, || panic!("as a fault of ours would"));
        std::mem::forget(core.expect("an executor"));
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_core_that_panics_ends_the_process_with_70() {
        const CHILD: &str = "CORECAST_TEST_PANICS";
        if std::env::var_os(CHILD).is_some() {
            panic_on_a_core();
        }
        let began = std::time::Instant::now();
        let name = "runtime::launch::tests::a_core_that_panics_ends_the_process_with_70";
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .output();
        assert_eq!(child.expect("a child").status.code(), Some(70));
        assert!(began.elapsed() < Duration::from_secs(10), "it lingers");
    }

    #[test]
    fn a_rescue_wakes_a_sleeping_executor() {
        let (ports, outside) = mesh::connect::<()>(1).expect("eventfds");
        let bells = outside.bells().clone();
        let executor = LocalExecutorBuilder::new(Placement::Unbound).io_memory(IO_MEMORY_BYTES);
        let sleeper = executor
            .spawn(move || async move {
                let rescue = Sleep::on(&ports[0].bell().rescue).expect("a descriptor");
                ports[0].bell().parked.store(true, Ordering::SeqCst);
                rescue.wait().await.expect("woken");
            })
            .expect("an executor");
        while !bells[0].parked.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        mesh::signal(&bells[0].rescue);
        sleeper.join().expect("it has ended");
    }
}
