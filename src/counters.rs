//! Per-core cells that count what happens. One core writes a cell, anyone may read it: no locked instruction.
//!
//! Names and labels are Centrifugo's (v6, prefix `centrifugo_`, and v5's where dashboards rely on them); what is only
//! ours has the prefix `corecast_`. One row of the list is one metric, from which `/metrics` and the figures of `info`
//! are made (`api::series`). Counters never go back, gauges do. Labels of closed sets: `tally`; API calls: `calls`.

use crate::calls::Calls;
use crate::tally::{Action, DisconnectCode, Labels, ReplyError, Set, Tally, UnsubscribeCode};
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

/// What kind of metric it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Grows and falls.
    Gauge,
    /// Quantiles of the last minutes, sum and count.
    Summary,
    /// Buckets, sum and count.
    Histogram,
}

/// One row of the list: how cells are shown.
pub struct Row {
    /// Prometheus name.
    pub name: &'static str,
    /// Text of `# HELP`.
    pub help: &'static str,
    /// Text of `# TYPE`.
    pub kind: Kind,
    /// Labels that all its cells have; may be empty.
    pub labels: &'static [(&'static str, &'static str)],
    /// The cells of one core: one, or one for each value of a set.
    pub cells: fn(&Counters) -> &[Cell],
    /// The labels of a cell by its place.
    pub place_labels: fn(usize) -> Labels,
}

/// `cells` stand alone, `twins` show a cell under a second name, `tallies` have a cell for each value of a set.
macro_rules! counters {
    (
        cells {$(
            $cell:ident, $cell_kind:ident, $cell_name:literal, [$($cell_label:ident = $cell_value:literal),*], $cell_help:literal;
        )*}
        twins {$(
            $twin:ident, $twin_kind:ident, $twin_name:literal, [$($twin_label:ident = $twin_value:literal),*], $twin_help:literal;
        )*}
        tallies {$(
            $tally:ident: $set:ident, $tally_name:literal, [$($tally_label:ident = $tally_value:literal),*], $tally_help:literal;
        )*}
    ) => {
        /// All cells of one core.
        #[derive(Default)]
        pub struct Counters {
            $(#[doc = $cell_help] pub $cell: Cell,)*
            $(#[doc = $tally_help] pub $tally: Tally<$set, { <$set as Set>::PLACES }>,)*
            /// Calls of the server API.
            pub api: Calls,
        }

        /// The list from which `/metrics` is made; rows of one name stand together.
        pub const ROWS: &[Row] = &[
            $(Row {
                name: $cell_name,
                help: $cell_help,
                kind: Kind::$cell_kind,
                labels: &[$((stringify!($cell_label), $cell_value)),*],
                cells: |c| std::slice::from_ref(&c.$cell),
                place_labels: |_| Labels::new(),
            },)*
            $(Row {
                name: $twin_name,
                help: $twin_help,
                kind: Kind::$twin_kind,
                labels: &[$((stringify!($twin_label), $twin_value)),*],
                cells: |c| std::slice::from_ref(&c.$twin),
                place_labels: |_| Labels::new(),
            },)*
            $(Row {
                name: $tally_name,
                help: $tally_help,
                kind: Kind::Counter,
                labels: &[$((stringify!($tally_label), $tally_value)),*],
                cells: |c| c.$tally.cells(),
                place_labels: <$set as Set>::labels,
            },)*
        ];
    };
}

counters! {
    cells {
        publications_received, Counter, "centrifugo_node_messages_received_count", [type = "publication", channel_namespace = ""],
            "Messages that reached the node, by type.";
        joins_received, Counter, "centrifugo_node_messages_received_count", [type = "join", channel_namespace = ""],
            "Messages that reached the node, by type.";
        leaves_received, Counter, "centrifugo_node_messages_received_count", [type = "leave", channel_namespace = ""],
            "Messages that reached the node, by type.";
        controls_received, Counter, "centrifugo_node_messages_received_count", [type = "control", channel_namespace = ""],
            "Messages that reached the node, by type.";
        publications_sent, Counter, "centrifugo_node_messages_sent_count", [type = "publication", channel_namespace = ""],
            "Messages that the node handed to its broker, by type.";
        joins_sent, Counter, "centrifugo_node_messages_sent_count", [type = "join", channel_namespace = ""],
            "Messages that the node handed to its broker, by type.";
        leaves_sent, Counter, "centrifugo_node_messages_sent_count", [type = "leave", channel_namespace = ""],
            "Messages that the node handed to its broker, by type.";
        controls_sent, Counter, "centrifugo_node_messages_sent_count", [type = "control", channel_namespace = ""],
            "Messages that the node handed to its broker, by type.";
        deliveries, Counter, "corecast_deliveries_total", [], "Publications marked for a subscriber.";
        publications_without_listener, Counter, "corecast_publications_without_listener_total", [],
            "Publications that no core listened to.";
        suppressed_by_idempotency, Counter, "centrifugo_broker_publish_suppressed_count", [reason = "idempotency", channel_namespace = ""],
            "Publications that were not published, by reason.";
        suppressed_by_version, Counter, "centrifugo_broker_publish_suppressed_count", [reason = "version", channel_namespace = ""],
            "Publications that were not published, by reason.";
        idempotency_keys_evicted, Counter, "corecast_idempotency_keys_evicted_total", [],
            "Idempotency keys forgotten early because there were too many.";
        recovered_lists_encoded, Counter, "corecast_recovered_lists_encoded_total", [],
            "Lists of missed publications that were encoded, once for all clients that get them in one form.";
        recovered_lists_shared, Counter, "corecast_recovered_lists_shared_total", [],
            "Lists of missed publications that clients got as they had been encoded for others.";
        recovered_lists_deflated, Counter, "corecast_recovered_lists_deflated_total", [],
            "Lists of missed publications that were compressed, once for all clients that get them.";
        connections_accepted, Counter, "corecast_sockets_accepted_total", [], "Sockets accepted, of any protocol.";
        connections_refused, Counter, "centrifugo_node_client_connection_limit", [],
            "Connections refused by the connection limits or for want of descriptors.";
        clients_accepted, Counter, "centrifugo_client_connections_accepted", [transport = "websocket", accept_protocol = "", client_name = "", client_version = ""],
            "Clients that connected.";
        subscriptions_accepted, Counter, "centrifugo_client_subscriptions_accepted", [client_name = "", channel_namespace = ""],
            "Subscriptions that clients got.";
        commands, Counter, "corecast_client_commands_total", [], "Commands of clients.";
        reply_errors, Counter, "corecast_client_reply_errors_total", [], "Error replies to clients.";
        grpc_calls, Counter, "corecast_grpc_calls_total", [], "GRPC calls.";
        http_requests, Counter, "corecast_http_requests_total", [], "HTTP requests, upgrades included.";
        http_refused, Counter, "corecast_http_requests_refused_total", [], "Requests refused by framing or limits.";
        websocket_violations, Counter, "corecast_websocket_violations_total", [],
            "WebSockets closed for a broken frame.";
        messages_received, Counter, "centrifugo_transport_messages_received", [transport = "websocket", frame_type = "", channel_namespace = ""],
            "Messages of clients.";
        messages_received_bytes, Counter, "centrifugo_transport_messages_received_size", [transport = "websocket", frame_type = "", channel_namespace = ""],
            "Bytes of the messages of clients, without framing.";
        messages_sent, Counter, "centrifugo_transport_messages_sent", [transport = "websocket", frame_type = "", channel_namespace = ""],
            "Messages to clients.";
        messages_sent_bytes, Counter, "centrifugo_transport_messages_sent_size", [transport = "websocket", frame_type = "", channel_namespace = ""],
            "Bytes of the messages to clients, before compression.";
        deflated_messages, Counter, "corecast_deflated_messages_total", [],
            "Messages that were compressed, once for all who get them.";
        deflated_bytes_in, Counter, "corecast_deflated_input_bytes_total", [], "Bytes of these messages before.";
        deflated_bytes_out, Counter, "corecast_deflated_output_bytes_total", [], "Bytes of these messages after.";
        inflated_messages, Counter, "corecast_inflated_messages_total", [], "Compressed messages of clients.";
        inflated_bytes_in, Counter, "corecast_inflated_input_bytes_total", [], "Bytes of these messages as they came.";
        inflated_bytes_out, Counter, "corecast_inflated_output_bytes_total", [], "Bytes of these messages inflated.";
        connections_handed_over, Counter, "corecast_connections_handed_over_total", [],
            "Connections that went to another core than the one that accepted them.";
        bytes_received, Counter, "corecast_received_bytes_total", [], "Bytes read from sockets.";
        bytes_sent, Counter, "corecast_sent_bytes_total", [], "Bytes taken by the kernel for sockets.";
        writes, Counter, "corecast_writes_total", [], "Send calls.";
        short_writes, Counter, "corecast_short_writes_total", [], "Sends that the kernel took in part or not at all.";
        slow_clients, Counter, "corecast_slow_clients_total", [], "Clients disconnected because their queue was full.";
        catch_ups_begun, Counter, "corecast_catch_ups_begun_total", [],
            "Subscriptions of slow clients that fell behind instead of costing the connection.";
        catch_ups_completed, Counter, "corecast_catch_ups_completed_total", [],
            "Subscriptions that have caught up from history.";
        catch_ups_failed, Counter, "corecast_catch_ups_failed_total", [],
            "Subscriptions ended because history does not reach back to where they fell behind.";
        catch_up_dropped, Counter, "corecast_catch_up_dropped_publications_total", [],
            "Publications taken out of the queues of slow clients, to be read again from history.";
        mesh_sent, Counter, "corecast_mesh_messages_total", [], "Messages to other cores.";
        mesh_spilled, Counter, "corecast_mesh_spilled_total", [], "Messages that found the queue of another core full.";
        receive_buffers_empty, Counter, "corecast_receive_buffers_exhausted_total", [],
            "Receives that found no free buffer.";
        accept_errors, Counter, "corecast_accept_errors_total", [], "Failed accepts, for want of descriptors mostly.";
        tls_errors, Counter, "corecast_tls_errors_total", [], "Encrypted connections ended by an error of TLS.";
        connection_panics, Counter, "corecast_connection_panics_total", [],
            "Connections closed because decoding their bytes, or a step of their session, panicked.";
        connections, Gauge, "corecast_sockets", [], "Open sockets.";
        grpc_connections, Gauge, "corecast_grpc_connections", [], "Open connections of the GRPC port.";
        clients, Gauge, "centrifugo_node_num_clients", [], "Connected clients.";
        users, Gauge, "centrifugo_node_num_users", [],
            "Users of connected clients; one who is connected to several cores counts once on each.";
        subscriptions, Gauge, "centrifugo_node_num_subscriptions", [], "Subscriptions of clients.";
        channels, Gauge, "centrifugo_node_num_channels", [], "Channels with subscribers.";
        channels_with_state, Gauge, "corecast_channels_with_state", [], "Channels that have history or presence.";
        history_publications, Gauge, "corecast_history_publications", [], "Publications kept in histories.";
        history_bytes, Gauge, "corecast_history_bytes", [], "Bytes of the publications kept in histories.";
        slow_callers, Counter, "corecast_slow_callers_total", [],
            "Connections of HTTP and GRPC that were cut because their peer took nothing of what waited for it.";
        slow_messages, Counter, "corecast_slow_messages_total", [],
            "WebSockets closed (1008) because a message took too long to become whole.";
        rate_limited, Counter, "corecast_rate_limited_clients_total", [],
            "Clients disconnected (3013) because they sent too many commands, or frames that say nothing.";
        refused_by_address, Counter, "corecast_connections_refused_by_address_total", [],
            "Connections closed at once because their address had too many, or too many at a time.";
        grpc_cut, Counter, "corecast_grpc_connections_cut_total", [],
            "Connections of the GRPC port that were ended because the peer broke HTTP/2 or its bounds.";
        overload_steps, Counter, "corecast_overload_steps_total", [], "Steps of the overload ladder, up and down.";
        overload_pauses, Counter, "corecast_overload_pauses_total", [],
            "Pauses in reading a connection that published while memory was scarce.";
        overload_refused, Counter, "corecast_overload_connections_refused_total", [],
            "Clients refused because memory was scarce.";
        overload_cuts, Counter, "corecast_overload_cuts_total", [],
            "Connections cut, or made to catch up later, because most waited for them while memory was scarce.";
        overload_publications_refused, Counter, "corecast_overload_publications_refused_total", [],
            "Publications refused because memory was scarce.";
        memory_receive, Gauge, "corecast_memory_bytes", [purpose = "receive"], "Bytes held, by purpose.";
        memory_input, Gauge, "corecast_memory_bytes", [purpose = "input"], "Bytes held, by purpose.";
        memory_output, Gauge, "corecast_memory_bytes", [purpose = "output"], "Bytes held, by purpose.";
        memory_history, Gauge, "corecast_memory_bytes", [purpose = "history"], "Bytes held, by purpose.";
        memory_recovered, Gauge, "corecast_memory_bytes", [purpose = "recovered"], "Bytes held, by purpose.";
        memory_presence, Gauge, "corecast_memory_bytes", [purpose = "presence"], "Bytes held, by purpose.";
        memory_connections, Gauge, "corecast_memory_bytes", [purpose = "connections"], "Bytes held, by purpose.";
        presence_entries, Gauge, "corecast_presence_entries", [], "Clients present in channels.";
    }
    twins {
        connections_refused, Counter, "centrifugo_client_connection_limit_reached_total", [],
            "Connections refused; the name of v5.";
        clients_accepted, Counter, "centrifugo_transport_connect_count", [transport = "websocket"],
            "Clients that connected; the name of v5.";
        clients, Gauge, "centrifugo_client_connections_inflight", [transport = "websocket", accept_protocol = "", client_name = "", client_version = ""],
            "Connected clients, by transport.";
        subscriptions, Gauge, "centrifugo_client_subscriptions_inflight", [client_name = "", channel_namespace = ""],
            "Subscriptions of clients, by name of the client.";
    }
    tallies {
        actions: Action, "centrifugo_node_action_count", [channel_namespace = ""],
            "What the node did for its clients and with its broker.";
        reply_errors_by_code: ReplyError, "centrifugo_client_num_reply_errors", [channel_namespace = ""],
            "Error replies to clients, by method and code.";
        unsubscribes: UnsubscribeCode, "centrifugo_client_num_server_unsubscribes", [channel_namespace = ""],
            "Subscriptions ended by the server, by code.";
        disconnects: DisconnectCode, "centrifugo_client_num_server_disconnects", [],
            "Disconnects by the server, by code.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_name_stand_together_and_share_their_help() {
        for (at, row) in ROWS.iter().enumerate() {
            let last = ROWS.iter().rposition(|r| r.name == row.name).expect("itself");
            let together = &ROWS[at..=last];
            assert!(
                together.iter().all(|r| (r.name, r.help, r.kind) == (row.name, row.help, row.kind)),
                "{}",
                row.name
            );
        }
    }
}
