/**
 * Counts "who", "what", "whoever" and "whatever" in comments, where sentences often lack the noun that these words stand for,
 * and comment lines over 120 characters. The numbers below may only fall: lower them with every change that allows it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

/** Characters of a line. */
const WIDTH = 120;

/** By package: most of these words per 1,000 words of comments, and most comment lines over the width. The aim is 4, and 0. */
const MOST: Readonly<Record<string, readonly [per1000: number, wide: number]>> = {
  proto: [9.9, 96],
  "gen/es": [7.2, 0],
  "clients/ts": [19.7, 122],
  server: [18.2, 315],
  conformance: [25.6, 67],
  bench: [23.1, 25],
  examples: [18.7, 20],
  scripts: [18.8, 21],
};

const WORD = /[A-Za-z']+/g;
const WEAK = /\b(?:who|what)(?:ever|m|se)?\b/gi;

/** Counts over the comments of some sources. */
export interface Count {
  words: number;
  weak: number;
  wide: number;
}

/** The comments of a source, line by line. In TypeScript, strings that look like the start of a comment line count too. */
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
export const per1000 = ({ words, weak }: Count): number => Math.round((weak / Math.max(1, words)) * 10_000) / 10;

/** Fails when a number has risen; prints numbers that can be lowered. */
export function checkProse(): boolean {
  const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "*.ts", "*.proto"], { encoding: "utf8" });
  const files = listed.stdout.split("\n").filter((path) => path.includes("/") && existsSync(path));
  let passed = true;
  for (const [folder, [mostWeak, mostWide]] of Object.entries(MOST)) {
    const count: Count = { words: 0, weak: 0, wide: 0 };
    for (const path of files) {
      if (path.startsWith(`${folder}/`) && !path.startsWith("gen/es/gen/"))
        addComments(count, readFileSync(path, "utf8"));
    }
    const weak = per1000(count);
    const found = `${folder}: ${weak} of who and what per 1,000 words of comments, ${count.wide} comment lines over ${WIDTH}`;
    if (weak > mostWeak || count.wide > mostWide) {
      passed = false;
      console.error(`${found}; at most ${mostWeak} and ${mostWide}: name the actor, and break the line`);
    } else if (weak < mostWeak || count.wide < mostWide) {
      console.log(`${found}: lower ${mostWeak} and ${mostWide} in scripts/prose.ts`);
    }
  }
  return passed;
}
