//! Octets out of hex as people have it: bare, in groups, with `0x` and commas, or a dump with offsets and a text column
//! (`xxd`, `hexdump -C`, `od -tx1`, Wireshark).

/// Text that is no hex.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadHex {
    /// From 1.
    pub(crate) line: usize,
    /// In characters, from 1.
    pub(crate) column: usize,
    /// What is wrong there.
    pub(crate) what: String,
}

/// Reads hex. A dump whose offsets begin again at zero starts another buffer.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Vec<u8>>, BadHex> {
    let mut dumps = Vec::new();
    let mut digits = Digits::default();
    for (line, written) in text.split(|octet| *octet == b'\n').enumerate() {
        let place = |column: usize, what: String| BadHex { line: line + 1, column: column + 1, what };
        let written = written.strip_suffix(b"\r").unwrap_or(written);
        if written.trim_ascii_start().starts_with(b"#") {
            continue;
        }
        let (from, to) = match offset(written, &digits) {
            Some(Offset { start: Start::Again, from, to }) => {
                digits.close().map_err(|what| place(0, what))?;
                dumps.push(std::mem::take(&mut digits.octets));
                (from, to)
            }
            Some(Offset { from, to, .. }) => (from, to),
            None => (0, written.len()),
        };
        for (column, token) in tokens(written, from, to) {
            digits.take(token).map_err(|(at, what)| place(column + at, what))?;
        }
    }
    let last = text.iter().filter(|octet| **octet == b'\n').count();
    digits.close().map_err(|what| BadHex { line: last + 1, column: 1, what })?;
    if !digits.octets.is_empty() {
        dumps.push(digits.octets);
    }
    Ok(dumps)
}

#[derive(Default)]
struct Digits {
    octets: Vec<u8>,
    half: Option<u8>,
}

impl Digits {
    fn take(&mut self, token: &[u8]) -> Result<(), (usize, String)> {
        let prefixes: [&[u8]; 4] = [b"0x", b"0X", b"\\x", b"\\X"];
        let bare = prefixes.iter().find_map(|prefix| token.strip_prefix(*prefix));
        let (prefixed, skipped, mut token) = match bare {
            Some(rest) => (true, 2, rest),
            None => (false, 0, token),
        };
        // `\x00\x2f` has no blanks between.
        if let Some(at) =
            token.windows(2).position(|pair| pair == b"\\x" || pair == b"\\X").filter(|at| *at > 0)
        {
            let (first, rest) = token.split_at(at);
            token = first;
            self.digits(token, prefixed).map_err(|(at, what)| (at + skipped, what))?;
            return self.take(rest).map_err(|(more, what)| (at + skipped + more, what));
        }
        self.digits(token, prefixed).map_err(|(at, what)| (at + skipped, what))
    }

    fn digits(&mut self, token: &[u8], prefixed: bool) -> Result<(), (usize, String)> {
        // A digit by itself is an octet written short.
        if let [digit] = token
            && self.half.is_none()
            && prefixed
        {
            self.octets.push(value(*digit).ok_or_else(|| stray(0, *digit))?);
            return Ok(());
        }
        for (at, digit) in token.iter().enumerate() {
            let value = value(*digit).ok_or_else(|| stray(at, *digit))?;
            match self.half.take() {
                Some(high) => self.octets.push(high << 4 | value),
                None => self.half = Some(value),
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        match self.half.take() {
            Some(_) => Err("an odd number of hex digits".to_owned()),
            None => Ok(()),
        }
    }
}

fn stray(at: usize, octet: u8) -> (usize, String) {
    let sign =
        if octet.is_ascii_graphic() { char::from(octet).to_string() } else { format!("octet 0x{octet:02x}") };
    (at, format!("`{sign}` is no hex digit"))
}

fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// What stands between digits.
fn is_gap(octet: u8) -> bool {
    octet.is_ascii_whitespace() || b",;:-_\"'[](){}".contains(&octet)
}

/// The tokens of a part of a line, each with its column.
fn tokens(line: &[u8], from: usize, to: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let part = line.get(from..to).unwrap_or_default();
    let mut at = 0;
    std::iter::from_fn(move || {
        at += part.get(at..)?.iter().take_while(|octet| is_gap(**octet)).count();
        let length = part.get(at..)?.iter().take_while(|octet| !is_gap(**octet)).count();
        let start = at;
        at += length;
        part.get(start..at).filter(|token| !token.is_empty()).map(|token| (from + start, token))
    })
}

/// An offset in front of a line, and where its octets stand.
struct Offset {
    start: Start,
    from: usize,
    to: usize,
}

#[derive(PartialEq)]
enum Start {
    /// It goes on where the line before ended.
    Here,
    /// It is zero again: another dump.
    Again,
}

/// Whether the line starts with an offset: a word of at least four digits that says how many octets stand before it, and
/// that a colon, two blanks or a width of its own sets apart from the octets behind it.
fn offset(line: &[u8], so_far: &Digits) -> Option<Offset> {
    let blanks = line.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
    let line_rest = line.get(blanks..)?;
    let prefix = if line_rest.starts_with(b"0x") { 2 } else { 0 };
    let word = line_rest.get(prefix..)?;
    let width = word.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    if !(4..=16).contains(&width) || so_far.half.is_some() {
        return None;
    }
    let said = std::str::from_utf8(word.get(..width)?).ok()?;
    let rest = word.get(width..)?;
    let (colon, rest) = match rest.strip_prefix(b":") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let gap = rest.iter().take_while(|octet| octet.is_ascii_whitespace()).count();
    let next = rest.get(gap..)?.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
    let count = so_far.octets.len();
    let means = |radix| usize::from_str_radix(said, radix).ok();
    let start = match means(16) {
        Some(0) if count > 0 => Start::Again,
        Some(at) if at == count => Start::Here,
        _ if means(8) == Some(count) => Start::Here,
        _ => return None,
    };
    let set_apart = colon && gap > 0 || gap > 1 || next > 0 && next != width && gap > 0;
    // The last line of `hexdump` has the offset alone.
    let alone = rest.trim_ascii().is_empty() && count > 0 && start == Start::Here;
    if !set_apart && !alone {
        return None;
    }
    let from = line.len() - rest.len() + gap;
    Some(Offset { start, from, to: from + octets_end(line.get(from..)?, colon) })
}

/// Where the text column of a dump begins, if it has one.
fn octets_end(octets: &[u8], colon: bool) -> usize {
    // `xxd` sets the text apart by two blanks; `hexdump` and Wireshark may have two in the middle of the octets.
    let wide: &[u8] = if colon { b"  " } else { b"   " };
    let gap = octets.windows(wide.len()).position(|gap| gap == wide);
    let bar = octets.iter().position(|octet| *octet == b'|');
    gap.into_iter().chain(bar).min().unwrap_or(octets.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENQUIRE: &[u8] = b"\x00\x00\x00\x10\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x01";

    fn one(text: &str) -> Vec<u8> {
        let dumps = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?} in {text}"));
        assert_eq!(dumps.len(), 1, "{text}");
        dumps.concat()
    }

    #[test]
    fn hex_is_read_however_it_is_written() {
        for text in [
            "00000010000000150000000000000001",
            "0x00000010000000150000000000000001\n",
            "00000010 00000015 00000000 00000001",
            "0000 0010 0000 0015 0000 0000 0000 0001",
            "00 00 00 10 00 00 00 15\r\n00 00 00 00 00 00 00 01\r\n",
            "00:00:00:10:00:00:00:15:00:00:00:00:00:00:00:01",
            "{0x00, 0x00, 0x00, 0x10, 0x0, 0x0, 0x0, 0x15, 0x00, 0x0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01}",
            r#""\x00\x00\x00\x10\x00\x00\x00\x15\x00\x00\x00\x00\x00\x00\x00\x01""#,
            "# an enquire_link\n0000001000000015\n0000000000000001",
            "00000000: 0000 0010 0000 0015 0000 0000 0000 0001  ................\n",
            "00000000  00 00 00 10 00 00 00 15  00 00 00 00 00 00 00 01  |................|\n00000010\n",
            "0000   00 00 00 10 00 00 00 15 00 00 00 00 00 00 00 01   ................",
            "0000000 00 00 00 10 00 00 00 15 00 00 00 00 00 00 00 01\n0000020\n",
            "0000  00 00 00 10 00 00 00 15\n0008  00 00 00 00 00 00 00 01\n",
        ] {
            assert_eq!(one(text), ENQUIRE, "{text}");
        }
    }

    #[test]
    fn offsets_that_begin_again_start_another_dump() {
        let text = "0000  00 00 00 10 00 00 00 15\n0008  00 00 00 00 00 00 00 01\n0000  00 00 00 10\n";
        let dumps = parse(text.as_bytes()).unwrap();
        assert_eq!(dumps, [ENQUIRE, b"\x00\x00\x00\x10"]);
    }

    #[test]
    fn what_is_no_hex_is_told_with_its_place() {
        let wrong = parse(b"00 00\n00 1g").unwrap_err();
        assert_eq!((wrong.line, wrong.column), (2, 5));
        assert_eq!(wrong.what, "`g` is no hex digit");
        assert_eq!(parse(b"00 0").unwrap_err().what, "an odd number of hex digits");
        assert_eq!(parse(b" \n"), Ok(Vec::new()));
    }

    proptest! {
        #[test]
        fn any_octets_come_back_from_any_dump(octets in prop::collection::vec(any::<u8>(), 1..100)) {
            let plain: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            prop_assert_eq!(one(&plain), octets.clone());
            let dump: String = octets.chunks(16).enumerate().map(|(line, chunk)| {
                let pairs: Vec<String> = chunk.iter().map(|octet| format!("{octet:02x}")).collect();
                let text: String = chunk.iter().map(|octet| if octet.is_ascii_graphic() { char::from(*octet) } else { '.' }).collect();
                format!("{:08x}: {}  {text}\n", line * 16, pairs.join(" "))
            }).collect();
            prop_assert_eq!(one(&dump), octets);
        }

        #[test]
        fn any_text_is_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&text);
        }
    }
}
