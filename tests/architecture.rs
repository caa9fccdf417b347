//! Who may import whom. The table stands in the order in which a published message meets the modules; a module may
//! import those of its own row and of rows above it. Libraries that only one module may know are listed below.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of modules, from the foundations up.
const ORDER: &[&[&str]] = &[
    &["mutation", "limits", "clock", "id", "wheel", "counters", "tally", "timing", "calls"],
    &["proto", "wire"],
    &["protocol"],
    &["config"],
    &["auth", "channel"],
    &["session"],
    &["hub"],
    &["api"],
    &["transport"],
    &["http2"],
    &["conn"],
    &["shard"],
    &["client"],
    &["runtime"],
    &["outbound"],
    &["metrics"],
    &["node"],
    &["cli"],
    &["main"],
];

/// The protocol seen from the other side needs nothing of the server.
const CLIENT_MAY_IMPORT: &[&str] = &["client", "clock", "id", "limits", "proto", "wire", "protocol"];

/// Modules that decide: no I/O, no clock, no threads, no runtime.
const PURE: &[&str] = &[
    "mutation",
    "limits",
    "clock",
    "id",
    "wheel",
    "counters",
    "tally",
    "timing",
    "calls",
    "proto",
    "wire",
    "protocol",
    "config",
    "auth",
    "channel",
    "session",
    "hub",
    "api",
    "transport",
    "http2",
    "conn",
    "shard",
    "client",
];

/// What the pure half must not name.
const IMPURE: &[&str] = &[
    "std::net::Tcp",
    "std::net::Udp",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "glommio",
    "io_uring",
    "crossbeam_channel",
    "tokio",
    "rustix",
    "libc::",
    "socket2",
    "signal_hook",
];

/// Libraries and the only modules that may name them.
const OWNERS: &[(&str, &[&str])] = &[
    ("glommio", &["runtime"]),
    ("io_uring::", &["runtime"]),
    ("core_affinity", &["runtime"]),
    ("crossbeam_channel", &["runtime", "node"]),
    ("libc::", &["runtime"]),
    ("socket2", &["runtime"]),
    ("tokio::", &["outbound"]),
    ("reqwest", &["outbound"]),
    ("h2::", &["http2"]),
    ("httparse", &["wire"]),
    ("flate2", &["wire"]),
    ("simd_json", &["protocol"]),
    ("jsonwebtoken", &["auth", "cli"]),
];

/// The one exception: h2 asks for these traits, and only the pipe between it and us has them.
const TRAITS_OF_TOKIO: (&str, &str) = ("http2/pipe.rs", "tokio::io::{AsyncRead, AsyncWrite, ReadBuf}");

/// Files that may hold `unsafe`.
const UNSAFE: &[&str] = &["runtime/ring.rs", "runtime/socket.rs", "runtime/stream.rs"];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file");
        (path.strip_prefix(&root).expect("below src").to_path_buf(), text)
    };
    files.into_iter().map(read).collect()
}

/// `shard/jobs.rs` belongs to `shard`, `node.rs` to `node`.
fn module(path: &Path) -> String {
    let first = path.components().next().expect("a part").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_string()
}

/// The code without its tests and comments.
fn code(text: &str) -> String {
    let before_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
    before_tests.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn row(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// The modules that a text names as `crate::x`.
fn imports(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        if let Some(list) = part.strip_prefix('{') {
            let end = list.find("};").unwrap_or(list.len());
            names.extend(list[..end].split(',').map(|item| item.trim().split(':').next().unwrap_or("").to_string()));
        } else {
            names.insert(part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names.retain(|name| row(name).is_some());
    names
}

#[test]
fn modules_import_only_what_stands_before_them() {
    for (path, text) in sources() {
        let own = module(&path);
        if own == "lib" {
            continue;
        }
        let Some(place) = row(&own) else { panic!("{} is not in the table of modules", path.display()) };
        for imported in imports(&code(&text)) {
            let allowed = row(&imported).is_some_and(|other| other <= place);
            assert!(allowed, "{}: {own} may not import {imported}", path.display());
            if own == "client" {
                assert!(
                    CLIENT_MAY_IMPORT.contains(&imported.as_str()),
                    "{}: client imports {imported}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn the_pure_half_has_no_io_no_clock_and_no_threads() {
    for (path, text) in sources().into_iter().filter(|(path, _)| PURE.contains(&module(path).as_str())) {
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_tests.rs")) {
            continue;
        }
        let mut code = code(&text);
        if path == Path::new(TRAITS_OF_TOKIO.0) {
            code = code.replace(TRAITS_OF_TOKIO.1, "");
        }
        for name in IMPURE {
            assert!(!code.contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn libraries_are_known_only_to_their_owners() {
    for (path, text) in sources() {
        let mut code = code(&text);
        if path == Path::new(TRAITS_OF_TOKIO.0) {
            code = code.replace(TRAITS_OF_TOKIO.1, "");
        }
        for (library, owners) in OWNERS {
            let is_owner = owners.contains(&module(&path).as_str());
            assert!(is_owner || !code.contains(library), "{} names {library}", path.display());
        }
    }
}

#[test]
fn unsafe_code_stays_in_its_files() {
    for (path, text) in sources() {
        let name = path.to_string_lossy().to_string();
        assert!(UNSAFE.contains(&name.as_str()) || !code(&text).contains("unsafe {"), "{name}");
    }
}

#[test]
fn modules_are_one_folder_deep() {
    for (path, _) in sources() {
        assert!(path.components().count() <= 2, "{}", path.display());
    }
}
