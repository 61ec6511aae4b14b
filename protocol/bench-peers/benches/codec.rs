//! The time each library takes: `cargo bench --manifest-path protocol/bench-peers/Cargo.toml`.
//!
//! The fastest sample is what the code takes; the others are what else the machine did. Dropping what was read or written
//! counts, making the input does not.

use backchat_protocol_bench_peers::rows::Row;
use backchat_protocol_bench_peers::{Backchat, Library, PDUS_A_READ, Rusmpp, Smpp34};
use divan::Bencher;
use divan::counter::ItemsCount;

fn main() {
    divan::main();
}

#[divan::bench(types = [Backchat, Rusmpp, Smpp34], args = Row::ALL, sample_size = 200, sample_count = 1000)]
fn decode<L: Library>(bencher: Bencher, row: Row) {
    let library = std::cell::RefCell::new(L::new(row));
    bencher
        .with_inputs(|| library.borrow().octets())
        .bench_local_values(|octets| library.borrow_mut().decode(octets));
}

/// The time is that of a hundred.
#[divan::bench(types = [Backchat, Rusmpp, Smpp34], args = Row::ALL, sample_size = 5, sample_count = 1000)]
fn decode_a_hundred_in_one_read<L: Library>(bencher: Bencher, row: Row) {
    let mut library = L::new(row);
    let read = row.octets().repeat(PDUS_A_READ);
    bencher.counter(ItemsCount::new(PDUS_A_READ)).bench_local(|| library.decode_read(&read));
}

#[divan::bench(types = [Backchat, Rusmpp, Smpp34], args = Row::ALL, sample_size = 200, sample_count = 1000)]
fn encode<L: Library>(bencher: Bencher, row: Row) {
    let library = std::cell::RefCell::new(L::new(row));
    bencher
        .with_inputs(|| library.borrow().message())
        .bench_local_values(|message| library.borrow_mut().encode(message));
}
