use super::*;
use crate::runtime::ring::{Op, Ring};
use crate::runtime::socket::Sockets;
use proptest::prelude::*;
use rustix::event::{EventfdFlags, eventfd};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

/// Both sides of a trust.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let server = ServerConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions();
    let server = server.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key);
    let client = ClientConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions();
    let client = client.expect("versions").with_root_certificates(roots).with_no_client_auth();
    (server.expect("a pair").into(), client.into())
}

fn client(config: Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config, "localhost".try_into().expect("a name")).expect("a client")
}

/// The kernel's side of a socket, with so much room.
struct Wire {
    room: usize,
    bytes: Vec<u8>,
    calls: usize,
}

impl Wire {
    fn new() -> Wire {
        Wire { room: usize::MAX, bytes: Vec::new(), calls: 0 }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.write_vectored(&[std::io::IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, records: &[std::io::IoSlice<'_>]) -> Result<usize> {
        self.calls += 1;
        let before = self.bytes.len();
        for record in records {
            let n = record.len().min(self.room);
            self.bytes.extend_from_slice(&record[..n]);
            self.room -= n;
        }
        match self.bytes.len() - before {
            0 => Err(ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A client, a server and the wire back.
struct Pair {
    client: ClientConnection,
    server: Tls,
    wire: Wire,
}

impl Pair {
    fn new() -> Pair {
        let (server, trust) = configs();
        Pair { client: client(trust), server: Tls::new(server).expect("a configuration"), wire: Wire::new() }
    }

    /// A pair whose handshake is over.
    fn ready() -> Pair {
        let mut pair = Pair::new();
        while pair.client.is_handshaking() || pair.client.wants_write() {
            assert_eq!(pair.up(), (Flow::Open, Vec::new()));
            pair.down();
        }
        pair.wire.calls = 0;
        pair
    }

    /// What the client has to say reaches the server.
    fn up(&mut self) -> (Flow, Vec<u8>) {
        let (mut bytes, mut plaintext) = (Vec::new(), Vec::new());
        while self.client.wants_write() {
            self.client.write_tls(&mut bytes).expect("a vector takes all");
        }
        let flow = self.server.receive(&bytes, &mut plaintext);
        self.server.write_out(&mut self.wire).expect("open");
        (flow, plaintext)
    }

    /// What is on the wire reaches the client.
    fn down(&mut self) -> Vec<u8> {
        let (bytes, mut plaintext) = (std::mem::take(&mut self.wire.bytes), Vec::new());
        let mut rest = &bytes[..];
        while !rest.is_empty() && self.client.read_tls(&mut rest).expect("room") > 0 {
            self.client.process_new_packets().expect("good records");
            _ = self.client.reader().read_to_end(&mut plaintext);
        }
        plaintext
    }
}

#[test]
fn data_goes_both_ways_in_one_call_for_each_send() {
    let mut pair = Pair::ready();
    pair.client.writer().write_all(b"question").expect("buffered");
    assert_eq!(pair.up(), (Flow::Open, b"question".to_vec()));
    assert_eq!(pair.server.send(b"answer", &mut pair.wire), Sent::Bytes(6));
    assert_eq!((pair.wire.calls, pair.down()), (1, b"answer".to_vec()));
    let big = vec![7; 60_000];
    assert_eq!(pair.server.send(&big, &mut pair.wire), Sent::Bytes(60_000));
    assert_eq!(pair.wire.calls, 2, "several records, one call");
    assert_eq!(pair.down(), big);
}

#[test]
fn what_the_kernel_does_not_take_stays_in_bounds_and_goes_out_first() {
    let mut pair = Pair::ready();
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    let (mut taken, mut got) = (0, Vec::new());
    loop {
        pair.wire.room = 10_000;
        let sent = pair.server.send(&data[taken..], &mut pair.wire);
        let (Sent::Bytes(n) | Sent::Full(n)) = sent else { panic!("it is open") };
        taken += n;
        got.extend(pair.down());
        // The client may hold one record that is not whole yet.
        assert!(taken - got.len() <= TLS_BUFFER_BYTES + (17 << 10), "{taken} taken, {} sent", got.len());
        if matches!(sent, Sent::Bytes(_)) {
            break;
        }
    }
    assert_eq!(got, data, "all is out when it is said to be");
}

#[test]
fn before_the_handshake_is_over_nothing_is_said() {
    let mut pair = Pair::new();
    assert_eq!(pair.server.send(b"x", &mut pair.wire), Sent::Broken);
    assert_eq!(pair.wire.bytes, b"");
}

#[test]
fn the_peers_close_notify_is_told_once_and_the_answer_still_goes_out() {
    let mut pair = Pair::ready();
    pair.client.writer().write_all(b"last").expect("buffered");
    pair.client.send_close_notify();
    assert_eq!(pair.up(), (Flow::Ended, b"last".to_vec()));
    assert!(pair.server.is_over());
    assert_eq!(pair.server.receive(b"more", &mut Vec::new()), Flow::Open, "dropped");
    assert_eq!(pair.server.send(b"answer", &mut pair.wire), Sent::Bytes(6));
    assert_eq!(pair.down(), b"answer");
}

#[test]
fn our_close_notify_follows_the_ciphertext() {
    let mut pair = Pair::ready();
    pair.wire.room = 100;
    assert_eq!(pair.server.send(&[1; 1000], &mut pair.wire), Sent::Full(1000));
    pair.server.end();
    pair.server.end();
    assert!(!pair.server.write_out(&mut pair.wire).expect("open") && !pair.server.has_ended());
    pair.wire.room = usize::MAX;
    assert!(pair.server.write_out(&mut pair.wire).expect("open") && pair.server.has_ended());
    assert_eq!(pair.down(), [1; 1000]);
    assert!(pair.client.process_new_packets().expect("good records").peer_has_closed());
}

#[test]
fn what_is_no_tls_is_answered_by_an_alert() {
    const ALERT: u8 = 21;
    let mut pair = Pair::new();
    assert_eq!(pair.server.receive(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n", &mut Vec::new()), Flow::Failed);
    assert!(pair.server.write_out(&mut pair.wire).expect("open"));
    assert_eq!(pair.wire.bytes.first(), Some(&ALERT));
    assert_eq!(pair.server.send(b"x", &mut pair.wire), Sent::Broken);
    let mut pair = Pair::ready();
    assert_eq!(pair.server.receive(&[23, 3, 3, 0, 20, 1, 2, 3], &mut Vec::new()), Flow::Open, "not whole yet");
    assert_eq!(pair.server.receive(&[0; 64], &mut Vec::new()), Flow::Failed);
    assert!(pair.server.write_out(&mut pair.wire).expect("open"));
    assert!(!pair.wire.bytes.is_empty(), "the alert");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_of_a_peer_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..2000), at in 0usize..200, flip: u8) {
        let mut pair = Pair::new();
        pair.server.receive(&bytes, &mut Vec::new());
        let mut pair = Pair::new();
        let mut hello = Vec::new();
        pair.client.write_tls(&mut hello).expect("a vector takes all");
        hello[at] ^= flip;
        for piece in hello.chunks(97) {
            pair.server.receive(piece, &mut Vec::new());
        }
        pair.server.write_out(&mut pair.wire).expect("open");
        pair.server.send(b"x", &mut pair.wire);
    }
}

/// A core's ring and sockets with one encrypted connection.
struct Core {
    ring: Ring,
    sockets: Sockets,
    slot: crate::id::Slot,
    received: Vec<u8>,
    flow: Flow,
    writable: bool,
    _bell: OwnedFd,
}

impl Core {
    fn new(config: Arc<ServerConfig>) -> (Core, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("accepted");
        let (accepted, _) = listener.accept().expect("connected");
        accepted.set_nonblocking(true).expect("an option");
        let bell = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        let ring = Ring::new(bell.as_raw_fd()).expect("io_uring");
        let mut sockets = Sockets::new();
        let slot = sockets.open_tls(accepted.into(), Box::new(Tls::new(config).expect("a configuration")));
        let (received, flow, writable) = (Vec::new(), Flow::Open, false);
        (Core { ring, sockets, slot, received, flow, writable, _bell: bell }, peer)
    }

    /// Turns until `done`, as the driver does it.
    fn run(&mut self, done: impl Fn(&Core) -> bool) {
        while !done(self) {
            self.sockets.settle(&mut self.ring);
            self.ring.poll().expect("the ring works");
            while let Some(completion) = self.ring.take() {
                if let Some(id) = completion.buffer {
                    let bytes = self.ring.buffer(id, completion.result as usize);
                    if self.sockets.is_tls(self.slot) {
                        self.flow = self.sockets.decrypt(self.slot, bytes, &mut self.received);
                    }
                    self.ring.give_back(id);
                }
                match completion.op {
                    Op::Receive => self.sockets.received(self.slot, !completion.more, completion.result > 0),
                    Op::Writable => self.writable = self.sockets.polled(self.slot),
                    _ => {}
                }
            }
            std::thread::yield_now();
        }
    }
}

#[test]
fn an_encrypted_socket_is_shut_for_writing_behind_its_ciphertext() {
    use crate::hub::Sink;
    let (server, trust) = configs();
    let (mut core, peer) = Core::new(server);
    let (go, wait) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut stream = StreamOwned::new(client(trust), peer);
        stream.write_all(b"question").expect("open");
        wait.recv().expect("told to read");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer)
    });
    core.run(|core| core.received == b"question");
    let data: Vec<u8> = (0..16_000_000u32).map(|n| (n % 251) as u8).collect();
    let Sent::Full(taken) = core.sockets.send(core.slot.index, &data) else { panic!("the peer does not read") };
    assert!(taken < data.len());
    core.sockets.shutdown_write(core.slot);
    go.send(()).expect("it waits");
    core.run(|_| reader.is_finished());
    let answer = reader.join().expect("no panic").expect("the end was said, not cut");
    assert!(core.writable && answer == data[..taken], "{} of {taken} bytes came", answer.len());
}

#[test]
fn a_closed_socket_says_so_and_its_place_is_free_for_a_plain_one() {
    use crate::hub::Sink;
    let (server, trust) = configs();
    let (mut core, peer) = Core::new(server);
    let reader = std::thread::spawn(move || {
        let mut stream = StreamOwned::new(client(trust), peer);
        stream.write_all(b"question").expect("open");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer)
    });
    core.run(|core| core.received == b"question");
    assert_eq!(core.sockets.send(core.slot.index, b"answer"), Sent::Bytes(6));
    core.sockets.close(core.slot, &mut core.ring);
    assert_eq!(core.sockets.send(core.slot.index, b"late"), Sent::Broken);
    core.run(|core| core.sockets.is_empty());
    assert_eq!(reader.join().expect("no panic").expect("the end was said, not cut"), b"answer");
    let (plain, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let slot = core.sockets.open(plain.into());
    assert_eq!((slot.index, core.sockets.is_tls(slot)), (core.slot.index, false));
    assert_eq!(core.sockets.send(slot.index, b"plain"), Sent::Bytes(5));
}
