//! What the machine allows, asked for real before anything else: CPUs, descriptors, locked memory, io_uring.
//!
//! glommio would panic with a riddle, or fail only when its executor is joined; so each refusal is found here and said
//! with its cause and its remedy.

use super::mesh;
use super::ring::{Op, Ring};
use crate::limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

/// Why the server cannot start, and what to do about it.
pub type Refusal = String;

/// The CPUs to use: those of the affinity mask, no more than the CPU quota of the control group, no more than asked for.
///
/// # Errors
/// More cores were asked for than there are.
pub fn cpus(asked: usize) -> Result<Vec<usize>, Refusal> {
    let mut allowed: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect();
    if allowed.is_empty() {
        allowed.push(0);
    }
    allowed.truncate(limits::CORES_MAX);
    if asked > allowed.len() {
        return Err(format!(
            "corecast.cores is {asked}, but this process may use {} CPUs: ask for fewer, or widen its CPU set (taskset, cpuset)",
            allowed.len()
        ));
    }
    let quota = cgroup_quota().unwrap_or(allowed.len());
    allowed.truncate(if asked > 0 { asked } else { quota.clamp(1, allowed.len()) });
    Ok(allowed)
}

/// Bytes of memory that this process may use: what the machine has, or the limit of its control group (version 2, or 1).
pub fn memory() -> Option<usize> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text));
    let group = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = group.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, kind, path) = (parts.next()?, parts.next()?, parts.next()?);
        match kind {
            "" => Some((format!("/sys/fs/cgroup{path}"), "memory.max")),
            kind if kind.split(',').any(|one| one == "memory") => {
                Some((format!("/sys/fs/cgroup/memory{path}"), "memory.limit_in_bytes"))
            }
            _ => None,
        }
    });
    let limit = limits.filter_map(|(folder, file)| least_above(folder.into(), file)).min();
    [machine, limit].into_iter().flatten().min()
}

/// The least number in the files of this name from a folder up.
fn least_above(mut folder: std::path::PathBuf, file: &str) -> Option<usize> {
    let mut least = None;
    loop {
        let here = std::fs::read_to_string(folder.join(file)).ok().and_then(|text| text.trim().parse().ok());
        least = [least, here].into_iter().flatten().min();
        if !folder.pop() || !folder.starts_with("/sys/fs/cgroup") {
            return least;
        }
    }
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total_of(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Whole CPUs of the control group's quota (version 2), rounded up; `None` without a quota.
fn cgroup_quota() -> Option<usize> {
    let group = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = group.lines().find_map(|line| line.strip_prefix("0::"))?;
    let mut folder = std::path::PathBuf::from(format!("/sys/fs/cgroup{path}"));
    let mut least = None;
    loop {
        if let Ok(text) = std::fs::read_to_string(folder.join("cpu.max")) {
            least = [least, quota_of(&text)].into_iter().flatten().min();
        }
        if !folder.pop() || !folder.starts_with("/sys/fs/cgroup") {
            return least;
        }
    }
}

/// `cpu.max`: quota and period in microseconds, or `max`.
fn quota_of(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| quota.div_ceil(period).max(1))
}

/// Raises the limit of open files as far as allowed and returns it.
pub fn raise_descriptors() -> u64 {
    raise(Resource::Nofile, u64::MAX)
}

/// Raises the limit of locked memory as far as needed and allowed.
///
/// # Errors
/// It stays too small for the rings.
pub fn raise_memlock(cores: usize) -> Result<(), Refusal> {
    let wanted = limits::MEMLOCK_BYTES_PER_CORE * cores as u64;
    let limit = raise(Resource::Memlock, wanted);
    if limit >= wanted {
        return Ok(());
    }
    Err(format!(
        "locked memory is limited to {limit} bytes, {cores} cores need {wanted}: raise it \
         (LimitMEMLOCK= in the unit, ulimit -l, docker run --ulimit memlock={wanted})"
    ))
}

fn raise(resource: Resource, wanted: u64) -> u64 {
    let limit = getrlimit(resource);
    let possible = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < possible) {
        // Refused or not: what counts is the limit that is in force afterwards.
        _ = setrlimit(resource, Rlimit { current: Some(possible), maximum: limit.maximum });
    }
    getrlimit(resource).current.unwrap_or(u64::MAX)
}

/// Whether the CPUs can be seen as glommio has to see them, to pin its executors: it panics where it cannot.
///
/// # Errors
/// `/sys` is not there.
pub fn see_cpus() -> Result<(), Refusal> {
    glommio::CpuSet::online().map(drop).map_err(|e| {
        format!("/sys/devices/system/cpu cannot be read, and cores could not be pinned ({e}): mount sysfs on /sys, read-only will do")
    })
}

/// Sets a ring up as the cores do and lets one message pass through it.
///
/// # Errors
/// The kernel, or what stands in front of it, refuses.
pub fn try_ring() -> Result<(), Refusal> {
    let (ports, _outside) = mesh::connect::<()>(1).map_err(|e| format!("no eventfd can be made: {e}"))?;
    let bell = ports.first().map(|port| port.bell()).ok_or("no core")?;
    let mut ring = Ring::new(bell.doorbell.as_raw_fd()).map_err(explain)?;
    receive_once(&mut ring).map_err(|e| match e.raw_os_error() {
        // Some filters let rings be made and not be used.
        Some(libc::EPERM | libc::EACCES) => explain(e),
        _ => format!("io_uring does not receive ({e}): Linux 6.1 or later is needed"),
    })
}

fn receive_once(ring: &mut Ring) -> io::Result<()> {
    let (server, mut peer) = UnixStream::pair()?;
    let slot = crate::id::Slot { index: 0, generation: 0 };
    ring.receive(server.as_raw_fd(), slot);
    ring.poll()?;
    peer.write_all(b"?")?;
    for _ in 0..100_000 {
        ring.poll()?;
        if let Some(completion) = ring.take() {
            let expected = completion.op == Op::Receive && completion.result == 1 && completion.more;
            drop(server);
            return if expected { Ok(()) } else { Err(io::Error::from_raw_os_error(-completion.result.min(-1))) };
        }
        std::thread::yield_now();
    }
    // Nothing came through the ring; the byte must then still be in the socket.
    let mut byte = [0];
    (&server).read_exact(&mut byte)?;
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

/// What a refused ring means.
fn explain(error: io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
            match sysctl.trim() {
                level @ ("1" | "2") => {
                    format!("io_uring is switched off on this host (kernel.io_uring_disabled={level}): set it to 0")
                }
                _ => {
                    "io_uring is denied, as container runtimes do by default: allow io_uring_setup, io_uring_enter and \
                      io_uring_register in the seccomp profile, as tuning/seccomp.json does \
                      (docker run --security-opt seccomp=…)"
                        .into()
                }
            }
        }
        Some(libc::ENOSYS) => "this kernel has no io_uring: Linux 6.1 or later is needed".into(),
        Some(libc::EINVAL) => format!("this kernel's io_uring is too old ({error}): Linux 6.1 or later is needed"),
        Some(libc::ENOMEM) => {
            "io_uring finds no locked memory: raise its limit (LimitMEMLOCK= in the unit, ulimit -l)".into()
        }
        _ => format!("io_uring cannot be set up: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_rounded_up_to_whole_cpus() {
        assert_eq!(quota_of("150000 100000\n"), Some(2));
        assert_eq!(quota_of("50000 100000\n"), Some(1));
        assert_eq!(quota_of("max 100000\n"), None);
    }

    #[test]
    fn more_cores_than_allowed_are_refused_with_the_option() {
        let error = cpus(4096).expect_err("too many");
        assert!(error.contains("corecast.cores is 4096"), "{error}");
        assert_eq!(cpus(1).map(|cpus| cpus.len()), Ok(1));
    }

    #[test]
    fn a_ring_that_works_is_not_refused() {
        assert_eq!(try_ring(), Ok(()));
    }

    #[test]
    fn each_refusal_names_its_remedy() {
        for (errno, part) in [(libc::EPERM, "seccomp"), (libc::ENOSYS, "Linux 6.1"), (libc::ENOMEM, "ulimit -l")] {
            let text = explain(io::Error::from_raw_os_error(errno));
            assert!(text.contains(part) || text.contains("io_uring_disabled"), "{text}");
        }
    }
}
