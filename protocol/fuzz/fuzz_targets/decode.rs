//! Hands libFuzzer's octets to the target `decode`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| backchat_protocol_fuzz::decode(octets));
