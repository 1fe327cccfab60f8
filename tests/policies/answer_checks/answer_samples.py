"""Answers as models give them: what each check must say of them. Written for this table."""

from __future__ import annotations

from policies.answer_checks import AnswerView, Tool, ToolCall

PERSON = b"""{"type": "object", "required": ["name", "age"], "additionalProperties": false,
  "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0},
                 "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "uniqueItems": true}},
  "$defs": {"tag": {"enum": ["a", "b"]}}}"""
WEATHER = Tool(
    name="get_weather",
    parameters=b"""{"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}}}""",
)
PING = Tool(name="ping", parameters=b'{"type": "object", "properties": {}}')
LONG = (
    "The cache is filled on the first read and dropped when the row changes, so a stale value cannot stay. "
)
VARIED = " ".join(
    f"In case {n} the filter looks at word {n * 7} of the text and at {n} more." for n in range(12)
)
LOOP = "I will now check the file again to see whether the problem is still there. "


def text(answer: str, finish: str | None = "stop") -> AnswerView:
    """Return a plain answer."""
    return AnswerView(text=answer, finish_reason=finish)


def person(answer: str) -> AnswerView:
    """Return an answer that had to be a person by schema."""
    return AnswerView(text=answer, finish_reason="stop", json_schema=PERSON)


def call(*calls: tuple[str, str], tools: tuple[Tool, ...] = (WEATHER, PING)) -> AnswerView:
    """Return an answer that calls tools."""
    made = tuple(ToolCall(name=name, arguments=arguments) for name, arguments in calls)
    return AnswerView(text="", tool_calls=made, finish_reason="tool_calls", tools=tools)


GOOD: dict[str, AnswerView] = {
    "one word": text("Paris"),
    "a number": text("42"),
    "a sentence": text("The default port is 5432."),
    "no full stop": text("Use `git rebase --onto main feature~3 feature` and then force-push with lease"),
    "a list": text("Steps:\n\n- stop the service\n- run the migration\n- start the service"),
    "ends in a colon": text(LONG + "Run the following three commands on the replica and then on the primary:"),
    "a heading last": text(LONG * 2 + "\n\n## What to do with the"),
    "a table": text("| a | b |\n|---|---|\n" + "| 0 | 0 |\n" * 60),
    "ruler lines": text("Title\n" + "-" * 900 + "\nBody text follows here."),
    "a matrix of noughts": text("```\n" + "0, 0, 0, 0, 0, 0, 0, 0,\n" * 60 + "```"),
    "repeated log lines in a fence": text(
        "You will see:\n```\n" + "Retrying connection to the database server\n" * 4 + "```\nThat is fine."
    ),
    "a chorus": text("Row, row, row your boat\nGently down the stream\n" * 3),
    "long prose": text("\n\n".join(f"Point {n}: {LONG}" for n in range(8))),
    "chinese": text("缓存在第一次读取时填充\uff0c并在行更改时删除。"),
    "sorry for confusion": text("I'm sorry for the confusion. The index must be on both columns."),
    "cannot reproduce": text("I cannot reproduce the crash, but line 14 reads past the end of the array."),
    "cannot help noticing": text("I can't help noticing that the loop never ends: `i` is not increased."),
    "cannot recommend": text("I can't recommend md5 for passwords; use argon2id."),
    "needs the file": text("I can't help with that without seeing the file. Please paste `app.py`."),
    "no access": text("I don't have access to your billing data, but you can find it under Settings."),
    "quotes a refusal": text("The model answers `I can't help with that` because the filter is on. " + VARIED),
    "unable in the subject": text("The server is unable to comply because the disk is full."),
    "refusal code": text("```python\nREPLY = \"I'm sorry, I can't help with that.\"\n```"),
    "request violates a constraint": text("The insert fails: it violates the unique constraint on email."),
    "python": text("```python\ndef f(x):\n    return x + 1\n```"),
    "python with odd escapes": text('```python\nimport re\nre.match("\\d+\\.\\w", x)\n```'),
    "python indented fragment": text("```python\n    if a:\n        return b\n```"),
    "python elif fragment": text("```python\nelif x > 3:\n    y = 1\n```"),
    "python except fragment": text("```python\nexcept ValueError:\n    y = 1\n```"),
    "python case fragment": text("```python\ncase 1:\n    y = 1\n```"),
    "python try fragment": text("```python\ntry:\n    y = 1\n```"),
    "python comment body": text("```python\ndef f():\n    # existing code stays as it is\n\ndef g():\n    return 1\n```"),
    "python header only": text("```python\nclass A(Base):\n```"),
    "python decorator only": text('```python\n@app.get("/items")\n```'),
    "python argument list": text("```python\nname='x',\nage=3,\n```"),
    "python session": text("```python\n>>> 1 + 1\n2\n```"),
    "python placeholder": text("```python\nclient = Client(<your key>)\n```"),
    "python gap": text("```python\nfoo(a, ... rest as before)\n```"),
    "python excerpt": text("```python\n        return x\n\n    def g(self):\n        pass\n\nclass B:\n    pass\n```"),
    "a command called python": text("```python\npip install 'httpx==0.28'\n```"),
    "a request called json": text('```json\nPOST /users\n{"a": 1}\n```'),
    "a heading underlined": text("Title\n~~~~~\n\nSome words about the matter.\n\nMore\n~~~~\n\nAnd more words."),
    "notebook magics": text("```python\n%pip install x\n!ls -la\nimport x\n```"),
    "python in a list item": text("1. Do this:\n   ```python\n   x = 1\n   ```\n2. Done."),
    "json": text('```json\n{"a": [1, 2, {"b": null}]}\n```'),
    "json members only": text('```json\n"scripts": {"test": "pytest"}\n```'),
    "json lines": text('```json\n{"a": 1}\n{"a": 2}\n```'),
    "json with comments": text('```json\n{\n  // the port\n  "port": 80\n}\n```'),
    "json with a gap": text('```json\n{"a": 1, ...}\n```'),
    "javascript": text("```js\nconst f = (a) => {\n  return `${a}}`;\n};\n```"),
    "jsx with an apostrophe": text("```jsx\nfunction A() {\n  return <p>Don't</p>;\n}\n```"),
    "javascript regex": text("```js\nconst q = s.replace(/[\"'(]/g, '');\nif (q) {\n  go(q);\n}\n```"),
    "javascript head only": text("```js\nfunction f() {\n  const a = 1;\n  const b = 2;\n  const c = 3;\n```"),
    "rust lifetimes": text("```rust\nfn f<'a>(x: &'a str) -> &'a str {\n    match x {\n        _ => x,\n    }\n}\n```"),
    "unknown language": text("```brainfuck\n+[-->-[>>+>-----<<]\n```"),
    "untagged block": text("```\nnot ( closed\n```"),
    "markdown inside markdown": text("```markdown\n# T\n```python\nx = 1\n```\nmore\n```"),
    "bare mark at the end": text("Here is the diff.\n```diff\n+a\n```\n```"),
    "person": person('{"name": "Ann", "age": 3, "tags": ["a", "b"]}'),
    "person spaced": person('\n  {"name": "Ann", "age": 3.0}\n'),
    "call": call(("get_weather", '{"city": "Oslo", "days": 2}')),
    "call without arguments": call(("ping", "")),
    "two calls": call(("ping", "{}"), ("get_weather", '{"city": "Bergen"}')),
    "call of undeclared tools": call(("anything", '{"a": 1}'), tools=()),
    "words before a call": AnswerView(
        text="Let me look at the weather in Oslo before I answer that question for you, and",
        tool_calls=(ToolCall(name="ping", arguments="{}"),),
        finish_reason="tool_calls",
        tools=(PING,),
    ),
}  # fmt: skip

BAD: dict[str, tuple[str, AnswerView]] = {
    "nothing": ("empty_or_looping", text("")),
    "blank": ("empty_or_looping", text(" \n\t\n")),
    "a loop of sentences": ("empty_or_looping", text("Let me see. " + LOOP * 12)),
    "a loop cut mid turn": ("empty_or_looping", text(LOOP * 9 + LOOP[:20], "length")),
    "a loop of words": ("empty_or_looping", text("The value is really " + "very really " * 60)),
    "the same line": ("empty_or_looping", text("".join(f"{LOOP}\n\n{n}\n" for n in range(30)))),
    "the same few phrases": ("empty_or_looping", text("\n".join([LOOP * 2, LONG * 2] * 20) + " end")),
    "length": ("truncation", text("Half of an answer", "length")),
    "open fence": ("truncation", text("Here:\n```python\ndef f():\n    return 1")),
    "open fence after a closed one": ("truncation", text("```js\na()\n```\nthen\n```js\nb(")),
    "dangling article": ("truncation", text(LONG + "After that the scheduler picks the")),
    "dangling comma": ("truncation", text(LONG + "It then reads the header, the body,")),
    "dangling bracket": ("truncation", text(LONG + "It then reads the header (")),
    "refuses": ("refusal", text("I'm sorry, but I can't help with that.")),
    "refuses curled": ("refusal", text("I\u2019m sorry, but I can\u2019t assist with this request.")),
    "refuses plainly": ("refusal", text("I cannot provide instructions for that.")),
    "refuses unable": ("refusal", text("Unfortunately, I am unable to fulfill this request.")),
    "refuses as a model": ("refusal", text("As an AI language model, I cannot browse the web.")),
    "refuses by policy": ("refusal", text("That would be against our guidelines.")),
    "refuses and offers": (
        "refusal",
        text("I won't help with writing malware. However, I can explain how scanners work."),
    ),
    "refuses in chinese": ("refusal", text("抱歉\uff0c我无法提供相关内容。")),
    "refuses in german": ("refusal", text("Es tut mir leid, das kann ich dir leider nicht sagen. Leider kann ich dabei nicht.")),
    "refuses in spanish": ("refusal", text("Lo siento, pero no puedo ayudar con eso.")),
    "filtered": ("refusal", text("Half", "content_filter")),
    "broken python": ("code_parses", text("```python\ndef f(x:\n    return x\n```")),
    "python closes too much": ("code_parses", text("```python\nx = foo(1))\ny = 2\n```")),
    "python with wrong indent": ("code_parses", text("```py\nif a:\nb = 1\nc = 2\n```")),
    "second block broken": ("code_parses", text("```python\nx = 1\n```\nand\n```python\nfor in y:\n    z\n```")),
    "json trailing comma": ("code_parses", text('```json\n{\n  "a": 1,\n}\n```')),
    "json single quotes": ("code_parses", text("```json\n{\n  'a': 1\n}\n```")),
    "javascript stops inside": (
        "code_parses",
        text("```js\nfunction f() {\n  const a = 1;\n  const b = 2;\n  return g(a,\n```"),
    ),
    "not json": ("schema", person("Here you are: Ann, 3")),
    "fenced json": ("schema", person('```json\n{"name": "Ann", "age": 3}\n```')),
    "two values": ("schema", person('{"name": "Ann", "age": 3} {}')),
    "missing member": ("schema", person('{"name": "Ann"}')),
    "wrong type": ("schema", person('{"name": "Ann", "age": "three"}')),
    "below the minimum": ("schema", person('{"name": "Ann", "age": -1}')),
    "member too many": ("schema", person('{"name": "Ann", "age": 3, "mood": "good"}')),
    "not in the enumeration": ("schema", person('{"name": "Ann", "age": 3, "tags": ["c"]}')),
    "items repeat": ("schema", person('{"name": "Ann", "age": 3, "tags": ["a", "a"]}')),
    "cut json": ("schema", person('{"name": "Ann", "age"')),
    "arguments not json": ("tool_arguments", call(("get_weather", "{city: Oslo}"))),
    "arguments cut": ("tool_arguments", call(("get_weather", '{"city": "Os'))),
    "arguments a list": ("tool_arguments", call(("get_weather", '["Oslo"]'))),
    "argument missing": ("tool_arguments", call(("get_weather", '{"days": 2}'))),
    "argument of wrong type": ("tool_arguments", call(("get_weather", '{"city": "Oslo", "days": "two"}'))),
    "unknown tool": ("tool_arguments", call(("get_whether", '{"city": "Oslo"}'))),
    "second call broken": ("tool_arguments", call(("ping", "{}"), ("get_weather", "oops"))),
}  # fmt: skip
