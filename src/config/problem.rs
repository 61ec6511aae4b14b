//! What is wrong with a file: where, what, and what would be right. All of it at once, never with a secret in it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

/// Problems shown at once: a reader mends the first dozen and asks again, and a file of noise must not fill a disk.
const SHOWN: usize = 50;

/// One thing that is wrong, with its place.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file as it was named to us.
    pub file: String,
    /// Line, from 1; 0 where the file as a whole is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 where the file as a whole is meant.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub hint: Option<String>,
    #[serde(skip)]
    mark: Option<Mark>,
}

/// Where to draw the mark: the text with its secrets blanked out, and the octets meant.
#[derive(Clone, PartialEq, Eq)]
struct Mark {
    text: Arc<str>,
    span: Range<usize>,
    /// Line on which `text` begins.
    line_start: usize,
}

impl Problem {
    /// A problem of a file as a whole: not there, not readable, not text.
    pub(crate) fn of_file(file: &str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self { file: file.to_owned(), line: 0, column: 0, what: what.into(), hint, mark: None }
    }

    /// A problem at a place in `text`, which is shown: it must hold no secret.
    pub(crate) fn at(
        file: &str,
        text: &Arc<str>,
        span: Range<usize>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let span = first_line_of(text, span);
        let (line, column) = line_and_column(text, span.start);
        let mark = Some(Mark { text: Arc::clone(text), span, line_start: 1 });
        let hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        Self { file: file.to_owned(), line, column, what: what.into(), hint, mark }
    }

    /// A problem in a line of a file that is read as a stream; the line itself isn't shown.
    pub(crate) fn on_line(file: &str, line: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { line, column: 1, ..Self::of_file(file, what, hint) }
    }

    /// The same, in a file whose text begins so many lines further down.
    pub(crate) fn moved_down(mut self, lines: u64) -> Self {
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        self.line = self.line.saturating_add(lines);
        if let Some(mark) = &mut self.mark {
            mark.line_start = self.line;
        }
        self
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut group = match &self.mark {
            Some(Mark { text, span, line_start }) => Level::ERROR.primary_title(self.what.as_str()).element(
                Snippet::source(&**text)
                    .line_start(*line_start)
                    .path(self.file.as_str())
                    .annotation(AnnotationKind::Primary.span(span.clone())),
            ),
            None => {
                let origin = Origin::path(self.file.as_str());
                let origin =
                    if self.line == 0 { origin } else { origin.line(self.line).char_column(self.column) };
                Level::ERROR.primary_title(self.what.as_str()).element(origin)
            }
        };
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)
    }
}

/// Everything wrong with one or more files, in the order in which a person would mend it. Never empty.
///
/// `Display` draws each with its line and a mark under the place, without colour; [`Problems::styled`] with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    items: Vec<Problem>,
}

impl Problems {
    /// Each problem, for tests and JSON.
    pub fn items(&self) -> &[Problem] {
        &self.items
    }

    /// The text of `Display` with colours for a terminal.
    pub fn styled(&self) -> String {
        self.render(&Renderer::styled().decor_style(DecorStyle::Unicode))
    }

    /// The text of `Display`: no colour, and only the signs of a typewriter, for pipes, logs and NO_COLOR.
    pub fn plain(&self) -> String {
        self.render(&Renderer::plain())
    }

    fn render(&self, renderer: &Renderer) -> String {
        let shown: Vec<String> =
            self.items.iter().take(SHOWN).map(|problem| problem.render(renderer)).collect();
        let mut text = shown.join("\n\n");
        if let Some(more @ 1..) = self.items.len().checked_sub(SHOWN) {
            text.push_str(&format!("\n\nand {more} more"));
        }
        text
    }

    /// `found` as an error, or nothing if nothing was found.
    pub(crate) fn from_found(found: Vec<Problem>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self { items: found }) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { items: vec![problem] }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plain())
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.items).finish()
    }
}

impl std::error::Error for Problems {}

/// The name that `written` was probably meant to be.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Under this likeness a suggestion confuses more than it helps.
    const LIKENESS: f64 = 0.6;
    let written = written.to_lowercase();
    known
        .into_iter()
        .map(|name| {
            let folded = name.to_lowercase();
            let begins = folded.len() >= 4 && written.len() >= 4;
            let likeness = if begins && (folded.starts_with(&written) || written.starts_with(&folded)) {
                0.9
            } else {
                strsim::normalized_damerau_levenshtein(&written, &folded)
            };
            (likeness, name)
        })
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Lists names as a person would: `` `a`, `b` and `c` ``.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// A mark over a text of several lines is drawn on its first line only: the rest is noise.
fn first_line_of(text: &str, span: Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    let end = text.get(start..end).and_then(|marked| marked.find(['\r', '\n'])).map_or(end, |at| start + at);
    start..end
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_a_mark_and_the_way_out() {
        let text: Arc<str> = Arc::from("name = \"a\"\nwindw = 10\n");
        let problem =
            Problem::at("b.toml", &text, 11..16, "unknown setting `windw`", "did you mean `window`?");
        let shown = Problems::from(problem).plain();
        assert!(shown.contains("b.toml:2:1"), "{shown}");
        assert!(shown.contains("windw = 10") && shown.contains("^^^^^"), "{shown}");
        assert!(shown.contains("hint: did you mean `window`?"), "{shown}");
    }

    #[test]
    fn columns_count_characters_not_octets() {
        let text: Arc<str> = Arc::from("né = 1");
        assert_eq!(line_and_column(&text, "né".len()), (1, 3));
    }

    #[test]
    fn a_long_list_is_cut_and_says_so() {
        let problems = Problems { items: vec![Problem::of_file("a", "b", "c"); SHOWN + 7] };
        assert!(problems.plain().ends_with("and 7 more"));
        assert_eq!(problems.items().len(), SHOWN + 7);
    }

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_a_stranger_none() {
        let known = ["window", "rate", "enquire_link", "port"];
        assert_eq!(nearest("windw", known), Some("window"));
        assert_eq!(nearest("enquire_link_interval", known), Some("enquire_link"));
        assert_eq!(nearest("colour", known), None);
    }
}
