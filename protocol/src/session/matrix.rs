//! Which side may send which PDU in which state: SMPP 3.4 table 2-1 with the rows of 5.0, for both roles.

use std::fmt;

use crate::pdu::CommandId;

/// Which side of the session we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The client: it binds, submits, and is delivered to.
    Esme,
    /// The server: the message centre.
    Smsc,
}

impl Role {
    /// The other side.
    pub fn peer(self) -> Role {
        match self {
            Role::Esme => Role::Smsc,
            Role::Smsc => Role::Esme,
        }
    }
}

/// What a bind is for (SMPP 3.4 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindMode {
    /// The ESME sends.
    Transmitter,
    /// The ESME receives.
    Receiver,
    /// Both on one session.
    Transceiver,
}

impl BindMode {
    /// The request that asks for it.
    pub fn command(self) -> CommandId {
        match self {
            BindMode::Transmitter => CommandId::BIND_TRANSMITTER,
            BindMode::Receiver => CommandId::BIND_RECEIVER,
            BindMode::Transceiver => CommandId::BIND_TRANSCEIVER,
        }
    }

    /// The mode that a bind request asks for.
    pub fn of(command: CommandId) -> Option<BindMode> {
        match command {
            CommandId::BIND_TRANSMITTER => Some(BindMode::Transmitter),
            CommandId::BIND_RECEIVER => Some(BindMode::Receiver),
            CommandId::BIND_TRANSCEIVER => Some(BindMode::Transceiver),
            _ => None,
        }
    }
}

/// Where a session stands (SMPP 3.4 section 2.2, 5.0 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Connected, not bound.
    Open,
    /// The message centre connected and has sent outbind; the ESME's bind is waited for.
    Outbound,
    /// A bind was sent or received, and is not answered yet.
    Binding(BindMode),
    /// Bound.
    Bound(BindMode),
    /// Still bound, but one side has asked for the end: nothing new is begun.
    Unbinding(BindMode),
    /// Over. Nothing is read or sent any more.
    Closed,
}

impl State {
    /// The mode, where bound (until the end: an unbinding session is bound still).
    pub fn mode(self) -> Option<BindMode> {
        match self {
            State::Bound(mode) | State::Unbinding(mode) => Some(mode),
            State::Open | State::Outbound | State::Binding(_) | State::Closed => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Open => "open",
            State::Outbound => "outbound",
            State::Binding(_) => "binding",
            State::Bound(BindMode::Transmitter) => "bound_tx",
            State::Bound(BindMode::Receiver) => "bound_rx",
            State::Bound(BindMode::Transceiver) => "bound_trx",
            State::Unbinding(_) => "unbinding",
            State::Closed => "closed",
        })
    }
}

/// A set of states, as the columns of the table name them.
type States = u8;
const NEVER: States = 0;
const OPEN: States = 1;
const OUTBOUND: States = 1 << 1;
const TX: States = 1 << 2;
const RX: States = 1 << 3;
const TRX: States = 1 << 4;
const BOUND: States = TX | RX | TRX;
const ANY: States = OPEN | OUTBOUND | BOUND;

/// Whether `sender` may send `command` in `state`.
///
/// Sources: SMPP 3.4 table 2-1; 5.0 adds the broadcast operations, the outbound state, and enquire_link and generic_nack
/// in every state. Where the two differ the wider one holds: data_sm both ways on every bind (3.4), replace_sm on a
/// transceiver too (5.0), outbind followed by any bind that receives. What 3.3 alone has goes as query_sm does. A response goes the other way in the state of its
/// request. Commands that neither names (vendors' own, 0x00010200 to 0x000102FF among them) are for bound sessions.
pub fn permits(sender: Role, state: State, command: CommandId) -> bool {
    let (esme, smsc) = match command.request() {
        Some(request) => {
            let (esme, smsc) = row(request);
            (smsc, esme)
        }
        None => row(command),
    };
    let allowed = match sender {
        Role::Esme => esme,
        Role::Smsc => smsc,
    };
    allowed & column(state) != 0
}

fn column(state: State) -> States {
    match state {
        // Until the answer to the bind is there, the session is open still.
        State::Open | State::Binding(_) => OPEN,
        State::Outbound => OUTBOUND,
        State::Bound(mode) | State::Unbinding(mode) => match mode {
            BindMode::Transmitter => TX,
            BindMode::Receiver => RX,
            BindMode::Transceiver => TRX,
        },
        State::Closed => NEVER,
    }
}

/// The states in which the ESME, and those in which the message centre, may send a request.
fn row(request: CommandId) -> (States, States) {
    match request {
        CommandId::BIND_TRANSMITTER => (OPEN, NEVER),
        CommandId::BIND_RECEIVER | CommandId::BIND_TRANSCEIVER => (OPEN | OUTBOUND, NEVER),
        CommandId::OUTBIND => (NEVER, OPEN),
        CommandId::UNBIND => (BOUND, BOUND),
        CommandId::SUBMIT_SM
        | CommandId::SUBMIT_MULTI
        | CommandId::QUERY_SM
        | CommandId::CANCEL_SM
        | CommandId::REPLACE_SM
        | CommandId::PARAM_RETRIEVE
        | CommandId::QUERY_LAST_MSGS
        | CommandId::QUERY_MSG_DETAILS
        | CommandId::BROADCAST_SM
        | CommandId::QUERY_BROADCAST_SM
        | CommandId::CANCEL_BROADCAST_SM => (TX | TRX, NEVER),
        CommandId::DELIVER_SM | CommandId::ALERT_NOTIFICATION => (NEVER, RX | TRX),
        CommandId::DATA_SM => (BOUND, BOUND),
        CommandId::ENQUIRE_LINK | CommandId::GENERIC_NACK => (ANY, ANY),
        _ => (BOUND, BOUND),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [BindMode; 3] = [BindMode::Transmitter, BindMode::Receiver, BindMode::Transceiver];

    fn all_states() -> Vec<State> {
        let mut states = vec![State::Open, State::Outbound, State::Closed];
        for mode in MODES {
            states.extend([State::Binding(mode), State::Bound(mode), State::Unbinding(mode)]);
        }
        states
    }

    fn bound_states(sender: Role, command: CommandId) -> Vec<BindMode> {
        MODES.into_iter().filter(|&mode| permits(sender, State::Bound(mode), command)).collect()
    }

    #[test]
    fn the_table_of_smpp_3_4_holds_for_requests() {
        use BindMode::{Receiver, Transceiver, Transmitter};
        let sends = vec![Transmitter, Transceiver];
        let receives = vec![Receiver, Transceiver];
        for command in
            [CommandId::SUBMIT_SM, CommandId::SUBMIT_MULTI, CommandId::QUERY_SM, CommandId::CANCEL_SM]
        {
            assert_eq!(bound_states(Role::Esme, command), sends, "{command:?}");
            assert!(bound_states(Role::Smsc, command).is_empty(), "{command:?}");
        }
        for command in [CommandId::DELIVER_SM, CommandId::ALERT_NOTIFICATION] {
            assert_eq!(bound_states(Role::Smsc, command), receives, "{command:?}");
            assert!(bound_states(Role::Esme, command).is_empty(), "{command:?}");
        }
        for command in
            [CommandId::DATA_SM, CommandId::UNBIND, CommandId::ENQUIRE_LINK, CommandId::GENERIC_NACK]
        {
            for sender in [Role::Esme, Role::Smsc] {
                assert_eq!(bound_states(sender, command), MODES, "{command:?}");
            }
        }
    }

    #[test]
    fn what_smpp_3_3_alone_has_goes_as_query_sm_does() {
        for command in [CommandId::PARAM_RETRIEVE, CommandId::QUERY_LAST_MSGS, CommandId::QUERY_MSG_DETAILS] {
            for (sender, state) in [Role::Esme, Role::Smsc]
                .into_iter()
                .flat_map(|sender| all_states().into_iter().map(move |state| (sender, state)))
            {
                let as_query = permits(sender, state, CommandId::QUERY_SM);
                assert_eq!(permits(sender, state, command), as_query, "{command:?} in {state}");
            }
        }
    }

    #[test]
    fn nothing_but_a_bind_and_link_keeping_goes_before_the_bind() {
        for mode in MODES {
            assert!(permits(Role::Esme, State::Open, mode.command()));
            assert!(!permits(Role::Smsc, State::Open, mode.command()));
            for bound in MODES {
                assert!(!permits(Role::Esme, State::Bound(bound), mode.command()));
            }
        }
        assert!(permits(Role::Smsc, State::Open, CommandId::OUTBIND));
        assert!(!permits(Role::Esme, State::Open, CommandId::OUTBIND));
        for command in [CommandId::SUBMIT_SM, CommandId::DATA_SM, CommandId::DELIVER_SM, CommandId::UNBIND] {
            for sender in [Role::Esme, Role::Smsc] {
                assert!(!permits(sender, State::Open, command), "{command:?}");
                assert!(!permits(sender, State::Binding(BindMode::Transceiver), command), "{command:?}");
            }
        }
        assert!(permits(Role::Esme, State::Open, CommandId::ENQUIRE_LINK));
    }

    #[test]
    fn after_outbind_the_esme_binds_to_receive() {
        assert!(permits(Role::Esme, State::Outbound, CommandId::BIND_RECEIVER));
        assert!(permits(Role::Esme, State::Outbound, CommandId::BIND_TRANSCEIVER));
        assert!(!permits(Role::Esme, State::Outbound, CommandId::BIND_TRANSMITTER));
    }

    #[test]
    fn a_response_is_permitted_where_its_request_is_from_the_other_side() {
        for state in all_states() {
            for sender in [Role::Esme, Role::Smsc] {
                for command in [
                    CommandId::SUBMIT_SM,
                    CommandId::DELIVER_SM,
                    CommandId::DATA_SM,
                    CommandId::BIND_RECEIVER,
                ] {
                    assert_eq!(
                        permits(sender, state, command),
                        permits(sender.peer(), state, command.response().unwrap()),
                        "{command:?} in {state}"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_is_permitted_after_the_end() {
        for command in (0..=0x122).map(CommandId) {
            assert!(!permits(Role::Esme, State::Closed, command));
            assert!(!permits(Role::Smsc, State::Closed, command));
        }
    }
}
