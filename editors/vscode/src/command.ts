/** What the extension starts imgfile with. Nothing here needs Visual Studio Code. */

export const COMMANDS = ["build", "check", "plan", "test", "why"] as const;
export type Command = (typeof COMMANDS)[number];

/** A task of tasks.json, `type` aside. */
export interface Definition {
  command: Command;
  /** The ImageFile, or a folder: relative to the workspace folder. */
  file?: string;
  /** Of `build`, `plan`, `test` and `why`. */
  image?: string;
  /** What `why` is about. */
  subject?: string;
  /** Further options, as they are. */
  args?: string[];
}

export function isCommand(name: unknown): name is Command {
  return COMMANDS.some((command) => command === name);
}

/** Reads what somebody wrote into tasks.json; undefined if it is none of ours. */
export function definition(written: Record<string, unknown>): Definition | undefined {
  const { command, file, image, subject, args } = written;
  if (!isCommand(command)) return undefined;
  const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
  const list = Array.isArray(args) ? args.filter((one): one is string => typeof one === "string") : undefined;
  return { command, file: text(file), image: text(image), subject: text(subject), args: list };
}

/** The arguments of the program, each of which reaches it as it is: there is no shell between. */
export function commandLine({ command, file, image, subject, args }: Definition): string[] {
  const line: string[] = [command];
  if (image !== undefined && command !== "check") line.push(`--image=${image}`);
  line.push(...(args ?? []));
  // A name that starts with a dash is no option.
  line.push("--");
  if (command === "why") line.push(subject ?? "base");
  line.push(file ?? ".");
  return line;
}

/** What a task is called. */
export function title({ command, file, image, subject }: Definition): string {
  return [command, subject, image, file].filter((part) => part !== undefined).join(" ");
}

/** Whether a text has an image of its own, so that there is something to build. */
export function hasImage(text: string): boolean {
  return /^image[ \t]/m.test(text);
}
