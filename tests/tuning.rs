//! `tuning/check` and `tuning/apply` as they are run: on this host, where nothing may change, and on a made-up one, a folder
//! with the files of /proc, /sys and /etc that they look at, where everything is bad. And what holds of the unit for systemd
//! and of the scripts of `make`.

use corecast::limits;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tuning");

/// What `apply` cannot change and tells.
const TOLD: &[&str] = &["kernel", "io_uring", "nofile", "memlock"];

/// A host with four CPUs and one card with two queues on which nothing is as wanted.
const BAD: &[(&str, &str)] = &[
    ("proc/self/status", "Seccomp:\t0\nCpus_allowed_list:\t0-3\n"),
    (
        "proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max open files            1024                 4096                 files     \n\
         Max locked memory         65536                65536                bytes     \n",
    ),
    ("proc/sys/kernel/osrelease", "5.15.0-91-generic\n"),
    ("proc/sys/kernel/io_uring_disabled", "2\n"),
    ("proc/sys/fs/nr_open", "65536\n"),
    ("proc/sys/fs/file-max", "98304\n"),
    ("proc/sys/net/core/somaxconn", "128\n"),
    ("proc/sys/net/core/rps_sock_flow_entries", "0\n"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t262144\n"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t65536\n"),
    ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
    ("proc/irq/40/smp_affinity_list", "0\n"),
    ("proc/irq/40/virtio0-config/.keep", ""),
    ("proc/irq/41/smp_affinity_list", "0\n"),
    ("proc/irq/41/virtio0-input.0/.keep", ""),
    ("proc/irq/42/smp_affinity_list", "0\n"),
    ("proc/irq/42/virtio0-input.1/.keep", ""),
    ("sys/devices/system/cpu/online", "0-3\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n"),
    ("sys/devices/pci0/msi_irqs/40", ""),
    ("sys/devices/pci0/msi_irqs/41", ""),
    ("sys/devices/pci0/msi_irqs/42", ""),
    ("sys/devices/pci0/virtio0/net/eth0/operstate", "up\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-0/rps_cpus", "0\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-0/rps_flow_cnt", "0\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-1/rps_cpus", "0\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-1/rps_flow_cnt", "0\n"),
    ("sys/class/net/lo/queues/rx-0/rps_cpus", "0\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
    ("etc/sysctl.d/90-corecast.conf", "# Ours.\nnet.core.somaxconn = 256\nvm.swappiness = 10\n"),
];

/// What the files hold when `apply` is through with them.
const APPLIED: &[(&str, &str)] = &[
    ("proc/sys/kernel/io_uring_disabled", "0\n"),
    ("proc/sys/fs/nr_open", "100128\n"),
    ("proc/sys/fs/file-max", "110128\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/core/rps_sock_flow_entries", "32768\n"),
    ("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t1048576\n"),
    ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t1048576\n"),
    ("proc/sys/net/netfilter/nf_conntrack_max", "200000\n"),
    ("proc/irq/42/smp_affinity_list", "1\n"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-0/rps_cpus", "f\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-0/rps_flow_cnt", "16384\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-1/rps_cpus", "f\n"),
    ("sys/devices/pci0/virtio0/net/eth0/queues/rx-1/rps_flow_cnt", "16384\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "madvise\n"),
    (
        "etc/sysctl.d/90-corecast.conf",
        "# Ours.\nvm.swappiness = 10\nkernel.io_uring_disabled = 0\nfs.nr_open = 100128\nfs.file-max = 110128\n\
         net.core.somaxconn = 4096\nnet.ipv4.tcp_rmem = 4096\t131072\t1048576\n\
         net.ipv4.tcp_wmem = 4096\t16384\t1048576\nnet.core.rps_sock_flow_entries = 32768\n\
         net.netfilter.nf_conntrack_max = 200000\n",
    ),
];

#[test]
fn every_row_is_reported_on_this_host() {
    let output = run("check", &[], None);
    let rows = rows(&output);
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), names());
    let in_the_way = rows.iter().any(|row| row.state == "IN-WAY");
    assert_eq!(output.status.code(), Some(i32::from(in_the_way)), "{}", text(&output));

    let json = run("check", &["--json"], None);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    let json: Vec<_> =
        json.as_array().expect("a list").iter().map(|row| row["item"].as_str().expect("a name")).collect();
    assert_eq!(json, names());
}

#[test]
fn a_rehearsal_changes_nothing_and_has_an_answer_to_all_that_is_in_the_way() {
    // So many connections that every host has something in the way.
    let options = ["--connections", "900000000"];
    let before = values_of_this_host();
    let output = run("apply", &[&options[..], &["--dry-run"]].concat(), None);
    assert_eq!(values_of_this_host(), before);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = text(&output);
    let rows = rows(&run("check", &options, None));
    let bad: Vec<_> = rows.iter().filter(|row| row.state == "IN-WAY").collect();
    assert!(bad.iter().any(|row| row.name == "nofile") && bad.iter().any(|row| row.name == "nr_open"), "{said}");
    for Row { name, .. } in bad {
        let answer = if TOLD.contains(&name.as_str()) { format!("# By hand: {name}\n") } else { format!("# {name}: ") };
        assert!(said.contains(&answer), "{name}: {said}");
    }
}

#[test]
fn a_bad_host_is_flagged_changed_and_brought_back_byte_for_byte() {
    let host = host(BAD);
    let before = files(host.path());
    assert_eq!(in_the_way(&host), names().iter().filter(|name| *name != "io_uring").cloned().collect::<Vec<_>>());

    let rehearsal = run("apply", &["--dry-run"], Some(host.path()));
    assert_eq!(files(host.path()), before);

    let output = run("apply", &[], Some(host.path()));
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for name in TOLD.iter().filter(|name| **name != "io_uring") {
        assert!(said.contains(&format!("# By hand: {name}")), "{name}: {said}");
    }
    assert_eq!(commands(&output), commands(&rehearsal));
    let undo = undo_of(&said);
    let mut after = files(host.path());
    after.retain(|path, _| !path.starts_with("var/"));
    let mut expected = before.clone();
    expected.extend(APPLIED.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    assert_eq!(after, expected);
    assert_eq!(in_the_way(&host), ["kernel", "nofile", "memlock"]);

    let again = run("apply", &[], Some(host.path()));
    assert!(text(&again).contains("Nothing to change"), "{}", text(&again));

    assert!(Command::new(&undo).status().expect("undone").success());
    let mut undone = files(host.path());
    undone.retain(|path, _| !path.starts_with("var/"));
    // The kernel takes the word and shows all words with brackets around it; a file of ours only takes it.
    let choice = undone.get_mut("sys/kernel/mm/transparent_hugepage/enabled").expect("there");
    assert_eq!(choice, "always\n");
    "[always] madvise never\n".clone_into(choice);
    assert_eq!(undone, before);
}

#[test]
fn a_file_of_settings_that_was_not_there_is_gone_again() {
    let host = host(&[("proc/sys/net/core/somaxconn", "128\n"), ("etc/sysctl.d/10-other.conf", "a = 1\n")]);
    let before = files(host.path());
    let said = text(&run("apply", &[], Some(host.path())));
    let ours = host.path().join("etc/sysctl.d/90-corecast.conf");
    assert_eq!(fs::read_to_string(&ours).expect("written"), "net.core.somaxconn = 4096\n");
    assert!(Command::new(undo_of(&said)).status().expect("undone").success());
    let mut undone = files(host.path());
    undone.retain(|path, _| !path.starts_with("var/"));
    assert_eq!(undone, before);
}

#[test]
fn what_is_good_or_better_or_chosen_stays() {
    let host = host(&[
        ("proc/self/status", "Seccomp:\t0\nCpus_allowed_list:\t0-3\n"),
        (
            "proc/self/limits",
            "Max open files            1024                 1048576              files     \n\
             Max locked memory         8388608              unlimited            bytes     \n",
        ),
        ("proc/sys/fs/file-max", "9223372036854775807\n"),
        ("proc/sys/net/core/somaxconn", "65535\n"),
        ("proc/sys/net/core/rps_sock_flow_entries", "65536\n"),
        ("proc/sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304\n"),
        ("sys/devices/system/cpu/online", "0-3\n"),
        ("sys/class/net/eth0/device/.keep", ""),
        ("sys/class/net/eth0/operstate", "up\n"),
        // Without the CPU that takes the interrupt: the operator's choice.
        ("sys/class/net/eth0/queues/rx-0/rps_cpus", "e\n"),
        ("sys/class/net/eth0/queues/rx-0/rps_flow_cnt", "32768\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
    ]);
    let before = files(host.path());
    assert_eq!(in_the_way(&host), Vec::<String>::new());
    let output = run("apply", &[], Some(host.path()));
    assert_eq!((output.status.code(), files(host.path())), (Some(0), before), "{}", text(&output));
}

#[test]
fn many_cpus_are_a_mask_of_several_words_and_enough_queues_need_none() {
    let card = |queue: &'static str| [("sys/devices/system/cpu/online", "0-1,38-39\n"), (queue, "0\n")];
    let common = [("sys/class/net/eth0/device/.keep", ""), ("sys/class/net/eth0/operstate", "up\n")];
    let few = host(&[&card("sys/class/net/eth0/queues/rx-0/rps_cpus")[..], &common].concat());
    run("apply", &[], Some(few.path()));
    let mask = few.path().join("sys/class/net/eth0/queues/rx-0/rps_cpus");
    assert_eq!(fs::read_to_string(mask).expect("there"), "c0,00000003\n");

    let enough = host(
        &[
            &common[..],
            &[
                ("sys/devices/system/cpu/online", "0-1\n"),
                ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,00000000\n"),
                ("sys/class/net/eth0/queues/rx-1/rps_cpus", "3\n"),
            ],
        ]
        .concat(),
    );
    assert_eq!(in_the_way(&enough), ["rps"]);
    run("apply", &[], Some(enough.path()));
    let mask = enough.path().join("sys/class/net/eth0/queues/rx-1/rps_cpus");
    assert_eq!(fs::read_to_string(mask).expect("there"), "0\n");
}

#[test]
fn what_a_host_does_not_have_is_not_here_and_no_error() {
    let nothing = host(&[]);
    let output = run("check", &[], Some(nothing.path()));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for row in rows(&output) {
        let expected = if row.name == "io_uring" { "?" } else { "-" };
        assert_eq!(row.state, expected, "{}", row.name);
    }
    let output = run("apply", &[], Some(nothing.path()));
    assert_eq!((output.status.code(), files(nothing.path()).len()), (Some(0), 0), "{}", text(&output));
}

#[test]
fn what_is_refused_is_said_and_the_rest_is_done() {
    let host = host(&[
        ("proc/sys/net/core/somaxconn", "128\n"),
        ("proc/sys/fs/file-max", "98304\n"),
        ("etc/sysctl.d/10-other.conf", "a = 1\n"),
    ]);
    // 65536 on every host, and nobody may write it.
    let refused = host.path().join("proc/sys/fs/nr_open");
    std::os::unix::fs::symlink("/proc/sys/kernel/ngroups_max", refused).expect("linked");
    let output = run("apply", &[], Some(host.path()));
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nr_open is still not as wanted: 65536"), "{said}");
    assert_eq!(in_the_way(&host), ["nr_open"]);
    let lasting = fs::read_to_string(host.path().join("etc/sysctl.d/90-corecast.conf")).expect("written");
    assert_eq!(lasting, "fs.file-max = 110080\nnet.core.somaxconn = 4096\n");
    assert!(Command::new(undo_of(&said)).status().is_ok_and(|status| status.code() == Some(1)));
    assert_eq!(fs::read_to_string(host.path().join("proc/sys/fs/file-max")).expect("there"), "98304\n");
}

#[test]
fn a_container_that_denies_io_uring_is_flagged_and_told_what_to_allow() {
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/deny_io_uring.py");
    let denied = |script: &str, option: &[&str]| {
        let script = format!("{FOLDER}/{script}");
        let output = Command::new("python3").args([filter, "/usr/bin/env", &script]).args(option).output();
        output.expect("python3 is there")
    };
    let output = denied("check", &[]);
    let row = rows(&output).into_iter().find(|row| row.name == "io_uring").expect("a row");
    assert_eq!((row.state.as_str(), output.status.code()), ("IN-WAY", Some(1)));
    assert!(text(&denied("apply", &["--dry-run"])).contains("io_uring_setup"));
}

#[test]
fn wrong_usage_exits_with_two() {
    for script in ["check", "apply"] {
        for options in [&["--no-such"][..], &["--connections"], &["--connections", "many"], &["--pid", "0"], &["more"]]
        {
            assert_eq!(run(script, options, None).status.code(), Some(2), "{script} {options:?}");
        }
        assert_eq!(run(script, &["--help"], None).status.code(), Some(0));
    }
}

#[test]
fn bounds_are_those_of_the_server() {
    let items = fs::read_to_string(format!("{FOLDER}/items.sh")).expect("readable");
    let bound = |name: &str| {
        let line = items.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name}")).parse::<u64>().expect("a number")
    };
    assert_eq!(bound("listen_backlog"), limits::LISTEN_BACKLOG as u64);
    assert_eq!(bound("memlock_bytes_per_core"), limits::MEMLOCK_BYTES_PER_CORE);
    assert_eq!(bound("descriptors_reserved"), limits::DESCRIPTORS_RESERVED as u64);
    let node = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/node.rs")).expect("readable");
    assert!(node.contains(&format!("limits::DESCRIPTORS_RESERVED + {} * cores", bound("descriptors_per_core"))));
    let queue = corecast::config::settings::Settings::default().client.queue_max_size;
    assert_eq!(bound("queue_bytes_max"), queue as u64);
}

#[test]
fn every_row_is_explained() {
    let page = fs::read_to_string(format!("{FOLDER}/README.md")).expect("readable");
    for name in names() {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// `make test` installs shellcheck; without it the scripts are only run.
#[test]
fn shellcheck_finds_nothing() {
    let scripts =
        ["check", "apply", "items.sh", "hello.sh", "toolchain.sh", "deny.sh"].map(|name| format!("{FOLDER}/{name}"));
    let Ok(output) = Command::new("shellcheck").args(["-x", "-P", FOLDER]).args(scripts).output() else {
        return eprintln!("shellcheck is not installed");
    };
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_unit_says_what_holds_of_the_server() {
    let unit = fs::read_to_string(format!("{FOLDER}/corecast.service")).expect("readable");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {key}"))
    };
    let timeout = corecast::config::settings::Settings::default().shutdown.timeout.as_secs();
    assert!(value("TimeoutStopSec").parse::<u64>().expect("seconds") > timeout);
    let memlock = value("LimitMEMLOCK").strip_suffix('M').expect("MiB").parse::<u64>().expect("a number") << 20;
    assert_eq!(memlock, limits::MEMLOCK_BYTES_PER_CORE * limits::CORES_MAX as u64);
    assert_eq!(value("Restart"), "on-failure", "exit code 70 is one");
    assert_eq!(value("ExecReload"), "/bin/kill -HUP $MAINPID");
    assert_eq!(
        (value("CapabilityBoundingSet"), value("AmbientCapabilities")),
        ("CAP_NET_BIND_SERVICE", "CAP_NET_BIND_SERVICE")
    );
}

/// Without systemd only the test above looks at the unit.
#[test]
fn systemd_understands_the_unit_and_finds_little_exposed() {
    let unit = fs::read_to_string(format!("{FOLDER}/corecast.service")).expect("readable");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("corecast.service");
    fs::write(&path, unit.replace("/usr/local/bin/corecast", env!("CARGO_BIN_EXE_corecast"))).expect("written");
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).arg(&path).output().ok();
    let Some(verified) = analyze(&["verify", "--man=no"]) else { return eprintln!("systemd-analyze is not here") };
    assert!(verified.status.success() && text(&verified).is_empty(), "{}", text(&verified));
    let judged = analyze(&["security", "--offline=true", "--threshold=20", "--no-pager"]).expect("it was here");
    assert!(judged.status.success(), "more than 2.0 of 10: {}", text(&judged));
}

#[test]
fn a_package_that_was_not_looked_up_in_the_advisories_is_refused() {
    let project = host(&[
        ("tuning/advisories/examined", "# Ours.\nknown\n"),
        ("Cargo.lock", "[[package]]\nname = \"known\"\n\n[[package]]\nname = \"unheard-of\"\n"),
    ]);
    let script = project.path().join("tuning/deny.sh");
    fs::copy(format!("{FOLDER}/deny.sh"), &script).expect("copied");
    let output = Command::new(&script).arg("check").output().expect("started");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("unheard-of; run make advisories"), "{}", text(&output));
}

#[test]
fn of_an_advisory_the_facts_are_kept() {
    let project = host(&[
        ("tuning/.keep", ""),
        ("Cargo.lock", "name = \"a\"\nname = \"b\"\n"),
        (
            "database/crates/a/RUSTSEC-2026-0001.md",
            "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\npackage = \"a\"\ndescription = \"long\"\n\
             date = \"2026-01-02\"\n\n[affected]\nos = [\"windows\"]\n\n[versions]\npatched = [\n  \">= 1.2\",\n]\n```\n\n# Title\n\nText.\n",
        ),
        ("database/crates/other/RUSTSEC-2026-0002.md", "```toml\n```\n"),
    ]);
    let script = project.path().join("tuning/deny.sh");
    fs::copy(format!("{FOLDER}/deny.sh"), &script).expect("copied");
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example", "-c", "commit.gpgsign=false"];
        let database = project.path().join("database");
        Command::new("git").arg("-C").arg(database).args(identity).args(arguments).output().ok()
    };
    if git(&["init", "--quiet"]).is_none() {
        return eprintln!("git is not here");
    }
    git(&["add", "."]).expect("it was here");
    git(&["commit", "--quiet", "--message", "all"]).expect("it was here");
    let output = Command::new(&script).args(["renew", "database"]).output().expect("started");
    assert!(output.status.success(), "{}", text(&output));
    let copy = files(&project.path().join("tuning/advisories"));
    assert_eq!(copy.keys().collect::<Vec<_>>(), ["a/RUSTSEC-2026-0001.md", "examined"]);
    let expected = "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\npackage = \"a\"\ndate = \"2026-01-02\"\n\
                    [versions]\npatched = [\n  \">= 1.2\",\n]\n```\n\n# RUSTSEC-2026-0001, a\n";
    assert_eq!(copy["a/RUSTSEC-2026-0001.md"], expected);
    assert!(copy["examined"].ends_with("\na\nb\n"), "{}", copy["examined"]);
}

/// A line of the report.
struct Row {
    state: String,
    name: String,
}

fn rows(output: &Output) -> Vec<Row> {
    let said = text(output);
    let table = said.lines().skip(1).take_while(|line| !line.is_empty());
    let row = |line: &str| {
        let mut words = line.split_whitespace().map(str::to_owned);
        Row { state: words.next().expect("a state"), name: words.next().expect("a name") }
    };
    table.map(row).collect()
}

/// The names of the table that both scripts read.
fn names() -> Vec<String> {
    let script = format!(". {FOLDER}/items.sh; name() {{ echo \"$1\"; }}; each_item name");
    let output = Command::new("bash").args(["-uc", &script]).output().expect("bash is there");
    text(&output).lines().map(str::to_owned).collect()
}

fn in_the_way(host: &TempDir) -> Vec<String> {
    let output = run("check", &[], Some(host.path()));
    let bad: Vec<_> = rows(&output).into_iter().filter(|row| row.state == "IN-WAY").map(|row| row.name).collect();
    assert_eq!(output.status.code(), Some(i32::from(!bad.is_empty())), "{}", text(&output));
    bad
}

fn run(script: &str, options: &[&str], host: Option<&Path>) -> Output {
    let mut command = Command::new(format!("{FOLDER}/{script}"));
    command.args(options).env_remove("CORECAST_TUNING_ROOT");
    if let Some(host) = host {
        command.env("CORECAST_TUNING_ROOT", host);
    }
    command.output().expect("started")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn commands(output: &Output) -> Vec<String> {
    text(output).lines().filter(|line| line.starts_with("printf ")).map(str::to_owned).collect()
}

/// The path that is printed, before the first change.
fn undo_of(said: &str) -> PathBuf {
    let first = said.lines().next().unwrap_or_default();
    first.strip_prefix("# To undo: ").unwrap_or_else(|| panic!("no way back: {said}")).into()
}

fn host(files: &[(&str, &str)]) -> TempDir {
    let host = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = host.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    let card = host.path().join("sys/devices/pci0/virtio0");
    if card.exists() {
        // As the kernel links them: the class names the card, the card its device.
        std::os::unix::fs::symlink(card.join("net/eth0"), host.path().join("sys/class/net/eth0")).expect("linked");
        std::os::unix::fs::symlink(&card, card.join("net/eth0/device")).expect("linked");
    }
    host
}

/// All files below a folder; links are not followed.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("readable") {
            let (path, kind) = entry.map(|e| (e.path(), e.file_type().expect("a kind"))).expect("an entry");
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&path).expect("text"));
            }
        }
    }
    found
}

/// Everything that the table looks at here, as the scripts read it.
fn values_of_this_host() -> String {
    let script = format!(". {FOLDER}/items.sh; show() {{ echo \"$1\"; list \"$3\" x; }}; each_item show");
    let sysctls = "cat /etc/sysctl.d/* 2>/dev/null; ls -R /etc/sysctl.d /var/lib/corecast-tuning 2>/dev/null; true";
    let output = Command::new("bash").args(["-uc", &format!("{script}; {sysctls}")]).output().expect("bash is there");
    text(&output)
}
