import type { CursorCommit, CursorRead, CursorState } from "../event.ts";
import type { CursorHistory, Violation } from "../key-history.ts";

export type AckedCommit = CursorCommit & { readonly outcome: { readonly is: "acked" } & CursorState };

/**
 * CUR-002, CUR-007, CUR-018: each commit has its own version, the one after its expected version. Later commits have
 * larger versions.
 */
export function* checkVersions({ acked }: CursorHistory): Generator<Violation> {
  const versions = new Map<number, AckedCommit>();
  for (const commit of acked) {
    const { version } = commit.outcome;
    if (commit.expected !== undefined && version !== commit.expected + 1) {
      yield { clause: "CUR-007", what: `a commit on version ${commit.expected} made version ${version}` };
    }
    const other = versions.get(version);
    if (other !== undefined) {
      yield {
        clause: "CUR-018",
        what: `version ${version} belongs to both offset ${other.offset} and offset ${commit.offset}`,
      };
    }
    versions.set(version, commit);
    for (const before of acked) {
      if (before.end < commit.start && before.outcome.version >= version) {
        yield { clause: "CUR-002", what: `version ${version} was made after ${before.outcome.version}` };
      }
    }
  }
}

/** CUR-008: a commit is refused only if the cursor may have had another version. */
export function* checkConflicts({ commits, acked }: CursorHistory): Generator<Violation> {
  for (const refused of commits) {
    if (refused.outcome.is !== "conflict") continue;
    const expected = refused.expected ?? 0;
    const wasThere =
      expected === 0 || acked.some(({ outcome, end }) => outcome.version === expected && end < refused.start);
    const explained = commits.some(
      ({ outcome, start }) =>
        start < refused.end && (outcome.is === "unknown" || (outcome.is === "acked" && outcome.version > expected)),
    );
    if (wasThere && !explained) {
      yield {
        clause: "CUR-008",
        what: `a commit on version ${expected} was refused although no commit had made a later one`,
      };
    }
  }
}

/** CUR-003, CUR-005, CUR-017, CUR-022: a committed offset is visible in its version and in all later ones. */
export function* checkStates({ commits, acked, reads }: CursorHistory): Generator<Violation> {
  const seen = [...reads, ...acked.map(asRead)];
  for (const { found, start, end } of seen) {
    const version = found?.version ?? 0;
    const before = acked.filter((commit) => commit.end < start);
    const least = Math.max(0, ...before.map(({ outcome }) => outcome.version));
    if (version < least) yield { clause: "CUR-022", what: `version ${version} was seen after ${least} was made` };
    const begun = commits.filter((commit) => commit.start < end && commit.outcome.is !== "conflict");
    if (version > begun.length) {
      yield { clause: "CUR-002", what: `version ${version} was seen when ${begun.length} commits had begun` };
    }
    // Each commit counts once: a state includes the acknowledged commits, and unanswered ones that may have happened.
    if (found === undefined) continue;
    for (const space of new Set(commits.map((commit) => commit.space))) {
      const offset = found.offsets[space];
      const last = acked
        .filter((commit) => commit.space === space && commit.outcome.version <= version)
        .reduce<AckedCommit | undefined>(
          (a, b) => (a !== undefined && a.outcome.version > b.outcome.version ? a : b),
          undefined,
        );
      if (offset === last?.offset) continue;
      const maybe = commits.some((commit) => commit.offset === offset && commit.outcome.is === "unknown");
      if (!maybe) {
        const what = `version ${version} has offset ${offset} of ${space}, but ${last?.offset} was committed last`;
        yield { clause: "CUR-005", what };
      }
    }
  }
}

/** CUR-017: at the end, the version has counted every commit. */
export function* checkCounted({ commits, acked, reads }: CursorHistory): Generator<Violation> {
  const last = reads.at(-1);
  if (last === undefined) return;
  const version = last.found?.version ?? 0;
  const unknown = commits.filter(({ outcome }) => outcome.is === "unknown").length;
  if (version < acked.length || version > acked.length + unknown) {
    const what = `${acked.length} commits were acknowledged and ${unknown} not answered; the last version is ${version}`;
    yield { clause: "CUR-017", what };
  }
}

/** Treats an acknowledgement as a read, because it shows the cursor too. */
function asRead({ outcome, ...commit }: AckedCommit): CursorRead {
  const { version, offsets } = outcome;
  const { name, start, end, instance } = commit;
  return { kind: "cursor", name, start, end, instance, found: { version, offsets } };
}
