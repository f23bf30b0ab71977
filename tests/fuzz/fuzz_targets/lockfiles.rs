//! See `tests/src/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| taskhost_tests::fuzz::run("lockfiles", input));
