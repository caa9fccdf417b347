//! The contract of the server API: what the specification says of each method, form by form, on the real binary with
//! one core and with two; what the API makes clients see; what client libraries send.

#[path = "../common/mod.rs"]
mod common;

mod actions;
mod bad_input;
mod batch;
mod causality;
mod clients;
mod config;
mod crowd;
mod forms;
mod globs;
mod grpc;
mod grpc_client;
mod grpc_services;
mod http;
mod legacy;
mod libraries;
mod modes;
mod namespaces;
mod order;
mod pattern;
mod placement;
mod pushes;
mod routes;
mod rows;
mod rows_control;
mod rows_publish;
mod rows_read;
mod walk;
