import { create } from "@bufbuild/protobuf";
import type {
  CommitCursorRequest,
  CommitCursorResponse,
  ListCursorsRequest,
  ListCursorsResponse,
} from "@streamkit/protocol";
import { DeleteCursorResponseSchema } from "@streamkit/protocol";
import { type CursorRecord, CursorRecordSchema } from "@streamkit/protocol/storage";
import type { PartitionStore, Row } from "@streamkit/server";
import { changedStorage } from "../../../server/src/storage/changed-storage.ts";
import { changed, seeing } from "../lab/bent-rows.ts";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

const CURSORS = "cursors";

function bend(name: string, wrong: string, bends: Bends): Deviation {
  return { name, wrong, where: "cursor", transport: (next) => bentTransport(next, bends) };
}

function bendStore(name: string, wrong: string, change: (store: PartitionStore) => Partial<PartitionStore>): Deviation {
  return { name, wrong, where: "cursor", storage: () => (next) => changedStorage(next, change) };
}

/** A server that misreads its cursor rows. */
function misreading(name: string, wrong: string, change: (record: CursorRecord) => void): Deviation {
  const misread = (partition: string, row: Row): Row =>
    partition === CURSORS ? changed(row, CursorRecordSchema, change) : row;
  return bendStore(name, wrong, (store) => seeing(store, misread));
}

function bendCommit(name: string, wrong: string, change: (request: CommitCursorRequest) => void): Deviation {
  return bend(name, wrong, {
    request(rpc, message) {
      if (rpc === "CommitCursor") change(message as CommitCursorRequest);
    },
  });
}

function bendList(
  name: string,
  wrong: string,
  change: (response: ListCursorsResponse, request: ListCursorsRequest) => void,
): Deviation {
  return bend(name, wrong, {
    response(rpc, message, request) {
      if (rpc === "ListCursors") change(message as ListCursorsResponse, request as ListCursorsRequest);
    },
  });
}

/** Remembers its last answers and never commits a smaller offset. */
function neverBack(): Bends {
  const known = new Map<string, Readonly<Record<string, bigint>>>();
  const nameOf = ({ storeId, name }: CommitCursorRequest): string => `${storeId}/${name}`;
  return {
    request(rpc, message) {
      if (rpc !== "CommitCursor") return;
      const { offsets } = message as CommitCursorRequest;
      const before = known.get(nameOf(message as CommitCursorRequest)) ?? {};
      for (const [space, offset] of Object.entries(before)) {
        if ((offsets[space] ?? offset) < offset) offsets[space] = offset;
      }
    },
    response(rpc, message, request) {
      const { cursor } = message as CommitCursorResponse;
      if (rpc === "CommitCursor" && cursor !== undefined) {
        known.set(nameOf(request as CommitCursorRequest), cursor.offsets);
      }
    },
  };
}

/** Servers with faults in their cursors. */
export const CURSOR_DEVIATIONS: readonly Deviation[] = [
  bendCommit("ignored-cursor-version", "ignores expected_version", (request) => {
    delete request.expectedVersion;
  }),
  bendCommit("ignored-version-zero", "treats expected_version 0 as none", (request) => {
    if (request.expectedVersion === 0n) delete request.expectedVersion;
  }),
  bendCommit("version-not-later", "applies a commit that expects any later version", (request) => {
    if ((request.expectedVersion ?? 0n) > 2n) delete request.expectedVersion;
  }),
  {
    // A single instance gives out turns at a cursor, regardless of the storage.
    ...bendStore("lost-cursor-update", "writes cursors without checking for commits of another instance", (store) => ({
      commit: (partition, batch) =>
        store.commit(partition, partition === CURSORS ? { ...batch, conditions: [] } : batch),
    })),
    where: "instances",
  },
  misreading("replaced-offsets", "forgets the offsets of spaces that a commit does not name", (record) => {
    const [last] = Object.entries(record.offsets).slice(-1);
    record.offsets = last === undefined ? {} : { [last[0]]: last[1] };
  }),
  misreading("stuck-version", "never counts beyond version 2", (record) => {
    if (record.version > 1n) record.version = 1n;
  }),
  misreading("version-from-the-start", "counts from 1 again after a deletion", (record) => {
    if (record.deleted) record.version = 0n;
  }),
  misreading("undead-cursors", "shows deleted cursors", (record) => {
    record.deleted = false;
  }),
  bend("idle-cursor-delete", "acknowledges a deletion and keeps the cursor", {
    around: async (rpc, _, send) => (rpc === "DeleteCursor" ? create(DeleteCursorResponseSchema) : send()),
  }),
  bend("offsets-only-grow", "keeps an offset that is larger than the committed one", neverBack()),
  bendCommit("rounded-offsets", "keeps offsets as floating-point numbers", ({ offsets }) => {
    for (const [space, offset] of Object.entries(offsets)) {
      offsets[space] = BigInt(Math.min(Number(offset), 2 ** 63));
    }
  }),
  bendCommit("cut-commit", "applies only the first 64 spaces of a commit", (request) => {
    request.offsets = Object.fromEntries(Object.entries(request.offsets).slice(0, 64));
  }),
  bendCommit("folded-cursors", "treats names of cursors without regard to case", (request) => {
    request.name = request.name.toLowerCase();
  }),
  bend("timeless-cursors", "omits the time of a cursor's last commit", {
    response(rpc, message) {
      const cursor = rpc === "CommitCursor" ? (message as CommitCursorResponse).cursor : undefined;
      if (cursor !== undefined) delete cursor.updateTime;
    },
  }),
  bend("ignored-cursor-prefix", "ignores the prefix of a list of cursors", {
    request(rpc, message) {
      if (rpc === "ListCursors") (message as ListCursorsRequest).prefix = "";
    },
  }),
  bendList("reversed-cursors", "lists cursors backwards", ({ cursors }) => void cursors.reverse()),
  bendList("lost-cursor-on-page", "loses the first cursor of every later page", ({ cursors }, { pageToken }) => {
    if (pageToken !== "") cursors.shift();
  }),
  bendList("bare-cursors", "lists cursors without their offsets", ({ cursors }) => {
    for (const cursor of cursors) cursor.offsets = {};
  }),
];
