//! Tests of certs: what is made, what stays, and who believes whom meanwhile.

use super::*;

fn at(time: &str) -> Timestamp {
    time.parse().expect("it is a time")
}

fn settings() -> Settings {
    Settings {
        serving: vec![vec!["controller.root.svc".to_owned()], vec!["injector.root.svc".to_owned()]],
        overlap: SignedDuration::from_mins(5),
    }
}

fn settled(current: &Certificates, now: Timestamp) -> Certificates {
    settle(current, &settings(), now).expect("certificates can be made")
}

fn serving(certificates: &Certificates) -> Vec<&Serving> {
    certificates.serving.iter().flatten().collect()
}

#[test]
fn what_is_good_stays_as_it_is() {
    let now = at("2026-11-24T10:00:00Z");

    let first = settled(&Certificates::default(), now);

    assert_eq!(serving(&first).len(), 2);
    assert!(settled(&first, now) == first);
    assert!(settled(&first, at("2027-03-01T00:00:00Z")) == first);
}

#[test]
fn a_client_that_believes_the_bundle_believes_the_server_under_its_name_and_no_other() {
    let certificates = settled(&Certificates::default(), at("2026-11-24T10:00:00Z"));
    let Serving { pair, bundle } = serving(&certificates)[0];

    for (name, believed) in [("controller.root.svc", true), ("injector.root.svc", false)] {
        assert_eq!(verified(&pair.certificate, bundle, name), believed, "{name}");
    }
}

/// Whether rustls would take the certificate.
fn verified(certificate: &str, bundle: &str, name: &str) -> bool {
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    let mut roots = rustls::RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(authority.expect("PEM")).expect("an authority");
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().expect("a verifier");
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
    let name = ServerName::try_from(name).expect("a name");
    let now = at("2026-11-24T10:30:00Z").as_second().unsigned_abs();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    verifier.verify_server_cert(&certificate, &[], &name, &[], now).is_ok()
}

#[test]
fn a_new_authority_is_believed_at_once_and_signs_only_when_everybody_believes_it() {
    let (start, soon, later) = (at("2026-11-24T10:00:00Z"), at("2026-11-24T10:04:00Z"), at("2026-11-24T10:05:00Z"));
    let first = settled(&Certificates::default(), at("2026-06-01T00:00:00Z"));
    let without = Certificates { authority: None, ..first.clone() };

    let fresh = settled(&without, start);
    let waiting = settled(&fresh, soon);
    let signed = settled(&waiting, later);

    assert_eq!(split(&serving(&fresh)[0].bundle).len(), 2, "both are believed");
    assert!(serving(&fresh)[0].pair == serving(&first)[0].pair && waiting == fresh, "the old one still serves");
    assert!(serving(&signed)[0].pair != serving(&first)[0].pair, "the new one signs");
    let name = "controller.root.svc";
    assert!(verified(&serving(&signed)[0].pair.certificate, &serving(&fresh)[0].bundle, name));
}

#[test]
fn an_old_authority_leaves_the_bundle_after_a_month() {
    let first = settled(&Certificates::default(), at("2026-06-01T00:00:00Z"));
    let second = settled(&Certificates { authority: None, ..first }, at("2026-11-24T10:00:00Z"));

    assert_eq!(split(&serving(&settled(&second, at("2026-12-24T09:59:00Z")))[0].bundle).len(), 2);
    assert_eq!(split(&serving(&settled(&second, at("2026-12-24T10:00:00Z")))[0].bundle).len(), 1);
}

#[test]
fn certificates_are_renewed_long_before_their_end() {
    let start = at("2026-11-24T10:00:00Z");
    let first = settled(&Certificates::default(), start);

    let autumn = settled(&first, at("2027-09-01T00:00:00Z"));
    let years = settled(&first, at("2036-01-01T00:00:00Z"));

    assert!(autumn.authority == first.authority && serving(&autumn)[0].pair != serving(&first)[0].pair);
    assert!(years.authority != first.authority);
}

#[test]
fn a_serving_certificate_that_can_not_serve_is_replaced_at_once() {
    let now = at("2026-11-24T10:00:00Z");
    let first = settled(&Certificates::default(), now);
    let broken: [fn(&mut Pair, &Pair); 3] = [
        |pair, _| pair.certificate = "garbage".to_owned(),
        |pair, _| pair.key = "garbage".to_owned(),
        // The other server's key does not belong to it.
        |pair, other| pair.key = other.key.clone(),
    ];
    for break_it in broken {
        let mut current = first.clone();
        let other = serving(&first)[1].pair.clone();
        break_it(&mut current.serving[0].as_mut().expect("it is there").pair, &other);

        let mended = settled(&current, now);

        assert!(verified(&serving(&mended)[0].pair.certificate, &serving(&mended)[0].bundle, "controller.root.svc"));
        assert!(serving(&mended)[1] == serving(&first)[1], "the other one is left alone");
    }
}
