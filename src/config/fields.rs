//! Merge fields in configured texts: checked when the file is read, and those known then filled in for good.

use super::problem::{listed, nearest};
use super::raw::Wrong;

/// Checks a text's merge fields against those it may have. A contact's own field must say what stands in when it is
/// not known: `{name|there}`.
pub(super) fn check(text: &str, known: &[&str]) -> Result<(), Wrong> {
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let tail = &rest[at..];
        if tail.starts_with("{{") || tail.starts_with("}}") {
            rest = &tail[2..];
            continue;
        }
        let twice = "a merge field is written {name|there}; a brace itself is written twice";
        let inner =
            tail.strip_prefix('{').ok_or_else(|| Wrong::new("has a `}` that closes nothing", twice))?;
        let end = inner.find(['{', '}']).filter(|end| inner[*end..].starts_with('}'));
        let end = end.ok_or_else(|| Wrong::new("opens a `{` and doesn't close it", twice))?;
        let (name, fallback) = inner[..end]
            .split_once('|')
            .map_or((&inner[..end], None), |(name, fallback)| (name, Some(fallback)));
        if !known.contains(&name) {
            let near =
                nearest(name, known.iter().copied()).map(|near| format!("did you mean `{{{near}}}`? "));
            let hint = format!("{}here are {}", near.unwrap_or_default(), listed(known.iter().copied()));
            return Err(Wrong::new(
                format!("has the merge field `{{{name}}}`, which is not known here"),
                hint,
            ));
        }
        if fallback.is_none_or(|fallback| fallback.trim().is_empty()) && OF_A_PERSON.contains(&name) {
            let what = format!("has `{{{name}}}` without a word for those of whom it is not known");
            return Err(Wrong::new(
                what,
                format!("write {{{name}|there}}, with your own word after the bar"),
            ));
        }
        rest = &inner[end + 1..];
    }
    Ok(())
}

/// Puts a value in for good; the text stays one with merge fields.
pub(super) fn fill(text: &str, name: &str, value: &str) -> String {
    let value = value.replace('{', "{{").replace('}', "}}");
    let mut out = String::with_capacity(text.len() + value.len());
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let taken = if tail.starts_with("{{") { 2 } else { tail.find('}').map_or(tail.len(), |end| end + 1) };
        let (field, after) = tail.split_at(taken);
        let inner = field.trim_start_matches('{').trim_end_matches('}');
        if taken > 2 && inner.split('|').next() == Some(name) && !value.is_empty() {
            out.push_str(&value);
        } else {
            out.push_str(field);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Fields that not every contact has.
const OF_A_PERSON: &[&str] = &["name", "read"];

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Result<(), String> {
        check(text, &["name", "brand"]).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn wrong_merge_fields_are_found_before_anybody_reads_them() {
        assert_eq!(verdict("{brand}: hi {name|there}, {{1}}"), Ok(()));
        for (text, why) in [
            ("hi {nmae|you}", "not known here"),
            ("hi {name}", "without a word"),
            ("hi {name|}", "without a word"),
            ("hi {name|there", "doesn't close it"),
            ("hi {name {brand}}", "doesn't close it"),
            ("hi }", "closes nothing"),
        ] {
            let wrong = verdict(text).unwrap_err();
            assert!(wrong.contains(why), "{text}: {wrong}");
        }
        assert!(verdict("hi {nmae|you}").unwrap_err().contains("did you mean `{name}`?"));
    }

    #[test]
    fn filling_one_field_leaves_the_others_and_the_braces() {
        assert_eq!(
            fill("{brand}: {{brand}} {name|there}", "brand", "A{c}"),
            "A{{c}}: {{brand}} {name|there}"
        );
        assert_eq!(fill("{contact|our site}", "contact", "x@y"), "x@y");
        assert_eq!(fill("{contact|our site}", "contact", ""), "{contact|our site}");
    }
}
