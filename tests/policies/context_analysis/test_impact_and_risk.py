"""Impact and risk by the shipped rules, and rules that cannot be used."""

from __future__ import annotations

import pytest

from policies.context_analysis import (
    SIGNAL_NAMES,
    ContextReport,
    Impact,
    Risk,
    Rules,
    Snippet,
    analyze_code,
    assess_impact,
    assess_risk,
    compile_rules,
    context_signals,
)
from policies.context_analysis.rules import path_words
from policies.facts import Declared
from policies.yaml_lines import DocumentError


@pytest.mark.parametrize(
    ("dimension", "declared", "path", "description"),
    [
        ("revenue", Declared(impact="revenue"), "", ""),
        ("revenue", Declared(service="checkout-api"), "", ""),
        ("revenue", Declared(), "src/PaymentService.java", ""),
        ("revenue", Declared(), "", "We are losing money on every order"),
        ("customer", Declared(tags=(("tier", "customer-facing"),)), "", ""),
        ("customer", Declared(), "", "Two hundred customers complained"),
        ("compliance", Declared(data_class="PII"), "", ""),
        ("compliance", Declared(), "app/gdpr/export.py", ""),
        ("compliance", Declared(), "", "needed for the SOC 2 audit trail"),
        ("operational", Declared(environment="production"), "", ""),
        ("operational", Declared(), "infra/terraform/main.tf", ""),
        ("operational", Declared(), "", "the site is down since the deploy"),
        ("strategic", Declared(impact="strategic"), "", ""),
        ("strategic", Declared(), "", "it blocks the product launch"),
    ],
)
def test_impact_is_seen(
    rules: Rules, dimension: str, declared: Declared, path: str, description: str
) -> None:
    """Declared context, paths and words each raise their dimension, with a reason."""
    impact = assess_impact(rules, declared=declared, paths=(path,) if path else (), description=description)
    rating = getattr(impact, dimension)

    assert rating.score is not None
    assert rating.score >= 0.25
    assert rating.reasons


@pytest.mark.parametrize("field", Impact.__struct_fields__)
def test_no_evidence_is_unknown(rules: Rules, field: str) -> None:
    """With nothing to judge by the impact is unknown, with something that says nothing it is nought."""
    assert getattr(assess_impact(rules), field).score is None
    assert getattr(assess_impact(rules, description="rename a variable"), field).score == 0.0


def test_negated_words_do_not_count(rules: Rules) -> None:
    """What the description denies raises nothing."""
    assert assess_impact(rules, description="This is not a billing change").revenue.score == 0.0


def test_evidence_adds_up(rules: Rules) -> None:
    """Two rules together weigh more than each, and never more than one; the strongest comes first."""
    both = assess_impact(rules, declared=Declared(impact="revenue"), paths=("billing/a.py",)).revenue

    assert both.score == pytest.approx(1 - 0.3 * 0.4)
    assert [reason.rule for reason in both.reasons] == ["declared-revenue", "revenue-paths"]
    assert both.reasons[1].where == "billing/a.py"


CONSTRUCTS = {
    "runs-built-code": [("python", "eval(x)"), ("js", "new Function(a)"), ("php", "eval($x);")],
    "unsafe-deserialization": [("python", "pickle.loads(x)"), ("php", "unserialize($x);")],
    "shell-command": [("python", "subprocess.run(c, shell=True)"), ("python", "os.system(c)")],
    "sql-built-from-strings": [
        ("python", "q = \"SELECT * FROM t WHERE a = '\" + a"),
        ("python", 'q = f"DELETE FROM t WHERE a = {a}"'),
        ("python", 'q = "SELECT a FROM t WHERE b = %s" % b'),
        ("js", "db.query(`SELECT a FROM t WHERE b = ${b}`)"),
        ("go", 'q := fmt.Sprintf("SELECT a FROM t WHERE b = %s", b)'),
    ],
    "tls-not-verified": [("python", "get(u, verify=False)"), ("go", "InsecureSkipVerify: true"), ("bash", "curl -s -k https://x")],
    "secret-in-code": [("python", 'API_KEY = "abcd1234efgh5678"'), ("python", "k = 'AKIAABCDEFGHIJKLMNOP'"), ("yaml", 'password: "hunter2hunter2"')],
    "weak-cryptography": [("python", "hashlib.md5(x)"), ("java", 'MessageDigest.getInstance("SHA-1")')],
    "raw-html": [("js", "el.innerHTML = x"), ("jsx", "<a dangerouslySetInnerHTML={x} />")],
    "open-permissions": [("bash", "chmod 777 /srv"), ("bash", "chmod -R 0777 x"), ("hcl", 'cidr = "0.0.0.0/0"')],
    "unsafe-memory": [("c", "strcpy(a, b);"), ("rust", "unsafe { f() }")],
    "query-in-loop": [("python", "for u in users:\n    db.execute(q)\n"), ("js", "for (const u of us) {\n  await db.query(q)\n}")],
    "whole-table": [("sql", "SELECT * FROM orders;")],
    "blocking-wait": [("python", "time.sleep(3)"), ("js", "fs.readFileSync(p)")],
    "catch-all": [("python", "try:\n    f()\nexcept:\n    pass"), ("java", "try { f(); } catch (Exception e) { }"), ("js", "try { f() } catch (e) {}")],
    "unchecked-result": [("rust", "let x = f().unwrap();")],
    "shared-state": [("python", "def f():\n    global x\n"), ("go", "go func() { f() }()")],
    "destructive-statement": [("sql", "DROP TABLE users;"), ("bash", "rm -rf /srv/x"), ("python", "op.drop_column('a', 'b')"), ("sql", "DELETE FROM users;")],
    "personal-fields": [("python", "user.date_of_birth = x")],
    "logs-personal-data": [("python", 'logger.info("got %s", password)')],
}  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "tag", "text"), [(r, tag, text) for r, all_ in CONSTRUCTS.items() for tag, text in all_]
)
def test_dangerous_constructs_are_found(rules: Rules, rule: str, tag: str, text: str) -> None:
    """Each declared construct is seen in the languages it belongs to."""
    report = analyze_code([Snippet(text=text, tag=tag)], rules=rules)

    assert rule in {construct.rule for construct in report.files[0].constructs}


HARMLESS = [
    ("python", "# eval(x) would be wrong\nx = 1"),
    ("python", 'print("never call eval(x) or os.system")'),
    ("python", "model.eval()"),
    ("python", "retrieval(x)"),
    ("js", "regex.exec(text)"),
    ("python", 'cur.execute("SELECT a FROM t WHERE b = %s", (b,))'),
    ("python", "yaml.safe_load(x)"),
    ("python", "password = os.environ['PASSWORD']"),
    ("python", 'password = ""'),
    ("python", "try:\n    f()\nexcept ValueError:\n    raise"),
    ("python", "verify=True"),
    ("sql", "DELETE FROM users WHERE id = 3;"),
    ("bash", "chmod 755 x"),
    ("bash", "rm x.txt"),
    ("c", "strncpy(a, b, n);"),
    ("go", "if err != nil { return err }"),
]


@pytest.mark.parametrize(("tag", "text"), HARMLESS)
def test_harmless_code_is_left_alone(rules: Rules, tag: str, text: str) -> None:
    """Comments, strings, methods of the same name and safe forms raise nothing."""
    assert analyze_code([Snippet(text=text, tag=tag)], rules=rules).files[0].constructs == ()


def test_risk_names_its_place(rules: Rules) -> None:
    """A construct is a reason with the path and line where it stands."""
    report = analyze_code({"app/run.py": "x = 1\neval(x)\n"}, rules=rules)
    risk = assess_risk(rules, report)

    assert risk.security.score == pytest.approx(0.6)
    assert [(reason.rule, reason.where) for reason in risk.security.reasons] == [
        ("runs-built-code", "app/run.py:2")
    ]


def test_large_change_is_a_risk(rules: Rules) -> None:
    """The size of a diff raises reliability and maintainability; without a diff it is not judged."""
    diff = "--- a/x.py\n+++ b/x.py\n@@ -0,0 +1,500 @@\n" + "+x = 1\n" * 500
    risk = assess_risk(rules, analyze_code([Snippet(text=diff)], rules=rules))

    assert "large-change" in {reason.rule for reason in risk.reliability.reasons}
    assert risk.maintainability.score == pytest.approx(0.3)


def test_branchy_code_is_a_risk(rules: Rules) -> None:
    """A function of many branches is a reason, with the figure."""
    code = "def f(x):\n" + "".join(f"    if x == {n}:\n        return {n}\n" for n in range(20))
    risk = assess_risk(rules, analyze_code({"a.py": code}))

    assert [reason.where for reason in risk.reliability.reasons] == ["cyclomatic_max 21"]


def test_risk_without_code_is_unknown(rules: Rules) -> None:
    """No code, no paths, no words: nothing is known."""
    risk = assess_risk(rules, ContextReport())

    assert [getattr(risk, field).score for field in Risk.__struct_fields__] == [None] * 5


def test_signals_leave_out_the_unknown(rules: Rules) -> None:
    """Known figures become signals under declared names; unknown ones are left out."""
    report = analyze_code({"auth/a.py": "def f():\n    eval(x)\n"}, rules=rules)
    signals = context_signals(report, assess_impact(rules), assess_risk(rules, report))

    assert set(signals) < set(SIGNAL_NAMES)
    assert signals["context.functions"].value == 1.0
    assert signals["context.risk_security"].value == pytest.approx(0.8)
    assert not {"context.impact_revenue", "context.diff_files", "context.cohesion_min"} & set(signals)


def test_path_words() -> None:
    """Paths are read as words, whatever their case and separators."""
    assert path_words("src/PaymentApi-v2/my_file.java") == "src payment api v2 my file java"


GOOD_RULE = "{id: a, because: b, raises: {security: 0.5}, paths: [auth]}"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{id: a, because: b, raises: {security: 0.5}}", "exactly one of"),
        ("{id: a, because: b, raises: {security: 0.5}, paths: [a], words: [b]}", "exactly one of"),
        ("{id: a, because: b, raises: {securty: 0.5}, paths: [a]}", "did you mean `security`"),
        ("{id: a, because: b, raises: {security: 1.5}, paths: [a]}", "outside 0..1"),
        ("{id: a, because: b, raises: {security: 0.5}, code: ['(?=x)']}", "not a linear-time pattern"),
        ("{id: a, because: b, raises: {security: 0.5}, paths: ['*']}", "matches any text"),
        ("{id: a, because: b, raises: {security: 0.5}, words: ['/(/']}", "not a linear-time pattern"),
        (
            "{id: a, because: b, raises: {security: 0.5}, measure: {name: functons, over: 1}}",
            "did you mean `functions`",
        ),
        (
            "{id: a, because: b, raises: {security: 0.5}, measure: {name: functions}}",
            "give `over` or `under`",
        ),
        ("{id: a, because: b, raises: {security: 0.5}, colour: red, paths: [a]}", "no setting `colour`"),
        (f"{GOOD_RULE}, {GOOD_RULE}", "given twice"),
    ],
)
def test_bad_rules_are_refused(rule: str, message: str) -> None:
    """A rule that cannot work is refused with its line and what to do."""
    with pytest.raises(DocumentError) as caught:
        compile_rules(f"impact: []\nrisk: [{rule}]\n")

    assert message in caught.value.message
    assert caught.value.line is not None


def test_impact_is_not_read_from_code() -> None:
    """Code says what is risky, not what it is worth."""
    with pytest.raises(DocumentError, match="move the rule under `risk`"):
        compile_rules("impact: [{id: a, because: b, raises: {revenue: 0.5}, code: [x]}]\nrisk: []\n")
