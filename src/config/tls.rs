//! Which TLS object encrypts which port, and what must stand in one that is enabled.

use super::{
    entries::{Entries, WarningKind},
    error::{Failure, LoadError},
    settings::{Settings, Tls},
    table::{Dialect, table},
};

/// A port that may be encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Endpoints of clients, and all others that have no port of their own.
    External,
    /// `http_server.internal_port`.
    Internal,
    /// `grpc_api.port`.
    Grpc,
}

/// The TLS objects of the server's own ports.
pub(super) const SECTIONS: [&str; 3] = ["http_server.tls", "http_server.internal_tls", "grpc_api.tls"];

impl Settings {
    /// The TLS object of a port with its path; `None` when the port is not encrypted.
    pub fn tls_of(&self, port: Port) -> Option<(&'static str, &Tls)> {
        let (http, grpc) = (&self.http_server, &self.grpc_api);
        let [main_path, internal_path, grpc_path] = SECTIONS;
        let main = Some((main_path, &http.tls)).filter(|(_, tls)| tls.enabled);
        match port {
            Port::External => main,
            Port::Internal if http.internal_tls.enabled => Some((internal_path, &http.internal_tls)),
            Port::Internal => main.filter(|_| !http.tls_external),
            Port::Grpc if grpc.tls.enabled => Some((grpc_path, &grpc.tls)),
            Port::Grpc => main.filter(|_| grpc.tls_inherits && !grpc.tls_disable),
        }
    }
}

/// An object that is enabled has a certificate and a key.
pub(super) fn check(dialect: Dialect, entries: &Entries) -> Result<(), LoadError> {
    for section in SECTIONS.into_iter().filter(|section| entries.is_on(&format!("{section}.enabled"))) {
        for (field, what) in [("cert_pem", "certificate"), ("key_pem", "private key")] {
            let path = format!("{section}.{field}");
            if entries.text(&path).is_empty() {
                let error = LoadError::new(Failure::Validating, format!("TLS is enabled without a {what}"));
                let remedy = "write the path of a PEM file, PEM text or base64 of PEM, or switch TLS off";
                return Err(error.key(name(dialect, &path)).remedy(remedy));
            }
        }
    }
    Ok(())
}

/// An option in the words of a dialect.
fn name(dialect: Dialect, path: &str) -> String {
    let keys = table().opt(path).map(|opt| &opt.v5).filter(|_| dialect == Dialect::V5);
    keys.and_then(|keys| keys.first()).map_or(path, |key| key).to_owned()
}

/// In v5 the GRPC port is encrypted as the main port is, unless it is told otherwise. That counts for those who have
/// switched TLS on in the words of v5.
pub(super) fn grpc_inherits(dialect: Dialect, entries: &Entries) -> bool {
    let Some(entry) = entries.values.get("http_server.tls.enabled") else { return false };
    dialect == Dialect::V5 || ["--tls", "CENTRIFUGO_TLS", "CORECAST_TLS"].contains(&entry.key.as_str())
}

/// Says what was switched on in vain.
pub(super) fn warn(entries: &mut Entries) {
    let path = "http_server.internal_tls.enabled";
    if entries.is_on(path) && entries.text("http_server.internal_port").is_empty() {
        let key = entries.values.get(path).map_or(path.to_owned(), |entry| entry.key.clone());
        let message = "option has no effect without http_server.internal_port";
        entries.warn(WarningKind::NotServed, message, vec![("key", key)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Loaded, Sources, load};

    fn loaded(text: &str, env: &[(&str, &str)]) -> Result<Loaded, LoadError> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load(&Sources { env, ..Sources::of_file("config.json", text) })
    }

    /// The paths of the objects that encrypt the three ports.
    fn ports(text: &str, env: &[(&str, &str)]) -> [&'static str; 3] {
        let settings = loaded(text, env).unwrap_or_else(|error| panic!("{error}")).settings;
        [Port::External, Port::Internal, Port::Grpc].map(|port| settings.tls_of(port).map_or("", |(path, _)| path))
    }

    #[test]
    fn in_v6_each_port_has_its_object_and_the_internal_one_borrows_that_of_clients() {
        let main = r#""tls": {"enabled": true, "cert_pem": "c", "key_pem": "k"}"#;
        let with = |more: &str| format!(r#"{{"http_server": {{{main}{more}}}}}"#);
        let own = r#", "internal_tls": {"enabled": true, "cert_pem": "c", "key_pem": "k"}"#;
        assert_eq!(ports("{}", &[]), ["", "", ""]);
        assert_eq!(ports(&with(""), &[]), ["http_server.tls", "http_server.tls", ""]);
        assert_eq!(ports(&with(r#", "tls_external": true"#), &[]), ["http_server.tls", "", ""]);
        assert_eq!(ports(&with(own), &[]), ["http_server.tls", "http_server.internal_tls", ""]);
        let grpc = r#"{"grpc_api": {"tls": {"enabled": true, "cert_pem": "c", "key_pem": "k"}}}"#;
        assert_eq!(ports(grpc, &[]), ["", "", "grpc_api.tls"]);
    }

    #[test]
    fn in_v5_grpc_is_encrypted_as_the_main_port_unless_it_is_told_otherwise() {
        let main = r#""tls": true, "tls_cert": "c", "tls_key": "k""#;
        let grpc = |more: &str| ports(&format!("{{{main}{more}}}"), &[])[2];
        assert_eq!(grpc(""), "http_server.tls");
        assert_eq!(grpc(r#", "grpc_api_tls_disable": true"#), "");
        assert_eq!(
            grpc(r#", "grpc_api_tls": true, "grpc_api_tls_cert": "c", "grpc_api_tls_key_pem": "k""#),
            "grpc_api.tls"
        );
        let env = [("CENTRIFUGO_TLS", "true"), ("CENTRIFUGO_TLS_CERT", "c"), ("CENTRIFUGO_TLS_KEY", "k")];
        assert_eq!(ports("{}", &env)[2], "http_server.tls", "variables of v5 without a file");
    }

    #[test]
    fn an_object_without_certificate_or_key_is_refused_in_the_words_of_its_dialect() {
        for (text, key) in [
            (r#"{"tls": true, "tls_key": "k"}"#, "tls_cert"),
            (r#"{"grpc_api_tls": true, "grpc_api_tls_cert": "c"}"#, "grpc_api_tls_key"),
            (r#"{"http_server": {"tls": {"enabled": true}}}"#, "http_server.tls.cert_pem"),
            (
                r#"{"http_server": {"internal_tls": {"enabled": true, "cert_pem": "c"}}}"#,
                "http_server.internal_tls.key_pem",
            ),
        ] {
            let error = loaded(text, &[]).expect_err(text);
            assert_eq!((error.failure, &*error.key), (Failure::Validating, key), "{error}");
            assert!(error.to_string().contains("path of a PEM file"), "{error}");
        }
    }

    #[test]
    fn an_internal_object_without_an_internal_port_is_told_to_have_no_effect() {
        let text = r#"{"http_server": {"internal_tls": {"enabled": true, "cert_pem": "c", "key_pem": "k"}}}"#;
        let warnings = loaded(text, &[]).expect("good").warnings;
        assert_eq!(warnings[0].field("key"), Some("http_server.internal_tls.enabled"));
    }
}
