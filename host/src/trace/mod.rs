//! Sends each run that has ended as a trace to where OpenTelemetry's variables name: a span for the run, below it one for
//! each effect, and its findings as events of the run's span. Trace ids are runs' ids: a person finds the one by the other.
//!
//! It must never hold up or fail a run: what the collector does not take in time is dropped, and that is said.
//!
//! OTLP is written here, as JSON over the HTTP client that the host has. `opentelemetry-otlp` brings the SDK with clocks,
//! ids and batches of its own, which a run that is over has no use for, and prost and tonic for protobuf; its client over
//! hyper turns HTTP/2 on for all of the host. What is sent is one message of six fields and a list, and collectors tell
//! JSON from protobuf by its content type.

mod export;
mod settings;
mod spans;

pub use export::Exporter;
