use super::*;
use crate::config::settings::Settings;
use base64::{Engine, engine::general_purpose::STANDARD};
use tempfile::TempDir;

/// Certificate and key as PEM.
fn pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".into()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A folder with a pair, and settings that name its files.
fn files() -> (TempDir, Settings) {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = pair();
    put(&folder, "cert.pem", &certificate);
    put(&folder, "key.pem", &key);
    let settings = settings(&path(&folder, "cert.pem"), &path(&folder, "key.pem"), "");
    (folder, settings)
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("a path").to_owned()
}

/// By renaming, so that the file is another one however fast that goes.
fn put(folder: &TempDir, name: &str, text: &str) {
    let fresh = folder.path().join("fresh");
    fs::write(&fresh, text).expect("written");
    fs::rename(fresh, folder.path().join(name)).expect("renamed");
}

fn settings(cert: &str, key: &str, client_ca: &str) -> Settings {
    let mut settings = Settings::default();
    settings.http_server.tls = settings::Tls {
        enabled: true,
        cert_pem: cert.into(),
        key_pem: key.into(),
        client_ca_pem: client_ca.into(),
        ..Default::default()
    };
    settings
}

fn config(certificates: &Certificates, port: TlsPort) -> Arc<ServerConfig> {
    certificates.of(port).expect("encrypted").config.load_full()
}

#[test]
fn a_pair_comes_from_paths_text_or_base64() {
    let ((_folder, by_path), (cert, key)) = (files(), pair());
    let by_base64 = settings(&STANDARD.encode(&cert), &STANDARD.encode(&key), &STANDARD.encode(&cert));
    for settings in [by_path, settings(&cert, &key, &cert), by_base64] {
        let certificates = Certificates::new(&settings).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config(&certificates, TlsPort::External).alpn_protocols, [b"http/1.1".to_vec()]);
        assert!(certificates.of(TlsPort::External).and_then(|tls| tls.connection()).is_some());
        assert!(certificates.of(TlsPort::Internal).is_none() && certificates.of(TlsPort::Grpc).is_none());
    }
}

#[test]
fn what_cannot_be_used_is_told_with_option_file_and_cause() {
    let ((folder, good), (cert, key)) = (files(), pair());
    let (good_cert, good_key) = (&good.http_server.tls.cert_pem, &good.http_server.tls.key_pem);
    put(&folder, "empty.pem", "");
    put(&folder, "broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let (empty, broken, missing) =
        (path(&folder, "empty.pem"), path(&folder, "broken.pem"), path(&folder, "missing.pem"));
    for (settings, parts) in [
        (settings(&missing, good_key, ""), ["http_server.tls.cert_pem", &missing, "cannot be read"]),
        (settings(&empty, good_key, ""), ["http_server.tls.cert_pem", &empty, "no certificate"]),
        (settings(&broken, good_key, ""), ["http_server.tls.cert_pem", &broken, "invalid"]),
        (settings(good_cert, &empty, ""), ["http_server.tls.key_pem", &empty, "no private key"]),
        (settings(good_cert, &key, ""), ["http_server.tls.key_pem", good_cert, "does not belong"]),
        (settings(&cert, good_key, ""), ["http_server.tls.key_pem", good_key, "does not belong"]),
        (settings(good_cert, good_key, &empty), ["http_server.tls.client_ca_pem", &empty, "no certificate"]),
    ] {
        let error = Certificates::new(&settings).map(|_| ()).expect_err(parts[2]);
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} in {error}");
        assert!(!error.contains('\n') && !error.contains("BEGIN"), "one line without keys: {error}");
    }
}

#[test]
fn files_that_have_changed_count_when_they_rest() {
    let ((folder, settings), (cert, key)) = (files(), pair());
    let certificates = Certificates::new(&settings).expect("good");
    let first = config(&certificates, TlsPort::External);
    let is_first = || Arc::ptr_eq(&first, &config(&certificates, TlsPort::External));
    certificates.look();
    put(&folder, "cert.pem", &cert);
    certificates.look();
    put(&folder, "key.pem", &key);
    certificates.look();
    assert!(is_first(), "it may go on");
    certificates.look();
    assert!(!is_first(), "two looks found the same");
    let second = config(&certificates, TlsPort::External);
    put(&folder, "cert.pem", "broken");
    (0..3).for_each(|_| certificates.look());
    assert!(Arc::ptr_eq(&second, &config(&certificates, TlsPort::External)), "the former one stays");
    put(&folder, "cert.pem", &cert);
    (0..3).for_each(|_| certificates.look());
    assert!(Arc::ptr_eq(&second, &config(&certificates, TlsPort::External)), "the same again is no news");
}

#[test]
fn new_settings_replace_the_pair_or_leave_everything_as_it_was() {
    let ((folder, good), (cert, key)) = (files(), pair());
    let certificates = Certificates::new(&good).expect("good");
    let first = config(&certificates, TlsPort::External);
    let bad = settings(&path(&folder, "missing.pem"), &key, "");
    assert!(certificates.prepare(&bad).is_err());
    certificates.prepare(&Settings::default()).expect("told, not refused").apply();
    assert!(Arc::ptr_eq(&first, &config(&certificates, TlsPort::External)));
    certificates.prepare(&settings(&cert, &key, "")).expect("good").apply();
    let second = config(&certificates, TlsPort::External);
    assert!(Arc::ptr_eq(&first.ticketer, &second.ticketer), "sessions survive another certificate");
    certificates.prepare(&settings(&cert, &key, &cert)).expect("good").apply();
    let third = config(&certificates, TlsPort::External);
    assert!(!Arc::ptr_eq(&second.ticketer, &third.ticketer), "but not another authority of clients");
}

#[test]
fn each_port_speaks_its_protocol_and_ports_of_one_object_share_it() {
    let (_folder, mut settings) = files();
    settings.http_server.internal_port = "9000".into();
    settings.grpc_api.enabled = true;
    settings.grpc_api.tls_inherits = true;
    let certificates = Certificates::new(&settings).expect("good");
    let of = |port| certificates.of(port).expect("encrypted");
    assert!(Arc::ptr_eq(&of(TlsPort::External), &of(TlsPort::Internal)));
    assert_eq!(config(&certificates, TlsPort::Grpc).alpn_protocols, [b"h2".to_vec()]);
    assert_eq!(certificates.distinct().count(), 2);
    settings.http_server.tls_external = true;
    assert!(Certificates::new(&settings).expect("good").of(TlsPort::Internal).is_none());
}
