//! Take away what the person did not write: reactions, signatures, quotes, auto-replies.
use super::Flag;
use super::fold::{fold, key};

const TAP: &[&str] = &[
    "liked",
    "loved",
    "disliked",
    "laughed at",
    "emphasized",
    "emphasised",
    "questioned",
    "reacted",
    "removed a",
    "removed an",
    "le gusto",
    "le encanto",
    "no le gusto",
    "se rio de",
    "ha gustado",
    "a aime",
    "a adore",
    "n'a pas aime",
    "gefallt",
    "gefiel",
    "mag",
    "liebt",
    "curtiu",
    "gostou",
    "amou",
    "adorou",
    "ha messo",
    "piace",
    "leuk",
    "i-a placut",
    "a apreciat",
    "menyukai",
    "begendi",
    "понравилось",
    "lubi",
    "j'aime",
];
const SIG: &[&str] = &[
    "sent from my",
    "sent from a",
    "sent via",
    "get outlook for",
    "enviado desde mi",
    "enviado do meu",
    "enviado de meu",
    "envoye de mon",
    "envoye depuis",
    "von meinem",
    "gesendet von",
    "inviato da",
    "trimis de pe",
    "отправлено с",
    "发自我的",
    "從我的",
    "dikirim dari",
    "verzonden vanaf",
    "wyslane z",
    "iphoneから送信",
    "나의 iphone",
    "skickat fran",
    "downloaded from",
    "ارسل من",
];
const AUTO: &[&str] = &[
    "out of office",
    "out of the office",
    "auto reply",
    "auto-reply",
    "autoreply",
    "automatic reply",
    "automated reply",
    "auto response",
    "automatic response",
    "i'm driving",
    "i am driving",
    "im driving",
    "while driving",
    "can't talk right now",
    "cant talk right now",
    "currently away",
    "currently unavailable",
    "away from my phone",
    "on annual leave",
    "on leave until",
    "on vacation until",
    "will get back to you",
    "i'll call you back",
    "i'll call you later",
    "in a meeting",
    "fuera de la oficina",
    "respuesta automatica",
    "reponse automatique",
    "absent du bureau",
    "je conduis",
    "abwesenheit",
    "automatische antwort",
    "resposta automatica",
    "risposta automatica",
    "sto guidando",
    "sedang menyetir",
    "balasan otomatis",
    "automatisch antwoord",
    "raspuns automat",
    "otomatik yanit",
    "自动回复",
    "自動回覆",
    "автоответ",
];
const NET: &[&str] = &[
    "message blocking",
    "sisa pulsa",
    "saldo anda",
    "your balance is",
    "balance is",
    "message not delivered",
    "message not sent",
    "unable to receive",
    "is not valid",
    "airtime",
    "subscriber is",
    "voicemail from",
    "you have a missed call",
    "missed call",
    "user is busy",
    "short code messaging is",
    "error invalid number",
    "tu saldo",
    "su saldo",
    "seu saldo",
    "recharge",
    "votre solde",
    "delivery failed",
    "free msg",
    "unable to send message",
];

/// What is left and what was found.
pub struct Stripped {
    /// The person's own words.
    pub text: String,
    /// Marks.
    pub flags: Vec<Flag>,
}

fn cut_at<'a>(text: &'a str, marks: &[&str]) -> &'a str {
    for (i, _) in text.char_indices() {
        let rest: String = text[i..].chars().take(28).collect();
        let f = fold(&rest);
        let edge =
            i == 0 || text[..i].chars().next_back().is_some_and(|c| !c.is_alphanumeric() || !c.is_ascii());
        if edge && marks.iter().any(|m| f.starts_with(m)) {
            return &text[..i];
        }
    }
    text
}

fn is_tapback(t: &str, ours: Option<&str>) -> bool {
    let Some(open) = t.find(['“', '«', '„', '"', '「', '”']) else {
        return false;
    };
    let head = fold(t[..open].trim());
    let q = t[open..].chars().next().unwrap_or('"');
    let tail = t[open + q.len_utf8()..].trim_end_matches(['.', ' ', '\n', '\u{200b}', '\u{200a}']);
    let closes = tail.ends_with(['”', '»', '“', '"', '」', '…']);
    if head.is_empty() || head.split_whitespace().count() > 6 {
        return false;
    }
    if let Some(o) = ours {
        let (a, b) = (key(tail), key(o));
        if a.len() > 8 && b.starts_with(&a) {
            return true;
        }
    }
    let verb = TAP.iter().any(|v| head.starts_with(v) || head.ends_with(v));
    verb && tail.chars().count() > 3 || closes && q != '"' && tail.chars().count() > 14
}

/// Strip a message.
pub fn strip(text: &str, ours: Option<&str>) -> Stripped {
    let t = text.trim();
    let mut flags = Vec::new();
    let none = |f: Flag| Stripped { text: String::new(), flags: vec![f] };
    if is_tapback(t, ours) {
        return none(Flag::Tapback);
    }
    let f = fold(t);
    if AUTO.iter().any(|m| f.contains(m)) {
        return none(Flag::AutoReply);
    }
    if NET.iter().any(|m| f.contains(m)) && f.split_whitespace().count() > 2 {
        return none(Flag::NetworkText);
    }
    let mut lines = Vec::new();
    for l in t.lines() {
        let s = l.trim();
        if s == "--" || s == "—" || s == "___" || s.starts_with("-- ") && !lines.is_empty() {
            flags.push(Flag::Signature);
            break;
        }
        if s.starts_with('>') {
            flags.push(Flag::Quote);
            continue;
        }
        let fl = fold(s);
        if fl.starts_with("on ") && fl.ends_with("wrote:") || fl.starts_with("-----original") {
            flags.push(Flag::Quote);
            break;
        }
        lines.push(l);
    }
    let mut out = lines.join("\n");
    if let Some(o) = ours.map(str::trim).filter(|o| o.len() > 12)
        && out.contains(o)
    {
        out = out.replace(o, " ");
        flags.push(Flag::Quote);
    }
    let cut = cut_at(&out, SIG).trim_end_matches(['-', '—', ' ', '\n']).to_string();
    if cut.len() < out.trim_end().len() && out.len() - cut.len() > 6 {
        flags.push(Flag::Signature);
        out = cut;
    }
    Stripped { text: out, flags }
}
