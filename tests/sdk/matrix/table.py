"""The matrix as text: for a terminal, and as the section of docs/providers.md."""

from tests.sdk.sidecar import ROOT

from .judge import FAILED, NO, YES

PAGE = ROOT / "docs" / "providers.md"
BEGIN, END = "<!-- matrix: python -m tests.sdk.matrix --write -->", "<!-- end of the matrix -->"
TITLES = {"chat": "Chat Completions", "responses": "Responses", "messages": "Messages", "": "Further endpoints"}
HEAD = """# Providers

What an app can ask of each provider, through the sidecar, with the official SDKs of Python and of Node unchanged but
for their base URL. The tests run all of it against fakes that check each request as the provider would; this page is
what came of it.

- `yes`: works, and means the same.
- `no`: the provider has no such endpoint; the call goes to another provider, or is refused.
- `no: FIELD`: the provider cannot do it; the call is refused with `unsupported_field`, or the field is dropped where
  the route says `unsupportedFields: Drop`. Never in silence.
"""
Cells = dict[tuple[str, str, str], str]


def merged(words: list[str]) -> str:
    """One word for what several SDKs saw."""
    if FAILED in words:
        return FAILED
    refusals = sorted(word for word in words if word.startswith(NO))
    return (refusals[0] if len(set(words)) == 1 else f"{refusals[0]} (not always)") if refusals else YES


def markdown(targets: list[str], cells: Cells) -> str:
    """Tables: one an API, a row a target, a column a scenario."""
    tables = []
    for title_of, title in TITLES.items():
        columns = [
            (api, name)
            for api, name in dict.fromkeys((api, name) for _, api, name in cells)
            if (api if api in TITLES else "") == title_of
        ]
        if not columns:
            continue
        rows = ["| | " + " | ".join(name for _, name in columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for target in targets:
            words = [cells.get((target, api, name), "") for api, name in columns]
            rows.append(f"| {target} | " + " | ".join(word.replace("|", "/") for word in words) + " |")
        tables.append(f"### {title}\n\n" + "\n".join(rows))
    return "\n\n".join(tables)


def page(targets: list[str], cells: Cells) -> str:
    """The page with the matrix put in; what people wrote around it stays."""
    text = PAGE.read_text() if PAGE.exists() else f"{HEAD}\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{markdown(targets, cells)}\n\n{END}{rest.partition(END)[2]}"


def terminal(targets: list[str], cells: Cells) -> str:
    """One line a target: how many cells work, are refused, failed, and which."""
    lines = []
    for target in targets:
        own = {key: word for key, word in cells.items() if key[0] == target}
        count = {word: sum(each.startswith(word) for each in own.values()) for word in (YES, NO, FAILED)}
        failed = ", ".join(f"{api} {name}" for (_, api, name), word in own.items() if word == FAILED)
        lines.append(f"{target:18} {count[YES]:3} yes {count[NO]:3} no {count[FAILED]:3} FAILED  {failed[:160]}")
    return "\n".join(lines)
