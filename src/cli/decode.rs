//! `backchat decode`: what octets of SMPP mean, whether they come as JSON lines, as hex or in a capture.

mod alphabet;
mod capture;
mod conversation;
mod evidence;
mod facts;
mod hex;
mod ids;
mod message;
mod outcome;
mod packet;
mod print;
mod profile;
mod proposal;
mod reassembly;
mod rows;
mod seek;
mod talk;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::BytesMut;
use protocol::frame::{Frame, Grade};
use serde_json::json;

use crate::cli::paint::Surface;
use crate::cli::{Done, Failure};
use capture::{Capture, CaptureError};
use conversation::Conversations;
use evidence::Evidence;
use facts::{Item, Question};
use hex::BadHex;
use print::{Look, Numbers};
use profile::Profile;
use rows::{BadRow, RowsError};

/// Most octets of hex that are taken at once: some hundred of the largest PDUs.
const MOST_HEX_OCTETS: u64 = 32 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// JSON lines with `hex`, plain hex, or a capture (pcap, pcapng); standard input when left out or `-`
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// JSON lines out, one for each PDU; JSON lines in are always answered so
    #[arg(long)]
    json: bool,
    /// Refuse what the specification does not allow
    #[arg(long)]
    strict: bool,
    /// How the peer writes texts, where it is not as the standard has it
    #[arg(long, value_name = "PROFILE")]
    profile: Option<Profile>,
    /// In a capture: the port that SMPP is on; may be repeated. Left out, every connection is tried
    #[arg(long, value_name = "PORT")]
    port: Vec<u16>,
    /// Show phone numbers in full
    #[arg(long)]
    numbers: bool,
}

/// Carriers of one capture that a profile is drawn for.
const MOST_CARRIERS: usize = 256;

/// Octets at the start of the input that tell what it is.
const MOST_HEAD_OCTETS: usize = 64 << 10;

pub(crate) fn run(args: &Args) -> Done {
    let file = args.file.as_ref().filter(|file| file.as_os_str() != "-");
    let name = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let input: Box<dyn Read> = match file {
        Some(file) => {
            Box::new(File::open(file).map_err(|error| Failure::unreachable(format!("{name}: {error}")))?)
        }
        None => Box::new(io::stdin().lock()),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let done = decode(args, &name, input, &mut out).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match done {
        Ok(code) => Ok(code),
        // Whoever reads has seen enough.
        Err(Stop::Io(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Stop::Io(error)) => Err(Failure::unreachable(format!("{name}: {error}"))),
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

/// Why decoding ended early.
enum Stop {
    Io(io::Error),
    Failure(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Finds out what the input is, and decodes it.
fn decode(args: &Args, name: &str, mut input: impl Read, out: &mut dyn Write) -> Result<ExitCode, Stop> {
    let head = head(&mut input)?;
    let mut input = BufReader::new(Cursor::new(head.clone()).chain(input));
    let look = Look {
        surface: Surface::of_stdout(),
        numbers: if args.numbers { Numbers::Shown } else { Numbers::Masked },
        profile: args.profile,
    };
    let grade = if args.strict { Grade::Strict } else { Grade::Lenient };
    if capture::is_capture(&head) {
        return conversations(args, name, input, look, grade, out);
    }
    if is_json(&head) {
        return match rows::answer(&mut input, out, grade, args.profile) {
            Ok(0) => Ok(ExitCode::from(1)),
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(RowsError::Io(error)) => Err(Stop::Io(error)),
            // What was answered before stays answered.
            Err(RowsError::Row(BadRow { line, what })) => {
                out.flush()?;
                Err(Failure::wrong(format!("{name}:{line}: {what}")).into())
            }
        };
    }
    let mut text = Vec::new();
    input.take(MOST_HEX_OCTETS).read_to_end(&mut text)?;
    if text.len() as u64 == MOST_HEX_OCTETS {
        let most = MOST_HEX_OCTETS >> 20;
        return Err(Failure::wrong(format!(
            "{name}: more than {most} MiB; take a capture apart, or send JSON lines"
        ))
        .into());
    }
    let dumps = if is_text(&text) {
        hex::parse(&text).map_err(|BadHex { line, column, what }| {
            Failure::wrong(format!(
                "{name}:{line}:{column}: {what}\nhint: it takes JSON lines with `hex`, plain hex, pcap and pcapng"
            ))
        })?
    } else {
        // Octets as they are, as Wireshark saves a stream.
        vec![text]
    };
    if dumps.is_empty() {
        eprintln!("no octets");
        return Ok(ExitCode::from(1));
    }
    let mut number = 0;
    for (place, dump) in dumps.iter().enumerate() {
        for (index, item) in facts::items(dump, grade).iter().enumerate() {
            number += 1;
            if args.json {
                let question = Question { grade, profile: args.profile, wanted: None };
                let expect = facts::facts(item, &question);
                writeln!(out, "{}", json!({ "name": number.to_string(), "expect": expect }))?;
                continue;
            }
            if place + index > 0 {
                writeln!(out)?;
            }
            let strict = strict_error(item).filter(|_| grade == Grade::Lenient);
            write!(out, "{}", print::item(item, strict, look))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What strict mode says to an item that could be read.
fn strict_error(item: &Item) -> Option<&'static str> {
    let Item::Frame(frame) = item else { return None };
    match &**frame {
        Frame::Tolerated(_, deviations) => rows::strict_error(deviations.raw()),
        Frame::Clean(pdu) => {
            let mut octets = BytesMut::new();
            pdu.encode(&mut octets);
            rows::strict_error(&octets)
        }
        Frame::Malformed { .. } => None,
    }
}

/// The first octets, as many as tell what it is: those up to the first that is no blank, and some behind it.
fn head(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let told = head.trim_ascii_start().len();
        // A capture is told by four octets, a row by its first two signs.
        if told >= 4 || head.len() >= MOST_HEAD_OCTETS {
            return Ok(head);
        }
        match input.read(&mut piece) {
            Ok(0) => return Ok(head),
            Ok(length) => head.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether a row of JSON is at the start; C's braces hold no names.
fn is_json(head: &[u8]) -> bool {
    let rest = head.trim_ascii_start().strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    rest.is_some_and(|rest| rest.starts_with(b"\"") || rest.starts_with(b"}"))
}

fn is_text(octets: &[u8]) -> bool {
    octets.iter().all(|octet| *octet >= 0x20 || octet.is_ascii_whitespace())
}

/// Prints the conversations of a capture, and what they show of each carrier.
fn conversations(
    args: &Args,
    name: &str,
    input: impl Read,
    look: Look,
    grade: Grade,
    out: &mut dyn Write,
) -> Result<ExitCode, Stop> {
    let broken = |error: CaptureError| match error {
        CaptureError::Io(error) => Stop::Io(error),
        CaptureError::Cut => Failure::wrong(format!("{name}: the capture ends within its header")).into(),
        CaptureError::Broken(what) => {
            Failure::wrong(format!("{name}: no capture that can be read: {what}")).into()
        }
    };
    let mut capture = Capture::open(input).map_err(broken)?;
    let mut talk = Conversations::new(args.port.clone(), grade);
    let mut carriers: BTreeMap<SocketAddr, Evidence> = BTreeMap::new();
    let (mut packets, mut segments, mut strange) = (0u64, 0u64, BTreeSet::new());
    let mut show = |talk: &mut Conversations, out: &mut dyn Write| -> io::Result<()> {
        while let Some(line) = talk.poll() {
            if carriers.len() < MOST_CARRIERS || carriers.contains_key(&line.carrier) {
                carriers.entry(line.carrier).or_default().take(&line);
            }
            match args.json {
                true => writeln!(out, "{}", talk::as_json(line))?,
                false => write!(out, "{}", talk::line(&line, look))?,
            }
        }
        Ok(())
    };
    let end = loop {
        match capture.next() {
            Ok(Some(packet)) => {
                packets += 1;
                if let Some(segment) = packet::segment(packet.link, &packet.octets) {
                    segments += 1;
                    talk.push(packet.at_ns, &segment);
                    show(&mut talk, out)?;
                } else if !packet::knows_link(packet.link) {
                    strange.insert(packet.link);
                }
            }
            Ok(None) => break None,
            Err(CaptureError::Io(error)) => return Err(error.into()),
            Err(CaptureError::Cut) => break Some("it ends within a packet".to_owned()),
            Err(CaptureError::Broken(what)) => break Some(format!("it can't be read on: {what}")),
        }
    };
    talk.finish();
    show(&mut talk, out)?;
    out.flush()?;
    let warn = |what: &str| eprintln!("warning: {name}: {what}");
    if let Some(end) = end {
        warn(&end);
    }
    if !strange.is_empty() {
        warn(&format!("packets of link types {strange:?} can't be read"));
    }
    if talk.left_out() > 0 {
        warn(&format!("{} segments left out: too many connections at once", talk.left_out()));
    }
    if talk.met() == 0 {
        eprintln!("no SMPP in {packets} packets, {segments} of them TCP");
        if args.port.is_empty() {
            eprintln!("hint: name its port with --port to see what is spoken there");
        }
        return Ok(ExitCode::from(1));
    }
    for (number, (carrier, seen)) in (1..).zip(&carriers) {
        let proposal = proposal::propose(number, *carrier, seen);
        if args.json {
            writeln!(out, "{}", json!({ "proposal": proposal::as_json(*carrier, &proposal, seen) }))?;
        } else {
            let title = format!("# A profile of {carrier}, drawn from this capture:");
            writeln!(out, "\n{}\n{}", look.surface.bold(&title), proposal::as_toml(&proposal).trim_end())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
