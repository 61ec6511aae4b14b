//! Typographic signs that GSM 7-bit does not hold and what a typewriter would put: the usual reason why a text is
//! dear without anybody wanting it.

/// The plain writing of a typographic character; `None` where there is none that loses nothing.
pub(super) fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => "\"",
        '‘' | '’' | '‚' | '‛' | '′' | '´' | '`' | 'ʼ' | '‹' | '›' => "'",
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '\u{AD}' => "-",
        '…' => "...",
        '\t' | '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => " ",
        '\u{200B}' | '\u{2060}' | '\u{FEFF}' => "",
        '\u{2028}' | '\u{2029}' => "\n",
        '•' | '·' | '●' | '▪' => "-",
        '⁄' | '∕' => "/",
        '×' => "x",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        _ => return None,
    })
}

/// `text` with every typographic character that `needs` it written plainly, and which ones were (each once).
pub(super) fn straighten(
    text: &str,
    needs: impl Fn(char) -> bool,
) -> Option<(String, Vec<(char, &'static str)>)> {
    let mut replaced: Vec<(char, &'static str)> = Vec::new();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match plain(c).filter(|_| needs(c)) {
            None => out.push(c),
            Some(instead) => {
                out.push_str(instead);
                if !replaced.contains(&(c, instead)) {
                    replaced.push((c, instead));
                }
            }
        }
    }
    (!replaced.is_empty()).then_some((out, replaced))
}

#[cfg(test)]
mod tests {
    use super::super::shift::Shifts;
    use super::*;

    #[test]
    fn every_plain_writing_is_in_the_default_alphabet() {
        for c in (0..=0x10FFFFu32).filter_map(char::from_u32) {
            if let Some(instead) = plain(c) {
                assert!(super::super::gsm7::encode(instead, Shifts::NONE).is_ok(), "{c:?}");
                assert!(super::super::gsm7::code(c, Shifts::NONE).is_none(), "{c:?} needs no help");
            }
        }
    }

    #[test]
    fn only_what_needs_it_is_changed() {
        let (text, replaced) = straighten("“Ça va…” ‘oui’ – 'ok'", |c| !c.is_ascii()).unwrap();
        assert_eq!(text, "\"Ça va...\" 'oui' - 'ok'");
        assert_eq!(replaced.len(), 6);
        assert_eq!(straighten("plain", |_| true), None);
    }
}
