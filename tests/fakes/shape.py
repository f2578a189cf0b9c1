"""Checks a JSON body against a shape, as strict APIs do: unknown fields, missing fields, wrong types. Pure.

A shape is: a type or a tuple of types; `Any`; a set of allowed values; a list of one shape (an array of it); a dict (an
object: `name?` may be absent, `...` allows further keys); or a function of (value, path) that raises `Bad`.
"""

from typing import Any, Callable

NUMBER = (int, float)


class Bad(Exception):
    """What is wrong, where (a path of keys and indices), and of which kind: `unknown`, `missing`, `type`, `value`."""

    def __init__(self, kind: str, path: tuple, message: str):
        super().__init__(message)
        self.kind, self.path, self.message = kind, path, message

    @property
    def dotted(self) -> str:
        """`messages.0.content`."""
        return ".".join(str(key) for key in self.path)

    @property
    def bracketed(self) -> str:
        """`messages[0].content`."""
        text = ""
        for key in self.path:
            text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
        return text


def check(shape, value, path: tuple = ()) -> None:
    """Raises `Bad` at the first thing that does not fit."""
    if shape is Any:
        return
    if isinstance(shape, dict):
        _check_object(shape, value, path)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Bad("type", path, "must be an array")
        for index, item in enumerate(value):
            check(shape[0], item, (*path, index))
    elif isinstance(shape, (set, frozenset)):
        if not isinstance(value, (str, int, float, type(None))) or value not in shape:
            raise Bad("value", path, f"must be one of {', '.join(sorted(map(str, shape)))}")
    elif isinstance(shape, (type, tuple)):
        if not isinstance(value, shape) or (isinstance(value, bool) and shape in (int, float, NUMBER)):
            raise Bad("type", path, f"must be {_words(shape)}")
    else:
        shape(value, path)


def _words(shape) -> str:
    names = shape if isinstance(shape, tuple) else (shape,)
    return " or ".join(
        {"str": "a string", "dict": "an object", "list": "an array", "bool": "a boolean"}.get(
            name.__name__, f"of type {name.__name__}"
        )
        for name in names
    )


def _check_object(shape: dict, value, path: tuple) -> None:
    if not isinstance(value, dict):
        raise Bad("type", path, "must be an object")
    known = {str(key).rstrip("?"): inner for key, inner in shape.items() if key != "..."}
    for key in value:
        if key not in known and "..." not in shape:
            raise Bad("unknown", (*path, key), "is not known")
    for key in shape:
        if key != "..." and not key.endswith("?") and key not in value:
            raise Bad("missing", (*path, key), "is required")
    for key, inner in known.items():
        if key in value:
            check(inner, value[key], (*path, key))


def either(*shapes) -> Callable:
    """Fits one of them; the last one's complaint is told, but for an unknown field inside a fitting form."""

    def fits(value, path):
        complaints = []
        for shape in shapes:
            try:
                return check(shape, value, path)
            except Bad as bad:
                complaints.append(bad)
        raise max(complaints, key=lambda bad: len(bad.path))

    return fits


def tagged(key: str, shapes: dict) -> Callable:
    """An object whose `key` says which shape it has."""

    def fits(value, path):
        if not isinstance(value, dict):
            raise Bad("type", path, "must be an object")
        if key not in value:
            raise Bad("missing", (*path, key), "is required")
        if value[key] not in shapes:
            raise Bad("value", (*path, key), f"must be one of {', '.join(shapes)}")
        check({key: str, **shapes[value[key]]}, value, path)

    return fits


def one_key(shapes: dict, others: dict | None = None) -> Callable:
    """An object with exactly one of these keys (a union as protobuf and AWS have it), and maybe some of `others`."""

    def fits(value, path):
        if not isinstance(value, dict):
            raise Bad("type", path, "must be an object")
        check({**{f"{key}?": shape for key, shape in shapes.items()}, **(others or {})}, value, path)
        if len([key for key in value if key in shapes]) != 1:
            raise Bad("value", path, f"must have exactly one of {', '.join(shapes)}")

    return fits


def nullable(shape) -> Callable:
    """The shape, or null."""
    return lambda value, path: None if value is None else check(shape, value, path)


def between(low: float, high: float) -> Callable:
    """A number from `low` to `high`."""

    def fits(value, path):
        check(NUMBER, value, path)
        if not low <= value <= high:
            raise Bad("value", path, f"must be between {low} and {high}")

    return fits
