/** Imports every entry point of every package, and tries the features whose packages are not installed. */
import assert from "node:assert/strict";
import * as client from "@streamkit/client";
import * as clientNode from "@streamkit/client/node";
import * as clientWeb from "@streamkit/client/web";
import * as clientWebSocket from "@streamkit/client/websocket";
import * as conformance from "@streamkit/conformance";
import * as protocol from "@streamkit/protocol";
import * as protocolConformance from "@streamkit/protocol/conformance";
import * as protocolExport from "@streamkit/protocol/export";
import * as protocolHealth from "@streamkit/protocol/health";
import * as protocolNotification from "@streamkit/protocol/notification";
import * as protocolReflection from "@streamkit/protocol/reflection";
import * as protocolStorage from "@streamkit/protocol/storage";
import * as protocolWire from "@streamkit/protocol/wire";
import * as server from "@streamkit/server";
import * as azure from "@streamkit/server/azure";
import * as contract from "@streamkit/server/contract";
import * as nats from "@streamkit/server/nats";
import * as redis from "@streamkit/server/redis";
import * as storage from "@streamkit/server/storage";

const entries = {
  client,
  clientNode,
  clientWeb,
  clientWebSocket,
  conformance,
  protocol,
  protocolConformance,
  protocolExport,
  protocolHealth,
  protocolNotification,
  protocolReflection,
  protocolStorage,
  protocolWire,
  server,
  azure,
  contract,
  nats,
  redis,
  storage,
};
for (const [name, entry] of Object.entries(entries)) assert.ok(Object.keys(entry).length > 0, name);

const connectionString = "UseDevelopmentStorage=true";
assert.throws(
  () => azure.azureStorage({ connectionString }),
  /storage in Azure Tables needs .*: npm install @azure\/data-tables$/,
);
await assert.rejects(azure.defaultAzureCredential(), /npm install @azure\/identity$/);
assert.throws(() => redis.redisBus("redis://127.0.0.1"), /a bus over Redis needs .*: npm install ioredis$/);
assert.throws(
  () => nats.natsBus("nats://127.0.0.1"),
  /a bus over NATS needs .*: npm install @nats-io\/transport-node$/,
);

assert.ok(import.meta.resolve("@streamkit/protocol/proto/streamkit/v1/stream_service.proto").startsWith("file:"));
console.log(`${Object.keys(entries).length} entries`);
