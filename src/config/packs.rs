//! The packs that replies are read by: those compiled in, or a folder's, without a release.

use std::path::Path;
use std::sync::Arc;

use super::raw::Table;
use super::unit::text;
use crate::rules::reading::{PackTexts, Reader};

/// The packs, by the file each is in.
pub const PACK_FILES: [&str; 5] =
    ["words.toml", "numbers.toml", "phrases.toml", "grammar.toml", "noise.toml"];

/// Which packs replies are read by.
#[derive(Debug, Clone, Default)]
pub enum Packs {
    /// Those compiled in; made ready when the first reply is read.
    #[default]
    BuiltIn,
    /// A folder's.
    Folder(Arc<Reader>),
}

impl Packs {
    /// The reader with these packs.
    pub fn reader(&self) -> Arc<Reader> {
        match self {
            Self::BuiltIn => Reader::built_in(),
            Self::Folder(reader) => Arc::clone(reader),
        }
    }
}

/// Reads the packs of a folder. A pack that has no file there is the built-in one.
///
/// # Errors
/// What cannot be read or used, with the file, the line and the key.
pub fn load_packs(folder: &Path) -> Result<Packs, String> {
    let mut read: [Option<String>; 5] = Default::default();
    for (slot, name) in read.iter_mut().zip(PACK_FILES) {
        match std::fs::read_to_string(folder.join(name)) {
            Ok(text) => *slot = Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{} cannot be read: {error}", folder.join(name).display())),
        }
    }
    if read.iter().all(Option::is_none) {
        let names = PACK_FILES.join(", ");
        return Err(format!("{} holds no pack; the packs are {names}", folder.display()));
    }
    let built_in = PackTexts::BUILT_IN;
    let [words, numbers, phrases, grammar, noise] = &read;
    let texts = PackTexts {
        words: words.as_deref().unwrap_or(built_in.words),
        numbers: numbers.as_deref().unwrap_or(built_in.numbers),
        phrases: phrases.as_deref().unwrap_or(built_in.phrases),
        grammar: grammar.as_deref().unwrap_or(built_in.grammar),
        noise: noise.as_deref().unwrap_or(built_in.noise),
    };
    if texts == built_in {
        return Ok(Packs::BuiltIn);
    }
    let reader = Reader::from_texts(&texts).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Packs::Folder(Arc::new(reader)))
}

/// The packs a configuration names; the built-in ones where it names none.
pub(super) fn read(table: &Table<'_>) -> Packs {
    let Some(at) = table.get("packs", text) else { return Packs::default() };
    let document = table.document();
    load_packs(&document.path(at.value)).unwrap_or_else(|what| {
        let hint = "name a folder with packs of the form of config/packs; leave it out for the built-in ones";
        document.note(at.span, format!("the packs `{}` cannot be used: {what}", at.value), hint);
        Packs::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_one_pack_changes_just_that_one() {
        let folder = tempfile::tempdir().unwrap();
        let words = PackTexts::BUILT_IN.words.replace("format = 2\n", "format = 2\n# ours\n");
        std::fs::write(folder.path().join("words.toml"), words).unwrap();
        let Ok(Packs::Folder(reader)) = load_packs(folder.path()) else { panic!("a folder of packs") };
        assert_ne!(reader.version(), Reader::built_in().version());
    }

    #[test]
    fn the_packs_in_the_repository_are_those_compiled_in() {
        assert!(matches!(load_packs(Path::new("config/packs")), Ok(Packs::BuiltIn)));
    }

    #[test]
    fn a_wrong_pack_is_refused_with_its_file_line_and_key() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = load_packs(folder.path()).unwrap_err();
        assert!(nothing.contains("holds no pack") && nothing.contains("phrases.toml"), "{nothing}");
        std::fs::write(folder.path().join("noise.toml"), "format = 1\nchecked = 3\n").unwrap();
        let wrong = load_packs(folder.path()).unwrap_err();
        assert!(wrong.contains("noise") && wrong.contains("line 2"), "{wrong}");
    }
}
