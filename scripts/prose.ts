/**
 * Counts "who", "what", "whoever" and "whatever" in comments and documents, where sentences often lack the noun that
 * these words stand for, and comment lines over 120 characters. The numbers below may only fall: lower them with every
 * change that allows it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { withoutCode } from "./links.ts";

/** Characters of a line. */
const WIDTH = 120;

/** Most of these words per 1,000 words of comments, by package. The aim is 4. */
const MOST: Readonly<Record<string, number>> = {
  proto: 1.5,
  "gen/es": 2,
  "clients/ts": 2.5,
  server: 1.7,
  conformance: 1.3,
  bench: 0.9,
  examples: 0.3,
  scripts: 4.5,
};

/** Most of these words per 1,000 words of a document. One is free, so that a short document need not have none. */
const MOST_IN_DOCUMENT = 4;

/** Documents that have more of them. */
const MOST_BY_DOCUMENT: Readonly<Record<string, number>> = {};

/** Documents that programs write. */
const GENERATED = new Set(["bench/RESULTS.md", "conformance/STATEMENT.md"]);

const WORD = /[A-Za-z']+/g;
const WEAK = /\b(?:who|what)(?:ever|m|se)?\b/gi;
/** Without "whose", which always has a noun beside it. */
const HEADLESS = /\b(?:who|what)(?:ever|m)?\b/gi;
/** Examples between quotes, and code within a line. */
const QUOTED = /"[^"\n]*"|`[^`\n]*`/g;

/** Counts over the comments of some sources. */
export interface Count {
  words: number;
  weak: number;
  wide: number;
}

/**
 * The comments of a source, line by line. In TypeScript, strings that look like the start of a comment line count too.
 */
export function commentLines(source: string): string[] {
  let inBlock = false;
  return source.split("\n").filter((line) => {
    const starts = /^\s*\/\*/.test(line);
    const isComment = inBlock || starts || /^\s*\/\//.test(line);
    if (inBlock || starts) inBlock = !line.includes("*/");
    return isComment;
  });
}

/** Adds the comments of one source to a count. */
export function addComments(count: Count, source: string): void {
  for (const line of commentLines(source)) {
    count.words += line.match(WORD)?.length ?? 0;
    count.weak += line.match(WEAK)?.length ?? 0;
    if (line.length > WIDTH && !/https?:\/\/\S+$/.test(line)) count.wide++;
  }
}

/** Words per 1,000, with one decimal. */
export const per1000 = ({ words, weak }: Omit<Count, "wide">): number =>
  Math.round((weak / Math.max(1, words)) * 10_000) / 10;

/** Counts over the sentences of a document: code blocks, comments and quotations are none. */
export function countDocument(markdown: string): Omit<Count, "wide"> {
  const text = withoutCode(markdown)
    .replace(/^ {4}.*$/gm, "")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(QUOTED, "");
  return { words: text.match(WORD)?.length ?? 0, weak: text.match(HEADLESS)?.length ?? 0 };
}

/** The fault of a document; undefined if it has none. */
export function weakDocument(path: string, markdown: string, most = MOST_IN_DOCUMENT): string | undefined {
  const count = countDocument(markdown);
  const weak = per1000(count);
  if (count.weak <= 1 || weak <= most) return undefined;
  return `${path}: ${weak} of "who" and "what" per 1,000 words, at most ${most}: name the actor`;
}

function checkDocuments(): boolean {
  const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "*.md"], { encoding: "utf8" });
  const paths = listed.stdout.split("\n").filter((path) => existsSync(path) && path !== "" && !GENERATED.has(path));
  const faults = paths.flatMap((path) => {
    const fault = weakDocument(path, readFileSync(path, "utf8"), MOST_BY_DOCUMENT[path]);
    return fault === undefined ? [] : [fault];
  });
  for (const fault of faults) console.error(fault);
  return faults.length === 0;
}

/** Fails when a count has risen or a line is too wide; prints counts that can be lowered. */
export function checkProse(): boolean {
  const documents = checkDocuments();
  return checkComments() && documents;
}

function checkComments(): boolean {
  const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "*.ts", "*.proto"], { encoding: "utf8" });
  const files = listed.stdout.split("\n").filter((path) => path.includes("/") && existsSync(path));
  let passed = true;
  for (const [folder, most] of Object.entries(MOST)) {
    const count: Count = { words: 0, weak: 0, wide: 0 };
    for (const path of files) {
      if (!path.startsWith(`${folder}/`) || path.startsWith("gen/es/gen/")) continue;
      const before = count.wide;
      addComments(count, readFileSync(path, "utf8"));
      if (count.wide > before) console.error(`${path}: ${count.wide - before} comment lines over ${WIDTH} characters`);
    }
    const weak = per1000(count);
    const found = `${folder}: ${weak} of "who" and "what" per 1,000 words of comments`;
    if (weak > most) console.error(`${found}, at most ${most}: name the actor`);
    else if (weak < most) console.log(`${found}: lower ${most} in scripts/prose.ts`);
    passed &&= weak <= most && count.wide === 0;
  }
  return passed;
}
