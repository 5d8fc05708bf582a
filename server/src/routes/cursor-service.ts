import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { type CursorSchema, type CursorService, LIMITS } from "@streamkit/protocol";
import type { Cursor } from "../engine/coordination/cursors.ts";
import { checkName, checkPrefix, checkUuid } from "../engine/names.ts";
import { invalidField } from "../errors.ts";
import { bytesOfTexts, Paging } from "./list-page.ts";
import type { Stores } from "./stores.ts";
import { timestampFromMicros } from "./times.ts";

/** CursorService. */
export function cursorRoutes(stores: Stores): ServiceImpl<typeof CursorService> {
  return {
    async getCursor(request) {
      const name = checkName(request.name, "name");
      return { cursor: toMessage(await stores.call(request.storeId, (node) => node.cursors.get(name))) };
    },

    async commitCursor(request) {
      const name = checkName(request.name, "name");
      const { offsets, expectedVersion } = request;
      const spaces = Object.keys(offsets);
      if (spaces.length === 0 || spaces.length > LIMITS.maxConsumeSpaces) {
        throw invalidField("offsets", `has ${spaces.length} spaces; expected 1 to ${LIMITS.maxConsumeSpaces}`);
      }
      for (const space of spaces) checkName(space, "offsets");
      const cursor = await stores.call(request.storeId, (node) =>
        node.write(() => node.cursors.commit(name, offsets, expectedVersion)),
      );
      return { cursor: toMessage(cursor) };
    },

    async listCursors(request) {
      const prefix = checkPrefix(request.prefix, "prefix");
      const paging = new Paging(request, "cursors", checkUuid(request.storeId, "store_id"), prefix);
      const { items, nextPageToken } = await stores.call(request.storeId, (node) =>
        paging.take(node.cursors.list(prefix, paging.after), ({ name, offsets }) =>
          bytesOfTexts(name, ...Object.keys(offsets)),
        ),
      );
      return { cursors: items.map(toMessage), nextPageToken };
    },

    async deleteCursor(request) {
      const name = checkName(request.name, "name");
      await stores.call(request.storeId, (node) => node.write(() => node.cursors.delete(name)));
      return {};
    },
  };
}

function toMessage({ name, offsets, version, updateTime }: Cursor): MessageInitShape<typeof CursorSchema> {
  return { name, offsets: { ...offsets }, version, updateTime: timestampFromMicros(updateTime) };
}
