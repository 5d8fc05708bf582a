/**
 * Checks that documents name existing things: the file and the heading of every relative link, every source file that a
 * text or a table names by its path, and every script in a command. The check visits no addresses on the web.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Relative links and images of Markdown: the target, with its anchor. */
const LINK = /\]\((?![a-z]+:)([^)\s]+)(?:\s+"[^"]*")?\)/g;
/** Paths of sources, such as `doors/hosts.int.test.ts`: the end of a path is enough. */
const SOURCE = /(?<![\w./:@-])[\w-]+(?:\/[\w.-]+)+\.(?:ts|yaml|proto|service|md)(?![\w/])/g;
/** Scripts of package.json in commands. */
const SCRIPT = /npm run ([\w:-]+)/g;

/** Paths of all files that git tracks or would track. */
const repositoryFiles = (): string[] =>
  spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((file) => file !== "" && existsSync(file));

/** The document without its code, which has neither links nor headings. Lines keep their numbers. */
export const withoutCode = (markdown: string): string =>
  markdown.replace(/^( *)(`{3,}|~{3,}).*\n(?:.*\n)*?\1\2 *$/gm, (block) => block.replace(/.*/g, ""));

/** The anchors of the headings of a document, as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of withoutCode(markdown).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = text.replace(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The facts about the repository that documents are checked against. */
export interface Repository {
  /** Paths of all files. */
  readonly files: readonly string[];
  /** Names of the scripts of package.json. */
  readonly scripts: readonly string[];
  readonly read: (path: string) => string;
}

/** Every broken name in a document, with its line. */
export function brokenNames(path: string, markdown: string, repository: Repository): string[] {
  const text = withoutCode(markdown);
  const problems: [index: number, problem: string][] = [];
  for (const { 1: target = "", index } of blank(text, /`[^`\n]*`/g).matchAll(LINK)) {
    const problem = brokenLink(path, markdown, target, repository);
    if (problem !== undefined) problems.push([index, problem]);
  }
  for (const { 0: name, index } of blank(text, LINK).matchAll(SOURCE)) {
    const found = repository.files.some((file) => file === name || file.endsWith(`/${name}`));
    if (!found) problems.push([index, `no source ${name}`]);
  }
  // Commands may be in code, too. Line numbers agree, since both texts have the same lines.
  const lineOf = (whole: string, index: number) => whole.slice(0, index).split("\n").length;
  const lines = problems.map(([index, problem]) => `${path}:${lineOf(text, index)}: ${problem}`);
  for (const { 1: script = "", index } of markdown.matchAll(SCRIPT)) {
    if (!repository.scripts.includes(script)) lines.push(`${path}:${lineOf(markdown, index)}: no script ${script}`);
  }
  return lines;
}

function brokenLink(path: string, markdown: string, target: string, { files, read }: Repository): string | undefined {
  const [file = "", anchor] = decodeURI(target).split("#");
  const found = file === "" ? path : normalize(join(dirname(path), file)).replace(/\/$/, "");
  if (!files.includes(found)) {
    const isFolder = files.some((one) => ancestors(one).includes(found));
    return isFolder ? undefined : `no file ${target}`;
  }
  if (anchor === undefined || !found.endsWith(".md")) return undefined;
  return anchorsOf(found === path ? markdown : read(found)).has(anchor) ? undefined : `no heading ${target}`;
}

/** The text with spaces in place of the matches, so that positions stay the same. */
const blank = (text: string, pattern: RegExp): string => text.replace(pattern, (match) => " ".repeat(match.length));

function ancestors(file: string): string[] {
  const folder = dirname(file);
  return folder === "." ? [folder] : [folder, ...ancestors(folder)];
}

export function checkLinks(): boolean {
  const files = repositoryFiles();
  const read = (path: string) => readFileSync(path, "utf8");
  const scripts = Object.keys(JSON.parse(read("package.json")).scripts);
  const documents = files.filter((file) => file.endsWith(".md"));
  const problems = documents.flatMap((path) => brokenNames(path, read(path), { files, scripts, read }));
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}
