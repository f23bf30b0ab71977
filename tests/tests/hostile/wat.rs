//! Guests written by hand: a core module in text, whose every instruction is the case's, made into a component of the
//! plugin's world.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A plugin named `wat` without parameters.
pub(crate) struct Guest<'a> {
    /// Imports of the core module.
    pub(crate) imports: &'a str,
    /// What `run` does before it answers well. In memory are the texts `database` (at 300, 8 bytes) and `x` (at 256);
    /// its answer is at 128. From 1024 on memory is free.
    pub(crate) run: &'a str,
    /// The body of `cabi_realloc`.
    pub(crate) realloc: &'a str,
    /// Further definitions.
    pub(crate) more: &'a str,
    /// Pages of 64 KiB that its memory begins with.
    pub(crate) pages: u32,
    /// Whether it has the optional slots `database` (sql) and `directory` (files).
    pub(crate) slots: bool,
}

impl Default for Guest<'_> {
    fn default() -> Self {
        Self { imports: "", run: "", realloc: "i32.const 4096", more: "", pages: 2, slots: false }
    }
}

/// Where the record that `describe` returns is.
const DESCRIPTION: u32 = 16;
/// Where the answer of `run` is.
const ANSWER: u32 = 128;
/// Where the records of the slots are.
const SLOTS: u32 = 512;

impl Guest<'_> {
    /// The component's bytes.
    pub(crate) fn component(&self) -> Vec<u8> {
        let Self { imports, run, realloc, more, pages, slots } = self;
        let words = |words: &[u32]| {
            let bytes = words.iter().flat_map(|word| word.to_le_bytes());
            bytes.map(|byte| format!("\\{byte:02x}")).collect::<String>()
        };
        let name = (256, 3);
        let count = if *slots { 2 } else { 0 };
        // As the canonical ABI lays records out: a text or list is its place and its length.
        let description = words(&[name.0, name.1, name.0, name.1, name.0, name.1, 0, 0, SLOTS, count, 0, 0, 0, 0]);
        let slot = |name: (u32, u32), capability: (u32, u32)| {
            let optional = 1;
            words(&[name.0, name.1, capability.0, capability.1, 0, 0, optional, 256, 3])
        };
        let slots = slot((300, 8), (320, 3)) + &slot((340, 9), (360, 5));
        let answer = words(&[0, name.0, name.1, 0]);
        let module = format!(
            r#"(module
                {imports}
                (memory (export "memory") {pages})
                {more}
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                (func (export "taskhost:host/task@0.1.0#describe") (result i32) (i32.const {DESCRIPTION}))
                (func (export "taskhost:host/task@0.1.0#run") (param i32 i32) (result i32) {run} (i32.const {ANSWER}))
                (data (i32.const {DESCRIPTION}) "{description}")
                (data (i32.const {ANSWER}) "{answer}")
                (data (i32.const 256) "wat")
                (data (i32.const 300) "database")
                (data (i32.const 320) "sql")
                (data (i32.const 340) "directory")
                (data (i32.const 360) "files")
                (data (i32.const {SLOTS}) "{slots}")
            )"#
        );
        let mut bytes = ::wat::parse_str(module).unwrap();
        let mut resolve = Resolve::default();
        resolve.push_str("random.wit", RANDOM).unwrap();
        resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).unwrap();
        let package = resolve.push_str("wat.wit", WORLD).unwrap();
        let world = resolve.select_world(&[package], Some("wat")).unwrap();
        embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8, false).unwrap();
        ComponentEncoder::default().module(&bytes).unwrap().encode().unwrap()
    }
}

const RANDOM: &str = "package wasi:random@0.2.0; interface random { get-random-bytes: func(len: u64) -> list<u8>; }";
const WORLD: &str = "
    package taskhost:hostile;
    world wat {
        import wasi:random/random@0.2.0;
        import taskhost:host/report@0.1.0;
        import taskhost:host/sql@0.1.0;
        import taskhost:host/files@0.1.0;
        export taskhost:host/task@0.1.0;
    }
";

/// A component that holds one core module with these definitions, and is of no world.
pub(crate) fn component(definitions: &str) -> Vec<u8> {
    ::wat::parse_str(format!("(component (core module {definitions}))")).unwrap()
}
