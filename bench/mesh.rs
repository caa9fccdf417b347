//! What a message to another core takes: two executors on two CPUs and the mesh between them, without a server.

use crate::scenarios::{Figures, Scale};
use crate::server::Cpu;
use corecast::id::Core;
use corecast::runtime::mesh::{self, Port};
use corecast::runtime::stream::Sleep;
use glommio::{LocalExecutorBuilder, Placement};
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// The last message.
const END: u64 = u64::MAX;

/// One end: it looks at its inbox all the time, or sleeps as a core of the server does.
struct End {
    port: Port<u64>,
    doorbell: Sleep,
    sleeps: bool,
}

impl End {
    fn new(port: Port<u64>, sleeps: bool) -> End {
        let doorbell = Sleep::on(&port.bell().doorbell).expect("a descriptor");
        End { port, doorbell, sleeps }
    }

    fn send(&mut self, to: Core, message: u64) {
        self.port.send(to, message);
        self.port.end_turn();
    }

    async fn receive(&mut self) -> u64 {
        loop {
            if let Some(message) = self.port.receive() {
                return message;
            }
            if self.sleeps {
                if self.port.park() {
                    self.doorbell.wait().await.expect("an eventfd");
                }
                self.port.unpark();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}

/// Messages go to the other core and back, one at a time; a unit and a latency are one way. Where both sleep, a pause before
/// each lets them.
pub fn hops(scale: Scale, sleeps: bool) -> Figures {
    let (mut ports, _outside) = mesh::connect::<u64>(2).expect("eventfds");
    let (near, far) = (ports.remove(0), ports.remove(0));
    let echo = LocalExecutorBuilder::new(Placement::Fixed(1)).spawn(move || async move {
        let mut end = End::new(far, sleeps);
        loop {
            match end.receive().await {
                END => return,
                message => end.send(Core(0), message),
            }
        }
    });
    let asker = LocalExecutorBuilder::new(Placement::Fixed(0)).spawn(move || async move {
        let mut end = End::new(near, sleeps);
        let mut latency = Histogram::new_with_bounds(10, 60_000_000_000, 3).expect("bounds");
        let cpu = || {
            let time = clock_gettime(ClockId::ProcessCPUTime);
            time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
        };
        let (before, began, mut units) = (cpu(), Instant::now(), 0);
        while began.elapsed().as_secs_f64() < scale.seconds {
            if sleeps {
                glommio::timer::sleep(Duration::from_micros(300)).await;
            }
            let sent = Instant::now();
            end.send(Core(1), units);
            assert_eq!(end.receive().await, units);
            _ = latency.record((sent.elapsed().as_nanos() as u64 / 2).max(10));
            units += 2;
        }
        end.send(Core(1), END);
        let total = cpu() - before;
        let cpu = Cpu { total, user: total, ..Cpu::default() };
        let seconds = began.elapsed().as_secs_f64();
        Figures { units, seconds, cpu, latency: Some(latency), lost: 0, twice: 0, extra: 1.0 }
    });
    let figures = asker.expect("an executor").join().expect("it ends");
    echo.expect("an executor").join().expect("it ends");
    figures
}
