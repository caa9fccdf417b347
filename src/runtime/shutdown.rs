//! Signals, and the orderly end of all cores.

use super::mesh::Outside;
use super::spread::Mail;
use super::turn::Report;
use crate::shard::Message;
use crossbeam_channel::{Receiver, Sender, unbounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::time::{Duration, Instant};

/// What an operator wants of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// SIGTERM or SIGINT: end in order.
    Stop(&'static str),
    /// SIGHUP: read the settings again.
    Reload,
}

/// How the end went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Everything was answered and every client was told.
    InOrder,
    /// The time was up on so many cores.
    TimeUp(usize),
}

/// Listens for signals from now on. A second SIGTERM or SIGINT ends the process at once with exit code 1.
///
/// # Errors
/// The handlers cannot be installed.
pub fn signals() -> std::io::Result<Receiver<Wish>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (wishes, receiver): (Sender<Wish>, _) = unbounded();
    let listen = move || {
        let mut is_stopping = false;
        for signal in signals.forever() {
            let wish = match signal {
                SIGHUP => Wish::Reload,
                _ if is_stopping => std::process::exit(1),
                SIGINT => Wish::Stop("interrupt"),
                _ => Wish::Stop("terminated"),
            };
            is_stopping |= wish != Wish::Reload;
            if wishes.send(wish).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen)?;
    Ok(receiver)
}

/// Stops all cores: first none takes new work and all answer what is in flight, then all tell their clients.
pub fn stop(cores: &Outside<Mail>, reports: &Receiver<Report>, timeout: Duration) -> End {
    let until = Instant::now() + timeout;
    for (message, expected) in [(Message::Stop, is_quiet as fn(&Report) -> bool), (Message::End, is_done)] {
        for core in 0..cores.cores() {
            cores.send(core, message.clone());
        }
        let mut missing = cores.cores();
        while missing > 0 {
            match reports.recv_deadline(until) {
                Ok(report) if expected(&report) => missing -= 1,
                Ok(_) => {}
                Err(_) => return End::TimeUp(missing),
            }
        }
    }
    End::InOrder
}

fn is_quiet(report: &Report) -> bool {
    matches!(report, Report::Quiet(_))
}

fn is_done(report: &Report) -> bool {
    matches!(report, Report::Done(_))
}
