//! The operator's own certificates: one authority, and the two serving certificates that it signs. Pure: what there is and
//! what time it is go in, what there should be comes out.
//!
//! A new authority is believed before anything is signed by it: its certificate joins the bundle at once, and serving
//! certificates change only after `overlap`, when every sidecar and the API server have the new bundle. An old authority
//! leaves the bundle a month after the new one came. `certificates` reads and writes the Secrets.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long an authority lasts, in years.
const AUTHORITY_YEARS: i16 = 10;
/// How many days before its end an authority is replaced.
const AUTHORITY_AHEAD: i64 = 365;
/// How long a serving certificate lasts, in days.
const SERVING_DAYS: i64 = 365;
/// How many days before its end a serving certificate is replaced.
const SERVING_AHEAD: i64 = 120;
/// How many days an old authority is believed beside a new one.
const BELIEVED: i64 = 30;
/// How many authorities a bundle holds at most.
const MOST_BELIEVED: usize = 4;

/// A certificate and its key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key. Never logged; this type has no Debug.
    pub key: String,
}

/// The authority as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate and key.
    pub pair: Pair,
    /// When it was made, to the second; certificates of ours begin at midnight.
    pub made: Timestamp,
}

/// A serving certificate as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Serving {
    /// Its certificate and key.
    pub pair: Pair,
    /// The authorities that clients should believe, PEM.
    pub bundle: String,
}

/// Why no certificate can be made.
#[derive(Debug, thiserror::Error)]
#[error("can't make a certificate")]
pub struct CertificateError(#[from] rcgen::Error);

/// All that there is, or should be.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// The authority.
    pub authority: Option<Authority>,
    /// For each name of [`Settings::serving`], its certificate.
    pub serving: Vec<Option<Serving>>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The DNS names of each serving certificate.
    pub serving: Vec<Vec<String>>,
    /// How long a new authority is believed before it signs.
    pub overlap: SignedDuration,
}

/// What there should be at `now`, given what there is.
pub fn settle(current: &Certificates, settings: &Settings, now: Timestamp) -> Result<Certificates, CertificateError> {
    let authority = match &current.authority {
        Some(authority) if lasts(&authority.pair.certificate, AUTHORITY_AHEAD, now) => authority.clone(),
        _ => Authority { pair: authority(now)?, made: now },
    };
    let known: Vec<&str> = current.serving.iter().flatten().map(|serving| serving.bundle.as_str()).collect();
    let bundle = bundle(&authority, &known, now);
    let may_sign = now.duration_since(authority.made) >= settings.overlap;
    let mut serving = Vec::new();
    for (at, names) in settings.serving.iter().enumerate() {
        let pair = match current.serving.get(at).and_then(Option::as_ref).map(|serving| &serving.pair) {
            Some(pair) if is_good(pair, names, now) && (is_signed_by(pair, &authority.pair) || !may_sign) => {
                pair.clone()
            }
            _ => serving_pair(&authority.pair, names, now)?,
        };
        serving.push(Some(Serving { pair, bundle: bundle.clone() }));
    }
    Ok(Certificates { authority: Some(authority), serving })
}

/// The authority's certificate, and those before it that are still believed.
fn bundle(authority: &Authority, known: &[&str], now: Timestamp) -> String {
    let mut certificates = vec![authority.pair.certificate.trim().to_owned()];
    let still_believed = now.duration_since(authority.made) < SignedDuration::from_hours(BELIEVED * 24);
    if still_believed {
        for certificate in known.iter().flat_map(|bundle| split(bundle)) {
            if lasts(&certificate, 0, now) && !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
        }
    }
    certificates.truncate(MOST_BELIEVED);
    certificates.join("\n") + "\n"
}

/// The certificates of a bundle.
pub fn split(bundle: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----";
    let parts = bundle.split_inclusive(END).map(str::trim);
    parts.filter(|part| part.ends_with(END)).map(str::to_owned).collect()
}

fn is_good(pair: &Pair, names: &[String], now: Timestamp) -> bool {
    let Some(pem) = parse(&pair.certificate) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&pem.contents) else { return false };
    let Ok(key) = KeyPair::from_pem(&pair.key) else { return false };
    let has_name = |name: &String| {
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        alternatives.is_some_and(|found| {
            found
                .value
                .general_names
                .iter()
                .any(|general| matches!(general, x509_parser::extensions::GeneralName::DNSName(dns) if dns == name))
        })
    };
    lasts(&pair.certificate, SERVING_AHEAD, now)
        && names.iter().all(has_name)
        && certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
}

fn is_signed_by(pair: &Pair, authority: &Pair) -> bool {
    let (Some(pem), Some(by)) = (parse(&pair.certificate), parse(&authority.certificate)) else { return false };
    let (Ok((_, certificate)), Ok((_, by))) =
        (X509Certificate::from_der(&pem.contents), X509Certificate::from_der(&by.contents))
    else {
        return false;
    };
    // Each authority has a name of its own, so the name tells which one signed.
    certificate.issuer() == by.subject()
}

/// Whether a certificate still lasts for more than `ahead` days.
fn lasts(certificate: &str, ahead: i64, now: Timestamp) -> bool {
    end_of(certificate).is_some_and(|end| end.duration_since(now) > SignedDuration::from_hours(ahead * 24))
}

/// When a certificate ends; nothing when it is none.
pub fn end_of(certificate: &str) -> Option<Timestamp> {
    let pem = parse(certificate)?;
    let (_, certificate) = X509Certificate::from_der(&pem.contents).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn parse(certificate: &str) -> Option<Pem> {
    Pem::iter_from_buffer(certificate.as_bytes()).next()?.ok().filter(|pem| pem.label == "CERTIFICATE")
}

fn authority(now: Timestamp) -> Result<Pair, CertificateError> {
    let key = KeyPair::generate()?;
    let today = day(now);
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(&format!("lotse authority {}", now.as_second()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (year, month, day) = parts(before(today));
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = parts(today.saturating_add(Span::new().years(AUTHORITY_YEARS)));
    params.not_after = date_time_ymd(year, month, day);
    let certificate = params.self_signed(&key)?;
    Ok(Pair { certificate: certificate.pem().replace('\r', ""), key: key.serialize_pem() })
}

fn serving_pair(authority: &Pair, names: &[String], now: Timestamp) -> Result<Pair, CertificateError> {
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, KeyPair::from_pem(&authority.key)?)?;
    let key = KeyPair::generate()?;
    let today = day(now);
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named(names.first().map_or("lotse", String::as_str));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let (year, month, day) = parts(before(today));
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = parts(today.saturating_add(Span::new().days(SERVING_DAYS)));
    params.not_after = date_time_ymd(year, month, day);
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pair { certificate: certificate.pem().replace('\r', ""), key: key.serialize_pem() })
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    // At most 64 characters: RFC 5280, ub-common-name.
    named.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    named
}

fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

/// Clocks differ; a certificate that begins today would be refused where it is still yesterday.
fn before(day: Date) -> Date {
    day.saturating_sub(Span::new().days(1))
}

fn parts(day: Date) -> (i32, u8, u8) {
    (day.year().into(), day.month().unsigned_abs(), day.day().unsigned_abs())
}

#[cfg(test)]
mod tests;
