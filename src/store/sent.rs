//! Which parts of a message the carrier has taken: what a retry does not send again.

use std::collections::HashMap;

use serde::Deserialize;

use super::Store;
use super::error::StoreError;
use super::sql::Sql;
use crate::message::MessageId;

static SENT: Sql = Sql::new(
    "select {list message, part} from (select distinct o.message, o.part \
         from {ids} join outcome o on o.message = r.id and o.kind = 'sent') x",
);

#[derive(Deserialize)]
struct Part {
    message: MessageId,
    part: i64,
}

impl Store {
    /// The parts of these messages that a carrier has taken, from 0, in any attempt.
    pub async fn sent_parts(
        &self,
        messages: &[MessageId],
    ) -> Result<HashMap<MessageId, Vec<i64>>, StoreError> {
        let mut sent: HashMap<MessageId, Vec<i64>> = HashMap::new();
        let parts: Vec<Part> = self.inner.readers.list(&SENT, messages).await?;
        for Part { message, part } in parts {
            sent.entry(message).or_default().push(part);
        }
        Ok(sent)
    }
}
