import { payloads } from "../../tools/payloads.ts";
import type { Emulator } from "./emulator.ts";
import { operationsOf } from "./table-request.ts";

/** Rows of the largest commit of appends of one record to one segment each. */
export interface FullCommit {
  readonly expecting: boolean;
  readonly rows: number;
}

/** More appends than fit into two commits. */
const APPENDS = 120;

/** Submits more appends at once than one commit can hold. */
export async function measureFullCommit(emulator: Emulator, expecting: boolean): Promise<FullCommit> {
  let rows = 0;
  const instance = await emulator.open({}, ({ path, requestBody }) => {
    if (path.includes("/$batch")) rows = Math.max(rows, operationsOf(requestBody.toString()).writes);
  });
  const store = `6f9619ff-8b86-4d01-b42d-c${String(expecting ? 1 : 0).padStart(11, "0")}`;
  const space = instance.client.store(store).space("bench");
  await space.segment("first").append(payloads(1));
  const options = expecting ? { expectedLastSequence: 0 } : {};
  await Promise.all(
    Array.from({ length: APPENDS }, (_, index) => space.segment(`s${index}`).append(payloads(1), options)),
  );
  return { expecting, rows };
}
