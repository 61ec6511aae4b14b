//! One bind of a run's gateway: its link, its session, its outbox, as the program's task drives them.

use super::*;

/// One bind.
pub(super) struct BindSide {
    pub(super) outbox: Outbox,
    pub(super) held: usize,
    pub(super) queue_parts: usize,
    pub(super) link: Option<(u64, Session<Asked>)>,
    pub(super) up: bool,
    pub(super) tries: u32,
    pub(super) unsent: VecDeque<Bytes>,
    pub(super) alarm_us: u64,
}

impl BindSide {
    pub(super) fn room(&self) -> usize {
        if self.up { self.queue_parts.saturating_sub(self.held) } else { 0 }
    }
}

impl World {
    pub fn connect(&mut self, index: usize) {
        let now = self.gateway_now();
        let Some(gateway) = &mut self.gateway else { return };
        if gateway.stopping || gateway.binds[index].link.is_some() {
            return;
        }
        let connection = self.net.connect();
        let settings = Settings {
            window: self.plan.window,
            enquire_link_interval: Duration::from_secs(3),
            response_timeout: Duration::from_secs(2),
            init_timeout: Duration::from_secs(3),
            unbind_timeout: Duration::from_millis(600),
            ..Settings::esme()
        };
        let mut session = Session::new(now, settings);
        let _ = session.bind(
            now,
            BindMode::Transceiver,
            Bind { system_id: "sim".into(), interface_version: 0x34, ..Bind::default() },
        );
        gateway.binds[index].link = Some((connection, session));
        self.carrier_accepts(connection);
        self.bind_goes_on(index);
    }

    pub(super) fn bind_of(&self, connection: u64) -> Option<usize> {
        let gateway = self.gateway.as_ref()?;
        gateway
            .binds
            .iter()
            .position(|bind| bind.link.as_ref().is_some_and(|(other, _)| *other == connection))
    }

    pub fn gateway_reads(&mut self, connection: u64) {
        let pieces = self.net.arrived(self.now_us, connection, Way::ToGateway);
        let now = self.gateway_now();
        let Some(index) = self.bind_of(connection) else { return };
        if let Some((_, session)) = self.gateway.as_mut().and_then(|it| it.binds[index].link.as_mut()) {
            pieces.iter().for_each(|piece| session.handle_bytes(now, piece));
            self.bind_goes_on(index);
        }
    }

    pub fn gateway_loses(&mut self, connection: u64) {
        let now = self.gateway_now();
        let Some(index) = self.bind_of(connection) else { return };
        if let Some((_, session)) = self.gateway.as_mut().and_then(|it| it.binds[index].link.as_mut()) {
            session.handle_closed(now);
            self.bind_goes_on(index);
        }
    }

    pub fn gateway_may_write(&mut self, connection: u64) {
        if let Some(index) = self.bind_of(connection)
            && self.gateway.as_ref().is_some_and(|gateway| !gateway.binds[index].unsent.is_empty())
        {
            self.bind_goes_on(index);
        }
    }

    pub fn bind_timer(&mut self, index: usize) {
        let (now, now_us) = (self.gateway_now(), self.now_us);
        let Some(gateway) = &mut self.gateway else { return };
        if gateway.binds[index].alarm_us > now_us {
            return;
        }
        gateway.binds[index].alarm_us = u64::MAX;
        if let Some((_, session)) = &mut gateway.binds[index].link
            && session.poll_timeout().is_some_and(|at| at <= now)
        {
            session.handle_timeout(now);
        }
        self.bind_goes_on(index);
    }

    /// What a bind's task does in its loop: events, parts, octets, settlements, alarms.
    pub(super) fn bind_goes_on(&mut self, index: usize) {
        loop {
            let Some(gateway) = &mut self.gateway else { return };
            let Some((_, session)) = &mut gateway.binds[index].link else { break };
            let Some(event) = session.poll_event() else { break };
            self.bind_takes(index, event);
        }
        let now = self.gateway_now();
        let day_ms = self.day_ms();
        let mut written = Vec::new();
        let mut again = None;
        let mut said = Vec::new();
        if let Some(gateway) = &mut self.gateway {
            let bind = &mut gateway.binds[index];
            if let Some((connection, session)) = &mut bind.link {
                let connection = *connection;
                let clear = bind.unsent.is_empty() && self.net.takes(connection, Way::ToCarrier);
                let socket = if clear { Socket::Clear } else { Socket::Clogged };
                if bind.up {
                    again = bind.outbox.pump(now, session, socket, &gateway.pace, |tag, number| {
                        written.push((tag, number.0))
                    });
                }
                while let Some(octets) = session.poll_transmit() {
                    bind.unsent.push_back(octets);
                }
                if self.net.takes(connection, Way::ToCarrier) {
                    said.extend(bind.unsent.drain(..).map(|octets| (connection, octets)));
                }
                again = again.into_iter().chain(session.poll_timeout()).min();
            }
        }
        for (tag, number) in written {
            let (message, part) = (tag.message.0, tag.part);
            self.tell(What::Written { message, part, number, clock_ms: day_ms });
        }
        for (connection, octets) in said {
            self.send(connection, Way::ToCarrier, octets);
        }
        self.bind_may_be_over(index);
        let Some(gateway) = &mut self.gateway else { return };
        let settled = gateway.binds[index].outbox.take_settled();
        let any = !settled.is_empty();
        gateway.settled.extend(settled);
        if let Some(at) = again {
            let at = self.gateway_at(at);
            self.bind_alarm(index, at);
        }
        if any {
            self.settle();
        }
        self.may_have_ended();
    }

    pub(super) fn bind_may_be_over(&mut self, index: usize) {
        let Some(gateway) = &mut self.gateway else { return };
        let bind = &mut gateway.binds[index];
        let over = bind.link.as_ref().is_some_and(|(_, session)| session.is_closed());
        if !over {
            return;
        }
        if let Some((connection, _)) = bind.link.take() {
            bind.up = false;
            bind.unsent.clear();
            bind.outbox.give_back();
            bind.tries += 1;
            let run = gateway.run;
            // what it said last still arrives
            self.after(1_000, Event::Gone(connection, Way::ToCarrier));
            let wait = self.dice.between(20_000, 1_200_000);
            self.after(wait, Event::Connect { run, bind: index });
        }
    }

    pub(super) fn bind_takes(&mut self, index: usize, event: SessionEvent<Asked>) {
        let now = self.gateway_now();
        let Some(gateway) = &mut self.gateway else { return };
        let stopping = gateway.stopping;
        let Gateway { binds, pace, .. } = gateway;
        let bind = &mut binds[index];
        match event {
            SessionEvent::Bound { .. } => {
                bind.up = !stopping;
                self.feed();
            }
            SessionEvent::Answered { tag: Asked::Part(tag), response, .. } => {
                let link = if bind.up { Link::Up } else { Link::Down };
                bind.outbox.answered(now, tag, &response, link, pace);
                if bind.outbox.take_throttled() > 0 {
                    self.tell(What::Busy);
                }
            }
            SessionEvent::Expired { tag: Asked::Part(tag), sequence } => {
                bind.outbox.expired(sequence, tag);
                if let Some((_, session)) = &mut bind.link {
                    session.unbind(now);
                }
            }
            SessionEvent::LateAnswer { sequence, response } => bind.outbox.answered_late(sequence, &response),
            SessionEvent::Lost { tags } => {
                let part = |asked| match asked {
                    Asked::Part(part) => Some(part),
                    Asked::Withdrawal(_) => None,
                };
                bind.outbox.lost(tags.into_iter().filter_map(part).collect());
            }
            SessionEvent::Requested { pdu, .. } => self.arrived(index, &pdu),
            _ => {}
        }
    }

    /// The bind is to be looked at by then.
    pub(super) fn bind_alarm(&mut self, bind: usize, at_us: u64) {
        let Some(gateway) = &mut self.gateway else { return };
        if at_us < gateway.binds[bind].alarm_us {
            gateway.binds[bind].alarm_us = at_us;
            let run = gateway.run;
            self.at(at_us, Event::BindTimer { run, bind });
        }
    }

    pub(super) fn unbind_all(&mut self) {
        let now = self.gateway_now();
        let Some(gateway) = &mut self.gateway else { return };
        for bind in &mut gateway.binds {
            bind.up = false;
            bind.outbox.give_back();
            if let Some((_, session)) = &mut bind.link {
                session.unbind(now);
            }
        }
        for index in 0..self.plan.binds {
            self.bind_goes_on(index);
        }
    }
}
