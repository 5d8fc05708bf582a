import { Code, ConnectError } from "@connectrpc/connect";
import { unreadable } from "../routes/reading/refusal.ts";
import { type HeaderList, MAX_HEADER_BYTES, MAX_HEADERS } from "./headers.ts";

/** Returns the error for a path that no RPC has. */
export function unknownPath(path: string): ConnectError {
  return new ConnectError(`no Streamkit method has the path ${JSON.stringify(path.slice(0, 100))}`, Code.Unimplemented);
}

/** Returns the error for the headers of a REQUEST; undefined if HTTP could carry them. */
export function headerProblem({ tooLarge, valid }: HeaderList): Error | undefined {
  if (tooLarge) {
    return unreadable(`REQUEST has more than ${MAX_HEADERS} headers, or more than ${MAX_HEADER_BYTES} bytes of them`);
  }
  return valid ? undefined : unreadable("a header has a name or a value that HTTP could not carry");
}
