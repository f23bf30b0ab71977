//! Sockets, which no plugin is given. The runtime of a language may import them without the plugin's using them, as that
//! of Python does: such an import leads nowhere, and a call of one ends the run.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType};

/// What the names of their interfaces begin with.
const INTERFACES: &str = "wasi:sockets/";
/// The resources that they define. Others are defined elsewhere and only named by them.
const RESOURCES: [&str; 6] = [
    "network",
    "udp-socket",
    "incoming-datagram-stream",
    "outgoing-datagram-stream",
    "tcp-socket",
    "resolve-address-stream",
];

/// Links those that the component imports.
pub(super) fn link<T: 'static>(linker: &mut Linker<T>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    for (interface, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(items) = import.ty else { continue };
        if !interface.starts_with(INTERFACES) {
            continue;
        }
        let mut instance = linker.instance(interface)?;
        for (name, item) in items.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) if RESOURCES.contains(&name) => {
                    instance.resource(name, ResourceType::host::<Never>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let called = format!("{interface}#{name}");
                    instance.func_new(name, move |_, _, _, _| {
                        Err(wasmtime::Error::msg(format!(
                            "it called {called}, and no plugin is given sockets; it reaches the world through slots only"
                        )))
                    })?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// What a handle to any of it would stand for. There is none.
enum Never {}
