import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions, type ServerOptions } from "vscode-languageclient/node";
import { LENS_COMMANDS, register } from "./run";

let client: LanguageClient | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand("imagefile.restart", restart),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("imagefile.server.path")) await restart();
    }),
  );
  register(context);
  await start();
}

export async function deactivate(): Promise<void> {
  await stop();
}

async function restart(): Promise<void> {
  await stop();
  await start();
}

async function stop(): Promise<void> {
  const running = client;
  client = undefined;
  // A server that never came up cannot be stopped; there is nothing to say about it.
  await running?.stop().catch(() => undefined);
}

async function start(): Promise<void> {
  const command = vscode.workspace.getConfiguration("imagefile").get<string>("server.path", "imgfile");
  const server: ServerOptions = { command, args: ["lsp"] };
  const options: LanguageClientOptions = {
    documentSelector: [
      { scheme: "file", language: "imagefile" },
      { scheme: "untitled", language: "imagefile" },
      { scheme: "file", language: "yaml", pattern: "**/{apps,bases}/*.{yaml,yml}" },
    ],
    initializationOptions: { commands: LENS_COMMANDS },
  };
  client = new LanguageClient("imagefile", "ImageFile", server, options);
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const settings = "Open settings";
    const chosen = await vscode.window.showWarningMessage(
      `ImageFile: \`${command} lsp\` does not start, so there is colouring only. Install imgfile, or set its path. (${error})`,
      settings,
    );
    if (chosen === settings) {
      await vscode.commands.executeCommand("workbench.action.openSettings", "imagefile.server.path");
    }
  }
}
