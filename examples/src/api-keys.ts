/** Authentication by API keys, in place of tokens. */
// #region api-keys
import { AccessDenied, type Authenticate, Grants } from "@streamkit/server";

const owners = new Map([["k-7f3a", { owner: "billing", store: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff" }]]);

export const byApiKey: Authenticate = ({ headers }) => {
  const key = headers.get("x-api-key");
  if (key === null) throw new AccessDenied("TOKEN_MISSING", 'the request has no header "x-api-key"');
  const found = owners.get(key);
  if (found === undefined) throw new AccessDenied("TOKEN_INVALID", "the API key is unknown");
  return { subject: found.owner, grants: Grants.of([{ store: found.store, verbs: ["read", "append"] }]) };
};
// #endregion api-keys
