import { execFileSync } from "node:child_process";
import { jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { inLanes, measureLatency, measureRate } from "../tools/measure.ts";
import { payloadAt } from "../tools/payloads.ts";
import { startProcess, stopProcess, waitForOutput } from "../tools/processes.ts";
import { ReadCheck } from "../tools/read-check.ts";
import type { Peer, Server, ServerPlace, Session, StreamJob } from "./peer.ts";

const IN_FLIGHT = 1_000;

export const peer: Peer = {
  note: "JetStream, file storage, not fsynced per ack (this version fsyncs on a timer and cannot be told otherwise): favours JetStream.",

  version() {
    return execFileSync("nats-server", ["--version"], { encoding: "utf8" }).match(/v(\d\S+)/)![1];
  },

  async startServer({ dataFolder }: ServerPlace): Promise<Server> {
    const child = startProcess("nats-server", ["--addr", "127.0.0.1", "--port", "-1", "-js", "-sd", dataFolder]);
    const [, port] = await waitForOutput(child, /client connections on 127\.0\.0\.1:(\d+)[\s\S]*Server is ready/);
    return { address: port!, stop: () => stopProcess(child) };
  },

  async connect(address: string): Promise<Session> {
    const connection = await connect({ servers: `127.0.0.1:${address}` });
    const manager = await jetstreamManager(connection);
    const client = jetstream(connection);
    const create = (stream: string) =>
      manager.streams.add({ name: stream, subjects: [stream], storage: StorageType.File, num_replicas: 1 });

    return {
      async produce({ stream, records }: StreamJob) {
        await create(stream);
        return measureRate(records, async () => {
          await inLanes(records, IN_FLIGHT, async (index) => {
            await client.publish(stream, payloadAt(index));
          });
          const { state } = await manager.streams.info(stream);
          if (state.messages !== records) throw new Error(`stream has ${state.messages} messages, expected ${records}`);
        });
      },

      consume: ({ stream, records }: StreamJob) =>
        measureRate(records, async () => {
          const check = new ReadCheck();
          const consumer = await client.consumers.get(stream); // no name: an ordered consumer
          const messages = await consumer.consume({ max_messages: 10_000 });
          for await (const message of messages) {
            check.see(message.data);
            if (check.entries === records) break;
          }
          messages.stop();
          check.expect(records);
        }),

      async append({ stream, records }: StreamJob) {
        await create(stream);
        return measureLatency(records, (index) => client.publish(stream, payloadAt(index)));
      },

      async forget({ stream }) {
        await manager.streams.delete(stream);
        return {};
      },

      async close() {
        await connection.close();
      },
    };
  },
};
