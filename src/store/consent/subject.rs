//! How an erased number is known again: by a hash under a key that is not in the database.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use crate::message::{Msisdn, hex};
use crate::store::engine::Tx;
use crate::store::error::StoreError;
use crate::store::sql::Sql;

/// What the fingerprint of a key is a hash of.
const FINGERPRINT_OF: &[u8] = b"backchat erasure key";

static FINGERPRINT: Sql =
    Sql::new("select {row value} from (select value from meta where key = {text key}) x");
static KEEP_FINGERPRINT: Sql = Sql::new(
    "insert into meta (key, value) select key, value from {rows key text, value text} \
     where true on conflict do nothing",
);

/// The key under which erased numbers are hashed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SubjectKey([u8; 32]);

impl SubjectKey {
    /// From a secret of any length.
    pub fn new(secret: &str) -> Self {
        use sha2::Digest as _;
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// What an erased number is kept as: 62 bits of its hash, beyond every number. With a million erased and a thousand
    /// million asked for, the chance that one is taken for another is one in five thousand.
    pub(in crate::store) fn subject(&self, number: Msisdn) -> Msisdn {
        Msisdn::erased(u64::from_be_bytes(self.hash(number.0.to_string().as_bytes())))
    }

    fn hash(&self, of: &[u8]) -> [u8; 8] {
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            // a key of any length is taken
            Err(_) => return [0; 8],
        };
        mac.update(of);
        let hash = mac.finalize().into_bytes();
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        first
    }

    fn fingerprint(&self) -> String {
        hex(&self.hash(FINGERPRINT_OF))
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey")
    }
}

/// Whether this key is the one numbers were erased under. Without that key, their opt-outs could not be honoured.
///
/// # Errors
/// What is wrong, and what would be right.
pub(in crate::store) async fn check(tx: &mut Tx<'_>, key: Option<&SubjectKey>) -> Result<(), StoreError> {
    match (fingerprint(tx).await?, key) {
        (None, _) => Ok(()),
        (Some(kept), Some(key)) if kept == key.fingerprint() => Ok(()),
        (Some(_), Some(_)) => Err(StoreError::Refused(
            "numbers were erased under another key, and their opt-outs cannot be honoured with this one; set \
             `erasure_key` back to the key that was used"
                .to_owned(),
        )),
        (Some(_), None) => Err(StoreError::Refused(
            "numbers were erased, and their opt-outs cannot be honoured without the key; set `erasure_key` to the key \
             that was used"
                .to_owned(),
        )),
    }
}

/// Notes which key is used, at the first erasure.
pub(in crate::store) async fn keep(tx: &mut Tx<'_>, key: &SubjectKey) -> Result<(), StoreError> {
    let row = serde_json::json!([{ "key": "erasure_key", "value": key.fingerprint() }]);
    tx.change(&KEEP_FINGERPRINT, &row).await?;
    check(tx, Some(key)).await
}

async fn fingerprint(tx: &mut Tx<'_>) -> Result<Option<String>, StoreError> {
    #[derive(Deserialize)]
    struct Row {
        value: String,
    }
    let rows: Vec<Row> = tx.rows(&FINGERPRINT, &serde_json::json!({ "key": "erasure_key" })).await?;
    Ok(rows.into_iter().next().map(|row| row.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_subject_under_a_key_and_another_under_another() {
        let (one, other) = (SubjectKey::new("a secret"), SubjectKey::new("another"));
        let number = Msisdn(447_700_900_123);
        assert_eq!(one.subject(number), one.subject(number));
        assert_ne!(one.subject(number), other.subject(number));
        assert_ne!(one.subject(number), one.subject(Msisdn(447_700_900_124)));
        assert!(one.subject(number).is_erased() && !number.is_erased());
        assert_eq!(format!("{one:?}"), "SubjectKey");
    }
}
