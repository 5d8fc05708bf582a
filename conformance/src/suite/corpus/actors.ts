import type { Case } from "@streamkit/protocol/conformance";

/** The actor of steps that name none. It may do everything. */
export const MAIN = "main";

/** @throws Error if a case gives credentials to its main actor, or needs no server that checks them */
export function checkCredentials({ credentials, needs, steps }: Case): void {
  const actors = Object.keys(credentials);
  if (actors.length === 0) return;
  if (!needs.includes("raw") || !needs.includes("auth"))
    throw new Error("the case has credentials, so it must need raw and auth");
  if (actors.includes(MAIN)) throw new Error(`the actor ${MAIN} has credentials; it may always do everything`);
  const idle = actors.find((actor) => !steps.some((step) => step.actor === actor));
  if (idle !== undefined) throw new Error(`the actor ${idle} has credentials, and no step`);
}
