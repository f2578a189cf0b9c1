//! For each exchange: the request to the byte, good answers, and bad ones with the words that they come to.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::secret::Secret;

const NOW: &str = "2026-11-24T12:00:00Z";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
const AUDIENCE: &str =
    "//iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/lotse/providers/cluster";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn reference(key: &str) -> SecretKeyRef {
    SecretKeyRef { name: "cloud".to_owned(), key: key.to_owned() }
}

/// The first request, with a Secret of these values and the identity token.
fn ask(kind: &ExchangeKind, values: &[(&str, &str)]) -> Result<HttpRequest, ExchangeError> {
    ask_with(kind, values, Some(TOKEN))
}

fn ask_with(kind: &ExchangeKind, values: &[(&str, &str)], token: Option<&str>) -> Result<HttpRequest, ExchangeError> {
    let values: Vec<(SecretKeyRef, Secret)> =
        values.iter().map(|(key, value)| (reference(key), Secret::new((*value).to_owned()))).collect();
    let find = |wanted: &SecretKeyRef| values.iter().find(|(own, _)| own == wanted).map(|(_, value)| value);
    let token = token.map(|token| Secret::new(token.to_owned()));
    let inputs = Inputs { subject_token: token.as_ref(), secret: &find };
    request(kind, inputs, now())
}

fn done(kind: &ExchangeKind, body: &str) -> Exchanged {
    match read(kind, 200, body.as_bytes(), now()) {
        Ok(Step::Done(exchanged)) => exchanged,
        other => panic!("{other:?}"),
    }
}

fn refusal(kind: &ExchangeKind, status: u16, body: &str) -> String {
    read(kind, status, body.as_bytes(), now()).expect_err("a refusal").to_string()
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.reveal())
}

fn form(request: &HttpRequest) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body.reveal().as_bytes()).into_owned().collect()
}

fn get<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
}

fn web_identity(region: &str) -> ExchangeKind {
    ExchangeKind::AwsWebIdentity {
        region: region.to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/bedrock".to_owned(),
        session_name: "lotse-team a/bedrock".to_owned(),
        service_account_name: "bedrock".to_owned(),
    }
}

fn assume_role() -> ExchangeKind {
    ExchangeKind::AwsAssumeRole {
        region: "eu-central-1".to_owned(),
        role_arn: "arn:aws:iam::123456789012:role/bedrock".to_owned(),
        session_name: "lotse-team a/bedrock".to_owned(),
        external_id: Some("lotse/1".to_owned()),
        keys: AwsStaticKeys {
            access_key_id_ref: reference("id"),
            secret_access_key_ref: reference("secret"),
            session_token_ref: None,
        },
    }
}

fn pod_identity(cluster: &str) -> ExchangeKind {
    ExchangeKind::AwsPodIdentity {
        region: "eu-central-1".to_owned(),
        cluster_name: cluster.to_owned(),
        service_account_name: "bedrock".to_owned(),
    }
}

fn google_key() -> ExchangeKind {
    ExchangeKind::GoogleServiceAccount { key: reference("key.json") }
}

fn google_federation(impersonate: Option<&str>) -> ExchangeKind {
    ExchangeKind::GoogleWorkloadIdentity {
        audience: AUDIENCE.to_owned(),
        impersonate: impersonate.map(str::to_owned),
        service_account_name: "vertex".to_owned(),
    }
}

fn azure(tenant: &str, proof: AzureProof) -> ExchangeKind {
    ExchangeKind::Azure {
        authority: AzureAuthority::Public,
        tenant_id: tenant.to_owned(),
        client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        proof,
    }
}

fn openai() -> ExchangeKind {
    ExchangeKind::OpenAI {
        identity_provider_id: "idp_123".to_owned(),
        service_account_id: "svc_456".to_owned(),
        service_account_name: "openai".to_owned(),
    }
}

fn all() -> Vec<ExchangeKind> {
    vec![
        web_identity("eu-central-1"),
        assume_role(),
        pod_identity("main"),
        google_key(),
        google_federation(None),
        google_federation(Some("vertex@project.iam.gserviceaccount.com")),
        azure("contoso.onmicrosoft.com", AzureProof::ClientSecret(reference("client"))),
        azure("contoso.onmicrosoft.com", AzureProof::ServiceAccount("azure".to_owned())),
        openai(),
    ]
}

const STS_ANSWER: &str = r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>system:serviceaccount:team-a:bedrock</SubjectFromWebIdentityToken>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/bedrock/lotse</Arn></AssumedRoleUser>
    <Credentials>
      <SessionToken>FwoGZXIvYXdzEBY=</SessionToken>
      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG</SecretAccessKey>
      <Expiration>2026-11-24T13:00:00Z</Expiration>
      <AccessKeyId>ASIAEXAMPLE</AccessKeyId>
    </Credentials>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>"#;

fn sts_error(code: &str) -> String {
    format!(
        r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
        <Code>{code}</Code><Message>no to {TOKEN}</Message></Error><RequestId>x</RequestId></ErrorResponse>"#
    )
}

#[test]
fn a_role_is_asked_of_sts_with_a_token_and_without_a_signature() {
    let request = ask(&web_identity("eu-central-1"), &[]).expect("a request");

    assert_eq!(request.method, ::http::Method::POST);
    assert_eq!(request.url, "https://sts.eu-central-1.amazonaws.com/");
    assert_eq!(header(&request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header(&request, "authorization"), None);
    assert_eq!(
        request.body.reveal(),
        format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&\
             RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fbedrock&RoleSessionName=lotse-team-a-bedrock&\
             WebIdentityToken={TOKEN}"
        )
    );
}

#[test]
fn keys_of_sts_travel_as_json_until_they_expire() {
    let exchanged = done(&web_identity("eu-central-1"), STS_ANSWER);

    assert_eq!(
        exchanged.secret.reveal(),
        r#"{"accessKeyId":"ASIAEXAMPLE","secretAccessKey":"wJalrXUtnFEMI/K7MDENG","sessionToken":"FwoGZXIvYXdzEBY="}"#
    );
    assert_eq!(exchanged.expires.to_string(), "2026-11-24T13:00:00Z");
    AwsKeys::read(&exchanged.secret).expect("keys that the signer reads");
}

#[test]
fn a_region_gives_the_host_of_its_partition_and_nothing_else_does() {
    for (region, host) in [
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
        ("ap-southeast-4", "sts.ap-southeast-4.amazonaws.com"),
    ] {
        assert_eq!(ask(&web_identity(region), &[]).expect("a request").url, format!("https://{host}/"));
    }
    for region in [
        "",
        "eu",
        "eu-central-1.evil.example",
        "eu-central-1/",
        "EU-central-1",
        "xx-north-1",
        "us-iso-east-1",
        "a@b-c-1",
    ] {
        let refused = ask(&web_identity(region), &[]).expect_err("no region").to_string();
        assert_eq!(refused, "AWS STS can't be asked: region must be one of AWS, such as eu-central-1");
    }
    assert_eq!(
        ask(&pod_identity("main"), &[]).expect("a request").url,
        "https://eks-auth.eu-central-1.api.aws/clusters/main/assume-role-for-pod-identity"
    );
    for cluster in ["", "-main", "a/b", "a b", "../x"] {
        ask(&pod_identity(cluster), &[]).expect_err("no cluster");
    }
}

#[test]
fn a_refusal_of_sts_says_what_to_look_at_and_never_what_was_sent() {
    let kind = web_identity("eu-central-1");

    assert_eq!(
        refusal(&kind, 403, &sts_error("AccessDenied")),
        "AWS STS refuses with status 403 (AccessDenied): the role's trust policy must allow \
         sts:AssumeRoleWithWebIdentity for the cluster's issuer, with :aud sts.amazonaws.com and :sub \
         system:serviceaccount:NAMESPACE:NAME of the ServiceAccount"
    );
    assert!(refusal(&kind, 400, &sts_error("InvalidIdentityToken")).contains("OIDC provider"));
    assert!(refusal(&kind, 400, &sts_error("ExpiredTokenException")).contains("clocks"));
    assert!(refusal(&assume_role(), 403, &sts_error("SignatureDoesNotMatch")).contains("secretAccessKey"));
    assert!(refusal(&assume_role(), 403, &sts_error("AccessDenied")).contains("sts:AssumeRole for the keys' owner"));
    assert!(matches!(
        read(&kind, 400, sts_error("Throttling").as_bytes(), now()),
        Err(ExchangeError::Unavailable { status: 400, .. })
    ));
    assert!(matches!(read(&kind, 503, b"<html>", now()), Err(ExchangeError::Unavailable { status: 503, .. })));
    assert!(refusal(&kind, 403, "").contains("trust policy"));
}

#[test]
fn an_answer_of_sts_that_is_none_is_told_apart() {
    let kind = web_identity("eu-central-1");
    let late = STS_ANSWER.replace("2026-11-24T13", "2026-11-24T11");

    assert_eq!(refusal(&kind, 200, "{}"), "AWS STS gives no credential: its answer is no XML");
    assert!(refusal(&kind, 200, "<a/>").contains("lacks a part of the keys"));
    assert!(refusal(&kind, 200, &STS_ANSWER.replace("SessionToken", "Token")).contains("lacks a part"));
    assert!(refusal(&kind, 200, &STS_ANSWER.replace("2026-11-24T13:00:00Z", "soon")).contains("no time"));
    assert!(refusal(&kind, 200, &late).contains("expired already, by our clock"));
    assert!(refusal(&kind, 200, &STS_ANSWER.replace("ASIAEXAMPLE", "ASIA EXAMPLE")).contains("visible ASCII"));
    let entities = format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{STS_ANSWER}");
    assert!(refusal(&kind, 200, &entities).contains("no XML"));
}

#[test]
fn long_lived_keys_sign_for_short_lived_ones() {
    let values = [("id", "AKIDEXAMPLE\n"), ("secret", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")];
    let request = ask(&assume_role(), &values).expect("a request");

    let pairs = form(&request);
    assert_eq!(request.url, "https://sts.eu-central-1.amazonaws.com/");
    assert_eq!(get(&pairs, "Action"), "AssumeRole");
    assert_eq!(get(&pairs, "ExternalId"), "lotse/1");
    assert_eq!(get(&pairs, "RoleSessionName"), "lotse-team-a-bedrock");
    let authorization = header(&request, "authorization").expect("a signature");
    assert!(authorization.starts_with(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/eu-central-1/sts/aws4_request, \
         SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature="
    ));
    assert_eq!(header(&request, "x-amz-date"), Some("20261124T120000Z"));
    assert!(!request.body.reveal().contains("EXAMPLEKEY"));
    assert_eq!(
        ask(&assume_role(), &[("id", "AKID")]).expect_err("a key is missing").to_string(),
        "AWS STS can't be asked: Secret cloud has no key `secret`"
    );
}

#[test]
fn eks_is_asked_with_a_token_and_answers_in_json() {
    let request = ask(&pod_identity("main"), &[]).expect("a request");
    let answer = r#"{"subject":{"namespace":"a","serviceAccount":"b"},"audience":"pods.eks.amazonaws.com",
        "credentials":{"sessionToken":"st","secretAccessKey":"sk","accessKeyId":"ASIA","expiration":1.7955504E9}}"#;

    assert_eq!(request.body.reveal(), format!(r#"{{"token":"{TOKEN}"}}"#));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    let exchanged = done(&pod_identity("main"), answer);
    assert_eq!(exchanged.secret.reveal(), r#"{"accessKeyId":"ASIA","secretAccessKey":"sk","sessionToken":"st"}"#);
    assert_eq!(exchanged.expires.to_string(), "2026-11-24T20:00:00Z");
    // What lies far ahead is cut: it is exchanged anew each day.
    let far = done(&pod_identity("main"), &answer.replace("1.7955504E9", "1800000000"));
    assert_eq!(far.expires.to_string(), "2026-11-25T12:00:00Z");
    let missing = r#"{"__type":"com.amazonaws#ResourceNotFoundException","message":"x"}"#;
    assert_eq!(
        refusal(&pod_identity("main"), 404, missing),
        "EKS Auth refuses with status 404 (ResourceNotFoundException): the cluster must have a Pod Identity association \
         for the ServiceAccount in the provider's namespace"
    );
    assert!(refusal(&pod_identity("main"), 200, r#"{"credentials":{}}"#).contains("lacks a part"));
}

/// A key of an RSA key pair as Google writes it, and what checks its signatures.
fn google_file() -> (Value, Vec<u8>) {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().expect("DER");
    let public = pair.public_key().as_ref().to_vec();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    let file = json!({
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "kid-1",
        "private_key": pem,
        "client_email": "vertex@project.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    });
    (file, public)
}

#[test]
fn a_key_of_google_signs_an_assertion_for_the_fixed_host() {
    let (file, public) = google_file();
    let request = ask(&google_key(), &[("key.json", &file.to_string())]).expect("a request");

    assert_eq!(request.url, "https://oauth2.googleapis.com/token");
    let pairs = form(&request);
    assert_eq!(get(&pairs, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let parts: Vec<&str> = get(&pairs, "assertion").split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { panic!("{parts:?}") };
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64");
    let json_of = |part: &str| serde_json::from_slice::<Value>(&decode(part)).expect("JSON");
    assert_eq!(json_of(header), json!({"alg": "RS256", "typ": "JWT", "kid": "kid-1"}));
    assert_eq!(
        json_of(claims),
        json!({
            "iss": "vertex@project.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/cloud-platform",
            "aud": "https://oauth2.googleapis.com/token",
            "iat": 1_795_521_600, "exp": 1_795_525_200,
        })
    );
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(format!("{header}.{claims}").as_bytes(), &decode(signature))
        .expect("the signature is the key's");
    let again = ask(&google_key(), &[("key.json", &file.to_string())]).expect("a request");
    assert_eq!(again.body.reveal(), request.body.reveal(), "nothing is drawn");
}

#[test]
fn a_credential_of_google_that_is_no_service_account_s_key_is_refused_without_a_word_of_it() {
    let (file, _) = google_file();
    let with = |field: &str, value: Value| {
        let mut file = file.clone();
        file[field] = value;
        ask(&google_key(), &[("key.json", &file.to_string())]).expect_err("unusable").to_string()
    };

    assert!(with("type", json!("external_account")).contains("type must be service_account"));
    assert!(with("type", json!("authorized_user")).contains("type must be service_account"));
    assert!(with("token_uri", json!("https://evil.example/token")).contains("no other host is asked"));
    assert!(with("universe_domain", json!("evil.example")).contains("universe_domain"));
    assert!(with("private_key", json!("hunter2")).contains("must be an RSA key in PEM"));
    assert!(!with("private_key", json!("hunter2")).contains("hunter2"));
    assert!(with("client_email", json!("a/../b@c")).contains("mail address"));
    let text = ask(&google_key(), &[("key.json", "hunter2")]).expect_err("no JSON").to_string();
    assert!(text.contains("must hold the JSON") && !text.contains("hunter2"));
}

#[test]
fn google_answers_with_a_token_or_says_why_not() {
    let kind = google_key();
    let exchanged = done(&kind, r#"{"access_token":"ya29.a","expires_in":3599,"token_type":"Bearer"}"#);

    assert_eq!(exchanged.secret.reveal(), "ya29.a");
    assert_eq!(exchanged.expires.to_string(), "2026-11-24T12:59:59Z");
    let grant = r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
    assert!(refusal(&kind, 400, grant).contains("(invalid_grant): the key must be one of the service account"));
    for wrong in [
        r#"{"access_token":"a b","expires_in":3599}"#,
        r#"{"access_token":"","expires_in":3599}"#,
        r#"{"access_token":"a"}"#,
        r#"{"access_token":"a","expires_in":0}"#,
        r#"{"access_token":"a","expires_in":-1}"#,
        r#"{"access_token":"a","expires_in":true}"#,
        r#"{"id_token":"a"}"#,
        "",
    ] {
        assert!(refusal(&kind, 200, wrong).starts_with("Google's OAuth endpoint gives no credential"), "{wrong}");
    }
    let long = done(&kind, r#"{"access_token":"a","expires_in":1e300}"#);
    assert_eq!(long.expires.to_string(), "2026-11-25T12:00:00Z");
}

#[test]
fn a_foreign_token_is_exchanged_at_google_and_then_for_a_service_account_s() {
    let kind = google_federation(Some("vertex@project.iam.gserviceaccount.com"));
    let request = ask(&kind, &[]).expect("a request");
    let pairs = form(&request);

    assert_eq!(request.url, "https://sts.googleapis.com/v1/token");
    assert_eq!(get(&pairs, "grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(get(&pairs, "audience"), AUDIENCE);
    assert_eq!(get(&pairs, "subject_token"), TOKEN);
    assert_eq!(get(&pairs, "subject_token_type"), "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!(get(&pairs, "requested_token_type"), "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(get(&pairs, "scope"), "https://www.googleapis.com/auth/cloud-platform");
    let federated = br#"{"access_token":"federated","expires_in":3599,"issued_token_type":"x","token_type":"Bearer"}"#;
    let Ok(Step::Next(next)) = read(&kind, 200, federated, now()) else { panic!("another request") };
    assert_eq!(
        next.url,
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/vertex@project.iam.gserviceaccount.com:generateAccessToken"
    );
    assert_eq!(header(&next, "authorization"), Some("Bearer federated"));
    assert_eq!(next.body.reveal(), r#"{"scope":["https://www.googleapis.com/auth/cloud-platform"]}"#);
    let exchanged = done(&kind, r#"{"accessToken":"ya29.b","expireTime":"2026-11-24T13:00:00Z"}"#);
    assert_eq!(exchanged.secret.reveal(), "ya29.b");
    assert_eq!(exchanged.expires.to_string(), "2026-11-24T13:00:00Z");
    let denied = r#"{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}"#;
    assert!(refusal(&kind, 403, denied).contains("IAM Credentials API refuses with status 403 (PERMISSION_DENIED)"));
    assert!(refusal(&kind, 403, denied).contains("roles/iam.workloadIdentityUser"));
    let audience = r#"{"error":"invalid_grant","error_description":"The audience does not match."}"#;
    assert!(refusal(&kind, 400, audience).starts_with("Google's Security Token Service refuses"));
}

#[test]
fn a_federated_token_of_google_can_be_the_credential_itself() {
    let kind = google_federation(None);

    assert_eq!(done(&kind, r#"{"access_token":"federated","expires_in":3599}"#).secret.reveal(), "federated");
    let mut wrong = kind;
    if let ExchangeKind::GoogleWorkloadIdentity { audience, .. } = &mut wrong {
        "https://evil.example/x".clone_into(audience);
    }
    assert!(ask(&wrong, &[]).expect_err("no audience").to_string().contains("//iam.googleapis.com/projects/NUMBER"));
    ask(&google_federation(Some("a:b@c")), &[]).expect_err("no mail address");
}

#[test]
fn entra_takes_a_client_secret_or_a_foreign_token() {
    let secret = azure("contoso.onmicrosoft.com", AzureProof::ClientSecret(reference("client")));
    let request = ask_with(&secret, &[("client", "s3cret~")], None).expect("a request");
    let federated = azure("contoso.onmicrosoft.com", AzureProof::ServiceAccount("azure".to_owned()));
    let assertion = ask(&federated, &[]).expect("a request");

    assert_eq!(request.url, "https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token");
    assert_eq!(
        request.body.reveal(),
        "client_id=11111111-2222-3333-4444-555555555555&grant_type=client_credentials&\
         scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&client_secret=s3cret%7E"
    );
    assert_eq!(
        assertion.body.reveal(),
        format!(
            "client_id=11111111-2222-3333-4444-555555555555&grant_type=client_credentials&\
             scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default&\
             client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
             client_assertion={TOKEN}"
        )
    );
    let answer = r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0.x.y"}"#;
    assert_eq!(done(&secret, answer).secret.reveal(), "eyJ0.x.y");
    assert_eq!(done(&secret, r#"{"expires_in":"60","access_token":"a"}"#).expires.to_string(), "2026-11-24T12:01:00Z");
    for tenant in ["", "a/b", "../x", ".x", "a?b", "a b"] {
        ask(&azure(tenant, AzureProof::ServiceAccount("azure".to_owned())), &[]).expect_err("no tenant");
    }
}

#[test]
fn what_entra_refuses_says_what_to_look_at() {
    let kind = azure("contoso.onmicrosoft.com", AzureProof::ServiceAccount("azure".to_owned()));
    let error = |code: u64| {
        json!({"error": "invalid_client", "error_description": format!("AADSTS{code}: no {TOKEN}"), "error_codes": [code]})
            .to_string()
    };

    assert_eq!(
        refusal(&kind, 401, &error(700_213)),
        "Entra ID refuses with status 401 (AADSTS700213): the application must have a federated credential with the \
         cluster's issuer, audience api://AzureADTokenExchange and subject system:serviceaccount:NAMESPACE:NAME of the \
         ServiceAccount"
    );
    assert!(refusal(&kind, 401, &error(7_000_215)).contains("the client secret's value, not its id"));
    assert!(refusal(&kind, 401, &error(7_000_222)).contains("has expired"));
    assert!(refusal(&kind, 400, &error(700_024)).contains("clocks"));
    assert!(refusal(&kind, 400, &error(90002)).contains("tenantID must be"));
    assert!(refusal(&kind, 400, "{}").starts_with("Entra ID refuses with status 400: tenantID"));
}

#[test]
fn openai_takes_a_foreign_token() {
    let request = ask(&openai(), &[]).expect("a request");

    assert_eq!(request.url, "https://auth.openai.com/oauth/token");
    assert_eq!(
        serde_json::from_str::<Value>(request.body.reveal()).expect("JSON"),
        json!({
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": TOKEN,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "identity_provider_id": "idp_123",
            "service_account_id": "svc_456",
        })
    );
    assert_eq!(done(&openai(), r#"{"access_token":"sk-x","expires_in":3600}"#).secret.reveal(), "sk-x");
    let error = r#"{"error":{"code":"invalid_subject_token","message":"no"}}"#;
    assert!(
        refusal(&openai(), 401, error)
            .starts_with("OpenAI's token endpoint refuses with status 401 (invalid_subject_token)")
    );
}

#[test]
fn each_identity_has_the_audience_that_the_other_side_wants() {
    let subjects: Vec<Option<String>> = all()
        .iter()
        .map(|kind| kind.subject().map(|(account, audience)| format!("{account} for {audience}")))
        .collect();

    let federation = format!("vertex for https:{AUDIENCE}");
    assert_eq!(
        subjects.iter().map(Option::as_deref).collect::<Vec<_>>(),
        [
            Some("bedrock for sts.amazonaws.com"),
            None,
            Some("bedrock for pods.eks.amazonaws.com"),
            None,
            Some(federation.as_str()),
            Some(federation.as_str()),
            None,
            Some("azure for api://AzureADTokenExchange"),
            Some("openai for https://api.openai.com/v1"),
        ]
    );
}

#[test]
fn without_an_identity_token_nothing_is_asked() {
    for kind in all().iter().filter(|kind| kind.subject().is_some()) {
        for (token, what) in
            [(None, "there is no identity token"), (Some(" \n"), "there is no"), (Some("a b"), "is none")]
        {
            let refused = ask_with(kind, &[], token).expect_err("no token").to_string();
            assert!(refused.contains(what), "{refused}");
        }
        ask_with(kind, &[], Some(&format!("{TOKEN}\n"))).expect("a file's last newline is no part of it");
    }
}

#[test]
fn nothing_of_a_request_or_a_credential_is_printed() {
    let (file, _) = google_file();
    let file = file.to_string();
    let values = [("id", "AKIDEXAMPLE"), ("secret", "hunter2"), ("client", "hunter2"), ("key.json", file.as_str())];
    for kind in all() {
        let request = ask(&kind, &values).expect("a request");
        let printed = format!("{request:?}");
        assert!(
            !printed.contains("hunter2") && !printed.contains(TOKEN) && !printed.contains("Signature"),
            "{printed}"
        );
        assert!(request.url.starts_with("https://"));
    }
}

proptest! {
    #[test]
    fn no_answer_makes_a_reader_panic_and_no_error_quotes_it(
        status in prop_oneof![Just(200_u16), Just(400), Just(403), Just(429), Just(500)],
        body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        for kind in all() {
            if let Err(error) = read(&kind, status, &body, now()) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn what_the_other_side_writes_is_never_told_but_for_plain_codes(secret in "[A-Za-z0-9+/_.-]{20,60}[0-9]") {
        let bodies = [
            sts_error(&secret),
            json!({"error": secret, "error_description": secret}).to_string(),
            json!({"error": {"code": secret, "status": secret, "message": secret}}).to_string(),
            json!({"__type": secret, "message": secret}).to_string(),
            json!({"access_token": format!("{secret}\n"), "expires_in": 60}).to_string(),
            json!({"access_token": secret, "expires_in": secret}).to_string(),
            STS_ANSWER.replace("ASIAEXAMPLE", &format!("{secret} x")),
        ];
        for (kind, body) in all().iter().flat_map(|kind| bodies.iter().map(move |body| (kind, body))) {
            for status in [200, 400, 403, 503] {
                let answer = read(kind, status, body.as_bytes(), now());
                prop_assert!(!format!("{answer:?}").contains(&secret), "{:?}", answer);
            }
        }
    }

    #[test]
    fn whatever_a_manifest_says_the_host_is_one_of_the_fixed_ones(text in "\\PC{0,40}") {
        let kinds = [
            web_identity(&text),
            ExchangeKind::AwsPodIdentity { region: text.clone(), cluster_name: text.clone(), service_account_name: String::new() },
            pod_identity(&text),
            google_federation(Some(&text)),
            azure(&text, AzureProof::ServiceAccount(String::new())),
        ];
        for request in kinds.iter().filter_map(|kind| ask(kind, &[]).ok()) {
            let url: ::http::Uri = request.url.parse().expect("a URL");
            let host = url.host().expect("a host");
            prop_assert!(
                host.ends_with(".amazonaws.com") || host.ends_with(".api.aws") || host == "sts.googleapis.com"
                    || host == "login.microsoftonline.com",
                "{host}"
            );
            prop_assert_eq!(url.authority().map(::http::uri::Authority::as_str), Some(host));
        }
    }
}
