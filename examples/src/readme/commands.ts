/** A command of a document that is to be run, and what the document says that it prints. */
export interface DocumentedCommand {
  /** Line of the document where the command starts, from 1. */
  readonly line: number;
  readonly command: string;
  /** Absent when the document says nothing about it. */
  readonly prints: string | undefined;
}

/** `<!-- run -->` and a block, perhaps followed by `<!-- prints -->` and another. */
const COMMAND =
  /^<!-- run -->\n```sh\n(?<command>[\s\S]*?)^```\n(?:\n<!-- prints -->\n```\w+\n(?<prints>[\s\S]*?)^```\n)?/gm;

/** The commands of a document that are marked to be run, in order. */
export function documentedCommands(document: string): DocumentedCommand[] {
  return [...document.matchAll(COMMAND)].map((match) => ({
    line: document.slice(0, match.index).split("\n").length + 2,
    command: match.groups!.command,
    prints: match.groups?.prints,
  }));
}

/** Replaces what differs from run to run: times, and the ids that servers make up. */
export function stable(output: string): string {
  return output
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIME")
    .replaceAll(/"id": ?"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"/g, '"id":"UUID"')
    .trim();
}
