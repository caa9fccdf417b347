//! An authority, the certificates that it signs, and clients that trust it.

use super::server::{PATIENCE, parse_answer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// An encrypted connection.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `localhost`.
    pub fn issue(&self) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".into()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.0).expect("signed");
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A client that trusts this authority and shows `own`.
    pub fn client(&self, own: Option<&Pair>) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        let config = |versions: &[_]| {
            let builder = ClientConfig::builder_with_provider(default_provider().into());
            let builder = builder.with_protocol_versions(versions).expect("versions");
            let builder = builder.with_root_certificates(roots.clone());
            Arc::new(match own {
                None => builder.with_no_client_auth(),
                Some(pair) => builder.with_client_auth_cert(pair.chain(), pair.key()).expect("a pair"),
            })
        };
        Client { new: config(&[&TLS13]), old: config(&[&TLS12]) }
    }
}

impl Pair {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<std::result::Result<_, _>>().expect("PEM")
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM")
    }
}

/// TLS 1.3 and TLS 1.2.
pub struct Client {
    pub new: Arc<ClientConfig>,
    pub old: Arc<ClientConfig>,
}

/// A connection whose handshake is over; the error of the server's alert otherwise.
pub fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> Result<Stream> {
    let socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let client = ClientConnection::new(config.clone(), "localhost".try_into().expect("a name")).expect("a client");
    let mut stream = StreamOwned::new(client, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// One request on a connection of its own; returns status and body. The server says close_notify.
pub fn request(config: &Arc<ClientConfig>, address: SocketAddr, path: &str, body: &str) -> Result<(u16, String)> {
    let mut stream = connect(config, address)?;
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: k\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(parse_answer(&answer))
}
