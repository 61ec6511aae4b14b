//! Hands libFuzzer's octets to the target `receipt`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| backchat_protocol_fuzz::receipt(octets));
