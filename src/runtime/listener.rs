//! Listening sockets. Bound before anything says that it is ready, one per core on the same port.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};

/// The address of an `address` option: empty means every interface, IPv6 and IPv4.
pub fn address(text: &str, port: u16) -> Result<SocketAddr, String> {
    if text.is_empty() {
        return Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    }
    if text == "localhost" {
        return Ok(SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port));
    }
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().map(|ip| SocketAddr::new(ip, port)).map_err(|_| format!("\"{text}\" is not an IP address"))
}

/// Binds one listener per core. The first bind is exclusive, so that a port used by another process is noticed.
///
/// # Errors
/// As the kernel says: EADDRINUSE, EACCES, EADDRNOTAVAIL.
pub fn bind(address: SocketAddr, cores: usize, backlog: i32) -> io::Result<Vec<TcpListener>> {
    // SO_REUSEPORT would share a port with another Corecast silently: ask for it alone first, then take it together.
    drop(open(address, false, None)?);
    let first = open(address, cores > 1, Some(backlog))?;
    // With port 0 the kernel chose: the others follow.
    let address = first.local_addr()?;
    let rest = (1..cores).map(|_| open(address, true, Some(backlog)));
    std::iter::once(Ok(first)).chain(rest).collect()
}

fn open(address: SocketAddr, shared: bool, backlog: Option<i32>) -> io::Result<TcpListener> {
    let socket = match Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)) {
        // No IPv6 on this host: every interface then means every IPv4 interface.
        Err(_) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            return open(SocketAddr::from(([0, 0, 0, 0], address.port())), shared, backlog);
        }
        other => other?,
    };
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    // Inherited by accepted sockets: no system call per connection.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    if let Some(backlog) = backlog {
        socket.listen(backlog)?;
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_listen_on_one_port_and_another_process_is_refused() {
        let listeners = bind(address("127.0.0.1", 0).expect("an address"), 2, 16).expect("a free port");
        let taken = listeners[0].local_addr().expect("bound");
        assert_eq!(listeners[1].local_addr().expect("bound"), taken);
        assert_eq!(bind(taken, 1, 16).map(|_| ()).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
        assert_eq!(bind(taken, 2, 16).map(|_| ()).expect_err("taken").kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn an_empty_address_means_both_families() {
        let any = address("", 0).expect("any");
        let port = match bind(any, 1, 16) {
            Ok(listeners) => listeners[0].local_addr().expect("bound").port(),
            Err(e) => panic!("{e}"),
        };
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "closed again");
        let listeners = bind(any, 1, 16).expect("a free port");
        let port = listeners[0].local_addr().expect("bound").port();
        std::net::TcpStream::connect(("127.0.0.1", port)).expect("IPv4 is served");
    }

    #[test]
    fn what_is_no_address_is_named() {
        assert_eq!(address("example", 1), Err("\"example\" is not an IP address".into()));
        assert_eq!(address("[::1]", 1), Ok(SocketAddr::from((Ipv6Addr::LOCALHOST, 1))));
    }
}
