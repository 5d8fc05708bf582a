/** Subjects of commits: at most 72 characters, in the form of conventional commits. */
import { spawnSync } from "node:child_process";

const MOST = 72;
/** Commits before this moment keep their subjects. */
const SINCE = "2026-11-29T03:07:00Z";
const FORM = /^(?:feat|fix|docs|test|refactor|perf|build|ci|chore|style|revert)(?:\([\w, -]+\))?!?: \S/;

/** The fault of a subject; undefined if there is none. */
export function wrongSubject(subject: string): string | undefined {
  if (subject.length > MOST) return `has ${subject.length} characters, expected at most ${MOST}`;
  if (!FORM.test(subject)) return 'has no type, expected one as in "fix(server): ..."';
  return undefined;
}

/**
 * Checks new commits.
 *
 * @param base a revision: checks the commits after it. Default: the commits since the rule exists
 */
export function checkSubjects(base = process.env.COMMITS_SINCE): boolean {
  const range = base === undefined ? [`--since=${SINCE}`] : [`${base}..HEAD`];
  const { status, stdout, stderr } = spawnSync("git", ["log", "--no-merges", "--format=%h %s", ...range], {
    encoding: "utf8",
  });
  if (status !== 0) {
    console.error(`the commits cannot be listed: ${stderr.trim()}`);
    return false;
  }
  const problems = stdout.split("\n").flatMap((line) => {
    const [, hash = "", subject = ""] = /^(\S+) (.*)$/.exec(line) ?? [];
    const wrong = hash === "" ? undefined : wrongSubject(subject);
    return wrong === undefined ? [] : [`commit ${hash} "${subject}" ${wrong}`];
  });
  for (const problem of problems) console.error(problem);
  return problems.length === 0;
}
