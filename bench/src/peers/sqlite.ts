import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { measureCommands } from "../tools/commands.ts";
import { payloadAt } from "../tools/payloads.ts";
import { ReadCheck } from "../tools/read-check.ts";
import type { AggregatesJob, CommandsJob, Peer, Server, ServerPlace, Session } from "./peer.ts";

interface Row {
  readonly payload: Uint8Array;
}

export const peer: Peer = {
  note: "SQLite in the client's process through node:sqlite, WAL, synchronous=FULL: a commit means fsynced. No server, no network; calls block the process, so commands run one after the other and never meet.",

  version() {
    using database = new DatabaseSync(":memory:");
    return String(database.prepare("SELECT sqlite_version() AS version").get()?.version);
  },

  async startServer({ dataFolder }: ServerPlace): Promise<Server> {
    return { address: dataFolder, async stop() {} };
  },

  async connect(address: string): Promise<Session> {
    const database = new DatabaseSync(join(address, "events.db"));
    database.exec("PRAGMA journal_mode = WAL");
    database.exec("PRAGMA synchronous = FULL");
    database.exec(
      "CREATE TABLE IF NOT EXISTS events (stream TEXT, sequence INTEGER, payload BLOB, PRIMARY KEY (stream, sequence)) WITHOUT ROWID",
    );
    const insert = database.prepare("INSERT INTO events VALUES (?, ?, ?)");
    const select = database.prepare("SELECT payload FROM events WHERE stream = ? ORDER BY sequence");

    return {
      /** All in one transaction: this is not measured. */
      async fillAggregates({ stream, aggregates, entries }: AggregatesJob) {
        database.exec("BEGIN");
        for (let entry = 0; entry < entries; entry++) {
          for (let i = 0; i < aggregates; i++) insert.run(`${stream}-${i}`, entry + 1, payloadAt(entry));
        }
        database.exec("COMMIT");
        return {};
      },

      /** The primary key is the condition: an event with the same sequence would make the insert fail. */
      runCommands: (job: CommandsJob) =>
        measureCommands(job, (aggregate) => {
          const key = `${job.stream}-${aggregate}`;
          const check = new ReadCheck();
          const rows = select.all(key) as unknown as Row[];
          for (const { payload } of rows) check.see(payload);
          check.expect(rows.length);
          insert.run(key, rows.length + 1, payloadAt(rows.length));
          return rows.length + 1;
        }),

      async close() {
        database.close();
      },
    };
  },
};
