//! What several test targets need: cores without a runtime, the real binary on a free port, a WebSocket client over any
//! byte stream.
#![allow(dead_code)]

pub mod jwks;
pub mod pure;
pub mod server;
pub mod socket;
pub mod tls;
pub mod ws;

/// The settings of a configuration text.
pub fn load(config: &str) -> corecast::config::settings::Settings {
    let sources = corecast::config::Sources::of_file("config.json", config);
    corecast::config::load(&sources).unwrap_or_else(|e| panic!("{e}")).settings
}
