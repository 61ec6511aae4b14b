//! Hands libFuzzer's octets to the target `udh`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| backchat_protocol_fuzz::udh(octets));
