//! Runs the conversations in `fixtures/session/`; its README says how they are written.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use protocol::error::Deviation;
use protocol::frame::{Frame, Framer, Grade, Limits};
use protocol::octets::COctets;
use protocol::pdu::{Bind, BindResp, Body, CommandId, DataSm, HEADER_OCTETS, MessageResp, Outbind, Pdu, Sm};
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use protocol::tlv::{Tag, Tlv, Tlvs};
use protocol::version::Version;

#[test]
fn every_conversation_goes_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/session");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "conversations are missing from {}", folder.display());
    let wrong: Vec<String> = files
        .iter()
        .filter_map(|path| {
            let script = std::fs::read_to_string(path).unwrap();
            let error = run(&script).err()?;
            Some(format!("{}:{error}", path.file_name().unwrap().display()))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_runner_notices_what_is_not_as_written() {
    let start = "role esme\n! bind receiver\n";
    assert!(run(&format!("{start}> bind_receiver 1\n")).is_ok());
    for wrong in ["", "> bind_receiver 2\n", "> bind_transmitter 1\n", "> bind_receiver 1\n= peer_unbound\n"]
    {
        assert!(run(&format!("{start}{wrong}")).is_err(), "{wrong:?}");
    }
    assert!(run(&format!("{start}> bind_receiver 1\n? state open\n")).is_err());
}

/// A conversation under way.
struct Stage {
    session: Session<String>,
    now: Instant,
    // Octets of the peer that wait for the rest of what comes at once.
    glued: BytesMut,
    sent: VecDeque<String>,
    told: VecDeque<String>,
    reader: Framer,
    at_once: bool,
}

fn run(script: &str) -> Result<(), String> {
    let mut settings = Settings::esme();
    let mut stage: Option<Stage> = None;
    for (line, text) in script.lines().enumerate() {
        let text = text.split_once(" #").map_or(text, |(text, _)| text).trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let at = |error: String| format!("{}: {text}: {error}", line + 1);
        if !text.starts_with(['!', '<', '>', '@', '~', '=', '?']) {
            set(&mut settings, text).map_err(at)?;
            continue;
        }
        let stage = stage.get_or_insert_with(|| Stage::new(settings.clone()));
        stage.line(text).map_err(at)?;
    }
    stage.ok_or("nothing happens")?.settled().map_err(|error| format!("at the end: {error}"))
}

fn set(settings: &mut Settings, line: &str) -> Result<(), String> {
    let (key, value) = line.split_once(' ').ok_or("a setting has a value")?;
    match key {
        "role" if value == "esme" => *settings = Settings::esme(),
        "role" if value == "smsc" => *settings = Settings::smsc(),
        "window" => settings.window = number(value)? as usize,
        "peer_window" => settings.peer_window = number(value)? as usize,
        "max_pdu_octets" => settings.max_pdu_octets = number(value)?,
        "version" => {
            let versions = [Version::V3_3, Version::V3_4, Version::V5_0];
            let named = versions.into_iter().find(|version| version.to_string() == value);
            settings.version = named.ok_or("no such version")?;
        }
        "grade" if value == "strict" => settings.grade = Grade::Strict,
        "init_timeout" => settings.init_timeout = duration(value)?,
        "enquire_link_interval" => settings.enquire_link_interval = duration(value)?,
        "response_timeout" => settings.response_timeout = duration(value)?,
        "inactivity_timeout" => settings.inactivity_timeout = Some(duration(value)?),
        "unbind_timeout" => settings.unbind_timeout = duration(value)?,
        _ => return Err("no such setting".into()),
    }
    Ok(())
}

impl Stage {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Stage {
            session: Session::new(now, settings),
            now,
            glued: BytesMut::new(),
            sent: VecDeque::new(),
            told: VecDeque::new(),
            reader: Framer::new(Limits::default(), Grade::Lenient),
            at_once: false,
        }
    }

    fn line(&mut self, text: &str) -> Result<(), String> {
        let (mark, rest) = text.split_at(1);
        let (rest, at_once) = rest.strip_prefix('+').map_or((rest, false), |rest| (rest, true));
        let rest = rest.trim();
        match mark {
            ">" => return expect(&mut self.sent, rest, "sent"),
            "=" => return expect(&mut self.told, rest, "told"),
            "?" => return self.check(rest),
            _ => {}
        }
        if !self.at_once {
            self.settled()?;
        }
        if mark != "<" && !self.glued.is_empty() {
            let octets = self.glued.split();
            self.session.handle_bytes(self.now, &octets);
        }
        match mark {
            "<" => self.glued.extend_from_slice(&octets_of(rest)?),
            "!" => self.command(rest)?,
            "~" => {
                self.now += duration(rest.strip_prefix('+').unwrap_or(rest))?;
                self.session.handle_timeout(self.now);
            }
            _ => self.wait(duration(rest.strip_prefix('+').unwrap_or(rest))?),
        }
        self.at_once = at_once;
        if at_once {
            return Ok(());
        }
        let octets = self.glued.split();
        if !octets.is_empty() {
            self.session.handle_bytes(self.now, &octets);
        }
        self.take()
    }

    fn command(&mut self, line: &str) -> Result<(), String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let now = self.now;
        let refused = match verb {
            "bind" => {
                let (mode, version) = rest.split_once(" version=").unwrap_or((rest, "0x34"));
                let mode = match mode {
                    "transmitter" => BindMode::Transmitter,
                    "receiver" => BindMode::Receiver,
                    "transceiver" => BindMode::Transceiver,
                    _ => return Err("no such mode".into()),
                };
                self.session.bind(now, mode, bind(number(version)? as u8)).err()
            }
            "request" => {
                let tag =
                    rest.split_once('"').map_or(rest, |(_, text)| text.trim_end_matches('"')).to_owned();
                let (command, text) = rest.split_once(' ').unwrap_or((rest, ""));
                let pdu = pdu_of(&format!("{command} 0 {text}"))?;
                self.session.request(now, pdu.body, tag).err().map(|(refusal, _)| refusal)
            }
            "respond" => {
                let pdu = pdu_of(rest)?;
                self.session.respond(now, pdu.sequence, pdu.status, pdu.body).err()
            }
            "notify" => self.session.notify(now, pdu_of(&format!("{rest} 0"))?.body).err(),
            "unbind" => {
                self.session.unbind(now);
                None
            }
            "closed" => {
                self.session.handle_closed(now);
                None
            }
            _ => return Err("no such command".into()),
        };
        if let Some(refusal) = refused {
            self.told.push_back(format!("refused: {refusal}"));
        }
        Ok(())
    }

    /// Lets time pass as a driver does: each timer is served when it fires.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.session.poll_timeout().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.session.handle_timeout(self.now);
            assert!(
                self.session.poll_timeout().is_none_or(|next| next > self.now),
                "a timer does not move on"
            );
        }
        self.now = until;
        self.session.handle_timeout(self.now);
    }

    /// Takes what the session says: everything it writes must come as one buffer of whole, clean PDUs.
    fn take(&mut self) -> Result<(), String> {
        if let Some(octets) = self.session.poll_transmit() {
            self.reader.push(&octets);
            while let Some(frame) = self.reader.next() {
                match frame {
                    Ok(Frame::Clean(pdu)) => self.sent.push_back(show(&pdu)),
                    // The number is the peer's.
                    Ok(Frame::Tolerated(pdu, found)) if found.contains(Deviation::SequenceZero) => {
                        self.sent.push_back(show(&pdu));
                    }
                    other => return Err(format!("wrote {other:?}")),
                }
            }
        }
        if self.session.poll_transmit().is_some() || self.reader.buffered() > 0 {
            return Err("did not write everything as one buffer of whole PDUs".into());
        }
        while let Some(event) = self.session.poll_event() {
            self.told.push_back(tell(&event));
        }
        Ok(())
    }

    fn settled(&self) -> Result<(), String> {
        match (self.sent.front(), self.told.front()) {
            (None, None) => Ok(()),
            (Some(sent), _) => Err(format!("before this, not written in the script: > {sent}")),
            (_, Some(told)) => Err(format!("before this, not written in the script: = {told}")),
        }
    }

    fn check(&self, line: &str) -> Result<(), String> {
        let (what, value) = line.split_once(' ').ok_or("a question has an answer")?;
        let is = match what {
            "state" => self.session.state().to_string(),
            "window_room" => self.session.window_room().to_string(),
            "in_flight" => self.session.in_flight().to_string(),
            "version" => self.session.version().to_string(),
            "owed" => self.session.owed().to_string(),
            "wants_read" => if self.session.wants_read() { "yes" } else { "no" }.to_owned(),
            _ => return Err("no such question".into()),
        };
        if is == value { Ok(()) } else { Err(format!("it is {is}")) }
    }
}

fn expect(queue: &mut VecDeque<String>, line: &str, what: &str) -> Result<(), String> {
    match queue.pop_front() {
        Some(is) if is == line => Ok(()),
        Some(is) => Err(format!("{what} instead: {is}")),
        None => Err(format!("nothing was {what}")),
    }
}

fn number(text: &str) -> Result<u32, String> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    }
    .map_err(|error| format!("{text}: {error}"))
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Some(text) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(number(text)?.into()));
    }
    let text = text.strip_suffix('s').ok_or("a time ends in s or ms")?;
    Ok(Duration::from_secs(number(text)?.into()))
}

fn bind(interface_version: u8) -> Bind {
    Bind { system_id: "client".into(), interface_version, ..Bind::default() }
}

fn octets_of(line: &str) -> Result<Bytes, String> {
    if let Some(text) = line.strip_prefix("octets ") {
        return Ok(Bytes::copy_from_slice(text.trim_matches('"').as_bytes()));
    }
    if let Some(hex) = line.strip_prefix("hex ") {
        return hex
            .split(' ')
            .map(|octet| u8::from_str_radix(octet, 16).map_err(|e| e.to_string()))
            .collect();
    }
    let (line, keep) = match line.rsplit_once(' ') {
        Some((line, "bare")) => (line, HEADER_OCTETS),
        Some((line, "cut")) => (line, HEADER_OCTETS + 3),
        _ => (line, usize::MAX),
    };
    let mut octets = BytesMut::new();
    pdu_of(line)?.encode(&mut octets);
    if octets.len() > keep {
        octets.truncate(keep);
        octets[..4].copy_from_slice(&(keep as u32).to_be_bytes());
    }
    Ok(octets.freeze())
}

/// Reads `submit_sm_resp 2 ok id=abc`, `deliver_sm 5 "hello"`, `0x00010201 7`.
fn pdu_of(line: &str) -> Result<Pdu, String> {
    let (line, text) =
        line.split_once('"').map_or((line, ""), |(line, text)| (line, text.trim_end_matches('"')));
    let mut words = line.split_whitespace();
    let name = words.next().ok_or("a PDU has a command")?;
    let command = match CommandId::NAMED.iter().find(|command| command.name() == Some(name)) {
        Some(&command) => command,
        None => CommandId(number(name)?),
    };
    let sequence = number(words.next().ok_or("a PDU has a sequence number")?)?;
    let mut status = Status::OK;
    let mut id = None;
    let mut version = None;
    let mut tlvs = Tlvs::new();
    for word in words {
        if let Some(value) = word.strip_prefix("id=") {
            id = Some(COctets::from(value));
        } else if let Some(value) = word.strip_prefix("version=") {
            version = Some(number(value)? as u8);
        } else if let Some(tags) = word.strip_prefix("with=") {
            for name in tags.split(',') {
                let tag =
                    Tag::NAMED.iter().find(|tag| tag.name() == Some(name)).ok_or("no such parameter")?;
                tlvs.push(Tlv::u8(*tag, 1));
            }
        } else if word != "ok" {
            let named = Status::NAMED.iter().find(|status| status.name() == Some(word));
            status = *named.ok_or_else(|| format!("{word}: no such status"))?;
        }
    }
    let id = id.or(status.is_ok().then(COctets::default));
    let message = || Sm {
        source: protocol::address::Address::international("447700900123"),
        dest: protocol::address::Address::international("447700900124"),
        short_message: Bytes::copy_from_slice(text.as_bytes()),
        tlvs: tlvs.clone(),
        ..Sm::default()
    };
    let resp = MessageResp { message_id: id.clone(), tlvs: tlvs.clone() };
    let says = version.map(|version| Tlv::u8(Tag::SC_INTERFACE_VERSION, version));
    let bind_resp = BindResp { system_id: id, tlvs: says.into_iter().collect() };
    let bind = || bind(version.unwrap_or(0x34));
    let body = match command {
        CommandId::BIND_TRANSMITTER => Body::BindTransmitter(bind()),
        CommandId::BIND_RECEIVER => Body::BindReceiver(bind()),
        CommandId::BIND_TRANSCEIVER => Body::BindTransceiver(bind()),
        CommandId::BIND_TRANSMITTER_RESP => Body::BindTransmitterResp(bind_resp),
        CommandId::BIND_RECEIVER_RESP => Body::BindReceiverResp(bind_resp),
        CommandId::BIND_TRANSCEIVER_RESP => Body::BindTransceiverResp(bind_resp),
        CommandId::OUTBIND => Body::Outbind(Outbind { system_id: "centre".into(), ..Outbind::default() }),
        CommandId::UNBIND => Body::Unbind,
        CommandId::ENQUIRE_LINK => Body::EnquireLink,
        CommandId::SUBMIT_SM => Body::SubmitSm(message()),
        CommandId::DELIVER_SM => Body::DeliverSm(message()),
        CommandId::ALERT_NOTIFICATION => Body::AlertNotification(Default::default()),
        CommandId::QUERY_SM => Body::QuerySm(Default::default()),
        CommandId::DATA_SM => Body::DataSm(DataSm { tlvs, ..DataSm::default() }),
        CommandId::BROADCAST_SM => Body::BroadcastSm(Default::default()),
        CommandId::SUBMIT_SM_RESP => Body::SubmitSmResp(resp),
        CommandId::DELIVER_SM_RESP => Body::DeliverSmResp(resp),
        CommandId::DATA_SM_RESP => Body::DataSmResp(resp),
        response if response.name().is_some() => {
            Body::bare_response(response, status).ok_or("the runner can't write that command")?
        }
        CommandId(command_id) => Body::Unknown { command_id, body: Bytes::new() },
    };
    Ok(Pdu::with_status(sequence, status, body))
}

/// The other way round: what a PDU of ours looks like in a script.
fn show(pdu: &Pdu) -> String {
    let mut line = format!("{} {}", pdu.command_id(), pdu.sequence);
    if pdu.command_id().is_response() {
        line += &if pdu.status.is_ok() { " ok".to_owned() } else { format!(" {}", pdu.status) };
    }
    let tags: Vec<_> =
        pdu.body.tlvs().into_iter().flatten().filter(|tlv| tlv.tag != Tag::SC_INTERFACE_VERSION).collect();
    if !tags.is_empty() {
        let names: Vec<_> = tags.iter().map(|tlv| tlv.tag.to_string()).collect();
        write!(line, " with={}", names.join(",")).unwrap();
    }
    let id = match &pdu.body {
        Body::SubmitSmResp(resp) | Body::DeliverSmResp(resp) | Body::DataSmResp(resp) => &resp.message_id,
        Body::BindTransmitterResp(resp) | Body::BindReceiverResp(resp) | Body::BindTransceiverResp(resp) => {
            &resp.system_id
        }
        Body::SubmitSm(sm) | Body::DeliverSm(sm) => {
            write!(line, " \"{}\"", String::from_utf8_lossy(&sm.short_message)).unwrap();
            &None
        }
        _ => &None,
    };
    if let Some(id) = id.as_ref().filter(|id| !id.is_empty()) {
        write!(line, " id={id}").unwrap();
    }
    if let Some(version) = pdu.body.tlvs().and_then(|tlvs| tlvs.get_uint(Tag::SC_INTERFACE_VERSION)) {
        write!(line, " version={version:#x}").unwrap();
    }
    line
}

fn tell(event: &Event<String>) -> String {
    let mode_name = |mode: &BindMode| format!("{mode:?}").to_lowercase();
    match event {
        Event::BindRequested { sequence, mode, bind } => {
            format!("bind_requested {} {sequence} by {}", mode_name(mode), bind.system_id)
        }
        Event::Bound { mode, system_id, version } => {
            let mut line = format!("bound {}", mode_name(mode));
            if let Some(system_id) = system_id.as_ref().filter(|id| !id.is_empty()) {
                write!(line, " with {system_id}").unwrap();
            }
            if let Some(version) = version {
                write!(line, " version {version:#x}").unwrap();
            }
            line
        }
        Event::BindRefused { status } => format!("bind_refused {status}"),
        Event::Requested { pdu, .. } => format!("requested {}", show(pdu)),
        Event::Notified { pdu, .. } => format!("notified {}", show(pdu)),
        Event::Answered { tag, response, elapsed, .. } => {
            format!("answered {tag}: {} after {elapsed:?}", show(response))
        }
        Event::Expired { tag, sequence } => format!("expired {tag}: {sequence}"),
        Event::LateAnswer { response, .. } => format!("late {}", show(response)),
        Event::Lost { tags } => format!("lost {}", tags.join(" ")),
        Event::Violated { what } => format!("violated: {what}"),
        Event::PeerUnbound => "peer_unbound".to_owned(),
        Event::Closed { reason } => format!("closed: {reason}"),
        other => format!("{other:?}"),
    }
}
