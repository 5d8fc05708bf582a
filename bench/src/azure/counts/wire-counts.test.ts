import { describe, expect, it } from "vitest";
import { difference, sum } from "./difference.ts";
import { count, type Exchange, requestsOf, zeroWireCounts } from "./wire-counts.ts";

const body = (...lines: string[]) => Buffer.from(lines.join("\r\n"));
const two = body("PUT http://h/t(RowKey='1') HTTP/1.1", "{}", "DELETE http://h/t(RowKey='2') HTTP/1.1");

const exchange = (changes: Partial<Exchange>): Exchange => ({
  method: "POST",
  path: "/account/$batch",
  requestBody: two,
  status: 202,
  responseBody: body("HTTP/1.1 204 No Content", "", "HTTP/1.1 204 No Content"),
  ...changes,
});

describe("count", () => {
  it("counts the rows of a successful transaction", () => {
    const counts = zeroWireCounts();
    count(counts, exchange({}));
    expect(counts).toMatchObject({ commits: 1, rowsWritten: 1, rowsDeleted: 1, operationsRefused: 0 });
    expect(counts.requestBytes).toBe(two.length);
  });

  it("counts a conflict, but not its rows", () => {
    const counts = zeroWireCounts();
    count(counts, exchange({ responseBody: body("HTTP/1.1 412 Precondition Failed") }));
    expect(counts).toMatchObject({ commits: 0, conflicts: 1, rowsWritten: 0, rowsDeleted: 0, operationsRefused: 2 });
  });

  it("counts answers of a busy service separately", () => {
    const counts = zeroWireCounts();
    count(counts, exchange({ status: 503, responseBody: body("") }));
    expect(counts).toMatchObject({ commits: 0, conflicts: 0, failures: 1 });
  });

  it("counts reads and the entities that they returned", () => {
    const counts = zeroWireCounts();
    const nothing = body("");
    const get = { method: "GET", status: 200, requestBody: nothing };
    count(counts, exchange({ ...get, path: "/account/t()?$top=2", responseBody: body('{"value":[{},{}]}') }));
    count(counts, exchange({ ...get, path: "/account/t(PartitionKey='p',RowKey='r')", responseBody: body("{}") }));
    count(counts, exchange({ ...get, path: "/account/Tables", responseBody: body("{}") }));
    expect(counts).toMatchObject({ queries: 1, pointReads: 1, others: 1, rowsRead: 3 });
    expect(requestsOf(counts)).toBe(3);
  });
});

describe("counts", () => {
  const some = { ...zeroWireCounts(), commits: 5, rowsRead: 7 };
  const more = { ...zeroWireCounts(), commits: 8, rowsRead: 7 };

  it("are subtracted name by name", () => {
    expect(difference(more, some)).toEqual({ ...zeroWireCounts(), commits: 3 });
  });

  it("are added name by name, and stay unchanged", () => {
    expect(sum([some, more])).toEqual({ ...zeroWireCounts(), commits: 13, rowsRead: 14 });
    expect(some.commits).toBe(5);
  });
});
