//! A demo captured on the loopback and read by a decoder we did not write: `tshark` finds nothing malformed in what we
//! send, and the same PDUs as `backchat decode`. Where tshark is not installed, or may not capture, this says so.

#[path = "support/program.rs"]
mod program;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use program::{Demo, backchat, printed};
use serde_json::Value;

/// A capture under way.
struct Capture {
    child: Child,
}

impl Capture {
    /// Begins one; `None` where that can't be done here.
    fn begin(file: &Path) -> Option<Self> {
        let mut child = Command::new("dumpcap")
            .args(["-q", "-i", "lo", "-f", "tcp", "-B", "64", "-w"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut said = BufReader::new(child.stderr.take()?).lines().map_while(Result::ok);
        // It names the file once packets are taken; a refusal ends its output.
        let begun = said.any(|line| line.starts_with("File:"));
        // Its pipe must not fill up.
        std::thread::spawn(move || said.for_each(drop));
        if begun {
            return Some(Self { child });
        }
        let _ = child.wait();
        None
    }

    fn end(mut self) {
        let interrupted = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(interrupted.is_ok_and(|status| status.success()), "dumpcap can be interrupted");
        self.child.wait().expect("dumpcap ends");
    }
}

/// What tshark prints for the packets a filter lets through.
fn tshark(file: &Path, port: &str, args: &[&str]) -> String {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(file)
        .args(["-d", &format!("tcp.port=={port},smpp")])
        .args(args)
        .output()
        .expect("tshark runs");
    let (out, err) = printed(&output);
    assert!(output.status.success(), "{err}");
    out
}

/// Past the capture of the test's output: nobody may take this for a test that has passed.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: a demo read by tshark: {why}");
}

fn counted<'a>(commands: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for command in commands {
        *counts.entry(command.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn tshark_reads_a_demo_as_we_do_and_finds_nothing_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("demo.pcapng");
    if Command::new("tshark").arg("--version").output().is_err() {
        skipped("tshark is not installed");
        return;
    }
    let Some(capture) = Capture::begin(&file) else {
        skipped("dumpcap may not capture on the loopback here");
        return;
    };
    let demo = Demo::new("sqlite").contacts(60).seed(5);
    demo.run_to_its_end();
    capture.end();
    let config = fs::read_to_string(demo.path().join("backchat.toml")).expect("the demo's configuration");
    let port = config.lines().find_map(|line| line.strip_prefix("port = ")).expect("the carrier's port");

    let wrong = tshark(
        &file,
        port,
        &["-Y", &format!("tcp.port == {port} && (_ws.malformed || (smpp && _ws.expert.severity == error))")],
    );
    assert_eq!(wrong, "");
    let seen = tshark(&file, port, &["-Y", "smpp", "-T", "fields", "-e", "smpp.command_id"]);
    let theirs = counted(seen.lines().flat_map(|line| line.split(',')).filter(|id| !id.is_empty()));
    assert!(theirs.values().sum::<usize>() > 200, "{theirs:?}");

    let output =
        backchat().args(["decode", "--json", "--port", port]).arg(&file).output().expect("the program runs");
    let (out, err) = printed(&output);
    assert!(output.status.success(), "{err}");
    let rows: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let commands: Vec<String> = rows
        .iter()
        .filter(|row| row["event"] == "pdu")
        .map(|row| {
            let name = row["expect"]["command"].as_str().expect("a command");
            let known = protocol::pdu::CommandId::NAMED.iter().find(|command| command.name() == Some(name));
            format!("0x{:08x}", known.expect("a command with a name").0)
        })
        .collect();
    assert_eq!(counted(commands.iter().map(String::as_str)), theirs);
    for row in &rows {
        let expect = &row["expect"];
        assert!(expect["warnings"].is_null() && expect["error"].is_null(), "{row}");
    }
    let proposal = rows.iter().find_map(|row| row.get("proposal")).expect("a proposal");
    assert_eq!(proposal["settings"]["bind"], "transceiver");
    assert_eq!(proposal["settings"]["receipt_ids"], "same", "{proposal}");
}
