//! The instructions each library takes, which no load of the machine changes: `cargo run --release --manifest-path
//! protocol/bench-peers/Cargo.toml`. Needs valgrind: this program runs itself under callgrind for each number.

use std::error::Error;
use std::process::Command;

use backchat_protocol_bench_peers::rows::Row;
use backchat_protocol_bench_peers::{Backchat, Library, PDUS_A_READ, Rusmpp, Smpp34};

/// Enough that the first time, which takes more, does not show.
const ROUNDS: u64 = 2_000;

const WAYS: [&str; 3] = ["decode", "decode, of a hundred in one read", "encode"];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [library, way, row] = &arguments[..] {
        let row = *Row::ALL.get(row.parse::<usize>()?).ok_or("no such row")?;
        let run = match library.as_str() {
            Backchat::NAME => run::<Backchat>,
            Rusmpp::NAME => run::<Rusmpp>,
            _ => run::<Smpp34>,
        };
        run(way, row);
        return Ok(());
    }
    let libraries = [Backchat::NAME, Rusmpp::NAME, Smpp34::NAME];
    println!("| instructions | {} |", libraries.join(" | "));
    println!("| --- |{}", " ---: |".repeat(libraries.len()));
    for way in WAYS {
        for (number, row) in Row::ALL.iter().enumerate() {
            print!("| {way}: {row} |");
            for library in libraries {
                let pdus = if way == WAYS[1] { PDUS_A_READ as u64 } else { 1 };
                print!(" {} |", instructions(library, way, number)? / ROUNDS / pdus);
            }
            println!();
        }
    }
    Ok(())
}

fn run<L: Library>(way: &str, row: Row) {
    let mut library = L::new(row);
    let read = row.octets().repeat(PDUS_A_READ);
    for _ in 0..ROUNDS {
        match way {
            "decode" => {
                let octets = library.octets();
                measured_decode(&mut library, octets);
            }
            "encode" => {
                let message = library.message();
                measured_encode(&mut library, message);
            }
            _ => measured_decode_read(&mut library, &read),
        }
    }
}

#[inline(never)]
fn measured_decode<L: Library>(library: &mut L, octets: L::Octets) {
    library.decode(octets);
}

#[inline(never)]
fn measured_decode_read<L: Library>(library: &mut L, read: &[u8]) {
    library.decode_read(read);
}

#[inline(never)]
fn measured_encode<L: Library>(library: &mut L, message: L::Message) {
    library.encode(message);
}

/// What callgrind counts within the measured functions of a run of this program.
fn instructions(library: &str, way: &str, row: usize) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*measured_*"])
        .arg(std::env::current_exe()?)
        .args([library, way, &row.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told.split("Collected :").nth(1).ok_or_else(|| format!("callgrind said: {told}"))?;
    Ok(collected.split_whitespace().next().ok_or("no count")?.parse()?)
}
