"""What is known of each language: its names, how it is lexed, what a class and an import look like.

To add a language: add its row. A row without `reader` gets no cyclomatic complexity, one without `imports`
no dependencies: both stay unknown rather than nought.
"""

from __future__ import annotations

import re

import msgspec

from policies.context_analysis.lexing import Style


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table; `classes` and `imports` must not backtrack over more than a line."""

    name: str
    style: Style
    tags: frozenset[str]
    suffixes: frozenset[str]
    reader: str | None = None
    """A file suffix that makes lizard read this language."""
    classes: re.Pattern[str] | None = None
    imports: tuple[re.Pattern[str], ...] = ()
    hints: tuple[str, ...] = ()
    """RE2 patterns; each one found in an untagged block speaks once for this language."""


def _row(  # noqa: PLR0913 - the columns of the table
    name: str,
    style: Style,
    words: str,
    suffixes: str,
    *,
    reader: str | None = None,
    classes: str | None = None,
    imports: tuple[str, ...] = (),
    hints: tuple[str, ...] = (),
) -> Language:
    return Language(
        name=name,
        style=style,
        tags=frozenset([name, *words.split()]),
        suffixes=frozenset(suffixes.split()),
        reader=reader,
        classes=re.compile(classes, re.MULTILINE) if classes else None,
        imports=tuple(re.compile(pattern, re.MULTILINE) for pattern in imports),
        hints=hints,
    )


_JVM_CLASS = r"\b(?:class|interface|enum|record|object|trait)[ \t]++[A-Za-z_]"
_JS_IMPORTS = (
    r"\b(?:from|import)[ \t]*+['\"]([^'\"\n]++)['\"]",
    r"\b(?:require|import)[ \t]*+\([ \t]*+['\"]([^'\"\n]++)['\"]",
)
_JS_CLASS = r"(?<![.\w])(?:class|interface|enum)[ \t]++[A-Za-z_$]"
_JS_HINTS = (
    r"^[ \t]*(?:const|let|var)[ \t]+[\w{\[$]",
    r"=>",
    r"\bfunction\b[ \w*]*\(",
    r"===|!==",
    r"\bconsole\.\w",
    r"^(?:import|export)\b.*\bfrom[ \t]+['\"]",
    r"\brequire\(['\"]",
    r"\basync function\b|\bawait\b.*;$",
    r"\b(?:document|window|module\.exports)\b",
)
_C_INCLUDE = r"^[ \t]*+\#[ \t]*+include[ \t]*+[<\"]([^>\"\n]++)[>\"]"

LANGUAGES: tuple[Language, ...] = (
    _row(
        "python",
        "python",
        "py python3 py3 ipython pycon",
        "py pyi pyw",
        reader="py",
        classes=r"^[ \t]*+class[ \t]++\w",
        imports=(r"^[ \t]*+import[ \t]++([\w.]++)", r"^[ \t]*+from[ \t]++([\w.]++)[ \t]++import\b"),
        hints=(
            r"^[ \t]*(?:async )?def \w+\(.*",
            r"^[ \t]*class \w+.*:[ \t]*$",
            r"^(?:from [\w.]+ )?import [\w., ]+$",
            r"\bself\.\w",
            r"^[ \t]*(?:if|elif|for|while|with|try|except|else)\b.*:[ \t]*$",
            r"\bprint\(",
            r"\b(?:None|True|False)\b",
            r"^[ \t]*@\w[\w.]*(?:\(.*\))?[ \t]*$",
        ),
    ),
    _row(
        "javascript",
        "js",
        "js jsx node mjs cjs es6",
        "js jsx mjs cjs",
        reader="js",
        classes=_JS_CLASS,
        imports=_JS_IMPORTS,
        hints=_JS_HINTS,
    ),
    _row(
        "typescript",
        "js",
        "ts mts cts",
        "ts mts cts",
        reader="ts",
        classes=_JS_CLASS,
        imports=_JS_IMPORTS,
        hints=(
            *_JS_HINTS,
            r":[ \t]*(?:string|number|boolean|void|unknown|any)\b",
            r"^[ \t]*(?:export )?(?:interface|type) \w+",
            r"\bas const\b|\breadonly \w",
        ),
    ),
    _row("tsx", "js", "", "tsx", reader="tsx", classes=_JS_CLASS, imports=_JS_IMPORTS),
    _row(
        "java",
        "c",
        "",
        "java",
        reader="java",
        classes=_JVM_CLASS,
        imports=(r"^[ \t]*+import[ \t]++(?:static[ \t]++)?([\w.]++(?:\.\*)?)[ \t]*+;",),
        hints=(
            r"^[ \t]*(?:public|private|protected)[ \t]+(?:static |final |abstract )*[\w<>\[\], ]+\(",
            r"^[ \t]*import (?:static )?[\w.]+(?:\.\*)?;",
            r"\bSystem\.out\b",
            r"^[ \t]*@Override\b",
            r"\bnew \w+(?:<[^>\n]*>)?\(.*;",
            r"^package [\w.]+;",
            r"\b(?:public|private) (?:final )?(?:class|interface|enum|record) \w",
        ),
    ),
    _row(
        "kotlin",
        "c",
        "kt kts",
        "kt kts",
        reader="kt",
        classes=_JVM_CLASS,
        imports=(r"^[ \t]*+import[ \t]++([\w.]++)",),
        hints=(
            r"^[ \t]*(?:\w+ )*fun (?:<[^>\n]*> )?[\w.]+\(",
            r"^[ \t]*va[lr] \w+(?::| =)",
            r"\bdata class\b",
            r"\bwhen[ \t]*\(",
            r"\?\.let\b",
        ),
    ),
    _row(
        "scala",
        "c",
        "",
        "scala sc",
        reader="scala",
        classes=_JVM_CLASS,
        imports=(r"^[ \t]*+import[ \t]++([\w.]++)",),
    ),
    _row(
        "c",
        "c",
        "h",
        "c h",
        reader="c",
        classes=r"\b(?:struct|union|enum)[ \t]++\w+[ \t\n]*+\{",
        imports=(_C_INCLUDE,),
        hints=(
            r"^[ \t]*\#[ \t]*(?:include|define|ifdef|ifndef)\b",
            r"\b(?:malloc|free|printf|sizeof)[ \t]*\(",
            r"\b(?:char|int|void|struct \w+)[ \t]*\*[ \t]*\w",
            r"\w->\w",
            r"^[ \t]*(?:static )?(?:int|void|char|unsigned|size_t) \w+\(",
        ),
    ),
    _row(
        "cpp",
        "c",
        "c++ cxx cc hpp",
        "cc cpp cxx hpp hh hxx",
        reader="cpp",
        classes=r"(?<!enum )\b(?:class|struct|union)[ \t]++\w+[^;(){}\n]*+\{?",
        imports=(_C_INCLUDE,),
        hints=(
            r"\bstd::\w",
            r"^[ \t]*template[ \t]*<",
            r"\bnamespace \w+",
            r"\b(?:cout|cin)[ \t]*(?:<<|>>)",
            r"\bauto\b.*=.*;",
            r"^[ \t]*\#[ \t]*include\b",
            r"\w::\w+\(",
            r"\bvirtual\b|\boverride\b|\bnullptr\b",
        ),
    ),
    _row(
        "csharp",
        "c",
        "cs c#",
        "cs",
        reader="cs",
        classes=r"\b(?:class|interface|struct|enum|record)[ \t]++[A-Za-z_]",
        imports=(r"^[ \t]*+using[ \t]++(?:static[ \t]++)?([\w.]++)[ \t]*+;",),
        hints=(
            r"^[ \t]*using [\w.]+;",
            r"^[ \t]*namespace [\w.]+",
            r"\{[ \t]*get;",
            r"\bvar \w+ = .*;",
            r"\bConsole\.Write",
            r"\basync Task\b",
            r"\b(?:public|private|internal) (?:sealed |static |partial )*(?:class|record|interface) \w",
        ),
    ),
    _row(
        "go",
        "go",
        "golang",
        "go",
        reader="go",
        classes=r"^[ \t]*+(?:type[ \t]++)?\w+[ \t]++(?:struct|interface)[ \t]*+\{",
        imports=(
            r"^[ \t]*+import[ \t]++(?:[\w.]++[ \t]++)?\"([^\"\n]++)\"",
            r"^[ \t]*+(?:[\w.]++[ \t]++)?\"([\w.\-/]++)\"[ \t]*+$",
        ),
        hints=(
            r"^package \w+[ \t]*$",
            r"^func (?:\([^)\n]*\) )?\w+(?:\[[^\]\n]*\])?\(",
            r":=",
            r"\bif err != nil\b",
            r"^type \w+ (?:struct|interface)\b",
            r"\bfmt\.\w",
            r"\bchan \w|\bgo func\(|\bdefer \w",
        ),
    ),
    _row(
        "rust",
        "rust",
        "rs",
        "rs",
        reader="rs",
        classes=r"^[ \t]*+(?:pub(?:\([^)\n]*\))?[ \t]++)?(?:struct|enum|trait|union)[ \t]++\w",
        imports=(r"^[ \t]*+(?:pub[ \t]++)?use[ \t]++([\w:]++)", r"^[ \t]*+extern crate (\w++)"),
        hints=(
            r"^[ \t]*(?:pub(?:\([^)\n]*\))? )?(?:async )?fn \w+",
            r"\blet mut \w",
            r"\bimpl(?:<[^>\n]*>)? \w",
            r"^[ \t]*use [\w:]+",
            r"\w::\w",
            r"\b(?:println|vec|panic|format)!",
            r"->[ \t]*(?:Result|Option|Self|&)",
            r"^[ \t]*\#\[\w",
            r"\bmatch \w.*\{",
        ),
    ),
    _row(
        "ruby",
        "hash",
        "rb",
        "rb rake",
        reader="rb",
        classes=r"^[ \t]*+(?:class|module)[ \t]++[A-Z]",
        imports=(r"^[ \t]*+require(?:_relative)?[ \t]*+\(?[ \t]*+['\"]([^'\"\n]++)['\"]",),
        hints=(
            r"^[ \t]*def [\w.?!]+[^:\n]*$",
            r"^[ \t]*end[ \t]*$",
            r"\bdo \|[^|\n]*\|",
            r"^[ \t]*require ['\"]",
            r"\bputs\b",
            r"@\w+ \|?\|?=",
            r"^[ \t]*(?:attr_accessor|attr_reader|has_many|belongs_to|validates)\b",
        ),
    ),
    _row(
        "php",
        "php",
        "php7 php8",
        "php phtml",
        reader="php",
        classes=r"\b(?:class|interface|trait|enum)[ \t]++[A-Za-z_]\w*",
        imports=(
            r"^[ \t]*+use[ \t]++([\w\\]++)",
            r"\b(?:require|include)(?:_once)?[ \t]*+\(?[ \t]*+['\"]([^'\"\n]++)['\"]",
        ),
        hints=(r"<\?php\b", r"\$\w+[ \t]*=", r"\$this->", r"\becho\b", r"\bfunction \w+\(.*\$"),
    ),
    _row(
        "swift",
        "c",
        "",
        "swift",
        reader="swift",
        classes=r"\b(?:class|struct|enum|protocol|actor)[ \t]++[A-Z]",
        imports=(r"^[ \t]*+(?:@testable[ \t]++)?import[ \t]++([\w.]++)",),
        hints=(
            r"^[ \t]*(?:\w+ )*func \w+(?:<[^>\n]*>)?\(.*",
            r"\bguard let\b|\bif let\b",
            r"^[ \t]*let \w+(?::|[ \t]=)",
            r"^import (?:Foundation|UIKit|SwiftUI)\b",
        ),
    ),
    _row(
        "lua", "sql", "", "lua", reader="lua", imports=(r"\brequire[ \t]*+\(?[ \t]*+['\"]([^'\"\n]++)['\"]",)
    ),
    _row(
        "sql",
        "sql",
        "postgresql postgres mysql sqlite plsql tsql psql",
        "sql ddl",
        hints=(
            r"(?i:^[ \t]*select\b)",
            r"(?i:\bfrom\b[ \t\n]+\w)",
            r"(?i:^[ \t]*(?:insert into|delete from|update \w+ set)\b)",
            r"(?i:^[ \t]*(?:create|alter|drop) (?:table|index|view|database|schema)\b)",
            r"(?i:\b(?:primary key|foreign key|varchar|not null|inner join|left join)\b)",
            r"(?i:\b(?:group|order) by\b)",
        ),
    ),
    _row(
        "bash",
        "hash",
        "sh shell zsh console shell-session",
        "sh bash zsh ksh",
        hints=(
            r"^\#!.*\b(?:ba|z|k)?sh\b",
            r"^[ \t]*(?:sudo|apt|apt-get|cd|mkdir|rm|cp|mv|curl|wget|chmod|echo|export) ",
            r"^[ \t]*(?:grep|docker|kubectl|git|npm|pip|make|cargo|go|yarn) ",
            r"\$\{?\w+\}?",
            r"^[ \t]*(?:fi|done|esac)[ \t]*$",
            r"\bthen[ \t]*$",
            r"^\$ \w",
        ),
    ),
    _row(
        "yaml",
        "data",
        "yml",
        "yml yaml",
        hints=(
            r"^[ \t]*- \w[\w-]*:(?: |$)",
            r"^\w[\w-]*:[ \t]*$",
            r"^[ \t]+\w[\w-]*: \S",
            r"^---[ \t]*$",
            r"^apiVersion:|^services:|^jobs:",
        ),
    ),
    _row(
        "json",
        "c",
        "jsonc json5 jsonl",
        "json jsonl ndjson",
        hints=(
            r"(?s)\A\s*[\[{].{0,40}\".*[\]}]\s*\z",
            r"\A\s*[\[{]\s*(?:\"|\{|\[|\]|\})",
            r"^[ \t]*\"[^\"\n]+\":[ \t]*[\"\d\[{tfn-]",
        ),
    ),
    _row("toml", "data", "ini cfg conf properties", "toml ini cfg conf properties"),
    _row(
        "hcl",
        "hash",
        "terraform tf",
        "tf tfvars hcl",
        hints=(r"^(?:resource|variable|module|provider|data) \"",),
    ),
    _row(
        "dockerfile",
        "hash",
        "docker",
        "dockerfile",
        hints=(r"^FROM [\w./:-]+", r"^(?:RUN|COPY|WORKDIR|ENTRYPOINT|CMD|EXPOSE) "),
    ),
    _row(
        "html",
        "markup",
        "xml svg vue htm xhtml",
        "html htm xml svg vue",
        hints=(r"\A\s*<(?:!DOCTYPE|\?xml|html)", r"</(?:div|span|p|a|html|body|head|script|ul|li|table)>"),
    ),
    _row(
        "css",
        "c",
        "scss less sass",
        "css scss less",
        hints=(
            r"^[.\#]?[\w-]+[^{};\n]*\{[ \t]*$",
            r"^[ \t]+[a-z-]+:[ \t]*[^;{}\n]+;[ \t]*$",
            r"^@(?:media|import|keyframes)\b",
        ),
    ),
)
