import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type { CursorSchema, CursorService } from "@streamkit/protocol";
import type { Cursor } from "../engine/coordination/cursors.ts";
import { checkName, checkPrefix, checkUuid } from "../engine/names.ts";
import { checkAll } from "./checks.ts";
import { bytesOfTexts, Paging } from "./list-page.ts";
import { ownerOf } from "./owner.ts";
import { checkSpaces } from "./request-fields.ts";
import type { Stores } from "./stores.ts";
import { timestampFromMicros } from "./times.ts";

/** CursorService. */
export function cursorRoutes(stores: Stores): ServiceImpl<typeof CursorService> {
  return {
    async getCursor(request) {
      const { name } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        name: () => checkName(request.name, "name"),
      });
      return { cursor: toMessage(await stores.call(request.storeId, (store) => store.cursors.get(name))) };
    },

    async commitCursor(request, { values }) {
      const { offsets, expectedVersion } = request;
      const { name } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        name: () => checkName(request.name, "name"),
        offsets: () => checkSpaces(offsets, "offsets"),
      });
      const cursor = await stores.call(request.storeId, (store) =>
        store.write(() => store.cursors.commit(name, offsets, expectedVersion, ownerOf(values, request.storeId))),
      );
      return { cursor: toMessage(cursor) };
    },

    async listCursors(request) {
      const { prefix, paging } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        prefix: () => checkPrefix(request.prefix, "prefix"),
        paging: () => new Paging(request, "cursors", request.storeId.toLowerCase(), request.prefix),
      });
      const { items, nextPageToken } = await stores.call(request.storeId, (store) =>
        paging.take(store.cursors.list(prefix, paging.after, paging.size + 1), ({ name, offsets }) =>
          bytesOfTexts(name, ...Object.keys(offsets)),
        ),
      );
      return { cursors: items.map(toMessage), nextPageToken };
    },

    async deleteCursor(request, { values }) {
      const { name } = checkAll({
        storeId: () => checkUuid(request.storeId, "store_id"),
        name: () => checkName(request.name, "name"),
      });
      const owner = ownerOf(values, request.storeId);
      await stores.call(request.storeId, (store) => store.write(() => store.cursors.delete(name, owner)));
      return {};
    },
  };
}

function toMessage({ name, offsets, version, updateTimeMicros }: Cursor): MessageInitShape<typeof CursorSchema> {
  return { name, offsets: { ...offsets }, version, updateTime: timestampFromMicros(updateTimeMicros) };
}
