//! What becomes of a part that the version agreed with the carrier cannot say, over a real socket.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backchat::backoff::Backoff;
use backchat::message::{MessageId, Msisdn};
use backchat::metrics::Metrics;
use backchat::smpp::client::{BindSettings, BindState, Sinks, bind};
use backchat::smpp::door::Door;
use backchat::smpp::driver::Driver;
use backchat::smpp::pace::Pace;
use backchat::smpp::submission::{PartFate, PartTag, Settled, Submission};
use protocol::address::Address;
use protocol::pdu::{Bind, BindResp, Body, MessageResp, Sm};
use protocol::session::{BindMode, Event, Session, Settings};
use protocol::status::Status;
use protocol::text::{Concat, Width, sar_tlvs};
use protocol::tlv::{Tag, Tlv, Tlvs};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Whoever is waited for longer will not come.
const PATIENCE: Duration = Duration::from_secs(60);
/// The interface_version of 3.3.
const V3_3: u8 = 0x33;

/// A carrier that takes one bind, says that it speaks 3.3 and gives each submit_sm its number as an id. What it was
/// submitted, once the bind has ended.
fn carrier(socket: TcpListener) -> JoinHandle<Vec<Sm>> {
    tokio::spawn(async move {
        let (stream, _) = socket.accept().await.expect("a connection");
        let session: Session<()> = Session::new(Instant::now(), Settings::smsc());
        let mut driver = Driver::new(stream, session).expect("a driver");
        let mut submitted = Vec::new();
        while let Some(event) = driver.event().await {
            let (sequence, answer) = match event {
                Event::BindRequested { sequence, .. } => {
                    let tlvs = [Tlv::u8(Tag::SC_INTERFACE_VERSION, V3_3)].into_iter().collect();
                    let resp = BindResp { system_id: Some("old".into()), tlvs };
                    (sequence, Body::BindTransmitterResp(resp))
                }
                Event::Requested { pdu, .. } => {
                    let Body::SubmitSm(sm) = pdu.body else { panic!("another request") };
                    submitted.push(sm);
                    let id = submitted.len().to_string();
                    (pdu.sequence, Body::SubmitSmResp(MessageResp::with_id(id)))
                }
                _ => continue,
            };
            driver
                .session()
                .respond(Instant::now(), sequence, Status::OK, answer)
                .expect("a request to answer");
        }
        submitted
    })
}

fn message(text: &'static str, tlvs: Tlvs) -> Sm {
    Sm {
        source: Address::new(3, 0, "88001"),
        dest: Address::international("447700900123"),
        registered_delivery: 1,
        short_message: text.into(),
        tlvs,
        ..Sm::default()
    }
}

fn tlvs<const N: usize>(tlvs: [Tlv; N]) -> Tlvs {
    tlvs.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_smpp_3_3_cannot_say_is_settled_as_refused_without_being_written_and_the_others_go_on() {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("its address").to_string();
    let carrier = carrier(socket);

    let settings = BindSettings {
        name: "old/1".into(),
        lane: "old".into(),
        address,
        mode: BindMode::Transmitter,
        bind: Bind { system_id: "backchat".into(), interface_version: 0x34, ..Bind::default() },
        session: Settings::esme(),
        reconnect: Backoff { min: Duration::from_millis(10), max: Duration::from_secs(1) },
        queue_parts: 100,
        seed: 1,
    };
    let pace = Arc::new(Pace::new(NonZeroU32::new(1_000).expect("not zero"), None));
    let (settled, mut settlements) = mpsc::unbounded_channel();
    let (arrivals, _arriving) = mpsc::unbounded_channel();
    let (changed, mut changes) = watch::channel(0);
    let metrics = Arc::new(Metrics::default());
    let (handle, task) = bind(settings, pace, Sinks { settled, arrivals }, metrics, Arc::new(changed));
    let task = tokio::spawn(task.run());
    let bound = changes.wait_for(|_| handle.state() == BindState::Up);
    timeout(PATIENCE, bound).await.expect("bound in time").expect("a bind");

    let sar = sar_tlvs(Concat { reference: 7, total: 2, number: 1, width: Width::Sixteen });
    let sms = [
        message("One", tlvs([Tlv::u16(Tag::USER_MESSAGE_REFERENCE, 1)])),
        message("", tlvs([Tlv::new(Tag::MESSAGE_PAYLOAD, b"Two, as a payload")])),
        message("Three, the first part of two, ", tlvs(sar)),
        Sm { short_message: vec![b'4'; 255].into(), ..message("", Tlvs::new()) },
        message("Five", Tlvs::new()),
    ];
    let door = Arc::new(Door::default());
    let submissions = sms.into_iter().zip(0..).map(|(sm, part)| Submission {
        tag: PartTag { message: MessageId(1), attempt: 0, part },
        number: Msisdn(447_700_900_123),
        scopes: Arc::new([]),
        pass: door.enter(),
        not_after: None,
        valid_until: None,
        sm,
    });
    assert!(handle.submit(submissions.collect()).is_ok(), "it takes them");

    let mut fates: Vec<Settled> = Vec::new();
    while fates.len() < 5 {
        let some = timeout(PATIENCE, settlements.recv()).await.expect("settled in time");
        fates.extend(some.expect("a bind that lives"));
    }
    fates.sort_by_key(|settled| settled.tag.part);
    let refused = |status| PartFate::Answered { status, carrier_id: None };
    let accepted = |id: &str| PartFate::Answered { status: Status::OK, carrier_id: Some(id.to_owned()) };
    assert_eq!(
        fates.into_iter().map(|settled| settled.fate).collect::<Vec<_>>(),
        [
            accepted("1"),
            refused(Status::TLVNOTALLWD),
            refused(Status::TLVNOTALLWD),
            refused(Status::INVMSGLEN),
            accepted("2"),
        ],
        "as if the carrier had refused them"
    );
    assert_eq!((handle.state(), handle.room()), (BindState::Up, 95), "it holds them until they are on disk");
    handle.settled(5);
    assert_eq!((handle.state(), handle.room()), (BindState::Up, 100), "the bind lives and holds nothing");

    handle.drain();
    timeout(PATIENCE, task).await.expect("an end in time").expect("an end");
    let submitted = timeout(PATIENCE, carrier).await.expect("an end in time").expect("no surprise");
    let texts: Vec<_> = submitted.iter().map(|sm| (sm.short_message.as_ref(), sm.tlvs.len())).collect();
    assert_eq!(texts, [(&b"One"[..], 0), (b"Five", 0)], "without the parameters that 3.3 lacks");
}
