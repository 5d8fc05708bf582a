import { ErrorReason } from "@streamkit/protocol";
import { ServerError } from "../../errors.ts";
import type { Draft } from "./draft.ts";
import type { Mutation, Outcome, SessionOrder } from "./group-commit.ts";

/**
 * Evaluates a group in order of arrival. A refused mutation leaves the draft unchanged.
 *
 * @param failures errors of mutations that could not be prepared, by index
 */
export function evaluate(
  mutations: readonly Mutation<unknown>[],
  draft: Draft,
  failures: readonly (ServerError | undefined)[],
): Outcome[] {
  const failed = new Set<SessionOrder>();
  return mutations.map((mutation, index) => {
    const { session } = mutation;
    if (session !== undefined && (session.failed || failed.has(session))) {
      const message = "an earlier request of this Produce session failed; this one was not applied";
      return { error: new ServerError(ErrorReason.SESSION_ABORTED, message) };
    }
    const failure = failures[index];
    if (failure !== undefined) {
      if (session !== undefined) failed.add(session);
      return { error: failure };
    }
    try {
      return { value: mutation.apply(draft) };
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      if (session !== undefined) failed.add(session);
      return { error };
    }
  });
}
