//! Somebody at a wiki: what tests do as a customer or an administrator, over MediaWiki's own action API.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::Account;
use crate::error::{Error, Result};
use crate::http_client::{HttpClient, excerpt};

/// A wiki to test against, real or stand-in.
pub trait Wiki: Send + Sync {
    /// Where `api.php` is.
    fn api_url(&self) -> String;

    /// An administrator: may delete and move.
    fn admin_account(&self) -> Account;

    /// Somebody who writes on talk pages.
    fn customer_account(&self) -> Account;

    /// The connector's: the name is `user@application`, the password a bot password of 32 characters.
    fn bot_account(&self) -> Account;

    /// Makes one more person. The password must have at least ten characters.
    fn add_customer<'a>(&'a self, name: &'a str, password: &'a str) -> BoxFuture<'a, Result<Account>>;

    /// Ends the bot's sessions on the server, as time does. People who ticked "remember me" stay logged in, as on the real one.
    fn expire_sessions(&self) -> BoxFuture<'_, Result<()>>;

    /// From now on its clock shows this moment and stands still until it is set again; before the first time it shows the machine's time. Sessions
    /// and caches end by the machine's time all the same.
    ///
    /// # Errors
    /// When the wiki can't be told.
    fn set_clock(&self, now: Timestamp) -> Result<()>;

    /// Gives the bot another password of exactly 32 characters, which ends its sessions.
    fn change_bot_password<'a>(&'a mut self, password: &'a str) -> BoxFuture<'a, Result<()>>;

    /// The administrator, ready to act.
    fn admin(&self) -> WikiUser {
        WikiUser::new(&self.api_url(), self.admin_account())
    }

    /// The customer, ready to act.
    fn customer(&self) -> WikiUser {
        WikiUser::new(&self.api_url(), self.customer_account())
    }

    /// The bot account in a test's hands (the connector has its own client).
    fn bot(&self) -> WikiUser {
        WikiUser::new(&self.api_url(), self.bot_account())
    }

    /// Somebody who is not logged in.
    fn anonymous(&self) -> WikiUser {
        WikiUser::new(&self.api_url(), Account::new("", ""))
    }
}

/// What an edit led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The page's id.
    pub page_id: u64,
    /// The new revision, or `None` when the text was the same (`nochange`).
    pub revision: Option<u64>,
}

/// Somebody with cookies of their own. Logs in at the first action; an account without a name stays anonymous.
#[derive(Debug)]
pub struct WikiUser {
    http: HttpClient,
    api_url: String,
    account: Account,
    logged_in: OnceCell<()>,
}

impl WikiUser {
    /// Somebody who has not logged in yet.
    pub fn new(api_url: &str, account: Account) -> Self {
        Self { http: HttpClient::default(), api_url: api_url.to_owned(), account, logged_in: OnceCell::new() }
    }

    /// Logs in, in the two steps of the action API, with the cookies held: a bot whose session still runs is refused (`Aborted`).
    ///
    /// # Errors
    /// [`Error::Refused`] with `code` = the result (`Failed`, …).
    pub async fn log_in(&self) -> Result<()> {
        self.take_two_steps().await?;
        // Set already after the first time.
        let _ = self.logged_in.set(());
        Ok(())
    }

    async fn take_two_steps(&self) -> Result<()> {
        let reply = self.get(&[("action", "query"), ("meta", "tokens"), ("type", "login")]).await?;
        let token = text_at(&reply, "/query/tokens/logintoken")?;
        let reply = self
            .post(&[("action", "login"), ("lgname", &self.account.name), ("lgpassword", &self.account.password), ("lgtoken", &token)])
            .await?;
        match text_at(&reply, "/login/result")?.as_str() {
            "Success" => Ok(()),
            result => Err(Error::Refused {
                what: format!("logging in {}", self.account.name),
                code: result.to_owned(),
                info: reply.pointer("/login/reason").and_then(Value::as_str).unwrap_or_default().to_owned(),
            }),
        }
    }

    /// A GET of the action API, JSON in format version 2; an `error` in the reply is an [`Error::Refused`].
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn get(&self, query: &[(&str, &str)]) -> Result<Value> {
        let answer = self.http.get(&self.api_url, &in_json(query)).await?;
        self.judge(query, answer)
    }

    /// A POST of the action API, likewise.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn post(&self, fields: &[(&str, &str)]) -> Result<Value> {
        let answer = self.http.post_form(&self.api_url, &in_json(fields)).await?;
        self.judge(fields, answer)
    }

    /// The token an edit needs, fetched anew.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn csrf_token(&self) -> Result<String> {
        self.ready().await?;
        let reply = self.get(&[("action", "query"), ("meta", "tokens")]).await?;
        text_at(&reply, "/query/tokens/csrftoken")
    }

    /// Opens a thread on a talk page and signs it.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn edit_talk(&self, page: &str, heading: &str, text: &str) -> Result<Edit> {
        let signed = format!("{text} ~~~~");
        self.edit(page, &[("section", "new"), ("sectiontitle", heading), ("text", &signed)]).await
    }

    /// Adds a signed paragraph to the end of a section (by its index, the first heading's being 1).
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn append_to_section(&self, page: &str, section: &str, text: &str) -> Result<Edit> {
        let signed = format!("\n\n{text} ~~~~");
        self.edit(page, &[("section", section), ("appendtext", &signed)]).await
    }

    /// Replaces the whole text of a page.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn replace_page(&self, page: &str, text: &str) -> Result<Edit> {
        self.edit(page, &[("text", text)]).await
    }

    /// Any edit: `fields` are those of `action=edit` besides `title`, `token` and `assert`.
    ///
    /// # Errors
    /// The wiki's own (`editconflict`, `nosuchsection`, …), or no answer.
    pub async fn edit(&self, page: &str, fields: &[(&str, &str)]) -> Result<Edit> {
        let token = self.csrf_token().await?;
        let mut all = vec![("action", "edit"), ("title", page), ("token", &token)];
        if !self.account.name.is_empty() {
            all.push(("assert", "user"));
        }
        all.extend_from_slice(fields);
        let reply = self.post(&all).await?;
        let page_id = reply.pointer("/edit/pageid").and_then(Value::as_u64);
        let revision = reply.pointer("/edit/newrevid").and_then(Value::as_u64);
        let unchanged = reply.pointer("/edit/nochange") == Some(&Value::Bool(true));
        match page_id {
            Some(page_id) if unchanged || revision.is_some() => Ok(Edit { page_id, revision }),
            _ => Err(unexpected("an edit", &reply)),
        }
    }

    /// Deletes a page.
    ///
    /// # Errors
    /// `permissiondenied` for everybody but an administrator.
    pub async fn delete_page(&self, page: &str, reason: &str) -> Result<()> {
        let token = self.csrf_token().await?;
        self.post(&[("action", "delete"), ("title", page), ("reason", reason), ("token", &token)]).await.map(drop)
    }

    /// Hides the text of a revision that is not its page's last; whether it was, because of the last one the wiki says that beside a success.
    ///
    /// # Errors
    /// `permissiondenied` for everybody but an administrator.
    pub async fn hide_revision(&self, revision: u64, reason: &str) -> Result<bool> {
        let (token, ids) = (self.csrf_token().await?, revision.to_string());
        let asked =
            [("action", "revisiondelete"), ("type", "revision"), ("ids", &ids), ("hide", "content"), ("reason", reason), ("token", &token)];
        let reply = self.post(&asked).await?;
        Ok(reply["revisiondelete"]["items"][0]["texthidden"] == true)
    }

    /// Moves a page, leaving a redirect.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn move_page(&self, from: &str, to: &str, reason: &str) -> Result<()> {
        let token = self.csrf_token().await?;
        self.post(&[("action", "move"), ("from", from), ("to", to), ("reason", reason), ("token", &token)]).await.map(drop)
    }

    /// The page's text now, or `None` when there is no such page.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn page_text(&self, page: &str) -> Result<Option<String>> {
        self.ready().await?;
        let reply = self
            .get(&[
                ("action", "query"),
                ("titles", page),
                ("prop", "revisions"),
                ("rvprop", "ids|content"),
                ("rvslots", "main"),
                ("rvlimit", "1"),
            ])
            .await?;
        if reply.pointer("/query/pages/0/missing").is_some() {
            return Ok(None);
        }
        text_at(&reply, "/query/pages/0/revisions/0/slots/main/content").map(Some)
    }

    /// All revisions of a page, oldest first: `revid`, `user`, `comment`, `timestamp`. At most 500.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn revisions(&self, page: &str) -> Result<Vec<Value>> {
        self.ready().await?;
        let reply = self
            .get(&[
                ("action", "query"),
                ("titles", page),
                ("prop", "revisions"),
                ("rvprop", "ids|user|timestamp|comment"),
                ("rvlimit", "500"),
                ("rvdir", "newer"),
            ])
            .await?;
        Ok(reply.pointer("/query/pages/0/revisions").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// All rows of recent changes, oldest first, read in pages of `page_rows`.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn recent_changes(&self, page_rows: usize) -> Result<Vec<Value>> {
        self.ready().await?;
        let limit = page_rows.to_string();
        let mut rows = Vec::new();
        let mut resume: Option<(String, String)> = None;
        loop {
            let mut query = vec![
                ("action", "query"),
                ("list", "recentchanges"),
                ("rcdir", "newer"),
                ("rclimit", limit.as_str()),
                ("rctype", "edit|new|log"),
                ("rcprop", "title|ids|sizes|flags|user|userid|timestamp|comment|loginfo|tags"),
            ];
            if let Some((rows_from, rest)) = &resume {
                query.extend([("rccontinue", rows_from.as_str()), ("continue", rest.as_str())]);
            }
            let reply = self.get(&query).await?;
            rows.extend(reply.pointer("/query/recentchanges").and_then(Value::as_array).cloned().unwrap_or_default());
            match reply.get("continue") {
                Some(_) => resume = Some((text_at(&reply, "/continue/rccontinue")?, text_at(&reply, "/continue/continue")?)),
                None => return Ok(rows),
            }
        }
    }

    /// The ids of all rows of recent changes, oldest first.
    ///
    /// # Errors
    /// The wiki's own, or no answer.
    pub async fn recent_change_ids(&self) -> Result<Vec<u64>> {
        Ok(self.recent_changes(50).await?.iter().filter_map(|row| row["rcid"].as_u64()).collect())
    }

    /// The HTTP client, for requests that are meant to be wrong.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    async fn ready(&self) -> Result<()> {
        if self.account.name.is_empty() {
            return Ok(());
        }
        self.logged_in.get_or_try_init(|| self.take_two_steps()).await.map(drop)
    }

    fn judge(&self, asked: &[(&str, &str)], answer: crate::http_client::Answer) -> Result<Value> {
        let what = asked
            .iter()
            .find(|(name, _)| *name == "action")
            .map_or_else(String::new, |(_, action)| format!("action={action} of {:?}", self.account.name));
        if answer.status != 200 {
            return Err(Error::Status { what, status: answer.status, body: excerpt(&answer.text()) });
        }
        let reply = answer.json()?;
        match reply.get("error") {
            Some(error) => Err(Error::Refused {
                what,
                code: error["code"].as_str().unwrap_or_default().to_owned(),
                info: error["info"].as_str().unwrap_or_default().to_owned(),
            }),
            None => Ok(reply),
        }
    }
}

fn in_json<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = pairs.to_vec();
    all.extend([("format", "json"), ("formatversion", "2")]);
    all
}

fn text_at(reply: &Value, pointer: &str) -> Result<String> {
    reply.pointer(pointer).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| unexpected(pointer, reply))
}

fn unexpected(what: &str, reply: &Value) -> Error {
    Error::Unexpected { what: what.to_owned(), answer: excerpt(&reply.to_string()) }
}
