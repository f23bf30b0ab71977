//! What a store holds during one run, and the part of WASI 0.2 that a guest's standard library needs: clocks, random,
//! stdio to the log; no preopened directory, no socket, no environment.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, filesystem, random};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::bindings;
use super::limits::Limits;
use crate::capability::{HasRooms, States};
use crate::report::Collector;

/// A store's data.
pub(super) struct Ctx {
    wasi: WasiCtx,
    table: ResourceTable,
    rooms: States,
    pub(super) limits: Limits,
    pub(super) collector: Collector,
}

/// The most handles that a guest may hold at once.
const MOST_HANDLES: usize = 100_000;

impl Ctx {
    pub(super) fn new(rooms: States, limits: Limits, collector: Collector) -> Self {
        let log = Log { collector: collector.clone(), line: Arc::default() };
        let mut wasi = WasiCtx::builder();
        wasi.stdout(log.clone()).stderr(log).allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        Self { wasi: wasi.build(), table, rooms, limits, collector }
    }

    /// The rooms' states, to be finished.
    pub(super) fn into_rooms(self) -> States {
        // Handles first: what they hold is given back to the rooms.
        drop(self.table);
        self.rooms
    }
}

impl HasRooms for Ctx {
    fn rooms(&mut self) -> (&mut States, &mut ResourceTable) {
        (&mut self.rooms, &mut self.table)
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// What every plugin may import, whatever it was granted.
pub(super) fn link(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    // I/O primitives, clocks, random and stdio.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |ctx| ctx.wasi.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |ctx| ctx.wasi.random())?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, Ctx::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, Ctx::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, Ctx::cli)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, Ctx::filesystem)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, Ctx::filesystem)?;
    bindings::taskhost::host::report::add_to_linker::<_, HasSelf<Collector>>(linker, |ctx: &mut Ctx| &mut ctx.collector)
}

/// Takes what a guest prints, line by line, into the run's log.
#[derive(Clone)]
struct Log {
    collector: Collector,
    line: Arc<Mutex<Vec<u8>>>,
}

/// A longer line is cut in several.
const LINE_LIMIT: usize = 4096;

impl AsyncWrite for Log {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        for byte in bytes {
            if *byte == b'\n' || line.len() >= LINE_LIMIT {
                self.collector.print(&String::from_utf8_lossy(&line));
                line.clear();
            }
            if *byte != b'\n' {
                line.push(*byte);
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}
