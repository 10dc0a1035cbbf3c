//! Pages of lists.

use actix_web::HttpRequest;

use super::{form::Form, notice};
use crate::{
    console::{
        fault::{Fault, Undone},
        services::Console,
    },
    domain::listing::{Listed, Page, cursor},
};

/// A page of a list that somebody asks for.
pub(crate) struct Paging<'a> {
    request: &'a HttpRequest,
    console: &'a Console,
    /// The name that the cursors of the list are sealed with.
    list: &'a str,
    /// The page.
    pub(crate) page: Page,
}

impl<'a> Paging<'a> {
    /// The page that the query of this request names.
    pub(crate) fn of(request: &'a HttpRequest, console: &'a Console, list: &'a str, limit: u32) -> Self {
        let cursor = Form::of_query(request);
        let after = cursor.text("cursor").and_then(|text| cursor::read(&console.issuer.keyring, list, text));
        Self { request, console, list, page: Page { after, limit } }
    }

    /// What is on the page, and the address of the next one: the same query, with another cursor. Nothing if something
    /// is wrong with the query.
    pub(crate) async fn found<T, E: Undone>(
        &self,
        query: &Form,
        listed: impl Future<Output = Result<Listed<T>, E>>,
    ) -> Result<(Vec<T>, Option<String>), Fault> {
        if !query.problems().is_empty() {
            return Ok((Vec::new(), None));
        }
        let Listed { items, next } = listed.await.map_err(|error| Fault::outage(self.request, &error))?;
        let is_kept = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !name.is_empty() && name != "cursor" && name != notice::PARAMETER
        };
        let kept = self.request.query_string().split('&').filter(is_kept);
        let kept: String = kept.map(|pair| format!("{pair}&")).collect();
        let address = |place| {
            let cursor = cursor::write(&self.console.issuer.keyring, self.list, &place);
            format!("{}?{kept}cursor={cursor}", self.request.path())
        };
        Ok((items, next.map(address)))
    }
}
