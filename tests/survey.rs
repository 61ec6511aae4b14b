//! Surveys as people live them: each transcript in fixtures/survey is played on both stores, with the memory closed and
//! opened again at every step, by a clock that is set. What is said, to the letter, and what is kept must be what stands
//! in the file.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "survey/town.rs"]
mod town;
#[path = "survey/transcript.rs"]
mod transcript;

use std::path::{Path, PathBuf};

use town::Town;
use transcript::{Line, Transcript, moment};

/// Fewer would leave something out.
const TRANSCRIPTS: usize = 40;

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/survey");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    files.sort();
    files
}

/// Plays one; gives what went otherwise.
async fn play(file: &Path, town: &mut Town) -> Result<(), String> {
    let transcript = Transcript::read(file)?;
    let mut said = std::collections::VecDeque::new();
    for line in &transcript.lines {
        let (number, at_ms) = (line.number, line.at_ms);
        let here = |what: &str, said: Option<&(i64, String, String)>| {
            let said = said.map(|(at_ms, from, text)| format!("\n{} > {from}: {text}", moment(*at_ms)));
            format!("{}:{number}: {what}{}", file.display(), said.unwrap_or_default())
        };
        if at_ms > town.now_ms() {
            said.extend(town.until(at_ms).await);
        }
        match &line.what {
            Line::Heard { from, text } => match said.pop_front() {
                Some((at, sender, body)) if at == at_ms && sender == *from && body == *text => {}
                other => return Err(here("what was said is", other.as_ref())),
            },
            action => {
                if let Some(other) = said.front() {
                    return Err(here("before this was said", Some(other)));
                }
                said.extend(town.act(action).await);
            }
        }
    }
    if let Some((at_ms, from, text)) = said.pop_front() {
        return Err(format!("{}: in the end was said\n{} > {from}: {text}", file.display(), moment(at_ms)));
    }
    let kept = town.kept().await;
    if kept == transcript.kept {
        return Ok(());
    }
    Err(format!("{}: what is kept is\n= {}", file.display(), kept.join("\n= ")))
}

async fn play_all(store: impl Fn(&str) -> String) {
    let files = transcripts();
    assert!(files.len() >= TRANSCRIPTS, "only {} transcripts", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_string_lossy().replace('-', "_");
        let mut town = Town::new(&store(&name));
        if let Err(what) = play(file, &mut town).await {
            wrong.push(what);
        }
    }
    assert!(wrong.is_empty(), "{} of {} go otherwise:\n\n{}", wrong.len(), files.len(), wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transcript_goes_as_written_on_sqlite() {
    play_all(|_| "sqlite = \"town.db\"".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transcript_goes_as_written_on_postgres() {
    if postgres::wanted() {
        play_all(|name| format!("postgres = {:?}", postgres::database_url(&format!("survey_{name}")))).await;
    }
}
