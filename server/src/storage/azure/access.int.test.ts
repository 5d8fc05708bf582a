/** Accounts that cannot be reached or used. Errors must say how to fix the problem, and show no secret. */
import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { AzureNamedKeyCredential, generateAccountSas } from "@azure/data-tables";
import { ErrorReason } from "@streamkit/protocol";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AzureCredentials, type AzureStorageOptions, azureStorage } from "./index.ts";
import { type Azurite, connectionStringTo, startAzurite } from "./test/azurite.ts";

const accountName = "devstoreaccount1";
const wrongKey = Buffer.from("not the key of this account").toString("base64");

let azurite: Azurite | undefined;
let endpoint: string;

beforeAll(async () => {
  azurite = await startAzurite();
  endpoint = `http://127.0.0.1:${azurite.port}/${accountName}`;
});

afterAll(() => azurite?.stop());

async function failureOf(credentials: AzureCredentials, options: AzureStorageOptions = {}) {
  const storage = azureStorage(credentials, options);
  const failures: unknown[] = [];
  for (const attempt of [
    () => storage.open(randomUUID(), { create: true }),
    () => storage.open(randomUUID(), { create: false }),
    () => storage.list({ limit: 10 }),
  ]) {
    failures.push(await attempt().catch((error) => error));
  }
  for (const failure of failures) {
    expect(failure).toMatchObject({ name: "ServerError", reason: ErrorReason.STORAGE_UNAVAILABLE });
  }
  // Everything that a log could show of the failures.
  return { message: (failures[0] as Error).message, everything: inspect(failures, { depth: 20, showHidden: true }) };
}

describe("credentials", () => {
  it("may be a connection string, a key or a shared access signature; the location has none of their secrets", async () => {
    const key = /AccountKey=([^;]*)/.exec(connectionStringTo(azurite!.port))![1];
    const sas = signature(key, new Date(Date.now() + 3_600_000));
    const ways: AzureCredentials[] = [
      { connectionString: connectionStringTo(azurite!.port) },
      { accountName, accountKey: key, endpoint },
      { endpoint, sas },
      { endpoint: `${endpoint}/`, sas: `?${sas}` },
      { connectionString: `TableEndpoint=${endpoint}/;SharedAccessSignature=${sas}` },
    ];
    for (const credentials of ways) {
      const storage = azureStorage(credentials);
      expect(storage.location).toBe(endpoint);
      const storeId = randomUUID();
      const store = (await storage.open(storeId, { create: true }))!;
      await store.commit("p", { conditions: [], puts: [{ key: Buffer.from("k"), value: [] }], deletes: [] });
      expect((await store.get("p", Buffer.from("k")))?.value.length).toBe(0);
      expect(await storage.list({ limit: 10 })).toContain(storeId);
      await store.drop();
    }
  });

  it("for development are one word", () => {
    const { location } = azureStorage({ connectionString: "UseDevelopmentStorage=true" });
    expect(location).toBe("http://127.0.0.1:10002/devstoreaccount1");
  });

  it("imply the endpoint of the public cloud, and of other clouds", () => {
    const accountKey = wrongKey;
    expect(azureStorage({ accountName: "a", accountKey }).location).toBe("https://a.table.core.windows.net");
    const connectionString = `AccountName=a;AccountKey=${accountKey};EndpointSuffix=core.chinacloudapi.cn`;
    expect(azureStorage({ connectionString }).location).toBe("https://a.table.core.chinacloudapi.cn");
  });

  it("that are malformed are refused at once, and the error does not repeat them", () => {
    const secret = "c2VjcmV0";
    const unusable: AzureCredentials[] = [
      { connectionString: `AccountKey=${secret}` },
      { connectionString: secret },
      { endpoint: `https://a.table.core.windows.net?sig=${secret}`, sas: secret },
      { endpoint: "a.table", sas: secret },
      { endpoint: "http://a.table.core.windows.net", credential: { getToken: async () => null } },
    ];
    for (const credentials of unusable) {
      const error = thrownBy(() => azureStorage(credentials));
      expect(error).toBeInstanceOf(TypeError);
      expect(inspect(error)).not.toContain(secret);
    }
  });
});

describe("an account", () => {
  it("that refuses the key is reported as such", async () => {
    const { message, everything } = await failureOf({ accountName, accountKey: wrongKey, endpoint });
    expect(message).toMatch(/^Azure refused access \(403 \w+\); check the key/);
    expect(everything).not.toMatch(/SharedKey|authorization\W/i);
    expect(everything).not.toContain(wrongKey);
  });

  it("that refuses a signature is reported as such", async () => {
    const sas = signature(wrongKey, new Date(Date.now() + 3_600_000));
    const { message, everything } = await failureOf({ endpoint, sas });
    expect(message).toMatch(/^Azure refused access \(403 \w+\); check .* the SAS/);
    expect(everything).not.toContain("sig=");
    expect(everything).not.toContain(new URLSearchParams(sas).get("sig"));
  });

  it("that cannot be reached is reported in bounded time", async () => {
    const unused = await startAzurite();
    await unused.stop();
    const options = { readAttempts: 3, readRetryMillis: 1_000 };
    const { message } = await failureOf({ connectionString: connectionStringTo(unused.port) }, options);
    expect(message).toBe(
      "Azure Table Storage does not answer (ECONNREFUSED); check the endpoint, the network, and that the service runs",
    );
  });
});

function signature(key: string, expiresOn: Date): string {
  return generateAccountSas(new AzureNamedKeyCredential(accountName, key), {
    permissions: { query: true, write: true, delete: true, list: true, add: true, update: true },
    expiresOn,
  });
}

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
