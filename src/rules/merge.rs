//! Merge fields in a text: `{name}` and `{name|there}`, the word after the bar standing in where a contact has none.

/// Fills the fields of a text. An unknown or empty field without a fallback leaves nothing behind but the text around
/// it; `{{` and `}}` stand for the braces themselves.
pub fn merge<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let (sign, tail) = rest[at..].split_at(1);
        if tail.starts_with(sign) {
            out.push_str(sign);
            rest = &tail[1..];
            continue;
        }
        match tail.find('}').filter(|_| sign == "{") {
            Some(end) => {
                let (field, fallback) = tail[..end].split_once('|').unwrap_or((&tail[..end], ""));
                let filled = value(field.trim()).map(str::trim).filter(|value| !value.is_empty());
                out.push_str(filled.unwrap_or(fallback));
                rest = &tail[end + 1..];
            }
            None => {
                out.push_str(sign);
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(field: &str) -> Option<&'static str> {
        (field == "name").then_some("Ana")
    }

    #[test]
    fn a_field_is_filled_and_a_missing_one_takes_its_fallback() {
        assert_eq!(merge("Hi {name}, {city|there}!", named), "Hi Ana, there!");
        assert_eq!(merge("Hi {name|friend}", |_| Some("  ")), "Hi friend");
        assert_eq!(merge("Hi {nick}!", named), "Hi !");
    }

    #[test]
    fn braces_can_be_written_and_an_open_one_stays() {
        assert_eq!(merge("{{name}} {name} {oops", named), "{name} Ana {oops");
    }

    proptest! {
        #[test]
        fn a_text_without_braces_stays_as_it_is(text in "[^{}]*") {
            prop_assert_eq!(merge(&text, named), text);
        }

        #[test]
        fn no_text_upsets_it(text in ".*") {
            let _ = merge(&text, named);
        }
    }
}
