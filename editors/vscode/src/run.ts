/** Commands and tasks: imgfile in a terminal, in workspaces that the user trusts. */

import * as path from "node:path";
import * as vscode from "vscode";
import { type Command, commandLine, type Definition, definition, hasImage, title } from "./command";

const TYPE = "imgfile";
/** Most ImageFiles that tasks are offered for. */
const MAX_FILES = 50;

/** The commands that lenses may use; the server is told of them. */
export const LENS_COMMANDS = ["imagefile.check", "imagefile.build", "imagefile.plan"];

export function register(context: vscode.ExtensionContext): void {
  const command = (name: string, run: (...args: unknown[]) => unknown) =>
    vscode.commands.registerCommand(`imagefile.${name}`, run);
  context.subscriptions.push(
    command("build", (target, image) => start("build", target, image)),
    command("check", (target) => start("check", target)),
    command("plan", (target, image) => start("plan", target, image)),
    command("why", why),
    vscode.tasks.registerTaskProvider(TYPE, { provideTasks, resolveTask }),
  );
}

/** Runs a command on an ImageFile: a lens names it by its URI and the image by its name. */
async function start(command: Command, target?: unknown, image?: unknown): Promise<void> {
  if (!(await trusted())) return;
  const uri = imageFile(target);
  if (!uri) {
    void vscode.window.showWarningMessage("Open an ImageFile first.");
    return;
  }
  await save(uri);
  await execute({ command, image: typeof image === "string" ? image : undefined }, uri);
}

async function why(target?: unknown): Promise<void> {
  if (!(await trusted())) return;
  const uri = imageFile(target);
  if (!uri) {
    void vscode.window.showWarningMessage("Open an ImageFile first.");
    return;
  }
  const subject = await vscode.window.showInputBox({
    title: "Show why",
    prompt: "`base`, the name of an application, or a step as the plan names it",
    value: "base",
  });
  if (!subject) return;
  await save(uri);
  await execute({ command: "why", subject }, uri);
}

/** Whether programs may be started here; if not, the user hears how that can change. */
async function trusted(): Promise<boolean> {
  if (vscode.workspace.isTrusted) return true;
  const manage = "Manage trust";
  const chosen = await vscode.window.showWarningMessage(
    "imgfile runs in trusted workspaces only: a build executes what the ImageFile says.",
    manage,
  );
  if (chosen === manage) await vscode.commands.executeCommand("workbench.trust.manage");
  return false;
}

/** The file meant: what was clicked, what a lens names, else what is open. */
function imageFile(target: unknown): vscode.Uri | undefined {
  if (typeof target === "string") return vscode.Uri.parse(target);
  if (target instanceof vscode.Uri) return target;
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === "imagefile" && document.uri.scheme === "file" ? document.uri : undefined;
}

/** imgfile reads the disk: what is meant is what the editor shows. */
async function save(uri: vscode.Uri): Promise<void> {
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open?.isDirty) await open.save();
}

async function execute(what: Definition, uri: vscode.Uri): Promise<void> {
  const folder = vscode.workspace.getWorkspaceFolder(uri);
  const root = folder?.uri.fsPath ?? path.dirname(uri.fsPath);
  await vscode.tasks.executeTask(task({ ...what, file: path.relative(root, uri.fsPath) }, folder, root));
}

function task(what: Definition, folder: vscode.WorkspaceFolder | undefined, root: string): vscode.Task {
  const program = vscode.workspace.getConfiguration("imagefile", folder).get<string>("server.path", "imgfile");
  // Undefined members would make it another task than the one in tasks.json.
  const written = Object.fromEntries(Object.entries(what).filter(([, value]) => value !== undefined));
  const made = new vscode.Task(
    { type: TYPE, ...written },
    folder ?? vscode.TaskScope.Workspace,
    title(what),
    TYPE,
    new vscode.ProcessExecution(program, commandLine(what), { cwd: root }),
    "$imgfile",
  );
  if (what.command === "build") made.group = vscode.TaskGroup.Build;
  if (what.command === "test") made.group = vscode.TaskGroup.Test;
  return made;
}

async function provideTasks(): Promise<vscode.Task[]> {
  if (!vscode.workspace.isTrusted) return [];
  const tasks: vscode.Task[] = [];
  for (const folder of vscode.workspace.workspaceFolders ?? []) {
    const root = folder.uri.fsPath;
    tasks.push(task({ command: "check" }, folder, root));
    const pattern = new vscode.RelativePattern(folder, "**/{ImageFile,*.imagefile}");
    for (const uri of await vscode.workspace.findFiles(pattern, undefined, MAX_FILES)) {
      const text = Buffer.from(await vscode.workspace.fs.readFile(uri)).toString("utf8");
      if (!hasImage(text)) continue;
      const file = path.relative(root, uri.fsPath);
      for (const command of ["build", "plan", "test"] as const) tasks.push(task({ command, file }, folder, root));
    }
  }
  return tasks;
}

/** A task of tasks.json with everything that is needed to run it. */
function resolveTask(written: vscode.Task): vscode.Task | undefined {
  const what = definition(written.definition);
  if (!what || !vscode.workspace.isTrusted) return undefined;
  const folder = typeof written.scope === "object" ? written.scope : vscode.workspace.workspaceFolders?.[0];
  if (!folder) return undefined;
  const made = task(what, folder, folder.uri.fsPath);
  // VS Code takes a resolved task for the written one only if it has the same definition.
  made.definition = written.definition;
  return made;
}
