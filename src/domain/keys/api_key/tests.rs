use proptest::prelude::*;
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn pepper(text: &str) -> Pepper {
    Pepper::new(text.repeat(32).into()).expect("32 bytes")
}

fn keyring(peppers: &[&str]) -> Keyring {
    let peppers: Vec<_> = peppers.iter().map(|text| pepper(text)).collect();
    Keyring::new("keyward".parse().expect("a prefix"), &peppers).expect("a pepper")
}

fn new_text(keyring: &Keyring) -> String {
    keyring.generate(Environment::Live, NOW).text.expose().to_owned()
}

#[test]
fn secrets_are_taken_out_of_a_text_and_nothing_else_is() {
    let start = format!("keyward_live_{}", "0".repeat(ID_LENGTH));
    let tests = start.replace("live", "test").replace("keyward", "other");
    for (text, masked) in [
        (format!("/v1/keys/{start}x1/rotate"), format!("/v1/keys/{start}***/rotate")),
        (format!("{start}x {tests}y"), format!("{start}*** {tests}***")),
        (format!("{tests}y{start}x-{tests}"), format!("{tests}***_live_{}***-{tests}", "0".repeat(ID_LENGTH))),
    ] {
        assert_eq!(without_secrets(&text), masked);
    }
    for harmless in ["", "/v1/keys", &start, &format!("/{start}/{tests}"), "_live__live_", &"x".repeat(100)] {
        assert!(matches!(without_secrets(harmless), std::borrow::Cow::Borrowed(same) if same == harmless));
    }
}

#[test]
fn what_has_some_of_a_secret_in_it_is_recognised_and_the_start_of_a_key_is_none() {
    let prefix = Prefix::default();
    let start = format!("keyward_live_{}", "0".repeat(ID_LENGTH));
    for harmless in ["", "keyward_live_", &start, &format!("{start} x"), &start.replace("live", "line"), "keyward"] {
        assert!(!prefix.begins_a_secret_in(harmless), "{harmless}");
    }
    for secret in [&format!("{start}x"), &format!("Key: {start}secret, lost"), &start.replace("live", "test").repeat(2)]
    {
        assert!(prefix.begins_a_secret_in(&format!("{secret}0")), "{secret}");
    }
}

#[test]
fn the_form_of_a_key_is_found_in_a_text_whoever_has_made_it() {
    let issued = keyring(&["a"]).generate(Environment::Test, NOW);
    let text = issued.text.expose();
    for carrier in [text.to_owned(), format!("--reason=it was {text}, lost"), text.replacen("keyward", "other", 1)] {
        assert_eq!(find_key_form(&carrier), Some(issued.id), "{carrier}");
    }
    let start = Prefix::default().start_of(Environment::Test, issued.id);
    let cut = &text[..text.len() - 1];
    for harmless in ["", "_live_", &start, cut, &text["keyward".len()..], &text.replacen("test", "line", 1), "é_test_é"]
    {
        assert_eq!(find_key_form(harmless), None, "{harmless}");
    }
}

#[test]
fn a_generated_key_is_recognised_and_names_its_id() {
    let keyring = keyring(&["a"]);
    let issued = keyring.generate(Environment::Test, NOW);
    let presented = keyring.parse(issued.text.expose().as_bytes()).expect("our own key");
    assert_eq!(presented.id, issued.id);
    assert_eq!(presented.environment, Environment::Test);
    assert_eq!(presented.secret().expose(), issued.secret.expose());
}

#[test]
fn a_key_has_the_documented_form() {
    let text = new_text(&keyring(&["a"]));
    let (head, body) = text.rsplit_once('_').expect("two underscores");
    assert_eq!(head, "keyward_live");
    assert_eq!(body.len(), 22 + 43 + 11);
    assert!(body.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}

#[test]
fn the_id_carries_the_time_it_was_made() {
    let id = keyring(&["a"]).generate(Environment::Live, NOW).id.as_uuid();
    assert_eq!(id.get_version_num(), 7);
    let (seconds, _) = id.get_timestamp().expect("a v7 carries its time").to_unix();
    assert_eq!(seconds, NOW.unix_timestamp() as u64);
}

#[test]
fn two_keys_differ_in_id_secret_and_proof() {
    let keyring = keyring(&["a"]);
    let texts = [new_text(&keyring), new_text(&keyring)];
    let [one, two] = texts.each_ref().map(|text| keyring.parse(text.as_bytes()).expect("ours"));
    assert_ne!(one.id, two.id);
    assert_ne!(one.secret().expose(), two.secret().expose());
    assert!(!bool::from(one.proof.ct_eq(&two.proof)));
}

#[test]
fn a_key_of_an_earlier_pepper_is_recognised_with_that_pepper() {
    let old = keyring(&["a"]);
    let both = keyring(&["b", "a"]);
    let text = new_text(&old);
    let presented = both.parse(text.as_bytes()).expect("a key of the earlier pepper");
    assert_eq!(both.hash_secret(presented.pepper), old.hash_secret(PepperIndex(0)));
    assert!(keyring(&["b"]).parse(text.as_bytes()).is_err(), "a pepper taken off the list ends its keys");
}

#[test]
fn a_key_of_another_prefix_or_pepper_is_not_ours() {
    let ours = keyring(&["a"]);
    let other_prefix = Keyring::new("keyware".parse().expect("a prefix"), &[pepper("a")]).expect("a pepper");
    assert!(ours.parse(new_text(&other_prefix).as_bytes()).is_err());
    assert!(ours.parse(new_text(&keyring(&["b"])).as_bytes()).is_err());
}

#[test]
fn an_id_that_overflows_128_bits_is_not_ours() {
    let keyring = keyring(&["a"]);
    let mut text = new_text(&keyring).into_bytes();
    let start = "keyward_live_".len();
    text[start..start + ID_LENGTH].fill(b'z');
    assert_eq!(keyring.parse(&text).err(), Some(NotOurs));
}

#[test]
fn a_pepper_under_32_bytes_is_refused() {
    assert!(Pepper::new("x".repeat(31).into()).is_err());
    assert!(Pepper::new("x".repeat(32).into()).is_ok());
}

#[test]
fn prefixes_are_short_lower_case_words() {
    for good in ["kw", "keyward", "a1b2c3d4e5f6g7h8"] {
        assert!(good.parse::<Prefix>().is_ok(), "{good}");
    }
    for bad in ["", "k", "1a", "Keyward", "key_ward", "a1b2c3d4e5f6g7h8i", "ké"] {
        assert!(bad.parse::<Prefix>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn a_key_with_one_byte_changed_is_not_ours(position in 0usize..89, byte: u8) {
        let keyring = keyring(&["a"]);
        let mut text = new_text(&keyring).into_bytes();
        prop_assume!(text[position] != byte);
        text[position] = byte;
        prop_assert!(keyring.parse(&text).is_err());
    }

    #[test]
    fn no_bytes_whatever_break_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(keyring(&["a"]).parse(&bytes).is_err());
    }

    #[test]
    fn a_key_cut_short_is_not_ours(length in 0usize..89) {
        let keyring = keyring(&["a"]);
        let text = new_text(&keyring);
        prop_assert!(keyring.parse(&text.as_bytes()[..length]).is_err());
    }
}
