//! Redirects: followed where that is asked for, and each judged as a request of its own.

use std::sync::Arc;

use taskhost_tests::certificates::Authority;
use taskhost_tests::http::{Reply, Server};

use super::script::bound;

/// Redirects `/STATUS?TO`, and says what else it was asked.
fn redirecting() -> Server {
    Server::start(|request| match request.target.split_once('?') {
        Some((status, to)) => Reply::redirect(&format!("{} Moved", &status[1..]), to),
        None => Reply::ok(format!(
            "{} {} {} {}",
            request.method,
            request.target,
            request.header("content-type"),
            String::from_utf8_lossy(&request.body)
        )),
    })
}

#[test]
fn the_method_goes_on_as_the_status_says() {
    let server = redirecting();
    let api = bound(&format!("{},post,put,delete", server.url("")));
    for (line, answer) in [
        ("get 302?/to follow show=url", format!("200 url={} GET /to  ", server.url("to"))),
        ("get 301?to follow", "200 GET /to  ".into()),
        ("head 303?/to follow", "200 ".into()),
        ("post 301?/to follow body=x", "200 GET /to  ".into()),
        ("post 302?/to follow body=x", "200 GET /to  ".into()),
        ("post 303?/to follow body=x", "200 GET /to  ".into()),
        ("put 303?/to follow body=x", "200 GET /to  ".into()),
        ("delete 303?/to follow", "200 GET /to  ".into()),
        ("post 307?/to follow body=x", "200 POST /to text/plain x".into()),
        ("post 308?/to follow body=x", "200 POST /to text/plain x".into()),
        ("put 301?/to follow body=x", "200 PUT /to text/plain x".into()),
        ("delete 302?/to follow", "200 DELETE /to  ".into()),
        ("get 302?/302?/to follow", "200 GET /to  ".into()),
        ("get 302?/to show=location", "302 location=/to moved".into()),
        ("get 300?/to follow", "300 moved".into()),
        ("get 304?/to follow", "304 ".into()),
    ] {
        assert_eq!(api.done(line), answer, "{line}");
    }
}

#[test]
fn a_redirect_leads_nowhere_that_is_not_granted() {
    let (server, other) = (redirecting(), redirecting());
    let api = bound(&server.url(""));
    let port = server.port();
    for to in [
        other.url(""),
        format!("//127.0.0.1:{}/", other.port()),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        "http://169.254.169.254/latest/meta-data".into(),
        "https://127.0.0.1/".into(),
        "/..%2f..%2fx".into(),
    ] {
        api.fails(&format!("get 302?{to} follow"), "refused", "redirects: ");
    }
    for to in ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user:pass@127.0.0.1/", "http://127.0.0.1:99999/"] {
        api.fails(&format!("get 302?{to} follow"), "protocol", "redirects to what is no address");
    }
    assert!(other.seen().is_empty());
    // Not followed, it is only an answer.
    assert_eq!(
        api.done(&format!("get 302?{} show=location", other.url("x"))),
        format!("302 location={} moved", other.url("x"))
    );
    // A prefix holds for redirects, too.
    let below = bound(&server.url("302"));
    below.fails("get ?/elsewhere follow", "refused", &format!("does not grant {}", server.url("elsewhere")));
    // And where the other is granted, it may.
    let both = bound(&server.url("")).and(&other.url("below"));
    assert_eq!(both.done(&format!("get 302?{} follow", other.url("below/x"))), "200 GET /below/x  ");
    both.fails(&format!("get 302?{} follow", other.url("x")), "refused", "redirects: ");
}

#[test]
fn a_redirect_does_not_make_more_of_a_request_than_was_granted() {
    let server = redirecting();
    // A question that is sent on, whole, to where a POST is none.
    let api = bound(&format!("{},query=307,post", server.url("")));
    api.fails("ask 307?/elsewhere follow", "refused", "a question is not asked at");
    let plan = api.plan(&["ask 307?/elsewhere follow"]);
    assert_eq!(plan.lines[0].0, "refused");
    // A changing request that is sent on is counted again.
    let one = bound(&format!("{},post", server.url(""))).args(&["--budget", "api.requests=1"]);
    one.fails("post 307?/elsewhere follow", "over budget", "--budget api.requests=2");
    assert!(server.seen().iter().all(|request| request.path() == "/307"));
}

#[test]
fn from_tls_it_does_not_lead_to_where_there_is_none() {
    let authority = Authority::root("Root").unwrap();
    let plain = Server::start(|_| Reply::ok("in the clear"));
    let to = plain.url("");
    let leaf = authority.leaf(&["127.0.0.1"], -1, 10).unwrap();
    let secured = Server::secured(&leaf, None, move |_| Reply::redirect("302 Found", &to));
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let api = bound(&format!("{},ca={}", secured.url(""), ca.display()));
    api.fails("get x follow", "refused", "redirects: slot `api` does not grant http://");
    assert!(plain.seen().is_empty());
}

#[test]
fn redirects_without_an_end_end() {
    let server = Server::start(|request| Reply::redirect("302 Found", &format!("{}x", request.target)));
    bound(&server.url("")).fails("get a follow", "protocol", "more than 10 redirects");
    assert_eq!(server.seen().len(), 11);
    let silent = Server::start(|_| Reply::new("302 Found", &[], "nowhere"));
    assert_eq!(bound(&silent.url("")).done("get a follow"), "302 nowhere");
}

#[test]
fn what_was_meant_for_one_server_does_not_go_to_another() {
    let other = Server::start(|_| Reply::ok("other"));
    let to = Arc::new(other.url("x"));
    let server = Server::start(move |_| Reply::redirect("302 Found", &to));
    let api = bound(&server.url("")).and(&other.url(""));
    assert_eq!(api.done("get a follow header=Cookie:session=1 header=X-Mine:1"), "200 other");
    let (first, second) = (server.seen(), other.seen());
    assert_eq!((first[0].header("cookie"), second[0].header("cookie")), ("session=1", ""));
    assert_eq!(second[0].header("host"), format!("127.0.0.1:{}", other.port()));
}
