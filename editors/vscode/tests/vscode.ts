/** As much of Visual Studio Code as `src/run.ts` uses, to see what it does with it. */

export const seen = {
  commands: new Map<string, (...args: unknown[]) => unknown>(),
  provider: undefined as { provideTasks(): Promise<Task[]>; resolveTask(task: Task): Task | undefined } | undefined,
  executed: [] as Task[],
  warnings: [] as string[],
  saved: 0,
  /** What the input box answers. */
  typed: undefined as string | undefined,
};

export class Uri {
  private constructor(readonly scheme: string, readonly fsPath: string) {}
  static file(path: string) {
    return new Uri("file", path);
  }
  static parse(text: string) {
    return new Uri("file", decodeURIComponent(text.replace(/^file:\/\//, "")));
  }
  toString() {
    return `file://${this.fsPath}`;
  }
}

export class ProcessExecution {
  constructor(readonly process: string, readonly args: string[], readonly options: { cwd: string }) {}
}

export class Task {
  group: unknown;
  constructor(
    public definition: Record<string, unknown>,
    public scope: unknown,
    public name: string,
    public source: string,
    public execution?: ProcessExecution,
    public problemMatchers?: string,
  ) {}
}

export class RelativePattern {
  constructor(readonly base: unknown, readonly pattern: string) {}
}

export const TaskScope = { Workspace: 2 };
export const TaskGroup = { Build: "build", Test: "test" };
const folder = { uri: Uri.file("/work"), name: "work", index: 0 };
const files: Record<string, string> = {
  "/work/ImageFile": 'image "web" {\n}\n',
  "/work/lib/common.imagefile": "profile p {\n}\n",
};

export const workspace = {
  isTrusted: true,
  workspaceFolders: [folder],
  textDocuments: [] as unknown[],
  getWorkspaceFolder: (uri: Uri) => (uri.fsPath.startsWith("/work/") ? folder : undefined),
  getConfiguration: () => ({ get: () => "/opt/imgfile" }),
  findFiles: async () => Object.keys(files).map((path) => Uri.file(path)),
  fs: { readFile: async (uri: Uri) => Buffer.from(files[uri.fsPath] ?? "") },
};

export const window = {
  activeTextEditor: undefined as unknown,
  showWarningMessage: async (message: string) => void seen.warnings.push(message),
  showInputBox: async () => seen.typed,
};

export const commands = {
  registerCommand: (name: string, run: (...args: unknown[]) => unknown) => void seen.commands.set(name, run),
  executeCommand: async () => undefined,
};

export const tasks = {
  registerTaskProvider: (_: string, provider: typeof seen.provider) => void (seen.provider = provider),
  executeTask: async (task: Task) => void seen.executed.push(task),
};
