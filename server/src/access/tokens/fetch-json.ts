/** Most bytes of a key set or a discovery document. Real ones have a few KiB. */
const MAX_BYTES = 256 * 1024;

/**
 * Gets a JSON document. Follows no redirects: a redirect could lead to a place that the operator never named.
 *
 * @param signal ends the request
 * @throws Error with one line that names the URL and the problem
 */
export async function fetchJson(url: URL, signal: AbortSignal): Promise<unknown> {
  const shown = `${url.origin}${url.pathname}`;
  try {
    const response = await fetch(url, { redirect: "manual", signal, headers: { accept: "application/json" } });
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`answered with status ${response.status}${whereTo(response, url)}`);
    }
    return parse(await readBody(response));
  } catch (error) {
    throw new Error(`${shown} ${reasonOf(error)}`, { cause: error });
  }
}

function whereTo({ status, headers }: Response, url: URL): string {
  const target = headers.get("location");
  if (status < 300 || status > 399 || target === null || !URL.canParse(target, url)) return "";
  const { origin, pathname } = new URL(target, url);
  return `: it redirects to ${origin}${pathname}, and redirects are not followed`;
}

async function readBody(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    // Leaving the loop cancels the body.
    if (bytes > MAX_BYTES) throw new Error(`answered with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("answered with something that is not JSON");
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  if (error.name === "TimeoutError") return "did not answer in time";
  if (error.name === "AbortError") return "was not asked to the end";
  // fetch says "fetch failed", and its cause says why.
  if (error.message !== "fetch failed") return error.message;
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return `cannot be reached: ${cause?.code ?? cause?.message ?? "no reason given"}`;
}
