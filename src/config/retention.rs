//! `[retention]`: how long what has happened is kept.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::raw::{Table, Wrong};
use super::unit::duration;
use crate::message::Kept;

/// A receipt may come a week later, and a doubt be held for hours: what is younger is not history yet.
const SHORTEST_MS: u64 = 7 * 86_400_000;
/// Ten years: who means longer means for ever.
const LONGEST_MS: u64 = 3_650 * 86_400_000;

/// How long each kind is kept, in milliseconds; what is not here is kept for ever.
pub type Retention = BTreeMap<Kept, i64>;

/// Reads `[retention]`; left out, everything is kept.
pub(super) fn read(root: &Table<'_>) -> Retention {
    let Some(table) = root.table("retention") else { return Retention::new() };
    let age = |kept: Kept| Some((kept, table.get(kept.name(), age)?.value?));
    Kept::ALL.into_iter().filter_map(age).collect()
}

/// A time, or for ever.
fn age(value: &DeValue<'_>) -> Result<Option<i64>, Wrong> {
    if value.as_str() == Some("forever") {
        return Ok(None);
    }
    let wrong = |wrong: Wrong| Wrong { hint: format!("{}; or \"forever\"", wrong.hint), ..wrong };
    duration(SHORTEST_MS..=LONGEST_MS)(value).map(|ms| Some(ms.cast_signed())).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::message::Class;

    const REST: &str = "[[carrier]]\nname = \"main\"\nhost = \"localhost\"\nport = 2775\nsystem_id = \"a\"\n\
        password = \"plain:b\"\n[[code]]\nnumber = \"88001\"\ncarrier = \"main\"\nbrand = \"Acme\"\n";

    fn retention(lines: &str) -> Result<Retention, String> {
        let text = format!("{lines}\n{REST}");
        parse("a.toml", &text, std::path::Path::new("."))
            .map(|config| config.retention)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn nothing_is_forgotten_unless_it_is_said() {
        assert_eq!(retention(""), Ok(Retention::new()));
        assert_eq!(retention("[retention]\nsurvey = \"forever\""), Ok(Retention::new()));
    }

    #[test]
    fn each_kind_has_its_own_time() {
        let kept = retention("[retention]\none_time_code = \"30d\"\nreplies = \"730d\"").unwrap();
        let day_ms = 86_400_000;
        let wanted = [(Kept::Messages(Class::OneTimeCode), 30 * day_ms), (Kept::Replies, 730 * day_ms)];
        assert_eq!(kept, wanted.into());
    }

    #[test]
    fn what_is_not_history_yet_is_not_forgotten() {
        let problem = retention("[retention]\nsurvey = \"1h\"").unwrap_err();
        assert!(problem.contains("survey") && problem.contains("forever"), "{problem}");
    }
}
