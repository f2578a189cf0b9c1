//! What a model of this dialect takes, by its name. Generations of Claude differ in what they refuse, on every host alike;
//! models of others that speak the dialect take what it defines.
//!
//! Source: Anthropic's migration guides up to Claude 5.5, the SDK's lists of models, which warn of `thinking.type=enabled`
//! from 4.6 on, and its call parameters, which have no temperature any more.

/// A model's generation, as far as its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    /// Of another maker than Anthropic.
    Other,
    /// Claude of this version; a name without one is of the newest.
    Claude(u32, u32),
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinks {
    /// Not at all.
    Never,
    /// With a budget of tokens.
    Budget,
    /// As the model sees fit, led by an effort.
    Adaptive,
}

impl Model {
    /// Reads names such as `claude-opus-4-6`, `eu.anthropic.claude-sonnet-4-5-20250929-v1:0` or `claude-3-7-sonnet@20250219`.
    pub(super) fn named(name: &str) -> Self {
        let Some((_, version)) = name.split_once("claude") else {
            return Self::Other;
        };
        let mut words =
            version.split(|letter: char| !letter.is_ascii_alphanumeric()).skip_while(|word| small(word).is_none());
        match words.next().and_then(small) {
            Some(major) => Self::Claude(major, words.next().and_then(small).unwrap_or(0)),
            None => Self::Claude(u32::MAX, 0),
        }
    }

    pub(super) fn is_claude(self) -> bool {
        self != Self::Other
    }

    /// How thinking is asked for.
    pub(super) fn thinks(self) -> Thinks {
        match self {
            Self::Claude(major, minor) if (major, minor) < (3, 7) => Thinks::Never,
            Self::Claude(major, minor) if (major, minor) >= (4, 6) => Thinks::Adaptive,
            Self::Claude(..) | Self::Other => Thinks::Budget,
        }
    }

    /// Whether it knows the effort `xhigh`, and draws as it likes: a temperature, `top_p` or `top_k` is refused.
    pub(super) fn draws_alone(self) -> bool {
        matches!(self, Self::Claude(major, minor) if (major, minor) >= (4, 7))
    }

    /// Whether it goes on from the start of an answer.
    pub(super) fn takes_prefill(self) -> bool {
        self.thinks() != Thinks::Adaptive
    }

    /// Whether temperature and `top_p` exclude each other.
    pub(super) fn draws_one_way(self) -> bool {
        matches!(self, Self::Claude(major, minor) if (major, minor) >= (4, 1))
    }

    /// Whether answers and arguments can be held to a schema.
    pub(super) fn holds_schemas(self) -> bool {
        !matches!(self, Self::Claude(major, minor) if (major, minor) < (4, 5))
    }
}

/// A number of a version; dates are longer.
fn small(word: &str) -> Option<u32> {
    if word.len() <= 2 { word.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::Model;

    #[test]
    fn a_version_is_found_in_the_names_of_every_host() {
        for (name, model) in [
            ("claude-opus-4-6", Model::Claude(4, 6)),
            ("claude-sonnet-4-20250514", Model::Claude(4, 0)),
            ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", Model::Claude(4, 5)),
            ("claude-3-7-sonnet@20250219", Model::Claude(3, 7)),
            ("anthropic/claude-3.5-haiku", Model::Claude(3, 5)),
            ("claude-opus-5", Model::Claude(5, 0)),
            ("claude-mythos-preview", Model::Claude(u32::MAX, 0)),
            ("kimi-k2", Model::Other),
        ] {
            assert_eq!(Model::named(name), model, "{name}");
        }
    }
}
