//! A bind to a carrier: connects, binds, stays bound, sends at the carrier's pace, comes back by itself.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use protocol::pdu::{Bind, Body, CommandId, MessageResp};
use protocol::session::{BindMode, CloseReason, Event, Session, Settings};
use protocol::status::Status;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::backoff::{Backoff, scatter};
use crate::crash::{self, Point};
use crate::metrics::Metrics;
use crate::rules::machines::faults::Planted;
use crate::smpp::driver::Driver;
use crate::smpp::outbox::{Asked, Link, Outbox, Socket};
use crate::smpp::pace::Pace;
use crate::smpp::submission::{Answer, Arrival, PartFate, Settled, Submission, Withdrawal};

/// A carrier that does not even take the connection in this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A link that lived this long was fine: the next trouble starts with the short wait again.
const SETTLED_AFTER: Duration = Duration::from_secs(60);
/// Withdrawals that wait for the window: what is older than the newest of these has mostly been delivered meanwhile.
const WITHDRAWALS: usize = 1_000;
/// How long the answers of a drain are waited for before the link is cut.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What a bind needs to know.
#[derive(Debug, Clone)]
pub struct BindSettings {
    /// Its name in logs and outcomes: `carrier/1`.
    pub name: Arc<str>,
    /// The lane it serves: the carrier account's name.
    pub lane: Arc<str>,
    /// `host:port`.
    pub address: String,
    /// Transmitter, receiver or transceiver.
    pub mode: BindMode,
    /// Who we say we are.
    pub bind: Bind,
    /// Window and timers.
    pub session: Settings,
    /// Waits between connections.
    pub reconnect: Backoff,
    /// Parts it takes in advance of the window: what the rate lets through between two hand-overs.
    pub queue_parts: usize,
    /// For jitter.
    pub seed: u64,
}

/// Where a bind tells what happened. Unbounded in form, bounded in fact: one settlement for each submission taken, and
/// arrivals never more than the session leaves unanswered.
#[derive(Debug, Clone)]
pub struct Sinks {
    /// What became of submissions.
    pub settled: mpsc::UnboundedSender<Vec<Settled>>,
    /// What arrived.
    pub arrivals: mpsc::UnboundedSender<Vec<Arrival>>,
}

/// Whether a bind can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum BindState {
    /// No link, or not bound yet.
    Down = 0,
    /// Bound.
    Up = 1,
    /// Bound, and taking no more.
    Draining = 2,
}

/// The side of a bind that others hold.
#[derive(Debug)]
pub struct BindHandle {
    /// Its name.
    pub name: Arc<str>,
    /// Its lane.
    pub lane: Arc<str>,
    can_send: bool,
    can_receive: bool,
    queue_parts: AtomicUsize,
    state: AtomicU8,
    held: AtomicUsize,
    /// Parts settled since the start, and how many of them are on their way to the disk.
    told: AtomicU64,
    recorded: watch::Sender<u64>,
    submit: mpsc::UnboundedSender<Vec<Submission>>,
    answer: mpsc::UnboundedSender<Answer>,
    withdraw: mpsc::UnboundedSender<Vec<Withdrawal>>,
    drain: CancellationToken,
    changed: Arc<watch::Sender<u64>>,
}

impl BindHandle {
    /// Whether it can be sent to.
    pub fn state(&self) -> BindState {
        match self.state.load(Ordering::Acquire) {
            1 => BindState::Up,
            2 => BindState::Draining,
            _ => BindState::Down,
        }
    }

    /// Whether it is up, and bound to send.
    pub fn may_submit(&self) -> bool {
        self.can_send && self.state() == BindState::Up
    }

    /// Whether receipts come by it, once it is up.
    pub fn receives(&self) -> bool {
        self.can_receive
    }

    /// How many more parts it takes now; 0 while it is down.
    pub fn room(&self) -> usize {
        match self.state() {
            BindState::Up if self.can_send => {
                let held = self.held.load(Ordering::Acquire);
                self.queue_parts.load(Ordering::Acquire).saturating_sub(held)
            }
            _ => 0,
        }
    }

    /// From now on it takes so many parts in advance of its window.
    pub fn take_in_advance(&self, queue_parts: usize) {
        self.queue_parts.store(queue_parts, Ordering::Release);
        self.changed.send_modify(|turn| *turn += 1);
    }

    /// Hands it parts. Each is settled exactly once, whatever happens.
    pub fn submit(&self, parts: Vec<Submission>) -> Result<(), Vec<Submission>> {
        self.held.fetch_add(parts.len(), Ordering::AcqRel);
        self.submit.send(parts).map_err(|back| {
            self.held.fetch_sub(back.0.len(), Ordering::AcqRel);
            back.0
        })
    }

    /// Has the carrier asked to drop parts it took. Each is told of once: with the carrier's answer, or that there is none.
    pub fn withdraw(&self, parts: Vec<Withdrawal>) {
        if let Err(back) = self.withdraw.send(parts) {
            back.0.into_iter().for_each(|part| part.end(None));
        }
    }

    /// What became of so many of its parts is on disk: there is room for as many again. Sooner, a memory that is slow or
    /// away would leave more in doubt at a crash than the binds hold.
    pub fn settled(&self, parts: usize) {
        self.held.fetch_sub(parts, Ordering::AcqRel);
        self.changed.send_modify(|turn| *turn += 1);
    }

    /// What became of so many of its parts is on its way to the disk: what is queued from now on comes after it.
    pub fn recording(&self, parts: usize) {
        self.recorded.send_modify(|recorded| *recorded += parts as u64);
    }

    /// Waits until everything it has told of its parts so far is on its way to the disk.
    pub async fn caught_up(&self) {
        let told = self.told.load(Ordering::Acquire);
        // It ends with us.
        let _ = self.recorded.subscribe().wait_for(|recorded| *recorded >= told).await;
    }

    /// Answers what arrived. An answer for a connection that is gone is dropped: the carrier will send again.
    pub fn answer(&self, answer: Answer) {
        let _ = self.answer.send(answer);
    }

    /// Takes no more, waits for answers, unbinds, ends.
    pub fn drain(&self) {
        self.drain.cancel();
    }
}

/// A bind's life, to be spawned.
pub struct BindTask {
    settings: BindSettings,
    handle: Arc<BindHandle>,
    pace: Arc<Pace>,
    sinks: Sinks,
    metrics: Arc<Metrics>,
    submissions: mpsc::UnboundedReceiver<Vec<Submission>>,
    answers: mpsc::UnboundedReceiver<Answer>,
    withdrawals: mpsc::UnboundedReceiver<Vec<Withdrawal>>,
    to_withdraw: VecDeque<Withdrawal>,
    outbox: Outbox,
    arrived: Vec<Arrival>,
    connection: u64,
}

/// A bind and the task that lives it. `changed` turns whenever its room or state may have: one for all binds of a lane.
pub fn bind(
    settings: BindSettings,
    pace: Arc<Pace>,
    sinks: Sinks,
    metrics: Arc<Metrics>,
    changed: Arc<watch::Sender<u64>>,
) -> (Arc<BindHandle>, BindTask) {
    let (submit, submissions) = mpsc::unbounded_channel();
    let (answer, answers) = mpsc::unbounded_channel();
    let (withdraw, withdrawals) = mpsc::unbounded_channel();
    let handle = Arc::new(BindHandle {
        name: Arc::clone(&settings.name),
        lane: Arc::clone(&settings.lane),
        can_send: settings.mode != BindMode::Receiver,
        can_receive: settings.mode != BindMode::Transmitter,
        queue_parts: AtomicUsize::new(settings.queue_parts),
        state: AtomicU8::new(BindState::Down as u8),
        held: AtomicUsize::new(0),
        told: AtomicU64::new(0),
        recorded: watch::Sender::new(0),
        submit,
        answer,
        withdraw,
        drain: CancellationToken::new(),
        changed,
    });
    let task = BindTask {
        outbox: Outbox::new(Arc::clone(&settings.name), Planted::NONE),
        settings,
        handle: Arc::clone(&handle),
        pace,
        sinks,
        metrics,
        submissions,
        answers,
        withdrawals,
        to_withdraw: VecDeque::new(),
        arrived: Vec::new(),
        connection: 0,
    };
    (handle, task)
}

impl BindTask {
    /// Lives until drained.
    pub async fn run(mut self) {
        let mut tries = 0;
        while !self.handle.drain.is_cancelled() {
            self.connection += 1;
            let began = Instant::now();
            let ended = self.connect_and_drive().await;
            self.enter(BindState::Down);
            self.give_back();
            if self.handle.drain.is_cancelled() {
                break;
            }
            tries = if began.elapsed() > SETTLED_AFTER { 0 } else { tries + 1 };
            let dice = scatter(self.settings.seed ^ self.connection);
            let wait = self.settings.reconnect.wait(tries.max(1) - 1, dice);
            warn!(bind = %self.settings.name, "{ended}; again in {:.1} s", wait.as_secs_f32());
            tokio::select! {
                () = sleep(wait) => {}
                () = self.handle.drain.cancelled() => {}
            }
        }
        self.give_back();
        info!(bind = %self.settings.name, "unbound");
    }

    async fn connect_and_drive(&mut self) -> String {
        let address = self.settings.address.clone();
        let drain = self.handle.drain.clone();
        let stream = tokio::select! {
            stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(&address)) => stream,
            () = drain.cancelled() => return "asked to stop".to_owned(),
        };
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return format!("cannot connect to {address}: {error}"),
            Err(_) => {
                return format!("cannot connect to {address}: no answer in {} s", CONNECT_TIMEOUT.as_secs());
            }
        };
        let mut session = Session::new(Instant::now(), self.settings.session.clone());
        if let Err(refusal) = session.bind(Instant::now(), self.settings.mode, self.settings.bind.clone()) {
            return format!("cannot bind: {refusal:?}");
        }
        match Driver::new(stream, session) {
            Ok(driver) => self.drive(driver).await,
            Err(error) => format!("link lost: {error}"),
        }
    }

    async fn drive(&mut self, mut driver: Driver<Asked>) -> String {
        let mut ended = String::from("link lost");
        let mut drain_until: Option<Instant> = None;
        loop {
            let wake = self.pump(&mut driver);
            driver.flush();
            if self.metrics.in_window.get() > 0 {
                crash::point(Point::SubmitWritten);
            }
            self.tell();
            let drain = self.handle.drain.clone();
            tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => {
                    self.answer(&mut driver, answer);
                    while let Ok(answer) = self.answers.try_recv() {
                        self.answer(&mut driver, answer);
                    }
                }
                event = driver.event() => {
                    let mut next = event;
                    if next.is_none() {
                        return ended;
                    }
                    while let Some(event) = next {
                        if let ControlFlow::Break(why) = self.take(&mut driver, event) {
                            ended = why;
                        }
                        next = driver.session().poll_event();
                    }
                }
                Some(parts) = self.withdrawals.recv() => self.keep_withdrawals(parts),
                Some(parts) = self.submissions.recv() => self.outbox.push(parts),
                () = sleep_until(wake.unwrap_or_else(Instant::now).into()), if wake.is_some() => {}
                () = drain.cancelled(), if drain_until.is_none() => {
                    drain_until = Some(Instant::now() + DRAIN_TIMEOUT);
                    if self.handle.state() == BindState::Up {
                        self.enter(BindState::Draining);
                    }
                    self.give_back();
                    driver.session().unbind(Instant::now());
                }
                () = sleep_until(drain_until.unwrap_or_else(Instant::now).into()), if drain_until.is_some() => {
                    driver.session().handle_closed(Instant::now());
                    drain_until = None;
                }
            }
        }
    }

    /// Sends what window, pace and gate let through. Says when to come again, if it is the pace that holds.
    fn pump(&mut self, driver: &mut Driver<Asked>) -> Option<Instant> {
        if self.handle.state() != BindState::Up {
            return None;
        }
        self.pump_withdrawals(driver.session());
        let socket = if driver.is_flushed() { Socket::Clear } else { Socket::Clogged };
        let metrics = &self.metrics;
        let count = |_, _| metrics.in_window.one();
        self.outbox.pump(Instant::now(), driver.session(), socket, &self.pace, count)
    }

    /// Withdrawals first: each moment makes it likelier that the message is delivered.
    fn pump_withdrawals(&mut self, session: &mut Session<Asked>) {
        while session.window_room() > 0
            && let Some(part) = self.to_withdraw.pop_front()
        {
            let body = Body::CancelSm(part.sm.clone());
            if let Err((_, Asked::Withdrawal(part))) =
                session.request(Instant::now(), body, Asked::Withdrawal(part))
            {
                part.end(None);
            }
        }
    }

    fn keep_withdrawals(&mut self, parts: Vec<Withdrawal>) {
        self.to_withdraw.extend(parts);
        while self.to_withdraw.len() > WITHDRAWALS {
            if let Some(oldest) = self.to_withdraw.pop_front() {
                oldest.end(None);
            }
        }
    }

    fn take(&mut self, driver: &mut Driver<Asked>, event: Event<Asked>) -> ControlFlow<String> {
        match event {
            Event::Bound { .. } => {
                info!(bind = %self.settings.name, "bound");
                self.metrics.binds_up.one();
                let draining = self.handle.drain.is_cancelled();
                self.enter(if draining { BindState::Draining } else { BindState::Up });
            }
            Event::BindRefused { status } => {
                let name = status.name().unwrap_or("unknown status");
                return ControlFlow::Break(format!("bind refused: {name} ({:#010x})", status.0));
            }
            Event::Answered { tag: Asked::Withdrawal(part), response, .. } => part.end(Some(response.status)),
            Event::Answered { tag: Asked::Part(tag), response, .. } => {
                crash::point(Point::SubmitAnswered);
                self.metrics.in_window.less(1);
                let link = if self.handle.state() == BindState::Up { Link::Up } else { Link::Down };
                self.outbox.answered(Instant::now(), tag, &response, link, &self.pace);
                self.metrics.throttled.add(self.outbox.take_throttled());
            }
            Event::Expired { tag: Asked::Withdrawal(part), .. } => part.end(None),
            Event::Expired { tag: Asked::Part(tag), sequence } => {
                self.metrics.in_window.less(1);
                self.outbox.expired(sequence, tag);
                // A carrier that has stopped answering is not sent more: the bind stops first.
                driver.session().unbind(Instant::now());
                return ControlFlow::Break("no answer to submit_sm in time".to_owned());
            }
            Event::LateAnswer { sequence, response } => self.outbox.answered_late(sequence, &response),
            Event::Lost { tags } => {
                let mut lost = Vec::with_capacity(tags.len());
                for asked in tags {
                    match asked {
                        Asked::Part(part) => lost.push(part),
                        Asked::Withdrawal(part) => part.end(None),
                    }
                }
                self.metrics.in_window.less(lost.len() as u64);
                self.outbox.lost(lost);
            }
            Event::Requested { pdu, .. } => {
                let arrival = Arrival {
                    bind: Arc::clone(&self.handle),
                    connection: self.connection,
                    pdu,
                    read_at: Instant::now(),
                };
                self.arrived.push(arrival);
            }
            Event::PeerUnbound => return ControlFlow::Break("the carrier unbound".to_owned()),
            Event::Closed { reason: CloseReason::PeerClosed } => {}
            Event::Closed { reason } => return ControlFlow::Break(format!("closed: {reason:?}")),
            other => debug!(bind = %self.settings.name, "{other:?}"),
        }
        ControlFlow::Continue(())
    }

    fn answer(&mut self, driver: &mut Driver<Asked>, answer: Answer) {
        if answer.connection != self.connection {
            return;
        }
        let body = match answer.command {
            CommandId::DATA_SM => Body::DataSmResp(MessageResp::default()),
            _ => Body::DeliverSmResp(MessageResp {
                message_id: Some(protocol::octets::COctets::default()),
                ..MessageResp::default()
            }),
        };
        let session = driver.session();
        if let Err(refusal) = session.respond(Instant::now(), answer.sequence, answer.status, body) {
            debug!(bind = %self.settings.name, "answer not sent: {refusal:?}");
        }
    }

    /// Everything not written goes back.
    fn give_back(&mut self) {
        while let Ok(parts) = self.submissions.try_recv() {
            self.outbox.push(parts);
        }
        while let Ok(parts) = self.withdrawals.try_recv() {
            self.keep_withdrawals(parts);
        }
        self.to_withdraw.drain(..).for_each(|part| part.end(None));
        self.outbox.give_back();
        self.tell();
    }

    fn tell(&mut self) {
        let settled = self.outbox.take_settled();
        if !settled.is_empty() {
            // A late answer comes beside the settlement of its part, which counts.
            let parts = settled.iter().filter(|one| !matches!(one.fate, PartFate::AnsweredLate { .. }));
            self.handle.told.fetch_add(parts.count() as u64, Ordering::AcqRel);
            let _ = self.sinks.settled.send(settled);
        }
        // After the answers that came before them: a receipt waits until those are on their way to the disk.
        if !self.arrived.is_empty() {
            let _ = self.sinks.arrivals.send(std::mem::take(&mut self.arrived));
        }
    }

    fn enter(&self, state: BindState) {
        let before = self.handle.state.swap(state as u8, Ordering::AcqRel);
        if before != BindState::Down as u8 && state == BindState::Down {
            self.metrics.binds_up.less(1);
        }
        self.handle.changed.send_modify(|turn| *turn += 1);
    }
}

/// The answer to what we took.
pub const TAKEN: Status = Status(0);
/// The answer when our memory cannot take it now: the carrier keeps it and sends again (ESME_RX_T_APPN).
pub const NOT_NOW: Status = Status(0x64);
