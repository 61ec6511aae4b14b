//! ESMEs we did not write, smpplib and rusmppc, bound to `backchat serve` in front of a carrier. What handsets write is not
//! handed to accounts, so that nothing but receipts is delivered to them.

#[path = "support/esmes.rs"]
mod esmes;
#[path = "support/peers.rs"]
mod peers;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use backchat::simulator::{Account, Settings, Simulator};
use esmes::{CODE, Sent, bound_rusmppc, check_smpplib_side, receipts, submit, take_in};
use peers::{PATIENCE, Peer, Running};
use program::backchat;
use protocol::status::Status;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The account that the ESMEs bind as.
const SHOP: (&str, &str) = ("shop", "s3cret");
/// What comes before the address in the log.
const BIND_TO: &str = "ESMEs bind to ";

/// The server as its users run it, and the simulated carrier it sends to.
struct Gateway {
    carrier: Simulator,
    server: Running,
    folder: tempfile::TempDir,
}

impl Gateway {
    async fn open() -> Self {
        let account = Account { system_id: "backchat".into(), password: "secret".into() };
        let settings = Settings { accounts: vec![account], ..Settings::plain() };
        let carrier = Simulator::start(settings).await.expect("a free port");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (system_id, password) = SHOP;
        let config = format!(
            r#"
[store]
sqlite = "backchat.db"
[smpp]
listen = "127.0.0.1:0"
[[carrier]]
name = "main"
host = "127.0.0.1"
port = {}
system_id = "backchat"
password = "plain:secret"
rate = "500/s"
[[code]]
number = "{CODE}"
carrier = "main"
brand = "Backchat"
[[account]]
name = "shop"
system_id = "{system_id}"
password = "plain:{password}"
senders = ["{CODE}"]
purposes = ["transactional"]
"#,
            carrier.address().port()
        );
        let file = folder.path().join("backchat.toml");
        fs::write(&file, config).expect("a file is written");
        let mut command = backchat();
        command.arg("serve").arg("--config").arg(file);
        Self { carrier, server: Running::start("backchat serve", command), folder }
    }

    /// Where ESMEs bind, as the log says.
    fn address(&self) -> SocketAddr {
        let until = Instant::now() + PATIENCE;
        loop {
            let log = self.server.complaints();
            let said = log.lines().find_map(|line| line.split_once(BIND_TO));
            if let Some((_, address)) = said {
                return address.trim().parse().expect("an address");
            }
            assert!(Instant::now() < until, "the log does not say where ESMEs bind: {log}");
            std::thread::yield_now();
        }
    }

    /// What handsets must have been shown; then the end.
    async fn close(mut self, messages: &[Sent]) {
        self.server.terminate();
        assert!(self.server.ended().success(), "{}", self.server.complaints());
        let complaints = self.server.complaints();
        assert!(!complaints.contains("WARN") && !complaints.contains("ERROR"), "{complaints}");

        let mut received = self.carrier.received();
        received.sort_by_key(|message| message.number);
        let shown =
            received.iter().map(|message| (message.number, &*message.text, message.alphabet, message.parts));
        let expected = messages.iter().map(|sent| (sent.number, &*sent.text, sent.alphabet, sent.parts));
        assert_eq!(shown.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        assert!(received.iter().all(|message| message.sender == CODE));
        let census = self.carrier.census();
        let parts: u64 = messages.iter().map(|sent| u64::from(sent.parts)).sum();
        assert_eq!((census.submits, census.receipts_acknowledged), (parts, parts));
        assert_eq!((census.refused, census.duplicates), (0, 0));
        self.carrier.stop().await;
        self.folder.close().expect("the folder can be removed");
    }
}

#[test]
fn smpplib_binds_to_our_server_sends_in_three_alphabets_takes_a_receipt_for_each_part_and_unbinds() {
    let Some(installed) = peers::installed("our server with smpplib") else { return };
    let runtime = Runtime::new().expect("a runtime");
    let gateway = runtime.block_on(Gateway::open());
    let (messages, submits) = esmes::for_smpplib();

    let mut esme = Peer::start("smpplib", peers::python(&installed, "smpplib_client.py"));
    let (system_id, password) = SHOP;
    let port = gateway.address().port();
    esme.tell(&json!({"port": port, "system_id": system_id, "password": password, "submits": submits, "replies": 0}));
    assert_eq!(esme.next("bound")["system_id"], "backchat");
    assert_eq!(esme.next("alive")["command"], "enquire_link_resp");
    esme.next("receipted");
    let unbound = esme.next("unbound");
    assert_eq!((&unbound["command"], &unbound["status"]), (&json!("unbind_resp"), &json!(0)));
    check_smpplib_side(&esme, &messages);
    esme.ends_well();
    runtime.block_on(gateway.close(&messages));
}

#[test]
fn smpplib_is_told_that_it_may_not_bind_to_our_server() {
    let Some(installed) = peers::installed("a refused bind to our server with smpplib") else { return };
    let runtime = Runtime::new().expect("a runtime");
    let gateway = runtime.block_on(Gateway::open());
    let mut esme = Peer::start("smpplib", peers::python(&installed, "smpplib_client.py"));
    let port = gateway.address().port();
    let (system_id, _) = SHOP;
    esme.tell(
        &json!({"port": port, "system_id": system_id, "password": "guess", "submits": [], "replies": 0}),
    );
    assert_eq!(esme.next("refused")["status"], Status::BINDFAIL.0);
    esme.ends_well();
    runtime.block_on(gateway.close(&[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn rusmppc_binds_to_our_server_sends_in_three_alphabets_takes_a_receipt_for_each_part_and_unbinds() {
    let gateway = Gateway::open().await;
    let messages = esmes::for_rusmppc();
    let (client, events) = bound_rusmppc(gateway.address(), SHOP, "backchat").await;
    let (deliver, mut delivered) = mpsc::unbounded_channel();
    let listening = tokio::spawn(take_in(client.clone(), events, deliver));
    for (sent, reference) in messages.iter().zip(300..) {
        let ids = submit(&client, sent, reference).await;
        receipts(&mut delivered, &ids).await;
    }
    client.unbind().await.expect("an answer to unbind");
    timeout(PATIENCE, client.closed()).await.expect("our server closes");
    timeout(PATIENCE, listening).await.expect("an end").expect("no surprise among what came");
    gateway.close(&messages).await;
}
