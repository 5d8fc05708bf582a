/** An Express application with its body parser in the wrong place. Prints the answer to a caller. */
import type { AddressInfo } from "node:net";
import { createStreamkit, memoryStorage } from "@streamkit/server";
import express from "express";

const streamkit = createStreamkit({ storage: memoryStorage() });
const app = express().use(express.json()).use(streamkit.handler());
const server = app.listen(0, "127.0.0.1", async () => {
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/streamkit.v1.StoreService/GetServerInfo`;
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: "{}" });
  console.log(response.status, await response.text());
  process.exit();
});
