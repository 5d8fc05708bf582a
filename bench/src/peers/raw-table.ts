import { createHash, createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { connectionStringTo, startAzurite } from "../../../server/src/storage/azure/test/azurite.ts";
import { measureLoops } from "../tools/measure.ts";
import { quantilesOf, toSample } from "../tools/quantiles.ts";
import type { Peer, Server, Session, TransactionsJob } from "./peer.ts";

/** The share of rows in each transaction that are rewritten, as heads are. The others are new. */
const REWRITTEN = 1 / 3;
/** Rows of a range that is read. */
const RANGE_ROWS = 16;

export const peer: Peer = {
  note:
    "Raw limit: Azurite itself, over node:http. Transactions of as many rows and bytes as Streamkit's, on condition of one row, " +
    "one after the other in each partition; no SDK, no engine, no server.",

  version() {
    return "";
  },

  async startServer(): Promise<Server> {
    const azurite = await startAzurite();
    return { address: connectionStringTo(azurite.port), stop: () => azurite.stop() };
  },

  async connect(address: string): Promise<Session> {
    const account = new Account(address);
    return {
      async transact({ stream, prefix, inFlight, operations, bytes, period }: TransactionsJob) {
        const table = tableOf(stream);
        await account.createTable(table);
        const partitions = Array.from(
          { length: inFlight },
          (_, lane) => new Partition(account, table, `${prefix}-${lane}`, operations, bytes),
        );
        const { count, durations } = await measureLoops(inFlight, period, (lane) => partitions[lane].write());
        return { count, ...toSample("transaction", quantilesOf(durations)) };
      },

      async readRows({ stream, prefix, reads }) {
        const entities = `${account.path}/${tableOf(stream)}`;
        const partition = `${prefix}-0`;
        const filter = `PartitionKey eq '${partition}' and RowKey ge 'b' and RowKey lt 'c'`;
        const range = `${entities}()?$top=${RANGE_ROWS}&$filter=${encodeURIComponent(filter)}`;
        const point = `${entities}(PartitionKey='${partition}',RowKey='${HEAD}')`;
        const latenciesOf = async (path: string) => {
          const durations = new Float64Array(reads);
          for (let index = 0; index < reads; index++) {
            const start = performance.now();
            await account.send("GET", path);
            durations[index] = performance.now() - start;
          }
          return quantilesOf(durations.sort());
        };
        return {
          ...toSample("pointRead", await latenciesOf(point)),
          ...toSample("query", await latenciesOf(range)),
        };
      },

      async forget({ stream }) {
        await account.send("DELETE", `${account.path}/Tables('${tableOf(stream)}')`);
        return {};
      },

      async close() {
        account.close();
      },
    };
  },
};

const HEAD = "a";

function tableOf(stream: string): string {
  return `raw${createHash("sha256").update(stream).digest("hex").slice(0, 32)}`;
}

/** An account of a table service, with signed requests. */
class Account {
  readonly url: string;
  /** Prefix of the paths of requests. */
  readonly path: string;
  readonly #name: string;
  readonly #key: Buffer;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(connectionString: string) {
    const setting = (name: string) => new RegExp(`${name}=([^;]*)`).exec(connectionString)![1];
    this.url = setting("TableEndpoint");
    this.path = new URL(this.url).pathname;
    this.#name = setting("AccountName");
    this.#key = Buffer.from(setting("AccountKey"), "base64");
  }

  async createTable(table: string): Promise<void> {
    // Another client of the run may have made the table already.
    await this.send("POST", `${this.path}/Tables`, "application/json", JSON.stringify({ TableName: table }), [409]);
  }

  /** Sends a request. Fails for any answer that is neither a success nor expected. */
  async send(method: string, path: string, contentType?: string, body?: string, expected: readonly number[] = []) {
    const { hostname, port } = new URL(this.url);
    const date = new Date().toUTCString();
    const resource = `/${this.#name}${path.split("?")[0]}`;
    const signature = createHmac("sha256", this.#key).update(`${date}\n${resource}`).digest("base64");
    const outgoing = httpRequest({
      ...{ host: hostname, port, method, path, agent: this.#agent },
      headers: {
        authorization: `SharedKeyLite ${this.#name}:${signature}`,
        "x-ms-date": date,
        "x-ms-version": "2019-02-02",
        accept: "application/json;odata=minimalmetadata",
        dataserviceversion: "3.0",
        ...(contentType === undefined ? {} : { "content-type": contentType }),
        ...(body === undefined ? {} : { "content-length": Buffer.byteLength(body) }),
      },
    });
    outgoing.end(body);
    const [answer]: IncomingMessage[] = await once(outgoing, "response");
    const answered = await text(answer!);
    const status = answer!.statusCode!;
    if (status >= 300 && !expected.includes(status)) throw new Error(`${method} ${path}: ${status} ${answered}`);
    return answered;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A partition that gets one transaction after the other, as a space does. */
class Partition {
  readonly #account: Account;
  readonly #table: string;
  readonly #name: string;
  readonly #operations: number;
  readonly #value: string;
  #etag: string | undefined;
  #transactions = 0;

  constructor(account: Account, table: string, name: string, operations: number, bytes: number) {
    this.#account = account;
    this.#table = table;
    this.#name = name;
    this.#operations = operations;
    this.#value = "";
    const overhead = Buffer.byteLength(this.#body("batch", "changeset")) / operations;
    this.#value = "A".repeat(Math.max(0, Math.floor((bytes / operations - overhead) / 4)) * 4);
  }

  async write(): Promise<void> {
    const [batch, changeset] = [`batch_${randomUUID()}`, `changeset_${randomUUID()}`];
    const type = `multipart/mixed; boundary=${batch}`;
    const answer = await this.#account.send("POST", `${this.#account.path}/$batch`, type, this.#body(batch, changeset));
    this.#etag = /^ETag: (.*?)\r?$/im.exec(answer)?.[1];
    if (this.#etag === undefined) throw new Error(`a transaction was refused: ${answer}`);
    this.#transactions++;
  }

  #body(batch: string, changeset: string): string {
    const lines = [`--${batch}`, `Content-Type: multipart/mixed; boundary=${changeset}`, ""];
    for (let index = 0; index < this.#operations; index++) {
      const row = this.#rowKey(index);
      lines.push(`--${changeset}`, "Content-Type: application/http", "Content-Transfer-Encoding: binary", "");
      lines.push(
        `PUT ${this.#account.url}/${this.#table}(PartitionKey='${this.#name}',RowKey='${row}') HTTP/1.1`,
        "Content-Type: application/json;odata=nometadata",
        "Accept: application/json;odata=minimalmetadata",
        "DataServiceVersion: 3.0",
        ...(index === 0 && this.#etag !== undefined ? [`If-Match: ${this.#etag}`] : []),
        "",
        JSON.stringify({
          ...{ PartitionKey: this.#name, RowKey: row },
          ...{ d0: this.#value, "d0@odata.type": "Edm.Binary" },
        }),
      );
    }
    return [...lines, `--${changeset}--`, `--${batch}--`, ""].join("\r\n");
  }

  #rowKey(index: number): string {
    if (index === 0) return HEAD;
    if (index < this.#operations * REWRITTEN) return `${HEAD}${index}`;
    return `b${String(this.#transactions).padStart(9, "0")}-${index}`;
  }
}
