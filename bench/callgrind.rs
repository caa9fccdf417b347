//! Runs a scenario of this program under callgrind and reads what it has counted.
//!
//! Valgrind shows the program a CPU of its own, few kinds of them, so `memcpy` and the assembly of the cryptography are the
//! same on many machines; it loads it at the same address each time.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// Counts the instructions of the region within `--play name`; the profile is left in `file`.
///
/// # Errors
/// Valgrind cannot be run, or the program did not get through.
pub fn count(program: &Path, name: &str, file: &Path) -> Result<u64, String> {
    let output = valgrind("callgrind")
        .args(["--collect-atstart=no", "--toggle-collect=*counted_region*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .args(["--play", name])
        .output()
        .map_err(|e| format!("valgrind cannot be run ({e}): install it (apt-get install valgrind)"))?;
    if !output.status.success() {
        return Err(format!("\"{name}\" failed under valgrind: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    match total(&text) {
        Some(count) if count > 0 => Ok(count),
        _ => Err(format!("{} has no count: callgrind has not found the function counted_region", file.display())),
    }
}

/// The line `totals: 4711` of a profile.
fn total(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// What counts depend on besides the source: the makers of the program, the libraries and CPU that it finds.
pub fn made_with(program: &Path) -> BTreeMap<String, String> {
    let tool = |variable: &str, default: &str| std::env::var(variable).unwrap_or_else(|_| default.into());
    let line = |command: &mut Command| {
        let output = command.stderr(Stdio::null()).output().ok();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).to_string()).unwrap_or_default();
        text.lines().next().unwrap_or("unknown").trim().to_owned()
    };
    let all = [
        ("rustc", line(Command::new(tool("RUSTC", "rustc")).arg("--version"))),
        ("cc", line(Command::new(tool("CC", "cc")).arg("--version"))),
        ("libc", line(Command::new("getconf").arg("GNU_LIBC_VERSION"))),
        ("valgrind", line(Command::new("valgrind").arg("--version"))),
        ("cpu", line(valgrind("none").arg(program).arg("--cpu"))),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Valgrind without options and variables of whoever calls.
fn valgrind(tool: &str) -> Command {
    let mut command = Command::new("valgrind");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    // The allocator gives memory back after some time: that would be a count by the clock.
    command.env("MIMALLOC_PURGE_DELAY", "-1");
    command.args(["--quiet", "--command-line-only=yes"]).arg(format!("--tool={tool}"));
    command
}
