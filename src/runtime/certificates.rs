//! Settings to what rustls needs, port by port, and its replacement while the server runs.
//!
//! A port has one configuration for all cores, so that a ticket which one core gave is good on the others. It is replaced
//! as a whole: connections keep the one that they began with. Files are looked at from time to time; what has changed
//! counts once two looks have found the same, since certificate and key are rarely written at one moment. What cannot be
//! used is told once, and the former configuration stays.
//!
//! Not here: the bytes of connections (`tls`), which object encrypts which port (`config`).

use super::tls::Tls;
use crate::config::{Pem, TlsPort, settings};
use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

/// TLS of all ports of the process.
pub struct Certificates {
    external: Option<Arc<Encryption>>,
    internal: Option<Arc<Encryption>>,
    grpc: Option<Arc<Encryption>>,
}

/// New configurations for ports that are encrypted, all of them usable.
pub struct Replacement(Vec<(Arc<Encryption>, Made)>);

impl Certificates {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// Something cannot be used: option, file and cause.
    pub fn new(settings: &settings::Settings) -> Result<Certificates, String> {
        let make = |port| Origin::of(settings, port).map(|origin| Encryption::new(origin, port)).transpose();
        let external = make(TlsPort::External)?;
        let is_shared = |tls: &Encryption| settings.tls_of(TlsPort::Internal).is_some_and(|(path, _)| tls.is_of(path));
        let internal = match &external {
            _ if settings.http_server.internal_port.is_empty() => None,
            Some(tls) if is_shared(tls) => external.clone(),
            _ => make(TlsPort::Internal)?,
        };
        let grpc = if settings.grpc_api.enabled { make(TlsPort::Grpc)? } else { None };
        Ok(Certificates { external, internal, grpc })
    }

    /// How connections of a port are encrypted, for its listener. `None`: not at all.
    pub fn of(&self, port: TlsPort) -> Option<Arc<Encryption>> {
        match port {
            TlsPort::External => self.external.clone(),
            TlsPort::Internal => self.internal.clone(),
            TlsPort::Grpc => self.grpc.clone(),
        }
    }

    /// Each configuration once.
    fn distinct(&self) -> impl Iterator<Item = (TlsPort, &Arc<Encryption>)> {
        let is_own = |tls: &&Arc<Encryption>| !self.external.as_ref().is_some_and(|main| Arc::ptr_eq(main, tls));
        let external = self.external.iter().map(|tls| (TlsPort::External, tls));
        let internal = self.internal.iter().filter(is_own).map(|tls| (TlsPort::Internal, tls));
        external.chain(internal).chain(self.grpc.iter().map(|tls| (TlsPort::Grpc, tls)))
    }

    /// Reads everything again under new settings. Whether a port is encrypted at all is decided at the start.
    ///
    /// # Errors
    /// As [`Certificates::new`]; then nothing has changed.
    pub fn prepare(&self, settings: &settings::Settings) -> Result<Replacement, String> {
        let made = self.distinct().filter_map(|(port, tls)| {
            let Some(origin) = Origin::of(settings, port) else {
                tracing::warn!(?port, "TLS cannot be switched off before the next start");
                return None;
            };
            Some(tls.make(origin).map(|made| (tls.clone(), made)))
        });
        made.collect::<Result<_, _>>().map(Replacement)
    }

    /// Looks for files that have changed.
    pub fn look(&self) {
        self.distinct().for_each(|(_, tls)| tls.look());
    }
}

impl Replacement {
    /// New connections are encrypted in the new way from now on.
    pub fn apply(self) {
        self.0.into_iter().for_each(|(tls, made)| tls.apply(made));
    }
}

/// How new connections of one port are encrypted.
pub struct Encryption {
    alpn: &'static [u8],
    config: ArcSwap<ServerConfig>,
    state: Mutex<State>,
}

struct State {
    made: Made,
    /// At the last look.
    seen: Stamps,
}

/// A configuration and what it was made of.
struct Made {
    origin: Origin,
    /// Of the files before they were read.
    stamps: Stamps,
    material: Material,
    ticketer: Arc<dyn ProducesTickets>,
    config: Arc<ServerConfig>,
}

impl Encryption {
    fn new(origin: Origin, port: TlsPort) -> Result<Arc<Encryption>, String> {
        let alpn: &[u8] = if port == TlsPort::Grpc { b"h2" } else { b"http/1.1" };
        let made = Made::new(origin, alpn, None)?;
        let config = ArcSwap::new(made.config.clone());
        let state = Mutex::new(State { seen: made.stamps, made });
        Ok(Arc::new(Encryption { alpn, config, state }))
    }

    /// TLS for a connection that was accepted.
    pub fn connection(&self) -> Option<Box<Tls>> {
        Tls::new(self.config.load_full()).map(Box::new)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of(&self, section: &str) -> bool {
        self.state().made.origin.section == section
    }

    fn make(&self, origin: Origin) -> Result<Made, String> {
        Made::new(origin, self.alpn, Some(&self.state().made))
    }

    fn apply(&self, made: Made) {
        let mut state = self.state();
        if made.material != state.made.material {
            self.config.store(made.config.clone());
            tracing::info!(option = made.origin.section, "TLS certificate reloaded");
        }
        *state = State { seen: made.stamps, made };
    }

    fn look(&self) {
        let mut state = self.state();
        let stamps = state.made.origin.stamps();
        let is_still = std::mem::replace(&mut state.seen, stamps) == stamps;
        if !is_still || stamps == state.made.stamps {
            return;
        }
        // What cannot be used is told once, not at each look.
        state.made.stamps = stamps;
        let origin = state.made.origin.clone();
        drop(state);
        match self.make(origin) {
            Ok(made) => self.apply(made),
            Err(error) => tracing::error!(error, "TLS certificate not reloaded, the former one stays in force"),
        }
    }
}

impl Made {
    fn new(origin: Origin, alpn: &[u8], former: Option<&Made>) -> Result<Made, String> {
        let stamps = origin.stamps();
        let material = origin.read()?;
        // A ticket stands for the client's certificate: it must not outlive the authority that vouched for it.
        let ticketer = match former.filter(|former| former.material.client_ca == material.client_ca) {
            Some(former) => former.ticketer.clone(),
            None => aws_lc_rs::Ticketer::new().map_err(|e| format!("{}: no key for tickets: {e}", origin.section))?,
        };
        let mut config = origin.config(&material)?;
        config.alpn_protocols = vec![alpn.to_vec()];
        config.ticketer = ticketer.clone();
        // Sessions are resumed by ticket; a store would be a lock between the cores.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Made { origin, stamps, material, ticketer, config: Arc::new(config) })
    }
}

/// Where a configuration comes from: an object of the settings.
#[derive(Clone)]
struct Origin {
    section: &'static str,
    tls: settings::Tls,
    only_13: bool,
}

/// What was read: PEM.
#[derive(PartialEq)]
struct Material {
    certificates: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
    only_13: bool,
}

/// By which a change of the files is noticed.
type Stamps = [Option<Stamp>; 3];

#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let data = fs::metadata(path).ok()?;
        Some(Stamp { modified: data.modified().ok(), bytes: data.len(), inode: data.ino() })
    }
}

const CERTIFICATES: &str = "cert_pem";
const KEY: &str = "key_pem";
const CLIENT_CA: &str = "client_ca_pem";

impl Origin {
    fn of(settings: &settings::Settings, port: TlsPort) -> Option<Origin> {
        let (section, tls) = settings.tls_of(port)?;
        Some(Origin { section, tls: tls.clone(), only_13: settings.corecast.tls_min_version == "1.3" })
    }

    fn value(&self, field: &str) -> &str {
        match field {
            CERTIFICATES => &self.tls.cert_pem,
            KEY => &self.tls.key_pem,
            _ => &self.tls.client_ca_pem,
        }
    }

    fn stamps(&self) -> Stamps {
        [CERTIFICATES, KEY, CLIENT_CA].map(|field| match Pem::of(self.value(field)) {
            Pem::File(path) if !path.as_os_str().is_empty() => Stamp::of(&path),
            _ => None,
        })
    }

    fn read(&self) -> Result<Material, String> {
        let is_mutual = !self.tls.client_ca_pem.is_empty();
        Ok(Material {
            certificates: self.bytes(CERTIFICATES)?,
            key: self.bytes(KEY)?,
            client_ca: is_mutual.then(|| self.bytes(CLIENT_CA)).transpose()?,
            only_13: self.only_13,
        })
    }

    fn bytes(&self, field: &str) -> Result<Vec<u8>, String> {
        match Pem::of(self.value(field)) {
            Pem::Text(text) => Ok(text.into_bytes()),
            Pem::File(path) => {
                fs::read(&path).map_err(|error| self.bad(field, &format!("the file cannot be read ({error})")))
            }
        }
    }

    /// One line: option, file, cause.
    fn bad(&self, field: &str, cause: &str) -> String {
        match Pem::of(self.value(field)) {
            Pem::Text(_) => format!("{}.{field}: {cause}", self.section),
            Pem::File(path) => format!("{}.{field}: {}: {cause}", self.section, path.display()),
        }
    }

    fn config(&self, material: &Material) -> Result<ServerConfig, String> {
        let versions: &[_] = if material.only_13 {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let builder = ServerConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(versions)
            .map_err(|error| format!("{}: {error}", self.section))?;
        let key = SingleCertAndKey::from(self.certified_key(material)?);
        let builder = match &material.client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => builder.with_client_cert_verifier(self.verifier(pem)?),
        };
        Ok(builder.with_cert_resolver(Arc::new(key)))
    }

    /// Certificate and key, which belong together.
    fn certified_key(&self, material: &Material) -> Result<CertifiedKey, String> {
        let chain = self.chain(CERTIFICATES, &material.certificates)?;
        let key = PrivateKeyDer::from_pem_slice(&material.key).map_err(|error| match error {
            PemError::NoItemsFound => self.bad(KEY, "there is no private key in it; an encrypted one cannot be used"),
            error => self.bad(KEY, &error.to_string()),
        })?;
        let key = provider().key_provider.load_private_key(key).map_err(|e| self.bad(KEY, &e.to_string()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
            Err(Error::InconsistentKeys(_)) => {
                let other = self.bad(CERTIFICATES, "that one needs its own key");
                Err(self.bad(KEY, &format!("the key does not belong to the certificate ({other})")))
            }
            Err(error) => Err(self.bad(CERTIFICATES, &error.to_string())),
        }
    }

    fn chain(&self, field: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
        match chain {
            Ok(chain) if chain.is_empty() => Err(self.bad(field, "there is no certificate in it")),
            Ok(chain) => Ok(chain),
            Err(error) => Err(self.bad(field, &error.to_string())),
        }
    }

    /// Clients must show a certificate that one of these has signed.
    fn verifier(&self, pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, String> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain(CLIENT_CA, pem)? {
            roots.add(certificate).map_err(|error| self.bad(CLIENT_CA, &error.to_string()))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider().clone()).build();
        verifier.map_err(|error| self.bad(CLIENT_CA, &error.to_string()))
    }
}

/// The cryptography of the process.
fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider()))
}

#[cfg(test)]
#[path = "certificates_tests.rs"]
mod tests;
