use super::*;

fn grant(text: &str) -> Grant {
    let grant: Grant = toml::from_str(text).unwrap();
    grant.check().unwrap();
    grant
}

fn place(text: &str) -> Location {
    Location::parse(text).unwrap()
}

const SLOT: SlotName<'static> = SlotName::flag("http", "s");
const METHODS: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];

#[test]
fn the_default_allows_nothing() {
    let grant = Grant::default();
    assert_eq!(grant.access(), Vec::<&str>::new());
    assert!(grant.check().is_err());
    assert!(grant.bases().is_empty());
    let refusal = grant.allows(SlotName::flag("http", "api")).unwrap_err().to_string();
    assert_eq!(refusal, "slot `api` is bound to no address; add --http api=URL");
    for method in METHODS {
        assert!(grant.allows_request(SLOT, method, Some(&place("http://localhost/"))).is_err(), "{method:?}");
        assert!(grant.allows_request(SLOT, method, None).is_err(), "{method:?}");
    }
    assert!(grant.allows_address(SLOT, &"example.org".parse().unwrap(), [127, 0, 0, 1].into()).is_err());
    assert!(grant.credentials(&place("http://localhost/")).is_empty());
}

#[test]
fn each_method_takes_its_own_word() {
    for (words, allowed) in [
        ("[\"get\"]", &[Method::Get, Method::Head][..]),
        ("[\"get\", \"post\"]", &[Method::Get, Method::Head, Method::Post]),
        ("[\"get\", \"put\"]", &[Method::Get, Method::Head, Method::Put]),
        ("[\"get\", \"patch\"]", &[Method::Get, Method::Head, Method::Patch]),
        ("[\"get\", \"delete\"]", &[Method::Get, Method::Head, Method::Delete]),
        ("[]", &[]),
    ] {
        let grant = grant(&format!("target = \"https://h/api\"\naccess = {words}"));
        for method in METHODS {
            let verdict = grant.allows_request(SLOT, method, Some(&place("https://h/api/x")));
            assert_eq!(verdict.is_ok(), allowed.contains(&method), "{words} {method:?}");
        }
    }
    let grant = grant("target = \"https://h\"\naccess = [\"get\"]");
    let refusal = |method| grant.allows_request(SLOT, method, Some(&place("https://h/"))).unwrap_err().to_string();
    assert_eq!(refusal(Method::Delete), "slot `s` does not grant delete; add `,delete` to --http s=...");
    assert_eq!(
        refusal(Method::Post),
        "slot `s` does not grant post; add `,post` to --http s=... (or `query=PATH`, where a POST only asks)"
    );
}

#[test]
fn only_what_is_below_an_address_is_granted() {
    let grant = grant("target = [\"https://h/api\", \"http://127.0.0.1:8000\"]\naccess = [\"get\"]");
    for (url, allowed) in [
        ("https://h/api", true),
        ("https://h/api/x?y", true),
        ("https://h/apis", false),
        ("https://h/", false),
        ("http://h/api", false),
        ("https://h:8443/api", false),
        ("https://h.test/api", false),
        ("http://127.0.0.1:8000/any", true),
        ("http://2130706433:8000/any", true),
        ("http://127.0.0.1/", false),
        ("http://localhost:8000/", false),
    ] {
        assert_eq!(grant.allows_request(SLOT, Method::Get, Some(&place(url))).is_ok(), allowed, "{url}");
    }
    let refusal = grant.allows_request(SLOT, Method::Get, Some(&place("https://h/x?token=y"))).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "slot `s` does not grant https://h/x (it grants https://h/api, http://127.0.0.1:8000); add --http s=https://h/x"
    );
}

#[test]
fn a_post_below_a_query_path_observes_and_takes_get_alone() {
    let grant = grant("target = \"https://h/prom\"\naccess = [\"get\"]\nquery = [\"api/v1/query\", \"/prom/ask\"]");
    for (url, asks) in [
        ("https://h/prom/api/v1/query", true),
        ("https://h/prom/api/v1/query?x", true),
        ("https://h/prom/api/v1/query/below", true),
        ("https://h/prom/api/v1/query_range", false),
        ("https://h/prom/api/v1", false),
        ("https://h/prom/ask", true),
        ("https://h/api/v1/query", false),
        ("https://other/prom/ask", false),
    ] {
        let location = place(url);
        let expected = if asks { Impact::Observe } else { Impact::Change };
        assert_eq!(grant.impact(Method::Post, Some(&location)), expected, "{url}");
        assert_eq!(grant.allows_request(SLOT, Method::Post, Some(&location)).is_ok(), asks, "{url}");
        assert_eq!(grant.impact(Method::Put, Some(&location)), Impact::Change);
        assert_eq!(grant.impact(Method::Delete, Some(&location)), Impact::Destroy);
        assert_eq!(grant.impact(Method::Get, Some(&location)), Impact::Observe);
    }
    assert_eq!(grant.impact(Method::Post, None), Impact::Change);
}

#[test]
fn credentials_go_to_the_slots_own_server_and_are_not_shown() {
    let grant = grant(
        "target = \"https://h/api\"\naccess = [\"get\"]\nbearer = \"hunter2\"\nheader = [\"X-Key: k3y\", \"X-Org:1\"]",
    );
    let sent = |url: &str| {
        let credentials = grant.credentials(&place(url));
        credentials.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect::<Vec<_>>()
    };
    assert_eq!(sent("https://h/api/x"), ["X-Key=k3y", "X-Org=1", "authorization=Bearer hunter2"]);
    for url in ["http://h/api", "https://h:8443/api", "https://other/api"] {
        assert!(sent(url).is_empty(), "{url}");
    }
    assert!(grant.sets("x-key") && !grant.sets("accept"));
    let shown = format!("{grant:?} {grant:#?}");
    assert!(!shown.contains("hunter2") && !shown.contains("k3y"), "{shown}");
    let basic: Grant = toml::from_str("target = \"https://h\"\nbasic = \"admin:hunter2:x\"").unwrap();
    let credentials = basic.credentials(&place("https://h/"));
    assert_eq!(credentials[0].1.expose(), "Basic YWRtaW46aHVudGVyMjp4");
    assert!(!format!("{basic:?}").contains("hunter2"));
}

#[test]
fn a_name_leads_into_the_own_network_only_where_the_grant_says_so() {
    let grant = grant("target = \"http://app:8000\"\naccess = [\"get\"]\naddress = \"172.18.0.0/16\"");
    for (host, address, allowed) in [
        ("app", "93.184.215.14", true),
        ("app", "172.18.0.5", true),
        ("app", "172.19.0.5", false),
        ("app", "127.0.0.1", false),
        ("app", "169.254.169.254", false),
        ("localhost", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.1", true),
    ] {
        let verdict = grant.allows_address(SLOT, &host.parse().unwrap(), address.parse().unwrap());
        assert_eq!(verdict.is_ok(), allowed, "{host} at {address}");
    }
    let refusal = grant.allows_address(SLOT, &"app".parse().unwrap(), [10, 0, 0, 1].into()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "app resolves to 10.0.0.1, a private address; if that is meant, add `,address=10.0.0.1` to --http s=..."
    );
}

#[test]
fn a_grant_that_makes_no_sense_says_what_to_write_and_shows_no_credential() {
    for (text, message) in [
        ("target = []", "there is no address"),
        ("target = \"hunter2\"", "an address is written like"),
        ("target = \"ftp://h\"", "an address is written like"),
        ("target = \"https://u:hunter2@h\"", "an address is written like"),
        ("target = \"https://h?token=hunter2\"", "an address has no query"),
        ("target = \"https://h#x\"", "an address has no query"),
        ("target = \"https://h/..%2fx\"", "an address is written like"),
        ("target = [\"https://a\", \"https://b\"]\nbearer = \"hunter2\"", "credentials are for one server"),
        ("target = [\"https://a\", \"http://a\"]\nheader = \"X:hunter2\"", "credentials are for one server"),
        ("target = \"https://a\"\nbearer = \"hunter2\"\nbasic = \"u:hunter2\"", "several credentials"),
        ("target = \"https://a\"\nbearer = \"hunter2\"\nheader = \"Authorization:hunter2\"", "several credentials"),
        ("target = \"https://a\"\nbearer = \"hunter2 \"", "`bearer` is a token without spaces"),
        ("target = \"https://a\"\nbearer = \"\"", "`bearer` is a token without spaces"),
        ("target = \"https://a\"\nbearer = [\"hunter2\", \"b\"]", "invalid type: sequence"),
        ("target = \"https://a\"\nbasic = \"hunter2\"", "`basic` is written USER:PASSWORD"),
        ("target = \"https://a\"\nheader = \"hunter2\"", "`header` is written NAME:VALUE"),
        ("target = \"https://a\"\nheader = \"X Y:hunter2\"", "`header` is written NAME:VALUE"),
        ("target = \"https://a\"\nheader = \"X:hunter2\\nY\"", "`header` is written NAME:VALUE"),
        ("target = \"https://a\"\nheader = \"Host:hunter2\"", "`header=Host:...` cannot be set"),
        ("target = \"https://a\"\ncert = \"c.pem\"", "`cert` needs the private key"),
        ("target = \"https://a\"\nkey = \"k.pem\"", "`key` needs its certificate"),
        ("target = \"http://a\"\ncert = \"c\"\nkey = \"k\"", "a client certificate is for https"),
        ("target = \"https://a/x\"\nquery = \"/y\"", "is no path below the slot's address"),
        ("target = \"https://a/x\"\nquery = \"../y\"", "is no path below the slot's address"),
        ("target = \"https://a/x\"\nquery = \"\"", "is no path below the slot's address"),
        ("target = \"https://a/x\"\nquery = \"y?z\"", "is no path below the slot's address"),
        ("target = \"https://a\"\ntimeout = \"2h\"", "timeout is from 1s to 1h"),
        ("target = \"https://a\"\ntimeout = 0", "timeout is from 1s to 1h"),
        ("target = \"https://a\"\nmax-body = 0", "max-body is from 1 to 16 GiB"),
        ("target = \"https://a\"\naddress = \"10.0.0.0/40\"", "is not an address range"),
        ("target = \"https://a\"\naccess = [\"head\"]", "unknown variant `head`"),
        ("target = \"https://a\"\ntoken = \"hunter2\"", "unknown field `token`"),
    ] {
        let error = match toml::from_str::<Grant>(text) {
            Ok(grant) => grant.check().unwrap_err(),
            Err(error) => error.message().to_owned(),
        };
        assert!(error.contains(message) && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn what_is_not_written_has_bounds() {
    let bare = grant("target = \"https://h\"\naccess = [\"get\"]");
    assert_eq!((bare.timeout(), bare.max_body()), (Duration::from_secs(30), 64 << 20));
    let own = grant("target = \"https://h\"\ntimeout = \"2m\"\nmax-body = \"1GiB\"");
    assert_eq!((own.timeout(), own.max_body()), (Duration::from_mins(2), 1 << 30));
}
