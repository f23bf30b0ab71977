//! The contract's types and traits, generated from `wit/redis.wit`.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package taskhost:redis-room;
        world room { import taskhost:host/redis@0.1.0; }
    ",
    world: "taskhost:redis-room/room",
    imports: { default: trappable },
    with: { "taskhost:host/redis.store": super::host::Store },
    trappable_error_type: { "taskhost:host/redis.error" => super::error::Error },
});
pub(super) use self::taskhost::host::redis::*;
