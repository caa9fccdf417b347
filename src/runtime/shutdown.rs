//! Signals, and the orderly end of all cores.

use super::mesh::Outside;
use super::spread::Mail;
use super::turn::Report;
use crate::shard::Message;
use crossbeam_channel::{Receiver, Sender, after, select, unbounded};
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
    /// A further signal came while so many cores were not done.
    Hurried(usize),
}

/// How the cores are to end.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Time for everything.
    pub timeout: Duration,
    /// Clients are told over so long a time.
    pub spread: Duration,
}

/// Listens for signals from now on. What a second SIGTERM or SIGINT means is for [`stop`] to say; a third ends the process
/// at once with exit code 1.
///
/// # Errors
/// The handlers cannot be installed.
pub fn signals() -> std::io::Result<Receiver<Wish>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (wishes, receiver): (Sender<Wish>, _) = unbounded();
    let listen = move || {
        let mut stops = 0;
        for signal in signals.forever() {
            let wish = match signal {
                SIGHUP => Wish::Reload,
                _ if stops > 1 => std::process::exit(1),
                SIGINT => Wish::Stop("interrupt"),
                _ => Wish::Stop("terminated"),
            };
            stops += usize::from(wish != Wish::Reload);
            if wishes.send(wish).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(listen)?;
    Ok(receiver)
}

/// Goes on for `delay` while the node says that it is not ready; false when a further signal has cut that short.
pub fn drain(cores: &Outside<Mail>, wishes: &Receiver<Wish>, delay: Duration) -> bool {
    let until = Instant::now() + delay;
    for core in 0..cores.cores() {
        cores.send(core, Message::Drain);
    }
    while let Ok(wish) = wishes.recv_deadline(until) {
        if wish != Wish::Reload {
            return false;
        }
    }
    true
}

/// Stops all cores: first none takes new work and all answer what is in flight, then all tell their clients. A further
/// signal ends it.
pub fn stop(cores: &Outside<Mail>, reports: &Receiver<Report>, wishes: &Receiver<Wish>, plan: Plan) -> End {
    let up = after(plan.timeout);
    let stages = [(Message::Stop, is_quiet as fn(&Report) -> bool), (Message::End(plan.spread), is_done)];
    for (message, expected) in stages {
        for core in 0..cores.cores() {
            cores.send(core, message.clone());
        }
        let mut missing = cores.cores();
        while missing > 0 {
            select! {
                recv(reports) -> report => missing -= usize::from(report.is_ok_and(|report| expected(&report))),
                recv(wishes) -> wish => if wish.is_ok_and(|wish| wish != Wish::Reload) {
                    return End::Hurried(missing);
                },
                recv(up) -> _ => return End::TimeUp(missing),
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
