//! Credentials: what must be exchanged, what is refused, and what comes of it.

use super::*;
use crate::exchange::{AwsKeys, AzureProof, ExchangeKey, ExchangeKind, assume, exchanges};
use crate::provider::{AzureAuthority, SecretKeyRef};

const KEYS: &str = "staticKeys: {accessKeyIDRef: {name: s, key: id}, secretAccessKeyRef: {name: s, key: secret}, sessionTokenRef: {name: s, key: token}}";
const ROLE: &str = "arn:aws:iam::123456789012:role/lotse";

fn of(vendor: &str, more: &str, credential: &str) -> Manifests {
    let spec = format!("{{vendor: {vendor}, {more}models: [{{name: m}}], credential: {credential}}}");
    let values = "{id: AKID, secret: ' hush ', token: tok, client: pass}";
    world(&(provider("team", "p", &spec) + &secret("team", "s", values)))
}

fn bedrock(aws: &str) -> Manifests {
    of("aws-bedrock", "region: eu-west-1, ", &format!("{{type: AWS, aws: {{{aws}}}}}"))
}

fn google(key: &str) -> Manifests {
    let credential = "{type: GoogleCloud, googleCloud: {serviceAccountKey: {secretRef: {name: g, key: k}}}}";
    let mut manifests = of("google-vertex", "region: eu, project: p, ", credential);
    let values = BTreeMap::from([("k".to_owned(), Secret::new(key.to_owned()))]);
    manifests.secrets.insert(ObjectName::new("team", "g"), values);
    manifests
}

const GOOGLE_KEY: &str =
    r#"{"type": "service_account", "token_uri": "https://oauth2.googleapis.com/token", "private_key": "hush"}"#;

/// The only exchange that is asked for.
fn exchange(manifests: &Manifests) -> crate::exchange::Exchange {
    let mut all = exchanges(manifests);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn reference(name: &str, key: &str) -> SecretKeyRef {
    SecretKeyRef { name: name.to_owned(), key: key.to_owned() }
}

fn code(manifests: &Manifests) -> String {
    outcome(manifests, "team").remove(0).1
}

#[test]
fn keys_alone_sign_as_they_are() {
    let (candidate, keys) = only(&bedrock(KEYS), "team");

    let sigv4 = server(&candidate).sigv4.clone().expect("it signs");
    assert_eq!((sigv4.service.as_str(), sigv4.region.as_str()), ("bedrock", "eu-west-1"));
    let value: serde_json::Value = serde_json::from_str(&keys[&sigv4.key.0]).expect("JSON");
    let expected = serde_json::json!({"accessKeyId": "AKID", "secretAccessKey": "hush", "sessionToken": "tok"});
    assert_eq!(value, expected);
    assert!(server(&candidate).headers.is_empty());
    assert_eq!(exchanges(&bedrock(KEYS)), []);
}

#[test]
fn the_host_says_the_service_and_the_region_that_signatures_name() {
    let credential = format!("{{type: AWS, aws: {{{KEYS}}}}}");
    let manifests =
        of("aws-bedrock", "api: OpenAI, baseURL: 'https://bedrock-mantle.eu-north-1.api.aws/v1', ", &credential);

    let sigv4 = server(&only(&manifests, "team").0).sigv4.clone().expect("it signs");

    assert_eq!((sigv4.service.as_str(), sigv4.region.as_str()), ("bedrock-mantle", "eu-north-1"));
}

#[test]
fn each_identity_is_an_exchange_with_all_that_it_needs() {
    let region = || "eu-west-1".to_owned();
    let role_arn = || ROLE.to_owned();
    let account = || "sa".to_owned();

    let irsa = exchange(&bedrock(&format!("assumeRole: {{roleARN: '{ROLE}', serviceAccountName: sa}}")));
    let session_name = "lotse".to_owned();
    let kind = ExchangeKind::AwsWebIdentity {
        region: region(),
        role_arn: role_arn(),
        session_name,
        service_account_name: account(),
    };
    assert_eq!(irsa.key, ExchangeKey { provider: ObjectName::new("team", "p"), kind });
    assert_eq!((irsa.secrets.len(), irsa.service_account), (0, Some(account())));

    let role =
        exchange(&bedrock(&format!("{KEYS}, assumeRole: {{roleARN: '{ROLE}', sessionName: n1, externalID: e1}}")));
    let ExchangeKind::AwsAssumeRole { session_name, external_id, .. } = &role.key.kind else { panic!("{role:?}") };
    assert_eq!((session_name.as_str(), external_id.as_deref()), ("n1", Some("e1")));
    assert_eq!(role.secrets, [reference("s", "id"), reference("s", "secret"), reference("s", "token")]);

    let pod = exchange(&bedrock("podIdentity: {clusterName: c, serviceAccountName: sa}"));
    let kind = ExchangeKind::AwsPodIdentity {
        region: region(),
        cluster_name: "c".to_owned(),
        service_account_name: account(),
    };
    assert_eq!((pod.key.kind, pod.service_account), (kind, Some(account())));

    let key = exchange(&google(GOOGLE_KEY));
    assert_eq!(key.key.kind, ExchangeKind::GoogleServiceAccount { key: reference("g", "k") });

    let identity = "{type: GoogleCloud, googleCloud: {workloadIdentity: {audience: a, serviceAccountName: sa}}}";
    let federated = exchange(&of("google-vertex", "region: eu, project: p, ", identity));
    assert_eq!(federated.service_account, Some(account()));

    let azure = |proof: &str| {
        let credential = format!("{{type: Azure, azure: {{tenantID: t, clientID: c, authority: China, {proof}}}}}");
        exchange(&of("azure-openai", "baseURL: 'https://r.openai.azure.com', ", &credential))
    };
    let by_secret = azure("clientSecret: {secretRef: {name: s, key: client}}");
    let proof = AzureProof::ClientSecret(reference("s", "client"));
    let kind = ExchangeKind::Azure {
        tenant_id: "t".to_owned(),
        client_id: "c".to_owned(),
        proof,
        authority: AzureAuthority::China,
    };
    assert_eq!((by_secret.key.kind, by_secret.secrets), (kind, vec![reference("s", "client")]));
    assert_eq!(azure("serviceAccountName: sa").service_account, Some(account()));

    let identity = "{type: OpenAI, openAI: {identityProviderID: i, serviceAccountID: o, serviceAccountName: sa}}";
    assert_eq!(exchange(&of("openai", "", identity)).service_account, Some(account()));
}

#[test]
fn a_candidate_waits_until_its_credential_has_been_exchanged() {
    let mut manifests = google(GOOGLE_KEY);
    assert_eq!(code(&manifests), "credential_pending");

    let key = exchange(&manifests).key;
    manifests.exchanged.insert(key, Secret::new("ya29.x\n".to_owned()));
    let (candidate, keys) = only(&manifests, "team");

    assert_eq!(keys, BTreeMap::from([("team/p/authorization".to_owned(), "Bearer ya29.x".to_owned())]));
    assert!(server(&candidate).sigv4.is_none());
    assert_eq!(candidate.endpoint.force.0.get("anthropic_version"), None);
}

#[test]
fn what_a_role_has_been_assumed_for_signs() {
    let mut manifests = bedrock(&format!("assumeRole: {{roleARN: '{ROLE}', serviceAccountName: sa}}"));
    let result = AwsKeys { access_key_id: "ASIA".to_owned(), secret_access_key: "x".to_owned(), session_token: None };
    manifests.exchanged.insert(exchange(&manifests).key, result.to_secret());

    let (candidate, keys) = only(&manifests, "team");

    let key = &server(&candidate).sigv4.as_ref().expect("it signs").key;
    assert_eq!(keys[&key.0], r#"{"accessKeyId":"ASIA","secretAccessKey":"x"}"#);
}

#[test]
fn another_word_is_another_exchange() {
    let mut manifests = bedrock(&format!("assumeRole: {{roleARN: '{ROLE}', serviceAccountName: sa}}"));
    assume(&mut manifests);
    assert_eq!(code(&manifests), "");

    let spec = manifests.providers.values_mut().next().expect("there is one");
    spec.region = Some("eu-west-3".to_owned());

    assert_eq!(code(&manifests), "credential_pending");
}

#[test]
fn a_key_of_google_cloud_that_names_another_place_is_refused_by_name() {
    for (key, told) in [
        ("ya29", "must be the JSON"),
        (r#"{"type": "external_account", "token_url": "https://evil.example"}"#, "not `external_account`"),
        (r#"{"type": "authorized_user"}"#, "not `authorized_user`"),
        (r#"{"type": "impersonated_service_account"}"#, "not `impersonated_service_account`"),
        (r#"{"type": "-----BEGIN PRIVATE KEY-----"}"#, "not `something else`"),
        (r#"{"type": "service_account"}"#, "token_uri must be"),
        (r#"{"type": "service_account", "token_uri": "https://oauth2.googleapis.com/token/"}"#, "token_uri must be"),
        (r#"{"type": "service_account", "token_uri": "https://evil.example/hush"}"#, "token_uri must be"),
    ] {
        let manifests = google(key);

        assert_eq!(exchanges(&manifests), [], "{key}");
        assert_eq!(code(&manifests), "credential_invalid", "{key}");
        let findings = crate::survey::credentials(&manifests);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.code, "CredentialInvalid");
        assert!(finding.message.contains(told) && !finding.message.contains("hush"), "{}", finding.message);
    }
}

#[test]
fn a_secret_that_is_not_there_is_told_before_anything_else() {
    let mut manifests = google(GOOGLE_KEY);
    manifests.secrets.clear();

    assert_eq!(exchanges(&manifests), []);
    assert_eq!(code(&manifests), "credential_not_found");
}

#[test]
fn a_client_certificate_is_the_chain_and_the_key() {
    let spec = "{vendor: acme, api: OpenAI, baseURL: 'https://acme.example/v1', models: [{name: m}], tls: {clientCertificateRef: {name: c}}}";
    let documents = provider("team", "p", spec) + &secret("team", "c", "{tls.crt: 'CHAIN', tls.key: 'KEY'}");

    let (candidate, keys) = only(&world(&documents), "team");

    let key = server(&candidate).client_certificate.as_ref().expect("there is one");
    assert_eq!(keys[&key.0], "CHAIN\nKEY\n");
    assert!(server(&candidate).ca_bundle.is_none());
    assert_eq!(code(&world(&provider("team", "p", spec))), "credential_not_found");
    let refs = crate::survey::secret_refs(&world(&documents).providers[&ObjectName::new("team", "p")]);
    assert_eq!(refs, [reference("c", "tls.crt"), reference("c", "tls.key")]);
}
