import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { COMMANDS, commandLine, definition, hasImage } from "../src/command";
import { LENS_COMMANDS, register } from "../src/run";
import { seen, Task, Uri, window, workspace } from "./vscode";

register({ subscriptions: [] } as never);
const run = async (name: string, ...args: unknown[]) => {
  await seen.commands.get(`imagefile.${name}`)?.(...args);
};
const started = () => seen.executed.map((task) => [task.execution?.process, ...(task.execution?.args ?? [])].join(" "));

beforeEach(() => {
  workspace.isTrusted = true;
  workspace.textDocuments = [];
  window.activeTextEditor = undefined;
  seen.executed = [];
  seen.warnings = [];
  seen.saved = 0;
  seen.typed = undefined;
});

test("a lens names the file and the image", async () => {
  await run("build", "file:///work/a%20b/ImageFile", "web");
  await run("check", "file:///work/ImageFile");
  await run("plan", "file:///elsewhere/ImageFile", "-x");
  assert.deepEqual(started(), [
    "/opt/imgfile build --image=web -- a b/ImageFile",
    "/opt/imgfile check -- ImageFile",
    "/opt/imgfile plan --image=-x -- ImageFile",
  ]);
  assert.deepEqual(
    seen.executed.map((task) => task.execution?.options.cwd),
    ["/work", "/work", "/elsewhere"],
  );
  assert.equal(seen.executed[0].problemMatchers, "$imgfile");
});

test("the file that is open, saved before", async () => {
  const uri = Uri.file("/work/ImageFile");
  const document = { uri, languageId: "imagefile", isDirty: true, save: async () => seen.saved++ };
  workspace.textDocuments = [document];
  window.activeTextEditor = { document };
  await run("build");
  assert.deepEqual(started(), ["/opt/imgfile build -- ImageFile"]);
  assert.equal(seen.saved, 1);
  window.activeTextEditor = { document: { ...document, languageId: "markdown" } };
  await run("build");
  assert.equal(seen.executed.length, 1);
  assert.equal(seen.warnings.length, 1);
});

test("why asks what about", async () => {
  await run("why", Uri.file("/work/ImageFile"));
  assert.equal(seen.executed.length, 0, "nothing was typed");
  seen.typed = "nginx";
  await run("why", Uri.file("/work/ImageFile"));
  assert.deepEqual(started(), ["/opt/imgfile why -- nginx ImageFile"]);
});

test("nothing runs in a workspace that is not trusted", async () => {
  workspace.isTrusted = false;
  seen.typed = "base";
  for (const name of ["build", "check", "plan", "why"]) await run(name, "file:///work/ImageFile", "web");
  assert.equal(seen.executed.length, 0);
  assert.equal(seen.warnings.length, 4);
  assert.deepEqual(await seen.provider?.provideTasks(), []);
  const written = new Task({ type: "imgfile", command: "build" }, undefined, "build", "imgfile");
  assert.equal(seen.provider?.resolveTask(written), undefined);
});

test("tasks for the folder and for files that have an image", async () => {
  const tasks = (await seen.provider?.provideTasks()) ?? [];
  assert.deepEqual(
    tasks.map((task) => `${task.name}: ${task.execution?.args.join(" ")} (${task.group})`),
    [
      "check: check -- . (undefined)",
      "build ImageFile: build -- ImageFile (build)",
      "plan ImageFile: plan -- ImageFile (undefined)",
      "test ImageFile: test -- ImageFile (test)",
    ],
  );
  assert.ok(hasImage("# c\nimage \"a\" {\n") && !hasImage("profile a {\n  base image \"b\"\n"));
});

test("what is written in tasks.json", () => {
  const written = new Task(
    { type: "imgfile", command: "build", file: "ImageFile", image: "web", args: ["--locked", 7] },
    undefined,
    "build",
    "imgfile",
  );
  const task = seen.provider?.resolveTask(written);
  assert.equal(task?.definition, written.definition);
  assert.deepEqual(task?.execution?.args, ["build", "--image=web", "--locked", "--", "ImageFile"]);
  for (const wrong of [{}, { command: "rm" }, { command: 7 }]) assert.equal(definition(wrong), undefined);
  assert.deepEqual(commandLine({ command: "check", image: "web" }), ["check", "--", "."], "check knows no image");
});

// From the folder of the extension, where npm runs this.
const manifest = JSON.parse(readFileSync("package.json", "utf8"));

test("the manifest has what the code registers", () => {
  const declared = manifest.contributes.commands.map((one: { command: string }) => one.command).sort();
  assert.deepEqual(declared, [...seen.commands.keys(), "imagefile.restart"].sort());
  for (const one of manifest.contributes.commands) {
    const runs = one.command !== "imagefile.restart";
    assert.equal(one.enablement, runs ? "isWorkspaceTrusted" : undefined, one.command);
  }
  for (const command of LENS_COMMANDS) assert.ok(declared.includes(command), command);
  assert.deepEqual([...manifest.contributes.taskDefinitions[0].properties.command.enum].sort(), [...COMMANDS].sort());
  for (const menu of Object.values<{ command: string }[]>(manifest.contributes.menus))
    for (const entry of menu) assert.ok(declared.includes(entry.command), entry.command);
});

test("the icon is a PNG of 128 by 128", () => {
  const icon = readFileSync(manifest.icon);
  assert.equal(icon.toString("latin1", 1, 4), "PNG");
  assert.deepEqual([icon.readUInt32BE(16), icon.readUInt32BE(20)], [128, 128]);
  const { light, dark } = manifest.contributes.languages[0].icon;
  for (const file of [light, dark]) assert.match(readFileSync(file, "utf8"), /^<svg /);
});
