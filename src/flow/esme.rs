//! ESMEs: what they submit is committed, then answered; what became of it is told to them, also when they come back later.

use std::sync::Arc;
use std::time::Instant;

use protocol::address::Address;
use protocol::octets::COctets;
use protocol::pdu::{Body, CommandId, MessageResp, Pdu, QuerySmResp, Sm};
use protocol::receipt::MessageState;
use protocol::status::Status;
use protocol::text::{self, Alphabet};
use protocol::time::Time;
use tokio::sync::mpsc;
use tracing::warn;

use crate::config::{Account, Config, Shown};
use crate::flow::Flow;
use crate::flow::accept::{Draft, Origin};
use crate::flow::handed::{Refusal, lane_of, purpose_of};
use crate::flow::outbox::Outbox;
use crate::flow::reach::reaches;
use crate::message::{MessageId, Msisdn, Relay, Sender, Source};
use crate::smpp::server::{Admit, BindRefusal, Esme, Told};
use crate::store::StoreError;

/// Requests answered with one commit.
const BATCH: usize = 4_096;
/// A message is kept at most so long for a later time; what carriers allow.
const AHEAD_S: i64 = 92 * 86_400;
/// The bits of esm_class that are passed on: a header in front of the text, and a reply path. Mode and type are ours.
const RELAYED_CLASS: u8 = 0xc0;
/// Octets of a short message with its header, as SMPP 3.4 section 5.2.22 allows.
const SHORT_MESSAGE_OCTETS: usize = 254;

/// Serves ESMEs until all their links have ended.
pub async fn attend(flow: Arc<Flow>, mut told: mpsc::UnboundedReceiver<Vec<Told>>) {
    let mut outbox = Outbox::new(Arc::clone(&flow));
    loop {
        let mut batch = tokio::select! {
            batch = told.recv() => match batch {
                Some(batch) => batch,
                None => break,
            },
            () = outbox.due() => {
                outbox.send().await;
                continue;
            }
        };
        while batch.len() < BATCH
            && let Ok(more) = told.try_recv()
        {
            batch.extend(more);
        }
        let mut submitted = Vec::new();
        for one in batch {
            match one {
                Told::Requested(esme, pdu) => match pdu.command_id() {
                    CommandId::SUBMIT_SM | CommandId::DATA_SM => submitted.push((esme, *pdu)),
                    _ => flow.answer_request(&esme, *pdu).await,
                },
                Told::Left(account, link) => {
                    flow.accounts.unbind(&account.name);
                    outbox.left(&account.name, link);
                }
                Told::Bound(esme) => outbox.bound(esme),
                Told::Delivered(esme, id) => outbox.delivered(&esme, id),
                Told::NotDelivered(esme, id) => outbox.not_delivered(&esme, id),
            }
        }
        if !submitted.is_empty() {
            flow.submit_all(submitted).await;
        }
        outbox.send().await;
    }
    outbox.finish().await;
}

impl Flow {
    /// Who may bind, by the configuration of the moment.
    pub fn admit(self: &Arc<Self>) -> Admit {
        let flow = Arc::clone(self);
        Arc::new(move |bind, from| {
            let shown = Shown::of(&bind.password);
            let mut found = None;
            // every account is looked at, and the password always compared: the time tells nothing
            for account in &flow.config().accounts {
                let Some(login) = &account.login else { continue };
                let right = login.password.is(shown) & (bind.system_id == *login.system_id.as_str());
                if right && account.may_come_from(from) {
                    found = Some(Arc::clone(account));
                }
            }
            let account = found.ok_or(BindRefusal::Unknown)?;
            if flow.accounts.bind(&account) { Ok(account) } else { Err(BindRefusal::TooMany) }
        })
    }

    /// Accepts what was submitted, all in one commit, and answers each only then.
    async fn submit_all(&self, submitted: Vec<(Arc<Esme>, Pdu)>) {
        let config = self.config();
        let now_ms = self.clock.now_ms();
        let now = Instant::now();
        let (mut drafts, mut waiting) = (Vec::new(), Vec::new());
        for (esme, pdu) in submitted {
            let (sequence, command) = (pdu.sequence, pdu.command_id());
            let sm = match pdu.body {
                Body::SubmitSm(sm) => sm,
                Body::DataSm(data) => Sm::from(data),
                _ => continue,
            };
            let account = &esme.account;
            let draft = draft(&config, account, &sm, now_ms).and_then(|draft| {
                let spent = self.accounts.spend(account, 1, now, now_ms);
                spent.map(|()| draft).map_err(|limit| status_of(&Refusal::Limit(limit)))
            });
            match draft {
                Ok(draft) => {
                    drafts.push(draft);
                    waiting.push((esme, sequence, command));
                }
                Err(status) => {
                    self.metrics.esme_refused.one();
                    esme.answer(sequence, status, taken(command, None));
                }
            }
        }
        if drafts.is_empty() {
            return;
        }
        let committed = self.accept(drafts).await;
        match committed {
            Ok(ids) => {
                self.metrics.esme_submitted.add(ids.len() as u64);
                for ((esme, sequence, command), id) in waiting.into_iter().zip(ids) {
                    esme.answer(sequence, Status::OK, taken(command, Some(id)));
                }
            }
            Err(error) => {
                warn!("{} messages of ESMEs are not accepted: {error}", waiting.len());
                self.metrics.esme_refused.add(waiting.len() as u64);
                let status = status_of(&Refusal::Store(error));
                for (esme, sequence, command) in waiting {
                    self.accounts.give_back(&esme.account, 1);
                    esme.answer(sequence, status, taken(command, None));
                }
            }
        }
    }

    /// Answers what is no submission.
    async fn answer_request(&self, esme: &Esme, pdu: Pdu) {
        let sequence = pdu.sequence;
        let (status, body) = match pdu.body {
            Body::QuerySm(query) => self.query(&esme.account, &query.message_id).await,
            Body::CancelSm(_) => (Status::CANCELFAIL, Body::CancelSmResp),
            Body::ReplaceSm(_) => (Status::REPLACEFAIL, Body::ReplaceSmResp),
            // submit_multi and broadcasts: not served, and said so
            _ => (Status::INVCMDID, Body::GenericNack),
        };
        esme.answer(sequence, status, body);
    }

    /// query_sm: how a message of the account stands.
    async fn query(&self, account: &Account, asked: &COctets) -> (Status, Body) {
        let unknown = || (Status::QUERYFAIL, Body::QuerySmResp(QuerySmResp::default()));
        let Ok(id) = asked.to_text().parse::<MessageId>() else { return unknown() };
        let life = match self.store.why(id).await {
            Ok(life) => life.filter(|life| life.message.account.as_ref() == Some(&account.name)),
            Err(error) => {
                let status = status_of(&Refusal::Store(error));
                return (status, Body::QuerySmResp(QuerySmResp::default()));
            }
        };
        let Some(life) = life else { return unknown() };
        let state = match life.state.as_str() {
            "queued" | "sent" | "in_doubt" => MessageState::Enroute,
            state => state_of(state),
        };
        let ended =
            life.entries.iter().map(|entry| entry.at_ms).max().filter(|_| state != MessageState::Enroute);
        let final_date = ended.map(|at_ms| Time::at_unix_s(at_ms.div_euclid(1_000)).to_string());
        let resp = QuerySmResp {
            message_id: Some(asked.clone()),
            final_date: final_date.as_deref().unwrap_or_default().into(),
            message_state: state.value(),
            ..QuerySmResp::default()
        };
        (Status::OK, Body::QuerySmResp(resp))
    }
}

/// The SMPP state of a final state of ours.
pub(super) fn state_of(state: &str) -> MessageState {
    match state {
        "delivered" => MessageState::Delivered,
        "expired" => MessageState::Expired,
        "deleted" => MessageState::Deleted,
        "accepted" => MessageState::Accepted,
        "rejected" | "suppressed" => MessageState::Rejected,
        "undeliverable" | "gave_up" => MessageState::Undeliverable,
        _ => MessageState::Unknown,
    }
}

/// What an ESME is told of a refusal: all but a wrong message may be sent again.
fn status_of(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::Limit(_) | Refusal::Store(StoreError::Busy) => Status::THROTTLED,
        Refusal::Store(StoreError::Unreachable(_) | StoreError::Unknown(_)) => Status::SYSERR,
        Refusal::KeyUnderWay | Refusal::KeyTaken | Refusal::Store(_) => Status::SUBMITFAIL,
    }
}

fn taken(command: CommandId, id: Option<MessageId>) -> Body {
    let resp = id.map_or_else(MessageResp::default, |id| MessageResp::with_id(id.to_string().as_str()));
    match command {
        CommandId::DATA_SM => Body::DataSmResp(resp),
        _ => Body::SubmitSmResp(resp),
    }
}

/// What an ESME submitted as a draft, or the status that says what is wrong with it.
fn draft(config: &Config, account: &Account, sm: &Sm, now_ms: i64) -> Result<Draft, Status> {
    let to = Msisdn::parse(&sm.dest.addr.to_text()).map_err(|_| Status::INVDSTADR)?;
    let sender = sender(account, &sm.source).ok_or(Status::INVSRCADR)?;
    let lane = lane_of(config, account, &sender).ok_or(Status::INVSRCADR)?.to_owned();
    if config.code(&sender).is_some_and(|code| reaches(config, code, to).is_err()) {
        return Err(Status::INVDSTADR);
    }
    let not_before_ms = moment(&sm.schedule_delivery_time, now_ms).map_err(|()| Status::INVSCHED)?;
    if not_before_ms.is_some_and(|at_ms| at_ms - now_ms > AHEAD_S * 1_000) {
        return Err(Status::INVSCHED);
    }
    let expires_ms = moment(&sm.validity_period, now_ms).map_err(|()| Status::INVEXPIRY)?;
    if expires_ms.is_some_and(|at_ms| at_ms <= not_before_ms.unwrap_or(now_ms)) {
        return Err(Status::INVEXPIRY);
    }
    let content = sm.content();
    if content.is_empty() {
        return Err(Status::INVMSGLEN);
    }
    let body = text::decode(sm.data_coding, sm.has_udh(), &content, Alphabet::Gsm7).text;
    let relay = relay(sm);
    if relay.is_none() && body.is_none() {
        return Err(Status::INVMSGLEN);
    }
    let registered_delivery = Some(sm.registered_delivery & 3).filter(|asked| *asked != 0);
    Ok(Draft {
        lane,
        purpose: purpose_of(account, None).ok_or(Status::SUBMITFAIL)?,
        campaign: None,
        sender,
        to,
        body: body.unwrap_or_default(),
        language: None,
        source: Source::Esme,
        expires_ms,
        zone: None,
        programme: None,
        origin: Origin {
            account: Some(account.name.clone()),
            reference: None,
            not_before_ms,
            registered_delivery,
            relay,
        },
    })
}

/// The sender an ESME named, as the configuration writes it; the account's first where it named none.
fn sender(account: &Account, source: &Address) -> Option<Sender> {
    if source.addr.is_empty() {
        return account.senders.first().cloned();
    }
    let named = source.addr.to_text();
    let digits = named.trim_start_matches('+');
    account
        .senders
        .iter()
        .find(|sender| sender.0 == *named || sender.0.trim_start_matches('+') == digits)
        .cloned()
}

/// The octets as they go on to the carrier: header, alphabet and all. What came as message_payload is too long for one
/// short message, and is encoded anew; a part told by SAR parameters gets the header that says the same.
fn relay(sm: &Sm) -> Option<Relay> {
    let content = sm.content();
    let sar = if sm.has_udh() { None } else { text::concat_of(sm) };
    let header = sar.map_or_else(Vec::new, |part| {
        let [high, low] = part.reference.to_be_bytes();
        // an information element of 16-bit reference (3GPP TS 23.040, 9.2.3.24.8)
        vec![6, 8, 4, high, low, part.total, part.number]
    });
    if header.len() + content.len() > SHORT_MESSAGE_OCTETS
        || (sm.short_message.is_empty() && content.len() > ONE_PART_OCTETS)
    {
        return None;
    }
    let udhi = if header.is_empty() { 0 } else { 0x40 };
    Some(Relay {
        esm_class: (sm.esm_class & RELAYED_CLASS) | udhi,
        protocol_id: sm.protocol_id,
        data_coding: sm.data_coding,
        octets: [&header[..], &content[..]].concat(),
    })
}

/// Octets that surely fit one short message whatever their alphabet.
const ONE_PART_OCTETS: usize = 140;

/// A time of a submit_sm in milliseconds; none where it is left empty.
fn moment(written: &COctets, now_ms: i64) -> Result<Option<i64>, ()> {
    if written.is_empty() {
        return Ok(None);
    }
    let time = Time::parse(written.as_ref()).map_err(|_| ())?;
    Ok(Some(time.to_unix_s(now_ms.div_euclid(1_000)) * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use protocol::text::{sar_tlvs, udh};
    use protocol::tlv::{Tag, Tlv};

    fn sm(octets: &'static [u8]) -> Sm {
        Sm { short_message: Bytes::from_static(octets), ..Sm::default() }
    }

    #[test]
    fn what_an_esme_encoded_goes_on_as_it_is() {
        let with_header = Sm { esm_class: 0x43, data_coding: 8, ..sm(b"\x05\0\x03\x07\x02\x01\x04\x10") };
        let relayed = relay(&with_header).unwrap();
        assert_eq!((relayed.esm_class, relayed.data_coding), (0x40, 8), "the header stays, the mode is ours");
        assert_eq!(relayed.octets, &with_header.short_message[..]);
    }

    #[test]
    fn a_part_told_by_sar_parameters_gets_the_header_that_says_the_same() {
        let part = udh::Concat::new(0x0102, 3, 2, udh::Width::Sixteen).unwrap();
        let mut told = sm(b"two");
        sar_tlvs(part).into_iter().for_each(|tlv| told.tlvs.push(tlv));
        let relayed = relay(&told).unwrap();
        assert_eq!(relayed.esm_class, 0x40);
        assert_eq!(relayed.octets, b"\x06\x08\x04\x01\x02\x03\x02two");
        let read = Sm { esm_class: 0x40, short_message: relayed.octets.into(), ..Sm::default() };
        assert_eq!(text::concat_of(&read), Some(part));
    }

    #[test]
    fn a_payload_longer_than_a_short_message_is_encoded_anew() {
        let mut long = sm(b"");
        long.tlvs.push(Tlv::new(Tag::MESSAGE_PAYLOAD, Bytes::from(vec![b'x'; 300])));
        assert_eq!(relay(&long), None);
    }

    #[test]
    fn times_are_read_as_the_protocol_writes_them() {
        assert_eq!(moment(&COctets::from(""), 0), Ok(None));
        assert_eq!(moment(&COctets::from("000000010000000R"), 5_000), Ok(Some(3_605_000)));
        assert_eq!(moment(&COctets::from("tomorrow"), 0), Err(()));
    }
}
