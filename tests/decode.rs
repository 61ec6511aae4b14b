//! `backchat decode`: the whole corpus of PDUs through the command, hex as people have it, and captures with their
//! conversations and the profile drawn from them.

#[path = "support/capture.rs"]
mod capture;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::io::Write;
use std::process::{Output, Stdio};

use capture::{ACK, Conversation, Packet, Wrap, pcap, pcapng};
use program::{backchat, printed, project};
use protocol::pdu::{Bind, Body, MessageResp, Pdu};
use serde_json::{Value, json};

/// Runs the command on that input.
fn decode(args: &[&str], input: &[u8]) -> Output {
    let mut child = backchat()
        .arg("decode")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("its standard input");
    let input = input.to_vec();
    // Both pipes hold little: it must be read while it is written to.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("the input is written");
    output
}

fn decoded(args: &[&str], input: &[u8]) -> String {
    let output = decode(args, input);
    let (out, err) = printed(&output);
    assert!(output.status.success(), "{err}\n{out}");
    out
}

fn rows_of(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn corpus() -> (String, Vec<Value>) {
    let text = fs::read_to_string(project("fixtures/pdu/pdus.jsonl")).expect("the corpus");
    let rows = rows_of(&text);
    (text, rows)
}

fn holds_all(text: &str, wanted: &[&str]) {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in wanted {
        assert!(flat.contains(part), "`{part}` is not in:\n{text}");
    }
}

#[test]
fn every_row_of_the_corpus_gives_its_own_expect() {
    let (text, rows) = corpus();
    let found = rows_of(&decoded(&[], text.as_bytes()));
    assert_eq!(found.len(), rows.len());
    for (row, found) in rows.iter().zip(&found) {
        for key in ["name", "expect", "strict_error"] {
            assert_eq!(found.get(key), row.get(key), "{key} of {}", row["name"]);
        }
    }
}

/// Whether `found` says all that `wanted` does.
fn says(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| says(found, wanted)))
        }
        (found, wanted) => found == wanted,
    }
}

#[test]
fn without_being_told_what_is_wanted_it_says_at_least_what_the_corpus_does() {
    let (_, rows) = corpus();
    let bare: String =
        rows.iter().map(|row| format!("{}\n", json!({ "name": row["name"], "hex": row["hex"] }))).collect();
    let found = rows_of(&decoded(&[], bare.as_bytes()));
    let mut checked = 0;
    for (row, found) in rows.iter().zip(&found) {
        let mut wanted = row["expect"].as_object().expect("facts").clone();
        // What nobody can know from the octets: remarks, how this peer packs, that our bind is still open.
        for key in ["note", "session"] {
            wanted.remove(key);
        }
        if wanted.remove("profile").is_some() {
            assert!(
                says(&found["expect"]["profile_gsm7_packed"]["text"], &wanted["text"]),
                "{}",
                row["name"]
            );
            wanted.remove("text");
        }
        if wanted.get("action") == Some(&json!("hold")) {
            wanted.remove("action");
        }
        if let Some(ids) = wanted.remove("matches_resp_ids") {
            let found = found["expect"]["matches_resp_ids"].as_array().expect("ids");
            assert!(ids.as_array().expect("ids").iter().all(|id| found.contains(id)), "{}", row["name"]);
        }
        for (key, wanted) in &wanted {
            let found = found["expect"].get(key).unwrap_or_else(|| panic!("{}: no {key}", row["name"]));
            assert!(says(found, wanted), "{}: {key} is {found}, should be {wanted}", row["name"]);
            checked += 1;
        }
        for key in ["warnings", "tlvs", "error", "body", "command_id", "stream"] {
            assert_eq!(found["expect"].get(key), row["expect"].get(key), "{key} of {}", row["name"]);
        }
    }
    assert!(checked > 650, "only {checked} facts were compared");
}

#[test]
fn strict_mode_gives_the_strict_error_and_else_the_same() {
    let (text, rows) = corpus();
    let found = rows_of(&decoded(&["--strict"], text.as_bytes()));
    let mut refused = 0;
    for (row, found) in rows.iter().zip(&found) {
        match row.get("strict_error") {
            Some(error) => {
                assert_eq!(found["expect"]["error"], *error, "{}", row["name"]);
                refused += 1;
            }
            None => assert_eq!(found["expect"], row["expect"], "{}", row["name"]),
        }
    }
    assert_eq!(refused, 18);
}

#[test]
fn rows_may_name_a_profile_and_a_bad_row_is_refused_with_its_line() {
    let row = r#"{"name": "a", "hex": "0000003100000004000000000000000a0001013434370001013434370000000000000000000000000 7 31d98c56b3dd1a"}"#;
    let found = rows_of(&decoded(&["--profile", "gsm7_packed"], row.as_bytes()));
    assert_eq!(found[0]["expect"]["error"], "need_more", "{found:?}");
    let (_, rows) = corpus();
    let packed = rows.iter().find(|row| row["name"] == "submit_sm_packed_7_chars_cr").expect("such a row");
    let bare = json!({ "hex": packed["hex"] }).to_string();
    let found = rows_of(&decoded(&["--profile", "gsm7_packed"], bare.as_bytes()));
    assert_eq!(found[0]["expect"]["text"], "1234567");
    let named = json!({ "hex": packed["hex"], "profile": "gsm7_packed" }).to_string();
    assert_eq!(rows_of(&decoded(&[], named.as_bytes()))[0]["expect"]["text"], "1234567");

    for (input, wanted) in [
        ("{\"hex\": \"00\"}\n\n{\"hex\": \"0g\"}\n", "standard input:3: `hex`: `g` is no hex digit"),
        ("{\"name\": \"x\"}\n", "standard input:1: no `hex`"),
        ("{\"hex\": 1\n", "standard input:1: not a JSON object"),
        ("{\"hex\": \"00\", \"profile\": \"none\"}\n", "no profile is called `none`"),
    ] {
        let output = decode(&[], input.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{input}");
        holds_all(&printed(&output).1, &[wanted]);
    }
}

#[test]
fn a_text_in_the_shape_of_a_receipt_is_one_only_where_the_peer_is_known_for_it() {
    let (_, rows) = corpus();
    let receipt = rows.iter().find(|row| row["name"] == "dlr_reordered").expect("such a row");
    let hex = receipt["hex"].as_str().expect("hex");
    // esm_class 4, then protocol_id and priority_flag behind the short code.
    let plain = hex.replacen("3838303031000400", "3838303031000000", 1);
    assert_ne!(plain, hex);
    let row = json!({ "hex": plain }).to_string();
    let found = rows_of(&decoded(&[], row.as_bytes()));
    assert_eq!(found[0]["expect"]["receipt"], Value::Null);
    assert_eq!(found[0]["expect"]["profile_detect_receipt"]["receipt"], receipt["expect"]["receipt"]);
    let found = rows_of(&decoded(&["--profile", "detect_receipt"], row.as_bytes()));
    assert_eq!(found[0]["expect"]["receipt"], receipt["expect"]["receipt"]);
    let asked = json!({ "hex": plain, "expect": { "default": { "receipt": null }, "profile_detect_receipt": { "receipt": null } } });
    let found = rows_of(&decoded(&[], asked.to_string().as_bytes()));
    assert_eq!(found[0]["expect"]["default"], json!({ "receipt": null }));
    assert_eq!(found[0]["expect"]["profile_detect_receipt"]["receipt"], receipt["expect"]["receipt"]);
    holds_all(&decoded(&[], plain.as_bytes()), &["has the shape of a receipt", "taken as a text"]);
}

#[test]
fn hex_is_explained_and_numbers_are_masked_unless_asked_for() {
    let (_, rows) = corpus();
    let receipt = rows.iter().find(|row| row["name"] == "dlr_id_decimal_of_hex").expect("such a row");
    let hex = receipt["hex"].as_str().expect("hex");
    let shown = decoded(&[], hex.as_bytes());
    holds_all(
        &shown,
        &[
            "deliver_sm sequence 200, ESME_ROK",
            "source_addr \"447******123\"",
            "destination_addr \"88001\"",
            "id \"0972660181\" by `id:` in the text",
            "39f99dd5 in the response, if it is decimal here",
            "state DELIVERED final, by `stat:` in the text",
            "we would answer deliver_sm_resp 200: ESME_ROK",
        ],
    );
    assert!(!shown.contains("447700900123"));
    holds_all(&decoded(&["--numbers"], hex.as_bytes()), &["source_addr \"447700900123\""]);

    let json = rows_of(&decoded(&["--json"], hex.as_bytes()));
    assert!(says(&json[0]["expect"], &{
        let mut wanted = receipt["expect"].as_object().expect("facts").clone();
        wanted.remove("matches_resp_ids");
        Value::Object(wanted)
    }));

    let octets: Vec<u8> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect();
    let dump: String = octets
        .chunks(16)
        .enumerate()
        .map(|(line, chunk)| {
            let pairs: Vec<String> = chunk.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{:08x}  {}  |some text|\n", line * 16, pairs.join(" "))
        })
        .collect();
    assert_eq!(decoded(&[], dump.as_bytes()), shown);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("raw");
    fs::write(&file, &octets).expect("a file");
    assert_eq!(decoded(&[file.to_str().expect("a path")], b""), shown);

    let output = decode(&[], b"hello");
    assert_eq!(output.status.code(), Some(2));
    holds_all(&printed(&output).1, &["standard input:1:1: `h` is no hex digit", "hint:"]);
    assert_eq!(decode(&[], b"").status.code(), Some(1));
}

/// The PDUs of a conversation as a program reads them: command and sequence, and the proposals.
fn pdus(file: &[u8], args: &[&str]) -> (Vec<String>, Vec<Value>) {
    let rows = rows_of(&decoded(&[&["--json"], args].concat(), file));
    let pdus = rows
        .iter()
        .filter(|row| row["event"] == "pdu")
        .map(|row| {
            format!("{} {} {}", row["direction"], row["expect"]["command"], row["expect"]["sequence"])
                .replace('"', "")
        })
        .collect();
    (pdus, rows.iter().filter_map(|row| row.get("proposal").cloned()).collect())
}

#[test]
fn a_capture_is_told_as_a_conversation() {
    let talk = Conversation::of_a_carrier();
    let shown = decoded(&[], &pcap(&talk.packets, Wrap::Ethernet));
    holds_all(
        &shown,
        &[
            "client 10.0.0.1:50000 -> carrier 10.0.0.2:2775",
            "2026-03-04 12:29:00.010000Z #1 -> bind_transceiver 1 as \"shop\", SMPP 3.4",
            "#1 <- bind_transceiver_resp 1 ok by \"MC\" after 5.0 ms",
            "submit_sm 2 88001 to 447******123 \"Hello\" (GSM 7-bit)",
            "submit_sm_resp 2 ok id 39F99DD5 after 5.0 ms",
            "deliver_sm 102 447******123 to 88001 receipt of 0972660181: DELIVERED, err 000",
            "receipt of 1073676289: UNDELIVERABLE (stat FAILED)",
            "! invalid_octet",
            "submit_sm_resp 5 ESME_RTHROTTLED",
            "the connection ends",
            "# A profile of 10.0.0.2:2775",
        ],
    );
    assert!(!shown.contains("447700900123") && !shown.contains("s3cret"), "{shown}");
    let json = decoded(&["--json"], &pcap(&talk.packets, Wrap::Ethernet));
    assert!(!json.contains("s3cret"));
}

#[test]
fn a_capture_proposes_a_profile_with_its_evidence_counted() {
    let talk = Conversation::of_a_carrier();
    let file = pcap(&talk.packets, Wrap::Ethernet);
    let (_, proposals) = pdus(&file, &[]);
    let [proposal] = &proposals[..] else { panic!("one carrier, one proposal: {proposals:?}") };
    let settings = json!({
        "host": "10.0.0.2", "port": 2775, "system_id": "shop", "system_type": "VMA", "bind": "transceiver",
        "default_alphabet": "latin1", "receipt_ids": "hex-to-decimal", "short_code": { "ton": 3, "npi": 0 },
    });
    assert!(says(&proposal["settings"], &settings), "{proposal}");
    let evidence = json!({
        "ids": { "responses": 3, "receipts": 3, "hex_to_decimal": 3, "same": 0, "decimal_to_hex": 0,
                 "padded": [{ "width": 10, "count": 2 }] },
        "alphabet": { "carrier": { "latin1": 1, "undecided": 1 } },
        "stat_words": [
            { "word": "DELIVRD", "state": "DELIVERED", "count": 2 },
            { "word": "FAILED", "state": "UNDELIVERABLE", "count": 1 },
        ],
        "dates": { "YYMMDDhhmm": 6 },
        "utc_offset_minutes": 60,
    });
    assert!(says(&proposal["evidence"], &evidence), "{proposal}");
    let shown = decoded(&[], &file);
    holds_all(
        &shown,
        &[
            "receipt_ids = \"hex-to-decimal\" # 3 of 3 receipts found: 0 same, 3 hex to decimal, 0 decimal to hex",
            "zeros in front in receipts, to 10 digits: 2",
            "stat words: DELIVRD (DELIVERED) 2, FAILED (UNDELIVERABLE) 1",
            "YYMMDDhhmm 6; UTC+01:00 by the time of 3 of 3 receipts",
            "submit_sm_resp ESME_RTHROTTLED 1",
            "client every 20 s: 1",
        ],
    );
}

#[test]
fn the_proposed_block_is_a_configuration_that_can_be_taken_over() {
    let talk = Conversation::of_a_carrier();
    let shown = decoded(&[], &pcap(&talk.packets, Wrap::Ethernet));
    let block = shown.split_once("[[carrier]]").expect("a block").1;
    let minimal = fs::read_to_string(project("config/minimal.toml")).expect("config/minimal.toml");
    let (before, rest) = minimal.split_once("[[carrier]]").expect("a carrier");
    let (_, code) = rest.split_once("[[code]]").expect("a code");
    let code = code.replace("carrier = \"simulator\"", "carrier = \"carrier\"");
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("surveys")).expect("a folder");
    fs::copy(project("config/surveys/exit.toml"), folder.path().join("surveys/exit.toml")).expect("a survey");
    let file = folder.path().join("backchat.toml");
    fs::write(&file, format!("{before}[[carrier]]{block}\n[[code]]{code}")).expect("a file");
    let output =
        backchat().arg("check").arg(&file).env("CARRIER_PASSWORD", "x").output().expect("the program runs");
    assert!(output.status.success(), "{}", printed(&output).1);
}

#[test]
fn every_link_both_formats_and_both_versions_of_ip_give_the_same_conversation() {
    let talk = Conversation::of_a_carrier();
    let (wanted, _) = pdus(&pcap(&talk.packets, Wrap::Ethernet), &[]);
    assert_eq!(wanted.len(), 26, "{wanted:#?}");
    for wrap in [Wrap::EthernetV6, Wrap::Cooked, Wrap::Raw, Wrap::Loopback] {
        assert_eq!(pdus(&pcap(&talk.packets, wrap), &[]).0, wanted, "{wrap:?}");
    }
    for wrap in [Wrap::Ethernet, Wrap::Cooked] {
        assert_eq!(pdus(&pcapng(&talk.packets, wrap), &[]).0, wanted, "{wrap:?}");
    }
    assert_eq!(pdus(&pcap(&talk.packets, Wrap::Ethernet), &["--port", "2775"]).0, wanted);
}

#[test]
fn packets_out_of_order_repeated_and_cut_anywhere_give_the_same_conversation() {
    let talk = Conversation::of_a_carrier();
    let (wanted, proposal) = pdus(&pcap(&talk.packets, Wrap::Ethernet), &[]);
    let small: Vec<Packet> = talk
        .packets
        .iter()
        .flat_map(|packet| {
            let pieces: Vec<Packet> = packet
                .payload
                .chunks(11)
                .enumerate()
                .map(|(index, payload)| Packet {
                    sequence: packet.sequence.wrapping_add(11 * index as u32),
                    payload: payload.to_vec(),
                    ..packet.clone()
                })
                .collect();
            if pieces.is_empty() { vec![packet.clone()] } else { pieces }
        })
        .collect();
    assert_eq!(pdus(&pcap(&small, Wrap::Ethernet), &[]).0, wanted);
    let mut mixed = small.clone();
    // Within one PDU of one side, so that the order of the conversation stays.
    for pair in mixed.chunks_mut(2) {
        if let [first, second] = pair
            && first.client_sends == second.client_sends
            && !first.payload.is_empty()
            && first.at_ms == second.at_ms
        {
            pair.swap(0, 1);
        }
    }
    let repeated: Vec<Packet> = mixed
        .iter()
        .enumerate()
        .flat_map(|(index, packet)| {
            std::iter::repeat_n(packet.clone(), 1 + usize::from(index % 3 == 0 && !packet.payload.is_empty()))
        })
        .collect();
    assert!(repeated.len() > small.len() + 20);
    let (found, again) = pdus(&pcap(&repeated, Wrap::Ethernet), &[]);
    assert_eq!(found, wanted);
    assert_eq!(again[0]["settings"], proposal[0]["settings"]);
}

#[test]
fn a_capture_with_holes_or_begun_in_the_middle_goes_on_at_the_next_pdu() {
    let talk = Conversation::of_a_carrier();
    let (wanted, _) = pdus(&pcap(&talk.packets, Wrap::Ethernet), &[]);
    let middle = pdus(&pcap(&talk.packets[7..], Wrap::Ethernet), &[]).0;
    assert_eq!(middle, wanted[5..]);
    let mut holed = talk.packets.clone();
    let lost = holed.remove(6);
    assert!(!lost.payload.is_empty());
    let file = pcap(&holed, Wrap::Ethernet);
    let found = pdus(&file, &[]).0;
    let left: Vec<String> = wanted.iter().filter(|pdu| !pdu.contains("deliver_sm 102")).cloned().collect();
    assert_eq!(found, left);
    holds_all(
        &decoded(&[], &file),
        &["octets are not in the capture", "octets of the conversation are not in it"],
    );

    let mut cut = pcap(&talk.packets, Wrap::Ethernet);
    cut.truncate(cut.len() - 300);
    let output = decode(&[], &cut);
    assert!(output.status.success());
    holds_all(&printed(&output).1, &["it ends within a packet"]);
}

#[test]
fn other_traffic_is_left_aside_and_a_named_port_is_looked_into() {
    let mut talk = Conversation::new();
    talk.packet(true, ACK, b"GET / HTTP/1.1\r\nHost: example\r\n\r\n".to_vec());
    talk.packet(false, ACK, b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    let file = pcap(&talk.packets, Wrap::Ethernet);
    let output = decode(&[], &file);
    assert_eq!(output.status.code(), Some(1));
    holds_all(&printed(&output).1, &["no SMPP in 4 packets", "--port"]);
    holds_all(&decoded(&["--port", "2775"], &file), &["not_smpp_http"]);
    assert_eq!(decode(&["--port", "9999"], &file).status.code(), Some(1));
}

#[test]
fn what_a_peer_does_wrong_is_said_under_its_pdu_and_counted() {
    let mut talk = Conversation::new();
    talk.ask(Pdu::new(1, Body::BindTransmitter(Bind { interface_version: 0x34, ..Bind::default() })));
    // A successful answer without a body, one to nothing, and a submit whose length lies.
    talk.packet(false, ACK, [16u32, 0x8000_0002, 0, 1].iter().flat_map(|word| word.to_be_bytes()).collect());
    talk.answer(Pdu::new(77, Body::SubmitSmResp(MessageResp::with_id("x"))));
    talk.packet(true, ACK, b"\x00\x00\x00\x10\x00\x00".to_vec());
    talk.packet(false, ACK, b"\x00\x00\x00\x0f\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x01".to_vec());
    let file = pcap(&talk.packets, Wrap::Ethernet);
    holds_all(
        &decoded(&[], &file),
        &[
            "! missing_body: the body is missing although the status is ESME_ROK",
            "! it answers nothing in the capture",
            "! command_length_too_small",
            "#1 -> ! the end came within a PDU, of which 6 octets are there",
            "deviations: carrier command_length_too_small 1, carrier missing_body 1",
            "bind = \"transmitter\"",
        ],
    );
}

#[test]
fn the_help_page_has_an_example() {
    let output = backchat().args(["decode", "--help"]).output().expect("the program runs");
    let (out, _) = printed(&output);
    holds_all(&out, &["Example", "backchat decode", "--port", "gsm7_packed"]);
}
