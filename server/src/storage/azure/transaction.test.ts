import { ErrorReason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { decodeTransaction, encodeTransaction, type Operation } from "./transaction.ts";

const url = "https://account.table.core.windows.net/t1";
const put = (rowKey: string, bytes = 1): Operation => ({
  kind: "replace",
  rowKey,
  properties: { d0: Buffer.alloc(bytes, 7) },
});

describe("a transaction on the wire", () => {
  it("is a changeset of single operations", () => {
    const { body, contentType } = encodeTransaction(url, "ｐ", [
      { kind: "insert", rowKey: "一", properties: { d0: Uint8Array.of(0, 1, 2).subarray(1) } },
      { kind: "replace", rowKey: "丁", properties: { g: "ab" }, etag: "W/\"datetime'1'\"" },
      { kind: "merge", rowKey: "丂", properties: { x: true }, etag: "W/\"datetime'2'\"" },
      { kind: "delete", rowKey: "七" },
    ]);
    const ids = /batch_[\w-]+|changeset_[\w-]+/g;
    expect(contentType.replace(ids, "B")).toBe("multipart/mixed; boundary=B");
    expect(body.replace(ids, (id) => id.slice(0, 5)).split("\r\n")).toMatchSnapshot();
  });

  it("refuses more operations than Azure accepts, although the emulator accepts them", () => {
    const operations = Array.from({ length: 101 }, (_, index) => put(String(index)));
    encodeTransaction(url, "p", operations.slice(1));
    expect(() => encodeTransaction(url, "p", operations)).toThrow(reason(ErrorReason.INTERNAL));
  });

  it("refuses a body of more than 4 MiB", () => {
    const operations = (bytes: number) => [0, 1, 2].map((index) => put(String(index), bytes));
    const overhead = Buffer.byteLength(encodeTransaction(url, "p", operations(0)).body);
    const room = Math.floor(((4 * 1024 * 1024 - overhead) * 3) / 4 / 3);
    encodeTransaction(url, "p", operations(room - 30));
    expect(() => encodeTransaction(url, "p", operations(room + 30))).toThrow(reason(ErrorReason.INTERNAL));
  });
});

describe("the answer to a transaction", () => {
  const part = (status: string, ...lines: string[]) =>
    ["--changesetresponse_1", "Content-Type: application/http", "", `HTTP/1.1 ${status}`, ...lines, "", ""].join(
      "\r\n",
    );

  it("has an ETag for each write", () => {
    const body = `--batchresponse_1\r\n\r\n${part("204 No Content", "ETag: W/\"datetime'1'\"")}${part("204 No Content")}`;
    expect(decodeTransaction(body, 2)).toEqual({ done: true, etags: ["W/\"datetime'1'\"", undefined] });
  });

  it("names the operation that failed", () => {
    const error =
      '{"odata.error":{"code":"UpdateConditionNotSatisfied","message":{"lang":"en-US","value":"12:The update"}}}';
    expect(decodeTransaction(part("412 Precondition Failed", "", error), 20)).toEqual({
      done: false,
      status: 412,
      code: "UpdateConditionNotSatisfied",
      index: 12,
    });
  });

  it("leaves the outcome open when parts are missing", () => {
    expect(decodeTransaction(part("204 No Content"), 2)).toBeUndefined();
    expect(decodeTransaction("", 1)).toBeUndefined();
  });
});

function reason(expected: ErrorReason): unknown {
  return expect.objectContaining({ reason: expected });
}
