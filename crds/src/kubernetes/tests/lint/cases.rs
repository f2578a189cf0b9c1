//! What the lint must find: for each rule something that breaks it, and nothing else.

/// A rule, and a field's schema that breaks it.
pub(in super::super) const BROKEN_SCHEMAS: &[(&str, &str)] = &[
    ("keywords are known", r#"{"description": "A flag.", "type": "boolean", "nullable": true}"#),
    (
        "keywords are known",
        r#"{"description": "A thing.", "type": "object", "additionalProperties": false,
        "properties": {"flag": {"description": "A flag.", "type": "boolean"}}}"#,
    ),
    ("has a type", r#"{"description": "Anything."}"#),
    ("has a type", r#"{"description": "A flag.", "type": ["boolean", "null"]}"#),
    ("has a type", r#"{"description": "A share.", "type": "number"}"#),
    ("is described", r#"{"type": "boolean"}"#),
    (
        "is described",
        r#"{"description": "Auto-generated derived type for Flag via `CustomResource`", "type": "boolean"}"#,
    ),
    ("description flows", r#"{"description": "A flag\nthat waves.", "type": "boolean"}"#),
    (
        "names are camelCase",
        r#"{"description": "A thing.", "type": "object",
        "properties": {"the_flag": {"description": "A flag.", "type": "boolean"}}}"#,
    ),
    ("strings are bounded", r#"{"description": "A name.", "type": "string"}"#),
    (
        "integers are bounded",
        r#"{"description": "A sum.", "type": "integer", "format": "int32", "minimum": 0.0, "maximum": 9}"#,
    ),
    ("integers are bounded", r#"{"description": "A sum.", "type": "integer", "format": "int64", "minimum": 0}"#),
    ("formats fit", r#"{"description": "A sum.", "type": "integer", "format": "uint32", "minimum": 0, "maximum": 9}"#),
    ("enums are words", r#"{"description": "A word.", "type": "string", "enum": ["One", null]}"#),
    ("enums are words", r#"{"description": "A word.", "type": "string", "enum": ["one"]}"#),
    (
        "arrays are bounded",
        r#"{"description": "Names.", "type": "array", "x-kubernetes-list-type": "set",
        "items": {"type": "string", "maxLength": 9}}"#,
    ),
    (
        "arrays say how they merge",
        r#"{"description": "Names.", "type": "array", "maxItems": 9,
        "items": {"type": "string", "maxLength": 9}}"#,
    ),
    (
        "arrays say how they merge",
        r#"{"description": "Names.", "type": "array", "maxItems": 9,
        "x-kubernetes-list-type": "map", "items": {"type": "string", "maxLength": 9}}"#,
    ),
    (
        "map keys are required",
        r#"{"description": "Things.", "type": "array", "maxItems": 9,
        "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object",
        "properties": {"name": {"description": "A name.", "type": "string", "maxLength": 9}}}}"#,
    ),
    (
        "sets hold scalars",
        r#"{"description": "Things.", "type": "array", "maxItems": 9,
        "x-kubernetes-list-type": "set", "items": {"type": "object",
        "properties": {"name": {"description": "A name.", "type": "string", "maxLength": 9}}}}"#,
    ),
    (
        "maps are bounded",
        r#"{"description": "Labels.", "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 9}}"#,
    ),
    (
        "maps are bounded",
        r#"{"description": "Fields.", "type": "object", "x-kubernetes-preserve-unknown-fields": true}"#,
    ),
    ("objects say what they hold", r#"{"description": "Whatever.", "type": "object"}"#),
    (
        "required fields are declared",
        r#"{"description": "A thing.", "type": "object", "required": ["mast"],
        "properties": {"flag": {"description": "A flag.", "type": "boolean"}}}"#,
    ),
    (
        "required fields have no default",
        r#"{"description": "A thing.", "type": "object", "required": ["flag"],
        "properties": {"flag": {"description": "A flag.", "type": "boolean", "default": true}}}"#,
    ),
    ("defaults say something", r#"{"description": "A flag.", "type": "boolean", "default": null}"#),
    ("defaults say something", r#"{"description": "A word.", "type": "string", "enum": ["One"], "default": "Two"}"#),
    (
        "defaults say something",
        r#"{"description": "A thing.", "type": "object", "default": {},
        "properties": {"flag": {"description": "A flag.", "type": "boolean"}}}"#,
    ),
    (
        "messages say must or may",
        r#"{"description": "A flag.", "type": "boolean",
        "x-kubernetes-validations": [{"rule": "self", "message": "Bad flag."}]}"#,
    ),
    (
        "rules read declared fields",
        r#"{"description": "A thing.", "type": "object",
        "properties": {"flag": {"description": "A flag.", "type": "boolean"}},
        "x-kubernetes-validations": [{"rule": "has(self.mast)", "message": "mast must be set"}]}"#,
    ),
    (
        "rules read declared fields",
        r#"{"description": "Fields.", "type": "object", "maxProperties": 9,
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-validations": [{"rule": "!('model' in self)", "message": "model may not be set"}]}"#,
    ),
];

/// A rule, a place in the first definition, and what to put there so that it breaks.
pub(in super::super) const BROKEN_DEFINITIONS: &[(&str, &str, &str)] = &[
    ("one version", "/spec/versions/0/name", r#""v1""#),
    ("named after the kind", "/spec/names/plural", r#""llmprovider""#),
    ("short names do not collide", "/spec/names/shortNames", r#"["llm"]"#),
    ("own category", "/spec/names/categories", r#"["lotse", "all"]"#),
    ("namespaced", "/spec/scope", r#""Cluster""#),
    ("no conversion", "/spec/conversion", r#"{"strategy": "Webhook"}"#),
    ("a status subresource", "/spec/versions/0/subresources", "{}"),
    ("a name is a label value", "/spec/versions/0/schema/openAPIV3Schema/x-kubernetes-validations", "[]"),
    ("spec is required", "/spec/versions/0/schema/openAPIV3Schema/required", "[]"),
    ("columns are described", "/spec/versions/0/additionalPrinterColumns/0/description", r#""""#),
    ("columns show something", "/spec/versions/0/additionalPrinterColumns/0/jsonPath", r#"".spec.vender""#),
];
