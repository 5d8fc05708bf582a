/** A command of a document, with its documented output. */
export interface DocumentedCommand {
  /** Line of the document where the command starts, from 1. */
  readonly line: number;
  readonly command: string;
  /** Absent if the document gives no output. */
  readonly prints: string | undefined;
}

/** `<!-- run -->` and a block, perhaps followed by `<!-- prints -->` and another block. */
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

/** Replaces the parts that differ between runs: times, and ids that servers choose. */
export function stable(output: string): string {
  return output
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIME")
    .replaceAll(/"id": ?"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"/g, '"id":"UUID"')
    .trim();
}
