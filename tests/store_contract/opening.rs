//! Opening: ours and not ours, new and newer, to serve and to look.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backchat::message::MessageId;
use backchat::store::{Access, Location, OpenError, Options, Store, StoreError, SubjectKey};

use crate::fixtures::*;

crate::contract! {
    every_start_has_an_epoch_of_its_own,
    a_server_and_a_command_that_start_at_once_on_nothing_both_open,
    another_programs_database_is_refused_and_left_alone,
    a_newer_schema_is_refused,
    what_is_not_there_is_named,
    looking_needs_something_to_look_at,
    looking_works_beside_a_server_and_changes_nothing,
    a_path_that_cannot_be_used_says_why,
}

#[test]
fn both_engines_see_the_same_states() {
    let sqlite = include_str!("../../src/store/migrations/sqlite/0002_state.sql");
    let postgres = include_str!("../../src/store/migrations/postgres/0002_state.sql");
    assert_eq!(sqlite, postgres);
}

#[test]
fn both_engines_have_the_same_tables_and_columns() {
    let columns = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| line.starts_with("create") || line.starts_with("    "))
            .map(|line| line.split_whitespace().take(3).filter(|word| !word.ends_with("int")))
            .map(|words| words.filter(|word| !word.starts_with("integer")).collect::<Vec<_>>().join(" "))
            .map(|line| line.trim_end_matches(',').replace("bigint", "").trim().to_owned())
            // ids the engines count up themselves, each in its own words
            .filter(|line| !line.starts_with("epoch") && !line.contains("generated") && line != "id primary")
            .collect()
    };
    let sqlite = columns(include_str!("../../src/store/migrations/sqlite/0001_memory.sql"));
    let postgres = columns(include_str!("../../src/store/migrations/postgres/0001_memory.sql"));
    assert_eq!(sqlite, postgres);
}

#[tokio::test]
async fn whoever_looks_while_a_file_is_made_sees_nothing_or_ours() {
    let place = Place::sqlite();
    let Location::Sqlite(file) = &place.location else { unreachable!("a file") };
    let (file, made) = (file.clone(), Arc::new(AtomicBool::new(false)));
    let (looking, has_begun) = std::sync::mpsc::channel();
    let watcher = std::thread::spawn({
        let made = Arc::clone(&made);
        move || {
            let mut ids = BTreeSet::new();
            loop {
                let last = made.load(Ordering::Relaxed);
                let octets = std::fs::read(&file).unwrap_or_default();
                ids.extend(octets.get(68..72).map(<[u8]>::to_vec));
                let _ = looking.send(());
                if last {
                    return ids;
                }
            }
        }
    });
    has_begun.recv().unwrap();
    let store = place.open().await;
    made.store(true, Ordering::Relaxed);
    assert_eq!(watcher.join().unwrap(), BTreeSet::from([b"BCHT".to_vec()]));
    store.close(NOW).await;
}

async fn every_start_has_an_epoch_of_its_own(place: Place) {
    let store = place.open().await;
    let first = store.epoch();
    assert!(first > 0);
    store.close(NOW).await;
    assert!(place.open().await.epoch() > first);
}

async fn a_server_and_a_command_that_start_at_once_on_nothing_both_open(place: Place) {
    let beside = Options {
        now_ms: NOW,
        node: 1,
        access: Access::Beside,
        subjects: Some(SubjectKey::new("a key")),
        ..Options::default()
    };
    let (server, command) = tokio::join!(place.open_at(NOW, 0), Store::open(&place.location, beside));
    let (server, command) = (server.unwrap(), command.unwrap());
    assert_ne!(server.epoch(), command.epoch());
    command.accept(acceptance(1)).await.unwrap();
    assert_eq!(server.lines(LANE).await.unwrap().len(), 1);
}

async fn another_programs_database_is_refused_and_left_alone(place: Place) {
    place.meddle("create table invoices (id integer)").await;
    let before = bytes(&place.location);
    for refused in [place.open_at(NOW, 0).await.unwrap_err(), place.look().await.unwrap_err()] {
        assert!(matches!(refused, OpenError::NotOurs { .. }), "{refused}");
        assert!(refused.to_string().contains("is not Backchat's"), "{refused}");
    }
    assert_eq!(bytes(&place.location), before);
    // one with a table of our name is no more ours
    if !place.is_sqlite() {
        place.meddle("create table meta (key text, value text)").await;
        let refused = place.open_at(NOW, 0).await.unwrap_err();
        assert!(refused.to_string().contains("invoices, meta"), "{refused}");
    }
}

fn bytes(location: &Location) -> Option<Vec<u8>> {
    match location {
        Location::Sqlite(file) => Some(std::fs::read(file).unwrap()),
        Location::Postgres(_) => None,
    }
}

async fn a_newer_schema_is_refused(place: Place) {
    place.open().await.close(NOW).await;
    place
        .meddle(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
             select 9000, 'later', success, checksum, 0 from _sqlx_migrations where version = 1",
        )
        .await;
    for refused in [place.open_at(NOW, 0).await.unwrap_err(), place.look().await.unwrap_err()] {
        assert!(matches!(refused, OpenError::NewerSchema { found: 9000, .. }), "{refused}");
        assert!(refused.to_string().contains("made by a newer Backchat"), "{refused}");
    }
}

async fn what_is_not_there_is_named(place: Place) {
    let nowhere = match &place.location {
        Location::Sqlite(file) => Location::Sqlite(file.with_file_name("missing").join("backchat.db")),
        Location::Postgres(url) => Location::Postgres(url.replace("/contract_", "/nothing_")),
    };
    let place = place.at(nowhere);
    let refused = place.open_at(NOW, 0).await.unwrap_err();
    assert!(matches!(refused, OpenError::Unreachable { .. }), "{refused}");
    let hint = if place.is_sqlite() { "there is no folder" } else { "create it with createdb" };
    assert!(refused.to_string().contains(hint), "{refused}");
}

async fn looking_needs_something_to_look_at(place: Place) {
    let refused = place.look().await.unwrap_err();
    assert!(matches!(refused, OpenError::NotReady { .. }), "{refused}");
    if let Location::Sqlite(file) = &place.location {
        assert!(!file.exists(), "looking makes no file");
    }
}

async fn looking_works_beside_a_server_and_changes_nothing(place: Place) {
    let store = place.open().await;
    let looking = place.look().await.unwrap();
    store.accept(acceptance(2)).await.unwrap();
    assert!(looking.why(MessageId(2)).await.unwrap().is_some());
    assert_eq!(looking.queue_depth(LANE).await.unwrap().len(), 1);
    assert!(matches!(looking.accept(acceptance(3)).await, Err(StoreError::Refused(_))));
    assert_eq!(looking.epoch(), 0);
    store.close(NOW).await;
    assert!(looking.why(MessageId(2)).await.unwrap().is_some(), "and without one");
}

async fn a_path_that_cannot_be_used_says_why(place: Place) {
    match &place.location {
        Location::Sqlite(file) => {
            std::fs::write(file, "number,name\n+447700900123,Maria\n").unwrap();
            let refused = place.open_at(NOW, 0).await.unwrap_err();
            assert!(refused.to_string().contains("it is no SQLite database"), "{refused}");
            let folder = Location::Sqlite(file.parent().unwrap().to_owned());
            let folder = place.at(folder);
            let refused = folder.open_at(NOW, 0).await.unwrap_err();
            assert!(matches!(refused, OpenError::Failed { .. }), "{refused}");
        }
        Location::Postgres(_) => {
            let location = Location::Postgres("postgres://someone:secret@127.0.0.1:1/backchat".to_owned());
            let refused = place.at(location).open_at(NOW, 0).await.unwrap_err();
            assert!(matches!(refused, OpenError::Unreachable { .. }), "{refused}");
            let told = format!("{refused}{refused:?}");
            assert!(told.contains("127.0.0.1:1/backchat") && !told.contains("secret"), "{told}");
        }
    }
}
