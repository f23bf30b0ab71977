//! A small HTTP server on the loopback that answers what a case says, and 404 otherwise.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Trouble;
use crate::cases::file::{Answer, AnswerTable};

/// It listens while this is.
pub(super) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts one that gives those answers, by `GET /path?query`.
    pub(super) async fn start(answers: BTreeMap<String, Answer>) -> Result<Self, Trouble> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let answers = Arc::new(answers);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let answer = answer(&answers, &request);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let served = hyper::server::conn::http1::Builder::new();
                    // A client that goes away is no trouble of the server's.
                    let _ = served.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Ok(Self { port, task })
    }

    /// Its URL, without a path.
    pub(super) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer<B>(answers: &BTreeMap<String, Answer>, request: &Request<B>) -> Response<Full<Bytes>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // HEAD is answered as GET would be, where nothing else is said.
    let asked = format!("{} {path}", request.method());
    let instead = format!("{} {path}", if *request.method() == Method::HEAD { &Method::GET } else { request.method() });
    let nothing = AnswerTable { status: 404, ..AnswerTable::default() };
    let answer = answers.get(&asked).or_else(|| answers.get(&instead)).map_or(&nothing, |answer| &answer.0);
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(answer.body.clone())).unwrap_or_else(|error| {
        let mut wrong = Response::new(Full::from(format!("the case's answer is none: {error}")));
        *wrong.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        wrong
    })
}
