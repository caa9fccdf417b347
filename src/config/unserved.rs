//! Options that are recognised and have no effect yet: a warning by name, or a refusal where starting without the
//! effect would be dangerous (another engine, a proxy that decides, encryption).

use super::{
    entries::{Entries, Entry, WarningKind},
    error::{Failure, LoadError},
    served::{NAMESPACES, WITHOUT_NAMESPACE, is_served, is_served_in_namespace},
};
use std::collections::BTreeSet;

/// What becomes of an option that is not served when it says something else than its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// A warning by name.
    Warned,
    /// The start fails: this is why.
    Refused(&'static str),
}

const ENGINE: &str = "this version keeps everything in memory of one node";
const PROXY: &str = "this version calls no backend: what the proxy decides would go undecided";
const TLS: &str = "this version does not encrypt that connection, or gets no certificates by itself";

/// The rule for the v6 path (or the v5 key) of an option, or for a field of an object, which is not served.
pub fn unserved(path: &str) -> Unserved {
    let sections = ["engine.", "broker.", "presence_manager.", "map_broker.", "controller.", "tarantool_"];
    let is_tls = |part: &str| part == "tls" || part.starts_with("tls_") || part.ends_with("_tls");
    if sections.iter().any(|section| path.starts_with(section)) {
        Unserved::Refused(ENGINE)
    } else if path.starts_with("admin.") || path.ends_with("_tls_disable") {
        Unserved::Warned
    } else if path.contains("proxy") || path.contains("proxies") {
        Unserved::Refused(PROXY)
    } else if path.split('.').any(is_tls) {
        Unserved::Refused(TLS)
    } else {
        Unserved::Warned
    }
}

/// Refuses or warns about everything that was said in vain.
pub(super) fn check(entries: &mut Entries) -> Result<(), LoadError> {
    let mut ignored = BTreeSet::new();
    for (path, entry) in entries.values.iter().filter(|(path, entry)| entry.changed && !is_served(path)) {
        judge(path, entry, &mut ignored)?;
    }
    for item in entries.lists.get(NAMESPACES).into_iter().flatten() {
        let fields = item.values.iter().filter(|(field, entry)| entry.changed && !is_served_in_namespace(field));
        for (field, entry) in fields {
            judge(field, entry, &mut ignored)?;
        }
    }
    for item in entries.lists.get("rpc.namespaces").into_iter().flatten() {
        for (field, entry) in item.values.iter().filter(|(field, entry)| entry.changed && **field != "name") {
            judge(field, entry, &mut ignored)?;
        }
    }
    for key in ignored {
        entries.warn(WarningKind::NotServed, "option is not served yet and has no effect", vec![("key", key)]);
    }
    Ok(())
}

fn judge(path: &str, entry: &Entry, ignored: &mut BTreeSet<String>) -> Result<(), LoadError> {
    match unserved(path.strip_prefix(WITHOUT_NAMESPACE).unwrap_or(path)) {
        Unserved::Warned => {
            ignored.insert(entry.key.clone());
            Ok(())
        }
        Unserved::Refused(reason) => {
            let remedy = "remove the option, or serve it from Centrifugo until this is there";
            Err(entry.error(Failure::NotServed, reason).remedy(remedy))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_dangerous_to_ignore_is_refused() {
        for path in [
            "engine.type",
            "broker.enabled",
            "http_server.tls_autocert.enabled",
            "uni_grpc.tls.enabled",
            "tls_autocert",
            "client.proxy.connect.enabled",
            "channel.proxy.subscribe.endpoint",
            "subscribe_proxy_enabled",
            "map.publish_proxy_enabled",
            "proxies",
            "granular_proxy_mode",
            "tarantool_address",
        ] {
            assert!(matches!(unserved(path), Unserved::Refused(_)), "{path}");
        }
    }

    #[test]
    fn what_is_merely_missing_is_warned_about() {
        for path in ["sse.enabled", "history_size", "admin.enabled", "grpc_api.enabled", "uni_websocket.compression"] {
            assert_eq!(unserved(path), Unserved::Warned, "{path}");
        }
    }
}
