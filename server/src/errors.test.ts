import { ErrorReason } from "@streamkit/protocol";
import { expect, test } from "vitest";
import * as server from "./index.ts";
import * as storage from "./storage.ts";

test("the errors of the server and the client have different names", () => {
  const thrown = new storage.ServerError(ErrorReason.DISK_FULL, "full");
  expect(thrown.name).toBe("ServerError");
  expect(server.ServerError).toBe(storage.ServerError);
  expect(Object.keys({ ...server, ...storage })).not.toContain("StreamkitError");
  for (const kind of [new storage.StoreDeletedError(), new storage.StoreClosedError(), storage.dataLoss("gone")]) {
    expect(kind).toBeInstanceOf(storage.ServerError);
  }
});
