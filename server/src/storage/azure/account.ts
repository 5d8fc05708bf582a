/** Turns each form of credentials into the form that the SDK takes. */
import type { AzureNamedKeyCredential, AzureSASCredential, TableServiceClientOptions } from "@azure/data-tables";
import type { AzureCredentials, TokenCredential } from "./index.ts";
import { sdk } from "./sdk.ts";

/** An account to send requests to. */
export interface Account {
  /** URL of the account's table service, without a query and without a slash at the end. */
  readonly endpoint: string;
  readonly credential: AzureNamedKeyCredential | AzureSASCredential | TokenCredential;
  readonly clientOptions: TableServiceClientOptions;
}

/** The emulator's well-known account. Its key is public (learn.microsoft.com, "Use the Azurite emulator"). */
const DEVELOPMENT_ACCOUNT = "devstoreaccount1";
const DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const developmentEndpoint = `http://127.0.0.1:10002/${DEVELOPMENT_ACCOUNT}`;

/** @throws TypeError for credentials of no known form; the message holds no secret */
export function accountOf(credentials: AzureCredentials): Account {
  if ("connectionString" in credentials) return fromConnectionString(credentials.connectionString);
  if ("accountKey" in credentials) {
    const { accountName, accountKey, endpoint } = credentials;
    return account(
      endpoint ?? `https://${accountName}.table.core.windows.net`,
      new (sdk().tables.AzureNamedKeyCredential)(accountName, accountKey),
    );
  }
  if ("sas" in credentials) {
    return account(credentials.endpoint, new (sdk().tables.AzureSASCredential)(credentials.sas.replace(/^\?/, "")));
  }
  if (!/^https:/i.test(credentials.endpoint))
    throw new TypeError("endpoint: expected an https URL, since an identity's tokens must not travel in plain text");
  return account(credentials.endpoint, credentials.credential);
}

function fromConnectionString(connectionString: string): Account {
  const parts = new Map<string, string>();
  for (const part of connectionString.split(";")) {
    const at = part.indexOf("=");
    if (at > 0) parts.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const given = (name: string) => parts.get(name.toLowerCase()) || undefined;
  if (given("UseDevelopmentStorage") === "true") {
    return account(
      developmentEndpoint,
      new (sdk().tables.AzureNamedKeyCredential)(DEVELOPMENT_ACCOUNT, DEVELOPMENT_KEY),
    );
  }
  const name = given("AccountName");
  const key = given("AccountKey");
  const sas = given("SharedAccessSignature");
  const suffix = given("EndpointSuffix") ?? "core.windows.net";
  const protocol = given("DefaultEndpointsProtocol") ?? "https";
  const endpoint = given("TableEndpoint") ?? (name && `${protocol}://${name}.table.${suffix}`);
  if (endpoint !== undefined && name !== undefined && key !== undefined) {
    return account(endpoint, new (sdk().tables.AzureNamedKeyCredential)(name, key));
  }
  if (endpoint !== undefined && sas !== undefined) {
    return account(endpoint, new (sdk().tables.AzureSASCredential)(sas.replace(/^\?/, "")));
  }
  throw new TypeError(
    "connection string: expected AccountName and AccountKey, or TableEndpoint and SharedAccessSignature, or " +
      "UseDevelopmentStorage=true",
  );
}

function account(endpoint: string, credential: Account["credential"]): Account {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    throw new TypeError("endpoint: expected a URL such as https://<account>.table.core.windows.net");
  }
  if (url.search !== "" || url.username !== "" || url.password !== "") {
    throw new TypeError("endpoint: expected a URL without a query or credentials; pass a SAS as `sas`");
  }
  return {
    endpoint: url.href.replace(/\/$/, ""),
    credential,
    clientOptions: {
      allowInsecureConnection: url.protocol === "http:",
      // If the SDK repeated a commit whose answer came late, the commit would conflict with itself. read-retry.ts
      // repeats reads.
      retryOptions: { maxRetries: 0 },
    },
  };
}
