import { describe, expect, it } from "vitest";
import { entitiesIn, kindOf, operationsOf, outcomeOf } from "./table-request.ts";

const table = "/devstoreaccount1/streamkit6f9619ff8b864d01b42d00cf4fc964ff";

describe("kindOf", () => {
  it.each([
    ["POST", "/devstoreaccount1/$batch", "transaction"],
    ["GET", `${table}(PartitionKey='s',RowKey='%E4%B8%81')`, "pointRead"],
    ["GET", `${table}(PartitionKey='s',RowKey='r')?$select=RowKey,g`, "pointRead"],
    ["GET", `${table}()?$top=16&$filter=PartitionKey%20eq%20's'`, "query"],
    ["GET", "/devstoreaccount1/Tables?$filter=TableName%20ge%20'streamkit'", "other"],
    ["POST", "/devstoreaccount1/Tables", "other"],
    ["DELETE", "/devstoreaccount1/Tables('streamkit6f')", "other"],
  ] as const)("of %s %s is %s", (method, path, kind) => {
    expect(kindOf(method, path)).toBe(kind);
  });
});

const transaction = (...operations: string[]) =>
  ["--batch_1", "Content-Type: multipart/mixed", "", ...operations, "--batch_1--", ""].join("\r\n");
const answer = (...statuses: number[]) =>
  [
    "--batchresponse_1",
    ...statuses.flatMap((status) => ["", `HTTP/1.1 ${status} Said`, "DataServiceVersion: 3.0;"]),
  ].join("\r\n");

describe("operationsOf", () => {
  it("distinguishes writes from deletes", () => {
    const body = transaction(
      `POST http://127.0.0.1:1/t HTTP/1.1`,
      `PUT http://127.0.0.1:1/t(PartitionKey='s',RowKey='1') HTTP/1.1`,
      `MERGE http://127.0.0.1:1/t(PartitionKey='s',RowKey='2') HTTP/1.1`,
      `DELETE http://127.0.0.1:1/t(PartitionKey='s',RowKey='3') HTTP/1.1`,
    );
    expect(operationsOf(body)).toEqual({ writes: 3, deletes: 1 });
  });

  it("does not mistake a value for an operation", () => {
    const body = transaction("PUT http://127.0.0.1:1/t(RowKey='1') HTTP/1.1", "", '{"d0":"DELETE http PUT http"}');
    expect(operationsOf(body)).toEqual({ writes: 1, deletes: 0 });
  });
});

describe("outcomeOf", () => {
  it.each([
    [202, answer(204, 204), "committed"],
    [202, answer(412), "conflict"],
    [202, answer(409), "conflict"],
    [202, answer(404), "conflict"],
    [202, answer(503), "failed"],
    [202, "", "failed"],
    [412, "", "conflict"],
    [503, "", "failed"],
  ] as const)("of %d %j is %s", (status, body, outcome) => {
    expect(outcomeOf(status, body)).toBe(outcome);
  });
});

describe("entitiesIn", () => {
  it("counts the entities that a read returned", () => {
    expect(entitiesIn("query", 200, '{"value":[{},{},{}]}')).toBe(3);
    expect(entitiesIn("query", 200, '{"value":[]}')).toBe(0);
    expect(entitiesIn("pointRead", 200, "{}")).toBe(1);
    expect(entitiesIn("pointRead", 404, "{}")).toBe(0);
    expect(entitiesIn("other", 200, '{"value":[{}]}')).toBe(0);
  });
});
