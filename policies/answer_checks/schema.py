"""Does an answer that must be JSON keep to the schema it was asked for?"""

from __future__ import annotations

import msgspec

from policies.answer_checks.base import MAX_CHARS, AnswerView, CheckResult, failed, not_applicable, passed
from policies.answer_checks.json_schema import validate


class SchemaCheck:
    """The text is one JSON value, nothing round it, and the demanded schema holds."""

    name = "schema"

    def judge(self, view: AnswerView) -> CheckResult:
        """Return the verdict; an answer that calls a tool instead is not judged."""
        if view.json_schema is None:
            return not_applicable(self.name, "no schema was demanded")
        if view.tool_calls and not view.text.strip():
            return not_applicable(self.name, "the answer is a tool call")
        if len(view.text) > MAX_CHARS or len(view.json_schema) > MAX_CHARS:
            return not_applicable(self.name, "too long to check")
        try:
            value = msgspec.json.decode(view.text.encode("utf-8", "surrogatepass"))
        except (msgspec.DecodeError, UnicodeError):
            return failed(self.name, "the answer is not JSON")
        except RecursionError:
            return not_applicable(self.name, "nested too deeply to check")
        return self._against(view.json_schema, value)

    def _against(self, schema: bytes, value: object) -> CheckResult:
        try:
            verdict = validate(msgspec.json.decode(schema), value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return not_applicable(self.name, "the schema itself is not usable JSON")
        if verdict.holds is None:
            return not_applicable(self.name, verdict.fault)
        return passed(self.name, "the schema holds") if verdict.holds else failed(self.name, verdict.fault)
