/**
 * What the documents name must exist: the file and the heading of every relative link, and every source file that a text or a table
 * names by its path. Addresses on the web are not visited.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

/** Relative links and images of Markdown: the target, with its anchor. */
const LINK = /\]\((?![a-z]+:)([^)\s]+)(?:\s+"[^"]*")?\)/g;
/** Paths of sources, such as `doors/hosts.int.test.ts`: the end of a path is enough. */
const SOURCE = /(?<![\w./:@-])[\w-]+(?:\/[\w.-]+)+\.(?:ts|yaml|proto|service|md)(?![\w/])/g;

/** Paths of all files that git tracks or would track. */
const repositoryFiles = (): string[] =>
  spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
    .stdout.split("\n")
    .filter((file) => file !== "" && existsSync(file));

/** The document without its code: links and headings in there are none. Lines keep their numbers. */
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

/** Everything that a document names and that is not there, with its line. `read` gives other documents, `files` is all of the repository. */
export function brokenNames(
  path: string,
  markdown: string,
  files: readonly string[],
  read: (path: string) => string,
): string[] {
  const folders = new Set(files.flatMap((file) => ancestors(file)));
  const text = withoutCode(markdown);
  const line = (index: number) => text.slice(0, index).split("\n").length;
  const problems: string[] = [];
  for (const { 1: target = "", index } of text
    .replace(/`[^`\n]*`/g, (code) => " ".repeat(code.length))
    .matchAll(LINK)) {
    const [file = "", anchor] = decodeURI(target).split("#");
    const found = file === "" ? path : normalize(join(dirname(path), file)).replace(/\/$/, "");
    if (!files.includes(found) && !folders.has(found)) problems.push(`${path}:${line(index)}: no file ${target}`);
    else if (
      anchor !== undefined &&
      found.endsWith(".md") &&
      !anchorsOf(found === path ? markdown : read(found)).has(anchor)
    ) {
      problems.push(`${path}:${line(index)}: no heading ${target}`);
    }
  }
  const links = text.replace(LINK, (link) => " ".repeat(link.length));
  for (const { 0: name, index } of links.matchAll(SOURCE)) {
    if (!files.some((file) => file === name || file.endsWith(`/${name}`))) {
      problems.push(`${path}:${line(index)}: no source ${name}`);
    }
  }
  return problems;
}

function ancestors(file: string): string[] {
  const folder = dirname(file);
  return folder === "." ? [folder] : [folder, ...ancestors(folder)];
}

export function checkLinks(): boolean {
  const files = repositoryFiles();
  const read = (path: string) => readFileSync(path, "utf8");
  const documents = files.filter((file) => file.endsWith(".md"));
  const problems = documents.flatMap((path) => brokenNames(path, read(path), files, read));
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}
