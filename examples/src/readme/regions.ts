/** Lines of a file between `// #region name` and `// #endregion name`, without their common indentation. */
export function region(source: string, name: string): string {
  const lines = source.split("\n");
  const start = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  const end = lines.findIndex((line) => line.trim() === `// #endregion ${name}`);
  if (start < 0 || end < start) throw new Error(`there is no region "${name}"`);
  const body = lines.slice(start + 1, end);
  const indents = body.filter((line) => line.trim() !== "").map((line) => line.length - line.trimStart().length);
  const indent = Math.min(...indents, Number.MAX_SAFE_INTEGER);
  return body.map((line) => line.slice(indent)).join("\n");
}

/** `<!-- insert path#region -->`, and the code block that follows it. */
const INSERTION = /^<!-- insert (\S+)#(\S+) -->\n```(\w+)\n[\s\S]*?^```$/gm;

/** The document, in which the region replaces the code block after each insert mark. */
export function insertRegions(document: string, readSource: (path: string) => string): string {
  return document.replace(INSERTION, (_, path: string, name: string, language: string) => {
    try {
      return `<!-- insert ${path}#${name} -->\n\`\`\`${language}\n${region(readSource(path), name)}\n\`\`\``;
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
    }
  });
}
