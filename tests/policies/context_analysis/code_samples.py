"""One small file per language, with what is true of it: functions, classes, highest complexity, imports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A text and its measures as a reader counts them; None where the language gives none."""

    text: str
    functions: int | None
    classes: int | None
    cyclomatic_max: int | None
    dependencies: tuple[str, ...] | None


SAMPLES: dict[str, Sample] = {
    "python": Sample(
        '"""Doc with if and for."""\nimport os\nfrom a.b import c\n\nclass A:\n    def f(self, x):\n'
        "        # if this were code\n        if x and x > 2:\n            for i in x:\n                print(i)\n"
        "        return x\n\n    def g(self):\n        return 'if else while'\n",
        2, 1, 4, ("os", "a.b"),
    ),
    "javascript": Sample(
        "const a = require('fs');\nimport x from './b';\nfunction f(a) {\n  if (a && /[\"']/.test(a)) { return `x${a}`; }\n"
        "  return a ? 1 : 2;\n}\nconst g = (x) => { while (x) { x--; } };\nclass K { m() { return 1; } }\n",
        3, 1, 4, ("fs", "./b"),
    ),
    "typescript": Sample(
        "import { A } from 'lib';\ninterface P { a: string; }\nexport async function f(p: P): Promise<number> {\n"
        "  for (const k of [1, 2]) { if (k === 1) { return k; } }\n  return 0;\n}\n",
        1, 1, 3, ("lib",),
    ),
    "java": Sample(
        "package x;\nimport java.util.List;\npublic class A {\n  @Override\n  public int f(int a, List<? extends B> l) {\n"
        "    if (a > 1 || a < 0) { return 2; }\n    return a;\n  }\n}\n",
        1, 1, 3, ("java.util.List",),
    ),
    "c": Sample(
        "#include <stdio.h>\nstruct s { int a; };\nint f(int *a) {\n  if (a) { return 1; }\n"
        "  switch (*a) { case 1: break; case 2: break; }\n  return a->b;\n}\n",
        1, 1, 4, ("stdio.h",),
    ),
    "cpp": Sample(
        "#include <vector>\nclass A { public: int f() { if (x) return 1; return 0; } };\n"
        "int A::g(std::vector<int> v) { for (auto i : v) { std::cout << i; } return 0; }\n",
        2, 1, 2, ("vector",),
    ),
    "csharp": Sample(
        "using System;\nnamespace N {\n public class A {\n  public int X { get; set; }\n"
        "  public int F(int a) { if (a > 0) { return 1; } return 2; }\n }\n}\n",
        1, 1, 2, ("System",),
    ),
    "go": Sample(
        'package main\nimport (\n\t"fmt"\n\t"net/http"\n)\ntype T struct { a int }\nfunc (t *T) F(x int) error {\n'
        "\tif err != nil { return err }\n\tfor i := 0; i < 3; i++ { fmt.Println(i) }\n\treturn nil\n}\n",
        1, 1, 3, ("fmt", "net/http"),
    ),
    "rust": Sample(
        "use std::io;\npub struct S<'a> { x: &'a str }\nimpl<'a> S<'a> {\n    pub fn f(&self, c: char) -> Result<i32, E> {\n"
        "        if c == '\"' || c == '\\'' { return Ok(1); }\n        Ok(2)\n    }\n}\n",
        1, 1, 3, ("std::io",),
    ),
    "ruby": Sample(
        'require "json"\nclass A\n  def f(x)\n    if x && x > 2\n      puts "a#{x}"\n    end\n  end\nend\n',
        1, 1, 3, ("json",),
    ),
    "php": Sample(
        "<?php\nuse App\\Models\\User;\nclass A {\n  public function f($x) {\n    if ($x) { return 'a'; }\n"
        "    foreach ($x as $y) { echo $y; }\n    $this->b = 1;\n  }\n}\n",
        1, 1, 3, ("App\\Models\\User",),
    ),
    "kotlin": Sample(
        "import a.b.C\ndata class D(val x: Int)\nfun f(x: Int): Int {\n  val y = 2\n  if (x > y) { return 1 }\n  return 2\n}\n",
        1, 1, 2, ("a.b.C",),
    ),
    "swift": Sample(
        "import Foundation\nstruct A {\n  func f(_ x: Int) -> Int {\n    guard let y = z else { return 1 }\n"
        "    if x > 1 { return 2 }\n    return 3\n  }\n}\n",
        1, 1, 3, ("Foundation",),
    ),
    "sql": Sample(
        "SELECT a FROM t WHERE x = 'it''s' -- if\nGROUP BY a;\nALTER TABLE t ADD COLUMN b int;\n", None, None, None, None
    ),
    "bash": Sample('#!/bin/bash\nfor f in *; do\n  if [ -f "$f" ]; then echo $f; fi\ndone\n', None, None, None, None),
    "yaml": Sample("services:\n  web:\n    image: nginx\n    ports:\n      - 80\n", None, None, None, None),
    "json": Sample('{"a": 1, "b": [1, 2]}', None, None, None, None),
    "dockerfile": Sample("FROM python:3.11\nRUN pip install x\nCOPY . /app\n", None, None, None, None),
    "html": Sample("<!DOCTYPE html>\n<html><body><div>x</div></body></html>", None, None, None, None),
}  # fmt: skip

DIFF = """\
diff --git a/src/billing/invoice.py b/src/billing/invoice.py
index 1111111..2222222 100644
--- a/src/billing/invoice.py
+++ b/src/billing/invoice.py
@@ -10,6 +10,9 @@ class Invoice:
     def total(self):
         amount = 0
-        for line in self.lines:
+        for line in self.lines or ():
+            if line.void:
+                continue
             amount += line.amount
+        eval(self.rule)
         return amount
@@ -40,3 +43,3 @@ def send(invoice):
     eval("kept as it was")
-    post(invoice)
+    post(invoice, verify=False)
     return True
diff --git a/db/migrations/0007.sql b/db/migrations/0007.sql
new file mode 100644
--- /dev/null
+++ b/db/migrations/0007.sql
@@ -0,0 +1,2 @@
+ALTER TABLE invoice DROP COLUMN note;
+CREATE INDEX invoice_day ON invoice (day);
diff --git a/web/old.js b/web/old.js
deleted file mode 100644
--- a/web/old.js
+++ /dev/null
@@ -1,2 +0,0 @@
-function old() {
-}
"""
