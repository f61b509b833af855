import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

interface Pattern {
  regexp: string;
  [group: string]: string | number;
}

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const [head, place] = manifest.contributes.problemMatchers[0].pattern as Pattern[];

/** What Visual Studio Code would take from an output: line by line, each pattern behind the one before. */
function problems(text: string): string[] {
  const lines = text.split("\n");
  return lines.flatMap((line, at) => {
    const first = line.match(head.regexp);
    const second = lines[at + 1]?.match(place.regexp);
    if (!first || !second) return [];
    const [severity, code, message] = ["severity", "code", "message"].map((group) => first[Number(head[group])]);
    const [file, row, column] = ["file", "line", "column"].map((group) => second[Number(place[group])]);
    return [`${severity} ${code} ${file}:${row}:${column} ${message}`];
  });
}

test("every finding that has a place is a problem", () => {
  // What `imgfile check` prints, as the compiler's own tests hold it.
  const folder = "../../tests/ui";
  const golden = readdirSync(folder).filter((name) => name.endsWith(".expected"));
  assert.ok(golden.length > 50);
  for (const name of golden) {
    const text = readFileSync(path.join(folder, name), "utf8");
    const places = text.split("\n").filter((line) => /^\s*┌─ /.test(line)).length;
    assert.equal(problems(text).length, places, name);
  }
});

test("a problem has all its parts", () => {
  const text = "error[E0205]: `8Gigs` is not a size\n  ┌─ a b/ImageFile:3:15\n3 │   min_storage 8Gigs\n\n1 error\n";
  assert.deepEqual(problems(text), ["error E0205 a b/ImageFile:3:15 `8Gigs` is not a size"]);
});
