//! Who may: nobody who is not known, nobody beyond their role, no page of another site.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use taskhost_tests::certificates::Authority;
use taskhost_tests::host;

use super::{NAME, World};

#[test]
fn without_tokens_everybody_looks_and_nobody_changes_anything() {
    let mut world = World::new();
    world.serve(&[]);
    let page = world.get("", &format!("{NAME}/tasks/clean")).expect(200).body;
    assert!(page.contains("host token add NAME") && !page.contains("Run now"), "{page}");
    let refused = world.post("", "/api/v1/tasks/clean/runs", &json!({"mode": "perform"})).expect(403);
    assert!(refused.body.contains("--tokens FILE"), "{refused:?}");
    world.request("POST", &format!("{NAME}/tasks/clean/pause")).form(&[]).send().expect(403);
    world.get("", "/sign-in").expect(403);
}

#[test]
fn with_tokens_nobody_looks_who_has_none_and_a_role_is_the_limit() {
    let world = World::served();
    let (viewer, operator) = (world.token("vic", "viewer"), world.token("olga", "operator"));
    let led = world.get("", &format!("{NAME}/runs?show=ok")).expect(303);
    assert!(led.header("location").starts_with("/sign-in?to=%2Fshop"), "{led:?}");
    assert_eq!(world.get("", "/api/v1/tasks").expect(401).code(), "unauthorized");
    assert!(!world.get("", "/none/of/these/pages").expect(404).body.contains("sons"));
    world.get("taskhost_wrong", "/api/v1/tasks").expect(401);
    world.get(&viewer, "/api/v1/tasks").expect(200);
    let refused = world.post(&viewer, "/api/v1/tasks/clean/runs", &json!({"mode": "perform"})).expect(403);
    assert!(refused.body.contains("takes the role operator; yours is viewer"), "{refused:?}");
    for path in ["tasks/clean/pause", "tasks/clean/drop", "runs/x/cancel", "reload"] {
        world.post(&viewer, &format!("/api/v1/{path}"), &json!({})).expect(403);
    }
    world.post(&operator, "/api/v1/reload", &json!({})).expect(403);
    world.post(&world.token("anna", "approver"), "/api/v1/reload", &json!({})).expect(200);
    host().args(["token", "remove", "vic", "--tokens"]).arg(world.path("tokens")).run().expect_code(0);
    world.get(&viewer, "/api/v1/tasks").expect(401);
}

#[test]
fn a_browser_signs_in_acts_with_forms_of_our_own_alone_and_signs_out() {
    let world = World::served();
    let token = world.token("olga", "operator");
    let answer =
        world.request("POST", "/sign-in").form(&[("token", &token), ("to", "//evil.example")]).send().expect(303);
    assert_eq!(answer.header("location"), "/");
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(&token), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let csrf = world.csrf(cookie);
    let pause = |csrf: &str, headers: &[(&str, &str)]| {
        let mut request = world.request("POST", &format!("{NAME}/tasks/clean/pause")).header("cookie", cookie);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.form(&[("csrf", csrf)]).send()
    };
    assert!(pause("", &[]).expect(403).body.contains("out of date"));
    pause(&"0".repeat(64), &[]).expect(403);
    pause(&csrf, &[("sec-fetch-site", "cross-site")]).expect(403);
    pause(&csrf, &[("origin", "https://evil.example")]).expect(403);
    // The API takes a cookie to look, and for more the token of the forms beside it.
    let api = |csrf: &str| {
        world.request("POST", "/api/v1/tasks/clean/resume").header("cookie", cookie).header("x-csrf-token", csrf)
    };
    world.request("GET", "/api/v1/tasks").header("cookie", cookie).send().expect(200);
    api("").send().expect(403);
    pause(&csrf, &[("origin", &format!("http://{}", world.address))]).expect(303);
    api(&csrf).send().expect(200);
    world.request("POST", "/sign-out").header("cookie", cookie).form(&[("csrf", &csrf)]).send().expect(303);
    world.request("GET", "/api/v1/tasks").header("cookie", cookie).send().expect(401);
    world.noted(&token, |event| event["what"] == "signed-in" && event["by"] == "olga");
}

#[test]
fn who_fails_too_often_waits() {
    let world = World::served();
    let token = world.token("olga", "operator");
    for _ in 0..5 {
        world.request("POST", "/sign-in").form(&[("token", "taskhost_guess")]).send().expect(401);
    }
    let refused = world.request("POST", "/sign-in").form(&[("token", &token)]).send().expect(429);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() <= 60);
    assert_eq!(world.get("taskhost_guess", "/api/v1/tasks").expect(429).code(), "too-many");
    // Who has a token already is not kept out by those who guess.
    world.get(&token, "/api/v1/tasks").expect(200);
}

#[test]
fn a_proxys_word_counts_only_where_it_is_configured() {
    let mut world = World::new();
    world.token("olga", "operator");
    let tokens = world.path("tokens").display().to_string();
    let asked = |world: &World| world.request("GET", "/api/v1/tasks").header("x-user", "olga").send();
    world.serve(&["--tokens", &tokens]);
    asked(&world).expect(401);
    world.end();
    world.serve(&["--tokens", &tokens, "--behind-proxy"]);
    asked(&world).expect(401);
    world.end();
    world.serve(&["--tokens", &tokens, "--behind-proxy", "--proxy-user-header", "x-user"]);
    asked(&world).expect(200);
    world.get("", "/api/v1/tasks").expect(401);
    let page = world.request("GET", &format!("{NAME}/")).header("x-user", "<i>nobody</i>").send().expect(200).body;
    assert!(page.contains("&lt;i&gt;nobody&lt;/i&gt;") && page.contains("viewer"), "{page}");
    // A browser signed in at the proxy sends whatever another site's page makes it send.
    let pause = world.request("POST", &format!("{NAME}/tasks/clean/pause")).header("x-user", "olga");
    pause.form(&[]).send().expect(403);
}

#[test]
fn what_others_could_reach_or_read_is_refused() {
    let world = World::new();
    world.token("olga", "operator");
    let tokens = world.path("tokens").display().to_string();
    for (words, message) in [
        (&["--listen", "0.0.0.0:0"][..], "add --tls-certificate and --tls-key, or --behind-proxy"),
        (&["--listen", "0.0.0.0:0", "--tokens", &tokens], "add --tls-certificate and --tls-key, or --behind-proxy"),
        (&["--listen", "127.0.0.1:0", "--behind-proxy"], "add --tokens FILE"),
        (&["--listen", "127.0.0.1:0", "--proxy-user-header", "x-user"], "--behind-proxy"),
    ] {
        let refused = host().arg("serve").arg(world.path("bundle.toml")).args(words.iter().copied()).run();
        assert!(refused.code != Some(0) && refused.stderr.contains(message), "{words:?}: {refused}");
    }
}

#[test]
fn by_tls_a_cookie_is_for_tls_alone() {
    let mut world = World::new();
    let token = world.token("olga", "operator");
    let authority = Authority::root("test").unwrap();
    let leaf = authority.leaf(&["localhost"], -1, 1).unwrap();
    std::fs::write(world.path("certificate.pem"), leaf.certificate).unwrap();
    std::fs::write(world.path("key.pem"), leaf.key).unwrap();
    let path = |name: &str| world.path(name).display().to_string();
    let words = [
        ["--tokens".into(), path("tokens")],
        ["--tls-certificate".into(), path("certificate.pem")],
        ["--tls-key".into(), path("key.pem")],
    ];
    let words: Vec<&str> = words.as_flattened().iter().map(String::as_str).collect();
    world.serve(&words);
    let body = format!("token={token}");
    let request = format!(
        "POST /sign-in HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{body}",
        world.address,
        body.len()
    );
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connection = ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(&world.address).unwrap());
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // The end of the connection may come without a word.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("set-cookie: __Host-taskhost=") && answer.contains("; Secure\r\n"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    // Who speaks no TLS gets no answer, and keeps nobody else from one.
    let mut plain = TcpStream::connect(&world.address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
}

#[test]
fn another_name_that_leads_here_is_not_ours() {
    let mut world = World::new();
    world.serve(&[]);
    let asked = |host: &str| world.request("GET", "/api/v1/tasks").host(host).send();
    assert_eq!(asked("rebound.example:7717").expect(421).code(), "misdirected");
    asked("localhost:7717").expect(200);
}
