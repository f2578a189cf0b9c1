//! Whose token is exchanged, for whom it must be made, and who is asked.

use super::{AzureProof, ExchangeKind, aws, azure, google, openai};

impl ExchangeKind {
    /// The ServiceAccount whose token is exchanged, and the audience that the token must have; none where a Secret is.
    pub fn subject(&self) -> Option<(&str, String)> {
        match self {
            Self::AwsWebIdentity { service_account_name, .. } => {
                Some((service_account_name, aws::STS_AUDIENCE.to_owned()))
            }
            Self::AwsPodIdentity { service_account_name, .. } => {
                Some((service_account_name, aws::EKS_AUDIENCE.to_owned()))
            }
            Self::GoogleWorkloadIdentity { service_account_name, audience, .. } => {
                Some((service_account_name, google::subject_audience(audience)))
            }
            Self::Azure { proof: AzureProof::ServiceAccount(service_account_name), .. } => {
                Some((service_account_name, azure::AUDIENCE.to_owned()))
            }
            Self::OpenAI { service_account_name, .. } => Some((service_account_name, openai::AUDIENCE.to_owned())),
            Self::AwsAssumeRole { .. }
            | Self::GoogleServiceAccount { .. }
            | Self::Azure { proof: AzureProof::ClientSecret(_), .. } => None,
        }
    }

    /// Whom it asks, as people call them.
    pub fn who(&self) -> &'static str {
        match self {
            Self::AwsWebIdentity { .. } | Self::AwsAssumeRole { .. } => aws::STS,
            Self::AwsPodIdentity { .. } => aws::EKS,
            Self::GoogleServiceAccount { .. } => google::OAUTH,
            Self::GoogleWorkloadIdentity { .. } => google::STS,
            Self::Azure { .. } => azure::ENTRA,
            Self::OpenAI { .. } => openai::WHO,
        }
    }
}
