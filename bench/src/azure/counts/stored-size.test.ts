import { describe, expect, it } from "vitest";
import { entityBytes, StoredSize } from "./stored-size.ts";

describe("entityBytes", () => {
  it("follows Azure's formula", () => {
    const entity = { PartitionKey: "ab", RowKey: "c", d0: "AAEC", "d0@odata.type": "Edm.Binary" };
    expect(entityBytes(entity)).toBe(4 + 2 * 3 + (8 + 4 + 4 + 3));
    expect(entityBytes({ PartitionKey: "ab", RowKey: "c", v: "xyz", x: true })).toBe(
      4 + 6 + (8 + 2 + 4 + 6) + (8 + 2 + 1),
    );
  });
});

describe("StoredSize", () => {
  const accepted = { method: "POST", path: "/account/$batch", status: 202 };
  const done = Buffer.from("HTTP/1.1 204 No Content\r\n");
  const put = (key: string, value: string) =>
    `PUT http://h/t(RowKey='${key}') HTTP/1.1\r\n\r\n{"PartitionKey":"p","RowKey":"${key}","v":"${value}"}`;
  const write = (size: StoredSize, ...operations: string[]) =>
    size.observe({ ...accepted, requestBody: Buffer.from(operations.join("\r\n")), responseBody: done });
  const bytesOf = (value: string) => entityBytes({ PartitionKey: "p", RowKey: "k", v: value });

  it("counts a rewritten row once, at its latest size", () => {
    const size = new StoredSize();
    write(size, put("a", "1"), put("b", "1"));
    write(size, put("a", "123"));
    expect([size.entities, size.bytes]).toEqual([2, bytesOf("123") + bytesOf("1")]);
  });

  it("forgets a deleted row", () => {
    const size = new StoredSize();
    write(size, put("一", "1"), put("b", "1"));
    write(size, "DELETE http://h/t(PartitionKey='p',RowKey='%E4%B8%80') HTTP/1.1");
    expect([size.entities, size.bytes]).toEqual([1, bytesOf("1")]);
  });

  it("does not count a refused transaction", () => {
    const size = new StoredSize();
    const refused = Buffer.from("HTTP/1.1 412 Precondition Failed\r\n");
    size.observe({ ...accepted, requestBody: Buffer.from(put("a", "1")), responseBody: refused });
    expect(size.entities).toBe(0);
  });
});
