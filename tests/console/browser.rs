//! A browser without script: it keeps cookies, follows links and sends forms.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder, Url, header::HeaderMap};
use test_support::{client::request, replica::Replica};

use crate::provider::{PUBLIC_URL, Service};

pub(crate) const SESSION: &str = "__Host-keyward-session";

/// A page as it came.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get("location").map_or("", |value| value.to_str().expect("text"))
    }

    /// The page, if it came and has this text.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert_eq!(self.status, 200, "{}", self.text);
        assert!(self.text.contains(text), "no {text:?} in {}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn lacks(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "{text:?} is in {}", self.text);
        self
    }

    /// What stands between two texts.
    #[track_caller]
    pub(crate) fn between(&self, before: &str, after: &str) -> String {
        let (_, rest) = self.text.split_once(before).unwrap_or_else(|| panic!("no {before:?} in {}", self.text));
        rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0.to_owned()
    }
}

/// A browser.
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
    /// Where `PUBLIC_URL` leads.
    host: String,
    /// What it says of itself.
    pub(crate) agent: String,
    /// What forms of the latest page carry.
    form: String,
}

impl Browser {
    pub(crate) fn new(replica: &Replica) -> Self {
        Self::at_host(replica.address())
    }

    /// One for which all names lead to this host.
    pub(crate) fn at_host(host: &str) -> Self {
        let agent = "a test's browser".to_owned();
        Self { cookies: BTreeMap::new(), host: host.to_owned(), agent, form: String::new() }
    }

    /// One in which somebody has signed in.
    pub(crate) async fn signed_in(service: &Service) -> Self {
        let mut browser = Self::new(&service.replica);
        let page = browser.signs_in("/console").await;
        assert_eq!((page.status, page.location()), (303, "/console"), "{}", page.text);
        browser.open("/console/keys").await;
        browser
    }

    /// Goes to the provider and comes back.
    pub(crate) async fn signs_in(&mut self, to: &str) -> Page {
        let page = self.get(&format!("/console/sign-in?to={to}")).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let back = self.at_provider(page.location()).await;
        self.get(&back).await
    }

    /// Where the provider sends the browser.
    pub(crate) async fn at_provider(&self, address: &str) -> String {
        let answer = request(Method::GET, address).send().await.expect("an answer");
        assert_eq!(answer.status(), 302);
        let back = answer.headers()["location"].to_str().expect("text");
        back.strip_prefix(PUBLIC_URL).expect("back at Keyward").to_owned()
    }

    /// The same session at another replica.
    pub(crate) fn at(&self, replica: &Replica) -> Self {
        Self { cookies: self.cookies.clone(), form: self.form.clone(), ..Self::at_host(replica.address()) }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&String> {
        self.cookies.get(name)
    }

    /// Keeps a cookie that Keyward has not set.
    pub(crate) fn keeps(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn forget(&mut self, name: &str) {
        self.cookies.remove(name);
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        let request = self.request(Method::GET, path);
        self.send(request).await
    }

    /// Asks for a page, which must come.
    pub(crate) async fn open(&mut self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        page
    }

    /// Sends a form of the latest page.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let form = self.form.clone();
        self.post_as(path, fields, &form, |request| request.header("origin", PUBLIC_URL)).await
    }

    /// The same with another token and other headers.
    pub(crate) async fn post_as(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        form: &str,
        headers: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Page {
        let mut url = Url::parse("http://x/").expect("a URL");
        url.query_pairs_mut().append_pair("form", form).extend_pairs(fields);
        let body = url.query().unwrap_or_default().to_owned();
        let request = self.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
        self.send(headers(request).body(body)).await
    }

    /// Sends a form, and opens the page to which that leads.
    pub(crate) async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.post(path, fields).await;
        assert_eq!(page.status, 303, "{}", page.text);
        let next = page.location().to_owned();
        self.open(&next).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request(method, format!("http://{}{path}", self.host)).header("user-agent", &self.agent);
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    async fn send(&mut self, request: RequestBuilder) -> Page {
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        for cookie in headers.get_all("set-cookie") {
            let (pair, _) = cookie.to_str().expect("text").split_once(';').expect("attributes");
            let (name, value) = pair.split_once('=').expect("a value");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let text = answer.text().await.expect("a whole page");
        if let Some((_, rest)) = text.split_once(r#"name="form" value=""#) {
            self.form = rest.split('"').next().unwrap_or_default().to_owned();
        }
        Page { status, headers, text }
    }
}
