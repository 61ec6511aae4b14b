//! A place for a store, and rows that differ only where a test says so.

use std::sync::atomic::{AtomicU32, Ordering};

use backchat::message::{
    CampaignId, MessageId, Msisdn, Outbound, OutcomeKind, Partitions, Purpose, Sender, Source,
};
use backchat::rules::machines::dispatcher::Line;
use backchat::store::{
    Acceptance, Access, Channel, ChunkId, ConsentChange, ConsentKind, Evidence, InboundCommit, InboundRow,
    Invitation, InvitationChange, InvitationStanding, InvitationState, LeasedChunk, Location, NewChunk,
    OpenError, Options, OutcomeRow, ReceiptRow, SliceMark, Store, StoreError, SubjectKey,
};

use crate::postgres;

/// The time at which everything happens unless a test says otherwise.
pub const NOW: i64 = 1_790_000_000_000;
/// Long enough that no lease lapses by itself.
pub const LEASE: i64 = 60_000;
/// The carrier account.
pub const LANE: &str = "north";
/// The short code.
pub const CODE: &str = "88001";

/// An empty database that lives as long as the test.
pub struct Place {
    pub location: Location,
    partitions: Partitions,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(folder.path().join("backchat.db"));
        Self { location, partitions: Partitions::None, _folder: Some(folder) }
    }

    /// None where the tests were told to leave Postgres out.
    pub async fn postgres() -> Option<Self> {
        if !postgres::wanted() {
            return None;
        }
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let name = format!("contract_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let url = tokio::task::spawn_blocking(move || postgres::database_url(&name)).await.unwrap();
        Some(Self { location: Location::Postgres(url), partitions: Partitions::None, _folder: None })
    }

    /// The same, with tables for each day.
    pub async fn postgres_by_day() -> Option<Self> {
        Some(Self::postgres().await?.by_day())
    }

    /// The same database, opened with tables for each day.
    pub fn by_day(self) -> Self {
        Self { partitions: Partitions::Daily, ..self }
    }

    /// The same database, opened without.
    pub fn whole(self) -> Self {
        Self { partitions: Partitions::None, ..self }
    }

    /// A connection of an operator's own.
    pub async fn postgres_connection(&self) -> sqlx::PgConnection {
        use sqlx::Connection as _;
        match &self.location {
            Location::Postgres(url) => sqlx::PgConnection::connect(url).await.unwrap(),
            Location::Sqlite(_) => panic!("this is SQLite"),
        }
    }

    /// The same, elsewhere.
    pub fn at(self, location: Location) -> Self {
        Self { location, ..self }
    }

    pub fn is_sqlite(&self) -> bool {
        matches!(self.location, Location::Sqlite(_))
    }

    pub async fn open(&self) -> Store {
        self.open_at(NOW, 0).await.unwrap()
    }

    pub async fn open_at(&self, now_ms: i64, node: u16) -> Result<Store, OpenError> {
        let (subjects, partitions) = (Some(SubjectKey::new("a key")), self.partitions);
        let options = Options { now_ms, node, access: Access::Serve, subjects, partitions };
        Store::open(&self.location, options).await
    }

    pub async fn look(&self) -> Result<Store, OpenError> {
        let subjects = Some(SubjectKey::new("a key"));
        let options = Options { now_ms: NOW, access: Access::Look, subjects, ..Options::default() };
        Store::open(&self.location, options).await
    }

    /// A number out of the database, as an operator could ask for it.
    pub async fn count(&self, sql: &str) -> i64 {
        use sqlx::{AssertSqlSafe, Connection as _};
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.location {
            Location::Sqlite(file) => {
                let url = format!("sqlite://{}?mode=ro", file.display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
            }
        }
    }

    /// The columns of all tables that hold this text somewhere, as `table.column`.
    pub async fn columns_with(&self, text: &str) -> Vec<String> {
        use sqlx::{AssertSqlSafe, Connection as _};
        const ON_SQLITE: &str = "select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c \
             where m.type = 'table'";
        const ON_POSTGRES: &str = "select cast(c.table_name as text), cast(c.column_name as text) \
             from information_schema.columns c join information_schema.tables t using (table_schema, table_name) \
             where t.table_type = 'BASE TABLE' and table_schema = current_schema()";
        let columns: Vec<(String, String)> = match &self.location {
            Location::Sqlite(file) => {
                let url = format!("sqlite://{}?mode=ro", file.display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                sqlx::query_as(ON_SQLITE).fetch_all(&mut connection).await.unwrap()
            }
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::query_as(AssertSqlSafe(ON_POSTGRES.to_owned()))
                    .fetch_all(&mut connection)
                    .await
                    .unwrap()
            }
        };
        assert!(columns.len() > 100, "{columns:?}");
        let mut found = Vec::new();
        for (table, column) in columns {
            let rows =
                format!("select count(*) from \"{table}\" where cast(\"{column}\" as text) like '%{text}%'");
            if self.count(&rows).await > 0 {
                found.push(format!("{table}.{column}"));
            }
        }
        found
    }

    /// Runs a statement beside the store, as an operator could.
    pub async fn meddle(&self, sql: &str) {
        use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.location {
            Location::Sqlite(file) => {
                let url = format!("sqlite://{}?mode=rwc", file.display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                connection.execute(sql).await.unwrap();
                connection.close().await.unwrap();
            }
            Location::Postgres(url) => {
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                connection.execute(sql).await.unwrap();
            }
        }
    }
}

pub fn number(n: i64) -> Msisdn {
    Msisdn(447_700_900_000 + u64::try_from(n).unwrap())
}

pub fn campaign() -> CampaignId {
    CampaignId("exit-survey".to_owned())
}

pub fn message(n: i64) -> Outbound {
    Outbound {
        id: MessageId(n),
        lane: LANE.to_owned(),
        purpose: Purpose::Survey,
        campaign: Some(campaign()),
        programme: None,
        sender: Sender(CODE.to_owned()),
        to: number(n),
        body: format!("Why did you leave, {n}? \u{1f914} \"1\" price, '2' \\ coverage"),
        language: Some("en".to_owned()),
        source: Source::Campaign,
        accepted_ms: NOW,
        expires_ms: None,
        zone: Some("Asia/Jakarta".to_owned()),
        account: None,
        reference: None,
        registered_delivery: None,
        relay: None,
    }
}

pub fn chunk(id: i64, members: impl IntoIterator<Item = i64>) -> NewChunk {
    NewChunk {
        id: ChunkId(id),
        lane: LANE.to_owned(),
        class: Purpose::Survey.class(),
        campaign: Some(campaign()),
        not_before_ms: NOW,
        attempt: 0,
        members: members.into_iter().map(MessageId).collect(),
        carries_on: None,
    }
}

/// The line of those chunks.
pub fn line() -> Line {
    Line { class: Purpose::Survey.class(), campaign: Some(campaign()) }
}

/// Messages 1..=n in chunk 100.
pub fn acceptance(n: i64) -> Acceptance {
    Acceptance {
        messages: (1..=n).map(message).collect(),
        chunks: vec![chunk(100, 1..=n)],
        ..Acceptance::default()
    }
}

pub fn outcome(message: i64, kind: OutcomeKind) -> OutcomeRow {
    OutcomeRow {
        message: MessageId(message),
        attempt: 0,
        part: 0,
        kind,
        bind: Some("north-1".to_owned()),
        carrier: None,
        status: None,
        carrier_id: None,
        carrier_key: None,
        cause: None,
        at_ms: NOW + 1_000,
        took_ms: None,
    }
}

pub fn sent(message: i64, carrier_id: &str) -> OutcomeRow {
    OutcomeRow {
        carrier: Some("north".to_owned()),
        status: Some(0),
        carrier_id: Some(carrier_id.to_owned()),
        carrier_key: Some(carrier_id.to_owned()),
        ..outcome(message, OutcomeKind::Sent)
    }
}

pub fn receipt(id: i64, carrier_id: &str, state: &str) -> ReceiptRow {
    ReceiptRow {
        id,
        carrier: "north".to_owned(),
        carrier_id: carrier_id.to_owned(),
        carrier_key: carrier_id.to_owned(),
        candidates: vec![carrier_id.to_owned()],
        number: None,
        state: state.to_owned(),
        is_final: !matches!(state, "enroute" | "accepted"),
        err: Some("000".to_owned()),
        quote: None,
        received_ms: NOW + 2_000,
        done_ms: Some(NOW + 1_900),
    }
}

pub fn invitation(message: i64) -> Invitation {
    Invitation {
        campaign: campaign(),
        number: number(message),
        sender: Sender(CODE.to_owned()),
        message: MessageId(message),
        survey: "exit".to_owned(),
        language: Some("en".to_owned()),
        name: Some("Maria".to_owned()),
        zone: None,
        started_by: "campaign".to_owned(),
        standing: standing(InvitationState::Open),
    }
}

pub fn standing(state: InvitationState) -> InvitationStanding {
    InvitationStanding {
        state,
        question: "reason".to_owned(),
        asked: 1,
        reminded: 0,
        trail: None,
        offered: None,
        opened_ms: NOW,
        asked_ms: NOW,
        closed_ms: state.is_closed().then_some(NOW + 5_000),
        due_ms: None,
        version: 0,
    }
}

/// A change to an invitation that has not changed before.
pub fn change(message: i64, state: InvitationState) -> InvitationChange {
    InvitationChange { message: MessageId(message), standing: standing(state) }
}

pub fn inbound(id: i64, from: i64, text: &str) -> InboundCommit {
    InboundCommit {
        inbound: InboundRow {
            id,
            lane: LANE.to_owned(),
            number: number(from),
            code: CODE.to_owned(),
            text: text.to_owned(),
            octets: "53544f50".to_owned(),
            data_coding: 0,
            received_ms: NOW + 5_000 + id,
            digest: format!("digest-{id}"),
            verdict: "freetext".to_owned(),
            rule: "none".to_owned(),
            pack: "en@1".to_owned(),
            candidates: serde_json::json!([]),
            campaign: Some(campaign()),
            question: Some("reason".to_owned()),
            parts: 1,
            note: None,
        },
        parts: None,
        consent: Vec::new(),
        invitations: Vec::new(),
        answer: None,
        conversation: None,
        callbacks: Vec::new(),
        accept: Acceptance::default(),
    }
}

pub fn consent(id: i64, of: i64, kind: ConsentKind) -> ConsentChange {
    ConsentChange {
        id,
        number: number(of),
        scope: "sender:88001".to_owned(),
        kind,
        at_ms: NOW + id,
        channel: Channel::Sms,
        actor: "handset".to_owned(),
        evidence: Evidence::default(),
        asks: None,
    }
}

/// The queue, one chunk at a time: what most tests are about.
pub trait ChunkByChunk {
    /// The chunk that has been due longest.
    async fn lease_chunk(
        &self,
        lane: &str,
        line: &Line,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<LeasedChunk>, StoreError>;
    /// The messages that an opt-out stops; refused where the chunk is not ours.
    async fn mark_chunk(&self, mark: SliceMark) -> Result<Vec<MessageId>, StoreError>;
}

impl ChunkByChunk for Store {
    async fn lease_chunk(
        &self,
        lane: &str,
        line: &Line,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<Option<LeasedChunk>, StoreError> {
        let mut chunks = self.lease_chunks(lane, line, 1, now_ms, lease_ms).await?;
        assert!(chunks.len() <= 1, "one was asked for");
        Ok(chunks.pop())
    }

    async fn mark_chunk(&self, mark: SliceMark) -> Result<Vec<MessageId>, StoreError> {
        let marked = self.mark_slice(vec![mark]).await?;
        match marked.refused.as_slice() {
            [] => Ok(marked.stopped.into_iter().collect()),
            refused => Err(StoreError::Refused(format!("{refused:?} not ours"))),
        }
    }
}

/// The ids of messages, for comparing.
pub fn ids(messages: &[Outbound]) -> Vec<i64> {
    messages.iter().map(|message| message.id.0).collect()
}
