//! Nothing looks through a large table for work: the plan of every statement is held to that.

use sqlx::{Connection as _, Executor as _, Row as _, SqliteConnection};

use super::sql::expanded;

/// Tables that stay small.
const MAY_SCAN: [&str; 7] =
    ["campaign", "generation", "key_log", "run", "meta", "_sqlx_migrations", "receipt_waiting"];
/// Everything but the reports, which count.
const SOURCES: [(&str, &str); 17] = [
    ("accept", include_str!("accept.rs")),
    ("audience", include_str!("audience.rs")),
    ("consent/chain", include_str!("consent/chain.rs")),
    ("consent/lists", include_str!("consent/lists.rs")),
    ("consent/pack", include_str!("consent/pack.rs")),
    ("consent/state", include_str!("consent/state.rs")),
    ("consent/verify", include_str!("consent/verify.rs")),
    ("contexts", include_str!("contexts.rs")),
    ("history", include_str!("history.rs")),
    ("inbound", include_str!("inbound.rs")),
    ("locator", include_str!("locator.rs")),
    ("locator/generations", include_str!("locator/generations.rs")),
    ("locator/merge", include_str!("locator/merge.rs")),
    ("outcomes", include_str!("outcomes.rs")),
    ("queue", include_str!("queue.rs")),
    ("retention", include_str!("retention.rs")),
    ("sent", include_str!("sent.rs")),
];

/// The statements in a source, by name, as the compiler would read them.
fn statements(source: &str) -> Vec<(String, String)> {
    let shipped = source.split("#[cfg(test)]").next().unwrap_or_default();
    shipped
        .split("static ")
        .skip(1)
        .filter_map(|item| {
            let (name, rest) = item.split_once(": Sql =")?;
            let literal = rest.split_once('"')?.1;
            let mut text = String::new();
            let mut signs = literal.chars();
            while let Some(sign) = signs.next() {
                match sign {
                    '"' => return Some((name.to_owned(), text)),
                    '\\' => match signs.next()? {
                        '\n' => {
                            let rest = signs.as_str().trim_start();
                            signs = rest.chars();
                        }
                        escaped => text.push(escaped),
                    },
                    other => text.push(other),
                }
            }
            None
        })
        .collect()
}

async fn empty() -> SqliteConnection {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0001_memory.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0002_state.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0005_accounts.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0006_audience.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0007_consent.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0004_desk.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0003_surveys.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0008_retention.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0009_took.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0010_runs.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0011_keys.sql")).await.unwrap();
    connection.execute(include_str!("migrations/sqlite/0012_nobodys.sql")).await.unwrap();
    connection
}

/// The tables, by the names a statement gives them.
fn tables(text: &str) -> Vec<(String, String)> {
    let words: Vec<&str> = text
        .split(|sign: char| !(sign.is_alphanumeric() || sign == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    words
        .windows(3)
        .filter(|window| matches!(window[0], "from" | "join" | "into" | "update"))
        .flat_map(|window| [(window[1], window[1]), (window[2], window[1])])
        .map(|(alias, table)| (alias.to_owned(), table.to_owned()))
        .collect()
}

#[tokio::test]
async fn no_statement_but_a_report_looks_through_a_large_table() {
    let mut connection = empty().await;
    let (mut seen, mut scans) = (0, Vec::new());
    for (file, source) in SOURCES {
        for (name, text) in statements(source) {
            let text = expanded(&text);
            let names = tables(&text);
            let explain = sqlx::AssertSqlSafe(format!("explain query plan {text}"));
            let plan = sqlx::query(explain).bind("[]").fetch_all(&mut connection).await;
            let plan = plan.unwrap_or_else(|error| panic!("{file}::{name}: {error}\n{text}"));
            for step in plan.iter().map(|row| row.get::<String, _>("detail")) {
                let Some(scanned) = step.strip_prefix("SCAN ") else { continue };
                let alias = scanned.split_whitespace().next().unwrap_or_default();
                let table = names.iter().find(|(name, _)| name == alias).map_or(alias, |(_, table)| table);
                let large = [
                    include_str!("migrations/sqlite/0001_memory.sql"),
                    include_str!("migrations/sqlite/0006_audience.sql"),
                    include_str!("migrations/sqlite/0011_keys.sql"),
                ]
                .iter()
                .any(|schema| schema.contains(&format!("create table {table} ")));
                // arguments, and the index of leased chunks, which are as many as there are lanes
                if step.contains("VIRTUAL TABLE") || step.ends_with("USING INDEX chunk_leased") {
                    continue;
                }
                if large && !MAY_SCAN.contains(&table) {
                    scans.push(format!("{file}::{name} scans {table}: {step}"));
                }
            }
            seen += 1;
        }
    }
    assert!(scans.is_empty(), "{}", scans.join("\n"));
    assert!(seen > 50, "{seen} statements were found");
}

/// With a table for each day, a look-up is planned over all of them unless it says between which messages it looks, or that
/// it looks for what is nobody's.
#[test]
fn no_look_up_that_comes_often_is_planned_over_all_days() {
    const OFTEN: [&str; 6] = ["accept", "accounts", "contexts", "outcomes", "queue", "sent"];
    /// Receipts that were told twice.
    const SELDOM: &str = "outcomes::STORED";
    let sources = SOURCES.into_iter().chain([("accounts", include_str!("accounts.rs"))]);
    let (mut seen, mut over_all) = (0, Vec::new());
    for (file, source) in sources.filter(|(file, _)| OFTEN.contains(file)) {
        for (name, text) in statements(source) {
            let words: Vec<&str> = text.split_whitespace().collect();
            for at in words.windows(4) {
                let [before, verb, table, alias] = [at[0], at[1], at[2], at[3]];
                if !["from", "join"].contains(&verb) || !["message", "outcome", "receipt"].contains(&table) {
                    continue;
                }
                seen += 1;
                let bounded = text.contains(&format!("{{span {alias}."))
                    || text.contains(&format!("{alias}.message is null"));
                if !bounded && format!("{file}::{name}") != SELDOM {
                    over_all.push(format!("{file}::{name}: {before} {verb} {table} {alias}"));
                }
            }
            seen += text.matches("{probe ").count();
        }
    }
    assert!(over_all.is_empty(), "{}", over_all.join("\n"));
    assert!(seen > 20, "{seen} look-ups were found");
}
