//! What only the whole configuration can tell: names used twice, names that nothing bears.

use super::SurveyFile;
use super::carrier::Carrier;
use super::code::Read as CodeRead;
use super::keyword::Opens;
use super::problem::{listed, nearest};
use super::raw::{At, Document};
use super::reserved::fold;
use crate::message::SenderKind;

/// Two carriers of one name.
pub(super) fn carriers(document: &Document, carriers: &[At<Carrier>]) {
    for (index, carrier) in carriers.iter().enumerate() {
        if carriers[..index].iter().any(|before| before.value.name == carrier.value.name) {
            let what = format!("two carriers are called `{}`", carrier.value.name);
            document.note(
                carrier.span.clone(),
                what,
                "give each its own name; several sessions are `binds = 2`",
            );
        }
    }
}

/// Two codes of one number.
pub(super) fn codes(document: &Document, codes: &[CodeRead]) {
    for (index, read) in codes.iter().enumerate() {
        if codes[..index].iter().any(|before| before.code.number == read.code.number) {
            let what = format!("the code {} stands here twice", read.code.number);
            document.note(read.number_at.clone(), what, "a code is served by one block");
        }
    }
}

/// Codes through carriers that don't exist.
pub(super) fn carriers_of_codes(document: &Document, codes: &[CodeRead], carriers: &[At<Carrier>]) {
    let names: Vec<&str> = carriers.iter().map(|carrier| carrier.value.name.as_str()).collect();
    for read in codes {
        let missing = |(carrier, _): &(&String, _)| !names.contains(&carrier.as_str());
        for (carrier, at) in read.code.carriers.iter().zip(&read.carriers_at).filter(missing) {
            let what =
                format!("the code {} names the carrier `{carrier}`, which is not there", read.code.number);
            document.note(at.clone(), what, there_are("carriers", carrier, &names));
        }
    }
}

/// Two surveys of one key or keyword.
pub(super) fn surveys(files: &[SurveyFile]) {
    for (index, file) in files.iter().enumerate() {
        let Some(read) = &file.read else { continue };
        let before = || files[..index].iter().filter_map(|file| file.read.as_ref());
        if before().any(|other| other.survey.key == read.survey.key) {
            let what = format!("two surveys are called `{}`", read.survey.key);
            file.document.note(read.key_at.clone(), what, "give each its own key");
        }
        let (Some(word), Some(at)) = (&read.survey.keyword, &read.keyword_at) else { continue };
        let same = before()
            .find(|other| other.survey.keyword.as_ref().is_some_and(|other| fold(other) == fold(word)));
        if let Some(other) = same {
            let what = format!("the keyword `{word}` is that of the survey `{}` too", other.survey.key);
            file.document.note(at.clone(), what, "give each its own keyword");
        }
    }
}

/// Surveys asked from codes that don't exist, or that nobody can answer to.
pub(super) fn senders_of_surveys(files: &[SurveyFile], codes: &[CodeRead]) {
    for file in files {
        let Some(read) = &file.read else { continue };
        let numbers: Vec<&str> = codes.iter().map(|code| code.code.number.0.as_str()).collect();
        for (sender, at) in read.survey.senders.iter().zip(&read.senders_at) {
            if sender.kind() == SenderKind::Alphanumeric {
                let what = format!(
                    "the survey `{}` is asked from `{sender}`, which nobody can answer to",
                    read.survey.key
                );
                file.document.note(at.clone(), what, "use a short code or a long number");
            } else if !numbers.contains(&sender.0.as_str()) {
                let what = format!(
                    "the survey `{}` is asked from {sender}, which is no code of ours",
                    read.survey.key
                );
                file.document.note(at.clone(), what, there_are("codes", &sender.0, &numbers));
            }
        }
    }
}

/// Keywords and defaults that open surveys that don't exist. `all_read`: no survey was refused for another reason.
pub(super) fn surveys_opened(document: &Document, codes: &[CodeRead], files: &[SurveyFile], all_read: bool) {
    if !all_read {
        return;
    }
    let keys: Vec<&str> =
        files.iter().filter_map(|file| Some(file.read.as_ref()?.survey.key.as_str())).collect();
    for read in codes {
        let keywords = read.code.keywords.iter().zip(&read.keywords_at);
        let keywords = keywords.map(|(one, at)| (format!("the keyword `{}`", one.word), &one.opens, at));
        let default = (format!("the default of {}", read.code.number), &read.code.default, &read.default_at);
        for (who, opens, at) in keywords.chain([default]) {
            let Opens::Survey(key) = opens else { continue };
            if !keys.contains(&key.as_str()) {
                let what = format!("{who} opens the survey `{key}`, which is not there");
                document.note(at.clone(), what, there_are("surveys", key, &keys));
            }
        }
    }
}

fn there_are(things: &str, wanted: &str, have: &[&str]) -> String {
    match nearest(wanted, have.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if have.is_empty() => format!("there are no {things} in this configuration"),
        None => format!("the {things} are {}", listed(have.iter().copied())),
    }
}
