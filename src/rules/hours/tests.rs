//! Hours, tested in civil time.

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::*;

/// A civil time in a zone, milliseconds since the epoch.
fn at(zone: &str, year: i16, month: i8, day: i8, hour: i8, minute: i8) -> i64 {
    let tz = TimeZone::get(zone).unwrap();
    date(year, month, day).at(hour, minute, 0, 0).to_zoned(tz).unwrap().timestamp().as_millisecond()
}

fn place(number: u64) -> Place {
    Hours::shipped().place(Msisdn(number), None, AreaCodes::Hint)
}

fn verdict(now_ms: i64, number: u64, purpose: Purpose) -> Verdict {
    allowed(now_ms, Msisdn(number), None, purpose, &Account::default())
}

fn opens(now_ms: i64, number: u64, purpose: Purpose) -> Option<i64> {
    match verdict(now_ms, number, purpose) {
        Verdict::Shut { opens_ms, .. } => Some(opens_ms),
        _ => None,
    }
}

fn closes(now_ms: i64, number: u64, purpose: Purpose) -> Option<i64> {
    match verdict(now_ms, number, purpose) {
        Verdict::Open { closes_ms, .. } => closes_ms,
        _ => None,
    }
}

const BERLIN: u64 = 491_701_234_567;
const PARIS: u64 = 33_612_345_678;
const JAKARTA_MOBILE: u64 = 6_281_234_567_890;

#[test]
fn every_row_of_the_packs_is_read_and_every_zone_exists() {
    let hours = Hours::shipped();
    assert_eq!(
        hours.pack.len(),
        include_str!("../../../config/packs/hours.toml").matches("\nopen = ").count()
    );
    assert!(hours.pack.len() > 100);
    for (name, row) in hours.pack.rows(Some("IL"), None).into_iter().chain(hours.pack.rows(Some("TW"), None))
    {
        assert!((0..7).any(|day| !row.minutes(day).is_empty()), "{name}");
    }
    for zone in hours.zones.every_zone() {
        assert!(TimeZone::get(zone).is_ok(), "{zone}");
    }
    assert!(hours.holidays_until() >= Some(2027));
}

#[test]
fn a_number_tells_its_country_where_several_share_a_calling_code() {
    for (number, country, region) in [
        (12_125_550_100, "US", Some("NY")),
        (13_055_550_100, "US", Some("FL")),
        (14_165_550_100, "CA", None),
        (18_765_550_100, "JM", None),
        (79_161_234_567, "RU", None),
        (77_011_234_567, "KZ", None),
        (447_700_900_123, "GB", None),
        (447_797_712_345, "JE", None),
        (390_612_345_678, "IT", None),
    ] {
        let place = place(number);
        assert_eq!((place.country.as_deref(), place.region.as_deref()), (Some(country), region), "+{number}");
    }
    assert_eq!(place(87_012_345_678).evidence, Evidence::Nothing, "a satellite phone");
}

#[test]
fn a_mobile_in_a_country_of_several_zones_may_be_in_any_of_them_and_a_fixed_line_is_where_it_is() {
    let mobile = place(JAKARTA_MOBILE);
    assert_eq!(mobile.zones().collect::<Vec<_>>(), ["Asia/Jakarta", "Asia/Jayapura", "Asia/Makassar"]);
    assert_eq!(mobile.evidence, Evidence::AllOfCountry);
    let fixed = place(34_928_123_456);
    assert_eq!((&*fixed.zones, fixed.evidence), ("Atlantic/Canary", Evidence::FixedLine));
    let spanish = place(34_612_345_678);
    assert_eq!(&*spanish.zones, "Atlantic/Canary&Europe/Madrid", "a prefix look-up alone says Madrid");
    assert!(place(79_161_234_567).zones().any(|zone| zone == "Europe/Kaliningrad"));
    assert!(place(61_412_345_678).zones().any(|zone| zone == "Australia/Darwin"));
}

#[test]
fn an_area_code_is_a_hint_unless_the_account_trusts_it_and_the_contacts_zone_wins() {
    let (hours, manhattan) = (Hours::shipped(), Msisdn(12_125_550_100));
    assert!(hours.place(manhattan, None, AreaCodes::Hint).zones().any(|zone| zone == "Pacific/Honolulu"));
    let trusted = hours.place(manhattan, None, AreaCodes::Trust);
    assert_eq!((&*trusted.zones, trusted.evidence), ("America/New_York", Evidence::AreaCode));
    let own = hours.place(manhattan, Some("Europe/Berlin"), AreaCodes::Trust);
    assert_eq!((&*own.zones, own.evidence), ("Europe/Berlin", Evidence::Contact));
}

#[test]
fn open_is_country_and_account_and_night_waits_for_the_morning() {
    let zone = "Europe/Berlin";
    let noon = at(zone, 2026, 11, 30, 12, 0);
    assert_eq!(closes(noon, BERLIN, Purpose::Survey), Some(at(zone, 2026, 11, 30, 20, 0)));
    let early = at(zone, 2026, 11, 30, 8, 30);
    assert_eq!(
        opens(early, BERLIN, Purpose::Survey),
        Some(at(zone, 2026, 11, 30, 9, 0)),
        "the account's window"
    );
    let saturday_night = at(zone, 2026, 11, 28, 20, 0);
    assert_eq!(
        opens(saturday_night, BERLIN, Purpose::Promotional),
        Some(at(zone, 2026, 11, 30, 9, 0)),
        "no Sunday"
    );
}

#[test]
fn what_a_person_asked_for_goes_at_night_and_notices_only_where_the_country_lets_them() {
    let night = at("Europe/Berlin", 2026, 11, 29, 2, 0);
    for purpose in
        [Purpose::Reply, Purpose::OneTimeCode, Purpose::Confirmation, Purpose::Help, Purpose::Transactional]
    {
        assert!(
            matches!(verdict(night, BERLIN, purpose), Verdict::Open { closes_ms: None, .. }),
            "{purpose:?}"
        );
    }
    let almaty_night = at("Asia/Almaty", 2026, 11, 25, 2, 0);
    let almaty = 77_011_234_567;
    assert_eq!(
        opens(almaty_night, almaty, Purpose::Transactional),
        Some(at("Asia/Almaty", 2026, 11, 25, 9, 0))
    );
    assert_eq!(opens(almaty_night, almaty, Purpose::OneTimeCode), None);
}

#[test]
fn several_zones_are_open_only_together_and_a_narrow_window_is_known_as_one() {
    let morning_in_jakarta = at("Asia/Jakarta", 2026, 11, 25, 9, 0);
    assert_eq!(
        closes(morning_in_jakarta, JAKARTA_MOBILE, Purpose::Survey),
        Some(at("Asia/Jayapura", 2026, 11, 25, 20, 0)),
        "evening comes first in Jayapura"
    );
    let width = |number| {
        let place = place(number);
        Hours::shipped().windows(morning_in_jakarta, &place, Purpose::Survey, &Account::default()).widest_ms()
    };
    assert_eq!(width(JAKARTA_MOBILE), Some(9 * 3_600_000));
    assert!(width(79_161_234_567).unwrap() < NARROW_MS, "Russia from Kaliningrad to Kamchatka");
    assert_eq!(width(BERLIN), Some(11 * 3_600_000));
}

#[test]
fn a_lunch_break_a_friday_and_holidays_are_kept() {
    let taipei = 886_912_345_678;
    let lunch = at("Asia/Taipei", 2026, 11, 25, 12, 45);
    assert_eq!(opens(lunch, taipei, Purpose::Promotional), Some(at("Asia/Taipei", 2026, 11, 25, 13, 30)));
    let friday_in_qatar = at("Asia/Qatar", 2026, 11, 27, 12, 0);
    assert_eq!(
        opens(friday_in_qatar, 97_433_123_456, Purpose::Promotional),
        Some(at("Asia/Qatar", 2026, 11, 28, 9, 0))
    );
    let bastille = at("Europe/Paris", 2026, 7, 14, 12, 0);
    assert_eq!(opens(bastille, PARIS, Purpose::Promotional), Some(at("Europe/Paris", 2026, 7, 15, 9, 0)));
    let good_friday = at("Europe/Paris", 2026, 4, 3, 12, 0);
    assert!(
        opens(good_friday, PARIS, Purpose::Promotional).is_some(),
        "a holiday in Alsace, and it may be there"
    );
}

#[test]
fn a_region_is_stricter_than_its_country_and_is_named() {
    let miami = 13_055_550_100;
    let account =
        Account { area_codes: AreaCodes::Trust, from_minute: 0, to_minute: 24 * 60, ..Account::default() };
    let evening = at("America/New_York", 2026, 11, 25, 20, 30);
    let Verdict::Shut { opens_ms, rule } =
        allowed(evening, Msisdn(miami), None, Purpose::Promotional, &account)
    else {
        panic!("federal law allows it until nine, Florida until eight")
    };
    assert_eq!(opens_ms, at("America/New_York", 2026, 11, 26, 8, 0));
    assert!(rule.starts_with("US.FL"), "{rule}");
}

#[test]
fn a_window_moves_with_the_clock_change_and_has_its_civil_length() {
    let zone = "Europe/Berlin";
    // Clocks go back on 25 October 2026, a Sunday, and forward on 28 March 2027.
    let before = at(zone, 2026, 10, 24, 21, 0);
    assert_eq!(opens(before, BERLIN, Purpose::Survey), Some(at(zone, 2026, 10, 26, 9, 0)));
    let london = 447_700_900_123;
    let spring = at("Europe/London", 2027, 3, 27, 21, 0);
    assert_eq!(opens(spring, london, Purpose::Survey), Some(at("Europe/London", 2027, 3, 28, 9, 0)));
    assert_eq!(at("Europe/London", 2027, 3, 28, 9, 0) - spring, 11 * 3_600_000, "the night is an hour short");
    let lord_howe = Account { from_minute: 2 * 60, ..Account::default() };
    let gap = at("Europe/London", 2027, 3, 28, 0, 0);
    assert!(matches!(allowed(gap, Msisdn(london), None, Purpose::Survey, &lord_howe), Verdict::Shut { .. }));
}

#[test]
fn an_unknown_zone_is_never_and_not_now() {
    let now = at("UTC", 2026, 11, 25, 12, 0);
    assert!(matches!(verdict(now, 87_012_345_678, Purpose::Survey), Verdict::Never { .. }));
    let off = Account { enforce: Enforce::Never, ..Account::default() };
    let verdict = allowed(now, Msisdn(87_012_345_678), None, Purpose::Survey, &off);
    assert!(
        matches!(verdict, Verdict::Open { closes_ms: None, .. }),
        "hours can be left to a simulator's clock"
    );
}

proptest::proptest! {
    /// Against the plain meaning: at a moment that is open, every zone's clock stands within every rule.
    #[test]
    fn open_means_open_on_every_clock(hour in 0..24 * 400_i64, number in 0..6_usize) {
        let numbers = [BERLIN, JAKARTA_MOBILE, 12_125_550_100, 61_412_345_678, 5_511_912_345_678, 33_612_345_678];
        let now_ms = at("UTC", 2026, 3, 1, 0, 0) + hour * 3_600_000;
        let place = place(numbers[number]);
        let rows = Hours::shipped().rows(&place);
        let open_everywhere = place.zones().all(|zone| {
            let local = jiff::Timestamp::from_millisecond(now_ms).unwrap().in_tz(zone).unwrap();
            let minute = u16::try_from(local.hour()).unwrap() * 60 + u16::try_from(local.minute()).unwrap();
            let day = local.weekday().to_monday_zero_offset();
            (9 * 60..20 * 60).contains(&minute) && rows.iter().all(|(_, row)| {
                row.minutes(day).iter().any(|(from, to)| (*from..*to).contains(&minute))
            })
        });
        match verdict(now_ms, numbers[number], Purpose::Promotional) {
            Verdict::Open { closes_ms, .. } => {
                proptest::prop_assert!(open_everywhere);
                proptest::prop_assert!(closes_ms > Some(now_ms));
            }
            Verdict::Shut { opens_ms, .. } => proptest::prop_assert!(opens_ms > now_ms),
            Verdict::Never { .. } => proptest::prop_assert!(!open_everywhere),
        }
    }
}
