import { ErrorReason } from "@streamkit/protocol";
import { expect, test } from "vitest";
import * as server from "./index.ts";
import * as storage from "./storage.ts";

test("the error of the server does not have the name of the one of the client", () => {
  const thrown = new storage.ServerError(ErrorReason.DISK_FULL, "full");
  expect(thrown.name).toBe("ServerError");
  expect(server.ServerError).toBe(storage.ServerError);
  expect(Object.keys({ ...server, ...storage })).not.toContain("StreamkitError");
  for (const kind of [new storage.StoreDeletedError(), new storage.StoreClosedError(), storage.dataLoss("gone")]) {
    expect(kind).toBeInstanceOf(storage.ServerError);
  }
});
