import type { Cell, KnownFailure } from "@streamkit/protocol/conformance";

/** Returns the first entry of the list that applies to a case in a cell. */
export function findKnownFailure(
  list: readonly KnownFailure[],
  caseId: string,
  { backend, transport, wrapper, client }: Cell,
): KnownFailure | undefined {
  const fits = (wanted: string, found: string): boolean => wanted === "" || wanted === found;
  return list.find(
    (known) =>
      fits(known.caseId, caseId) &&
      fits(known.backend, backend) &&
      fits(known.transport, transport) &&
      fits(known.wrapper, wrapper) &&
      fits(known.client, client),
  );
}
