//! Whose certificates are trusted.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::outbound::EXTRA_ROOTS_FILE_BYTES_MAX;
use crate::outbound::roots::Roots;

const CRM: &str = "crm.intranet.example";

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// A certificate authority of a company's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate in a PEM file.
    fn file(&self, folder: &Path) -> PathBuf {
        file(folder, self.0.pem())
    }

    /// A server that shows a certificate of this authority's.
    async fn server(&self, params: CertificateParams) -> Server {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], PrivatePkcs8KeyDer::from(key.serialize_der()).into());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Server::start_on(Encrypted { listener, acceptor: Arc::new(config.unwrap()).into() }, |_| std::future::ready(ok("hello")))
    }
}

struct Encrypted {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not like our certificate hangs up here.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A file of its own with this in it.
fn file(folder: &Path, content: impl AsRef<[u8]>) -> PathBuf {
    let (mut file, path) = tempfile::Builder::new().suffix(".pem").tempfile_in(folder).unwrap().keep().unwrap();
    io::Write::write_all(&mut file, content.as_ref()).unwrap();
    path
}

fn options(extra_roots: &[PathBuf]) -> OutboundOptions {
    let names = Names([(CRM, vec![[127, 0, 0, 1].into()])].into());
    OutboundOptions { resolver: Arc::new(names), extra_roots: extra_roots.to_vec(), ..OutboundOptions::default() }
}

/// What a GET of the CRM comes to when these roots are trusted, and what the operator is told.
async fn get_crm(server: &Server, extra_roots: &[PathBuf]) -> (Result<Got, Error>, String) {
    let origin = format!("https://{CRM}:{}", server.address.port());
    let setup = Setup { outbound: Outbound::new(options(extra_roots)).unwrap(), ..Setup::new(&[&origin]) };
    let mut call = Call::new(&setup.build());
    (call.get(&origin).await, call.notes().concat())
}

#[tokio::test]
async fn a_server_of_the_companys_own_authority_is_reached_once_the_configuration_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, another) = (Authority::new("Acme Root"), Authority::new("Another Root"));
    let server = ours.server(named(CRM)).await;
    for roots in [vec![], vec![another.file(folder.path())]] {
        let (outcome, note) = get_crm(&server, &roots).await;
        assert!(matches!(outcome, Err(Error::TlsCertificateError)), "{outcome:?}");
        assert!(note.contains("is not trusted") && note.ends_with("[outgoing] extra-roots = [\"FILE.pem\"]"), "{note}");
    }
    assert_eq!(server.seen().len(), 0, "something was sent to a server that is not trusted");

    let both = file(folder.path(), format!("Two of them.\n{}{}", another.0.pem(), ours.0.pem()));
    for roots in [vec![ours.file(folder.path())], vec![another.file(folder.path()), ours.file(folder.path())], vec![both]] {
        let (outcome, note) = get_crm(&server, &roots).await;
        assert_eq!(outcome.unwrap().body, "hello", "{note}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_out_of_date_or_anothers_is_refused_though_its_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("Acme Root");
    let roots = [ours.file(folder.path())];
    let (mut expired, mut early) = (named(CRM), named(CRM));
    expired.not_after = date_time_ymd(2020, 1, 1);
    early.not_before = date_time_ymd(4000, 1, 1);
    for (params, said) in [(expired, "expired"), (early, "not valid yet"), (named("wiki.intranet.example"), "not valid for name")] {
        let server = ours.server(params).await;
        let (outcome, note) = get_crm(&server, &roots).await;
        assert!(matches!(outcome, Err(Error::TlsCertificateError)), "{said}: {outcome:?}");
        assert!(note.contains(said) && !note.contains("extra-roots"), "{said}: {note}");
        assert_eq!(server.seen().len(), 0, "{said}");
    }
}

#[test]
fn extra_roots_are_trusted_in_private_networks_only() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("Acme Root");
    let roots = Roots::read(&[ours.file(folder.path())]).unwrap();
    let is_trusted = |private| roots.of(private).subjects().iter().any(|subject| subject.as_ref().ends_with(b"Acme Root"));
    assert!(is_trusted(true) && !is_trusted(false));
    assert_eq!(roots.of(true).len(), roots.of(false).len() + 1, "Mozilla's are trusted everywhere");
}

#[test]
fn a_file_of_roots_that_cannot_be_used_is_named_with_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let pem = Authority::new("Acme Root").0.pem();
    let key = KeyPair::generate().unwrap().serialize_pem();
    let large = [pem.clone(), "\n".repeat(EXTRA_ROOTS_FILE_BYTES_MAX + 1 - pem.len())].concat();
    let (middle, _) = pem.match_indices('\n').nth(3).unwrap();
    for (path, said) in [
        (folder.path().join("missing.pem"), "cannot be read: No such file"),
        (folder.path().to_owned(), "cannot be read: Is a directory"),
        (file(folder.path(), ""), "holds no certificate"),
        (file(folder.path(), b"\x30\x82\x01\x00 in binary"), "-----BEGIN CERTIFICATE-----"),
        (file(folder.path(), key), "holds no certificate"),
        (file(folder.path(), &pem[..middle]), "certificate 1 is damaged: the line -----END CERTIFICATE----- is missing"),
        (file(folder.path(), format!("{pem}-----BEGIN CERTIFICATE\n")), "certificate 2 is damaged: the line \"-----BEGIN CERTIFICATE\""),
        (file(folder.path(), format!("{pem}-----BEGIN CERTIFICATE-----\n#\n-----END CERTIFICATE-----\n")), "certificate 2 is damaged"),
        (file(folder.path(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1 cannot be read as one"),
        (file(folder.path(), large), "more than 1048576 bytes"),
    ] {
        let problem = Outbound::new(options(std::slice::from_ref(&path))).err().expect(said).to_string();
        assert!(problem.contains(&format!("extra-roots: {}: ", path.display())) && problem.contains(said), "{said}: {problem}");
    }
    let at_the_limit = [pem.clone(), "\n".repeat(EXTRA_ROOTS_FILE_BYTES_MAX - pem.len())].concat();
    assert!(Outbound::new(options(&[file(folder.path(), at_the_limit)])).is_ok());
}
