//! The binary: arguments to exit code.

use std::process::ExitCode;

// Frames are made on one core and dropped on another; mimalloc takes such blocks back without a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    corecast::cli::main(corecast::node::run)
}
