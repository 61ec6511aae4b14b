//! Hands libFuzzer's octets to the target `text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| backchat_protocol_fuzz::text(octets));
