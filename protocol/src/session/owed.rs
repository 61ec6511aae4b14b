//! Requests of the peer that wait for our answer.

use std::collections::VecDeque;

use crate::pdu::CommandId;

/// The peer's unanswered requests, oldest first. A peer may use one number twice (some do for all segments of a message):
/// each is answered for itself.
#[derive(Default)]
pub(super) struct Owed {
    // Answers come mostly in the order of the requests, so the search ends at the front.
    requests: VecDeque<(u32, CommandId)>,
}

impl Owed {
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn take_on(&mut self, sequence: u32, command: CommandId) {
        self.requests.push_back((sequence, command));
    }

    /// Whether `response` answers one of them, which it then takes out. A generic_nack answers any command.
    pub(super) fn settle(&mut self, sequence: u32, response: CommandId) -> bool {
        let place = self.requests.iter().position(|&(owed, request)| {
            owed == sequence && (response == CommandId::GENERIC_NACK || request.response() == Some(response))
        });
        place.is_some_and(|place| self.requests.remove(place).is_some())
    }

    pub(super) fn clear(&mut self) {
        self.requests = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_settled_once_by_its_own_response_or_a_nack() {
        let mut owed = Owed::default();
        for command in [CommandId::SUBMIT_SM, CommandId::SUBMIT_SM, CommandId::QUERY_SM] {
            owed.take_on(7, command);
        }
        assert!(!owed.settle(7, CommandId::DATA_SM_RESP));
        assert!(!owed.settle(8, CommandId::SUBMIT_SM_RESP));
        assert!(owed.settle(7, CommandId::QUERY_SM_RESP));
        assert!(owed.settle(7, CommandId::SUBMIT_SM_RESP));
        assert!(owed.settle(7, CommandId::GENERIC_NACK));
        assert!(!owed.settle(7, CommandId::SUBMIT_SM_RESP));
        assert!(owed.is_empty());
    }
}
