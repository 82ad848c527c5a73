//! The API as its users meet it: over HTTP, against a whole host.

mod api {
    pub(crate) mod client;

    mod access;
    mod contacts;
    mod limits;
    mod live;
    mod people;
    mod secrets;
    mod work;
}
