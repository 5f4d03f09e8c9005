"""What the soak looks for."""


class Difference(Exception):
    """Two that must agree do not; `kind` is the same for a case and for a smaller one."""

    def __init__(self, kind: str, detail: str) -> None:
        self.kind, self.detail = kind, detail
        super().__init__(f"{kind}: {detail}")
