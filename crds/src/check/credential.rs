//! The rules that a provider's credential can break: one union, and in each of its members what excludes what.

use crate::problem::Problems;
use crate::provider::{
    AwsAssumeRole, AwsCredential, AzureCredential, Credential, CredentialType, GoogleCloudCredential, OpenAICredential,
    SecretKeyRef,
};

pub(super) fn credential(problems: &mut Problems, credential: &Credential) {
    let Credential { kind, api_key, aws, google_cloud, azure, open_ai } = credential;
    for (field, member, is_set) in [
        ("apiKey", CredentialType::APIKey, api_key.is_some()),
        ("aws", CredentialType::AWS, aws.is_some()),
        ("googleCloud", CredentialType::GoogleCloud, google_cloud.is_some()),
        ("azure", CredentialType::Azure, azure.is_some()),
        ("openAI", CredentialType::OpenAI, open_ai.is_some()),
    ] {
        if is_set != (*kind == member) {
            let message = format!("must be set when type is {member:?}, and only then");
            problems.add(format!("spec.credential.{field}"), message);
        }
    }
    for SecretKeyRef { name, key } in credential.secret_refs() {
        if name.is_empty() || key.is_empty() {
            problems.add("spec.credential", "must name a Secret and a key of it");
        }
    }
    if let Some(aws) = aws {
        of_aws(problems, aws);
    }
    if let Some(google) = google_cloud {
        of_google(problems, google);
    }
    if let Some(azure) = azure {
        of_azure(problems, azure);
    }
    if let Some(OpenAICredential { identity_provider_id, service_account_id, service_account_name }) = open_ai {
        word(problems, "spec.credential.openAI.identityProviderID", identity_provider_id, 128);
        word(problems, "spec.credential.openAI.serviceAccountID", service_account_id, 128);
        word(problems, "spec.credential.openAI.serviceAccountName", service_account_name, 253);
    }
}

/// A word without blanks: it goes into a form or a path.
fn word(problems: &mut Problems, path: &str, value: &str, most: usize) {
    if value.is_empty() || value.len() > most || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.add(path, format!("must be a word of at most {most} visible ASCII characters"));
    }
}

fn of_aws(problems: &mut Problems, aws: &AwsCredential) {
    let path = "spec.credential.aws";
    let AwsCredential { static_keys, assume_role, pod_identity } = aws;
    if static_keys.is_none() && assume_role.is_none() && pod_identity.is_none() {
        problems.add(path, "one of staticKeys, assumeRole and podIdentity must be set");
    }
    if let Some(identity) = pod_identity {
        if static_keys.is_some() || assume_role.is_some() {
            problems.add(format!("{path}.podIdentity"), "must stand alone");
        }
        word(problems, "spec.credential.aws.podIdentity.clusterName", &identity.cluster_name, 100);
        word(problems, "spec.credential.aws.podIdentity.serviceAccountName", &identity.service_account_name, 253);
    }
    let Some(AwsAssumeRole { role_arn, session_name, external_id, service_account_name }) = assume_role else { return };
    let path = format!("{path}.assumeRole");
    if static_keys.is_some() == service_account_name.is_some() {
        problems.add(&path, "must have exactly one of staticKeys beside it and serviceAccountName in it");
    }
    if external_id.is_some() && service_account_name.is_some() {
        problems.add(format!("{path}.externalID"), "may only be set beside staticKeys: web identity has none");
    }
    if !role_arn.starts_with("arn:aws") || !role_arn.contains(":role/") {
        problems.add(format!("{path}.roleARN"), "must be a role's ARN such as arn:aws:iam::123456789012:role/lotse");
    }
    word(problems, &format!("{path}.roleARN"), role_arn, 2048);
    for (field, value, most) in [
        ("sessionName", session_name, 64),
        ("externalID", external_id, 1224),
        ("serviceAccountName", service_account_name, 253),
    ] {
        if let Some(value) = value {
            word(problems, &format!("{path}.{field}"), value, most);
        }
    }
}

fn of_google(problems: &mut Problems, google: &GoogleCloudCredential) {
    let path = "spec.credential.googleCloud";
    let GoogleCloudCredential { service_account_key, workload_identity } = google;
    if service_account_key.is_some() == workload_identity.is_some() {
        problems.add(path, "exactly one of serviceAccountKey and workloadIdentity must be set");
    }
    let Some(identity) = workload_identity else { return };
    let path = format!("{path}.workloadIdentity");
    word(problems, &format!("{path}.audience"), &identity.audience, 512);
    word(problems, &format!("{path}.serviceAccountName"), &identity.service_account_name, 253);
    // It becomes a segment of a path.
    let in_address = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.@".contains(&byte);
    if let Some(email) = &identity.impersonate
        && (email.split('@').filter(|part| !part.is_empty()).count() != 2 || !email.bytes().all(in_address))
    {
        problems.add(format!("{path}.impersonate"), format!("must be a service account's address, not `{email}`"));
    }
}

fn of_azure(problems: &mut Problems, azure: &AzureCredential) {
    let path = "spec.credential.azure";
    let AzureCredential { tenant_id, client_id, client_secret, service_account_name, authority: _ } = azure;
    if client_secret.is_some() == service_account_name.is_some() {
        problems.add(path, "exactly one of clientSecret and serviceAccountName must be set");
    }
    let is_plain = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    for (field, value, most) in [("tenantID", tenant_id, 253), ("clientID", client_id, 64)] {
        if value.is_empty() || value.len() > most || !is_plain(value) {
            problems.add(format!("{path}.{field}"), format!("must be an id as Azure shows it, not `{value}`"));
        }
    }
    if let Some(name) = service_account_name {
        word(problems, &format!("{path}.serviceAccountName"), name, 253);
    }
}
