//! Per-core cells that count what happens. One core writes a cell, anyone may read it: no locked instruction.
//!
//! Names and labels are Centrifugo's (v6, prefix `centrifugo_`); rendering is `metrics`. A cell never goes back
//! except the gauges at the end of the list.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number with one writer.
#[derive(Default, Debug)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Replaces the value (gauges).
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Takes `n` back (gauges).
    pub fn sub(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(n), Ordering::Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether a value may fall.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Grows and falls.
    Gauge,
}

/// One row of the list: how a cell is shown.
pub struct Row {
    /// Prometheus name.
    pub name: &'static str,
    /// Text of `# HELP`.
    pub help: &'static str,
    /// Text of `# TYPE`.
    pub kind: Kind,
    /// Labels as they stand between the braces; may be empty.
    pub labels: &'static str,
    /// The cell of one core.
    pub cell: fn(&Counters) -> &Cell,
}

macro_rules! counters {
    ($($field:ident, $kind:ident, $name:literal, $labels:literal, $help:literal;)*) => {
        /// All cells of one core.
        #[derive(Default, Debug)]
        pub struct Counters {
            $(#[doc = $help] pub $field: Cell,)*
            /// Server disconnects by code: slot 0 for codes outside 3000–3514, else code − 3000 + 1.
            pub disconnects: Disconnects,
        }

        /// The list from which `/metrics` is made; rows of one name stand together.
        pub const ROWS: &[Row] = &[$(Row {
            name: $name, help: $help, kind: Kind::$kind, labels: $labels, cell: |c| &c.$field,
        },)*];
    };
}

counters! {
    publications_received, Counter, "centrifugo_node_messages_received_count", "type=\"publication\",channel_namespace=\"\"",
        "Messages that reached the node, by type.";
    publications_sent, Counter, "centrifugo_node_messages_sent_count", "type=\"publication\",channel_namespace=\"\"",
        "Messages that the node handed to its broker, by type.";
    deliveries, Counter, "corecast_deliveries_total", "", "Publications marked for a subscriber.";
    publications_without_listener, Counter, "corecast_publications_without_listener_total", "",
        "Publications that no core listened to.";
    connections_accepted, Counter, "corecast_sockets_accepted_total", "", "Sockets accepted, of any protocol.";
    connections_refused, Counter, "centrifugo_node_client_connection_limit", "",
        "Connections refused by the connection limits or for want of descriptors.";
    clients_accepted, Counter, "centrifugo_client_connections_accepted",
        "transport=\"websocket\",accept_protocol=\"\",client_name=\"\",client_version=\"\"",
        "Clients that connected.";
    commands, Counter, "corecast_client_commands_total", "", "Commands of clients.";
    reply_errors, Counter, "corecast_client_reply_errors_total", "", "Error replies to clients.";
    api_commands, Counter, "corecast_api_commands_total", "protocol=\"http\"", "Server API calls.";
    api_errors, Counter, "corecast_api_command_errors_total", "protocol=\"http\"", "Server API errors.";
    http_requests, Counter, "corecast_http_requests_total", "", "HTTP requests, upgrades included.";
    http_refused, Counter, "corecast_http_requests_refused_total", "", "Requests refused by framing or limits.";
    websocket_violations, Counter, "corecast_websocket_violations_total", "", "WebSockets closed for a broken frame.";
    messages_received, Counter, "centrifugo_transport_messages_received", "transport=\"websocket\",frame_type=\"\",channel_namespace=\"\"",
        "WebSocket messages of clients.";
    bytes_received, Counter, "corecast_received_bytes_total", "", "Bytes read from sockets.";
    bytes_sent, Counter, "corecast_sent_bytes_total", "", "Bytes taken by the kernel for sockets.";
    writes, Counter, "corecast_writes_total", "", "Send calls.";
    short_writes, Counter, "corecast_short_writes_total", "", "Sends that the kernel took in part or not at all.";
    slow_clients, Counter, "corecast_slow_clients_total", "", "Clients disconnected because their queue was full.";
    mesh_sent, Counter, "corecast_mesh_messages_total", "", "Messages to other cores.";
    mesh_spilled, Counter, "corecast_mesh_spilled_total", "", "Messages that found the queue of another core full.";
    receive_buffers_empty, Counter, "corecast_receive_buffers_exhausted_total", "", "Receives that found no free buffer.";
    accept_errors, Counter, "corecast_accept_errors_total", "", "Failed accepts, for want of descriptors mostly.";
    tls_errors, Counter, "corecast_tls_errors_total", "",
        "Encrypted connections that failed: no TLS, no common version, no trust on one side, broken records.";
    decode_panics, Counter, "corecast_decode_panics_total", "", "Connections closed because decoding their bytes panicked.";
    connections, Gauge, "corecast_sockets", "", "Open sockets.";
    clients, Gauge, "centrifugo_node_num_clients", "", "Connected clients.";
    subscriptions, Gauge, "centrifugo_node_num_subscriptions", "", "Subscriptions of clients.";
    channels, Gauge, "centrifugo_node_num_channels", "", "Channels with subscribers.";
}

const DISCONNECT_CODES: usize = 516;

/// Disconnects counted by code.
#[derive(Debug)]
pub struct Disconnects([Cell; DISCONNECT_CODES]);

impl Default for Disconnects {
    fn default() -> Disconnects {
        Disconnects(std::array::from_fn(|_| Cell::default()))
    }
}

impl Disconnects {
    /// Counts one disconnect with `code`.
    pub fn add(&self, code: u32) {
        let place = code.checked_sub(2999).map_or(0, |n| n as usize);
        self.0[if place < DISCONNECT_CODES { place } else { 0 }].add(1);
    }

    /// Codes that occurred, ascending, with their counts; `None` stands for all codes of applications.
    pub fn iter(&self) -> impl Iterator<Item = (Option<u32>, u64)> + '_ {
        let numbered = self.0.iter().enumerate().filter(|(_, cell)| cell.get() > 0);
        numbered.map(|(place, cell)| ((place > 0).then_some(place as u32 + 2999), cell.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_name_stand_together_and_share_their_help() {
        for (at, row) in ROWS.iter().enumerate() {
            let last = ROWS.iter().rposition(|r| r.name == row.name).expect("itself");
            assert!(ROWS[at..=last].iter().all(|r| r.name == row.name), "{}", row.name);
        }
    }

    #[test]
    fn disconnect_codes_of_applications_share_one_cell() {
        let cells = Disconnects::default();
        [3000, 3501, 3501, 4001, 0, 3514].into_iter().for_each(|code| cells.add(code));
        let seen: Vec<_> = cells.iter().collect();
        assert_eq!(seen, [(None, 2), (Some(3000), 1), (Some(3501), 2), (Some(3514), 1)]);
    }
}
