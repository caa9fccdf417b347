//! `corecast version`.

/// One line: name and version of the crate.
pub(super) fn text() -> String {
    format!("Corecast v{}\n", env!("CARGO_PKG_VERSION"))
}
